from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.base import OnScores, ScoreRequest, TokenScores
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.exemplars import draw_exemplars
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.learning import Learner
from jupyter_mop.engine.personas import read_personas
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = read_personas("sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind.")


class RecordingBackend(ToyBackend):
    """Remembers what it was asked."""

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        self.asked = [*getattr(self, "asked", []), *requests]
        return super().score(requests, on_result=on_result)


@pytest.fixture
def records() -> Population:
    """24 records with 24 different responses, 2 to 5 words each."""
    rng = np.random.default_rng(0)
    said = sorted({" ".join(rng.choice(WORDS, size=2 + i % 4)) for i in range(80)})[:24]
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 12, "said": said, "w": np.arange(24) + 1.0})
    return Population.from_frame(frame, context="topic", response="said", weight="w")


@pytest.fixture
def learner(records: Population) -> Learner:
    encoder = ToyEncoder(WORDS)
    return Learner(
        PERSONAS,
        draw_exemplars(records, 10),
        PromptTemplate("What of {topic}?"),
        RecordingBackend(WORDS),
        lambda texts: encoder.encode(texts).astype(float),
    )


@pytest.fixture
def start(learner: Learner) -> Gate:
    return Gate.start(
        learner.encode([p.description for p in learner.personas]),
        learner.encode([e.text for e in learner.exemplars]),
        rank=2,
    )


def shown(request: ScoreRequest) -> str:
    return next(m.content for m in request.prompt.messages if m.role == "assistant")


def test_everything_asks_all_but_a_records_own_exemplar(
    learner: Learner, records: Population
) -> None:
    evidence, n_tokens = learner.everything("all", records, n_exemplars=10)
    own = np.array([[r == e.response for e in learner.exemplars] for r in records.responses])
    np.testing.assert_array_equal(evidence.excluded, own)
    assert len(evidence.components) == 3 * (24 * 10 - own.sum())
    np.testing.assert_array_equal(n_tokens, [len(r.split()) for r in records.responses])
    np.testing.assert_array_equal(evidence.weight, records.weights)


def test_the_likelihoods_are_those_of_the_rendered_prompts(
    learner: Learner, records: Population, start: Gate
) -> None:
    evidence, _ = learner.everything("all", records, n_exemplars=10)
    exact = np.zeros(24)
    for i, (record, response) in enumerate(zip(records.records, records.responses, strict=True)):
        pool = [e for e in learner.exemplars if e.response != response]
        for persona in PERSONAS:
            for exemplar in pool:
                prompt = learner.template.render(record, persona=persona, exemplars=(exemplar,))
                total = ToyBackend(WORDS).score([ScoreRequest(prompt, response)])[0].total
                exact[i] += np.exp(total) / len(pool) / len(PERSONAS)
    np.testing.assert_allclose(start.log_prob(evidence), np.log(exact))


def test_a_smaller_pool_is_the_same_for_all_records_and_follows_the_seed(
    learner: Learner, records: Population
) -> None:
    def pool(seed: int) -> set[int]:
        evidence, _ = learner.everything("some", records, n_exemplars=4, random_state=seed)
        return set(evidence.components.exemplar)

    assert len(pool(0)) == 4
    assert pool(0) == pool(0)
    assert {frozenset(pool(seed)) for seed in range(5)} != {frozenset(pool(0))}


@pytest.mark.parametrize("size", [2, 5, 12])
def test_the_best_components_are_few_allowed_and_asked_once(
    learner: Learner, records: Population, start: Gate, size: int
) -> None:
    evidence = learner.best(records, start, size=size, l2=0.01)
    asked = learner.backend.asked
    assert len(set(asked)) == len(asked) == len(evidence.components)
    assert not any(shown(request) == request.response for request in asked)
    np.testing.assert_array_equal(np.bincount(evidence.components.record), np.full(24, size))


def test_a_size_of_one_asks_one_component_a_record(
    learner: Learner, records: Population, start: Gate
) -> None:
    evidence = learner.best(records, start, size=1, l2=0.01)
    np.testing.assert_array_equal(evidence.components.record, np.arange(24))


def test_the_seed_decides_the_components(
    learner: Learner, records: Population, start: Gate
) -> None:
    def chosen(seed: int) -> list[int]:
        best = learner.best(records, start, size=6, l2=0.01, random_state=seed)
        return [*best.components.exemplar, *best.components.persona]

    assert chosen(0) == chosen(0) != chosen(1)


def test_each_step_is_announced_with_its_total(
    learner: Learner, records: Population, start: Gate
) -> None:
    steps: dict[str, list[int]] = {}

    def on_step(what: str, total: int):
        steps[what] = [total + steps.get(what, [0])[0], *steps.get(what, [0, 0])[1:]]

        def tick(_index: int, _value: object) -> None:
            steps[what][1] += 1

        return tick

    telling = Learner(
        learner.personas,
        learner.exemplars,
        learner.template,
        learner.backend,
        learner.encode,
        on_step,
    )
    telling.best(records, start, size=6, l2=0.01)
    assert list(steps) == ["random components", "likely components"]
    assert all(total == seen > 0 for total, seen in steps.values())


def test_a_record_that_could_only_be_shown_itself_is_refused(
    learner: Learner, records: Population, start: Gate
) -> None:
    alone = Learner(
        PERSONAS, learner.exemplars[:1], learner.template, learner.backend, learner.encode
    )
    with pytest.raises(DataError, match="only exemplar") as caught:
        alone.everything("all", records, n_exemplars=1)
    assert "n_exemplars" in caught.value.hint
    with pytest.raises(DataError, match="only exemplar"):
        alone.best(records, start, size=2, l2=0.01)
    assert not hasattr(learner.backend, "asked")
