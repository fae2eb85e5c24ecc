from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    OnCompletion,
    SamplingParams,
    ScoreRequest,
)
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.generation.baselines import picle, progen
from jupyter_mop.engine.generation.baselines.attributes import parse_list
from jupyter_mop.engine.generation.baselines.baselines import BASELINES, find_baseline
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import COLUMNS
from jupyter_mop.errors import DataError, ModelError

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind."
SEVERAL = ("fewshot", "fewshot-context", "progen", "picle")


class Recording(ToyBackend):
    """Records its requests; lists its answer beside another one where a list is asked for."""

    def __init__(self, words: Sequence[str], **more: float) -> None:
        super().__init__(words, **more)
        self.requests: list[GenerationRequest] = []

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        self.requests += requests
        answers = super().generate(requests, params)
        for i, request in enumerate(requests):
            if '"probability"' in request.prompt.messages[-1].content:
                items = [{"text": text, "p": 0.5} for text in (answers[i].text, "fog")]
                answers[i] = replace(answers[i], text=json.dumps(items))
            if on_result:
                on_result(i, answers[i])
        return answers


class Lister(Recording):
    """Answers questions for attributes and values with lists, and all else as the toy does."""

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        answers = super().generate(requests, params, on_result=on_result)
        return [_list(r) or answer for r, answer in zip(requests, answers, strict=True)]


def _list(request: GenerationRequest) -> Completion | None:
    question = request.prompt.messages[-1].content
    if "In which attributes" in question:
        return Completion("1. Place: where\n2. tone\n3. topic\n4. Tone", 9)
    if 'attribute "place"' in question:
        return Completion("- hill\n- valley\n- sea", 9)
    return Completion("dry\nwarm\nsad\ndry", 9) if 'attribute "tone"' in question else None


@pytest.fixture
def model() -> Recording:
    return Recording(WORDS)


def made(model: ToyBackend, population: Population, **more: int) -> MixtureOfPersonas:
    options = {"n_exemplars": 12, **more}
    return MixtureOfPersonas(PERSONAS, model, ToyEncoder(WORDS), **options).initialise(population)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("n", [1, 7, 40])
def test_every_baseline_makes_a_complete_simulation(
    model: Recording, population: Population, name: str, n: int
) -> None:
    simulation = made(model, population).simulate(n, baseline=name, random_state=3)
    frame = simulation.frame
    assert list(frame) == list(COLUMNS)
    assert list(frame["draw"]) == list(range(n))
    assert frame["response"].str.len().gt(0).all()
    assert simulation.provenance["weights"] == name
    drawn = [request for request in model.requests if request.prompt.messages[-1].role == "user"]
    for i, request in enumerate(drawn[-n:]) if name != "verbalized" else ():
        messages = [(m.role, m.content) for m in request.prompt.messages]
        assert simulation.turns(i) == messages
        assert request.seed == frame["seed"][i]
    again = made(model, population).simulate(n, baseline=name, random_state=3)
    pd.testing.assert_frame_equal(again.frame, frame)
    assert again.provenance == simulation.provenance


@pytest.mark.parametrize("name", BASELINES)
def test_repeated_simulations_need_no_call(tmp_path, population: Population, name: str) -> None:
    model = Recording(WORDS)
    with Store(tmp_path / "answers.sqlite") as store:
        mixture = made(CachedBackend(model, store), population)
        first = mixture.simulate(20, baseline=name)
        counts = model.n_generated, model.n_scored
        second = mixture.simulate(20, baseline=name)
    assert (model.n_generated, model.n_scored) == counts
    pd.testing.assert_frame_equal(first.frame, second.frame)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("n_shown", [1, 2, 5])
