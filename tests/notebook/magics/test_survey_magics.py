"""The magics for a survey of several questions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_mop import (
    GroupShares,
    Prediction,
    SampleDesign,
    Study,
    Survey,
    SurveyFidelity,
    SurveyFit,
)
from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.errors import DataError, MopError, NotFittedError

EVIL = "<img src=x onerror=alert(1)>"
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind.\n"
QUESTIONS = (
    "sky: What is the sky? | sun | rain | wind\nsea [scale]: And {topic}? | sun | rain | wind"
)


@pytest.fixture
def polled(shell: InteractiveShell, study: Study) -> pd.DataFrame:
    """Give the notebook people of three kinds as `df`, who mostly say one word."""
    study.use_personas(PERSONAS)
    rng = np.random.default_rng(0)
    words = np.array(["sun", "rain", "wind"], dtype=object)
    kind = rng.integers(3, size=120)
    said = {
        name: words[np.where(rng.random(120) < 0.8, kind, rng.integers(3, size=120))]
        for name in ("sky", "sea")
    }
    df = pd.DataFrame({"topic": np.where(rng.random(120) < 0.5, "dawn", "dusk"), **said, "w": 1.0})
    shell.user_ns["df"] = df
    return df


def run(shell: InteractiveShell, text: str, body: str | None = None) -> object:
    name, _, rest = text.partition(" ")
    if body is None:
        return shell.run_line_magic(name, rest)
    return shell.run_cell_magic(name, rest, body)


@pytest.mark.usefixtures("polled")
def test_a_survey_without_texts_says_that_the_model_was_asked_names(
    shell: InteractiveShell,
) -> None:
    fit = run(shell, "mop_survey df --questions sky,sea --context topic --orders 1")
    assert isinstance(fit, SurveyFit)
    shown = fit._repr_html_()
    assert "no more than the name of sky and sea." in shown
    assert "sky: THE QUESTION? | rain | sun | wind" in shown


@pytest.mark.usefixtures("polled")
def test_a_survey_from_the_frame_to_a_predicted_question(
    shell: InteractiveShell, study: Study
) -> None:
    line = "mop_survey df --context topic --weight w --orders 2"
    planned = run(shell, f"{line} --dry-run", QUESTIONS)
    assert isinstance(planned, CostEstimate)
    assert planned.calls == 3 * 3 * 2 * 3  # a question without context, and one in two contexts
    assert study.survey_fit is None
    fit = run(shell, line, QUESTIONS)
    assert isinstance(fit, SurveyFit)
    assert fit is study.survey_fit
    assert run(shell, "mop_survey") is fit
    assert fit.survey.questions["sea"].kind == "scale"
    shown = fit._repr_html_()
    assert "sunny" in shown
    assert "power of the model" in shown
    assert "no more than the name" not in shown
    shares = run(shell, "mop_shares sky --by topic")
    assert isinstance(shares, GroupShares)
    assert shares.frame["group"].nunique() == 3
    assert "95 % interval" in shares._repr_html_()
    shell.user_ns["census"] = {"topic": {"dawn": 0.9, "dusk": 0.1}}
    people = run(shell, "mop_respondents -n 300 --to census --seed 1")
    assert isinstance(people, pd.DataFrame)
    assert (people["topic"] == "dawn").mean() > 0.8
    imputed = run(shell, "mop_impute 'sky'")
    assert isinstance(imputed, pd.DataFrame)
    assert imputed.shape == (120, 3)
    fidelity = run(shell, "mop_fidelity --seed 1")
    assert isinstance(fidelity, SurveyFidelity)
    assert fidelity.is_held_out
    assert "times floor" in fidelity._repr_html_()
    shell.user_ns["drawn"] = people.head(120).assign(sky="sun", w=2.0)
    given = run(shell, "mop_fidelity drawn --weight w --without drawn")
    assert isinstance(given, SurveyFidelity)
    assert "vary too little" in given.verdict
    assert given.gain is not None
    assert given.gain[0] == 0
    design = run(shell, "mop_design --budget 60 --level 0.95")
    assert isinstance(design, SampleDesign)
    assert "95% intervals" in design._repr_html_()
    prediction = run(shell, 'mop_predict land --options "sun|rain"', "What is the land?")
    assert isinstance(prediction, Prediction)
    assert run(shell, "mop_predict land") is prediction
    assert "2 answered questions" in prediction._repr_html_()


@pytest.mark.usefixtures("polled")
def test_columns_a_survey_and_a_file_are_sources(
    shell: InteractiveShell, polled: pd.DataFrame, tmp_path: Path
) -> None:
    line = "mop_survey df --questions sky,sea --context topic --orders 1"
    first = run(shell, line)
    polled.to_csv(tmp_path / "df.csv", index=False)
    from_file = run(shell, line.replace("df", f"'{tmp_path / 'df.csv'}'", 1))
    shell.user_ns["poll"] = Survey.from_frame(polled, ["sky", "sea"], context="topic")
    given = run(shell, "mop_survey poll --orders 1")
    for fit in (from_file, given):
        assert isinstance(fit, SurveyFit)
        assert fit.class_sizes().equals(first.class_sizes())


@pytest.mark.usefixtures("polled")
def test_names_and_answers_are_escaped(study: Study) -> None:
    study.use_personas({EVIL: "You say sun.", "b": "You say rain."})
    frame = pd.DataFrame({EVIL: ["sun", "rain"] * 20, "sea": ["sun", "rain"] * 20})
    fit = study.survey(Survey.from_frame(frame, [EVIL, "sea"]), n_orders=1)
    for value in (fit, fit.survey, fit.shares(EVIL), study.fidelity(), study.design(40)):
        shown = value._repr_html_()
        assert "<img" not in shown
        assert "&lt;img" in shown


@pytest.mark.usefixtures("polled")
@pytest.mark.parametrize(
    ("text", "body", "error", "words"),
    [
        ("mop_survey", None, NotFittedError, "no fitted survey"),
        ("mop_fidelity", None, NotFittedError, "no fitted survey"),
        ("mop_design --budget 300", None, NotFittedError, "no fitted survey"),
        ("mop_impute sky", None, NotFittedError, "no fitted survey"),
        ("mop_survey df", None, DataError, "no questions"),
        ("mop_survey", QUESTIONS, DataError, "no respondents"),
        ("mop_survey nothing.sav --questions a", None, DataError, "no file"),
        ("mop_survey df --questions sky,skz", None, DataError, "'skz'"),
        ("mop_survey df", "sky: What? | sun | sun", DataError, "twice"),
        ("mop_predict x", "Well?", NotFittedError, "no fitted survey"),
        ("mop_predict y", None, DataError, "no prediction 'y'"),
    ],
)
def test_mistakes_are_one_sentence(
    shell: InteractiveShell, text: str, body: str | None, error: type[MopError], words: str
) -> None:
    arguments = f'{text} --options "sun|rain"' if text == "mop_predict x" else text
    with pytest.raises(error) as caught:
        run(shell, arguments, body)
    assert words in str(caught.value)


def test_a_fit_is_displayed_with_its_chart(
    shell: InteractiveShell, study: Study, polled: pd.DataFrame
) -> None:
    survey = Survey.from_frame(polled, ["sky", "sea"])
    shell.user_ns["shares"] = study.survey(survey, n_orders=1).shares("sky")
    with shell.display_trap, capture_output() as captured:
        shell.run_cell("shares").raise_error()
    shown = set().union(*(output.data for output in captured.outputs))
    assert {"text/html", "image/png"} <= shown


def test_questions_and_groups_are_completed(
    shell: InteractiveShell, study: Study, polled: pd.DataFrame
) -> None:
    def complete(text: str) -> list[str]:
        return shell.complete("", text, len(text))[1]

    assert "df" in complete("%mop_survey ")
    assert complete("%mop_survey df --questions s") == ["sky", "sea"]
    assert complete("%mop_survey df --method s") == ["scored", "sampled"]
    assert complete("%mop_fidelity d") == ["df"]
    assert complete("%mop_fidelity df --without d") == ["df"]
    assert complete("%mop_fidelity df --weight w") == ["w"]
    assert complete("%mop_design --b") == ["--budget"]
    study.survey(Survey.from_frame(polled, ["sky", "sea"], context="topic"), n_orders=1)
    assert {"sky", "sea", "--by"} <= set(complete("%mop_shares "))
    assert complete("%mop_shares sky --by t") == ["topic"]
