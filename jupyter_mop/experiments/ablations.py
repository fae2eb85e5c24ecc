"""Ablations: the mixture with one part removed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.generation import responses
from jupyter_mop.engine.generation.baselines.method import DrawnComponents
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.experiments.generation import FLOOR, LEARNED, ONE, RESAMPLED, UNIFORM, notes
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

COMPONENTS = (1, 2, 4, 8)
STRANGERS = (
    "You bake bread in a small town and rise at three.",
    "You are a night nurse who likes crosswords.",
    "You repair bicycles and never throw anything away.",
    "You are a retired sailor with many stories.",
    "You teach mathematics and love puzzles.",
    "You drive a taxi and talk with everyone.",
    "You grow vegetables and watch the weather.",
    "You write software and drink too much coffee.",
    "You are a student who counts every penny.",
    "You are a lawyer and choose your words with care.",
    "You run marathons and plan every meal.",
    "You are a grandmother of seven in a noisy house.",
    "You paint houses and sing while you work.",
    "You sell insurance and collect stamps.",
    "You are a soldier on leave.",
    "You keep bees and speak little.",
)


def run(bench: Workbench) -> Result:
    """Compare the whole mixture with variants that lack one part.

    First the selection among candidates is removed. The other parts are removed from the mixture
    with one candidate, because selection would hide their effect. Few-shot prompting with the
    same selection is included for comparison.
    """
    bench.restore()
    simulations = {
        LEARNED: bench.simulate(LEARNED, weights="learned"),
        RESAMPLED: bench.simulate(
            RESAMPLED, baseline="fewshot", n_candidates=bench.settings.recipe.n_candidates
        ),
        ONE: bench.simulate(ONE, weights="learned", n_candidates=1),
        UNIFORM: bench.simulate(UNIFORM, weights="uniform", n_candidates=1),
        "no exemplars": without_exemplars(bench),
        "no personas": bench.simulate("no personas", baseline="exemplars"),
    }
    whole = bench.study.personas
    for m in COMPONENTS:
        bench.fit(n_components=m)
        simulations[f"M = {m}"] = bench.simulate(f"M = {m}", weights="learned", n_candidates=1)
    for name, personas in {
        "no synthesiser: records as personas": records_as_personas(bench),
        "personas of strangers": strangers(len(whole)),
    }.items():
        bench.study.use_personas(personas)
        bench.fit()
        simulations[name] = bench.simulate(name, weights="learned", n_candidates=1)
    bench.restore()
    frame = bench.metrics.table(bench.vectors(simulations))
    lines = [*notes(bench), f"{LEARNED}: M = {bench.settings.recipe.n_components}."]
    return Result(
        "ablations",
        bench.source.name,
        frame,
        FLOOR,
        lines,
        chart=alignment_chart(frame),
        provenance=bench.provenance,
    )


def without_exemplars(bench: Workbench) -> Simulation:
    """Return responses with personas drawn by the learned weights and no exemplar in the prompt."""
    mixture, recipe, seed = bench.whole, bench.settings.recipe, bench.settings.seed
    rows = bench.target.draw(bench.settings.n, random_state=seed)
    contexts = bench.target.take(rows)
    drawn = mixture.sample(contexts, weights="learned", random_state=seed)
    tick = bench.on_step("no exemplars", bench.settings.n)
    return responses.simulate(
        contexts,
        DrawnComponents(drawn, exemplar=False),
        responses.PromptBuilder(mixture.personas, mixture.exemplars_, mixture.template_),
        bench.study.backend,
        options=SimulationOptions(**asdict(recipe.params), random_state=seed),
        provenance={"name": "no exemplars", "weights": "learned"},
        on_result=tick,
    )


def records_as_personas(bench: Workbench) -> list[Persona]:
    """Return personas that are the record nearest to each cluster's centre, not a summary."""
    nearest = bench.synthesis.nearest.drop_duplicates("persona")
    return [
        Persona(str(name), f"You write like this: {response}")
        for name, response in zip(nearest["persona"], nearest["response"], strict=True)
    ]


def strangers(n: int, texts: Sequence[str] = STRANGERS) -> list[Persona]:
    """Return `n` personas unrelated to the data; from the 17th on the texts repeat with an age."""
    return [
        Persona(f"stranger {i + 1}", _aged(texts[i % len(texts)], i // len(texts)))
        for i in range(n)
    ]


def _aged(text: str, repeat: int) -> str:
    return f"{text} You are {20 + 10 * repeat} years old." if repeat else text
