"""The exemplar pool: records of real behaviour that a persona may be shown, with their company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.population import Population
from jupyter_mop.errors import DataError

_LONGEST_COMPANY = 2000  # characters: two long reviews would not fit beside a third
_EACH = 8
_CHUNK = 1000


@dataclass(frozen=True)
class Exemplar:
    """One record shown in context: its context columns and its response.

    Attributes
    ----------
    record : mapping of str to str
    response : str
    company : tuple of Exemplar
        Records like it, shown before it.
    """

    record: Mapping[str, str]
    response: str
    company: tuple[Exemplar, ...] = ()

    @property
    def shown(self) -> tuple[Exemplar, ...]:
        """What a prompt shows: the company, then the exemplar itself, nearest the question."""
        return (*self.company, self)

    @property
    def text(self) -> str:
        """Context and response as one text, for the encoder."""
        return f"{', '.join(self.record.values())}: {self.response}"


def draw_exemplars(
    population: Population,
    n: int,
    *,
    by: str | Sequence[object] | None = None,
    random_state: int = 0,
) -> list[Exemplar]:
    """Draw a pool of `n` exemplars, spread evenly over the contexts or over other strata.

    Strata take turns, so that a small one has as many exemplars as a large one, or all it has.

    Parameters
    ----------
    population : Population
        Where the exemplars come from; no response is taken twice.
    n : int
        Size of the pool, J.
    by : str or sequence, optional
        A context column, or one label per record (n,); default: the whole context.
    random_state : int
        Seed of the draw.

    Returns
    -------
    list of Exemplar

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": ["old"] + 9 * ["young"], "said": list("abcdefghij")})
    >>> population = Population.from_frame(df, context="age", response="said")
    >>> sorted(e.record["age"] for e in draw_exemplars(population, 3, by="age"))
    ['old', 'young', 'young']
    """
    strata = _strata(population, by)
    first: dict[str, int] = {}
    for i in _by_weight(population, random_state):
        first.setdefault(population.responses[i], i)
    distinct = list(first.values())
    if not 0 < n <= len(distinct):
        raise DataError(
            f"A pool of {n} exemplars cannot be drawn from {len(distinct)} different responses.",
            hint=f"Ask for 1 to {len(distinct)} with n_exemplars.",
        )
    chosen = _spread([strata[i] for i in distinct])[:n]
    rows = [distinct[position] for position in chosen]
    return [Exemplar(population.records[i], population.responses[i]) for i in rows]


def in_company(
    exemplars: Sequence[Exemplar], vectors: NDArray[np.floating], n: int
) -> list[Exemplar]:
    """Give each exemplar the `n` others that are most like it, the most alike last.

    Those of the same context come before all others. Several records of one kind show the model
    what the kind has in common, where one invites a copy and random ones an average.

    Parameters
    ----------
    exemplars : sequence of Exemplar
        The pool of J.
    vectors : numpy.ndarray, shape (J, d)
        Unit vectors of the exemplars' texts.
    n : int
        Most others beside each; fewer where they are long, and at most one for 8 in the pool, so
        that a record has other exemplars than those that show its own response.

    Examples
    --------
    >>> pool = [Exemplar({"topic": "a"}, said) for said in "abcdefgh"]
    >>> angles = np.linspace(0, 1, 8) ** 2
    >>> found = in_company(pool, np.column_stack([np.cos(angles), np.sin(angles)]), 1)
    >>> [exemplar.company[0].response for exemplar in found]
    ['b', 'a', 'b', 'c', 'd', 'e', 'f', 'g']
    """
    n = min(n, len(exemplars) // _EACH)
    if n < 1:
        return list(exemplars)
    codes = _codes([tuple(exemplar.record.items()) for exemplar in exemplars])
    alike: list[NDArray[np.intp]] = []
    for rows in np.split(np.arange(len(exemplars)), range(_CHUNK, len(exemplars), _CHUNK)):
        likeness = vectors[rows] @ vectors.T + 2 * (codes[rows, None] == codes)
        likeness[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(likeness, -n, axis=1)[:, -n:]
        order = np.argsort(np.take_along_axis(likeness, nearest, axis=1), axis=1)
        alike += list(np.take_along_axis(nearest, order, axis=1))
    return [
        replace(exemplar, company=_that_fits([exemplars[j] for j in others]))
        for exemplar, others in zip(exemplars, alike, strict=True)
    ]


def _that_fits(company: list[Exemplar]) -> tuple[Exemplar, ...]:
    """Leave out the least alike, the first ones, until the rest is short enough."""
    while sum(len(exemplar.response) for exemplar in company) > _LONGEST_COMPANY:
        company = company[1:]
    return tuple(company)


def own_exemplars(population: Population, exemplars: Sequence[Exemplar]) -> NDArray[np.bool_]:
    """Return which exemplars show a record's own response, shape (n, J): they must not be asked."""
    showing: dict[str, list[int]] = {}
    for j, exemplar in enumerate(exemplars):
        for shown in exemplar.shown:
            showing.setdefault(shown.response, []).append(j)
    own = np.zeros((len(population), len(exemplars)), dtype=bool)
    for i, response in enumerate(population.responses):
        own[i, showing.get(response, [])] = True
    return own


def _codes(values: Sequence[object]) -> NDArray[np.intp]:
    """Return a number for each different value, shape (len(values),)."""
    first: dict[object, int] = {}
    return np.array([first.setdefault(value, len(first)) for value in values], dtype=np.intp)


def _by_weight(population: Population, random_state: int) -> list[int]:
    """Shuffle the records; heavier ones tend to come first, those of weight zero stay out."""
    rng = np.random.default_rng(random_state)
    heavy = np.flatnonzero(population.weights)
    share = population.weights[heavy] / population.weights.sum()
    return [int(i) for i in rng.choice(heavy, len(heavy), replace=False, p=share)]


def _strata(population: Population, by: str | Sequence[object] | None) -> Sequence[object]:
    """Return the stratum of each record, length n."""
    if by is None:
        return population.contexts
    if not isinstance(by, str):
        if len(by) != len(population):
            raise DataError(
                f"One stratum per record was expected, {len(population)}, and {len(by)} came.",
                hint="Give a label for each record of the population.",
            )
        return by
    if by not in population.context:
        raise DataError(
            f"There is no context column {by!r} to spread exemplars over; "
            f"there is {', '.join(map(repr, population.context))}.",
            hint='Name one of those, or "cluster".',
        )
    return [record[by] for record in population.records]


def _spread(strata: Sequence[object]) -> list[int]:
    """Order positions in turns: the first of every stratum, then the second of every one."""
    turns: Counter[object] = Counter()
    ranked = []
    for position, stratum in enumerate(strata):
        ranked.append((turns[stratum], position))
        turns[stratum] += 1
    return [position for _, position in sorted(ranked)]
