"""The smallest backend: a fingerprint and a method that generates, and all that a study does."""

from __future__ import annotations

import inspect
import random
from pathlib import Path

import pandas as pd
import pytest

from jupyter_mop import Completion, Question, Study, ToyBackend, ToyEncoder
from jupyter_mop.backends.opening import load_backend
from jupyter_mop.backends.protocols import (
    Backend,
    Scores,
    ScoresFirstTokens,
    can_score,
    can_score_first_tokens,
)
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import ModelError


class Smallest:
    """Answers with one of two words, chosen by seed and draw."""

    fingerprint = "smallest-1"

    def generate(self, requests, params, *, on_result=None):  # noqa: ARG002
        completions = []
        for index, request in enumerate(requests):
            word = random.Random(f"{request.seed}/{request.draw}").choice(["yes", "no"])  # noqa: S311
            completions.append(Completion(word, n_tokens=1))
            if on_result:
                on_result(index, completions[-1])
        return completions


class Mute(ToyBackend):
    """Learns only at run time that it cannot score."""

    can_score = False


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(Smallest(), ToyEncoder(["yes", "no"]), store=tmp_path / "store.sqlite")
    study.use_personas("keen: You say yes.\ncold: You say no.")
    frame = pd.DataFrame({"topic": "rain", "answer": ["yes", "no"] * 30})
    study.use_population(frame, context="topic", response="answer")
    return study


def test_the_smallest_backend_is_short_and_cannot_score() -> None:
    assert len(inspect.getsource(Smallest).splitlines()) <= 25
    assert isinstance(Smallest(), Backend)
    assert not isinstance(Smallest(), Scores | ScoresFirstTokens)
    assert not can_score(Smallest())
    assert not can_score_first_tokens(Smallest())


def test_the_smallest_backend_simulates(study: Study) -> None:
    simulation = study.simulate("s", 20, template="Of {topic}?", weights="uniform")
    assert set(simulation.responses) == {"yes", "no"}
    assert simulation.provenance["model"] == "smallest-1"


def test_the_smallest_backend_answers_a_closed_question_by_sampling(study: Study) -> None:
    answer = study.ask(Question("Is it raining?", ["yes", "no"]), weights="uniform", n_draws=10)
    assert answer.method == "sampled"
    assert answer.shares().sum() == pytest.approx(1)


def test_the_smallest_backend_is_fitted_by_samples(study: Study) -> None:
    assert "log_ratio" in study.fit().report_
    with pytest.raises(ModelError, match="require a model that reports log-prob") as caught:
        study.fit(by="likelihood")
    assert "--by samples" in caught.value.hint


def test_a_backend_with_a_score_method_may_learn_at_run_time_that_it_cannot(tmp_path: Path) -> None:
    words = ["yes", "no"]
    assert isinstance(Mute(words), Scores)
    assert [can_score(ToyBackend(words)), can_score(Mute(words))] == [True, False]
    with Store(tmp_path / "store.sqlite") as store:
        for model, scores in ((Smallest(), False), (Mute(words), False), (ToyBackend(words), True)):
            assert can_score(CachedBackend(model, store)) is scores
            assert not can_score_first_tokens(CachedBackend(model, store))


@pytest.mark.parametrize("choice", [Smallest, object(), 7, None])
def test_what_is_not_a_backend_is_refused(choice: object) -> None:
    with pytest.raises(ModelError, match="language model"):
        load_backend(choice)
