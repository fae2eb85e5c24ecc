"""Print how often the 95 % interval of an answer's distance contains the true distance.

Respondents have lognormal weights that do not depend on their answer, so that the weighted shares
are right on average and only the design effect is at stake. Run it from the project's root:

    python tests/coverage/design_effect.py [REPEATS]
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.engine.survey.answer_distances import distance_intervals, distances
from jupyter_mop.engine.survey.question import Question

QUESTION = Question("How often?", ["never", "seldom", "often", "always"], "scale")
TRUTH = np.array([0.4, 0.3, 0.2, 0.1])
SIMULATED = {
    "far": [0.475, 0.175, 0.175, 0.175],
    "near": [0.42, 0.3, 0.19, 0.09],
    "right": [0.4, 0.3, 0.2, 0.1],
}


def study(n: int, spread: float, shares: list[float], repeats: int) -> pd.DataFrame:
    """Return one row per repeat and metric: whether it is covered, width, value and floor."""
    simulated, rows = np.array(shares), []
    true = distances(QUESTION, TRUTH, simulated)
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, n])
        selected = np.eye(4, dtype=bool)[rng.choice(4, n, p=TRUTH)]
        weights = rng.lognormal(0, spread, n)
        real = np.average(selected, axis=0, weights=weights)
        values = distances(QUESTION, real, simulated)
        found = distance_intervals(QUESTION, selected, weights, simulated, random_state=repeat)
        rows += [
            {
                "metric": name,
                "covered": ends["low"] - 1e-12 <= true[name] <= ends["high"],
                "width": ends["high"] - ends["low"],
                "value": values[name],
                "floor": ends["floor"],
                "above floor_high": values[name] > ends["floor_high"],
                "design effect": n / effective_sample_size(weights),
            }
            for name, ends in found.items()
        ]
    return pd.DataFrame(rows)


def main(repeats: int) -> None:
    """Print the table."""
    rows = []
    for kind, shares in SIMULATED.items():
        for spread in (0.0, 0.5, 1.0):
            for n in (100, 400):
                means = study(n, spread, shares, repeats).groupby("metric").mean()
                facts = {"simulation": kind, "spread": spread, "n": n}
                rows += [facts | row for row in means.reset_index().to_dict("records")]
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
