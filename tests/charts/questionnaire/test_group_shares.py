"""Charts of a survey: small multiples with intervals and ticks at people's own shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import (
    Question,
    Survey,
    SurveyFit,
    ToyBackend,
    fit_survey,
    sample_design,
    survey_fidelity,
)
from jupyter_mop.charts.questionnaire.group_shares import MAX_PANELS, panels_chart
from jupyter_mop.charts.style.png import VEGA_LITE


@pytest.fixture(scope="module")
def fit() -> SurveyFit:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.choice(["tea", "milk"], 40) for name in ("now", "later")})
    frame["age"] = ["young", "old"] * 20
    frame.loc[3, "now"] = None
    questions = {name: Question(f"What {name}?", ["tea", "milk"]) for name in ("now", "later")}
    survey = Survey.from_frame(frame, questions, context="age")
    return fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"]))


def panels(spec: dict) -> list[dict]:
    return [panel for row in spec["vconcat"] for panel in row["hconcat"]]


def test_each_group_has_a_panel_with_intervals_and_ticks(fit: SurveyFit) -> None:
    spec = fit.shares("now", "age").plot().to_dict()
    assert [panel["title"]["text"] for panel in panels(spec)] == ["everyone", "young", "old"]
    marks = [layer["mark"]["type"] for layer in panels(spec)[0]["layer"]]
    assert marks == ["rule", "circle", "tick"]
    assert " ".join(spec["title"]["subtitle"]).endswith("tick: the respondents' own share.")


def test_the_chart_follows_the_theme_as_it_quotes_nobody(fit: SurveyFit) -> None:
    data, _ = fit.shares("now", "age").plot()._repr_mimebundle_()
    assert VEGA_LITE in data


def test_the_first_sentence_says_where_groups_differ(fit: SurveyFit) -> None:
    shares = fit.shares("now", "age")
    frame = shares.frame.copy()
    frame["share"] = [0.5, 0.5, 0.7, 0.3, 0.2, 0.7]
    frame["low"], frame["high"] = frame["share"] - 0.1, frame["share"] + 0.1
    apart = replace(shares, frame=frame)
    assert apart.verdict == (
        "The groups differ most on 'tea': young 70% [60, 80], old 20% [10, 30]; the intervals do "
        "not overlap."
    )
    assert "young 70% [60, 80]" in apart._repr_html_()
    close = replace(apart, frame=frame.assign(low=0.0, high=1.0))
    assert close.verdict.endswith("the intervals overlap.")
    assert fit.shares("now").verdict == ""


def test_a_question_that_is_named_by_its_text_is_shown_once(fit: SurveyFit) -> None:
    shares = fit.shares("now")
    named = replace(shares, question=Question("now", ["tea", "milk"]))
    assert "<p>now</p>" in named._repr_html_()
    assert named.plot().to_dict()["title"]["text"] == "now"


def test_an_interval_stays_on_one_line(fit: SurveyFit) -> None:
    assert "%&nbsp;to&nbsp;" in fit.shares("now")._repr_html_()


def test_another_population_has_no_ticks(fit: SurveyFit) -> None:
    spec = fit.shares("now", to={"age": {"old": 1.0, "young": 0.0}}).plot().to_dict()
    assert len(panels(spec)) == 1
    assert len(panels(spec)[0]["layer"]) == 2


def test_a_fit_has_a_panel_for_each_question_and_a_survey_a_bar(fit: SurveyFit) -> None:
    assert [p["title"]["text"] for p in panels(fit.plot().to_dict())] == ["now", "later"]
    spec = fit.survey.plot().to_dict()
    (values,) = spec["datasets"].values()
    assert [row["answered"] for row in values] == [0.975, 1.0]
    assert "40 respondents; context: age" in fit.survey._repr_html_()


def test_many_panels_are_cut_and_counted() -> None:
    rows = [{"group": f"g{i}", "option": o, "share": 0.5, "low": 0.4, "high": 0.6, "people": np.nan}
            for i in range(30) for o in "ab"]  # fmt: skip
    spec = panels_chart(pd.DataFrame(rows), "group", "T", ["N."]).to_dict()
    assert len(panels(spec)) == MAX_PANELS
    assert spec["title"]["subtitle"][-1] == "The first 24 of 30 panels."


def test_fidelity_is_drawn_worst_first_with_the_floor_as_a_line(fit: SurveyFit) -> None:
    found = survey_fidelity(fit, fit.draw(40).assign(now="tea"))
    spec = found.plot().to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["bar", "rule"]
    order = spec["layer"][0]["encoding"]["y"]["sort"]
    assert order[0].split(", ")[1] in ("now", "all")
    shown = found._repr_html_()
    assert "<p><b>At n = 40 (not held out), answers vary too little" in shown
    assert "dispersion" in shown


def test_a_design_is_drawn_as_a_line_beside_people_alone(fit: SurveyFit) -> None:
    design = sample_design(fit, 80)
    assert [layer["mark"]["type"] for layer in design.plot().to_dict()["layer"]] == ["line", "rule"]
    shown = design._repr_html_()
    assert f"<p><b>{design.verdict}" in shown
    assert "equivalent answers" in shown
