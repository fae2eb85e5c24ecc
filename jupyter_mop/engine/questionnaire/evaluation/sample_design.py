"""How many people to ask, and how to split them between the fit and the estimate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.prediction_powered import powered_interval, powered_mean
from jupyter_mop.engine.questionnaire.fitting import fit_at
from jupyter_mop.engine.questionnaire.latent_classes import Parameters, first_parameters
from jupyter_mop.engine.questionnaire.survey import MISSING
from jupyter_mop.engine.questionnaire.survey_fit import MIN_PEOPLE, SurveyFit
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
SPLITS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8)
N_REPEATS, N_UNLABELLED = 8, 10_000
MIN_BUDGET, MIN_SAVING = 20, 0.01


@dataclass(frozen=True)
class SampleDesign(Viewed):
    """The intervals to expect from a number of people, for each split.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per question and split: question, option (the one whose share is nearest to one
        half, which has the widest interval), n_fit (people for the fit), n_rectify (people for
        the estimate), power (of the predictions, lambda of PPI++), width (of the interval of the
        option's share), width_alone (of all people's answers without the simulation) and worth
        (the number of people who alone would give this width).
    budget : int
        Number of people who are asked.
    level : float
        Confidence level.
    """

    frame: pd.DataFrame = field(repr=False)
    budget: int
    level: float = 0.9

    def __repr__(self) -> str:
        return f"SampleDesign({self.verdict})"

    @property
    def splits(self) -> pd.DataFrame:
        """The means over the questions of each split: n_fit, n_rectify, width, width_alone."""
        columns = ["n_fit", "n_rectify", "width", "width_alone"]
        return self.frame.groupby("n_fit", as_index=False)[columns[1:]].mean()[columns]

    @property
    def n_fit(self) -> int:
        """The fewest people for the fit whose mean width is within 1 % of the smallest."""
        splits = self.splits
        near = splits["width"] <= (1 + MIN_SAVING) * splits["width"].min()
        return int(splits.loc[near, "n_fit"].min())

    @property
    def best(self) -> pd.DataFrame:
        """The rows of the split to take."""
        return self.frame[self.frame["n_fit"] == self.n_fit]

    @property
    def verdict(self) -> str:
        """How to split the people, in one sentence."""
        best = self.best[["width", "width_alone", "worth"]].mean()
        if best["width"] > (1 - MIN_SAVING) * best["width_alone"]:
            return (
                f"The simulation saves nothing: use the answers of {self.budget:,} people alone "
                f"({self.level:.0%} intervals of shares about {best['width_alone']:.3f} wide)."
            )
        return (
            f"Of {self.budget:,} people use {self.n_fit:,} for the fit and "
            f"{self.budget - self.n_fit:,} for the estimate: {self.level:.0%} intervals of shares "
            f"are about {best['width']:.3f} wide, as with {best['worth']:,.0f} people alone "
            f"({self.budget:,} alone: {best['width_alone']:.3f})."
        )


def sample_design(
    fit: SurveyFit, budget: int, *, level: float = 0.9, random_state: int = 0
) -> SampleDesign:
    r"""Return which intervals to expect if `budget` people are asked, by split.

    Some people's answers fit the model, the other people's correct its predictions
    (prediction-powered estimate, see `estimate`).

    Parameters
    ----------
    fit : SurveyFit
        A fit to people like those who will be asked: a pilot survey.
    budget : int
        Number of people who answer each question, at least 20.
    level : float
        Confidence level of the intervals.
    random_state : int
        Seed of the simulated studies.

    Raises
    ------
    DataError
        If the budget is too small, the level is not between 0 and 1, or there are too few
        respondents.

    Notes
    -----
    Each split is tried in eight simulated studies: a fit to respondents of the pilot, others drawn
    with replacement for the estimate, and 10,000 simulated respondents with the contexts of all.
    A prediction is the option's share in the respondent's context; its power is that of PPI++
    (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453). Splits that need more than half of the
    pilot for the fit are left out. With nobody for the fit, predictions are the language model's.
    The contexts' shares in the population are taken as known, as from a census: simulate the
    respondents for the estimate with them (`to`).

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.questionnaire.survey import Survey
    >>> from jupyter_mop.engine.questionnaire.survey_fit import fit_survey
    >>> answers = pd.DataFrame({"drink": ["tea", "milk"] * 40, "later": ["tea", "milk"] * 40})
    >>> survey = Survey.from_frame(answers, ["drink", "later"])
    >>> pilot = fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"]))
    >>> sample_design(pilot, 100).verdict.partition(":")[0]
    'The simulation saves nothing'
    """
    if budget < MIN_BUDGET:
        raise DataError(f"`budget` must be at least {MIN_BUDGET} people, got {budget}.",
                        hint="Ask more people.")  # fmt: skip
    if not 0 < level < 1:
        raise DataError(f"`level` must be between 0 and 1, got {level}.", hint="Use 0.9.")
    if len(fit.survey) < 4 * MIN_PEOPLE:
        raise DataError(
            f"A design needs a pilot of at least {4 * MIN_PEOPLE} respondents, got "
            f"{len(fit.survey)}.",
            hint="Ask more people first.",
        )
    sizes = [round(share * budget) for share in SPLITS]
    half = len(fit.survey) // 2
    sizes = [n for n in sizes if n == 0 or MIN_PEOPLE <= n <= half]
    rng = np.random.default_rng(random_state)
    studies = [
        row
        for n_fit in sizes
        for _ in range(N_REPEATS)
        for row in _study(fit, n_fit, budget, level, rng)
    ]
    keys = ["question", "option", "n_fit", "n_rectify"]
    frame = pd.DataFrame(studies).groupby(keys, as_index=False, sort=False).mean()
    alone = frame.groupby("question")["width_alone"].transform("mean")
    worth = budget * (alone / frame["width"]) ** 2
    return SampleDesign(frame.assign(width_alone=alone, worth=worth), budget, level)


def _study(
    fit: SurveyFit, n_fit: int, budget: int, level: float, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Return the widths of one simulated study, a row for each question."""
    survey, order = fit.survey, rng.permutation(len(fit.survey))
    parameters = _fitted(fit, order[:n_fit])
    asked = rng.choice(order[n_fit:], budget)
    others = rng.choice(len(survey), N_UNLABELLED, p=survey.weights / survey.weights.sum())
    rows = []
    for q, (name, question) in enumerate(survey.questions.items()):
        option = int(np.abs(survey.shares(name) - 0.5).argmin())
        predicted = _predictions(fit, parameters, name)[:, option]
        chosen, answered = survey.codes[:, q] == option, survey.codes[:, q] != MISSING
        widths = []
        for people, values in ((asked[n_fit:], predicted), (asked, np.zeros(len(survey)))):
            rows_used = people[answered[people]]
            sides = (chosen[rows_used].astype(float), values[rows_used], values[others])
            widths.append(_width(*sides, survey.weights[rows_used], level))
        rows.append(
            {
                "question": name,
                "option": question.options[option],
                "n_fit": n_fit,
                "n_rectify": budget - n_fit,
                "power": widths[0][1],
                "width": widths[0][0],
                "width_alone": widths[1][0],
            }
        )
    return rows


