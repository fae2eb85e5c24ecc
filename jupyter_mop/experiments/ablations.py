"""Ablations: the mixture with one part removed at a time, or with other personas."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS, copies, texts_in_prompts
from jupyter_mop.engine.evaluation.persona_effects import (
    MOVES,
    TOO_FEW,
    comparison_strata,
    persona_effects,
)
from jupyter_mop.engine.generation import responses
from jupyter_mop.engine.generation.baselines.method import DrawnComponents
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.metrics import alignment_table
from jupyter_mop.engine.metrics.fidelity import FIDELITY
from jupyter_mop.engine.metrics.vectors import WeightedVectors
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.synthesis.synthesis_options import DESCRIPTIONS, FORMS, VOICES
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.experiments.generation import FLOOR, LEARNED, ONE, RESAMPLED, UNIFORM, notes
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

Vectors = NDArray[np.float32]
COMPONENTS = (1, 2, 4, 8)
MIXES = (1, 2)
NO_PERSONAS = "no personas"
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
        NO_PERSONAS: bench.simulate(NO_PERSONAS, baseline="exemplars"),
    }
    whole = bench.study.personas
    for m in COMPONENTS:
        bench.fit(n_components=m)
        simulations[f"M = {m}"] = bench.simulate(f"M = {m}", weights="learned", n_candidates=1)
    for name, personas in {
        "no synthesiser: voices": bench.synthesized(VOICES).personas,
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


def run_personas(bench: Workbench) -> Result:
    """Compare descriptions, voices and both as personas, with one or two of them in a prompt.

    There is one candidate per response, because selection would hide the differences. Without
    personas, as many exemplars of the question's own context are shown.
    """
    bench.restore()
    simulations = {}
    for mix in MIXES:
        name = mixed_name(NO_PERSONAS, mix)
        simulations[name] = bench.simulate(name, baseline="fewshot-context", n_shown=mix)
    for form in FORMS:
        bench.study.use_personas(bench.synthesized(form).personas)
        bench.fit()
        for mix in MIXES:
            name = mixed_name(form, mix)
            simulations[name] = bench.simulate(name, weights="learned", n_candidates=1, mix=mix)
    bench.restore()
    vectors = bench.vectors(simulations)
    alone = bench.metrics.table(vectors)
    frame = pd.concat([alone, fidelity_table(bench, simulations, vectors)], ignore_index=True)
    return Result(
        "personas",
        bench.source.name,
        frame,
        FLOOR,
        [
            *notes(bench, 1),
            *differences(bench, alone, vectors),
            moved(simulations, vectors),
            copied(simulations),
        ],
        chart=alignment_chart(frame),
        provenance=bench.provenance,
    )


def mixed_name(name: str, mix: int) -> str:
    """Return the name of a method with `mix` personas or exemplars in a prompt.

    Examples
    --------
    >>> mixed_name("voices", 1), mixed_name("voices", 2)
    ('voices', 'voices, mix 2')
    """
    return name if mix == 1 else f"{name}, mix {mix}"


def fidelity_table(
    bench: Workbench, simulations: Mapping[str, Simulation], vectors: Mapping[str, Vectors]
) -> pd.DataFrame:
    """Return the share of each method's responses recognised as answers to their own context."""
    rows = np.arange(len(bench.metrics.target))
    contexts = Contexts.of(bench.target, rows, simulations)
    made = {name: WeightedVectors(found.astype(np.float64)) for name, found in vectors.items()}
    coded = contexts.coded(Sides(WeightedVectors(bench.metrics.target), made))
    settings = bench.settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few responses: the notes state n
        return alignment_table.align(
            coded.target,
            coded.simulated,
            metrics=(FIDELITY,),
            n_boot=settings.n_boot,
            random_state=settings.seed,
        )


def moved(simulations: Mapping[str, Simulation], vectors: Mapping[str, Vectors]) -> str:
    """Return how many personas of each form move the answers, of those with five responses."""
    found = []
    for form in FORMS:
        simulation = simulations[form]
        effects = persona_effects(
            vectors[form].astype(np.float64),
            simulation.codes(),
            simulation.names,
            comparison_strata(simulation),
        )
        tested = effects[effects["verdict"] != TOO_FEW]
        found.append(f"{form} {(tested['verdict'] == MOVES).sum()} of {len(tested)}")
    return f"Personas that move answers: {', '.join(found)}."


def copied(simulations: Mapping[str, Simulation]) -> str:
    """Return each method's share of responses that repeat an exemplar or a quoted record."""
    shares = {
        name: copies(simulation.responses, texts_in_prompts(simulation)[0])["is_pool_copy"].mean()
        for name, simulation in simulations.items()
    }
    listed = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    return (
        f"Responses that repeat {MIN_COPY_WORDS} consecutive words of an exemplar or of a record "
        f"that a persona quotes: {listed}."
    )


def differences(bench: Workbench, frame: pd.DataFrame, vectors: Mapping[str, Vectors]) -> list[str]:
    """Return a line for each method: its difference from descriptions on each metric."""
    lines = []
    for name in vectors:
        if name == DESCRIPTIONS:
            continue
        gains = bench.metrics.gains(frame, vectors, name, [DESCRIPTIONS])
        parts = [
            f"{row.figure} {row.difference:+.0f} % [{row.low:+.0f}, {row.high:+.0f}], {row.verdict}"
            for row in gains.itertuples()
        ]
        lines.append(f"{name} against {DESCRIPTIONS}: {'; '.join(parts)}.")
    return lines


def strangers(n: int, texts: Sequence[str] = STRANGERS) -> list[Persona]:
    """Return `n` personas unrelated to the data; from the 17th on the texts repeat with an age."""
    return [
        Persona(f"stranger {i + 1}", _aged(texts[i % len(texts)], i // len(texts)))
        for i in range(n)
    ]


def _aged(text: str, repeat: int) -> str:
    return f"{text} You are {20 + 10 * repeat} years old." if repeat else text
