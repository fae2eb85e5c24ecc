"""Controllability: whether the persona of a response can be recognised from the response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.metrics.vectors import Indices, Vectors, checked
from jupyter_mop.errors import DataError

N_FOLDS = 5
N_SHUFFLES = 20
LEVEL = 0.95


@dataclass(frozen=True)
class Controllability:
    """The share of responses nearest to the centroid of their own persona's other responses.

    Attributes
    ----------
    share, low, high : float
        The share of all responses, with a 95 % interval.
    chance, chance_low, chance_high : float
        The same share with shuffled personas: mean, minimum and maximum of 20 shuffles.
    n : int
        Number of responses.
    frame : pandas.DataFrame
        One row per persona: persona, n, share, low, high and chance.
    confusion : pandas.DataFrame, shape (K, K)
        For the responses of each persona (row), the share nearest to each persona (column).
    left_out : tuple of str
        Personas with too few responses.
    """

    share: float
    low: float
    high: float
    chance: float
    chance_low: float
    chance_high: float
    n: int
    frame: pd.DataFrame
    confusion: pd.DataFrame
    left_out: tuple[str, ...]


def controllability(
    vectors: Vectors, codes: Indices, names: Sequence[str], *, random_state: int = 0
) -> Controllability:
    """Measure how well a nearest-centroid classifier recognises the persona of a response.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        One row per response.
    codes : ndarray of int, shape (n,)
        The persona of each response, as a position in `names`.
    names : sequence of str
        The K personas; those with fewer than five responses are left out.
    random_state : int
        Seed of the folds and of the shuffles.

    Returns
    -------
    Controllability

    Raises
    ------
    DataError
        If fewer than two personas have five responses.

    Notes
    -----
    Stratified five-fold cross-validation: a response is compared with centroids of the other four
    folds. Weights of responses are ignored.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> codes = np.arange(60) % 2
    >>> vectors = rng.normal(size=(60, 3)) + 8 * codes[:, None]
    >>> found = controllability(vectors, codes, ["critic", "fan"])
    >>> found.share, 0.2 < found.chance < 0.8
    (1.0, True)
    """
    vectors = checked(vectors, at_least=1)
    counts = np.bincount(codes, minlength=len(names))
    enough = np.flatnonzero(counts >= N_FOLDS)
    if len(enough) < 2:  # noqa: PLR2004
        raise DataError(
            f"Need two personas with at least {N_FOLDS} responses each, got {len(enough)}.",
            hint="Simulate more responses, of more than one persona.",
        )
    selected = np.isin(codes, enough)
    vectors, own = vectors[selected], np.searchsorted(enough, codes[selected])
    rng = np.random.default_rng(random_state)
    confusion = _confusion(vectors, own, rng)
    shuffled = [_confusion(vectors, rng.permutation(own), rng) for _ in range(N_SHUFFLES)]
    chance = np.array([_accuracy(table) for table in shuffled])
    share, n, known = _accuracy(confusion), len(own), [names[int(k)] for k in enough]
    low, high = share_interval(share, n, level=LEVEL)
    return Controllability(
        share,
        low,
        high,
        chance=float(chance.mean()),
        chance_low=float(chance.min()),
        chance_high=float(chance.max()),
        n=n,
        frame=_by_persona(confusion, shuffled, known),
        confusion=pd.DataFrame(_row_shares(confusion), index=known, columns=known),
        left_out=tuple(name for k, name in enumerate(names) if k not in enough),
    )


def _confusion(vectors: Vectors, codes: Indices, rng: np.random.Generator) -> Indices:
    """Return the number of responses of each persona nearest to each persona, shape (K, K)."""
    size = int(codes.max()) + 1
    folds = _folds(codes, rng)
    members = np.eye(size)[codes]
    nearest = np.zeros(len(codes), dtype=np.intp)
    for fold in range(N_FOLDS):
        train = members * (folds != fold)[:, None]
        centroids = (train.T @ vectors) / train.sum(axis=0)[:, None]
        test = np.flatnonzero(folds == fold)
        distance = np.sum(centroids**2, axis=1) - 2 * vectors[test] @ centroids.T
        nearest[test] = distance.argmin(axis=1)
    return np.bincount(codes * size + nearest, minlength=size**2).reshape(size, size)


def _folds(codes: Indices, rng: np.random.Generator) -> Indices:
    """Return the fold of each response, stratified by persona."""
    folds = np.zeros(len(codes), dtype=np.intp)
    for k in range(int(codes.max()) + 1):
        rows = rng.permutation(np.flatnonzero(codes == k))
        folds[rows] = np.arange(len(rows)) % N_FOLDS
    return folds


def _accuracy(confusion: Indices) -> float:
    return float(np.trace(confusion) / confusion.sum())


def _row_shares(confusion: Indices) -> Vectors:
    return np.asarray(confusion / confusion.sum(axis=1, keepdims=True))


def _by_persona(
    confusion: Indices, shuffled: Sequence[Indices], names: Sequence[str]
) -> pd.DataFrame:
    counts, shares = confusion.sum(axis=1), np.diag(_row_shares(confusion))
    rows = zip(shares, counts, strict=True)
    ends = np.array([share_interval(share, int(n), level=LEVEL) for share, n in rows])
    return pd.DataFrame(
        {
            "persona": names,
            "n": counts,
            "share": shares,
            "low": ends[:, 0],
            "high": ends[:, 1],
            "chance": np.mean([np.diag(_row_shares(table)) for table in shuffled], axis=0),
        }
    )
