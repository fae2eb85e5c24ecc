"""Every figure that weights enter: doubling the weight of a record is having the record twice.

The table of `docs/howto/own-data.md` lists the figures, and each has a check here under the same
name. A check marked "exact" gives the same number. The others depend on the sample size, on random
halves or on random rows, so that they agree within chance: the difference is a small part of what
ignoring the weights would make. Intervals and floors are of this kind everywhere: with a weight of
two the effective sample is a little smaller than n, with a copy it is larger.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop import MixtureOfPersonas, Population, Question, Simulation, Survey, calibrate
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.exemplars import Exemplar, draw_pool
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.evaluation.alignment import Alignment, align
from jupyter_mop.engine.evaluation.context_shares import ContextShares
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis, diagnose
from jupyter_mop.engine.evaluation.estimates import estimate
from jupyter_mop.engine.generation.candidate_selection import CandidateSelector, RealResponses
from jupyter_mop.engine.metrics.vectors import WeightedVectors
from jupyter_mop.engine.questionnaire.evaluation.survey_fidelity import survey_fidelity
from jupyter_mop.engine.survey.asking import ask
from jupyter_mop.engine.survey.learned_weights import learn_weights
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.synthesis.synthesis import synthesize_personas
from jupyter_mop.engine.weighting.comparison import Comparison, compare
from jupyter_mop.engine.weighting.matched_weights import matched_weights

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "own-data.md"
WORDS = ["sun", "rain", "wind", "snow"]
DRINKS = ["tea", "milk", "beer"]
ENCODER = ToyEncoder([*WORDS, *DRINKS, "young", "old"])
PERSONAS = "a: You say sun and tea.\nb: You say rain and milk.\nc: You say wind and beer."
NAMES = ["a", "b", "c"]
SEEDS = st.integers(0, 10_000)
FAR = 0.5  # of the difference that ignoring the weights makes
NEAR = 0.3  # of a floor, which weights change through the sample size only
ERRORS = 3.0  # standard errors

Numbers = np.ndarray
Check = Callable[[pd.DataFrame], Numbers]


def people(n: int, seed: int) -> pd.DataFrame:
    """Return people whose texts and drinks depend on their age and on a hidden kind."""
    rng = np.random.default_rng(seed)
    who, kind = rng.choice(["young", "old"], n), rng.integers(3, size=n)
    odds = np.full((3, 4), 0.05) + 0.8 * np.eye(3, 4)
    extra = np.where(who == "old", " snow snow", "")
    said = [" ".join(rng.choice(WORDS, rng.integers(2, 7), p=odds[k])) for k in kind]
    texts = [text + more for text, more in zip(said, extra, strict=True)]
    drink = np.where(rng.random(n) < 0.8, kind, rng.integers(3, size=n))
    return pd.DataFrame(
        {
            "who": who,
            "said": texts,
            "drink": pd.Categorical([DRINKS[k] for k in drink], DRINKS, ordered=True),
            "kind": np.array(["Sun", "Rain", "Wind"])[kind],
        }
    )


def drawn(n: int, seed: int) -> pd.DataFrame:
    """Return the rows of a simulation, more of one persona in each context."""
    rng = np.random.default_rng(seed)
    who = rng.choice(["young", "old"], n)
    persona = np.where(rng.random(n) < 0.6, np.where(who == "young", 0, 1), rng.integers(3, size=n))
    odds = np.full((3, 4), 0.05) + 0.8 * np.eye(3, 4)
    odds[2] = 0.25  # persona c says anything
    return pd.DataFrame(
        {
            "context": who,
            "persona": np.array(NAMES)[persona],
            "exemplar": None,
            "response": [" ".join(rng.choice(WORDS, 5, p=odds[k])) for k in persona],
            "drink": [DRINKS[k] for k in np.where(rng.random(n) < 0.7, persona, 0)],
            "w": 1.0,
        }
    )


def twins(frame: pd.DataFrame, chosen: Numbers) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a frame in which some rows have weight two, and one in which they are twice."""
    copied = pd.concat([frame, frame[chosen]], ignore_index=True)
    return frame.assign(w=1.0 + chosen), copied.assign(w=1.0)


def population(frame: pd.DataFrame, response: str = "said") -> Population:
    return Population.from_frame(frame, context="who", response=response, weight="w")


