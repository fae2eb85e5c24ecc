"""Surveys as they were read, and fitted surveys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jupyter_mop.charts.questionnaire.group_shares import FITTED_NOTE, panels_chart
from jupyter_mop.charts.style.chart_parts import (
    name_axis,
    share_axis,
    sized,
    styled,
    titled,
    tooltips,
)
from jupyter_mop.charts.style.html_table import bullet_list, cell, table, weights_table
from jupyter_mop.charts.style.plain_text import plain_frame
from jupyter_mop.charts.style.theme import LIGHT_BLUE
from jupyter_mop.engine.questionnaire.reading.question_lines import escaped
from jupyter_mop.rendering import listed

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.questionnaire.survey import Survey
    from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit

MAX_LENGTH = 200
SUMMARY = ("question", "text", "kind", "options", "n", "missing", "note")


def survey_chart(survey: Survey) -> alt.LayerChart:
    """Draw the share of respondents who answered each question."""
    import altair as alt

    summary = survey.summary()
    frame = summary.assign(answered=summary["n"] / max(len(survey), 1))
    frame = plain_frame(frame, "question")
    y = alt.Y("question:N", sort=list(frame["question"]), title=None, axis=name_axis())
    x = alt.X("answered:Q", title="share of respondents who answered", axis=share_axis(),
              scale=alt.Scale(domain=[0, 1]))  # fmt: skip
    tips = [alt.Tooltip("n:Q", format=","), *tooltips("question:N", "text:N", "answered:Q")]
    bars = (
        alt.Chart(frame).mark_bar(color=LIGHT_BLUE, height={"band": 0.6}).encode(x, y, tooltip=tips)
    )
    title = titled(f"{len(survey):,} respondents, {len(survey.questions)} questions")
    chart: alt.LayerChart = styled(sized(alt.layer(bars, title=title), 360, len(frame)))
    return chart


def survey_table(survey: Survey) -> str:
    """Return the questions with their kind, number of answers and missing answers, and notes."""
    rows = [
        [cell(value, MAX_LENGTH) for value in row]
        for row in survey.summary()[list(SUMMARY)].to_numpy(dtype=object)
    ]
    weights = ""
    if np.ptp(survey.weights):
        weights = f", effective sample size {survey.effective_size:,.0f}"
    context = ", ".join(survey.context) or "none"
    head = f"{len(survey):,} respondents{weights}; context: {context}"
    notes = bullet_list("Not used", survey.notes) if survey.notes else ""
    return f"<p>{cell(head, MAX_LENGTH)}</p>{table(SUMMARY, rows)}{notes}"


def survey_fit_chart(fit: SurveyFit) -> alt.VConcatChart:
    """Draw each question's option shares with intervals, ticks at people's own shares."""
    frames = [fit.shares(name).frame.assign(question=name) for name in fit.survey.questions]
    title = f"{len(fit.survey):,} respondents, {len(fit.personas)} personas"
    return panels_chart(pd.concat(frames), "question", title, [FITTED_NOTE])


def survey_fit_table(fit: SurveyFit) -> str:
    """Return class sizes with intervals, and power and penalty of each question."""
    sizes = weights_table(fit.class_sizes().rename(columns={"share": "weight"}))
    questions = [
        [cell(name), cell(question.text.replace("{{", "{").replace("}}", "}"), MAX_LENGTH),
         cell(question.kind), f"{slope:.2f}"]
        for (name, question), slope in zip(
            fit.survey.questions.items(), fit.parameters.slopes, strict=True
        )
    ]  # fmt: skip
    heads = ["question", "text", "kind", "power of the model's probabilities"]
    note = _unworded_note(fit)
    return f"<p>{cell(fit.description, 400)}</p>{sizes}{table(heads, questions)}{note}"


def _unworded_note(fit: SurveyFit) -> str:
    """Return a note where the model was asked a column's name instead of a question."""
    names = [name for name, question in fit.survey.questions.items()
             if question.text == escaped(name)]  # fmt: skip
    if not names:
        return ""
    options = " | ".join(fit.survey.questions[names[0]].options)
    text = (
        f"The model was asked no more than the name of {listed(names)}. Write what people were "
        f"asked in the cell of %%mop_survey: {names[0]}: THE QUESTION? | {options}"
    )
    return f"<p>{cell(text, 400)}</p>"
