"""Option shares of all questions of a fitted survey under other persona weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.metrics.vectors import effective_sample_size, weight_fault
from jupyter_mop.engine.questionnaire.associations import answers_to_both, pair_shares
from jupyter_mop.engine.questionnaire.survey import MISSING, Survey
from jupyter_mop.engine.questionnaire.survey_fit import MIN_PEOPLE, SurveyFit
from jupyter_mop.engine.simulation.context_groups import ContextGroups
from jupyter_mop.engine.survey.question import Group
from jupyter_mop.engine.survey.subgroups import EVERYONE, Subgroups
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
LEVEL = 0.95


class PeopleShares(NamedTuple):
    """People's own option shares by group, weighted; NaN where fewer than eight answered.

    Attributes
    ----------
    share, low, high : ndarray, shape (G, A)
        Shares with their 95 % intervals (Wilson, at the effective sample size).
    n : ndarray of int, shape (G,)
        People of each group who answered.
    floor : ndarray, shape (G,)
        Mean total variation between these people and a simulation without error.
    """

    share: Array
    low: Array
    high: Array
    n: Indices
    floor: Array


class PeoplePair(NamedTuple):
    """People's own shares of the pairs of options of two questions.

    Attributes
    ----------
    share : ndarray, shape (A, B)
        Weighted; NaN where fewer than eight people answered both.
    n : int
        People who answered both.
    floor : float
        Mean total variation between these people and a simulation without error.
    """

    share: Array
    n: int
    floor: float


@dataclass(frozen=True)
class ReweightedShares:
    r"""Option shares of all questions of a survey under other persona weights.

    Create one with `ReweightedShares.of(fit)`. No model is called, and the cost does not depend on
    the number of respondents.

    Attributes
    ----------
    names : tuple of str
        The K personas.
    cells : pandas.DataFrame
        The M distinct contexts of the respondents.
    sizes : ndarray, shape (M,)
        Their shares of the respondents, by survey weight.
    base : ndarray, shape (M, K)
        The fit's persona weights in each of them.
    tables : mapping of str to ndarray, each of shape (C, K, A)
        Option probabilities of each question, by the C contexts that its text depends on.
    contexts : mapping of str to ndarray of int, each of shape (M,)
        Which of the C contexts each cell has.
    people : Survey
        The respondents.

    Notes
    -----
    Contexts keep their shares, and the personas have the new weights over all respondents: the odds
    between two personas change by the same factor in every context, as in a simulation's panel.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.questionnaire.survey_fit import fit_survey
    >>> answers = pd.DataFrame({"drink": ["tea", "milk"] * 20, "morning": ["tea", "milk"] * 20})
    >>> survey = Survey.from_frame(answers, ["drink", "morning"])
    >>> fit = fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"]))
    >>> found = ReweightedShares.of(fit)
    >>> found.shares("drink", [0.5, 0.5]).round(2).tolist()
    [0.5, 0.5]
    >>> found.distances([0.0, 1.0])["TV"].round(1).tolist()
    [0.5, 0.5]
    """

    names: tuple[str, ...]
    cells: pd.DataFrame = field(repr=False)
    sizes: Array = field(repr=False)
    base: Array = field(repr=False)
    tables: Mapping[str, Array] = field(repr=False)
    contexts: Mapping[str, Indices] = field(repr=False)
    people: Survey

    @classmethod
    def of(cls, fit: SurveyFit) -> ReweightedShares:
        """Return the shares of a fitted survey."""
        frame = fit.cells.frame
        return cls(
            tuple(fit.names),
            frame,
            fit.sizes,
            np.exp(fit.parameters.log_weights(fit.cells.features)),
            {name: fit.item_table(name) for name in fit.survey.names},
            {name: fit.tables[name].contexts(frame) for name in fit.survey.names},
            fit.survey,
        )

    @cached_property
    def class_sizes(self) -> Array:
        """The fit's share of each persona over all respondents, shape (K,)."""
        return np.asarray(self.sizes @ self.base)

    @property
    def absent(self) -> list[str]:
        """The personas that the fit gives no respondent; their weight is always 0."""
        pairs = zip(self.names, self.class_sizes, strict=True)
        return [name for name, size in pairs if not size > 0]

    @cached_property
    def groups(self) -> list[Group]:
        """Everyone, and each value of each context column."""
        subgroups = Subgroups(self.cells)
        found = [group for column in subgroups.columns for group in subgroups.by(column)]
        return [
            group
            for group in dict.fromkeys([EVERYONE, *found])
            if self.sizes[subgroups.members(group)].sum() > 0
        ]

    def persona_weights(self, weights: Sequence[float]) -> Array:
        """Return the persona weights in each cell, shape (M, K), under other overall weights.

        A cell whose personas all have the weight 0 keeps the fit's.

        Parameters
        ----------
        weights : sequence of float, shape (K,)
            In the order of `names`; they need not sum to 1.

        Raises
        ------
        DataError
            If weights are not K finite numbers of zero or more, are all zero, or are above 0 for a
            persona that the fit gives no respondent.
        """
        wanted = self.checked(weights)
        groups = ContextGroups(self.sizes, self.base)
        return groups.with_marginal(wanted / wanted.sum()).weights

    def checked(self, weights: Sequence[float]) -> Array:
        """Return weights as an array, shape (K,), or raise the error of `persona_weights`."""
        wanted = np.asarray(weights, dtype=np.float64)
        if wanted.shape != (len(self.names),):
            raise DataError(
                f"`weights` must have one value per persona ({len(self.names)}), got "
                f"{wanted.size}.",
                hint="Give them in the order of `names`.",
            )
        fault = weight_fault(wanted)
        if fault:
            raise DataError(
                f"`weights` must be finite, at least 0 and not all zero: {fault}.",
                hint="They need not sum to 1.",
            )
        for name, weight in zip(self.names, wanted, strict=True):
            if weight > 0 and name in self.absent:
                raise DataError(
                    f"The fit gives no respondent to {name!r}, so its weight must be 0, got "
                    f"{weight:.3g}.",
                    hint=f"Leave {name!r} at 0.",
                )
        return wanted

    def shares(self, name: str, weights: Sequence[float], group: Group = EVERYONE) -> Array:
        """Return the share of each option of a question, shape (A,).

        Parameters
        ----------
        name : str
            A question.
        weights : sequence of float, shape (K,)
            As in `persona_weights`.
        group : tuple of str
            One of `groups`: a context column and a value.
        """
        self.people.place(name)
        self._place(group)
        inside = np.where(Subgroups(self.cells).members(group), self.sizes, 0.0)
        table, in_cell = self.tables[name], inside[:, None] * self.persona_weights(weights)
        by_context = np.zeros(table.shape[:2])
        np.add.at(by_context, self.contexts[name], in_cell)
        return np.asarray(np.einsum("ck,cka->a", by_context, table) / inside.sum())

    def two_way(self, first: str, second: str, weights: Sequence[float]) -> Array:
        """Return the share of each pair of options of two questions, shape (A, B).

        A respondent has one persona for both.
        """
        tables = []
        for name in (first, second):
            self.people.place(name)
            tables.append(self.tables[name][self.contexts[name]])
        within = self.persona_weights(weights)
        return np.asarray(np.einsum("m,mk,mka,mkb->ab", self.sizes, within, *tables))

    def distances(self, weights: Sequence[float], group: Group = EVERYONE) -> pd.DataFrame:
        """Return how far each question's shares are from people's.

        Returns
        -------
        pandas.DataFrame
            One row per question: question, TV (total variation; NaN where fewer than eight people
            answered), floor (its mean for a simulation without error) and n (people who answered).
        """
        at, rows = self._place(group), []
        for name, people in self.people_shares.items():
            shares = self.shares(name, weights, group)
            is_known = people.n[at] >= MIN_PEOPLE
            tv = total_variation(shares, people.share[at]) if is_known else np.nan
            rows.append(
                {"question": name, "TV": tv, "floor": people.floor[at], "n": int(people.n[at])}
            )
        return pd.DataFrame(rows)

    def _place(self, group: Group) -> int:
        if group not in self.groups:
            raise DataError(
                f"There is no group {group!r} among the respondents.",
                hint=f"The groups are: {', '.join(map(str, self.groups))}.",
            )
        return self.groups.index(group)

    @cached_property
    def people_shares(self) -> dict[str, PeopleShares]:
        """People's own shares of each question, by group."""
        subgroups = Subgroups(self.people.contexts)
        members = [subgroups.members(group) for group in self.groups]
        return {name: self._people(name, members) for name in self.people.names}

    def _people(self, name: str, members: Sequence[NDArray[np.bool_]]) -> PeopleShares:
        shape = (len(members), len(self.people.questions[name].options))
        share, low, high = (np.full(shape, np.nan) for _ in range(3))
        n, floor = np.zeros(len(members), dtype=np.intp), np.full(len(members), np.nan)
        answered = self.people.codes[:, self.people.place(name)] != MISSING
        for g, inside in enumerate(members):
            weights = self.people.weights[inside & answered]
            n[g] = np.count_nonzero(weights)
            if n[g] < MIN_PEOPLE:
                continue
            size = effective_sample_size(weights[weights > 0])
            share[g] = self.people.shares(name, inside)
            ends = [share_interval(float(p), size, level=LEVEL) for p in share[g]]
            low[g], high[g] = np.array(ends).T
            floor[g] = mean_distance(share[g], size)
        return PeopleShares(share, low, high, n, floor)

    @cached_property
    def people_pairs(self) -> dict[tuple[str, str], PeoplePair]:
        """People's own shares of each pair of questions, in the order of the survey."""
        return {pair: self._people_pair(*pair) for pair in combinations(self.people.names, 2)}

    def _people_pair(self, first: str, second: str) -> PeoplePair:
        codes, weights = answers_to_both(self.people, first, second)
        sizes = [len(self.people.questions[name].options) for name in (first, second)]
        if len(codes) < MIN_PEOPLE:
            return PeoplePair(np.full(sizes, np.nan), len(codes), np.nan)
        share = pair_shares(codes, weights, sizes)
        return PeoplePair(share, len(codes), mean_distance(share, effective_sample_size(weights)))

    def to_dict(self) -> dict[str, Any]:
        """Return the arrays that a panel needs; none has a row per respondent.

        Returns
        -------
        dict
            sizes (M,), base (M, K), class_sizes (K,); groups (G pairs), places (G, 2: context
            column and value, -1 for everyone), codes (columns, M: each cell's values);
            questions (name, text, options, contexts: the row of `contexts`, n_contexts), contexts
            (rows, M); tables, people, low and high (flat, one question after the other), n and
            floors (Q, G); pairs (flat, one pair of questions after the other), pair_n and
            pair_floors, and min_people.
        """
        columns = list(self.cells.columns)
        values = {c: list(dict.fromkeys(self.cells[c].astype(str))) for c in columns}
        codes = [self.cells[c].astype(str).map(values[c].index) for c in columns]
        places = [
            (columns.index(c), values[c].index(v)) if (c, v) != EVERYONE else (-1, -1)
            for c, v in self.groups
        ]
        distinct = {row.tobytes(): row for row in self.contexts.values()}
        people, pairs = list(self.people_shares.values()), list(self.people_pairs.values())
        return {
            "sizes": self.sizes,
            "base": self.base,
            "class_sizes": self.class_sizes,
            "groups": [list(group) for group in self.groups],
            "places": np.array(places, dtype=np.float64),
            "codes": np.array(codes, dtype=np.float64),
            "questions": [self._question(name, list(distinct)) for name in self.people.names],
            "contexts": np.array(list(distinct.values()), dtype=np.float64),
            "tables": np.concatenate([table.ravel() for table in self.tables.values()]),
            **{
                kind: np.concatenate([getattr(shares, column).ravel() for shares in people])
                for kind, column in (("people", "share"), ("low", "low"), ("high", "high"))
            },
            "n": np.array([shares.n for shares in people], dtype=np.float64),
            "floors": np.array([shares.floor for shares in people]),
            "pairs": np.concatenate([np.empty(0), *(pair.share.ravel() for pair in pairs)]),
            "pair_n": np.array([pair.n for pair in pairs], dtype=np.float64),
            "pair_floors": np.array([pair.floor for pair in pairs]),
            "min_people": MIN_PEOPLE,
        }

    def _question(self, name: str, distinct: list[bytes]) -> dict[str, Any]:
        question = self.people.questions[name]
        return {
            "name": name,
            "text": question.text.replace("{{", "{").replace("}}", "}"),
            "options": list(question.options),
            "contexts": distinct.index(self.contexts[name].tobytes()),
            "n_contexts": len(self.tables[name]),
        }


def mean_distance(shares: Array, size: float) -> float:
    """Return the mean total variation between shares and those of `size` answers drawn from them.

    Notes
    -----
    Half the sum of mean absolute deviations, sqrt(2 p (1 - p) / (pi size)) of each share.

    Examples
    --------
    >>> round(mean_distance(np.array([0.5, 0.5]), 100), 3)
    0.04
    """
    return float(np.sqrt(2 * shares * (1 - shares) / (np.pi * size)).sum() / 2)