def simulation(frame: pd.DataFrame, response: str = "response") -> Simulation:
    rows = frame.assign(response=frame[response], weight=frame["w"] / frame["w"].mean())
    return Simulation(rows, (), {"name": "mine", "personas": dict.fromkeys(NAMES, "")})


@cache
def fixed() -> Simulation:
    """Return a simulation without weights, for figures whose real side is weighted."""
    rows = drawn(240, 99)
    return simulation(pd.concat([rows[rows["persona"] == "a"], rows[:40]], ignore_index=True)[:120])


def quiet(function: Callable[..., object], *args: object, **options: object) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*args, **options)


# Closed questions.


def asked(frame: pd.DataFrame) -> PopulationAnswer:
    backend = ToyBackend(DRINKS, persona_boost=2.0)
    question = Question("You are {who}. What will you drink?", DRINKS, "scale")
    return ask(question, population(frame, "drink"), PERSONAS, backend)


def answer_shares(frame: pd.DataFrame) -> Numbers:
    answer = asked(frame).by("who").sort_values(["column", "group", "option"])
    return answer[["share", "target"]].to_numpy().ravel()


def answer_contexts(frame: pd.DataFrame) -> Numbers:
    answer = asked(frame)
    return answer.sizes[np.argsort(answer.context_texts)]


def answer_distances(frame: pd.DataFrame) -> Numbers:
    found = asked(frame).distances("who").sort_values(["group", "figure"])
    return found["value"].to_numpy()


def answer_floors(frame: pd.DataFrame) -> Numbers:
    found = asked(frame).distances()
    return found[["high", "low"]].to_numpy().ravel()


def question_weights(frame: pd.DataFrame) -> Numbers:
    answer = asked(frame)
    records = population(frame, "drink")
    learned = learn_weights(answer, records, read_personas(PERSONAS), ENCODER)
    return learned.weights[np.argsort(learned.context_texts)].ravel()


def surveyed_shares(frame: pd.DataFrame) -> Numbers:
    questions = {"drink": Question("What will you drink?", DRINKS)}
    survey = Survey.from_frame(frame, questions, context="who", weight="w")
    young = (survey.contexts["who"] == "young").to_numpy()
    return np.concatenate([survey.shares("drink"), survey.shares("drink", young)])


def fidelity_frame(frame: pd.DataFrame) -> pd.DataFrame:
    questions = {"drink": Question("What will you drink?", DRINKS, "scale"),
                 "kind": Question("Which kind?", ["Sun", "Rain", "Wind"])}  # fmt: skip
    survey = Survey.from_frame(frame, questions, context="who", weight="w")
    made = people(60, 5)
    return survey_fidelity(survey, made).frame.sort_values(["measure", "question", "detail"])


def survey_measures(frame: pd.DataFrame) -> Numbers:
    return fidelity_frame(frame)["value"].to_numpy()


def survey_floors(frame: pd.DataFrame) -> Numbers:
    return fidelity_frame(frame)["floor_high"].to_numpy()


# The mixture.


def mixture(frame: pd.DataFrame) -> MixtureOfPersonas:
    backend = ToyBackend(WORDS, exemplar_boost=0.0)
    made = MixtureOfPersonas(PERSONAS, backend, ENCODER, n_exemplars=4, n_records=2000)
    return made.fit(population(frame.drop(columns="kind")))


def mixture_weights(frame: pd.DataFrame) -> Numbers:
    return mixture(frame).persona_weights()


def composition(frame: pd.DataFrame) -> Numbers:
    found = mixture(frame).composition(frame["kind"])
    return found.frame.set_index("group").sort_index()["true"].to_numpy()


def explained(frame: pd.DataFrame) -> Numbers:
    return mixture(frame).explain("young").personas[["weight", "overall"]].to_numpy().ravel()


def exemplar_shares(frame: pd.DataFrame) -> Numbers:
    exemplars, shares = draw_pool(population(frame), 6)
    return pd.Series(shares).groupby([e.label for e in exemplars]).sum().sort_index().to_numpy()


def drawn_contexts(frame: pd.DataFrame) -> Numbers:
    records = population(frame)
    rows = records.draw(4000)
    return np.array([np.mean([records.responses[i].count("sun") for i in rows])])


