"""Draw personas and exemplars with the probabilities of the gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.simulation import simulation as columns
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError

_BATCH_SIZE = 1024  # draws; bounds the memory of weights of shape (draws, J)
_MAX_REDRAWS = 200
_PAIR = [columns.PERSONA, columns.EXEMPLAR]


def draw_components(
    gate: Gate,
    vectors: NDArray[np.float64],
    rows: NDArray[np.intp] | None = None,
    *,
    random_state: int = 0,
) -> pd.DataFrame:
    """Draw k ~ pi(x), then j ~ Omega_k(x), for the context vectors x of n draws.

    Each draw follows the weights. A scrambled Halton sequence (Owen 2017, arXiv 1706.02808)
    spreads the draws more evenly than independent draws: 1,000 draws from 1,000 equally weighted
    exemplars use nearly every one. The first draws do not depend on n.

    Parameters
    ----------
    gate : Gate
        The weights.
    vectors : ndarray, shape (m, d)
        Vectors of contexts.
    rows : ndarray, shape (n,), optional
        The row of `vectors` for each draw; default: one draw per row.
    random_state : int
        Seed of the scrambling.

    Returns
    -------
    pandas.DataFrame
        persona and exemplar (indices) and log_prob (nats), n rows.
    """
    from scipy.stats import qmc

    rows = np.arange(len(vectors)) if rows is None else rows
    points = qmc.Halton(2, seed=random_state).random(len(rows))
    batches = [_draw(gate, vectors[rows[batch]], points[batch]) for batch in _batches(len(rows))]
    return pd.concat(batches, ignore_index=True)


def draw_mixed_components(
    gate: Gate,
    vectors: NDArray[np.float64],
    rows: NDArray[np.intp],
    n_mixed: int,
    *,
    random_state: int = 0,
) -> list[pd.DataFrame]:
    """Draw `n_mixed` components for each of n draws, independently but no component twice.

    The first components are those of `draw_components`. Another component that equals an earlier
    one of its draw is drawn again.

    Returns
    -------
    list of pandas.DataFrame
        The first, second, ... component of each draw: persona and exemplar (indices), n rows.

    Raises
    ------
    DataError
        If the weights leave a draw fewer than `n_mixed` components.
    """
    first = draw_components(gate, vectors, rows, random_state=random_state)
    drawn = first[_PAIR].to_numpy(dtype=np.intp)[:, None]
    rng = np.random.default_rng([random_state, 7])
    for _ in range(n_mixed - 1):
        another = _another(gate, vectors[rows], drawn, rng)
        drawn = np.concatenate([drawn, another[:, None]], axis=1)
    return [pd.DataFrame(drawn[:, each], columns=_PAIR) for each in range(n_mixed)]


def draw_log_prob(
    gate: Gate,
    simulation: Simulation,
    vectors: NDArray[np.float64],
    rows: NDArray[np.intp],
    *,
    names: Sequence[str],
) -> NDArray[np.float64]:
    """Return the log-probability that `gate` draws each draw's persona and exemplar, shape (n,).

    Draw i has the context vector `vectors[rows[i]]`; `names` are the names of the gate's personas.

    Raises
    ------
    DataError
        For a baseline without personas or without exemplars, and for a mix of personas.
    """
    simulation.require_single_personas()
    drawn = simulation.frame[[columns.PERSONA, columns.EXEMPLAR]]
    if drawn.isna().to_numpy().any():
        raise DataError(
            f"The simulation {simulation.name!r} has draws without a persona or an exemplar.",
            hint="Reweight a simulation of the mixture; baselines have no weights.",
        )
    personas = simulation.codes(names)
    exemplars = drawn[columns.EXEMPLAR].to_numpy(dtype=np.intp)
    batches = [
        _log_prob(gate, vectors[rows[batch]], personas[batch], exemplars[batch])
        for batch in _batches(len(rows))
    ]
    return np.concatenate(batches)


def _another(
    gate: Gate,
    contexts: NDArray[np.float64],
    earlier: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return one more component for each draw, (n, 2), that is none of its `earlier`, (n, m, 2)."""
    found = np.zeros((len(contexts), len(_PAIR)), dtype=np.intp)
    left = np.arange(len(contexts))
    for _ in range(_MAX_REDRAWS):
        for batch in _batches(len(left)):
            points = rng.random((len(left[batch]), 2))
            found[left[batch]] = _draw(gate, contexts[left[batch]], points)[_PAIR]
        left = left[(found[left, None] == earlier[left]).all(axis=2).any(axis=1)]
        if not len(left):
            return found
    raise DataError(
        f"The weights leave {len(left):,} of {len(contexts):,} draws fewer than "
        f"{earlier.shape[1] + 1} components to mix.",
        hint="Use a smaller --mix, other --weights, or more exemplars.",
    )


def _batches(n: int) -> list[slice]:
    """Return at least one slice of at most `_BATCH_SIZE` draws."""
    return [slice(start, start + _BATCH_SIZE) for start in range(0, max(n, 1), _BATCH_SIZE)]


def _draw(gate: Gate, contexts: NDArray[np.float64], points: NDArray[np.float64]) -> pd.DataFrame:
    """Draw components at points of the unit square, shape (n, 2)."""
    rows = np.arange(len(contexts))
    log_pi = gate.persona_log_weights(contexts)
    personas = _inverse_cdf(log_pi, points[:, 1])
    log_omega = gate.exemplar_log_weights(contexts, personas)
    exemplars = _inverse_cdf(log_omega, points[:, 0])
    log_prob = log_pi[rows, personas] + log_omega[rows, exemplars]
    return pd.DataFrame(
        {columns.PERSONA: personas, columns.EXEMPLAR: exemplars, columns.LOG_PROB: log_prob}
    )


def _log_prob(
    gate: Gate,
    contexts: NDArray[np.float64],
    personas: NDArray[np.intp],
    exemplars: NDArray[np.intp],
) -> NDArray[np.float64]:
    rows = np.arange(len(contexts))
    log_pi = gate.persona_log_weights(contexts)[rows, personas]
    return np.asarray(log_pi + gate.exemplar_log_weights(contexts, personas)[rows, exemplars])


def _inverse_cdf(log_weights: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the column of each row at which its cumulative share passes the point, shape (n,)."""
    cumulative = np.cumsum(np.exp(log_weights), axis=1)
    return np.asarray(np.sum(cumulative <= points[:, None] * cumulative[:, -1:], axis=1), np.intp)
