"""Distribution shift: a population of 60 records, and exemplars from other populations.

The pool has openings of viewers' reviews, of patients' reviews of medicines, and critics'
sentences, in equal parts. Uniform weights and few-shot prompting use all of them alike; learned
weights can find those that resemble the population.
"""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from jupyter_mop.charts import alignment_chart
from jupyter_mop.datasets import load_drug_reviews, load_movie_reviews
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.experiments.generation import FLOOR, LEARNED, ONE, RESAMPLED, UNIFORM
from jupyter_mop.experiments.metrics.comparison import gains
from jupyter_mop.experiments.populations import CONTEXT, OPENING_WORDS, RESPONSE, opening
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

N_RECORDS, N_PER_SOURCE = 60, 200
PERSONAS = {
    "critic": "You are a film critic and write for a newspaper.",
    "viewer": "You watch films at home and tell other viewers about them.",
    "patient": "You are a patient and tell other patients about your medicine.",
}
METHODS: dict[str, tuple[str | None, str | None, int]] = {  # baseline, weights, candidates
    "fewshot": ("fewshot", None, 1),
    "fewshot-context": ("fewshot-context", None, 1),
    UNIFORM: (None, "uniform", 1),
    ONE: (None, "learned", 1),
    RESAMPLED: ("fewshot", None, 0),
    LEARNED: (None, "learned", 0),
}


def run(bench: Workbench) -> Result:
    """Compare learned weights with uniform ones and with few-shot prompting from the same pool."""
    records = bench.population.take(list(range(min(N_RECORDS, len(bench.population)))))
    pool = other_records(bench)
    mixture = _mixture(bench).fit(records, exemplars=pool, on_step=bench.on_step)
    simulations = {name: _simulate(bench, mixture, name) for name in METHODS}
    found, recipe = bench.align(simulations), bench.settings.recipe
    lines = [
        f"{bench.settings.n:,} responses per side; 95 % intervals; unit: {bench.source.unit}.",
        f"{len(records)} records; {len(mixture.exemplars_)} exemplars: {', '.join(PERSONAS)}.",
        mixture.verdict_,
        f"Weight of the exemplars by source: {_shares_by_source(mixture, pool)}.",
        f"Candidates: {recipe.n_candidates} for {LEARNED} and {RESAMPLED}; 1 for the others.",
    ]
    table = pd.concat(
        [gains(found, ONE, ["fewshot", "fewshot-context"]), gains(found, ONE, [UNIFORM]),
         gains(found, LEARNED, [RESAMPLED])], ignore_index=True,
    )  # fmt: skip
    return Result(
        "shift",
        bench.source.name,
        found.frame,
        FLOOR,
        lines,
        table,
        alignment_chart(found.frame),
        bench.provenance,
    )


def other_records(bench: Workbench) -> Population:
    """Return records of three sources in equal parts, none of them of the population itself."""
    medicines = load_drug_reviews().rename(columns={"rating": CONTEXT})
    parts = {
        "critic": load_movie_reviews("rotten_tomatoes"),
        "viewer": load_movie_reviews("imdb"),
        "patient": medicines[medicines[CONTEXT] != "neutral"],
    }
    own = {*bench.population.responses, *bench.target.responses}
    frames = []
    for name, part in parts.items():
        texts = part[RESPONSE].map(lambda text: opening(text, OPENING_WORDS))
        frame = part.assign(**{RESPONSE: texts}, source=name)
        frame = frame[~frame[RESPONSE].isin(own)].drop_duplicates(RESPONSE)
        frames.append(frame.sample(N_PER_SOURCE, random_state=bench.settings.seed))
    joined = pd.concat(frames, ignore_index=True)[[CONTEXT, RESPONSE, "source"]]
    return Population.from_frame(joined, context=CONTEXT, response=RESPONSE)


def _mixture(bench: Workbench) -> MixtureOfPersonas:
    recipe = bench.settings.recipe
    return MixtureOfPersonas(
        PERSONAS,
        bench.study.backend,
        bench.study.encoder,
        template=bench.template,
        n_exemplars=recipe.n_exemplars,
        n_records=recipe.n_records,
        n_components=recipe.n_components,
        random_state=bench.settings.seed,
    )


def _simulate(bench: Workbench, mixture: MixtureOfPersonas, name: str) -> Simulation:
    recipe = bench.settings.recipe
    baseline, weights, n_candidates = METHODS[name]
    return mixture.simulate(
        bench.settings.n,
        bench.target,
        baseline=baseline,
        weights=weights,
        n_shown=recipe.n_shown,
        n_candidates=n_candidates or recipe.n_candidates,
        **asdict(recipe.params),
        name=name,
        random_state=bench.settings.seed,
        on_step=bench.on_step,
    )


def _shares_by_source(mixture: MixtureOfPersonas, pool: Population) -> str:
    """Return the sum of the exemplar weights by source, mean over the records, in words."""
    records = mixture.population_
    personas = mixture.persona_weights(records)
    weights = sum(
        (personas[:, k, None] * mixture.exemplar_weights(records, name)).mean(axis=0)
        for k, name in enumerate(mixture.names)
    )
    source_of = dict(zip(pool.responses, pool.aligned("source"), strict=True))
    sources = [source_of[exemplar.response] for exemplar in mixture.exemplars_]
    shares = pd.Series(weights).groupby(sources).sum()
    return ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
