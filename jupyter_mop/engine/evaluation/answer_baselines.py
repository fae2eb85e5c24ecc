"""A closed answer beside baselines that need no model: real answers alone, or equal shares."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.answer_distances import distances
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import read_answers
from jupyter_mop.engine.survey.subgroups import EVERYONE
from jupyter_mop.errors import DataError

DISTANCE = "TV"
MAX_SUBGROUPS = 12
THIS, SAMPLE = "this answer", "another sample of people"
TRAINING, EQUAL = "training records, everyone alike", "every option equally often"


def answer_baselines(
    answer: PopulationAnswer, train: Population | None = None, *, random_state: int = 0
) -> pd.DataFrame:
    """Return how far a closed answer is from the known one, beside baselines that need no model.

    Parameters
    ----------
    answer : PopulationAnswer
    train : Population, optional
        Records with real answers that the known answer does not count; their overall shares are a
        baseline for every subgroup.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row per subgroup and source, everyone first: group, n (real answers), source ("this
        answer", "another sample of people", "training records, everyone alike" or "every option
        equally often"), value (total variation, 0 to 1), low and high (95 % interval of this
        answer; of another sample, high is exceeded by 2.5 %), NaN where there is none. Empty if no
        answer is known.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.survey.asking import ask
    >>> drinks = ["tea", "tea", "tea", "milk"] * 10
    >>> frame = pd.DataFrame({"age": ["old", "young"] * 20, "drink": drinks})
    >>> people = Population.from_frame(frame, context="age", response="drink")
    >>> question, toy = Question("Drink?", ["tea", "milk"]), ToyBackend(["tea", "milk"])
    >>> answer = ask(question, people, "a: Tea!", toy)
    >>> found = answer_baselines(answer, people)
    >>> found[found["group"] == "everyone"][["source", "value"]].round(2).values.tolist()[2:]
    [['training records, everyone alike', 0.0], ['every option equally often', 0.25]]
    """
    parts = [_measured(answer, column, random_state) for column in [None, *_columns(answer)]]
    known = pd.concat([part for part in parts if part is not None] or [pd.DataFrame()])
    if known.empty:
        return pd.DataFrame(columns=["group", "n", "source", "value", "low", "high"])
    known = known.drop_duplicates(["column", "group"])
    simple = {TRAINING: training_shares(answer.question, train), EQUAL: _equal(answer.question)}
    rows = [_rows(answer, found, simple) for found in known.to_dict("records")]
    return pd.DataFrame([row for group in rows for row in group])


def training_shares(question: Question, train: Population | None) -> NDArray[np.float64] | None:
    """Return the share of each option in the training records, or None if they do not answer it."""
    try:
        read = None if train is None else read_answers(train, question)
    except DataError:
        return None
    if read is None:
        return None
    chosen = np.array([question.selected_options(text) for text in read.responses], dtype=float)
    return np.asarray(np.average(chosen, axis=0, weights=read.weights))


def _equal(question: Question) -> NDArray[np.float64]:
    n = len(question.options)
    return np.full(n, 0.5 if question.kind == "multiple" else 1 / n)


def _columns(answer: PopulationAnswer) -> list[str]:
    """Return the context columns that divide the population into few subgroups."""
    counts = answer.contexts.nunique()
    return [str(name) for name, n in counts.items() if 1 < n <= MAX_SUBGROUPS]


def _measured(
    answer: PopulationAnswer, column: str | None, random_state: int
) -> pd.DataFrame | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the table has the number of answers
        try:
            found = answer.distances(column, random_state=random_state)
        except DataError:
            return None
    return found[found["figure"] == DISTANCE]


def _rows(
    answer: PopulationAnswer,
    found: Mapping[Any, Any],
    simple: Mapping[str, NDArray[np.float64] | None],
) -> list[dict[str, object]]:
    """Return the rows of one subgroup."""
    key = (str(found["column"]), str(found["group"]))
    target = answer.target(key)
    assert target is not None  # noqa: S101  it has a distance
    name = key[1] if key == EVERYONE else f"{key[0]}: {key[1]}"
    rows = [
        (THIS, found["value"], found["low"], found["high"]),
        (SAMPLE, found["floor"], np.nan, found["floor_high"]),
        *(
            (source, distances(answer.question, target, shares)[DISTANCE], np.nan, np.nan)
            for source, shares in simple.items()
            if shares is not None
        ),
    ]
    columns = ("group", "n", "source", "value", "low", "high")
    return [
        dict(zip(columns, (name, found["n"], *row), strict=True))
        for row in rows
        if not np.isnan(row[1])
    ]
