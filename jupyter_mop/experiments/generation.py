"""Synthetic data generation: FID, MAUVE and KL cosine of every baseline and of the mixture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS, SharedRun, longest_runs
from jupyter_mop.engine.generation.baselines import BASELINES
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

UNIFORM, LEARNED = "mixture, uniform", "mixture, learned"
ONE = "mixture, one candidate"
FLOOR = "two halves of the real"
RIVALS = [name for name in BASELINES if name != "exemplars"]  # those are a part of the mixture


def methods(bench: Workbench) -> dict[str, Simulation]:
    """Return the responses of every baseline, and of the mixture without and with resampling."""
    bench.restore()
    made = {name: bench.simulate(name, baseline=name) for name in BASELINES}
    made[ONE] = bench.simulate(ONE, weights="learned", n_candidates=1)
    made[LEARNED] = bench.simulate(LEARNED, weights="learned")
    return made


def run(bench: Workbench) -> Result:
    """Compare all methods with the held-out records, and the mixture with the best baseline."""
    made = methods(bench)
    vectors = bench.vectors(made)
    frame = bench.figures.table(vectors)
    gains = bench.figures.gains(frame, vectors, LEARNED, RIVALS)
    return Result(
        "generation",
        bench.source.name,
        frame,
        FLOOR,
        [*notes(bench), copies(made)],
        gains,
        alignment_chart(frame),
        bench.provenance,
    )


def copies(made: Mapping[str, Simulation]) -> str:
    """Return how many responses of each method repeat a record of the pool for eight words."""
    shares = {
        name: np.mean([run.size >= MIN_COPY_WORDS for run in _longest_runs(simulation)])
        for name, simulation in made.items()
    }
    told = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    return f"Responses with {MIN_COPY_WORDS} words in a row of some exemplar: {told}."


def _longest_runs(simulation: Simulation) -> list[SharedRun]:
    return longest_runs(simulation.responses, [e.response for e in simulation.exemplars])


def notes(bench: Workbench, n_candidates: int | None = None) -> list[str]:
    """Return what a reader of the figures has to know; candidates are the recipe's by default."""
    source = bench.synthesis.frame["source"].value_counts().to_dict()
    personas = ", ".join(f"{n} from the {who}" for who, n in source.items())
    n_candidates = n_candidates or bench.settings.recipe.n_candidates
    resampled = (
        f"Candidates for each response of the mixture: {n_candidates}, of which one is kept by its "
        "odds of being real; of a baseline 1."
        if n_candidates > 1
        else "One candidate for each response: what is drawn is kept."
    )
    return [
        f"{bench.settings.n} responses a side; 95 % intervals; unit: {bench.source.unit}.",
        f"Question: {bench.template}",
        f"{len(bench.synthesis)} personas: {personas}.",
        resampled,
    ]
