"""Coverage of estimates from a biased human sample, as it is and post-stratified.

The population is half young and half old, of whom 20 % and 60 % say yes: 40 % over all. The human
sample has too many young people. Run it from the project's root:

    python tests/coverage/poststratified_estimates.py [REPETITIONS]
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd

from jupyter_mop import Population, Simulation, estimate
from jupyter_mop.errors import DataError

YES = np.array([0.2, 0.6])  # of the young and of the old
TRUTH = 0.4
SIMULATIONS = {"right": YES, "flat": np.array([0.5, 0.5]), "reversed": YES[::-1]}
N_SIMULATED = 400


def repetition(
    seed: int,
    n: int,
    share_young: float,
    *,
    kind: str = "right",
    poststratify: bool = True,
    is_mean: bool = False,
) -> dict[str, float]:
    """Return whether the 95 % interval covers the truth and whether there was a warning."""
    rng = np.random.default_rng([seed, n])
    old, drawn = (rng.random(n) > share_young).astype(int), rng.integers(2, size=N_SIMULATED)
    simulated = rng.random(N_SIMULATED) < SIMULATIONS[kind][drawn]
    said, made = (rng.random(n) < YES[old]).astype(float), simulated.astype(float)
    if is_mean:
        said, made = YES[old] + rng.exponential(1, n) - 1, made + 0.1
    rows = {"context": np.where(drawn, "old", "young"), "response": made, "weight": 1.0}
    people = pd.DataFrame({"age": np.where(old, "old", "young"), "said": said})
    human = Population.from_frame(people, context="age", response="said")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = estimate(
                Simulation(pd.DataFrame(rows)),
                human=human,
                level=0.95,
                n_contexts=N_SIMULATED,
                poststratify=poststratify,
            )
        except DataError:
            return {"refused": 1.0}
    row = found.frame.iloc[0]
    return {
        "covers": float(row["low"] <= TRUTH <= row["high"]),
        "value": row["value"],
        "width": row["high"] - row["low"],
        "warned": float(bool(caught)),
        "refused": 0.0,
    }


def study(repetitions: int, n: int, share_young: float, **options: object) -> pd.Series:
    """Return the means over the repetitions; those refused count for `refused` only."""
    rows = [repetition(seed, n, share_young, **options) for seed in range(repetitions)]
    return pd.DataFrame(rows).mean()


def main(repetitions: int) -> None:
    """Print the table."""
    rows = []
    for poststratify in (False, True):
        for share_young in (0.5, 0.8, 0.95):
            for n in (100, 400):
                for kind in SIMULATIONS if not poststratify else ("right",):
                    for is_mean in (False, True) if poststratify else (False,):
                        facts = {
                            "post-stratified": poststratify,
                            "of": "mean" if is_mean else "share",
                            "young": share_young,
                            "n": n,
                            "simulation": kind,
                        }
                        found = study(
                            repetitions,
                            n,
                            share_young,
                            kind=kind,
                            poststratify=poststratify,
                            is_mean=is_mean,
                        )
                        rows.append(facts | found.to_dict())
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
