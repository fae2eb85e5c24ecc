"""Several questions at once: each is answered, calibrated and compared by its own column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import PopulationAnswers, Question, Study, ToyBackend, ToyEncoder
from jupyter_mop.engine.evaluation.answer_baselines import TRAINING
from jupyter_mop.errors import BudgetError, DataError, NotFittedError
from jupyter_mop.study.report import Results

WORDS = ["tea", "milk"]
TRUTH = {"drink": {"young": 0.15, "old": 0.85}, "again": {"young": 0.7, "old": 0.3}}  # of tea
QUESTIONS = {name: Question(f"You are {{age}}. {name}?", WORDS) for name in TRUTH}
WITHOUT = {"wish": Question("What do you wish for?", WORDS)}


class Interrupting(ToyBackend):
    """Is stopped by the user when it is asked for its wish."""

    def score(self, requests, **options):
        if any("wish" in str(request.prompt.messages) for request in requests):
            raise KeyboardInterrupt
        return super().score(requests, **options)


def people(n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    df = pd.DataFrame({"age": rng.choice(["young", "old"], n)})
    for name, truth in TRUTH.items():
        df[name] = np.where(rng.random(n) < df["age"].map(truth), *WORDS)
    return df


def study_of(tmp_path: Path, df: pd.DataFrame, kind: type[ToyBackend] = ToyBackend) -> Study:
    encoder = ToyEncoder([*WORDS, "young", "old"])
    study = Study(kind(WORDS, persona_boost=0.5), encoder, store=tmp_path / "store.sqlite")
    study.use_personas("a: You say tea.\nb: You say milk.")
    study.use_population(df, context="age", response="drink")
    return study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_of(tmp_path, people())


def test_each_question_is_calibrated_on_its_column(tmp_path: Path) -> None:
    study = study_of(tmp_path, people(2000))
    answers = study.ask_all({**QUESTIONS, **WITHOUT})
    assert isinstance(answers, PopulationAnswers)
    assert list(answers) == ["drink", "again", "wish"]
    for name, truth in TRUTH.items():
        assert answers[name].calibration is not None
        for age, share in truth.items():
            assert answers[name].shares(age)[0] == pytest.approx(share, abs=0.05)
            assert answers[name].target(age)[0] == pytest.approx(share, abs=0.06)
    assert answers["wish"].calibration is None
    assert answers["wish"].target() is None
    assert "uncalibrated" in repr(answers["wish"])
    assert "no column 'wish'" in repr(answers["wish"])
    assert study.answers == dict(answers)
    assert set(study.simulations) == set(answers)
    assert study.population.response == "drink"


def test_an_answer_is_as_if_its_column_were_the_response(study: Study, tmp_path: Path) -> None:
    found = study.ask_all(QUESTIONS, weights="learned")
    alone = study_of(tmp_path, people())
    alone.use_population(people(), context="age", response="again")
    answer = alone.ask(QUESTIONS["again"], "again")
    assert found["again"].shares() == pytest.approx(answer.shares(), abs=1e-12)
    assert found["drink"].shares() == pytest.approx(study.ask(QUESTIONS["drink"]).shares())


def test_people_without_an_answer_to_a_question_are_left_out_of_it(tmp_path: Path) -> None:
    df = people()
    df.loc[df["age"] == "old", "again"] = None
    answers = study_of(tmp_path, df).ask_all(QUESTIONS)
    assert answers["again"].contexts["age"].tolist() == ["young"]
    assert set(answers["drink"].contexts["age"]) == {"young", "old"}


def test_the_result_shows_the_worst_first(study: Study) -> None:
    answers = study.ask_all({**WITHOUT, **QUESTIONS}, weights="uniform")
    off = {name: abs(answers[name].shares() - answers[name].target())[0] for name in QUESTIONS}
    order = [*sorted(off, key=lambda name: -off[name]), "wish"]
    assert answers.worst_first == order
    frame = answers.frame
    assert frame["question"].tolist() == ["wish"] * 2 + ["drink"] * 2 + ["again"] * 2
    assert frame["people"].isna().tolist() == [True] * 2 + [False] * 4
    assert frame["share"].tolist()[2:4] == pytest.approx(answers["drink"].shares().tolist())
    html = answers._repr_html_()
    places = [html.index(f"<b>{name} (uncalibrated)") for name in order]
    assert places == sorted(places)
    assert places[-1] < html.index("<table")
    assert [html.index(f">{name}</td>") for name in order] == sorted(
        html.index(f">{name}</td>") for name in order
    )
    chart = answers.plot().to_dict()
    panels = chart["concat"]
    assert chart["resolve"] == {"scale": {"x": "shared"}}
    assert [panel["title"]["text"].split()[0] for panel in panels] == order
    assert repr(answers).splitlines()[0] == "PopulationAnswers of 3 questions, worst first:"


def test_names_are_escaped(study: Study) -> None:
    answers = study.ask_all({"<img src=x>": Question("Why?", WORDS)})
    assert "<img" not in answers._repr_html_()
    assert answers.plot().to_dict()


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ({}, "There are no questions."),
        ({"gin": Question("G?", WORDS)}, "Question 'gin': 1?[0-9]+ of [0-9]+ .* are none of"),
        ({"again": Question("A?", ["gin", "rum"])}, "Fewer than half .* in the column 'again'"),
        ({"why": Question("{nope}?", WORDS)}, "Question 'why': .* uses {nope}"),
        ({"why": "Why?"}, "Question 'why' must be a Question with its options, got 'Why\\?'"),
        ({"few": Question("F?", WORDS)}, "Question 'few': Need at least 8 records to fit, got 2"),
        ({"age": Question("Age?", ["Young", "Old"])}, "The column 'age' is .* context column"),
        ({"w": Question("W?", ["yes", "no"])}, "The column 'w' is .* weight column"),
        ({"light": Question("L?", WORDS)}, "Question 'light': All .* have a weight of zero"),
    ],
)
def test_a_question_that_does_not_fit_its_column_stops_before_any_is_asked(
    tmp_path: Path, questions: dict[str, Question], message: str
) -> None:
    df = people().assign(gin=["gin"] * 100 + ["tea"] * 500, w=[0.0] * 60 + [1.0] * 540, few=None)
    df["light"] = ["tea"] * 60 + [None] * 540
    train, held_out = study_of(tmp_path, df).population.rows, study_of(tmp_path, df).target.rows
    df.loc[[*train[:2], *held_out[:2]], "few"] = "tea"
    study = study_of(tmp_path, df)
    study.use_population(df, context="age", response="drink", weight="w")
    with pytest.raises(DataError, match=message):
        study.ask_all({**WITHOUT, **questions} if questions else {})
    assert study.answers == {}
    assert study.population.response == "drink"
    assert study.backend.usage.calls == 0


def test_options_that_one_question_cannot_have_stop_before_any_is_asked(study: Study) -> None:
    with pytest.raises(DataError, match="Question 'wish': `n_exemplars`"):
        study.ask_all({**QUESTIONS, **WITHOUT}, n_exemplars=2)
    with pytest.raises(NotFittedError, match="nothing to learn weights from"):
        study.ask_all({**QUESTIONS, **WITHOUT}, weights="learned")
    assert study.answers == {}
    assert study.backend.usage.calls == 0


def test_few_real_answers_need_no_weights_to_learn(tmp_path: Path) -> None:
    df = people().assign(few=None)
    df.loc[:7, "few"] = "tea"
    answers = study_of(tmp_path, df).ask_all({"few": Question("F?", WORDS)}, weights="uniform")
    assert answers["few"].target().tolist() == [1, 0]


def test_answers_that_are_set_aside_are_those_of_the_column(tmp_path: Path) -> None:
    df = people()
    df.loc[:199, "again"] = "Refused"
    answers = study_of(tmp_path, df).ask_all({**QUESTIONS, **WITHOUT}, missing="Refused")
    assert sum(answers["again"].set_aside.values()) == 200
    assert not answers["drink"].set_aside
    assert not answers["wish"].set_aside


def test_a_multiple_choice_without_a_column_has_no_real_answers(study: Study) -> None:
    study.use_backend(ToyBackend([*WORDS, "yes", "no"]))
    answers = study.ask_all({"both": Question("Which?", WORDS, "multiple")})
    assert answers["both"].target() is None


def test_a_stopped_run_keeps_the_finished_answers(tmp_path: Path) -> None:
    study = study_of(tmp_path, people(), Interrupting)
    with pytest.raises(KeyboardInterrupt):
        study.ask_all({"drink": QUESTIONS["drink"], **WITHOUT, "again": QUESTIONS["again"]})
    assert list(study.answers) == ["drink"]
    assert study.population.response == "drink"
    assert [run.state for run in study.runs()] == ["cancelled"]


def test_a_run_is_planned_limited_and_resumed_as_one(study: Study) -> None:
    steps: list[str] = []
    questions = {**QUESTIONS, **WITHOUT}
    singly = [study.plan("ask_all", {name: questions[name]}).calls for name in questions]
    assert study.plan("ask_all", questions).calls == sum(singly) > 0
    assert study.answers == {}
    study.ask_all(questions, on_step=lambda what, _: steps.append(what))
    assert {step.partition(": ")[0] for step in steps} >= set(questions)
    again = study.resume(study.runs()[-1].run)
    assert list(again) == list(questions)
    assert study.backend.usage.calls == sum(singly)


def test_a_budget_holds_for_all_questions(tmp_path: Path) -> None:
    study = study_of(tmp_path, people())
    study.use_backend(ToyBackend(WORDS), price_in=1.0, price_out=1.0)
    first = study.plan("ask_all", {"drink": QUESTIONS["drink"]}).usd
    with study.within(1.2 * first), pytest.raises(BudgetError):
        study.ask_all(QUESTIONS)
    assert list(study.answers) == ["drink"]


def test_answers_are_compared_with_their_own_column(study: Study) -> None:
    study.ask_all({**QUESTIONS, **WITHOUT})
    names = study.compare("again").statistics.option_shares
    real = study.target.answering("again").responses
    assert names.target[0] == pytest.approx(np.mean([text == "tea" for text in real]), abs=0.05)
    with pytest.raises(DataError, match="no column 'wish' to compare with"):
        study.compare("wish")
    with pytest.raises(DataError, match="Simulations of again and drink cannot be compared"):
        study.align("again", "drink")
    study.ask(QUESTIONS["drink"], "plain")
    assert set(study.align().frame["method"]) == {"plain"}


def test_a_report_compares_with_the_answers_of_the_column(study: Study, tmp_path: Path) -> None:
    study.ask_all(QUESTIONS)
    baselines = Results.of(study.session, "again").answers["again"][1]
    train = study.population.answering("again").responses
    share = np.mean([response == "tea" for response in train])
    is_ours = (baselines["group"] == "everyone") & (baselines["source"] == TRAINING)
    off = baselines.loc[is_ours, "value"].item()
    assert off == pytest.approx(abs(share - study.answers["again"].target()[0]))
    assert "again" in study.report("again", tmp_path / "report.html").read_text()


def test_a_report_of_an_answer_without_a_column_has_its_shares(
    study: Study, tmp_path: Path
) -> None:
    study.ask_all(WITHOUT)
    page = study.report("wish", tmp_path / "report.html").read_text()
    assert "What do you wish for?" in page
    assert "people (tick)" not in page
