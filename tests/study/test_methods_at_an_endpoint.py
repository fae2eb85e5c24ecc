"""Stated percentages and rated replies, from a server over HTTP whose true shares are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scripted_server import Reply, ScriptedServer, chat

from jupyter_mop import OpenAIBackend, Question, Study, Survey, ToyEncoder

WORDS = ["tea", "milk"]
TRUTH = {"a": 0.2, "b": 0.7}  # share of tea of each persona
PERSONAS = "a: You are a.\nb: You are b."


def answered(body: dict[str, Any]) -> Reply:
    """State the persona's shares, or answer by them in a sentence."""
    system, question = (str(body["messages"][i]["content"]) for i in (0, -1))
    share = TRUTH.get(system[-2], 0.5)
    if "Of 100 people" in question:
        return Reply(body=chat(f'{{"tea": "{share:.0%}", "milk": "{1 - share:.0%}"}}'))
    drawn = np.random.default_rng(body.get("seed", 0)).random() > share
    return Reply(body=chat(f"I would rather have {WORDS[int(drawn)]}."))


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    server = ScriptedServer()
    server.default = answered
    study = Study(
        OpenAIBackend(server.url, "scripted"), ToyEncoder(WORDS), store=tmp_path / "store.sqlite"
    )
    study.use_personas(PERSONAS)
    yield study
    study.store.close()
    server.close()


def people(n: int = 200) -> pd.DataFrame:
    is_tea = np.random.default_rng(3).random(n) < 0.45
    return pd.DataFrame({"age": "old", "drink": np.where(is_tea, *WORDS)})


@pytest.mark.parametrize(("method", "tolerance"), [("told", 0.001), ("anchors", 0.1)])
def test_the_true_shares_are_recovered(study: Study, method: str, tolerance: float) -> None:
    study.use_population(people(), context="age", response="drink")
    question = Question("What will you drink?", WORDS)
    answer = study.ask(question, method=method, weights="uniform", n_draws=100)
    np.testing.assert_allclose(answer.by_persona[:, 0], [0.2, 0.7], atol=tolerance)
    assert study.ask(question, method=method, weights="uniform", n_draws=100).cost["calls"] == 0


@pytest.mark.parametrize("method", ["told", "anchors"])
def test_a_survey_of_several_questions_is_asked_so_too(study: Study, method: str) -> None:
    frame = people().assign(evening=people()["drink"])
    survey = Survey.from_frame(frame, ["drink", "evening"], context="age")
    fit = study.survey(survey, method=method, n_draws=30)
    assert fit.tables["drink"].method == method
    tea = survey.questions["drink"].options.index("tea")
    stated = np.exp(fit.tables["drink"].log_probs[0, :, tea])
    np.testing.assert_allclose(stated, [0.2, 0.7], atol=0.2)
    prediction = study.predict(Question("Tea or milk?", WORDS))
    assert prediction.table.method == method
