"""How answers go together: item correlations and two-way tables, beside people's with a floor."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.questionnaire.survey import MISSING, Survey
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
N_HALVES = 200
UPPER = 0.975
MIN_BOTH = 8
CORRELATION, CRAMER = "correlation", "Cramér's V"


def item_correlations(fit: SurveyFit, *, random_state: int = 0) -> pd.DataFrame:
    """Compare the association of each pair of questions with that among people.

    Parameters
    ----------
    fit : SurveyFit
    random_state : int
        Seed of the drawn respondents and of the floor.

    Returns
    -------
    pandas.DataFrame
        first and second (questions), measure ("correlation" of positions where both are scales or
        have two options, otherwise "Cramér's V"), n (people who answered both), people, drawn (of
        as many drawn respondents), gap (absolute difference), floor (mean gap of a simulation
        without error, of the same size) and floor_high (exceeded by 2.5 % of such gaps).

    Notes
    -----
    The floor is the gap between random halves of the people, divided by the square root of 2: a
    half varies with twice the variance of the whole.

    Raises
    ------
    DataError
        If the survey has a single question.
    """
    survey = fit.survey
    if len(survey.questions) < 2:  # noqa: PLR2004
        raise DataError("The survey has a single question.", hint="Add others to --questions.")
    drawn = fit.draw(len(survey), random_state=random_state)
    rng = np.random.default_rng(random_state)
    rows = []
    for first, second in combinations(survey.names, 2):
        codes, weights = answers_to_both(fit.survey, first, second)
        if len(codes) < MIN_BOTH:
            continue
        sizes = [len(survey.questions[name].options) for name in (first, second)]
        measure, value = _measure(fit, first, second)
        simulated = np.stack([drawn[name].cat.codes for name in (first, second)], axis=1)
        simulated = simulated[: len(codes)].astype(np.intp)
        people = value(pair_shares(codes, weights, sizes))
        made = value(pair_shares(simulated, np.ones(len(simulated)), sizes))
        gaps = [
            abs(value(a) - value(b)) / np.sqrt(2) for a, b in _halves(codes, weights, sizes, rng)
        ]
        rows.append(
            {
                "first": first,
                "second": second,
                "measure": measure,
                "n": len(codes),
                "people": people,
                "drawn": made,
                "gap": abs(people - made),
                "floor": float(np.mean(gaps)),
                "floor_high": float(np.quantile(gaps, UPPER)),
            }
        )
    return pd.DataFrame(rows)


def two_way(fit: SurveyFit, first: str, second: str, *, random_state: int = 0) -> pd.DataFrame:
    """Return the two-way table of two questions, beside people's.

    Returns
    -------
    pandas.DataFrame
        One row per pair of options, named after the two questions: share (exact, of the fit),
        people (their weighted share), floor_high (exceeded by 2.5 % of the differences of a
        simulation without error). `attrs` has TV, its floor and floor_high, and n.

    Raises
    ------
    DataError
        For an unknown question, the same question twice, or too few people who answered both.
    """
    codes, weights = answers_to_both(fit.survey, first, second)
    if first == second or len(codes) < MIN_BOTH:
        what = "is asked for twice" if first == second else f"and {second!r} have"
        count = "" if first == second else f" {len(codes)} respondents who answered both"
        raise DataError(
            f"The question {first!r} {what}{count}.", hint="Choose two other questions."
        )
    options = [list(fit.survey.questions[name].options) for name in (first, second)]
    sizes = [len(names) for names in options]
    people = pair_shares(codes, weights, sizes)
    share = _exact(fit, first, second)
    rng = np.random.default_rng(random_state)
    halves = [(a, b) for a, b in _halves(codes, weights, sizes, rng)]
    gaps = np.array([np.abs(a - b) / 2 for a, b in halves])  # an exact simulation: half as wide
    floors = [total_variation(a.ravel(), b.ravel()) / 2 for a, b in halves]
    names = [(a, b) for a in options[0] for b in options[1]]
    frame = pd.DataFrame(
        {
            first: [a for a, _ in names],
            second: [b for _, b in names],
            "share": share.ravel(),
            "people": people.ravel(),
            "floor_high": np.quantile(gaps, UPPER, axis=0).ravel(),
        }
    )
    frame.attrs = {
        "TV": total_variation(people.ravel(), share.ravel()),
        "floor": float(np.mean(floors)),
        "floor_high": float(np.quantile(floors, UPPER)),
        "n": len(codes),
    }
    return frame


def answers_to_both(survey: Survey, first: str, second: str) -> tuple[Codes, Array]:
    """Return the answers of people who gave both, shape (n, 2), and their weights, (n,)."""
    places = [survey.place(name) for name in (first, second)]
    codes = survey.codes[:, places]
    both = (codes != MISSING).all(axis=1) & (survey.weights > 0)
    return codes[both], survey.weights[both]


def pair_shares(codes: Codes, weights: Array, sizes: list[int]) -> Array:
    """Return the weighted share of each pair of options, shape (A, B), of `answers_to_both`.

    Examples
    --------
    >>> pair_shares(np.array([[0, 1], [1, 1]]), np.array([3.0, 1.0]), [2, 2]).tolist()
    [[0.0, 0.75], [0.0, 0.25]]
    """
    flat = codes[:, 0] * sizes[1] + codes[:, 1]
    totals = np.bincount(flat, weights, sizes[0] * sizes[1])
    return np.asarray((totals / totals.sum()).reshape(sizes))


def _exact(fit: SurveyFit, first: str, second: str) -> Array:
    """Return the joint shares of two questions under the fit, (A, B)."""
    weights = np.exp(fit.parameters.log_weights(fit.cells.features))
    tables = []
    for name in (first, second):
        contexts = fit.tables[name].contexts(fit.cells.frame)
        tables.append(fit.item_table(name)[contexts])
    return np.asarray(np.einsum("m,mk,mka,mkb->ab", fit.sizes, weights, *tables))


def _halves(
    codes: Codes, weights: Array, sizes: list[int], rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    """Return the two-way tables of random halves of the people."""
    found = []
    for _ in range(N_HALVES):
        order = rng.permutation(len(codes))
        parts = np.array_split(order, 2)
        found.append(tuple(pair_shares(codes[part], weights[part], sizes) for part in parts))
    return found  # type: ignore[return-value]


def _measure(fit: SurveyFit, first: str, second: str) -> tuple[str, Callable[[Array], float]]:
    questions = [fit.survey.questions[name] for name in (first, second)]
    if all(q.is_ordered or len(q.options) == 2 for q in questions):  # noqa: PLR2004
        return CORRELATION, correlation
    return CRAMER, cramers_v


def correlation(table: Array) -> float:
    """Return the correlation of positions in a two-way table of shares, (A, B).

    Examples
    --------
    >>> correlation(np.array([[0.5, 0.0], [0.0, 0.5]]))
    1.0
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    x = np.arange(len(rows)) - np.arange(len(rows)) @ rows
    y = np.arange(len(columns)) - np.arange(len(columns)) @ columns
    spread = np.sqrt((rows @ x**2) * (columns @ y**2))
    return float(x @ table @ y / spread) if spread else 0.0


def cramers_v(table: Array) -> float:
    """Return Cramér's V of a two-way table of shares, (A, B): 0 if independent, at most 1.

    Notes
    -----
    Cramér (1946), *Mathematical Methods of Statistics*.

    Examples
    --------
    >>> cramers_v(np.full((2, 3), 1 / 6))
    0.0
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0))
    smaller = min(table.shape) - 1
    if not smaller:
        return 0.0
    return float(np.sqrt(np.sum((table - expected) ** 2 / expected) / smaller))
