"""Work in threads that do not wait for one another."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from itertools import pairwise
from typing import TypeVar, cast

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

Item = TypeVar("Item")
Result = TypeVar("Result")
N_PARTS = 4  # on any machine, so that sums are the same on all


def in_threads(function: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> list[Result]:
    """Return `function` of the first items, of the next ones and so on: some for each thread.

    Each thread multiplies matrices by itself: for products that fit the cache, the threads of a
    linear algebra library would spend their time in waiting for one another.

    Examples
    --------
    >>> in_threads(sum, range(8))
    [1, 5, 9, 13]
    >>> in_threads(sum, [1])
    [1]
    """
    if len(items) < N_PARTS:
        return [function(items)]
    ends = [len(items) * part // N_PARTS for part in range(N_PARTS + 1)]
    parts = [items[first:last] for first, last in pairwise(ends)]
    with one_thread(), ThreadPoolExecutor(min(N_PARTS, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, parts))


def one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra to one thread: the matrices are small, and threads wait on each other."""
    return cast("AbstractContextManager[object]", _controller().limit(limits=1))


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  (only libraries that are loaded can be limited)
    import sklearn.cluster  # noqa: F401

    return ThreadpoolController()
