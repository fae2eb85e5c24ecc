from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.protocols import Completion, GenerationRequest, SamplingParams
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.generation.candidate_selection import (
    CandidateSelector,
    RealResponses,
    SelectedCandidates,
)
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind"]
NOON, NIGHT = {"topic": "noon"}, {"topic": "night"}


def selector(real, *, seed=0):
    return CandidateSelector(real, ToyEncoder(WORDS), seed)


def shares(texts):
    return pd.Series(texts).value_counts(normalize=True)


def test_selected_candidates_have_the_shares_of_real_responses() -> None:
    """The model answers sun and rain equally often; people answer sun four times in five."""
    rng = np.random.default_rng(0)
    real = [Exemplar(NOON, text) for text in rng.choice(["sun", "rain"], 2000, p=[0.8, 0.2])]
    drawn = rng.choice(["sun", "rain"], (2000, 8))
    found = selector(real).select([NOON] * 2000, drawn.tolist())
    texts = drawn[np.arange(2000), found.selected]
    assert shares(texts)["sun"] == pytest.approx(0.8, abs=0.03)


def test_a_model_with_real_shares_is_not_changed() -> None:
    rng = np.random.default_rng(1)
    real = [Exemplar(NOON, text) for text in rng.choice(WORDS, 1500, p=[0.5, 0.3, 0.2])]
    drawn = rng.choice(WORDS, (1500, 4), p=[0.5, 0.3, 0.2])
    found = selector(real).select([NOON] * 1500, drawn.tolist())
    assert np.bincount(found.selected) / 1500 == pytest.approx(0.25, abs=0.04)
    assert found.facts["effective_candidates"] > 3.9


def test_selection_depends_on_the_context() -> None:
    real = [Exemplar(NOON, "sun"), Exemplar(NIGHT, "rain")] * 200
    drawn = [["sun", "rain"]] * 400
    found = selector(real).select([NOON, NIGHT] * 200, drawn)
    assert found.selected[::2].mean() < 0.2
    assert found.selected[1::2].mean() > 0.8


def test_an_empty_candidate_is_selected_only_if_all_are_empty() -> None:
    real = [Exemplar(NOON, "sun")] * 40
    found = selector(real).select([NOON] * 40, [["", "rain", " "]] * 39 + [["", "", ""]])
    assert set(found.selected[:-1]) == {1}
    assert np.isfinite(found.log_odds[-1]).all()


def test_with_too_few_draws_or_real_responses_selection_is_random() -> None:
    few = [Exemplar(NOON, "sun")] * 19
    for real, n in ((few, 40), (few * 2, 19)):
        found = selector(real).select([NOON] * n, [["sun", "rain"]] * n)
        assert (found.log_odds == 0).all()


