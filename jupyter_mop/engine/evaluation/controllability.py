"""Controllability: whether the persona of a response can be recognised from the response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    checked,
    effective_sample_size,
)
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
    vectors: Vectors,
    codes: Indices,
    names: Sequence[str],
    *,
    weights: Vectors | None = None,
    random_state: int = 0,
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
    weights : ndarray, shape (n,), optional
        Importance weights of the responses; equal by default. Those of weight zero are left out.
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
    folds. Centroids and shares are weighted; `n` counts responses.

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
    weights = np.ones(len(vectors)) if weights is None else weights
    counts = np.bincount(codes[weights > 0], minlength=len(names))
    enough = np.flatnonzero(counts >= N_FOLDS)
    if len(enough) < 2:  # noqa: PLR2004
        raise DataError(
            f"Need two personas with at least {N_FOLDS} responses each, got {len(enough)}.",
            hint="Simulate more responses, of more than one persona.",
        )
    selected = np.isin(codes, enough) & (weights > 0)
    vectors, own = vectors[selected], np.searchsorted(enough, codes[selected])
    weights = weights[selected] / weights[selected].mean()
    rng = np.random.default_rng(random_state)
    confusion = _confusion(vectors, own, weights, rng)
    shuffled = [_confusion(vectors, rng.permutation(own), weights, rng) for _ in range(N_SHUFFLES)]
    chance = np.array([_accuracy(table) for table in shuffled])
    share, known = _accuracy(confusion), [names[int(k)] for k in enough]
    low, high = share_interval(share, effective_sample_size(weights), level=LEVEL)
    return Controllability(
        share,
        low,
        high,
        chance=float(chance.mean()),
        chance_low=float(chance.min()),
        chance_high=float(chance.max()),
        n=len(own),
        frame=_by_persona(confusion, shuffled, known, own, weights),
        confusion=pd.DataFrame(_row_shares(confusion), index=known, columns=known),
        left_out=tuple(name for k, name in enumerate(names) if k not in enough),
    )


def _confusion(
    vectors: Vectors, codes: Indices, weights: Vectors, rng: np.random.Generator
) -> Vectors:
    """Return the weight of the responses of each persona nearest to each persona, shape (K, K)."""
    size = int(codes.max()) + 1
    folds = _folds(codes, rng)
    members = np.eye(size)[codes] * weights[:, None]
    nearest = np.zeros(len(codes), dtype=np.intp)
    for fold in range(N_FOLDS):
        train = members * (folds != fold)[:, None]
        centroids = (train.T @ vectors) / train.sum(axis=0)[:, None]
        test = np.flatnonzero(folds == fold)
        distance = np.sum(centroids**2, axis=1) - 2 * vectors[test] @ centroids.T
        nearest[test] = distance.argmin(axis=1)
    cells = np.bincount(codes * size + nearest, weights, size**2)
    return np.asarray(cells.reshape(size, size), dtype=np.float64)


def _folds(codes: Indices, rng: np.random.Generator) -> Indices:
    """Return the fold of each response, stratified by persona."""
    folds = np.zeros(len(codes), dtype=np.intp)
    for k in range(int(codes.max()) + 1):
        rows = rng.permutation(np.flatnonzero(codes == k))
        folds[rows] = np.arange(len(rows)) % N_FOLDS
    return folds


def _accuracy(confusion: Vectors) -> float:
    return float(np.trace(confusion) / confusion.sum())


def _row_shares(confusion: Vectors) -> Vectors:
    return np.asarray(confusion / confusion.sum(axis=1, keepdims=True))


def _by_persona(
    confusion: Vectors,
    shuffled: Sequence[Vectors],
    names: Sequence[str],
    codes: Indices,
    weights: Vectors,
) -> pd.DataFrame:
    shares = np.diag(_row_shares(confusion))
    sizes = [effective_sample_size(weights[codes == k]) for k in range(len(names))]
    rows = zip(shares, sizes, strict=True)
    ends = np.array([share_interval(share, size, level=LEVEL) for share, size in rows])
    return pd.DataFrame(
        {
            "persona": names,
            "n": np.bincount(codes),
            "share": shares,
            "low": ends[:, 0],
            "high": ends[:, 1],
            "chance": np.mean([np.diag(_row_shares(table)) for table in shuffled], axis=0),
        }
    )
