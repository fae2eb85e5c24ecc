"""Draw personas and exemplars from the gate's weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.simulation import simulation as columns
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError

_ROWS = 1024


def draw_components(
    gate: Gate,
    vectors: NDArray[np.float64],
    rows: NDArray[np.intp] | None = None,
    *,
    random_state: int = 0,
) -> pd.DataFrame:
    """Draw k ~ pi(x), then j ~ Omega_k(x), for the context vectors x of n draws.

    Each draw alone follows the weights; together they are spread more evenly than independent
    draws, by a scrambled Halton sequence (Owen 2017, arXiv 1706.02808), so that 1,000 draws from
    1,000 equal exemplars show nearly every one. The first draws do not depend on n.

    Parameters
    ----------
    gate : Gate
        The weights.
    vectors : ndarray
        Vectors of contexts, shape (m, d).
    rows : ndarray, optional
        Which of them each draw has, shape (n,); default: one draw for each.
    random_state : int
        Seed of the scrambling.

    Returns
    -------
    pandas.DataFrame
        persona and exemplar (indices) and log_prob (nats), n rows.
    """
    from scipy.stats import qmc

    rows = np.arange(len(vectors)) if rows is None else rows
    spread = qmc.Halton(2, seed=random_state).random(len(rows))
    parts = [_drawn_rows(gate, vectors[rows[part]], spread[part]) for part in _parts(len(rows))]
    return pd.concat(parts, ignore_index=True)


def _parts(n: int) -> list[slice]:
    """Return parts, at least one, of so few rows that weights of shape (rows, J) are small."""
    return [slice(start, start + _ROWS) for start in range(0, max(n, 1), _ROWS)]


def _drawn_rows(
    gate: Gate, contexts: NDArray[np.float64], spread: NDArray[np.float64]
) -> pd.DataFrame:
    """Draw by the numbers in `spread`, shape (n, 2)."""
    rows = np.arange(len(contexts))
    log_pi = gate.persona_log_weights(contexts)
    personas = _choice(log_pi, spread[:, 1])
    log_omega = gate.exemplar_log_weights(contexts, personas)
    exemplars = _choice(log_omega, spread[:, 0])
    log_prob = log_pi[rows, personas] + log_omega[rows, exemplars]
    return pd.DataFrame(
        {columns.PERSONA: personas, columns.EXEMPLAR: exemplars, columns.LOG_PROB: log_prob}
    )


def draw_log_prob(
    gate: Gate,
    simulation: Simulation,
    vectors: NDArray[np.float64],
    rows: NDArray[np.intp],
    *,
    names: Sequence[str],
) -> NDArray[np.float64]:
    """Return with what log-probability `gate` draws each draw's persona and exemplar, shape (n,).

    Draw i has the context vector `vectors[rows[i]]`; `names` are those of the gate's personas.

    Raises
    ------
    DataError
        For a baseline, which drew no persona or no exemplar.
    """
    drawn = simulation.frame[[columns.PERSONA, columns.EXEMPLAR]]
    if drawn.isna().to_numpy().any():
        raise DataError(
            f"The simulation {simulation.name!r} drew no persona or no exemplar.",
            hint="Reweight a simulation of the mixture; baselines have no weights.",
        )
    personas = simulation.codes(names)
    exemplars = drawn[columns.EXEMPLAR].to_numpy(dtype=np.intp)
    parts = [
        _log_prob(gate, vectors[rows[part]], personas[part], exemplars[part])
        for part in _parts(len(rows))
    ]
    return np.concatenate(parts)


def _log_prob(
    gate: Gate,
    contexts: NDArray[np.float64],
    personas: NDArray[np.intp],
    exemplars: NDArray[np.intp],
) -> NDArray[np.float64]:
    rows = np.arange(len(contexts))
    log_pi = gate.persona_log_weights(contexts)[rows, personas]
    return np.asarray(log_pi + gate.exemplar_log_weights(contexts, personas)[rows, exemplars])


def _choice(log_weights: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the column of each row at which its weights, added up, pass `share` of their sum."""
    upto = np.cumsum(np.exp(log_weights), axis=1)
    return np.asarray(np.sum(upto <= share[:, None] * upto[:, -1:], axis=1), dtype=np.intp)