def halves(frame: pd.DataFrame) -> Numbers:
    sides = [side for seed in range(20) for side in population(frame).split(random_state=seed)]
    suns = [[text.count("sun") for text in side.responses] for side in sides]
    pairs = zip(suns, sides, strict=True)
    return np.array([np.mean([np.average(sun, weights=side.weights) for sun, side in pairs])])


def synthesized(frame: pd.DataFrame) -> Numbers:
    made = synthesize_personas(population(frame), 3, ToyBackend(WORDS), ENCODER)
    return np.sort(made.frame["share"].to_numpy())


def real_side_of_odds(frame: pd.DataFrame) -> Numbers:
    real = RealResponses.outside(population(frame), [])
    texts = [response.response for response in real.responses]
    sums = pd.Series(real.weights).groupby(texts).sum().sort_index()
    return (sums / sums.sum()).to_numpy()


def candidate_odds(frame: pd.DataFrame) -> Numbers:
    selector = CandidateSelector(RealResponses.outside(population(frame), []), ENCODER)
    records = [{"who": context} for context in fixed().frame["context"]]
    pairs = [[text, "wind wind wind snow"] for text in fixed().responses]
    return np.array([selector.select(records, pairs).log_odds[:, 0].mean()])


# Evaluation: the real side.


def aligned(frame: pd.DataFrame, by: str | None = None) -> Alignment:
    target = population(frame)
    found = quiet(align, target, {"mine": fixed()}, encoder=ENCODER, by=by)
    assert isinstance(found, Alignment)
    return found


def align_metrics(frame: pd.DataFrame) -> Numbers:
    return aligned(frame).frame["value"].to_numpy()


def align_floors(frame: pd.DataFrame) -> Numbers:
    return aligned(frame).frame["floor"].to_numpy()


def align_groups(frame: pd.DataFrame) -> Numbers:
    found = aligned(frame, "who").by_context
    assert found is not None
    return found.summary["value"].to_numpy()


def group_shares(frame: pd.DataFrame) -> Numbers:
    found = aligned(frame, "who").by_context
    assert found is not None
    return found.frame.drop_duplicates("group").sort_values("group")["share"].to_numpy()


def compared(frame: pd.DataFrame) -> Comparison:
    found = quiet(compare, population(frame), fixed(), encoder=ENCODER)
    assert isinstance(found, Comparison)
    return found


def panel_metrics(frame: pd.DataFrame) -> Numbers:
    return np.array(list(compared(frame).statistics.metrics([0.9, 0.05, 0.05]).values()))


def panel_floors(frame: pd.DataFrame) -> Numbers:
    return np.array(list(compared(frame).floors.values()))


def match(frame: pd.DataFrame) -> Numbers:
    return np.array(list(matched_weights(compared(frame).statistics, "FID").values()))


def diagnosed(frame: pd.DataFrame) -> Diagnosis:
    records = population(frame)
    target = WeightedVectors(ENCODER.encode(records.responses), records.weights)
    pool = [Exemplar({"who": "old"}, "sun sun"), Exemplar({"who": "old"}, "rain wind")]
    made = Simulation(fixed().frame, pool, fixed().provenance)
    vectors = ENCODER.encode(made.responses)
    return diagnose(records.responses, target, made, vectors, copied=2)


def diversity(frame: pd.DataFrame) -> Numbers:
    return diagnosed(frame).frame.set_index("figure").loc["Vendi score", ["floor"]].to_numpy(float)


def copies(frame: pd.DataFrame) -> Numbers:
    names = ["copies of any exemplar"]
    return diagnosed(frame).frame.set_index("figure").loc[names, "floor"].to_numpy(float)


def missing(frame: pd.DataFrame) -> Numbers:
    found = diagnosed(frame).missing
    texts = found["examples"].map(lambda examples: examples[0].count("sun") if examples else 0)
    return np.array([found["missing"].clip(lower=0).sum(), texts @ found["real"]])


def context_difference(frame: pd.DataFrame) -> Numbers:
    people = (frame["who"] == "old").to_numpy().astype(np.intp)
    shares = ContextShares(("y", "o"), np.array([0.5, 0.5]), 400, people, frame["w"].to_numpy())
    return shares.human


