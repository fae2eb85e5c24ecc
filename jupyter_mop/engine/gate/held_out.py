"""Held-out likelihoods: best single persona, uniform mixture and learned mixture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import Gate

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
SINGLE, UNIFORM, LEARNED = "best single persona", "uniform mixture", "learned mixture"
START = "exemplars of the own context"
N_BOOTSTRAP = 1000
LEVEL = (0.025, 0.975)


def held_out_report(
    start: Gate,
    fit: Callable[[ComponentScores], Gate],
    held_out: ComponentScores,
    *,
    n_tokens: Indices,
    random_state: int = 0,
) -> pd.DataFrame:
    """Compare the likelihoods of held-out records under three models.

    Held-out records also serve for early stopping and for choosing the best single persona. They
    are therefore split into two halves: one half chooses, the other evaluates, and vice versa
    (cross-fitting).

    Parameters
    ----------
    start : Gate
        The uniform gate.
    fit : callable
        Returns the gate that is learned with early stopping on the given scores.
    held_out : ComponentScores
        Every persona with the same exemplars for each record.
    n_tokens : numpy.ndarray, shape (n,)
        Tokens of each held-out response.
    random_state : int
        Seed of the halves and of the bootstrap over records.

    Returns
    -------
    pandas.DataFrame
        One row per model: model, log_lik_per_token (nats), low and high; and gain, gain_low and
        gain_high over the uniform mixture (paired). Intervals are 95 % bootstrap intervals.
    """
    rng = np.random.default_rng(random_state)
    log_probs = _log_probs(start, fit, held_out, rng)
    return likelihood_table(
        log_probs, held_out.weight, held_out.weight * n_tokens, random_state=random_state
    )


def likelihood_table(
    log_probs: dict[str, Array], weight: Array, n_tokens: Array, *, random_state: int = 0
) -> pd.DataFrame:
    """Return the mean log-likelihood per token of each model, with bootstrap intervals.

    Parameters
    ----------
    log_probs : mapping of str to ndarray, shape (n,)
        The log-likelihood of each record under each model, in nats; one is the uniform mixture.
    weight, n_tokens : ndarray, shape (n,)
        Weight of each record, and the tokens of its response times that weight.
    random_state : int
        Seed of the bootstrap over records.

    Returns
    -------
    pandas.DataFrame
        See `held_out_report`.
    """
    rng = np.random.default_rng([random_state, 1])
    draws = rng.integers(len(n_tokens), size=(N_BOOTSTRAP, len(n_tokens)))
    uniform = log_probs[UNIFORM]
    rows = [
        {
            "model": model,
            **_interval(("log_lik_per_token", "low", "high"), weight * values, n_tokens, draws),
            **_interval(
                ("gain", "gain_low", "gain_high"), weight * (values - uniform), n_tokens, draws
            ),
        }
        for model, values in log_probs.items()
    ]
    return pd.DataFrame(rows)


def _log_probs(
    start: Gate,
    fit: Callable[[ComponentScores], Gate],
    held_out: ComponentScores,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """Return the log-probability of each held-out record under each model, shape (n,)."""
    n = len(held_out.weight)
    log_probs = {SINGLE: np.empty(n), UNIFORM: start.log_prob(held_out), LEARNED: np.empty(n)}
    by_persona = start.persona_log_prob(held_out).T
    first, second = (np.sort(half) for half in np.array_split(rng.permutation(n), 2))
    for choose, evaluate in ((first, second), (second, first)):
        gate = fit(held_out.take(choose))
        log_probs[LEARNED][evaluate] = gate.log_prob(held_out.take(evaluate))
        best = (by_persona[:, choose] @ held_out.weight[choose]).argmax()
        log_probs[SINGLE][evaluate] = by_persona[best, evaluate]
    return log_probs


def _interval(
    names: tuple[str, str, str], values: Array, n_tokens: Array, draws: Indices
) -> dict[str, float]:
    """Return the sum of `values` per token and its bootstrap interval, under these names."""
    ratios = values[draws].sum(1) / n_tokens[draws].sum(1)
    estimates = values.sum() / n_tokens.sum(), *np.quantile(ratios, LEVEL)
    return dict(zip(names, map(float, estimates), strict=True))
