from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.protocols import OnScores, ScoreRequest, TokenScores
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.engine.mixture.component_likelihood import (
    ComponentLogLikelihoods,
    component_log_likelihood,
)
from jupyter_mop.errors import ModelError

PERSONAS = read_personas("sunny: You say sun.\nrainy: You say rain.")
POOL = [Exemplar({"topic": "dawn"}, "fog fog"), Exemplar({"topic": "dusk"}, "wind"), None]
TEMPLATE = PromptTemplate("What of {topic}?")


class RecordingBackend(ToyBackend):
    """Records its requests."""

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        self.requests = list(requests)
        return super().score(requests, on_result=on_result)


class BackendWithoutScores(ToyBackend):
    can_score = False


class BrokenBackend(ToyBackend):
    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        return [TokenScores((float("nan"),)), *super().score(requests[1:], on_result=on_result)]


@pytest.fixture
def small() -> Population:
    frame = pd.DataFrame({"topic": ["dawn", "dusk"], "text": ["sun fog", "rain rain wind"]})
    return Population.from_frame(frame, context="topic", response="text")


def triples(*rows: tuple[int, int, int]) -> Components:
    return Components(*np.array(rows, dtype=np.intp).T)


def ask(
    population: Population, components: Components, backend: ToyBackend, **more
) -> ComponentLogLikelihoods:
    return component_log_likelihood(
        population,
        components,
        personas=PERSONAS,
        exemplars=POOL,
        template=TEMPLATE,
        backend=backend,
        **more,
    )


def test_each_triple_is_scored_once_with_the_rendered_prompt(
    small: Population, backend: ToyBackend
) -> None:
    model = RecordingBackend(backend.vocabulary)
    components = triples((0, 1, 0), (1, 0, 1), (1, 1, 2))
    likelihoods = ask(small, components, model)
    shown = [[exemplar] if exemplar else [] for exemplar in POOL]
    expected = [
        ScoreRequest(
            TEMPLATE.render(small.records[i], persona=PERSONAS[k], exemplars=shown[j]),
            small.responses[i],
        )
        for i, k, j in [(0, 1, 0), (1, 0, 1), (1, 1, 2)]
    ]
    assert model.requests == expected
    totals = [sum(model.log_probs(r.prompt)[model._positions(r.response)]) for r in expected]
    np.testing.assert_allclose(likelihoods.log_lik, totals)
    np.testing.assert_array_equal(likelihoods.n_tokens, [2, 3, 3])
    assert likelihoods.components is components


def test_progress_is_reported(small: Population, backend: ToyBackend) -> None:
    seen: list[int] = []
    ask(small, triples((0, 0, 0), (1, 0, 0)), backend, on_result=lambda at, _: seen.append(at))
    assert seen == [0, 1]


def test_no_components_are_allowed(small: Population, backend: ToyBackend) -> None:
    none = np.empty(0, np.intp)
    assert len(ask(small, Components(none, none, none), backend).log_lik) == 0


def test_a_model_that_cannot_score_is_refused_with_alternatives(small: Population) -> None:
    with pytest.raises(ModelError, match="Likelihoods require a model that reports") as caught:
        ask(small, triples((0, 0, 0)), BackendWithoutScores(["sun", "rain"]))
    for way_out in ("%mop_backend local", "--keep-weights", "--by samples"):
        assert way_out in caught.value.hint


def test_scores_that_are_not_finite_are_refused(small: Population) -> None:
    with pytest.raises(ModelError, match="1 log-likelihoods that are not finite"):
        ask(small, triples((0, 0, 0), (1, 1, 1)), BrokenBackend(["sun", "rain", "fog", "wind"]))
