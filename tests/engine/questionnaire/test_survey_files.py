"""Surveys from files: SPSS, Stata, tables with a codebook, and Qualtrics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.errors import DataError

LABELS = {"vote": {1: "Clinton", 2: "Dole", 9: "Refused"}, "sex": {1: "man", 2: "woman"}}
TRUST = {1: "low", 2: "mid", 3: "high", -1: "unsure"}
BOOK = pd.DataFrame({"name": "vote", "code": [1, 2, 9], "label": ["Clinton", "Dole", "Refused"]})


@pytest.fixture
def df() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vote": [1, 2, 1, 9, np.nan, 2],
            "trust": [1, 2, 3, -1, 2, 1],
            "sex": [1, 2] * 3,
            "raw": [1, 2, 3] * 2,
            "w": [1.0, 2.0] * 3,
        }
    )


@pytest.fixture
def sav(df: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "poll.sav"
    pyreadstat.write_sav(
        df,
        str(path),
        variable_value_labels={**LABELS, "trust": TRUST},
        column_labels={"vote": "Whom will {you} vote for?"},
        missing_ranges={"vote": [9], "trust": [{"lo": -9, "hi": -1}]},
        variable_measure={"trust": "ordinal"},
    )
    return path


def test_spss_labels_become_texts_and_user_missing_values_are_counted(sav: Path) -> None:
    survey = Survey.from_file(sav, ["vote", "trust"], context="sex", weight="w")
    assert survey.questions["vote"].options == ("Clinton", "Dole")
    assert survey.questions["vote"].columns == frozenset()
    assert survey.summary()["text"].tolist() == ["Whom will {you} vote for?", "trust"]
    assert survey.questions["trust"].kind == "scale"
    assert survey.codes.tolist() == [[0, 0], [1, 1], [0, 2], [-1, -1], [-1, 1], [1, 0]]
    assert survey.set_aside == {"vote": {"Refused": 1}, "trust": {"unsure": 1}}
    assert survey.contexts["sex"].tolist() == ["man", "woman"] * 3


def test_codes_without_labels_are_asked_for(sav: Path) -> None:
    with pytest.raises(DataError) as caught:
        Survey.from_file(sav, ["raw"])
    assert caught.value.message == "The column 'raw' has codes without labels: 1 (2), 2 (2), 3 (2)."
    labels = {"raw": {1: "no", 2: "yes"}}
    survey = Survey.from_file(sav, ["raw"], codebook=labels, missing={"raw": "3"})
    assert survey.questions["raw"].options == ("no", "yes")
    assert survey.set_aside == {"raw": {"3": 2}}
    with pytest.raises(DataError, match=r"codes without labels: 3 \(2\)"):
        Survey.from_file(sav, ["raw"], codebook=labels)


def test_stata_missing_values_are_counted(df: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "poll.dta"
    pyreadstat.write_dta(
        df.assign(vote=[1, 2, 1, "a", 2, 2]),
        str(path),
        variable_value_labels={"vote": {1: "Clinton", 2: "Dole", "a": "Refused"}},
        missing_user_values={"vote": ["a"]},
    )
    survey = Survey.from_file(path, ["vote"])
    assert survey.codes[:, 0].tolist() == [0, 1, 0, -1, 1, 1]
    assert survey.set_aside == {"vote": {"Refused": 1}}


def test_a_table_is_read_with_a_codebook(df: pd.DataFrame, tmp_path: Path) -> None:
    df.to_csv(tmp_path / "poll.csv", index=False)
    BOOK.to_csv(tmp_path / "book.csv", index=False)
    for book in (BOOK, tmp_path / "book.csv", {"vote": LABELS["vote"]}):
        survey = Survey.from_file(tmp_path / "poll.csv", ["vote"], codebook=book, missing="Refused")
        assert survey.codes[:, 0].tolist() == [0, 1, 0, -1, -1, 1]
    for book in (BOOK.drop(columns="code"), {"vote": 3}):
        with pytest.raises(DataError, match="codebook"):
            Survey.from_file(tmp_path / "poll.csv", ["vote"], codebook=book)


def element(**payload: object) -> dict[str, object]:
    return {"Element": "SQ", "Payload": payload}


def choices(*texts: str) -> dict[str, object]:
    return {str(code): {"Display": text} for code, text in enumerate(texts, 1)}


@pytest.fixture
def qsf(tmp_path: Path) -> Path:
    elements = [
        {"Element": "FL", "Payload": {"Flow": [{"Type": "Branch"}]}},
        element(
            QuestionText="Do you <b>like</b>&nbsp;tea?<br>Say.", DataExportTag="Q1",
            QuestionType="MC", Selector="SAVR", Choices=choices("Yes", "No", "Maybe"),
            ChoiceOrder=["1", "3", "2"], RecodeValues={"1": "5", "2": "6", "3": "7"},
            DisplayLogic={"0": {}},
        ),
        element(
            QuestionText="Rate", DataExportTag="Q2", QuestionType="Matrix", Selector="Likert",
            SubSelector="SingleAnswer", Choices=choices("tea", "milk"),
            Answers=choices("bad", "good"), AnswerOrder=[1, 2],
        ),
        element(QuestionText="Why?", DataExportTag="Q3", QuestionType="TE", Selector="SL"),
        element(
            QuestionText="Which?", DataExportTag="Q4", QuestionType="MC", Selector="MAVR",
            Choices=choices("a", "b"),
        ),
    ]  # fmt: skip
    path = tmp_path / "poll.qsf"
    path.write_text(json.dumps({"SurveyEntry": {}, "SurveyElements": elements}))
    return path


ANSWERS = pd.DataFrame(
    {
        "Q1": ["Do you", '{"ImportId":"QID1"}', "5", "6", "No", None],
        "Q2_1": ["", "", 1, 2, 1, 1],
        "Q2_2": ["", "", "bad", "good", "2", "1"],
        "Q4": ["", "", "1,2", "1", "2", "1,2"],
    }
)


def test_qualtrics_questions_options_order_and_matrices_are_read(qsf: Path) -> None:
    survey = Survey.from_file(qsf, answers=ANSWERS)
    assert survey.questions["Q1"].text == "Do you like tea? Say."
    assert survey.questions["Q1"].options == ("Yes", "Maybe", "No")
    assert survey.questions["Q2_1"].text == "Rate tea"
    assert survey.questions["Q2_1"].kind == "scale"
    assert survey.names == ["Q1", "Q2_1", "Q2_2", "Q4: a", "Q4: b"]
    assert survey.codes.tolist() == [
        [0, 0, 0, 0, 0], [2, 1, 1, 0, 1], [2, 0, 1, 1, 0], [-1, 0, 0, 0, 0]
    ]  # fmt: skip


def test_what_is_not_understood_is_listed(qsf: Path) -> None:
    notes = Survey.from_file(qsf, answers=ANSWERS.drop(columns="Q4")).notes
    assert [note.split(",")[0] for note in notes] == [
        "Q1 has display logic",
        "Q3 is no closed question (TE/SL) and is left out.",
        "The survey flow has 1 branches",
        "The answers have no column 'Q4'; the question is left out.",
    ]


def test_a_multiple_choice_in_several_columns_is_gathered(qsf: Path) -> None:
    split = ANSWERS.assign(Q4_1=["", "", "a", "a", None, "a"], Q4_2=["", "", "b", None, "b", "b"])
    survey = Survey.from_file(qsf, answers=split.drop(columns="Q4"))
    assert survey.codes[:, 3:].tolist() == [[0, 0], [0, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.qsf", "{}", "'a.qsf' is not a Qualtrics survey"),
        ("a.qsf", "oh", "'a.qsf' is not a Qualtrics survey"),
        ("a.qsf", '{"SurveyElements": []}', "'a.qsf' has no closed questions."),
        ("a.sav", "oh", "The file 'a.sav' cannot be read"),
        ("a.csv", "", "The table 'a.csv' cannot be read"),
        ("a.doc", "oh", "Cannot read a survey from 'a.doc'."),
        ("a.sav", None, "There is no file"),
    ],
)
def test_files_that_are_something_else_are_refused(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        Survey.from_file(tmp_path / name, ["x"], answers=ANSWERS)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_answers_and_questions_are_asked_for(qsf: Path, sav: Path) -> None:
    with pytest.raises(DataError, match="has 4 closed questions, but no answers"):
        Survey.from_file(qsf)
    with pytest.raises(DataError, match="have none of the questions"):
        Survey.from_file(qsf, answers=pd.DataFrame({"x": ["1"]}))
    with pytest.raises(DataError, match="The questions are not named"):
        Survey.from_file(sav)