def estimated(frame: pd.DataFrame, **options: object) -> pd.DataFrame:
    made = simulation(drawn(400, 98), "drink")
    found = quiet(estimate, made, human=population(frame, "drink"), **options)
    return found.frame.sort_values("option")  # type: ignore[attr-defined]


def estimates(frame: pd.DataFrame) -> Numbers:
    return estimated(frame)["value"].to_numpy()


def human_shares(frame: pd.DataFrame) -> Numbers:
    return estimated(frame)["human"].to_numpy()


def post_stratified(frame: pd.DataFrame) -> Numbers:
    return estimated(frame, poststratify=True)["value"].to_numpy()


# Evaluation: the simulated side, whose rows have weights.


def simulated_shares(rows: pd.DataFrame) -> Numbers:
    return estimate(simulation(rows, "drink")).frame.sort_values("option")["value"].to_numpy()


def first_candidates(rows: pd.DataFrame) -> Numbers:
    made = simulation(rows.assign(first_response=rows["drink"], first_seed=0))
    made = made.with_facts(n_candidates=4, selection_effect=0.1)
    shares = made.reweight({"a": 0.5, "b": 0.3, "c": 0.2})
    sums = shares.frame["weight"].groupby(shares.frame["response"]).sum()
    return (sums / sums.sum()).sort_index().to_numpy()


def reweighted(rows: pd.DataFrame) -> Numbers:
    made = simulation(rows).reweight({"a": 0.5, "b": 0.3, "c": 0.2})
    sums = made.frame["weight"].groupby([made.frame["context"], made.frame["persona"]]).sum()
    return (sums / sums.sum()).sort_index().to_numpy()


def calibrated(rows: pd.DataFrame) -> Numbers:
    made = simulation(rows, "drink")
    found = calibrate(made, {"tea": 0.45, "milk": 0.3, "beer": 0.25}, nearest=True)
    return np.array([*found.values(), *found.frame["start"]])


def persona_statistics(rows: pd.DataFrame) -> Numbers:
    real = population(people(240, 97).assign(w=1.0))
    found = quiet(compare, real, simulation(rows), encoder=ENCODER)
    metrics = found.statistics.metrics([0.4, 0.3, 0.3])  # type: ignore[attr-defined]
    return np.array([metrics["length"], metrics["FID"]])


def simulated_alignment(rows: pd.DataFrame) -> Numbers:
    real = population(people(300, 97).assign(w=1.0))
    found = quiet(align, real, {"mine": simulation(rows)}, encoder=ENCODER)
    return found.frame["value"].to_numpy()  # type: ignore[attr-defined]


def controllability(rows: pd.DataFrame) -> Numbers:
    real, made = people(100, 97), simulation(rows)
    vectors = ENCODER.encode(list(real["said"])), ENCODER.encode(made.responses)
    found = diagnose(list(real["said"]), vectors[0], made, vectors[1])
    return found.frame.set_index("figure").loc["controllability", ["value"]].to_numpy(float)


N_SAMPLES = {panel_metrics: 8, diversity: 12, candidate_odds: 12}  # the noisiest ones
FLOORS = (answer_floors, align_floors, panel_floors)
REAL: dict[str, tuple[str, Check]] = {
    "contexts that are drawn": ("sample", drawn_contexts),
    "halves of `split`": ("sample", halves),
    "exemplar pool": ("exact", exemplar_shares),
    "clusters of `%mop_synthesize`": ("exact", synthesized),
    "persona weights of a fit": ("sample", mixture_weights),
    "`%mop_explain`": ("sample", explained),
    "true shares of `%mop_composition`": ("exact", composition),
    "real side of the odds of candidates": ("exact", real_side_of_odds),
    "odds of candidates": ("sample", candidate_odds),
    "shares of an answer, by subgroup": ("exact", answer_shares),
    "contexts of an answer": ("exact", answer_contexts),
    "distances of an answer": ("exact", answer_distances),
    "intervals and floors of an answer": ("sample", answer_floors),
    "learned weights of an answer": ("sample", question_weights),
    "people's shares in a survey": ("exact", surveyed_shares),
    "`%mop_fidelity`": ("exact", survey_measures),
    "floors of `%mop_fidelity`": ("sample", survey_floors),
    "metrics of `%mop_align`": ("sample", align_metrics),
    "floors of `%mop_align`": ("sample", align_floors),
    "metrics by subgroup, `--by`": ("sample", align_groups),
    "shares of subgroups, `--by`": ("exact", group_shares),
    "metrics of the panel": ("sample", panel_metrics),
    "floors of the panel": ("sample", panel_floors),
    "`%mop_match`": ("sample", match),
    "diversity of people": ("sample", diversity),
    "copies of exemplars among people": ("exact", copies),
    "missing clusters": ("sample", missing),
    "contexts of human answers": ("exact", context_difference),
    "`%mop_estimate`": ("sample", estimates),
    "human answers alone": ("exact", human_shares),
    "`%mop_estimate --poststratify`": ("exact", post_stratified),
}
SIMULATED: dict[str, tuple[str, Check]] = {
    "shares of a simulation": ("exact", simulated_shares),
    "`%mop_reweight`": ("exact", reweighted),
    "first candidates, reweighted": ("exact", first_candidates),
    "`%mop_calibrate`": ("exact", calibrated),
    "simulated side of the panel": ("sample", persona_statistics),
    "simulated side of `%mop_align`": ("sample", simulated_alignment),
    "controllability": ("sample", controllability),
}


