"""Whether each persona moves the answers: its responses against those of the other personas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.evaluation.controllability import Controllability
from jupyter_mop.engine.metrics.vectors import Indices, Vectors, checked
from jupyter_mop.engine.simulation.simulation import CONTEXT, Simulation

MIN_RESPONSES = 5
MIN_PER_CONTEXT = 10  # draws in the mean context, to compare within contexts
N_SHUFFLES = 999
ERROR_RATE = 0.01  # probability that any persona is found to move answers if none does
MOVES, NO_DIFFERENCE, TOO_FEW = "moves answers", "no clear difference", "too few responses"
_BATCH_SIZE = 50  # shuffles; bounds the memory


def persona_effects(
    vectors: Vectors,
    codes: Indices,
    names: Sequence[str],
    strata: Indices,
    *,
    random_state: int = 0,
) -> pd.DataFrame:
    """Test for each persona whether its responses differ from those of the other personas.

    The divergence is the share of the variance of the vectors that lies between a persona's
    responses and all others (R squared of a PERMANOVA with cosine distances, Anderson 2001, Austral
    Ecology 26). Responses are compared within strata, so that a persona that answers other contexts
    is not mistaken for one that answers differently. The floor is the 99 % quantile of the largest
    divergence of any persona when personas are shuffled within strata (Westfall and Young 1993): if
    no persona moves answers, one is reported in 1 % of simulations, whatever their number.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Unit vectors of the responses.
    codes : ndarray of int, shape (n,)
        The persona of each response, as a position in `names`.
    names : sequence of str
        The K personas.
    strata : ndarray of int, shape (n,)
        Responses to be compared with each other, such as those to one context.
    random_state : int
        Seed of the shuffles.

    Returns
    -------
    pandas.DataFrame
        One row per persona: persona, n (responses in strata with several personas), divergence,
        floor, p (adjusted for the number of personas) and verdict: "moves answers", "no clear
        difference", or "too few responses" for fewer than 5, with no divergence.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> codes = np.arange(90) % 3
    >>> vectors = rng.normal(size=(90, 4)) + 2 * (codes == 2)[:, None]
    >>> found = persona_effects(vectors, codes, ["a", "b", "c"], np.zeros(90, dtype=int))
    >>> found["verdict"].tolist()[2], found["divergence"].round(2).tolist()[2]
    ('moves answers', 0.4)
    """
    rows, counts = _comparable(codes, strata, len(names))
    tested = counts >= MIN_RESPONSES
    floor, p_values = np.nan, np.full(len(names), np.nan)
    divergence = np.full(len(names), np.nan)
    if tested.sum() > 1:
        centred = _centred(checked(vectors, at_least=1)[rows], strata[rows])
        own, groups = codes[rows], strata[rows]
        shuffled = _largest(centred, own, groups, tested, random_state)
        divergence[tested] = _divergences(centred, own[None], len(names))[0][tested]
        floor = float(np.quantile(shuffled, 1 - ERROR_RATE))
        exceeding = (shuffled[:, None] >= divergence[tested]).sum(axis=0)
        p_values[tested] = (1 + exceeding) / (1 + len(shuffled))
    verdicts = np.where(p_values <= ERROR_RATE, MOVES, NO_DIFFERENCE)
    return pd.DataFrame(
        {
            "persona": list(names),
            "n": counts,
            "divergence": divergence,
            "floor": np.where(np.isnan(divergence), np.nan, floor),
            "p": p_values,
            "verdict": np.where(np.isnan(divergence), TOO_FEW, verdicts),
        }
    )


def with_controllability(effects: pd.DataFrame, control: Controllability | None) -> pd.DataFrame:
    """Return the effects with the controllability of each persona above chance, and its interval.

    The columns above, above_low and above_high are differences of shares; NaN without them.
    """
    columns = ["above", "above_low", "above_high"]
    if control is None:
        return effects.assign(**dict.fromkeys(columns, np.nan))
    known = control.frame.set_index("persona")
    above = known[["share", "low", "high"]].sub(known["chance"], axis=0).set_axis(columns, axis=1)
    return effects.merge(above.reset_index(), on="persona", how="left")


def comparison_strata(simulation: Simulation) -> Indices:
    """Return the stratum of each response: its context, or contexts with alike persona weights.

    Contexts are used where they have 10 responses on average. Given the persona weights of its
    context, a response's persona is drawn at random, so that groups of contexts will do otherwise.
    """
    if CONTEXT in simulation.frame:
        codes, contexts = pd.factorize(np.array(list(simulation.frame[CONTEXT]), dtype=object))
        if len(codes) >= MIN_PER_CONTEXT * len(contexts):
            return np.asarray(codes, dtype=np.intp)
    return np.asarray(simulation.grouped_draws().labels, dtype=np.intp)


def _comparable(codes: Indices, strata: Indices, n_personas: int) -> tuple[Indices, Indices]:
    """Return the rows in strata with several personas, and each persona's number of them, (K,)."""
    table = np.zeros((int(strata.max(initial=0)) + 1, n_personas))
    np.add.at(table, (strata, codes), 1)
    rows = np.flatnonzero((np.count_nonzero(table, axis=1) > 1)[strata])
    return rows, np.bincount(codes[rows], minlength=n_personas)


def _centred(vectors: Vectors, strata: Indices) -> NDArray[np.float32]:
    """Return the vectors minus the mean of their stratum."""
    _, labels, counts = np.unique(strata, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    return (vectors - (sums / counts[:, None])[labels]).astype(np.float32)


def _divergences(centred: NDArray[np.float32], codes: Indices, n_personas: int) -> Vectors:
    """Return R squared of each persona against the rest, (P, K), for `codes` of shape (P, n)."""
    n = len(centred)
    members = (codes[:, None] == np.arange(n_personas)[:, None]).astype(np.float32)
    sums = members.reshape(-1, n) @ centred
    counts = members.sum(axis=2)
    between = (sums.astype(np.float64) ** 2).sum(axis=1).reshape(counts.shape) * n
    total = float((centred.astype(np.float64) ** 2).sum())
    return np.asarray(between / np.maximum(counts * (n - counts), 1) / max(total, 1e-12))


def _largest(
    centred: NDArray[np.float32],
    codes: Indices,
    strata: Indices,
    tested: NDArray[np.bool_],
    seed: int,
) -> Vectors:
    """Return the largest divergence of a tested persona in each shuffle within strata."""
    rng = np.random.default_rng([seed, 8])
    home = np.argsort(strata, kind="stable")
    largest = []
    for start in range(0, N_SHUFFLES, _BATCH_SIZE):
        shuffled = np.empty((min(_BATCH_SIZE, N_SHUFFLES - start), len(codes)), dtype=np.intp)
        for each in shuffled:
            each[home] = codes[np.lexsort((rng.random(len(codes)), strata))]
        largest.append(_divergences(centred, shuffled, len(tested))[:, tested].max(axis=1))
    return np.concatenate(largest)
