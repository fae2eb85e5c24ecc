"""A question that nobody was asked: predicted with what the other questions have taught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.questionnaire.group_shares import GroupShares, group_shares, logit
from jupyter_mop.engine.questionnaire.item_tables import ItemTable, ask_items
from jupyter_mop.engine.questionnaire.latent_classes import (
    Parameters,
    assemble,
    fit_classes,
)
from jupyter_mop.engine.questionnaire.poststratification import Target, target_cells
from jupyter_mop.engine.questionnaire.survey import MISSING
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit
from jupyter_mop.engine.survey.question import YES_NO, Question
from jupyter_mop.engine.survey.reading.folding import normalised
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
SHRINKAGE = 2.0  # questions' worth of weight on no offset, and on the mean slope
N_SAMPLES = 300
UPPER = 0.975
MIN_QUESTIONS = 2
MIN_RIDGE = 1e-9


@dataclass(frozen=True)
class Borrowed:
    """Slope and offsets of a question without answers, from questions of its kind.

    Attributes
    ----------
    slope : float
        Power of the language model's probabilities.
    offsets : ndarray, shape (A,)
    n_like : int
        Number of questions of its kind: scales, yes-no questions, or others.
    """

    slope: float
    offsets: Array
    n_like: int

    def table(self, table: ItemTable) -> Array:
        """Return calibrated option probabilities, shape (C, K, A)."""
        logits = self.slope * table.log_probs + self.offsets
        return np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))


@dataclass(frozen=True)
class Prediction(Viewed):
    """The predicted answers of a survey's respondents to a question that they were not asked.

    Create one with `predict` or `Study.predict`.

    Attributes
    ----------
    name : str
    question : Question
    fit : SurveyFit
    table : ItemTable
        The language model's answers.
    borrowed : Borrowed
        The calibration, borrowed from the questions that were answered.
    report : pandas.DataFrame
        What such a prediction was worth for each question that was answered; see
        `left_out_report`.
    """

    name: str
    question: Question
    fit: SurveyFit = field(repr=False)
    table: ItemTable = field(repr=False)
    borrowed: Borrowed
    report: pd.DataFrame = field(repr=False)

    def probabilities(self) -> pd.DataFrame:
        """Return the probability of each option for each respondent, given their answers.

        Returns
        -------
        pandas.DataFrame
            One row per respondent (the index is the id), one column per option.
        """
        posterior = self.fit.data.responsibilities(self.fit.parameters)
        contexts = self.table.contexts(self.fit.cells.frame)[self.fit.data.cell]
        values = np.einsum("nk,nka->na", posterior, self.borrowed.table(self.table)[contexts])
        index = self.fit.survey.contexts.index
        return pd.DataFrame(values, index, list(self.question.options))

    def shares(self, by: str | None = None, *, to: Target | None = None) -> GroupShares:
        """Return the predicted share of each option, overall and by group.

        The interval has the uncertainty of classes and calibration, and the error of the same
        predictions of the answered questions.

        Parameters
        ----------
        by : str, optional
            A context column, or "context".
        to : DataFrame or mapping, optional
            Another population; see `target_cells`.
        """
        cells, sizes = target_cells(self.fit.cells, self.fit.sizes, to)
        contexts = self.table.contexts(cells.frame)
        by_cell = []
        for parameters in (self.fit.parameters, *self.fit.replicates):
            table = borrow(self.fit, self.question, parameters=parameters).table(self.table)
            weights = np.exp(parameters.log_weights(cells.features))
            by_cell.append(np.einsum("mk,mka->ma", weights, table[contexts]))
        error = float(np.sqrt(np.mean(np.square(self.report["logit_error"]))))
        return group_shares(
            self.name, self.question, by_cell, cells.frame, sizes, by=by, error=error
        )

    @property
    def verdict(self) -> str:
        """What such predictions were worth on the questions that were answered, in a sentence."""
        means = self.report[["predicted", "uncalibrated", "equal", "floor"]].mean()
        is_worse = means["predicted"] >= means["equal"]
        return (
            f"Each of {len(self.report)} answered questions, predicted in the same way without its "
            f"answers: mean TV {means['predicted']:.3f} from people's shares (uncalibrated "
            f"{means['uncalibrated']:.3f}, equal shares {means['equal']:.3f}, floor "
            f"{means['floor']:.3f})."
            + (" Equal shares are no worse: do not rely on this prediction." if is_worse else "")
        )


def predict(
    fit: SurveyFit,
    question: Question,
    backend: Backend,
    *,
    name: str = "prediction",
    encoder: Encoder | None = None,
    on_step: OnStep | None = None,
) -> Prediction:
    """Predict the answers of a survey's respondents to a question that they were not asked.

    Parameters
    ----------
    fit : SurveyFit
        The respondents' other answers.
    question : Question
        Of kind "single" or "scale".
    backend : Backend
        The language model of the fit; it is asked in the same way.
    name : str
        Name of the question.
    encoder : Encoder, optional
        For the method "anchors".
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.

    Raises
    ------
    DataError
        If the question is a multiple choice, or the survey has fewer than two questions.
    """
    if question.kind == "multiple":
        raise DataError(
            "A multiple choice cannot be predicted as one question.",
            hint="Ask for each option: yes or no.",
        )
    if name in fit.survey.questions:
        raise DataError(
            f"The survey has the question {name!r} already.",
            hint="Give the new question another name, or impute the missing answers.",
        )
    report = left_out_report(fit)
    table = ask_items(
        {name: question},
        fit.survey.contexts,
        fit.personas,
        backend,
        options=fit.options,
        encoder=encoder,
        on_step=on_step,
    )[name]
    return Prediction(name, question, fit, table, borrow(fit, question), report)


def borrow(
    fit: SurveyFit,
    question: Question,
    *,
    parameters: Parameters | None = None,
) -> Borrowed:
    """Return slope and offsets for a question, from the questions of its kind.

    The slope is the mean slope of these questions, shrunk to the mean of all. The offsets of a
    scale are a line and a curve over its positions; those of yes and no, and of options with the
    same text elsewhere, are means. All are shrunk to zero; other options have offset zero.

    Parameters
    ----------
    fit : SurveyFit
    question : Question
    parameters : Parameters, optional
        Those of a replicate.
    """
    parameters = parameters or fit.parameters
    kind = question_kind(question)
    slopes, offsets = [], []
    ends = np.cumsum([0, *fit.data.layout.n_options])
    for q, other in enumerate(fit.survey.questions.values()):
        if question_kind(other) == kind:
            own = parameters.offsets[ends[q] : ends[q + 1]]
            slopes.append(parameters.slopes[q])
            offsets.append((other, own - own.mean()))
    slope = (sum(slopes) + SHRINKAGE * parameters.centre) / (len(slopes) + SHRINKAGE)
    values = _scale_offsets(question, offsets) if kind == "scale" else _named(question, offsets)
    return Borrowed(float(slope), values, len(slopes))


def question_kind(question: Question) -> str:
    """Return "scale", "yes-no" or "single".

    Examples
    --------
    >>> question_kind(Question("Tea?", ["no", "YES"]))
    'yes-no'
    """
    if question.is_ordered:
        return "scale"
    is_yes_no = sorted(map(_folded, question.options)) == sorted(map(_folded, YES_NO))
    return "yes-no" if is_yes_no else "single"


def _folded(text: str) -> str:
    return normalised(text).casefold()


def _scale_offsets(question: Question, others: list[tuple[Question, Array]]) -> Array:
    """Return offsets by position: a ridge regression on a line and a curve."""
    basis = _positions(len(question.options))
    if not others:
        return np.zeros(len(question.options))
    design = np.concatenate([_positions(len(other.options)) for other, _ in others])
    values = np.concatenate([offsets for _, offsets in others])
    per_question = np.mean([np.square(_positions(len(o.options))).sum(0) for o, _ in others], 0)
    ridge = np.diag(SHRINKAGE * per_question + MIN_RIDGE)
    return np.asarray(basis @ np.linalg.solve(design.T @ design + ridge, design.T @ values))


def _positions(n: int) -> Array:
    """Return a line and a curve over `n` positions, shape (n, 2); two positions have no curve."""
    line = np.linspace(-1, 1, n)
    return np.stack([line, line**2 - np.mean(line**2)], axis=1)


def _named(question: Question, others: list[tuple[Question, Array]]) -> Array:
    """Return the mean offsets of options with the same text elsewhere, shrunk to zero."""
    found: Mapping[str, list[float]] = {_folded(option): [] for option in question.options}
    for other, offsets in others:
        for option, offset in zip(other.options, offsets, strict=True):
            if _folded(option) in found:
                found[_folded(option)].append(float(offset))
    sums = [found[_folded(option)] for option in question.options]
    return np.array([sum(values) / (len(values) + SHRINKAGE) for values in sums])


def left_out_report(fit: SurveyFit, *, random_state: int = 0) -> pd.DataFrame:
    """Predict each answered question as if nobody had been asked, and compare with the answers.

    The model is fitted anew without the question, at the same strengths.

    Parameters
    ----------
    fit : SurveyFit
    random_state : int
        Seed of the floor.

    Returns
    -------
    pandas.DataFrame
        question, kind, n_like (other questions of its kind), n, and the total variation from
        people's shares of "predicted", "uncalibrated" (the personas' own answers, same weights) and
        "equal" shares; floor and floor_high (the mean, and the 97.5 % quantile, for the truth at
        this number of answers); logit_error (root mean square error of the options' log-odds);
        log_loss of people's answers, in nats, and log_loss_equal.

    Raises
    ------
    DataError
        If the survey has fewer than two questions.
    """
    if len(fit.survey.questions) < MIN_QUESTIONS:
        raise DataError(
            f"A prediction needs at least two answered questions, got {len(fit.survey.questions)}.",
            hint="Add other questions to the survey.",
        )
    rng = np.random.default_rng(random_state)
    with one_thread():
        return pd.DataFrame([_left_out(fit, name, rng) for name in fit.survey.questions])


def _left_out(fit: SurveyFit, name: str, rng: np.random.Generator) -> dict[str, object]:
    others = _without(fit, name)
    question, table, q = fit.survey.questions[name], fit.tables[name], fit.survey.place(name)
    borrowed = borrow(others, question)
    contexts = table.contexts(fit.cells.frame)[fit.data.cell]
    posterior = others.data.responsibilities(others.parameters)
    codes, n_options = fit.survey.codes[:, q], len(question.options)
    there = codes != MISSING
    weights = fit.survey.weights[there] / fit.survey.weights[there].sum()
    people = np.bincount(codes[there], weights, n_options)

    def predicted(calibration: Borrowed) -> Array:
        by_context = calibration.table(table)[contexts]
        return np.asarray(np.einsum("nk,nka->na", posterior, by_context)[there])

    by_person = predicted(borrowed)
    plain = predicted(Borrowed(1.0, np.zeros(n_options), 0))
    n = round(1 / np.square(weights).sum())
    samples = rng.multinomial(n, people, N_SAMPLES) / n
    floors = [total_variation(people, sample) for sample in samples]
    observed = (people * n + 1 / n_options) / (n + 1)  # no option has a share of zero
    gaps = logit(weights @ by_person) - logit(observed)
    right = by_person[np.arange(len(by_person)), codes[there]]
    return {
        "question": name,
        "kind": question_kind(question),
        "n_like": borrowed.n_like,
        "n": int(there.sum()),
        "predicted": total_variation(people, weights @ by_person),
        "uncalibrated": total_variation(people, weights @ plain),
        "equal": total_variation(people, np.full(n_options, 1 / n_options)),
        "floor": float(np.mean(floors)),
        "floor_high": float(np.quantile(floors, UPPER)),
        "logit_error": float(np.sqrt(np.mean(np.square(gaps)))),
        "log_loss": float(-weights @ np.log(np.maximum(right, 1e-12))),
        "log_loss_equal": float(np.log(n_options)),
    }


def _without(fit: SurveyFit, name: str) -> SurveyFit:
    """Return the fit to the other questions, at the same strengths."""
    survey, q = fit.survey.without(name), fit.survey.place(name)
    tables = {other: table for other, table in fit.tables.items() if other != name}
    data, cells = assemble(tables, survey.contexts, survey.codes, survey.weights)
    ends = np.cumsum([0, *fit.data.layout.n_options])
    kept = np.r_[0 : ends[q], ends[q + 1] : ends[-1]]
    start = replace(
        fit.parameters,
        slopes=np.delete(fit.parameters.slopes, q),
        offsets=fit.parameters.offsets[kept],
        deviations=fit.parameters.deviations[kept],
    )
    fitted = replace(
        fit.fitted,
        parameters=fit_classes(data, start, fit.fitted.strengths, log_shares=fit.log_shares),
    )
    return replace(fit, survey=survey, tables=tables, data=data, cells=cells, fitted=fitted)
