"""Loading a model with OpenVINO so that an interrupt later on does not end the process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Loaded = TypeVar("Loaded")


def load_apart(load: Callable[[], Loaded]) -> Loaded:
    """Return what `load` returns, called on a thread of its own.

    OpenVINO's plugin for processors (2026.4) gives the thread that loads a model another stack for
    signals, and where two models are dropped in the order in which they were loaded, the thread is
    left with one that is gone. The main thread would then crash at the next interrupt.

    Examples
    --------
    >>> load_apart(lambda: "model")
    'model'
    """
    with ThreadPoolExecutor(1, "load") as thread:
        return thread.submit(load).result()
