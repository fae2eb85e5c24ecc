"""The orders in which the options of a question are listed, balanced over positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.errors import DataError

MAX_ORDERS = 6

Order = NDArray[np.intp]


def option_orders(
    size: int,
    n: int | None = None,
    *,
    is_scale: bool = False,
    last: Sequence[int] = (),
    random_state: int = 0,
) -> list[Order]:
    """Return up to `n` distinct orders of `size` options, each of shape (size,).

    With as many orders as options, each option comes first once; no preference of the model for
    the first position is left in the mean over the orders. With fewer orders, each order comes
    with its reverse, so that the mean position of all options is the same.

    Parameters
    ----------
    size : int
        Number of options.
    n : int, optional
        Number of orders; default: as many as there are options to move, up to six.
    is_scale : bool
        Whether the options are a scale. Its first two orders are forwards and backwards, and the
        others are rotations of these.
    last : sequence of int
        Options that stay at the end, in this order.
    random_state : int
        Seed of the orders of options that are no scale.

    Raises
    ------
    DataError
        If `n` is less than 1.

    Examples
    --------
    >>> [order.tolist() for order in option_orders(4, is_scale=True)]
    [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [1, 0, 3, 2]]
    >>> [order.tolist() for order in option_orders(3, is_scale=True, last=[2])]
    [[0, 1, 2], [1, 0, 2]]
    """
    if n is not None and n < 1:
        raise DataError(
            f"`n_orders` must be at least 1, got {n}.",
            hint="Leave it out for the default: as many orders as options, up to six.",
        )
    free = np.array([a for a in range(size) if a not in last], dtype=np.intp)
    n = n or max(1, min(len(free), MAX_ORDERS))
    rng = np.random.default_rng(random_state)
    orders = _scale_orders(free, n) if is_scale else _shuffled_orders(free, n, rng)
    found: dict[tuple[int, ...], Order] = {}
    for order in orders:
        found.setdefault(tuple(order), np.r_[order, np.array(last, dtype=np.intp)])
        if len(found) == n:
            break
    return list(found.values())


def _scale_orders(free: Order, n: int) -> Iterator[Order]:
    """Yield balanced orders of a scale first, then its other rotations and their reverses."""
    size = len(free)
    rest = (np.roll(free, -step)[::turn] for step in range(size) for turn in (1, -1))
    yield from chain(_with_reverses(free, min(n, size)), rest)


def _shuffled_orders(free: Order, n: int, rng: np.random.Generator) -> Iterator[Order]:
    """Yield balanced orders of a shuffle first, then those of other shuffles, until all are met."""
    n_distinct = int(np.prod(np.arange(1, min(len(free), 10) + 1)))
    met: set[tuple[int, ...]] = set()
    while len(met) < n_distinct:
        shuffled = rng.permutation(free)
        if len(free) > max(n, MAX_ORDERS):
            orders = _with_reverses(shuffled, n)
        else:
            orders = [np.roll(shuffled, step) for step in range(len(free))]
        met |= {tuple(order) for order in orders}
        yield from orders


def _with_reverses(order: Order, n: int) -> list[Order]:
    """Return `n` rotations of an order and their reverses; first places are all different."""
    n_pairs = (n + 1) // 2
    step = 2 if n >= len(order) else len(order) // n_pairs
    turned = [np.roll(order, -step * pair) for pair in range(n_pairs)]
    orders = [way for each in turned for way in (each, each[::-1])]
    if n % 2 and n > 1:
        del orders[-2]
    return orders[:n]
