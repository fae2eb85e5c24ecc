"""Multiple choice: the options that a respondent chooses, drawn and scored as one set.

Each option is asked as a yes-no question, which gives the share of people who choose it. Given
persona and context, options are chosen independently of each other, except where one option is
exclusive ("none of these"): then a respondent chooses either this one alone, or at least one of
the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TINY = 1e-9
_N_HALVINGS = 50


def coherent_shares(shares: Array, exclusive: int | None) -> Array:
    """Return shares that an exclusive option allows, shape (..., A).

    With an exclusive option, it and any other option sum to at most 1, and all of them to at least
    1. Shares that do so stay as they are; others are divided by one number.

    Examples
    --------
    >>> coherent_shares(np.array([0.6, 0.5, 0.3]), 2).tolist()
    [0.6, 0.5, 0.3]
    >>> coherent_shares(np.array([0.8, 0.5, 0.8]), 2).tolist()
    [0.5, 0.3125, 0.5]
    """
    if exclusive is None:
        return shares
    others = np.delete(shares, exclusive, axis=-1)
    most = shares[..., exclusive] + others.max(axis=-1)
    least = np.maximum(shares.sum(axis=-1), _TINY)
    return np.asarray(shares / np.maximum(most, np.minimum(least, 1.0))[..., None])


def draw_sets(shares: Array, exclusive: int | None, rng: np.random.Generator) -> Mask:
    """Draw the options that each of n respondents chooses, shape (n, A).

    Parameters
    ----------
    shares : ndarray, shape (n, A)
        The coherent share of each option for each respondent.
    exclusive : int or None
        The exclusive option.
    rng : numpy.random.Generator

    Examples
    --------
    >>> shares = np.tile([0.6, 0.5, 0.3], (1000, 1))
    >>> sets = draw_sets(shares, 2, np.random.default_rng(0))
    >>> bool((sets[:, 2] != sets[:, :2].any(axis=1)).all())
    True
    """
    uniform = rng.random(shares.shape)
    if exclusive is None:
        return np.asarray(uniform < shares)
    chances = _chances(shares, exclusive)
    # The probability that an option is chosen if none before it is and one of the rest must be.
    none_left = np.cumprod(1 - chances[:, ::-1], axis=1)[:, ::-1]
    first = chances / np.maximum(1 - none_left, _TINY**2)
    alone = uniform[:, exclusive] < shares[:, exclusive]
    chosen = np.zeros(shares.shape, dtype=bool)
    for a in range(shares.shape[1]):
        if a != exclusive:
            chosen[:, a] = uniform[:, a] < np.where(chosen.any(1), chances[:, a], first[:, a])
    chosen[alone] = False
    chosen[:, exclusive] = alone
    return chosen


def log_likelihood(shares: Array, selected: Mask, exclusive: int | None) -> Array:
    """Return the log-probability of a set of options, shape (...), in nats.

    Parameters
    ----------
    shares : ndarray, shape (..., A)
        The coherent share of each option.
    selected : ndarray of bool, shape (A,)
        The set.
    exclusive : int or None
        The exclusive option.

    Examples
    --------
    >>> shares = np.array([0.6, 0.5, 0.3])
    >>> sets = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]
    >>> each = [np.exp(log_likelihood(shares, np.array(chosen, dtype=bool), 2)) for chosen in sets]
    >>> round(float(np.sum(each)), 6), round(float(each[0] + each[2]), 6)
    (1.0, 0.6)
    """
    tiny = np.finfo(np.float64).tiny
    if exclusive is None:
        each = np.where(selected, shares, 1 - shares)
        return np.asarray(np.log(np.maximum(each, tiny)).sum(axis=-1))
    alone = np.log(np.maximum(shares[..., exclusive], tiny))
    if selected[exclusive]:
        return np.asarray(alone)
    chances = np.delete(_chances(shares, exclusive), exclusive, axis=-1)
    each = np.where(np.delete(selected, exclusive), chances, 1 - chances)
    some = np.log(np.maximum(1 - shares[..., exclusive], tiny))
    any_ = np.log(np.maximum(1 - np.prod(1 - chances, axis=-1), tiny))
    return np.asarray(some + np.log(np.maximum(each, tiny)).sum(axis=-1) - any_)


def _chances(shares: Array, exclusive: int) -> Array:
    """Return the chances r of independent options whose shares, if any is chosen, are as given.

    r / (1 - prod(1 - r)) is the share among those who choose one of these options. The probability
    s that any is chosen is the root of s = 1 - prod(1 - share * s).
    """
    within = shares / np.maximum(1 - shares[..., exclusive], _TINY)[..., None]
    within = np.clip(within, 0.0, 1.0)
    within[..., exclusive] = 0.0
    low, high = np.full(shares.shape[:-1], _TINY), np.ones(shares.shape[:-1])
    for _ in range(_N_HALVINGS):
        s = (low + high) / 2
        is_low = 1 - np.prod(1 - within * s[..., None], axis=-1) > s
        low, high = np.where(is_low, s, low), np.where(is_low, high, s)
    return np.asarray(within * low[..., None])
