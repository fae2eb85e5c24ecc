"""What simulated respondents get wrong: spread, favourite options, gaps, correlations, subgroups.

All measures follow from one matrix of weighted two-way tables, so that human floors and bootstrap
intervals cost one matrix product a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.questionnaire.associations import correlation, cramers_v
from jupyter_mop.engine.questionnaire.survey import MISSING, Survey

Array = NDArray[np.float64]
DISPERSION, MODAL, GAP, ITEM_CORRELATION, SUBGROUP = MEASURES = (
    "dispersion",
    "modal share",
    "group gap",
    "item correlation",
    "subgroup TV",
)
RATIOS = (DISPERSION, GAP)
ALL = "all"
MIN_ANSWERS = 20
TINY = 1e-6


def dispersion(shares: Array, *, numeric: bool) -> float:
    """Return the variance of positions, or the entropy in bits where options have no order.

    Parameters
    ----------
    shares : ndarray, shape (A,)
    numeric : bool
        Whether positions 0 to A - 1 are meant.

    Examples
    --------
    >>> dispersion(np.array([0.5, 0.5]), numeric=True), dispersion(np.full(4, 0.25), numeric=False)
    (0.25, 2.0)
    """
    if numeric:
        positions = np.arange(len(shares))
        return float(shares @ (positions - shares @ positions) ** 2)
    inside = shares[shares > 0]
    return float(-inside @ np.log2(inside))


def group_gap(shares: Array, *, ordered: bool) -> float:
    """Return the distance of the highest from the lowest group's share, mean over the cuts.

    Parameters
    ----------
    shares : ndarray, shape (G, A)
        Option shares by group.
    ordered : bool
        Whether a cut is the share at or above an option; otherwise it is an option's own share.

    Examples
    --------
    >>> shares = np.array([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2]])
    >>> round(group_gap(shares, ordered=True), 3), round(group_gap(shares, ordered=False), 3)
    (0.25, 0.2)
    """
    cuts = np.cumsum(shares[:, ::-1], axis=1)[:, -2::-1] if ordered else shares
    return float(np.ptp(cuts, axis=0).mean())


@dataclass(frozen=True)
class Row:
    """One thing that is measured.

    Attributes
    ----------
    measure : str
        One of `MEASURES`.
    question : str
        A question, or "all".
    detail : str
        "variance" or "entropy"; the option that people choose most; the context column; the other
        question; or the subgroup.
    """

    measure: str
    question: str
    detail: str


@dataclass(frozen=True)
class SurveyMeasures:
    """The measures of surveys with the questions, groups and missing answers of one of people.

    Groups and pairs of questions with fewer than 20 answers are left out.

    Attributes
    ----------
    people : Survey
    """

    people: Survey

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """The values of each context column that 20 respondents have, where there are two."""
        found = {}
        for column in self.people.context:
            counts = self.people.contexts[column].value_counts(sort=False)
            values = [str(v) for v, n in counts.items() if n >= MIN_ANSWERS]
            if len(values) > 1:
                found[column] = values
        return found

    @cached_property
    def places(self) -> dict[str, slice]:
        """Where each question's options stand, after the groups."""
        at, found = sum(map(len, self.groups.values())), {}
        for name, question in self.people.questions.items():
            found[name] = slice(at, at + len(question.options))
            at += len(question.options)
        return found

    @cached_property
    def group_places(self) -> dict[tuple[str, str], int]:
        """Where each group stands."""
        pairs = [(column, value) for column, values in self.groups.items() for value in values]
        return {pair: at for at, pair in enumerate(pairs)}

    @cached_property
    def subgroups(self) -> dict[str, int]:
        """Where each group stands, by a text such as "age: old"."""
        return {f"{column}: {value}": at for (column, value), at in self.group_places.items()}

    def indicators(self, survey: Survey) -> Array:
        """Return which groups and options each respondent has, shape (n, P)."""
        parts = [
            (survey.contexts[column].astype(str) == value).to_numpy()[:, None]
            for column, value in self.group_places
        ]
        for name, question in self.people.questions.items():
            codes = survey.codes[:, survey.place(name), None]
            parts.append((codes == np.arange(len(question.options))) & (codes != MISSING))
        return np.concatenate(parts, axis=1).astype(np.float64)

    @cached_property
    def counts(self) -> Array:
        """The number of people in each two-way cell, shape (P, P)."""
        indicators = self.indicators(self.people)
        return np.asarray(indicators.T @ indicators)

    @cached_property
    def rows(self) -> list[Row]:
        """Everything that is measured, then each measure over all questions."""
        rows = []
        for name in self.places:
            numeric = self.is_ordered(name)
            rows += [Row(DISPERSION, name, "variance" if numeric else "entropy")]
            rows += [Row(MODAL, name, self.mode(name))]
            rows += [Row(GAP, name, column) for column in self.groups if self.has(column, name)]
        for first, second in combinations(self.places, 2):
            if self.counts[self.places[first], self.places[second]].sum() >= MIN_ANSWERS:
                rows.append(Row(ITEM_CORRELATION, first, second))
        rows += [Row(SUBGROUP, ALL, label) for label in self.subgroups]
        there = dict.fromkeys(row.measure for row in rows)
        return [*rows, *(Row(measure, ALL, ALL) for measure in there)]

    def is_ordered(self, name: str) -> bool:
        """Return whether a question's options are an ordered scale, or two."""
        question = self.people.questions[name]
        return question.is_ordered or len(question.options) == 2  # noqa: PLR2004

    def mode(self, name: str) -> str:
        """Return the option that most people chose."""
        return str(self.people.questions[name].options[int(self.people.shares(name).argmax())])

    def has(self, column: str, name: str) -> bool:
        """Return whether 20 people of each group of a column answered a question."""
        at = [self.group_places[column, value] for value in self.groups[column]]
        return bool((self.counts[at, self.places[name]].sum(axis=1) >= MIN_ANSWERS).all())

    def n(self, row: Row) -> int:
        """Return the number of people's answers, or pairs of answers, behind a row."""
        if row.question == ALL:
            return len(self.people)
        at = self.places[row.question]
        if row.measure == ITEM_CORRELATION:
            return int(self.counts[at, self.places[row.detail]].sum())
        return int(np.diag(self.counts)[at].sum())

    def values(self, tables: Array) -> Array:
        """Return each row's value on one side; over all questions, the mean size.

        NaN for subgroups, which compare two sides, and for all dispersions, whose units differ.

        Parameters
        ----------
        tables : ndarray, shape (P, P)
            Weighted two-way tables: indicators' cross-products.
        """
        found = np.array([self._value(row, tables) for row in self.rows])
        for at, row in enumerate(self.rows):
            if row.question == ALL and row.measure not in (SUBGROUP, DISPERSION):
                found[at] = np.mean(np.abs(found[self.members(row.measure)]))
        return found

    def members(self, measure: str) -> list[int]:
        """Return the rows of a measure without that over all questions."""
        return [at for at, row in enumerate(self.rows)
                if row.measure == measure and (row.question, row.detail) != (ALL, ALL)]  # fmt: skip

    def _value(self, row: Row, tables: Array) -> float:
        if row.question == ALL:
            return np.nan
        at = self.places[row.question]
        if row.measure == GAP:
            return group_gap(self._by_group(row, tables), ordered=self.is_ordered(row.question))
        if row.measure == ITEM_CORRELATION:
            numeric = all(map(self.is_ordered, (row.question, row.detail)))
            table = tables[at, self.places[row.detail]]
            return (correlation if numeric else cramers_v)(table / max(table.sum(), TINY))
        shares = _shares(np.diag(tables)[at])
        if row.measure == MODAL:
            return float(shares.max())
        return dispersion(shares, numeric=row.detail == "variance")

    def _by_group(self, row: Row, tables: Array) -> Array:
        at = [self.group_places[row.detail, value] for value in self.groups[row.detail]]
        return _shares(tables[at, self.places[row.question]])

    def differences(self, people: Array, simulated: Array) -> Array:
        """Return how far one side's tables are from the other's: one number a row.

        Ratios are logarithms, and over all questions that of their mean. A difference of modal
        shares has its sign, those of correlations are absolute. Subgroups have the mean total
        variation over the questions.
        """
        first, second = self.values(people), self.values(simulated)
        found, by_subgroup = second - first, self.subgroup_distances(people, simulated)
        for at, row in enumerate(self.rows):
            if row.measure in RATIOS:
                found[at] = np.log(max(second[at], TINY) / max(first[at], TINY))
            elif row.measure == ITEM_CORRELATION:
                found[at] = abs(found[at])
            elif row.measure == SUBGROUP and row.detail != ALL:
                found[at] = by_subgroup[self.subgroups[row.detail]]
        return self._overall(found)

    def _overall(self, found: Array) -> Array:
        """Fill in the rows over all questions; that of gaps is the ratio of mean gaps already."""
        for at, row in enumerate(self.rows):
            if (row.question, row.detail) == (ALL, ALL) and row.measure != GAP:
                parts = found[self.members(row.measure)]
                is_ratio = row.measure == DISPERSION
                found[at] = np.log(np.mean(np.exp(parts))) if is_ratio else np.mean(parts)
        return found

    def subgroup_distances(self, people: Array, simulated: Array) -> Array:
        """Return the mean total variation over the questions in each subgroup, shape (G,)."""
        n_groups = len(self.subgroups)
        totals, n_questions = np.zeros(n_groups), np.zeros(n_groups)
        for at in self.places.values():
            asked = self.counts[:n_groups, at].sum(axis=1) >= MIN_ANSWERS
            first, second = (_shares(tables[:n_groups, at]) for tables in (people, simulated))
            totals += asked * np.abs(first - second).sum(axis=1) / 2
            n_questions += asked
        return np.asarray(totals / np.maximum(n_questions, 1))


def _shares(counts: Array) -> Array:
    """Return counts as shares of their last axis; equal shares where there are none."""
    total = counts.sum(axis=-1, keepdims=True)
    equal = np.full_like(counts, 1 / counts.shape[-1])
    return np.asarray(np.divide(counts, total, out=equal, where=total > 0))
