"""Option shares by group, with intervals, beside people's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.questionnaire.survey import MISSING, Survey
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.subgroups import EVERYONE, Subgroups
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
Z95 = 1.96
MARGIN = 1e-4
MIN_GROUPS = 2


@dataclass(frozen=True)
class GroupShares(Viewed):
    """The shares of a question's options, overall and by group.

    Attributes
    ----------
    name : str
    question : Question
    frame : pandas.DataFrame
        column, group, option, share, low and high (95 % interval), people (the respondents' own
        weighted share; NaN where they were not asked, or for another population) and n
        (respondents who answered).
    """

    name: str
    question: Question
    frame: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        everyone = self.frame[self.frame["group"] == EVERYONE[1]]
        pairs = zip(everyone["option"], everyone["share"], strict=True)
        shares = ", ".join(f"{option} {share:.1%}" for option, share in pairs)
        n_groups = self.frame[["column", "group"]].drop_duplicates().shape[0] - 1
        return f"GroupShares({self.name!r}: {shares}; {n_groups} groups)"

    @property
    def verdict(self) -> str:
        """The option on which the groups differ most, in one sentence; "" with fewer than two.

        It compares the highest with the lowest share of each option.
        """
        groups = self.frame[self.frame["group"] != EVERYONE[1]]
        if groups["group"].nunique() < MIN_GROUPS:
            return ""
        ranges = groups.groupby("option", sort=False)["share"].agg(np.ptp)
        option = ranges.idxmax()
        rows = groups[groups["option"] == option].sort_values("share", kind="stable")
        low, high = rows.iloc[0], rows.iloc[-1]
        overlap = "overlap" if low["high"] >= high["low"] else "do not overlap"
        return (
            f"The groups differ most on {option!r}: {_with_interval(high)}, {_with_interval(low)}; "
            f"the intervals {overlap}."
        )


def group_shares(
    name: str,
    question: Question,
    by_cell: Sequence[Array],
    contexts: pd.DataFrame,
    sizes: Array,
    *,
    by: str | None = None,
    survey: Survey | None = None,
    error: float = 0.0,
) -> GroupShares:
    """Return shares by group from those in each cell.

    Parameters
    ----------
    name : str
    question : Question
    by_cell : sequence of ndarray, each of shape (M, A)
        Option shares in each cell: of the fit, then of its replicates.
    contexts : pandas.DataFrame
        The M cells of the population.
    sizes : ndarray, shape (M,)
        Their shares.
    by : str, optional
        A context column, or "context".
    survey : Survey, optional
        The respondents, whose own shares are added.
    error : float
        Further standard error of the shares, on the logit scale.
    """
    subgroups, rows = Subgroups(contexts), []
    for group in subgroups.by(by):
        inside = np.where(subgroups.members(group), sizes, 0.0)
        if not inside.sum():
            continue
        values = [inside @ shares / inside.sum() for shares in by_cell]
        low, high = share_intervals(values[0], values[1:], error)
        people, n = np.full(len(question.options), np.nan), 0
        if survey is not None:
            members = Subgroups(survey.contexts).members(group)
            people = survey.shares(name, members)
            n = int((survey.codes[members, survey.place(name)] != MISSING).sum())
        columns = {"column": group[0], "group": group[1], "option": list(question.options)}
        numbers = {"share": values[0], "low": low, "high": high, "people": people, "n": n}
        rows.append(pd.DataFrame({**columns, **numbers}))
    return GroupShares(name, question, pd.concat(rows, ignore_index=True))


def share_intervals(
    shares: Array, replicates: Sequence[Array], error: float = 0.0
) -> tuple[Array, Array]:
    """Return 95 % intervals of shares from those of replicates: low and high, each like `shares`.

    The spread of the replicates is that of log-odds; `error` is added in quadrature.

    Examples
    --------
    >>> low, high = share_intervals(np.array([0.5]), [np.array([0.4]), np.array([0.6])])
    >>> round(float(low[0]), 2), round(float(high[0]), 2)
    (0.31, 0.69)
    """
    spread = np.hypot(logit(np.array(replicates)).std(axis=0), error)
    middle = logit(shares)
    return _logistic(middle - Z95 * spread), _logistic(middle + Z95 * spread)


def logit(shares: Array) -> Array:
    """Return the log-odds of shares, at most 9.2 in size.

    Examples
    --------
    >>> logit(np.array([0.5, 0.0])).round(1).tolist()
    [0.0, -9.2]
    """
    inside = np.clip(shares, MARGIN, 1 - MARGIN)
    return np.asarray(np.log(inside / (1 - inside)))


def _with_interval(row: pd.Series[Any]) -> str:
    return f"{row['group']} {row['share']:.0%} [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"


def _logistic(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))
