"""Run numerical code in threads without oversubscribing the linear-algebra libraries."""

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
N_SLICES = 4  # the same on every machine, so that sums have the same rounding everywhere


def in_threads(function: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> list[Result]:
    """Apply `function` to four consecutive slices of `items`, in threads.

    Linear algebra is limited to one thread inside each slice: for matrices that fit the cache, the
    threads of a BLAS library would mostly wait for one another.

    Examples
    --------
    >>> in_threads(sum, range(8))
    [1, 5, 9, 13]
    >>> in_threads(sum, [1])
    [1]
    """
    if len(items) < N_SLICES:
        return [function(items)]
    ends = [len(items) * i // N_SLICES for i in range(N_SLICES + 1)]
    slices = [items[first:last] for first, last in pairwise(ends)]
    with one_thread(), ThreadPoolExecutor(min(N_SLICES, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, slices))


def one_thread() -> AbstractContextManager[object]:
    """Limit linear algebra to one thread: on small matrices, threads wait for one another."""
    return cast("AbstractContextManager[object]", _controller().limit(limits=1))


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  (only libraries that are loaded can be limited)
    import sklearn.cluster  # noqa: F401

    return ThreadpoolController()
