"""Candidates are selected by the odds of context and response; the topics of texts are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.openvino.encoder import MiniLMEncoder
from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.generation.candidate_selection import CandidateSelector
from jupyter_mop.engine.generation.context_odds import crossfitted_log_odds, fit_context_model
from tests.engine.generation import short_texts

pytestmark = pytest.mark.model

N_CANDIDATES, PEOPLE, MODEL = 4, 0.95, 0.6
EVEN, UNEVEN, MANY = (0.25,) * 4, (0.07, 0.58, 0.15, 0.20), (1 / 12,) * 12


class Remembering(MiniLMEncoder):
    """The shipped encoder, which encodes each text once."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, np.ndarray] = {}

    def encode(self, texts, *, on_result=None):  # noqa: ARG002
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        self.known.update(zip(new, super().encode(new), strict=True) if new else ())
        return np.array([self.known[text] for text in texts])


@pytest.fixture(scope="module")
def encoder() -> Remembering:
    return Remembering()


class Trial:
    """Real records, and draws of a model of which one candidate each is selected."""

    def __init__(self, encoder, shares, n_real, seed, *, fidelity=MODEL, n=200, free=False) -> None:
        rng = np.random.default_rng(seed)
        by_topic = dict(zip(short_texts.TOPICS, shares, strict=False))

        def context(i: int, topic: str) -> dict[str, str]:
            return {"topic": f"{topic}, question {i}" if free else topic}

        topics = short_texts.asked(by_topic, n_real, rng)
        said = [row[0] for row in short_texts.candidates(topics, 1, PEOPLE, rng)]
        pairs = enumerate(zip(topics, said, strict=True))
        self.real = [Exemplar(context(i, topic), text) for i, (topic, text) in pairs]
        self.asked = short_texts.asked(by_topic, n, rng)
        self.drawn = short_texts.candidates(self.asked, N_CANDIDATES, fidelity, rng)
        contexts = [context(n_real + i, topic) for i, topic in enumerate(self.asked)]
        self.found = CandidateSelector(self.real, encoder, seed).select(contexts, self.drawn)

    def fidelity(self, chosen) -> float:
        topics = [short_texts.topic_of(row[i]) for row, i in zip(self.drawn, chosen, strict=True)]
        return float(np.mean([a == b for a, b in zip(topics, self.asked, strict=True)]))

    @property
    def before(self) -> float:
        return self.fidelity([0] * len(self.drawn))

    @property
    def after(self) -> float:
        return self.fidelity(self.found.selected)

    def distance(self, chosen, shares) -> float:
        """Return the total variation of (context, topic) from people's true joint shares."""
        topics = short_texts.TOPICS[: len(shares)]
        off = (1 - PEOPLE) / (len(topics) - 1)
        people = np.array(shares)[:, None] * np.where(np.eye(len(topics)), PEOPLE, off)
        rows = [short_texts.topic_of(row[i]) for row, i in zip(self.drawn, chosen, strict=True)]
        table = pd.crosstab(np.array(self.asked), np.array(rows), normalize=True)
        table = table.reindex(index=topics, columns=topics, fill_value=0).to_numpy()
        return float(np.abs(table - people).sum() / 2)


@pytest.mark.parametrize("shares", [EVEN, UNEVEN, MANY])
@pytest.mark.parametrize("n_real", [60, 200, 800])
def test_choosing_raises_fidelity_and_comes_nearer_to_people(encoder, shares, n_real) -> None:
    gains = []
    for seed in range(3):
        trial = Trial(encoder, shares, n_real, seed)
        gains.append(trial.after - trial.before)
        near, far = (trial.distance(chosen, shares) for chosen in (trial.found.selected, [0] * 200))
        assert near < far
        assert trial.found.facts["context_odds"] == "classes"
    assert min(gains) > 0.05
    assert np.mean(gains) > (0.12 if n_real == 60 else 0.22)


@pytest.mark.parametrize("shares", [EVEN, UNEVEN, MANY])
@pytest.mark.parametrize("n_real", [60, 200, 800])
def test_candidates_like_people_leave_nothing_to_choose(encoder, shares, n_real) -> None:
    trials = [Trial(encoder, shares, n_real, seed, fidelity=PEOPLE) for seed in range(3)]
    assert np.mean([t.found.facts["selection_effect"] for t in trials]) < 0.06
    assert np.mean([t.after - t.before for t in trials]) == pytest.approx(0, abs=0.035)


def test_contexts_that_are_all_different_are_compared_as_texts(encoder) -> None:
    trial = Trial(encoder, EVEN, 400, 0, free=True)
    assert trial.found.facts["context_odds"] == "texts"
    assert trial.after > trial.before + 0.1


def test_the_share_of_answers_is_the_models_fidelity(encoder) -> None:
    """A model that answers .6 of questions says other topics else: .6 = a + (1 - a) / 4."""
    share = Trial(encoder, EVEN, 800, 1, n=500).found.facts["answer_share"]
    assert share == pytest.approx((MODEL - 0.25) / 0.75, abs=0.08)


def test_rare_contexts_are_one_class_and_do_not_lower_fidelity(encoder) -> None:
    shares = (0.4, 0.3, 0.25, *([0.05 / 9] * 9))
    trial = Trial(encoder, shares, 200, 2)
    assert trial.after > trial.before + 0.15


def test_with_one_context_or_a_response_that_tells_nothing_the_context_does_not_count() -> None:
    toy = ToyEncoder(["sun", "rain"])
    rng = np.random.default_rng(0)
    said = rng.choice(["sun", "rain"], 200)
    for topics in (["noon"] * 200, rng.choice(["noon", "dusk"], 200)):
        real = [Exemplar({"topic": t}, text) for t, text in zip(topics, said, strict=True)]
        vectors = toy.encode([r.response for r in real]).astype(float)
        assert fit_context_model(real, vectors, np.ones(200), toy).form == "none"


def test_a_model_that_answers_as_people_do_has_odds_of_one() -> None:
    rng = np.random.default_rng(0)
    own = rng.random(4000) < 0.9  # real: p(x|y) is .9 for the own topic of two
    ratios = np.log(np.where(own, 1.8, 0.2))
    odds, share = crossfitted_log_odds(ratios, ["noon"] * 4000, np.arange(4000) // 4)
    assert share > 0.95
    assert np.abs(odds).max() < 0.35
