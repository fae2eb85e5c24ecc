"""Are simulated respondents like people? One table of measures, each with its human floor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.questionnaire.evaluation.simulated_respondents import (
    N_FOLDS,
    held_out_respondents,
    simulated_survey,
)
from jupyter_mop.engine.questionnaire.evaluation.survey_measures import (
    ALL,
    DISPERSION,
    GAP,
    ITEM_CORRELATION,
    MEASURES,
    MODAL,
    RATIOS,
    SUBGROUP,
    TINY,
    SurveyMeasures,
)
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
N_HALVES, N_BOOTSTRAP = 200, 200
MIN_RESPONDENTS = 8 * N_FOLDS
LOW, HIGH, Z95 = 0.025, 0.975, 1.96
FINDINGS = {  # in words: below the floor, above it
    DISPERSION: ("answers vary too little", "answers vary too much"),
    MODAL: ("favourite options are chosen too rarely", "favourite options are chosen too often"),
    GAP: ("gaps between groups are flattened", "gaps between groups are inflated"),
    ITEM_CORRELATION: ("", "answers go together in another way"),
}


@dataclass(frozen=True)
class SurveyFidelity(Viewed):
    """How simulated respondents differ from people.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per measure and question, and "all", worst first: measure, question, detail, n
        (people's answers), people and simulated (the measure on each side), value (their ratio
        for "dispersion" and "group gap", the difference for "modal share", the absolute
        difference for "item correlation", the mean total variation for "subgroup TV"), floor_low
        and floor_high (95 % of the values of a simulation without error, of the same size) and
        times_floor (distance from no error, in units of the floor: above 1 is more than chance).
    n, n_simulated : int
        People, and simulated respondents compared with them.
    is_held_out : bool
        Whether no simulated respondent was learned from the people it is compared with.
    gain : tuple of float or None
        How much nearer personas are than none by subgroup (mean total variation), with its 95 %
        interval; None where there is no simulation without personas.
    """

    frame: pd.DataFrame = field(repr=False)
    n: int
    n_simulated: int
    is_held_out: bool
    gain: tuple[float, float, float] | None = None

    def __repr__(self) -> str:
        return f"SurveyFidelity({self.verdict})"

    @property
    def overall(self) -> pd.DataFrame:
        """The rows over all questions, indexed by measure."""
        frame = self.frame
        is_all = (frame["question"] == ALL) & (frame["detail"] == ALL)
        there = [measure for measure in MEASURES if measure in set(frame["measure"])]
        return frame[is_all].set_index("measure").reindex(there)

    @property
    def verdict(self) -> str:
        """What is wrong, in one sentence."""
        findings = [text for text in map(self._finding, self.overall.index) if text]
        start = (
            f"At n = {self.n:,}, " if self.is_held_out else f"At n = {self.n:,} (not held out), "
        )
        if not findings:
            return f"{start}simulated respondents cannot be told from people.{self._gain_text}"
        return f"{start}{'; '.join(findings)}.{self._gain_text}"

    def _finding(self, measure: str) -> str:
        row = self.overall.loc[measure]
        if row["times_floor"] <= 1:
            return ""
        floor = f"{row['value']:.2f}, floor up to {row['floor_high']:.2f}"
        if measure == SUBGROUP:
            worst = self.frame[self.frame["measure"].eq(SUBGROUP) & self.frame["detail"].ne(ALL)]
            at = worst.iloc[worst["value"].argmax()]
            return f"subgroups are off ({floor}), most {at['detail']} ({at['value']:.2f})"
        ideal = 1.0 if measure in RATIOS else 0.0
        is_above = bool(row["value"] > ideal)
        if not is_above:
            floor = f"{row['value']:.2f}, floor from {row['floor_low']:.2f}"
        return f"{FINDINGS[measure][is_above]} ({floor})"

    @property
    def _gain_text(self) -> str:
        if self.gain is None:
            return ""
        gain, low, high = self.gain
        what = "nearer" if low > 0 else "farther" if high < 0 else "neither nearer nor farther"
        return (
            f" Subgroups are {what} than with one persona for everyone "
            f"(mean TV {gain:+.3f} [{low:+.3f}, {high:+.3f}])."
        )


def survey_fidelity(
    people: Survey | SurveyFit,
    simulated: Survey | pd.DataFrame | None = None,
    *,
    weight: str | None = None,
    without: Survey | pd.DataFrame | None = None,
    random_state: int = 0,
) -> SurveyFidelity:
    """Compare simulated respondents with people: what is wrong with them, beside a human floor.

    Parameters
    ----------
    people : Survey or SurveyFit
        Real respondents. A fit is judged on held-out people: in four folds, each respondent gets a
        simulated one of the same context, weight and missing answers, from a fit to the others.
    simulated : Survey or DataFrame, optional
        Simulated respondents, one column per question and context column; needed for a `Survey`.
        Of more respondents than people, as many are taken at random: the sizes are the same.
    weight : str, optional
        Column of weights of a data frame of simulated respondents.
    without : Survey or DataFrame, optional
        Respondents simulated without personas, for the gain of personas. For a fit: one persona
        for everyone.
    random_state : int
        Seed of folds, draws, halves and bootstrap.

    Returns
    -------
    SurveyFidelity

    Raises
    ------
    DataError
        If there are fewer than 32 people, no simulated respondents, or a column is missing.

    Notes
    -----
    The floor is the difference between random halves of the people, scaled to the effective sizes
    of both sides (a half varies with twice the variance of the whole). Dispersion is the ratio of
    variances, whose root is the ratio of standard deviations of Bisbee et al. (2024), *Synthetic
    replacements for human survey data*, Political Analysis 32; of entropies where options have no
    order. A fit's strengths of penalties were chosen with all people.

    Examples
    --------
    >>> answers = pd.DataFrame({"tea": ["yes", "no"] * 40, "milk": ["yes", "yes", "no", "no"] * 20})
    >>> people = Survey.from_frame(answers, ["tea", "milk"])
    >>> found = survey_fidelity(people, answers.assign(tea="yes"))
    >>> found.overall["value"].round(2).to_dict()["modal share"]
    0.25
    """
    fit = people if isinstance(people, SurveyFit) else None
    survey = people.survey if isinstance(people, SurveyFit) else people
    if len(survey) < MIN_RESPONDENTS:
        raise DataError(
            f"Fidelity needs at least {MIN_RESPONDENTS} respondents, got {len(survey)}.",
            hint="Compare answers by hand.",
        )
    is_held_out = simulated is None
    if simulated is None:
        if fit is None:
            raise DataError("There are no simulated respondents.", hint="Pass a frame of them.")
        simulated = held_out_respondents(fit, random_state=random_state)
        if without is None and len(fit.personas) > 1:
            without = held_out_respondents(fit, one_persona=True, random_state=random_state)
    rng = np.random.default_rng(random_state)
    sides = [_as_survey(survey, side, weight, rng) for side in (simulated, without)
             if side is not None]  # fmt: skip
    comparison = _Comparison(SurveyMeasures(survey), survey, sides[0])
    gain = comparison.gain(sides[1], rng) if len(sides) > 1 else None
    return SurveyFidelity(comparison.frame(rng), len(survey), len(sides[0]), is_held_out, gain)


@dataclass(frozen=True)
class _Comparison:
    measures: SurveyMeasures
    people: Survey
    simulated: Survey

    def frame(self, rng: np.random.Generator) -> pd.DataFrame:
        """Return the table, worst first."""
        m = self.measures
        indicators, weights = m.indicators(self.people), self.people.weights
        tables = [_tables(indicators, weights),
                  _tables(m.indicators(self.simulated), self.simulated.weights)]  # fmt: skip
        found = m.differences(tables[0], tables[1])
        floors = self._scale * np.array(self._half_differences(indicators, weights, rng))
        low, high = np.quantile(floors, [LOW, HIGH], axis=0)
        signed = np.array([row.measure in (*RATIOS, MODAL) for row in m.rows])
        is_ratio = np.array([row.measure in RATIOS for row in m.rows])
        found, low, high = (
            np.where(is_ratio, np.exp(v), v) for v in (found, np.where(signed, low, 0.0), high)
        )
        bound = np.where(found < is_ratio, low, high) - is_ratio
        frame = pd.DataFrame([vars(row) for row in m.rows]).assign(
            n=[m.n(row) for row in m.rows],
            people=m.values(tables[0]),
            simulated=m.values(tables[1]),
            value=found,
            floor_low=low,
            floor_high=high,
            times_floor=np.abs((found - is_ratio) / np.where(bound == 0, TINY, bound)),
        )
        return frame.sort_values("times_floor", ascending=False, ignore_index=True)

    @property
    def _scale(self) -> float:
        """What makes a difference between halves one between the two sides, by effective sizes."""
        return float(np.sqrt((1 + self.people.effective_size / self.simulated.effective_size) / 4))

    def _half_differences(
        self, indicators: Array, weights: Array, rng: np.random.Generator
    ) -> list[Array]:
        found = []
        for _ in range(N_HALVES):
            first, second = np.array_split(rng.permutation(len(indicators)), 2)
            sides = (_tables(indicators[rows], weights[rows]) for rows in (first, second))
            found.append(self.measures.differences(*sides))
        return found

    def gain(self, without: Survey, rng: np.random.Generator) -> tuple[float, float, float] | None:
        """Return how much nearer the simulation is than another, with its 95 % interval."""
        if not self.measures.subgroups:
            return None
        sides = [(self.measures.indicators(s), s.weights)
                 for s in (self.people, self.simulated, without)]  # fmt: skip
        gains = [self._gain(sides, [np.arange(len(w)) for _, w in sides])]
        for _ in range(N_BOOTSTRAP):
            rows = [rng.integers(len(w), size=len(w)) for _, w in sides]
            gains.append(self._gain(sides, rows))
        error = Z95 * float(np.std(gains[1:]))
        return gains[0], gains[0] - error, gains[0] + error

    def _gain(self, sides: list[tuple[Array, Array]], rows: list[Indices]) -> float:
        people, simulated, without = (
            _tables(indicators[at], weights[at])
            for (indicators, weights), at in zip(sides, rows, strict=True)
        )
        of = self.measures.subgroup_distances
        return float(np.mean(of(people, without) - of(people, simulated)))


def _tables(indicators: Array, weights: Array) -> Array:
    return np.asarray(indicators.T @ (indicators * weights[:, None]))


def _as_survey(
    people: Survey,
    simulated: Survey | pd.DataFrame,
    weight: str | None,
    rng: np.random.Generator,
) -> Survey:
    """Return simulated respondents as a survey with people's questions, at most as many."""
    if not isinstance(simulated, Survey):
        simulated = simulated_survey(people, simulated, weight=weight)
    for name in people.questions:
        simulated.place(name)
    if len(simulated) > len(people):
        simulated = simulated.take(rng.permutation(len(simulated))[: len(people)])
    return simulated
