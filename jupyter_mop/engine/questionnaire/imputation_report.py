"""How well left-out answers are imputed, beside what the same people give without the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.questionnaire.fitting import choose_and_fit, fit_at
from jupyter_mop.engine.questionnaire.item_tables import ItemTable, flat_tables
from jupyter_mop.engine.questionnaire.latent_classes import (
    Data,
    Parameters,
    Strengths,
    assemble,
)
from jupyter_mop.engine.questionnaire.survey import MISSING, Survey
from jupyter_mop.engine.questionnaire.survey_fit import MIN_PEOPLE, SurveyFit
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
N_FOLDS = 4
MIN_PROBABILITY = 1e-4
CLASSES = (1, 2, 3, 4, 6)  # tried by the latent class model without a language model
DEVIATIONS_ALONE = (3.0, 1.0, 0.3)
N_STARTS = 2
INVERSE_PENALTIES = (0.01, 0.1, 1.0)
MODEL, CLASSES_ALONE, REGRESSION, SHARES = "fit", "latent classes", "regression", "shares"
METHODS = (MODEL, CLASSES_ALONE, REGRESSION, SHARES)
CLOSE = 1.96


def imputation_report(fit: SurveyFit, *, random_state: int = 0) -> pd.DataFrame:
    """Compare imputed answers of held-out respondents with three rivals that use no language model.

    Each respondent is held out once, in four folds; strengths of penalties and number of classes
    are chosen once, for the fit and its rival alike. Each of a held-out respondent's answers is
    predicted from the other answers and the context.

    Parameters
    ----------
    fit : SurveyFit
    random_state : int
        Seed of the folds.

    Returns
    -------
    pandas.DataFrame
        One row per question and one for "all": question, n, and the mean log-loss in nats of
        "fit", "latent classes" (the same model without a language model, its number of classes by
        held-out likelihood), "regression" (multinomial, penalised, on the other answers and the
        context) and "shares" (those of the training respondents); gain (of the fit over the best
        rival) with its 95 % interval, low and high.

    Raises
    ------
    DataError
        If there are fewer than 32 respondents.
    """
    survey = fit.survey
    if len(survey) < N_FOLDS * MIN_PEOPLE:
        raise DataError(
            f"A report of imputed answers needs at least {N_FOLDS * MIN_PEOPLE} respondents, got "
            f"{len(survey)}.",
            hint="Compare answers by hand.",
        )
    order = np.random.default_rng(random_state).permutation(len(survey))
    losses = {name: np.full(survey.codes.shape, np.nan) for name in METHODS}
    settings = choose_settings(fit, np.arange(len(survey)))
    for part in np.array_split(order, N_FOLDS):
        train = np.setdiff1d(order, part)
        for name, values in imputation_losses(fit, settings, train, part).items():
            losses[name][part] = values
    return _report(survey, losses)


@dataclass(frozen=True)
class Settings:
    """What is chosen before answers are imputed.

    Attributes
    ----------
    strengths : Strengths
        Of the fit.
    n_classes : int
        Number of classes of the latent class model without a language model.
    alone : Strengths
        Its strengths.
    """

    strengths: Strengths
    n_classes: int
    alone: Strengths


def choose_settings(fit: SurveyFit, rows: Indices) -> Settings:
    """Choose strengths and number of classes by the likelihood of held-out respondents of `rows`.

    The latent class model without a language model has 1 to 6 classes and several random starts.
    """
    own = choose_and_fit(fit.data.take(rows), log_shares=fit.log_shares)
    survey, best, before = fit.survey, (-np.inf, 1, Strengths()), -np.inf
    for n_classes in CLASSES:
        data, _ = assemble(
            flat_tables(survey.questions, n_classes),
            survey.contexts,
            survey.codes,
            survey.weights,
        )
        n_starts = N_STARTS if n_classes > 1 else 1
        found = choose_and_fit(data.take(rows), n_starts=n_starts, deviations=DEVIATIONS_ALONE)
        log_lik = float(found.held_out["log_lik"].max())
        if log_lik < before:
            break
        best, before = max(best, (log_lik, n_classes, found.strengths), key=_first), log_lik
    return Settings(own.strengths, best[1], best[2])


def _first(choice: tuple[float, int, Strengths]) -> float:
    return choice[0]


def imputation_losses(
    fit: SurveyFit, settings: Settings, train: Indices, test: Indices
) -> dict[str, Array]:
    """Return minus the log-probability of each answer of test respondents, (t, Q), by method.

    Missing answers are NaN.
    """
    imputers: dict[str, Imputer] = {
        MODEL: _model_imputer(fit, settings, train),
        CLASSES_ALONE: _latent_class_imputer(fit.survey, settings, train),
        REGRESSION: _Regression(fit.survey, train),
        SHARES: _Shares(fit.survey, train),
    }
    with one_thread():
        return {name: _losses(fit.survey, made, test) for name, made in imputers.items()}


def _losses(survey: Survey, imputer: Imputer, test: Indices) -> Array:
    found = np.full((len(test), len(survey.questions)), np.nan)
    for q in range(len(survey.questions)):
        codes = survey.codes[test, q]
        there = codes != MISSING
        probabilities = np.maximum(imputer.probabilities(q, test), MIN_PROBABILITY)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        found[there, q] = -np.log(probabilities[there, codes[there]])
    return found


class Imputer(Protocol):
    """Predicts a question from the others."""

    def probabilities(self, q: int, rows: Indices) -> Array:
        """Return the probability of each option for respondents, shape (t, A)."""
        ...


def _model_imputer(fit: SurveyFit, settings: Settings, train: Indices) -> Imputer:
    """Return the imputer of the model, fitted anew to some respondents."""
    parameters = fit_at(fit.data.take(train), settings.strengths, log_shares=fit.log_shares)
    return _TableImputer(fit.data, parameters, tuple(fit.tables.values()), fit.cells.frame)


def _latent_class_imputer(survey: Survey, settings: Settings, train: Indices) -> Imputer:
    """Return the imputer of the latent class model that uses no language model."""
    tables = flat_tables(survey.questions, settings.n_classes)
    data, cells = assemble(tables, survey.contexts, survey.codes, survey.weights)
    n_starts = N_STARTS if settings.n_classes > 1 else 1
    parameters = fit_at(data.take(train), settings.alone, n_starts=n_starts)
    return _TableImputer(data, parameters, tuple(tables.values()), cells.frame)


@dataclass(frozen=True)
class _TableImputer:
    data: Data
    parameters: Parameters
    tables: tuple[ItemTable, ...]
    cells: pd.DataFrame

    def probabilities(self, q: int, rows: Indices) -> Array:
        layout, people = self.data.layout, self.data.take(rows)
        posterior = people.without(q).responsibilities(self.parameters)
        by_context = layout.item_table(self.parameters.log_tables(layout), q)
        contexts = self.tables[q].contexts(self.cells)[people.cell]
        return np.asarray(np.einsum("nk,nka->na", posterior, by_context[contexts]))


@dataclass(frozen=True)
class _Shares:
    survey: Survey
    train: Indices

    def probabilities(self, q: int, rows: Indices) -> Array:
        return np.tile(_smoothed_shares(self.survey, q, self.train), (len(rows), 1))


@dataclass(frozen=True)
class _Regression:
    """Multinomial regression on the other answers and the context, its penalty chosen inside."""

    survey: Survey
    train: Indices

    def probabilities(self, q: int, rows: Indices) -> Array:
        codes = self.survey.codes[:, q]
        train = self.train[codes[self.train] != MISSING]
        features = self._features(q)
        found = np.tile(_smoothed_shares(self.survey, q, self.train), (len(rows), 1))
        if len(np.unique(codes[train])) < 2 or not features.shape[1]:  # noqa: PLR2004
            return found
        inner, held = train[len(train) // 4 :], train[: len(train) // 4]
        scores = {}
        for c in INVERSE_PENALTIES:
            predicted = self._fitted(q, features, inner, held, c)
            right = predicted[np.arange(len(held)), codes[held]]
            scores[c] = float(np.mean(np.log(np.maximum(right, MIN_PROBABILITY))))
        return self._fitted(q, features, train, rows, max(scores, key=lambda c: scores[c]))

    def _fitted(self, q: int, features: Array, train: Indices, rows: Indices, c: float) -> Array:
        from sklearn.linear_model import LogisticRegression

        codes, weights = self.survey.codes[train, q], self.survey.weights[train]
        found = np.tile(_smoothed_shares(self.survey, q, train), (len(rows), 1))
        if len(np.unique(codes)) < 2:  # noqa: PLR2004
            return found
        model = LogisticRegression(C=c, max_iter=500).fit(features[train], codes, weights)
        predicted = model.predict_proba(features[rows])
        other = np.delete(found, model.classes_, axis=1).sum(axis=1, keepdims=True)
        found[:, model.classes_] = predicted * (1 - other)
        return found

    def _features(self, q: int) -> Array:
        return np.concatenate([self._contexts, *(part for i, part in enumerate(self._answers)
                                                if i != q)], axis=1)  # fmt: skip

    @cached_property
    def _answers(self) -> list[Array]:
        sizes = [len(question.options) for question in self.survey.questions.values()]
        pairs = zip(self.survey.codes.T, sizes, strict=True)
        return [(codes[:, None] == np.arange(size)).astype(float) for codes, size in pairs]

    @cached_property
    def _contexts(self) -> Array:
        if not self.survey.context:
            return np.zeros((len(self.survey), 0))
        return pd.get_dummies(self.survey.contexts).to_numpy(dtype=float)


def _smoothed_shares(survey: Survey, q: int, rows: Indices) -> Array:
    """Return the shares among respondents, with one answer spread over all options added."""
    codes = survey.codes[rows, q]
    there, n_options = codes != MISSING, len(list(survey.questions.values())[q].options)
    counts = np.bincount(codes[there], survey.weights[rows][there], n_options) + 1 / n_options
    return np.asarray(counts / counts.sum())


def _report(survey: Survey, losses: dict[str, Array]) -> pd.DataFrame:
    rows = [
        _row(name, {method: values[:, [q]] for method, values in losses.items()}, survey.weights)
        for q, name in enumerate(survey.questions)
    ]
    return pd.DataFrame([*rows, _row("all", losses, survey.weights)])


def _row(name: str, losses: dict[str, Array], weights: Array) -> dict[str, object]:
    means = {method: _mean(values, weights) for method, values in losses.items()}
    best = min(METHODS[1:], key=lambda method: means[method])
    gains = losses[best] - losses[MODEL]
    gain = _mean(gains, weights)
    by_person = np.nansum(weights[:, None] * (gains - gain), axis=1)
    total = float(np.sum(weights[:, None] * ~np.isnan(gains)))
    error = float(np.sqrt(np.sum(by_person**2)) / total)
    n = int((~np.isnan(gains)).sum())
    interval = {"low": gain - CLOSE * error, "high": gain + CLOSE * error}
    return {"question": name, "n": n, **means, "best rival": best, "gain": gain, **interval}


def _mean(values: Array, weights: Array) -> float:
    there = ~np.isnan(values)
    spread = np.where(there, weights[:, None], 0.0)
    return float(np.sum(spread * np.where(there, values, 0.0)) / spread.sum())
