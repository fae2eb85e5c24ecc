"""Synthetic data generation: FID, MAUVE and KL cosine of every baseline and of the mixture."""

from __future__ import annotations

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.baselines import BASELINES
from jupyter_mop.engine.simulation import Simulation
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
    vectors = bench.vectors(methods(bench))
    frame = bench.figures.table(vectors)
    gains = bench.figures.gains(frame, vectors, LEARNED, RIVALS)
    return Result(
        "generation",
        bench.source.name,
        frame,
        FLOOR,
        notes(bench),
        gains,
        alignment_chart(frame),
        bench.provenance,
    )


def notes(bench: Workbench) -> list[str]:
    """Return what a reader of the figures has to know."""
    source = bench.synthesis.frame["source"].value_counts().to_dict()
    personas = ", ".join(f"{n} from the {who}" for who, n in source.items())
    resampled = (
        f"Candidates for each response of the mixture: {bench.settings.recipe.n_candidates}, of "
        "which one is kept by its odds of being real; of a baseline 1."
    )
    return [
        f"{bench.settings.n} responses a side; 95 % intervals; unit: {bench.source.unit}.",
        f"Question: {bench.template}",
        f"{len(bench.synthesis)} personas: {personas}.",
        resampled,
    ]