def named(kind: str, checks: dict[str, tuple[str, Check]]) -> list[object]:
    return [pytest.param(check, id=name) for name, (own, check) in checks.items() if own == kind]


def test_the_page_lists_every_figure_and_how_it_agrees() -> None:
    lines = PAGE.read_text(encoding="utf-8").partition("### Where weights count")[2].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines
            if line.startswith("| ")][1:]  # fmt: skip
    listed = {name: kind.split()[0] for name, kind in rows if set(name) != {"-"}}
    assert listed == {name: kind for name, (kind, _) in (REAL | SIMULATED).items()}


@pytest.mark.parametrize("check", named("exact", REAL))
@given(seed=SEEDS)
@settings(max_examples=4)
def test_a_record_of_weight_two_is_the_record_twice(check: Check, seed: int) -> None:
    frame = people(160, seed)
    chosen = np.random.default_rng([seed, 1]).random(160) < 0.4
    weighted, copied = twins(frame, chosen)
    np.testing.assert_allclose(check(weighted), check(copied), atol=1e-6)


@pytest.mark.parametrize("check", named("exact", SIMULATED))
@given(seed=SEEDS)
@settings(max_examples=4)
def test_a_draw_of_weight_two_is_the_draw_twice(check: Check, seed: int) -> None:
    frame = drawn(300, seed)
    chosen = np.random.default_rng([seed, 1]).random(300) < 0.4
    weighted, copied = twins(frame, chosen)
    np.testing.assert_allclose(check(weighted), check(copied), atol=1e-6)


def check_within_chance(check: Check, samples: list[tuple[pd.DataFrame, Numbers]]) -> None:
    """Assert that weights differ from copies by chance, and that ignoring them would be seen."""
    sides = [(check(frame.assign(w=1.0)), *map(check, twins(frame, own))) for frame, own in samples]
    ignored = np.array([equal - copied for equal, _, copied in sides])
    gaps = np.array([weighted - copied for _, weighted, copied in sides])
    error, error_ignored = (ERRORS * each.std(0, ddof=1) / len(samples) ** 0.5
                            for each in (gaps, ignored))  # fmt: skip
    effect = np.abs(ignored.mean(0))
    if check in FLOORS:
        effect = np.abs(sides[0][2]) * NEAR / FAR
    else:
        assert (effect * (1 - FAR) > error_ignored).any(), "the samples show no effect of weights"
    assert (np.abs(gaps.mean(0)) <= FAR * effect + error).all()


@pytest.mark.slow
@pytest.mark.parametrize("check", named("sample", REAL))
def test_many_records_are_these_records_twice_within_chance(check: Check) -> None:
    frames = [people(400, seed) for seed in range(N_SAMPLES.get(check, 4))]
    check_within_chance(check, [(f, (f["kind"] == "Sun").to_numpy()) for f in frames])


@pytest.mark.slow
@pytest.mark.parametrize("check", named("sample", SIMULATED))
def test_many_draws_are_these_draws_twice_within_chance(check: Check) -> None:
    frames = [drawn(240, seed) for seed in range(4)]
    check_within_chance(check, [(f, (f["persona"] == "a").to_numpy()) for f in frames])
