"""Coverage and width of estimates made as a design says: some people fit, others correct.

Young and old people answer two questions; age decides much or nothing. A design is made from a
pilot of 300 people. Then studies of a budget are run as it says: a fit to some people, 10,000
simulated respondents, and the estimate with the answers of the others. Run it from the project's
root:

    python tests/coverage/sample_design.py [STUDIES]
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd

from jupyter_mop import Population, Question, Simulation, Survey, ToyBackend, estimate, fit_survey
from jupyter_mop.engine.questionnaire.evaluation.sample_design import SampleDesign, sample_design

AGES = ("young", "old")
QUESTIONS = {
    "drink": Question("What do you drink?", ["tea", "milk"]),
    "place": Question("Where?", ["home", "cafe"]),
}
PERSONAS = "young: tea home\nold: milk cafe"
BACKEND = ToyBackend(["tea", "milk", "home", "cafe"])
WORLDS = {"age decides much": (0.92, 0.08), "age decides nothing": (0.5, 0.5)}
CENSUS = {"age": {"young": 0.5, "old": 0.5}}
PILOT, BUDGET, N_SIMULATED = 300, 200, 10_000


def people(first: tuple[float, float], n: int, seed: int) -> Survey:
    """Return `n` people; `first` is how often the young and the old choose the first option."""
    rng = np.random.default_rng(seed)
    age = rng.integers(2, size=n)
    frame = pd.DataFrame({"age": np.array(AGES)[age]})
    for name, question in QUESTIONS.items():
        chosen = (rng.random(n) > np.array(first)[age]).astype(int)
        frame[name] = np.array(question.options)[chosen]
    return Survey.from_frame(frame, QUESTIONS, context="age")


def designed(world: str, *, seed: int = 0) -> SampleDesign:
    """Return the design for a budget of 200 people from a pilot."""
    pilot = fit_survey(people(WORLDS[world], PILOT, seed), PERSONAS, BACKEND)
    return sample_design(pilot, BUDGET)


def study(world: str, n_fit: int, seed: int) -> list[dict[str, float]]:
    """Return whether each question's 90 % interval covers the truth, and how wide it is."""
    asked = people(WORLDS[world], BUDGET, seed)
    drawn = fit_survey(asked.take(range(n_fit)), PERSONAS, BACKEND).draw(N_SIMULATED, to=CENSUS)
    rest = asked.take(range(n_fit, BUDGET)).frame()
    rows, truth = [], float(np.mean(WORLDS[world]))
    for name, question in QUESTIONS.items():
        made = pd.DataFrame({"context": drawn["age"], "response": drawn[name].astype(str)})
        real = pd.DataFrame({"age": rest["age"], "answer": rest[name].astype(str)})
        found = estimate(
            Simulation(made.assign(weight=1.0)),
            human=Population.from_frame(real, context="age", response="answer"),
            answer=question.options[0],
        ).frame.iloc[0]
        covers = found["low"] <= truth <= found["high"]
        rows.append({"covers": float(covers), "width": found["high"] - found["low"]})
    return rows


def studies(world: str, n_fit: int, n: int) -> pd.Series:
    """Return the coverage and mean width of many studies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # by chance some samples differ in age
        rows = [row for seed in range(n) for row in study(world, n_fit, 1000 + seed)]
    return pd.DataFrame(rows).mean()


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for world in WORLDS:
        design = designed(world)
        n_fit = design.n_fit or 40  # a fit that saves nothing must still give valid intervals
        expected = design.splits.set_index("n_fit").loc[n_fit]
        found = studies(world, n_fit, n)
        print(f"{world}: {design.verdict}")
        print(
            f"  {n_fit} for the fit: width {expected['width']:.3f} expected, {found['width']:.3f} "
            f"found; coverage {found['covers']:.3f} of .90; alone {expected['width_alone']:.3f}"
        )


if __name__ == "__main__":
    main()
