"""Synthetic data generation: FID, MAUVE and KL cosine of every baseline and of the mixture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS, SharedRun, longest_runs
from jupyter_mop.engine.generation.baselines.baselines import BASELINES, VERBALIZED
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.experiments.metrics.comparison import gains, share_of_way, with_contexts
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

UNIFORM, LEARNED = "mixture, uniform", "mixture, learned"
ONE = "mixture, one candidate"
RESAMPLED, RESAMPLED_CONTEXT = "fewshot, resampled", "fewshot-context, resampled"
FEWSHOT = ["fewshot", "fewshot-context"]
FLOOR = "two halves of the real"
TRIED = [name for name in BASELINES if name != VERBALIZED]  # which a small model cannot do
RIVALS = [name for name in TRIED if name != "exemplars"]  # which is a part of the mixture


def methods(bench: Workbench) -> dict[str, Simulation]:
    """Return the simulations of the baselines, and of the mixture with 1 and with n candidates."""
    bench.restore()
    simulations = {name: bench.simulate(name, baseline=name) for name in TRIED}
    simulations[ONE] = bench.simulate(ONE, weights="learned", n_candidates=1)
    simulations[LEARNED] = bench.simulate(LEARNED, weights="learned")
    return simulations


def run(bench: Workbench) -> Result:
    """Compare all methods with held-out records, and the mixture with the best baseline.

    Populations with subgroups are compared by context too, see `by_context`.
    """
    if bench.source.groups:
        return by_context(bench)
    simulations = methods(bench)
    vectors = bench.vectors(simulations)
    frame = bench.metrics.table(vectors)
    gains = bench.metrics.gains(frame, vectors, LEARNED, RIVALS)
    return Result(
        "generation",
        bench.source.name,
        frame,
        FLOOR,
        [*notes(bench), copies(simulations)],
        gains,
        alignment_chart(frame),
        bench.provenance,
    )


def by_context(bench: Workbench) -> Result:
    """Compare plain and few-shot prompting and the mixture, by context too.

    Few-shot prompting also has exemplars of the question's own context, and each form also has the
    mixture's candidates. There is a persona for each subgroup, written in a sentence.
    """
    bench.restore()
    several = bench.settings.recipe.n_candidates
    simulations = {name: bench.simulate(name, baseline=name) for name in ("plain", *FEWSHOT)}
    for name, baseline in zip((RESAMPLED, RESAMPLED_CONTEXT), FEWSHOT, strict=True):
        simulations[name] = bench.simulate(name, baseline=baseline, n_candidates=several)
    simulations[UNIFORM] = bench.simulate(UNIFORM, weights="uniform")
    simulations[ONE] = bench.simulate(ONE, weights="learned", n_candidates=1)
    simulations[LEARNED] = bench.simulate(LEARNED, weights="learned")
    found = bench.align(simulations, by=bench.source.compared_by)
    frame = with_contexts(found)
    rivals = [*FEWSHOT, RESAMPLED, RESAMPLED_CONTEXT]
    table = [gains(found, LEARNED, [UNIFORM]), gains(found, LEARNED, rivals)]
    return Result(
        "generation",
        bench.source.name,
        frame,
        FLOOR,
        [
            *_conditions(bench),
            f"Learned weights: {bench.whole.verdict_}",
            share_of_way(found, LEARNED, UNIFORM),
            *found.notes,
            *(found.by_context.notes if found.by_context else ()),
            copies(simulations),
        ],
        pd.concat(table, ignore_index=True),
        alignment_chart(frame),
        bench.provenance,
    )


def _conditions(bench: Workbench) -> list[str]:
    recipe, by = bench.settings.recipe, ", ".join(bench.source.compared_by)
    return [
        f"{bench.settings.n:,} responses per side; 95 % intervals; unit: {bench.source.unit}.",
        f"Prompt template: {bench.template}",
        f"{len(bench.whole.personas)} personas, one for each subgroup. FID by context: by {by}.",
        f"Candidates: {recipe.n_candidates} for {UNIFORM}, {LEARNED} and resampled; 1 for others.",
    ]


def copies(simulations: Mapping[str, Simulation]) -> str:
    """Return each method's share of responses that repeat eight words of an exemplar."""
    shares = {
        name: np.mean([run.size >= MIN_COPY_WORDS for run in _longest_runs(simulation)])
        for name, simulation in simulations.items()
    }
    listed = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    return f"Responses that repeat {MIN_COPY_WORDS} consecutive words of an exemplar: {listed}."


def _longest_runs(simulation: Simulation) -> list[SharedRun]:
    return longest_runs(simulation.responses, [e.response for e in simulation.exemplars])


def notes(bench: Workbench, n_candidates: int | None = None) -> list[str]:
    """Return the conditions of the metrics; `n_candidates` is the recipe's by default."""
    source = bench.synthesis.frame["source"].value_counts().to_dict()
    personas = ", ".join(f"{n} from the {who}" for who, n in source.items())
    n_candidates = n_candidates or bench.settings.recipe.n_candidates
    candidates = (
        f"Candidates per response: {n_candidates} for the mixture, of which one is selected by its "
        "odds of being real; 1 for the baselines."
        if n_candidates > 1
        else "One candidate per response."
    )
    return [
        f"{bench.settings.n:,} responses per side; 95 % intervals; unit: {bench.source.unit}.",
        f"Prompt template: {bench.template}",
        f"{len(bench.synthesis)} personas: {personas}.",
        candidates,
    ]