def _fitted(fit: SurveyFit, rows: Indices) -> Parameters:
    """Return the parameters learned from some respondents; the language model's from nobody."""
    if not len(rows):
        layout, n_features = fit.data.layout, fit.data.features.shape[1]
        return first_parameters(layout, n_features, log_shares=fit.log_shares)
    return fit_at(fit.data.take(rows), fit.fitted.strengths, log_shares=fit.log_shares)


def _predictions(fit: SurveyFit, parameters: Parameters, name: str) -> Array:
    """Return each respondent's option probabilities given the context alone, shape (n, A)."""
    weights = np.exp(parameters.log_weights(fit.cells.features))
    tables = fit.item_table(name, parameters)[fit.tables[name].contexts(fit.cells.frame)]
    return np.asarray(np.einsum("mk,mka->ma", weights, tables)[fit.data.cell])


def _width(
    answers: Array, predictions: Array, unlabelled: Array, weights: Array, level: float
) -> tuple[float, float]:
    """Return the width of the interval of a share, and the power of its predictions."""
    both = powered_mean(answers, predictions, unlabelled, weights=weights)
    human = powered_mean(answers, np.zeros(len(answers)), np.zeros(1), weights=weights)
    worth = human.size * (human.error / both.error) ** 2 if both.error else human.size
    low, high = powered_interval(both, level, worth=worth, is_share=True)
    return high - low, both.power
