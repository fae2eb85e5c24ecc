"""Seconds that one move of a weight takes, by the number of responses behind the statistics."""

from __future__ import annotations

import time

import numpy as np

from jupyter_mop.engine.metrics.vectors import WeightedVectors
from jupyter_mop.engine.weighting.context_codes import ContextCodes
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics

N_PERSONAS, N_CONTEXTS = 20, 12
N_TURNS = 9
N_UPDATES = 100


def statistics(n):
    """Measure n random draws of 20 personas against 1,000 real ones, in 12 contexts."""
    rng = np.random.default_rng(0)
    codes = np.arange(n) % N_PERSONAS
    texts = ["word " * count for count in range(20)]
    sides = Sides(
        WeightedVectors(rng.normal(size=(1000, 32))),
        {"": WeightedVectors(rng.normal(size=(n, 32)) + 0.05 * codes[:, None])},
    )
    labels = [rng.integers(N_CONTEXTS, size=size) for size in (1000, n)]
    names = tuple(f"context {c}" for c in range(N_CONTEXTS))
    found = PersonaStatistics.measure(
        sides.target,
        sides.simulated[""],
        codes,
        [f"persona {k}" for k in range(N_PERSONAS)],
        target_texts=[texts[i % 20] for i in range(1000)],
        texts=[texts[i % 20] for i in range(n)],
    )
    contexts = Contexts(ContextCodes(names, labels[0], {"": labels[1]}))
    return found.with_contexts(sides, contexts, codes)


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
