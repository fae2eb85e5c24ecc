"""Respondents whose answers a prompt shows: kept apart from those to learn from and to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.population import Population, content_order
from jupyter_mop.engine.survey.asking import ExemplarsOf
from jupyter_mop.engine.survey.calibrated.records import folds
from jupyter_mop.errors import DataError


def set_apart(people: Population, *, random_state: int = 0) -> tuple[Population, Population]:
    """Return the people to learn from, and a fifth of them whose answers prompts can show.

    Rows of one unit (group) stay on one side. A model that was shown an answer would seem to know
    it: nobody who is shown is learned from or judges.

    Raises
    ------
    DataError
        If all rows belong to one unit.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": "old", "drink": ["tea", "milk"] * 10})
    >>> people = Population.from_frame(df, context="age", response="drink")
    >>> [len(side) for side in set_apart(people)]
    [16, 4]
    """
    is_shown = folds(people, random_state=random_state) == 0
    if is_shown.all():
        raise DataError(
            "All real answers are those of one respondent, so there are no others to show.",
            hint="Leave out --exemplars.",
        )
    return people.take(np.flatnonzero(~is_shown)), people.take(np.flatnonzero(is_shown))


def similar_respondents(
    people: Population, n: int, encoder: Encoder, *, random_state: int = 0
) -> ExemplarsOf:
    """Return a function that gives `n` people with contexts like each of some records.

    The contexts with the largest cosine come first; within a context the order is random, and the
    same for all prompts. The nearest one is shown last, next to the question.

    Parameters
    ----------
    people : Population
        Real answers, each one of the options.
    n : int
        People for each record; all if there are fewer.
    encoder : Encoder
        Encodes the contexts.
    random_state : int
        Seed of the order within a context.
    """
    ordered = people.take(content_order(people, random_state=random_state))
    vectors = encode_each(encoder, [", ".join(key) for key in ordered.context_keys])

    def of(records: Sequence[Mapping[str, str]]) -> list[list[Exemplar]]:
        texts = [", ".join(record.values()) for record in records]
        cosines = (encode_each(encoder, texts) @ vectors.T).round(6)
        rows = np.argsort(-cosines, axis=1, kind="stable")[:, :n]
        return [[Exemplar(ordered.records[i], ordered.responses[i]) for i in row[::-1]]
                for row in rows]  # fmt: skip

    return of
