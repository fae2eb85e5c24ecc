from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
from jupyter_mop.engine.mixture.component_selection import select_all
from jupyter_mop.engine.mixture.fitting import ask_model, fit_gate

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


def shown_exemplar(request: ScoreRequest) -> str:
    return next(m.content for m in request.prompt.messages if m.role == "assistant")


def test_all_components_exclude_the_own_exemplar(
    scorer: ComponentScorer, records: Population
) -> None:
    scores, n_tokens = ask_model(scorer, select_all(records, scorer.exemplars, 3))
    own = np.array([[r == e.response for e in scorer.exemplars] for r in records.responses])
    np.testing.assert_array_equal(scores.excluded, own)
    assert len(scores.components) == 3 * (24 * 10 - own.sum())
    np.testing.assert_array_equal(n_tokens, [len(r.split()) for r in records.responses])
    np.testing.assert_array_equal(scores.weight, records.weights)


def test_likelihoods_equal_those_of_the_rendered_prompts(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    scores, _ = ask_model(scorer, select_all(records, scorer.exemplars, 3))
    exact = np.zeros(24)
    for i, (record, response) in enumerate(zip(records.records, records.responses, strict=True)):
        pool = [e for e in scorer.exemplars if e.response != response]
        for persona in PERSONAS:
            for exemplar in pool:
                prompt = scorer.template.render(record, persona=persona, exemplars=(exemplar,))
                total = ToyBackend(WORDS).score([ScoreRequest(prompt, response)])[0].total
                exact[i] += np.exp(total) / len(pool) / len(PERSONAS)
    np.testing.assert_allclose(start.log_prob(scores), np.log(exact))


def test_a_fit_scores_each_component_once_and_reports_it(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    seen: dict[str, list[int]] = {}

    def on_step(what: str, total: int):
        seen[what] = [total, 0]

        def tick(_index: int, _value: object) -> None:
            seen[what][1] += 1

        return tick

    fit = fit_gate(replace(scorer, on_step=on_step), records, start, n_components=6)
    requests = scorer.backend.requests
    assert len(set(requests)) == len(requests) == len(fit.refits.scores.components)
    assert not any(shown_exemplar(request) == request.response for request in requests)
    assert seen == {"component scores": [len(requests), len(requests)]}


def test_records_are_fitted_with_their_own_weights_and_responses(
    scorer: ComponentScorer, records: Population, start: Gate
) -> None:
    """Blocks put records in another order: weights and likelihoods must follow."""
    scores = fit_gate(scorer, records, start, n_components=6).refits.scores
    assert sorted(scores.weight) == sorted(records.weights)
    by_weight = dict(zip(records.weights, records.responses, strict=True))
    requests = scorer.backend.requests
    for i, request in zip(scores.components.record, requests, strict=True):
        assert request.response == by_weight[scores.weight[i]]
