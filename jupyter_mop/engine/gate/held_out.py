"""How likely held-out responses are: best single persona, uniform mixture, learned mixture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import Gate

Array = NDArray[np.float64]
SINGLE, UNIFORM, LEARNED = "best single persona", "uniform mixture", "learned mixture"


def held_out_report(
    start: Gate,
    fit: Callable[[ComponentScores], Gate],
    held_out: ComponentScores,
    *,
    n_tokens: NDArray[np.intp],
    random_state: int = 0,
) -> pd.DataFrame:
    """Compare three models on records that had no part in what they are judged on.

    The held-out records also say when a fit stops and which persona is best, so they take
    turns: one half chooses, the other half judges, and the other way round.

    Parameters
    ----------
    start : Gate
        The uniform gate.
    fit : callable
        Returns the gate that is learned when stopped on the given evidence.
    held_out : ComponentScores
        Every persona with the same exemplars for each record.
    n_tokens : numpy.ndarray, shape (n,)
        Tokens of each held-out response.
    random_state : int
        Seed of the halves and of the bootstrap over records.

    Returns
    -------
    pandas.DataFrame
        One row per model: model, log_lik_per_token (nats), low, high, and gain, gain_low,
        gain_high over the uniform mixture (paired), with 95 % bootstrap intervals.
    """
    rng = np.random.default_rng(random_state)
    log_probs = {
        SINGLE: np.empty(len(n_tokens)),
        UNIFORM: start.log_prob(held_out),
        LEARNED: np.empty(len(n_tokens)),
    }
    singles = start.persona_log_prob(held_out).T
    first, second = (np.sort(half) for half in np.array_split(rng.permutation(len(n_tokens)), 2))
    for choose, judge in ((first, second), (second, first)):
        log_probs[LEARNED][judge] = fit(held_out.take(choose)).log_prob(held_out.take(judge))
        log_probs[SINGLE][judge] = singles[
            (singles[:, choose] @ held_out.weight[choose]).argmax(), judge
        ]
    weight, tokens = held_out.weight, held_out.weight * n_tokens
    draws = rng.integers(len(n_tokens), size=(1000, len(n_tokens)))
    rows = [
        {
            "model": model,
            **_interval("log_lik_per_token", "", weight * values, tokens, draws),
            **_interval("gain", "gain_", weight * (values - log_probs[UNIFORM]), tokens, draws),
        }
        for model, values in log_probs.items()
    ]
    return pd.DataFrame(rows)


def _interval(
    name: str, prefix: str, values: Array, n_tokens: Array, draws: NDArray[np.intp]
) -> dict[str, float]:
    ratios = values[draws].sum(1) / n_tokens[draws].sum(1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {
        name: float(values.sum() / n_tokens.sum()),
        f"{prefix}low": float(low),
        f"{prefix}high": float(high),
    }
