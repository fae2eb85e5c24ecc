"""Load OpenVINO models on their own thread, and give back the memory that loading took."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Loaded = TypeVar("Loaded")
_KERNEL_CACHE = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def load_on_thread(load: Callable[[], Loaded]) -> Loaded:
    """Call `load` on a separate thread and return its result.

    OpenVINO's CPU plugin (2026.4) replaces the signal stack of the thread that loads a model. If
    two models are dropped in the order in which they were loaded, that thread is left with a freed
    stack, and the main thread would crash at the next interrupt.

    Loading repacks the weights; glibc keeps the pages of the intermediate copies, which is about
    150 MB for the embedded model, until it is told to return them. oneDNN keeps the kernels of
    1,024 shapes, about 35 MB more than those of 64, which is as fast (AMD EPYC with AVX-512); a
    value that the user has set in the environment stays.

    Examples
    --------
    >>> load_on_thread(lambda: "model")
    'model'
    """
    os.environ.setdefault(*_KERNEL_CACHE)
    with ThreadPoolExecutor(1, "load") as thread:
        loaded = thread.submit(load).result()
    _return_free_memory()
    return loaded


def _return_free_memory() -> None:
    """Return free pages to the system where the C library is glibc, which can."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
