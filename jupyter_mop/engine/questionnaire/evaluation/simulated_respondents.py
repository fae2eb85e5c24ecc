"""Simulated respondents to compare with people: of held-out folds, or read from a frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import column_texts, pandas_frame, text_columns
from jupyter_mop.engine.questionnaire.evaluation.survey_measures import MIN_ANSWERS
from jupyter_mop.engine.questionnaire.fitting import fit_at
from jupyter_mop.engine.questionnaire.survey import MISSING, Survey, survey_weights
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit, draw_indices
from jupyter_mop.errors import DataError

Indices = NDArray[np.intp]
N_FOLDS = 4


def held_out_respondents(
    fit: SurveyFit, *, one_persona: bool = False, random_state: int = 0
) -> Survey:
    """Return a simulated respondent for each real one, from fits to the people of other folds.

    Context, weight and missing answers are those of the real respondent; answers are not used.

    Parameters
    ----------
    fit : SurveyFit
    one_persona : bool
        Give everyone the same persona, the largest.
    random_state : int
        Seed of folds and draws.
    """
    classes = np.arange(len(fit.personas))
    if one_persona:
        classes = np.array([int(fit.class_sizes()["share"].argmax())])
    data, rng = fit.data.keep(classes), np.random.default_rng([random_state, len(classes)])
    codes, order = np.full_like(fit.survey.codes, MISSING), rng.permutation(len(fit.survey))
    for part in np.array_split(order, N_FOLDS):
        train = np.setdiff1d(order, part)
        stated = fit.log_shares[classes]
        parameters = fit_at(data.take(train), fit.fitted.strengths, log_shares=stated)
        weights = np.exp(parameters.log_weights(data.features))[data.cell[part]]
        persona = draw_indices(weights, rng)
        logs = parameters.log_tables(data.layout)
        for q, table in enumerate(fit.tables.values()):
            contexts = table.contexts(fit.cells.frame)[data.cell[part]]
            by_context = data.layout.item_table(logs, q)
            codes[part, q] = draw_indices(by_context[contexts, persona], rng)
    codes[fit.survey.codes == MISSING] = MISSING
    return replace(fit.survey, codes=codes)


def simulated_survey(people: Survey, frame: pd.DataFrame, *, weight: str | None = None) -> Survey:
    """Read simulated respondents as answers to people's questions; all may choose one option.

    Parameters
    ----------
    people : Survey
        Whose questions and context columns the frame has.
    frame : DataFrame
        One row per simulated respondent.
    weight : str, optional
        Column of weights.

    Raises
    ------
    DataError
        If a column is missing, an answer is no option, a weight is negative, or there are fewer
        than 20 respondents.
    """
    frame = text_columns(pandas_frame(frame))
    needed = [*people.questions, *people.context, *([weight] if weight else [])]
    absent = [name for name in needed if name not in frame]
    if absent or len(frame) < MIN_ANSWERS:
        raise DataError(
            f"The simulated respondents have no column {absent[0]!r}." if absent
            else f"Need at least {MIN_ANSWERS} simulated respondents, got {len(frame)}.",
            hint=f"They need the columns {', '.join(needed)}, as %mop_respondents gives them.",
        )  # fmt: skip
    codes = np.stack([_codes(people, name, frame[name]) for name in people.questions], axis=1)
    contexts = pd.DataFrame({c: column_texts(frame[c]) for c in people.context}, frame.index)
    weights = survey_weights(frame, weight)
    return replace(people, codes=codes, contexts=contexts, weights=weights, set_aside={}, notes=())


def _codes(people: Survey, name: str, column: pd.Series) -> Indices:
    question, texts = people.questions[name], np.array(column_texts(column), dtype=object)
    empty = column.isna().to_numpy() | (texts == "")
    known = {text: int(question.selected_options(text).argmax()) for text in set(texts[~empty])}
    return np.array([MISSING if gone else known[text]
                     for text, gone in zip(texts, empty, strict=True)], dtype=np.intp)  # fmt: skip
