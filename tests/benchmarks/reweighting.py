"""Seconds that one move of a weight takes, by the number of responses behind the statistics."""

from __future__ import annotations

import time

import numpy as np

from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics

N_PERSONAS = 20
N_TURNS = 9
N_UPDATES = 100


def statistics(n):
    """Measure n random draws of 20 personas against 1,000 real ones, in 32 dimensions."""
    rng = np.random.default_rng(0)
    codes = np.arange(n) % N_PERSONAS
    texts = ["word " * count for count in range(20)]
    return PersonaStatistics.measure(
        rng.normal(size=(1000, 32)),
        rng.normal(size=(n, 32)) + 0.05 * codes[:, None],
        codes,
        [f"persona {k}" for k in range(N_PERSONAS)],
        target_texts=[texts[i % 20] for i in range(1000)],
        texts=[texts[i % 20] for i in range(n)],
    )


def seconds(found, weights):
    """Return the seconds of one update: all metrics with their gradients."""
    start = time.perf_counter()
    for v in weights:
        found.metrics_and_gradients(v)
    return (time.perf_counter() - start) / len(weights)


def updates():
    """Return the seconds of one update with a thousand and with a million responses, in turns."""
    few, many = statistics(1_000), statistics(1_000_000)
    weights = np.random.default_rng(1).dirichlet(np.ones(N_PERSONAS), N_UPDATES)
    turns = [(seconds(few, weights), seconds(many, weights)) for _ in range(N_TURNS)]
    return np.min(turns, axis=0)
