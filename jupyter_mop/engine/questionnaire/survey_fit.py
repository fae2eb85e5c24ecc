"""A fitted survey: class sizes, imputed answers, drawn respondents, shares by group."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.data.personas import Persona, persona_shares, read_personas
from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.questionnaire.fitting import Fitted, choose_and_fit
from jupyter_mop.engine.questionnaire.group_shares import (
    GroupShares,
    group_shares,
    share_intervals,
)
from jupyter_mop.engine.questionnaire.item_tables import ItemTable, ask_items
from jupyter_mop.engine.questionnaire.latent_classes import (
    Cells,
    Data,
    Parameters,
    Strengths,
    assemble,
    first_parameters,
    fit_classes,
)
from jupyter_mop.engine.questionnaire.poststratification import Target, target_cells
from jupyter_mop.engine.questionnaire.survey import MISSING, Survey, categorical
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed, view

Array = NDArray[np.float64]
N_REPLICATES, REPLICATE_ITERATIONS = 60, 60
MIN_PEOPLE = 8
MIN_SHARE = 1e-4
PERSONA = "persona"
# Options of asking one question.
NOT_FOR_SURVEYS = ("n", "weights", "baseline", "missing", "calibrated", "n_exemplars")


@dataclass(frozen=True)
class SurveyFit(Viewed):
    """A latent class model of a survey, with the language model's answers as its prior.

    Create one with `fit_survey` or `Study.survey`.

    Attributes
    ----------
    survey : Survey
        The respondents.
    personas : tuple of Persona
        The K classes.
    tables : mapping of str to ItemTable
        The language model's answers by question.
    data : Data
        The respondents as arrays.
    cells : Cells
        Their distinct contexts.
    fitted : Fitted
        Parameters and strengths.
    options : ElicitationOptions
        How the option probabilities were obtained; the seed is that of the bootstrap too.
    cost : mapping or None
        Cost of asking: calls, cache hits, tokens and US dollars.
    """

    survey: Survey
    personas: tuple[Persona, ...]
    tables: Mapping[str, ItemTable]
    data: Data = field(repr=False)
    cells: Cells = field(repr=False)
    fitted: Fitted = field(repr=False)
    options: ElicitationOptions = field(default_factory=ElicitationOptions, repr=False)
    cost: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        sizes = zip(self.names, self._sizes(self.parameters), strict=True)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in sizes)
        n_questions = len(self.survey.questions)
        return f"SurveyFit({len(self.survey):,} respondents, {n_questions} questions: {shares})"

    @property
    def names(self) -> list[str]:
        """The names of the K personas."""
        return [persona.name for persona in self.personas]

    @property
    def parameters(self) -> Parameters:
        """The parameters of the model."""
        return self.fitted.parameters

    @property
    def description(self) -> str:
        """What was fitted, in one sentence."""
        method = next(iter(self.tables.values())).method
        slopes = self.parameters.slopes
        strengths = self.fitted.strengths
        powers = list(dict.fromkeys(f"{slope:.2f}" for slope in (slopes.min(), slopes.max())))
        return (
            f"{len(self.survey):,} respondents, {len(self.personas)} personas, options {method}; "
            f"power of the model's probabilities {' to '.join(powers)} (0: unused), penalty "
            f"of deviations {strengths.deviation:g}, of contexts {strengths.context:g}."
        )

    @cached_property
    def replicates(self) -> tuple[Parameters, ...]:
        """The parameters refitted to 60 bootstrap samples of the respondents.

        Respondents are resampled uniformly and carry their weights, which gives intervals the
        design effect of the weights.
        """
        rng = np.random.default_rng([self.options.random_state, N_REPLICATES])
        n = len(self.survey)
        found = []
        with one_thread():
            for _ in range(N_REPLICATES):
                counts = rng.multinomial(n, np.full(n, 1 / n))
                data = Data(
                    self.data.layout,
                    self.data.answers,
                    self.data.cell,
                    self.data.features,
                    self.data.weights * counts,
                )
                found.append(
                    fit_classes(
                        data,
                        self.parameters,
                        self.fitted.strengths,
                        log_shares=self.log_shares,
                        max_iterations=REPLICATE_ITERATIONS,
                    )
                )
        return tuple(found)

    @cached_property
    def log_shares(self) -> Array:
        """Logarithms of the stated persona weights, shape (K,)."""
        return np.asarray(np.log(np.maximum(persona_shares(self.personas), MIN_SHARE)))

    def panel(self) -> Any:  # noqa: ANN401  a widget
        """Open the survey panel: persona weights move the shares of all questions at once.

        No model is called.
        """
        return view("survey panel", self)

    def class_sizes(self) -> pd.DataFrame:
        """Return persona, share of the respondents, and its 95 % interval low and high."""
        share = self._sizes(self.parameters)
        low, high = share_intervals(share, [self._sizes(p) for p in self.replicates])
        return pd.DataFrame({PERSONA: self.names, "share": share, "low": low, "high": high})

    def _sizes(self, parameters: Parameters) -> Array:
        weights = np.exp(parameters.log_weights(self.data.features))
        return np.asarray(self.sizes @ weights)

    @cached_property
    def sizes(self) -> Array:
        """The weight share of the respondents in each cell, shape (M,)."""
        totals = np.bincount(self.data.cell, self.survey.weights, len(self.cells.features))
        return np.asarray(totals / totals.sum())

    def responsibilities(self) -> pd.DataFrame:
        """Return the probability of each persona given a respondent's answers and context.

        Returns
        -------
        pandas.DataFrame
            One row per respondent (the index is the id), one column per persona.
        """
        values = self.data.responsibilities(self.parameters)
        return pd.DataFrame(values, self.survey.contexts.index, self.names)

    def item_table(self, name: str, parameters: Parameters | None = None) -> Array:
        """Return the calibrated probability of each option, shape (C, K, A).

        C are the contexts that the question's text depends on; see `ItemTable.keys`.
        """
        q = self.survey.place(name)
        layout = self.data.layout
        return layout.item_table((parameters or self.parameters).log_tables(layout), q)

    def impute(self, name: str) -> pd.DataFrame:
        """Return the probability of each option for each respondent, given their other answers.

        Parameters
        ----------
        name : str
            A question. A respondent's own answer to it is not used.

        Returns
        -------
        pandas.DataFrame
            One row per respondent (the index is the id), one column per option; they sum to 1.
        """
        q = self.survey.place(name)
        posterior = self.data.without(q).responsibilities(self.parameters)
        contexts = self.tables[name].contexts(self.cells.frame)[self.data.cell]
        values = np.einsum("nk,nka->na", posterior, self.item_table(name)[contexts])
        options = list(self.survey.questions[name].options)
        return pd.DataFrame(values, self.survey.contexts.index, options)

    def completed(self, *, random_state: int = 0) -> pd.DataFrame:
        """Return the survey with each missing answer drawn given the respondent's answers.

        A respondent has one persona for all missing answers.
        """
        frame = self.survey.frame()
        posterior = self.data.responsibilities(self.parameters)
        persona = draw_indices(posterior, _stream(random_state, PERSONA))
        for q, name in enumerate(self.survey.questions):
            contexts = self.tables[name].contexts(self.cells.frame)[self.data.cell]
            drawn = draw_indices(
                self.item_table(name)[contexts, persona], _stream(random_state, name)
            )
            codes = np.where(self.survey.codes[:, q] == MISSING, drawn, self.survey.codes[:, q])
            frame[name] = categorical(codes, self.survey.questions[name])
        return frame

    def draw(self, n: int = 1000, *, to: Target | None = None, random_state: int = 0) -> pd.DataFrame:  # fmt: skip  # noqa: E501
        """Draw whole respondents: a context, one persona, and an answer to each question.

        Parameters
        ----------
        n : int
            Number of respondents.
        to : DataFrame or mapping, optional
            Another population; see `target_cells`.
        random_state : int
            Seed. Persona and each question have random numbers of their own: another order of the
            questions, or one more, leaves the other answers as they were.

        Returns
        -------
        pandas.DataFrame
            One row per respondent: the context columns, persona, and a column for each question.
        """
        if n < 1:
            raise DataError(f"`n` must be at least 1, got {n}.", hint="Leave it out for 1,000.")
        cells, sizes = target_cells(self.cells, self.sizes, to)
        cell = _stream(random_state, "context").choice(len(sizes), n, p=sizes)
        weights = np.exp(self.parameters.log_weights(cells.features))
        persona = draw_indices(weights[cell], _stream(random_state, PERSONA))
        columns: dict[str, Any] = {
            str(column): cells.frame[column].to_numpy()[cell] for column in cells.frame
        }
        columns[PERSONA] = np.array(self.names, dtype=object)[persona]
        for name, question in self.survey.questions.items():
            contexts = self.tables[name].contexts(cells.frame)[cell]
            codes = draw_indices(
                self.item_table(name)[contexts, persona], _stream(random_state, name)
            )
            columns[name] = categorical(codes, question)
        return pd.DataFrame(columns)

    def shares(self, name: str, by: str | None = None, *, to: Target | None = None) -> GroupShares:
        """Return the share of each option, overall and by group, beside people's own.

        Parameters
        ----------
        name : str
            A question.
        by : str, optional
            A context column, or "context" for whole contexts.
        to : DataFrame or mapping, optional
            Another population; see `target_cells`.
        """
        self.survey.place(name)
        cells, sizes = target_cells(self.cells, self.sizes, to)
        contexts = self.tables[name].contexts(cells.frame)
        by_cell = [
            np.einsum(
                "mk,mka->ma",
                np.exp(p.log_weights(cells.features)),
                self.item_table(name, p)[contexts],
            )
            for p in (self.parameters, *self.replicates)
        ]
        people = self.survey if to is None else None
        return group_shares(name, self.survey.questions[name], by_cell, cells.frame, sizes,
                            by=by, survey=people)  # fmt: skip


def fit_survey(
    survey: Survey,
    personas: object,
    backend: Backend,
    *,
    options: ElicitationOptions | None = None,
    drop_classes: bool = False,
    encoder: Encoder | None = None,
    on_step: OnStep | None = None,
) -> SurveyFit:
    r"""Fit one latent class model to all questions of a survey.

    The language model is asked each question once for each persona, and for each context that the
    question's text depends on, whatever the number of respondents.

    Parameters
    ----------
    survey : Survey
    personas : list of Persona, str, DataFrame or mapping
        Any input of `read_personas`: the K classes.
    backend : Backend
    options : ElicitationOptions, optional
        How to obtain the option probabilities.
    drop_classes : bool
        Leave out personas as long as held-out answers become no less likely: the number of classes
        by held-out likelihood.
    encoder : Encoder, optional
        For the method "anchors".
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.

    Raises
    ------
    DataError
        If there are fewer than eight respondents.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> answers = pd.DataFrame({"drink": ["tea", "milk"] * 20, "morning": ["tea", "milk"] * 20})
    >>> survey = Survey.from_frame(answers, ["drink", "morning"])
    >>> fit = fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"]))
    >>> fit.impute("drink").round(1).iloc[0].tolist()
    [0.0, 1.0]
    """
    known = tuple(read_personas(personas))
    options = options or ElicitationOptions()
    check_size(survey)
    tables = ask_items(
        survey.questions,
        survey.contexts,
        known,
        backend,
        options=options,
        encoder=encoder,
        on_step=on_step,
    )
    data, cells = assemble(tables, survey.contexts, survey.codes, survey.weights)
    log_shares = np.log(np.maximum(persona_shares(known), MIN_SHARE))
    if getattr(backend, "is_dry_run", False):  # its answers are placeholders
        first = first_parameters(data.layout, data.features.shape[1], log_shares=log_shares)
        fitted = Fitted(first, Strengths(), np.arange(len(known)), pd.DataFrame())
    else:
        fitted = choose_and_fit(
            data,
            log_shares=log_shares,
            drop_classes=drop_classes,
            random_state=options.random_state,
        )
    kept = fitted.classes
    return SurveyFit(
        survey,
        tuple(known[k] for k in kept),
        {name: table.keep(kept) for name, table in tables.items()},
        data.keep(kept),
        cells,
        fitted,
        options,
    )


def check_size(survey: Survey) -> None:
    """Raise a DataError if there are too few respondents for a fit."""
    if np.count_nonzero(survey.weights) < MIN_PEOPLE:
        raise DataError(
            f"A fit needs at least {MIN_PEOPLE} respondents, got "
            f"{np.count_nonzero(survey.weights)}.",
            hint="Ask each question alone, with %%mop_ask.",
        )


def _stream(random_state: int, name: str) -> np.random.Generator:
    """Return random numbers of their own for a name."""
    return np.random.default_rng(
        [random_state, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])]
    )


def draw_indices(probabilities: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw an index in each row of probabilities, (n, A)."""
    cumulative = probabilities.cumsum(axis=1)
    points = rng.random((len(probabilities), 1)) * cumulative[:, -1:]
    return np.asarray((cumulative <= points).sum(axis=1), dtype=np.intp)