def test_the_selection_depends_on_the_seed_only() -> None:
    rng = np.random.default_rng(2)
    real = [Exemplar(NOON, text) for text in rng.choice(WORDS, 100)]
    drawn = rng.choice(WORDS, (60, 3)).tolist()
    first, again, other = (
        selector(real, seed=seed).select([NOON] * 60, drawn).selected for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_the_effective_number_of_candidates_is_by_kish() -> None:
    found = SelectedCandidates(np.array([0, 1]), np.log([[1.0, 1.0], [1e-12, 1.0]]))
    assert found.facts == {
        "n_candidates": 2,
        "effective_candidates": 1.5,
        "selection_effect": 0.25,
    }


@pytest.fixture(scope="module")
def mixture() -> MixtureOfPersonas:
    rng = np.random.default_rng(3)
    texts = [" ".join(words) for words in rng.choice(WORDS, (240, 3), p=[0.7, 0.2, 0.1])]
    frame = pd.DataFrame({"topic": "noon", "text": [f"{s} {i}" for i, s in enumerate(texts)]})
    population = Population.from_frame(frame, context="topic", response="text")
    personas = "sunny: You say sun.\nrainy: You say rain."
    mixture = MixtureOfPersonas(personas, ToyBackend(WORDS), ToyEncoder(WORDS))
    return mixture.initialise(population)


def test_the_mixture_draws_several_candidates_and_baselines_one(mixture) -> None:
    assert mixture.simulate(200).provenance["n_candidates"] == 4
    assert mixture.simulate(200).provenance["finished"] == {"stop": 800}
    assert "n_candidates" not in mixture.simulate(200, baseline="plain").provenance
    assert "n_candidates" not in mixture.simulate(19).provenance


def test_selection_changes_responses_but_not_components(mixture) -> None:
    weights = {"rainy": 1.0}
    one = mixture.simulate(200, n_candidates=1, weights=weights)
    four = mixture.simulate(200, weights=weights)
    components = ["persona", "exemplar", "log_prob", "draw"]
    pd.testing.assert_frame_equal(one.frame[components], four.frame[components])
    same = one.frame["seed"] == four.frame["seed"]
    assert 0 < same.mean() < 1
    assert (one.frame["response"] == four.frame["response"])[same].all()
    assert sum(text.count("sun") for text in four.responses) > sum(
        text.count("sun") for text in one.responses
    )


def test_candidates_of_a_baseline_are_selected_in_each_round(mixture) -> None:
    for baseline in ("fewshot", "fewshot-context", "exemplars", "progen"):
        made = mixture.simulate(120, baseline=baseline, n_candidates=2)
        assert len(made) == 120
        assert made.provenance["n_candidates"] == 2


@pytest.mark.parametrize("baseline", ["fewshot", "fewshot-context"])
def test_candidates_bring_a_baseline_nearer_to_people_too(mixture, baseline) -> None:
    """Three exemplars make the toy model say sun more than nine times in ten; people say .7."""

    def share_of_sun(n_candidates: int) -> float:
        texts = [
            text
            for seed in range(3)
            for text in mixture.simulate(
                300, baseline=baseline, n_candidates=n_candidates, random_state=seed
            ).responses
        ]
        return float(np.mean([text.count("sun") / len(text.split()) for text in texts]))

    assert 0.7 < share_of_sun(4) < share_of_sun(1) - 0.005


class HashEncoder:
    """Texts as random directions about one mean: a text is like itself only."""

    fingerprint = "hash"

    def encode(self, texts, on_result=None):  # noqa: ARG002
        rows = [np.random.default_rng(list(text.encode())).normal(size=96) + 0.5 for text in texts]
        vectors = np.array(rows)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class CopyingBackend(ToyBackend):
    """Repeats the exemplar in 15 % of its responses; the others are new."""

    def _draw(self, request: GenerationRequest, _params: SamplingParams) -> Completion:
        rng = np.random.default_rng([request.seed, request.draw])
        exemplar = next(m.content for m in request.prompt.messages if m.role == "assistant")
        text = exemplar if rng.random() < 0.15 else f"new {request.seed} {request.draw}"
        return Completion(text, 2)


def test_copies_of_the_exemplar_are_not_selected_more_often_than_drawn() -> None:
    texts = [f"real {i}" for i in range(500)]
    frame = pd.DataFrame({"topic": "noon", "text": texts})
    population = Population.from_frame(frame, context="topic", response="text")
    mixture = MixtureOfPersonas(
        "a: You say sun.", CopyingBackend(WORDS), HashEncoder(), n_exemplars=200
    )
    made = mixture.initialise(population).simulate(400, n_candidates=4, random_state=2)
    copies = made.frame["response"].str.startswith("real").mean()
    assert 0.1 < copies < 0.19  # 0.15 are drawn; 0.21 with the exemplars on the real side


def test_the_real_side_has_no_exemplar_and_the_contexts_of_the_population() -> None:
    topics = ["noon"] * 80 + ["night"] * 20
    frame = pd.DataFrame({"topic": topics, "text": [f"text {i}" for i in range(100)], "w": 1.0})
    frame.loc[0, "w"] = 0.0
    population = Population.from_frame(frame, context="topic", response="text", weight="w")
    pool = [Exemplar(population.records[i], f"text {i}") for i in (*range(1, 9), *range(80, 95))]
    found = RealResponses.outside(population, pool)
    texts = {response.response for response in found.responses}
    assert texts == {f"text {i}" for i in (*range(9, 80), *range(95, 100))}
    night = np.array([response.label == "night" for response in found.responses])
    assert found.weights[night].sum() / found.weights.sum() == pytest.approx(20 / 99)
    assert not found.used_up


def test_a_context_that_the_pool_has_used_up_is_selected_from_at_random() -> None:
    rows = {"topic": ["noon"] * 60 + ["night"] * 10, "text": ["sun"] * 60 + ["moon"] * 10}
    population = Population.from_frame(pd.DataFrame(rows), context="topic", response="text")
    real = RealResponses.outside(population, [Exemplar(NIGHT, "moon")] * 8)
    assert real.used_up == {"night"}
    assert {response.label for response in real.responses} == {"noon"}
    found = selector(real).select([NOON, NIGHT] * 100, [["sun", "rain"]] * 200)
    assert found.selected[::2].mean() < 0.2
    assert (found.log_odds[1::2] == 0).all()


def test_without_other_real_responses_one_candidate_is_drawn_and_more_are_a_warning() -> None:
    frame = pd.DataFrame({"topic": "noon", "text": [f"sun {i}" for i in range(40)]})
    population = Population.from_frame(frame, context="topic", response="text")
    mixture = MixtureOfPersonas("a: You say sun.", ToyBackend(WORDS), ToyEncoder(WORDS))
    assert "n_candidates" not in mixture.initialise(population).simulate(30).provenance
    with pytest.warns(UserWarning, match=r"at random: .* at least 20 real .*, got 0"):
        mixture.simulate(30, n_candidates=2)


def test_zero_candidates_are_refused(mixture) -> None:
    with pytest.raises(DataError, match="at least 1, got 0"):
        mixture.simulate(30, n_candidates=0)
