from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.protocols import OnScores, ScoreRequest, TokenScores
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.exemplars import draw_exemplars
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.mixture.component_likelihood import ComponentScorer
from jupyter_mop.engine.mixture.fitting import ask_all, ask_likely
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
def scorer(records: Population) -> ComponentScorer:
    encoder = ToyEncoder(WORDS)
    return ComponentScorer(
        PERSONAS,
        draw_exemplars(records, 10),
        PromptTemplate("What of {topic}?"),
        RecordingBackend(WORDS),
        lambda texts: encoder.encode(texts).astype(float),
    )


@pytest.fixture
def start(scorer: ComponentScorer) -> Gate:
    return Gate.start(
        scorer.encode([p.description for p in scorer.personas]),
        scorer.encode([e.text for e in scorer.exemplars]),
        rank=2,
    )


def shown(request: ScoreRequest) -> str:
    return next(m.content for m in request.prompt.messages if m.role == "assistant")


def test_everything_asks_all_but_a_records_own_exemplar(
    scorer: ComponentScorer, records: Population
) -> None:
    evidence, n_tokens = ask_all(scorer, "all", records, n_exemplars=10)
    own = np.array([[r == e.response for e in scorer.exemplars] for r in records.responses])
    np.testing.assert_array_equal(evidence.excluded, own)
    assert len(evidence.components) == 3 * (24 * 10 - own.sum())
    np.testing.assert_array_equal(n_tokens, [len(r.split()) for r in records.responses])
    np.testing.assert_array_equal(evidence.weight, records.weights)


def test_the_likelihoods_are_those_of_the_rendered_prompts(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    evidence, _ = ask_all(scorer, "all", records, n_exemplars=10)
    exact = np.zeros(24)
    for i, (record, response) in enumerate(zip(records.records, records.responses, strict=True)):
        pool = [e for e in scorer.exemplars if e.response != response]
        for persona in PERSONAS:
            for exemplar in pool:
                prompt = scorer.template.render(record, persona=persona, exemplars=(exemplar,))
                total = ToyBackend(WORDS).score([ScoreRequest(prompt, response)])[0].total
                exact[i] += np.exp(total) / len(pool) / len(PERSONAS)
    np.testing.assert_allclose(start.log_prob(evidence), np.log(exact))


def test_a_smaller_pool_is_the_same_for_all_records_and_follows_the_seed(
    scorer: ComponentScorer, records: Population
) -> None:
    def pool(seed: int) -> set[int]:
        evidence, _ = ask_all(scorer, "some", records, n_exemplars=4, random_state=seed)
        return set(evidence.components.exemplar)

    assert len(pool(0)) == 4
    assert pool(0) == pool(0)
    assert {frozenset(pool(seed)) for seed in range(5)} != {frozenset(pool(0))}


@pytest.mark.parametrize("size", [2, 5, 12])
def test_the_best_components_are_few_allowed_and_asked_once(
    scorer: ComponentScorer, records: Population, start: Gate, size: int
) -> None:
    evidence = ask_likely(scorer, records, start, size=size, l2=0.01)
    asked = scorer.backend.asked
    assert len(set(asked)) == len(asked) == len(evidence.components)
    assert not any(shown(request) == request.response for request in asked)
    np.testing.assert_array_equal(np.bincount(evidence.components.record), np.full(24, size))


def test_a_size_of_one_asks_one_component_a_record(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    evidence = ask_likely(scorer, records, start, size=1, l2=0.01)
    np.testing.assert_array_equal(evidence.components.record, np.arange(24))


def test_the_seed_decides_the_components(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    def chosen(seed: int) -> list[int]:
        best = ask_likely(scorer, records, start, size=6, l2=0.01, random_state=seed)
        return [*best.components.exemplar, *best.components.persona]

    assert chosen(0) == chosen(0) != chosen(1)


def test_each_step_is_announced_with_its_total(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    steps: dict[str, list[int]] = {}

    def on_step(what: str, total: int):
        steps[what] = [total + steps.get(what, [0])[0], *steps.get(what, [0, 0])[1:]]

        def tick(_index: int, _value: object) -> None:
            steps[what][1] += 1

        return tick

    telling = ComponentScorer(
        scorer.personas,
        scorer.exemplars,
        scorer.template,
        scorer.backend,
        scorer.encode,
        on_step,
    )
    ask_likely(telling, records, start, size=6, l2=0.01)
    assert list(steps) == ["random components", "likely components"]
    assert all(total == seen > 0 for total, seen in steps.values())


def test_a_record_that_could_only_be_shown_itself_is_refused(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    alone = ComponentScorer(
        PERSONAS, scorer.exemplars[:1], scorer.template, scorer.backend, scorer.encode
    )
    with pytest.raises(DataError, match="only exemplar") as caught:
        ask_all(alone, "all", records, n_exemplars=1)
    assert "n_exemplars" in caught.value.hint
    with pytest.raises(DataError, match="only exemplar"):
        ask_likely(alone, records, start, size=2, l2=0.01)
    assert not hasattr(scorer.backend, "asked")
