"""The survey panel's traits, its still tables, and how a notebook opens it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_mop import Question, Study, ToyBackend
from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit, fit_survey
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.widgets.assets import STATIC
from jupyter_mop.notebook.widgets.survey import SurveyPanel

EVIL = "<img src=x onerror=alert(1)>"
FILES = [*(STATIC / "survey").iterdir(), STATIC / "metrics" / "reweighted_shares.js"]


def people(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.choice(["old", "young"], n),
            "drink": rng.choice(["tea", "milk"], n),
            EVIL: rng.choice(["tea", "milk"], n),
        }
    )


@pytest.fixture(scope="module")
def fit() -> SurveyFit:
    survey = Survey.from_frame(people(), ["drink", EVIL], context="age")
    return fit_survey(survey, {"a": "Tea!", EVIL: "Milk!"}, ToyBackend(["tea", "milk"]))


def test_the_sliders_start_at_the_class_sizes(fit: SurveyFit) -> None:
    panel = fit.panel()
    assert isinstance(panel, SurveyPanel)
    expected = fit.class_sizes()["share"].tolist()
    assert panel.weights == panel.start == panel.learned == pytest.approx(expected)
    panel.weights = [3, 1]
    assert panel.as_dict() == {"a": 0.75, EVIL: 0.25}
    assert panel.start == pytest.approx(expected)


def test_bad_weights_and_unknown_keywords_are_refused(fit: SurveyFit) -> None:
    panel = SurveyPanel(fit, weights=[1, 1])
    assert panel.weights == [0.5, 0.5]
    for bad in ([1], [1, -1], [0, 0]):
        with pytest.raises(DataError):
            panel.weights = bad
    with pytest.raises(DataError, match="Did you mean 'locked'"):
        SurveyPanel(fit, loked=[True, False])


def test_what_is_sent_has_no_row_per_respondent(fit: SurveyFit) -> None:
    survey = Survey.from_frame(people(600), ["drink", EVIL], context="age")
    other = fit_survey(survey, {"a": "Tea!", EVIL: "Milk!"}, ToyBackend(["tea", "milk"]))

    def sizes(panel: SurveyPanel) -> dict[str, int]:
        return {name: len(value) for name, value in panel.shares.items() if name != "min_people"}

    assert sizes(fit.panel()) == sizes(other.panel())


def test_where_no_script_runs_tables_show_the_same_as_text(fit: SurveyFit) -> None:
    panel = fit.panel()
    panel.weights = [1, 0]
    bundle = panel._repr_mimebundle_()
    assert bundle is not None
    html = bundle[0]["text/html"]
    share = panel.reweighted.shares("drink", [1, 0])[1]
    assert f"<td>{share:.1%}</td>" in html
    assert "&lt;img" in html
    assert EVIL not in html


def test_a_page_has_the_live_panel(fit: SurveyFit, tmp_path: Path) -> None:
    text = fit.panel().to_html(tmp_path / "panel.html").read_text(encoding="utf-8")
    packed = re.search(r'data-mop-packed="\w+">([^<]+)<', text)
    assert packed is not None
    contents = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    assert contents["state"]["names"] == ["a", EVIL]
    assert "innerHTML" not in contents["script"]


def test_a_group_of_few_people_does_not_show_their_shares() -> None:
    frame = people()
    frame.loc[:2, "age"] = "unknown"
    survey = Survey.from_frame(frame, ["drink"], context="age")
    panel = fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"])).panel()
    at = panel.shares["groups"].index(["age", "unknown"])
    shares = np.frombuffer(panel.shares["people"]).reshape(-1, 2)
    assert np.isnan(shares[at]).all()
    assert np.isfinite(np.delete(shares, at, axis=0)).all()
    assert np.frombuffer(panel.shares["n"])[at] == 3


def test_lone_surrogates_are_sent_as_question_marks() -> None:
    question = Question("What\udc80?", ["tea", "milk"])
    survey = Survey.from_frame(people(), {"drink": question}, context="age")
    panel = fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"])).panel()
    assert panel.shares["questions"][0]["text"] == "What??"


def test_the_magic_opens_the_panel(shell: InteractiveShell, study: Study) -> None:
    study.use_personas("sunny: You say sun.\nrainy: You say rain.")
    answers = people().replace({"tea": "sun", "milk": "rain"})
    shell.user_ns["df"] = answers
    line = "df --questions drink --context age --orders 1 --panel"
    planned = shell.run_line_magic("mop_survey", f"{line} --dry-run")
    assert isinstance(planned, CostEstimate)
    panel = shell.run_line_magic("mop_survey", line)
    assert isinstance(panel, SurveyPanel)
    assert isinstance(study.survey_fit, SurveyFit)
    before = study.backend.usage
    again = shell.run_line_magic("mop_survey", "--panel")
    assert isinstance(again, SurveyPanel)
    assert again.weights == panel.weights
    assert study.backend.usage == before
    assert shell.run_line_magic("mop_survey", "") is study.survey_fit


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_scripts_stay_small_and_write_no_markup(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.encode()) < 10_000
    assert "innerHTML" not in text
    assert "http" not in text
