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
from jupyter_mop.engine.mixture.component_selection import select_random, select_shared
from jupyter_mop.engine.mixture.fitting import ask_random_and_likely, ask_selection
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = read_personas("sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind.")


class RecordingBackend(ToyBackend):
    """Records its requests."""

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        self.requests = [*getattr(self, "requests", []), *requests]
        return super().score(requests, on_result=on_result)


@pytest.fixture
def records() -> Population:
    """24 records with 24 different responses, 2 to 5 words each."""
    rng = np.random.default_rng(0)
    texts = sorted({" ".join(rng.choice(WORDS, size=2 + i % 4)) for i in range(80)})[:24]
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 12, "text": texts, "w": np.arange(24) + 1.0})
    return Population.from_frame(frame, context="topic", response="text", weight="w")


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


def ask_all(scorer, step, records, **options):
    selection = select_shared(records, scorer.exemplars, len(scorer.personas), **options)
    return ask_selection(scorer, step, selection)


def ask_likely(scorer, records, start, *, l2, **options):
    selection = select_random(records, scorer.exemplars, len(scorer.personas), **options)
    return ask_random_and_likely(scorer, selection, start, l2=l2)


def shown_exemplar(request: ScoreRequest) -> str:
    return next(m.content for m in request.prompt.messages if m.role == "assistant")


def test_all_components_exclude_the_own_exemplar(
    scorer: ComponentScorer, records: Population
) -> None:
    scores, n_tokens = ask_all(scorer, "all", records, n_exemplars=10)
    own = np.array([[r == e.response for e in scorer.exemplars] for r in records.responses])
    np.testing.assert_array_equal(scores.excluded, own)
    assert len(scores.components) == 3 * (24 * 10 - own.sum())
    np.testing.assert_array_equal(n_tokens, [len(r.split()) for r in records.responses])
    np.testing.assert_array_equal(scores.weight, records.weights)


def test_likelihoods_equal_those_of_the_rendered_prompts(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    scores, _ = ask_all(scorer, "all", records, n_exemplars=10)
    exact = np.zeros(24)
    for i, (record, response) in enumerate(zip(records.records, records.responses, strict=True)):
        pool = [e for e in scorer.exemplars if e.response != response]
        for persona in PERSONAS:
            for exemplar in pool:
                prompt = scorer.template.render(record, persona=persona, exemplars=(exemplar,))
                total = ToyBackend(WORDS).score([ScoreRequest(prompt, response)])[0].total
                exact[i] += np.exp(total) / len(pool) / len(PERSONAS)
    np.testing.assert_allclose(start.log_prob(scores), np.log(exact))


def test_a_smaller_pool_is_common_to_all_records_and_depends_on_the_seed(
    scorer: ComponentScorer, records: Population
) -> None:
    def pool(seed: int) -> set[int]:
        scores, _ = ask_all(scorer, "some", records, n_exemplars=4, random_state=seed)
        return set(scores.components.exemplar)

    assert len(pool(0)) == 4
    assert pool(0) == pool(0)
    assert {frozenset(pool(seed)) for seed in range(5)} != {frozenset(pool(0))}


@pytest.mark.parametrize("size", [2, 5, 12])
def test_random_and_likely_components_are_allowed_and_scored_once(
    scorer: ComponentScorer, records: Population, start: Gate, size: int
) -> None:
    scores = ask_likely(scorer, records, start, size=size, l2=0.01)
    requests = scorer.backend.requests
    assert len(set(requests)) == len(requests) == len(scores.components)
    assert not any(shown_exemplar(request) == request.response for request in requests)
    np.testing.assert_array_equal(np.bincount(scores.components.record), np.full(24, size))


def test_a_size_of_one_scores_one_component_per_record(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    scores = ask_likely(scorer, records, start, size=1, l2=0.01)
    np.testing.assert_array_equal(scores.components.record, np.arange(24))


def test_the_components_depend_on_the_seed_only(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    def components(seed: int) -> list[int]:
        best = ask_likely(scorer, records, start, size=6, l2=0.01, random_state=seed)
        return [*best.components.exemplar, *best.components.persona]

    assert components(0) == components(0) != components(1)


def test_each_step_is_reported_with_its_total(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    steps: dict[str, list[int]] = {}

    def on_step(what: str, total: int):
        steps[what] = [total + steps.get(what, [0])[0], *steps.get(what, [0, 0])[1:]]

        def tick(_index: int, _value: object) -> None:
            steps[what][1] += 1

        return tick

    reporting = ComponentScorer(
        scorer.personas,
        scorer.exemplars,
        scorer.template,
        scorer.backend,
        scorer.encode,
        on_step,
    )
    ask_likely(reporting, records, start, size=6, l2=0.01)
    assert list(steps) == ["random components", "likely components"]
    assert all(total == seen > 0 for total, seen in steps.values())


def test_a_record_with_no_exemplar_but_itself_is_refused(
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
    assert not hasattr(scorer.backend, "requests")
