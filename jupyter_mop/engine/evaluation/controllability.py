"""Whether a persona does what it says: are its responses nearest to its own, or to another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.metrics.vectors import Vectors, checked
from jupyter_mop.engine.simulation.importance_weights import Codes
from jupyter_mop.errors import DataError

N_FOLDS = 5
N_SHUFFLES = 20


@dataclass(frozen=True)
class Controllability:
    """How many responses are nearest to the centroid of their own persona's other responses.

    Attributes
    ----------
    share, low, high : float
        Of all responses, with an interval of 95 %.
    chance, chance_low, chance_high : float
        The same with the personas shuffled among the responses: the mean and the smallest and
        largest of 20 shuffles.
    n : int
        Number of responses.
    frame : pandas.DataFrame
        One row per persona: persona, n, share, low, high and chance.
    confusion : pandas.DataFrame, shape (K, K)
        Of the responses of each persona (row) the share nearest to each persona (column).
    left_out : tuple of str
        Personas with too few responses to tell.
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
    vectors: Vectors, codes: Codes, names: Sequence[str], *, random_state: int = 0
) -> Controllability:
    """Measure how well responses can be told apart by persona, out of sample.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        One row per response.
    codes : ndarray of int, shape (n,)
        The persona of each, as a position in `names`.
    names : sequence of str
        The K personas; those with fewer than five responses are left out.
    random_state : int
        Seed of the folds and of the shuffles.

    Raises
    ------
    DataError
        If fewer than two personas have five responses.

    Notes
    -----
    Five folds, each with its share of every persona: a response is set against centroids of the
    other four, so that it does not help its own. Weights of responses do not count.

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
            f"Two personas with {N_FOLDS} responses each are needed to tell them apart.",
            hint="Simulate more responses, of more than one persona.",
        )
    kept = np.isin(codes, enough)
    chosen, own = [names[int(k)] for k in enough], np.searchsorted(enough, codes[kept])
    rng = np.random.default_rng(random_state)
    confusion = _confusion(vectors[kept], own, rng)
    shuffled = [_confusion(vectors[kept], rng.permutation(own), rng) for _ in range(N_SHUFFLES)]
    chance = np.array([_share(table) for table in shuffled])
    share, n = _share(confusion), len(own)
    low, high = _interval(share, n)
    return Controllability(
        share,
        low,
        high,
        chance=float(chance.mean()),
        chance_low=float(chance.min()),
        chance_high=float(chance.max()),
        n=n,
        frame=_by_persona(confusion, shuffled, chosen),
        confusion=pd.DataFrame(_rows(confusion), index=chosen, columns=chosen),
        left_out=tuple(name for k, name in enumerate(names) if k not in enough),
    )


def _confusion(vectors: Vectors, codes: Codes, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return how many responses of each persona are nearest to each persona, (K, K)."""
    size = int(codes.max()) + 1
    folds = _folds(codes, rng)
    members = np.eye(size)[codes]
    nearest = np.zeros(len(codes), dtype=np.intp)
    for fold in range(N_FOLDS):
        train = members * (folds != fold)[:, None]
        centroids = (train.T @ vectors) / train.sum(axis=0)[:, None]
        tested = np.flatnonzero(folds == fold)
        distance = np.sum(centroids**2, axis=1) - 2 * vectors[tested] @ centroids.T
        nearest[tested] = distance.argmin(axis=1)
    return np.bincount(codes * size + nearest, minlength=size**2).reshape(size, size)


def _folds(codes: Codes, rng: np.random.Generator) -> Codes:
    """Return a fold for each response; every persona is spread evenly over all folds."""
    folds = np.zeros(len(codes), dtype=np.intp)
    for k in range(int(codes.max()) + 1):
        rows = rng.permutation(np.flatnonzero(codes == k))
        folds[rows] = np.arange(len(rows)) % N_FOLDS
    return folds


def _share(confusion: NDArray[np.intp]) -> float:
    return float(np.trace(confusion) / confusion.sum())


def _rows(confusion: NDArray[np.intp]) -> Vectors:
    return np.asarray(confusion / confusion.sum(axis=1, keepdims=True))


def _interval(share: float, n: int) -> tuple[float, float]:
    return share_interval(share, n, level=0.95)


def _by_persona(
    confusion: NDArray[np.intp], shuffled: Sequence[NDArray[np.intp]], names: Sequence[str]
) -> pd.DataFrame:
    counts, shares = confusion.sum(axis=1), np.diag(_rows(confusion))
    ends = np.array([_interval(share, int(n)) for share, n in zip(shares, counts, strict=True)])
    return pd.DataFrame(
        {
            "persona": names,
            "n": counts,
            "share": shares,
            "low": ends[:, 0],
            "high": ends[:, 1],
            "chance": np.mean([np.diag(_rows(table)) for table in shuffled], axis=0),
        }
    )
