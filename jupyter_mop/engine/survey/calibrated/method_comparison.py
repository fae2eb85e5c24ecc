"""Several ways to an answer, judged by the same held-out people, with what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.calibrated.comparison import MIN_GAIN, Judged, compare
from jupyter_mop.engine.survey.calibrated.records import Records
from jupyter_mop.engine.survey.elicitation.methods import METHODS
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.rendering import Rendered

Array = NDArray[np.float64]
TV = "TV"


@dataclass(frozen=True)
class Tried:
    """A method that was tried.

    Attributes
    ----------
    answer : PopulationAnswer or None
        In the contexts of held-out people, with their real answers; None if the method failed.
    n_requests, n_calls, n_tokens : int
        Requests, those of them that were not cached, and the input and output tokens of these.
    seconds : float
        Time spent waiting for the model.
    failure : str
        Why there is no answer, with the model's words.
    """

    answer: PopulationAnswer | None
    n_requests: int
    n_calls: int
    n_tokens: int
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class MethodComparison(Rendered):
    """Ways to an answer, judged by held-out people.

    Create one with `Study.compare_methods`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row for each method: method, TV (total variation from the shares of held-out people)
        with low, high and floor as in `PopulationAnswer.distances`, TV_by_subgroup, log_score (mean
        log-probability of a held-out answer, nats), behind (by how much the best log score is
        better) with behind_low and behind_high (95 % interval over held-out people), requests,
        calls (requests that were not cached), tokens, seconds, unusable (share of the replies, or
        probability of first tokens, that cannot be read) and failure. Figures are NaN for a method
        that failed.
    taken : str
        The method to take: the cheapest of those that are not clearly behind the best. Methods for
        which the model writes no reply come first, then those with fewer requests.
    tied : tuple of str
        The methods that are not clearly behind the best.
    n : int
        Number of held-out people.
    answers : mapping of str to PopulationAnswer
        The answers by method.
    """

    frame: pd.DataFrame
    taken: str
    tied: tuple[str, ...]
    n: int
    answers: Mapping[str, PopulationAnswer]

    @property
    def verdict(self) -> str:
        """Which method to take and why, in a sentence or two."""
        if len(self.answers) == 1:
            return f"Take {self.taken}: the only method that gave an answer."
        judges = f"by the log score of {self.n:,} held-out people"
        if len(self.tied) == 1:
            return f"Take {self.taken}: the others are clearly behind, {judges}."
        return f"A tie {judges}: {', '.join(self.tied)}. Take {self.taken}, the cheapest of these."

    def __repr__(self) -> str:
        columns = ["method", TV, "log_score", "behind", "requests", "tokens", "unusable"]
        return f"{self.verdict}\n{self.frame[columns].round(3).to_string(index=False)}"


def compare_methods(
    tried: Mapping[str, Tried], people: Population, *, n_train: float, random_state: int = 0
) -> MethodComparison:
    """Compare ways to an answer by their distance from held-out people, and by their cost.

    The log score decides, since it counts every context: calibrated answers have nearly the same
    shares overall. A method is clearly behind if a 95 % interval of its loss against the best is
    above zero. The people who judge also choose the best, which flatters it a little.

    Parameters
    ----------
    tried : mapping of str to Tried
        At least one with an answer.
    people : Population
        The held-out people, their answers read as options.
    n_train : float
        Number of people that the answers were learned from.
    random_state : int
        Seed of the bootstrap.
    """
    answers = {name: each.answer for name, each in tried.items() if each.answer is not None}
    first = next(iter(answers.values()))
    subgroups, counted = first.subgroups, people.counted()
    groups = [
        subgroups.members(group)
        for column in subgroups.columns
        for group in subgroups.by(column)[1:]
    ]
    shares = {name: _by_context(answer) for name, answer in answers.items()}
    judged = Judged(Records.of(counted, first.question, subgroups.keys), shares, n_train)
    compared = compare(
        [judged],
        groups,
        reference=None,
        is_multiple=first.question.kind == "multiple",
        random_state=random_state,
    ).set_index("answer")
    is_behind = (compared["log_score_low"] > 0) & (compared["log_score_gain"] >= MIN_GAIN)
    tied = list(compared.index[~is_behind])
    rows = [_row(name, each, compared, random_state) for name, each in tried.items()]
    taken = min(tied, key=lambda name: (METHODS[name].has_replies, tried[name].n_requests))
    return MethodComparison(pd.DataFrame(rows), taken, tuple(tied), len(counted), answers)


def _by_context(answer: PopulationAnswer) -> Array:
    """Return the shares in each context, (C, A): those of all where no persona answered."""
    has_answer = answer.weights.sum(axis=1, keepdims=True) > 0
    return np.where(has_answer, answer.by_context, answer.shares())


def _row(name: str, each: Tried, compared: pd.DataFrame, random_state: int) -> dict[str, object]:
    figures: dict[str, object] = dict.fromkeys(
        [TV, "low", "high", "floor", "TV_by_subgroup", "log_score", "behind", "behind_low",
         "behind_high", "unusable"],
        np.nan,
    )  # fmt: skip
    if each.answer is not None:
        frame = each.answer.distances(random_state=random_state).set_index("figure")
        found = compared.loc[name].to_dict()
        figures |= {TV: frame["value"][TV], "unusable": 1 - each.answer.table.matched}
        figures |= {end: frame[end][TV] for end in ("low", "high", "floor")}
        figures |= {figure: found[figure] for figure in ("TV_by_subgroup", "log_score")}
        figures |= {
            f"behind{end}": found[f"log_score{end or '_gain'}"] for end in ("", "_low", "_high")
        }
    cost = {
        "requests": each.n_requests,
        "calls": each.n_calls,
        "tokens": each.n_tokens,
        "seconds": each.seconds,
    }
    return {"method": name, **figures, **cost, "failure": each.failure}
