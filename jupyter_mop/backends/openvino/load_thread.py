"""Load OpenVINO models on their own thread, so that a later interrupt does not crash."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Loaded = TypeVar("Loaded")


def load_on_thread(load: Callable[[], Loaded]) -> Loaded:
    """Call `load` on a separate thread and return its result.

    OpenVINO's CPU plugin (2026.4) replaces the signal stack of the thread that loads a model. If
    two models are dropped in the order in which they were loaded, that thread is left with a freed
    stack, and the main thread would crash at the next interrupt.

    Examples
    --------
    >>> load_on_thread(lambda: "model")
    'model'
    """
    with ThreadPoolExecutor(1, "load") as thread:
        return thread.submit(load).result()