def test_n_shown_exemplars_are_shown(
    model: Recording, population: Population, name: str, n_shown: int
) -> None:
    simulation = made(model, population, n_exemplars=60).simulate(
        120, baseline=name, n_shown=n_shown
    )
    n_turns = [len(request.prompt.messages) // 2 for request in model.requests]
    if name == "progen":
        assert n_turns[:30] == [0] * 30
        assert max(n_turns) == n_shown
    else:
        assert n_turns == [n_shown] * 120
    assert simulation.frame["exemplar"].isna().all()


@pytest.mark.parametrize("n_shown", [0, -2])
def test_fewer_than_one_exemplar_are_refused(
    model: Recording, population: Population, n_shown: int
) -> None:
    with pytest.raises(DataError, match="at least 1"):
        made(model, population).simulate(5, baseline="fewshot", n_shown=n_shown)


def test_random_exemplars_are_equally_frequent_and_distinct_in_a_prompt(
    model: Recording, population: Population
) -> None:
    shown = made(model, population).simulate(2000, baseline="fewshot").provenance["shown"]
    assert all(len(set(places)) == 3 for places in shown)
    counts = np.bincount(np.concatenate(shown), minlength=12)
    assert abs(counts - 500).max() < 5 * np.sqrt(500)


def test_few_shot_by_context_shows_exemplars_of_the_questions_own_context(
    model: Recording, population: Population
) -> None:
    mixture = made(model, population)
    simulation = mixture.simulate(400, baseline="fewshot-context")
    own = {topic: set() for topic in simulation.frame["context"]}
    for topic, shown in zip(
        simulation.frame["context"], simulation.provenance["shown"], strict=True
    ):
        assert {mixture.exemplars_[j].label for j in shown} == {topic}
        assert len(set(shown)) == 3
        own[topic] |= set(shown)
    assert sum(map(len, own.values())) == 12  # each exemplar is shown to some prompt
    assert simulation.provenance["prompts_without_own_exemplar"] == 0


def test_few_shot_by_context_fills_up_with_other_exemplars_before_its_own(
    model: Recording, population: Population
) -> None:
    mixture = made(model, population)
    shown = mixture.simulate(60, baseline="fewshot-context", n_shown=9).provenance["shown"]
    contexts = mixture.simulate(60, baseline="fewshot-context", n_shown=9).frame["context"]
    for context, places in zip(contexts, shown, strict=True):
        is_own = [mixture.exemplars_[j].label == context for j in places]
        assert len(set(places)) == 9
        assert is_own == sorted(is_own)
        assert is_own[-1]
    strange = Population.from_frame(
        pd.DataFrame({"topic": ["noon"], "text": ["fog"]}), context="topic", response="text"
    )
    alone = mixture.simulate(5, strange, baseline="fewshot-context").provenance
    assert alone["prompts_without_own_exemplar"] == 5
    assert all(len(places) == 3 for places in alone["shown"])


def test_picle_shows_the_records_with_the_largest_likelihood_ratio(
    model: Recording, population: Population
) -> None:
    mixture = made(model, population)
    simulation = mixture.simulate(60, baseline="picle", random_state=1)
    base = np.log(1 / 4)
    for i, name in enumerate(simulation.provenance["targets"]):
        word = {"sunny": "sun", "rainy": "rain", "windy": "wind"}[name]
        context = simulation.frame["context"][i]
        ratios = {}
        for j, exemplar in enumerate(mixture.exemplars_):
            if exemplar.record["topic"] == context:
                hits = np.mean([w == word for w in exemplar.response.split()])
                log_z = np.log(np.exp(2) + 3)
                ratios[j] = 2 * hits - log_z - base
        best = sorted(ratios, key=lambda j: -ratios[j])[:3]
        shown = simulation.provenance["shown"][i]
        np.testing.assert_allclose(
            [ratios[j] for j in shown], sorted(ratios[j] for j in best), atol=1e-12
        )
    assert simulation.frame["persona"].isna().all()


def test_picle_uses_all_exemplars_for_a_context_without_any(
    model: Recording, population: Population
) -> None:
    strange = Population.from_frame(
        pd.DataFrame({"topic": ["noon"], "text": ["fog"]}), context="topic", response="text"
    )
    assert made(model, population).simulate(1, strange, baseline="picle").provenance["shown"]


def test_picle_scores_each_ratio_once(model: Recording, population: Population) -> None:
    made(model, population).simulate(5, baseline="picle")
    assert model.n_scored == (3 + 1) * 12
    assert picle.MAX_EXEMPLARS >= 12


def test_picle_requires_likelihoods(population: Population) -> None:
    without_scores = ToyBackend(WORDS)
    without_scores.can_score = False
    with pytest.raises(ModelError, match="picle") as caught:
        made(without_scores, population).simulate(5, baseline="picle")
    assert "fewshot" in caught.value.hint


def test_progen_shows_responses_similar_to_real_records(population: Population) -> None:
    """Mornings are sunny, so the exemplars must be sunnier than other responses."""
    model = Recording(WORDS)
    simulation = made(model, population).simulate(400, baseline="progen")
    texts = simulation.responses
    n_pool = len(simulation.exemplars)
    for topic, word in (("sun at dawn", "sun"), ("rain at dusk", "rain")):
        rows = np.flatnonzero(simulation.frame["context"] == topic)
        shown = [j - n_pool for i in rows for j in simulation.provenance["shown"][i]]
        assert all(simulation.frame["context"][j] == topic for j in shown)
        assert max(shown) < 300
        share = np.mean([texts[j].split().count(word) for j in shown]) / 4
        plain = np.mean([texts[i].split().count(word) for i in rows if i < 100]) / 4
        assert share > plain + 0.15


def _unit(rows: np.ndarray) -> np.ndarray:
    shifted = np.add(rows, [2, 0, 0])
    return shifted / np.linalg.norm(shifted, axis=1, keepdims=True)


unit = arrays(np.float64, (5, 3), elements=st.floats(-1, 1, width=32)).map(_unit)


@given(texts=unit, real=unit)
@settings(max_examples=40, deadline=None)
def test_influence_is_the_gradient_of_the_log_density(texts: np.ndarray, real: np.ndarray) -> None:
    def log_density(weights: np.ndarray) -> float:
        return float(np.log(weights @ np.exp((texts @ real.T - 1) / 0.5)).sum())

    step = 1e-6 * np.eye(5)
    ones = np.ones(5)
    slopes = [(log_density(ones + d) - log_density(ones - d)) / 2e-6 for d in step]
    found = progen.influence(texts, real, bandwidth=0.5)
    np.testing.assert_allclose(found, slopes, atol=1e-5)
    assert found.sum() == pytest.approx(5)


def test_attributes_of_the_model(population: Population) -> None:
    model = Lister(WORDS)
    simulation = made(model, population).simulate(30, baseline="attributes")
    facts = simulation.provenance
    assert facts["attributes_from"] == "model"
    assert facts["attributes"] == {
        "place": ["hill", "valley", "sea"],
        "tone": ["dry", "warm", "sad"],
    }
    requests = model.requests[-30:]
    assert len({request.prompt.messages[-1].content for request in requests}) > 10
    for request, instructions, context in zip(
        requests, facts["wishes"], simulation.frame["context"], strict=True
    ):
        assert request.prompt.messages[-1].content == f"{context}\n{instructions}"
        assert instructions.startswith("- place: ")


def test_attributes_of_the_records_if_the_model_names_none(
    model: Recording, population: Population
) -> None:
    facts = made(model, population).simulate(5, baseline="attributes").provenance
    assert facts["attributes_from"] == "population"
    assert facts["attributes"]["length"] == ["about 4 words"]
    words = {word for value in facts["attributes"]["subject"] for word in value.split(", ")}
    assert words <= set(WORDS)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_answer_can_be_parsed_as_a_list(answer: str) -> None:
    items = parse_list(answer)
    assert len(set(items)) == len(items)
    assert all(item and len(item.split()) <= 6 for item in items)


def test_each_baseline_has_a_summary_and_a_source() -> None:
    for name, baseline in BASELINES.items():
        assert baseline.name == name
        assert baseline.summary.endswith(".")
        assert re.search(r"20\d\d", baseline.source)


@pytest.mark.parametrize(("wrong", "meant"), [("plian", "plain"), ("few-shot", "fewshot")])
def test_an_unknown_baseline_suggests_a_similar_one(wrong: str, meant: str) -> None:
    with pytest.raises(DataError, match=wrong) as caught:
        find_baseline(wrong)
    assert f"Did you mean {meant!r}?" in caught.value.hint


def test_the_toy_model_scores_as_the_test_of_picle_assumes(model: Recording) -> None:
    """The test of PICLe uses this formula."""
    prompt = PromptTemplate("dawn").render({}, persona=read_personas(PERSONAS)[0])
    score = model.score([ScoreRequest(prompt, "sun fog")])[0]
    assert score.total == pytest.approx(2 - 2 * np.log(np.exp(2) + 3))
