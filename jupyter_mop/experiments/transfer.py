"""Transfer: a gate fitted with one model and used with another one, unchanged."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import asdict

from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError
from jupyter_mop.experiments.generation import FLOOR, UNIFORM, notes
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench, open_backend

LEARNED_ELSEWHERE = "mixture, learned with the first"
METHODS = {
    "plain": ("plain", None),
    UNIFORM: (None, "uniform"),
    LEARNED_ELSEWHERE: (None, "learned"),
}


def run(bench: Workbench) -> Result:
    """Simulate with a second model and the weights that were learned with the first one.

    Raises
    ------
    DataError
        If no second model is given.
    """
    if bench.settings.backend is None:
        raise DataError(
            "The experiment transfer needs a second model.", hint="Add --backend PATH or URL."
        )
    bench.restore()
    second = open_backend(bench.settings.backend, bench.texts)
    carried = carry_over(bench, CachedBackend(second, bench.study.store))
    simulations = {name: _simulate(bench, carried, name) for name in METHODS}
    vectors = bench.vectors(simulations)
    frame = bench.metrics.table(vectors)
    rivals = [name for name in METHODS if name != LEARNED_ELSEWHERE]
    gains = bench.metrics.gains(frame, vectors, LEARNED_ELSEWHERE, rivals)
    lines = [
        *notes(bench, n_candidates=1),
        f"Weights learned with {bench.study.backend.fingerprint}, which also wrote the personas.",
        f"Responses from {second.fingerprint}.",
    ]
    facts = {**bench.provenance, "second_model": second.fingerprint}
    chart = alignment_chart(frame)
    return Result("transfer", bench.source.name, frame, FLOOR, lines, gains, chart, facts)


def carry_over(bench: Workbench, backend: CachedBackend) -> MixtureOfPersonas:
    """Save the fitted mixture and load it with another model."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the other model: the notes name it
        path = bench.whole.save(folder)
        return MixtureOfPersonas.load(path, backend, bench.study.encoder)


def _simulate(bench: Workbench, mixture: MixtureOfPersonas, name: str) -> Simulation:
    baseline, weights = METHODS[name]
    return mixture.simulate(
        bench.settings.n,
        bench.target,
        baseline=baseline,
        weights=weights,
        n_candidates=1,  # selection would hide the effect of the weights
        **asdict(bench.settings.recipe.params),
        name=name,
        random_state=bench.settings.seed,
        on_step=bench.on_step,
    )
