"""Coverage of prediction-powered intervals after reweighting a contextual simulation.

Run: python tests/coverage/reweighted_estimates.py [REPETITIONS]
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd

from jupyter_mop import Population, Simulation, estimate

TRUTH = 0.5


def covers(seed: int, n: int, weight: float | None, *, n_draws: int = 1000) -> bool:
    """Return whether the 95 % interval of one repetition holds the population's share."""
    rng = np.random.default_rng(seed)
    is_old = rng.integers(2, size=n)
    says_yes = rng.random(n) < np.array([0.7, 0.3])[is_old]
    drawn_old = rng.integers(2, size=n_draws)
    is_b = rng.random(n_draws) > np.array([0.9, 0.1])[drawn_old]
    simulated_yes = rng.random(n_draws) < np.where(is_b, 0.25, 0.75)
    simulation = Simulation(
        pd.DataFrame(
            {
                "context": np.where(drawn_old, "old", "young"),
                "persona": np.where(is_b, "b", "a"),
                "exemplar": None,
                "response": np.where(simulated_yes, "yes", "no"),
                "weight": 1.0,
            }
        ),
        (),
        {"name": "s", "personas": {"a": "", "b": ""}},
    )
    if weight is not None:
        simulation = simulation.reweight({"a": weight})
    people = pd.DataFrame(
        {"age": np.where(is_old, "old", "young"), "said": np.where(says_yes, "yes", "no")}
    )
    human = Population.from_frame(people, context="age", response="said")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = estimate(simulation, human=human, answer="yes", level=0.95, n_contexts=n_draws)
    row = found.frame.iloc[0]
    return bool(row["low"] <= TRUTH <= row["high"])


def coverage(n: int, weight: float | None, repetitions: int) -> float:
    """Return the share of intervals that hold the truth."""
    return float(np.mean([covers(seed, n, weight) for seed in range(repetitions)]))


if __name__ == "__main__":
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for n in (100, 400):
        for weight in (None, 0.65, 0.8, 0.95):
            told = "as drawn" if weight is None else f"a = {weight}"
            print(f"n = {n}, weights {told}: {coverage(n, weight, repetitions):.3f} at 0.95")
