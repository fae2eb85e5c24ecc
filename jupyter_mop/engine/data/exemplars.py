"""The exemplar pool: records of real behaviour that a persona may be shown, one per prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop import config
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import DataError

_ROOM, _BYTES_A_TOKEN = 0.9, 4


@dataclass(frozen=True)
class Exemplar:
    """One record shown in context: its context columns and its response."""

    record: Mapping[str, str]
    response: str

    @property
    def text(self) -> str:
        """Context and response as one text, for the encoder."""
        return f"{self.context}: {self.response}"

    @property
    def context(self) -> str:
        """The context columns as one text."""
        return ", ".join(self.record.values())


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


def usual_max_tokens(exemplars: Sequence[Exemplar]) -> int:
    """Return how many tokens a response may take: room for nine in ten of the real ones.

    At four bytes a token, a common rule for English; at least 48 and at most 256.

    Examples
    --------
    >>> usual_max_tokens([Exemplar({}, "Short.")]), usual_max_tokens([Exemplar({}, "word " * 120)])
    (48, 150)
    """
    sizes = [len(exemplar.response.encode()) for exemplar in exemplars]
    room = int(np.ceil(np.quantile(sizes, _ROOM) / _BYTES_A_TOKEN)) if sizes else 0
    return int(np.clip(room, config.DEFAULT_MAX_TOKENS, config.MAX_DEFAULT_TOKENS))


def own_exemplars(population: Population, exemplars: Sequence[Exemplar]) -> NDArray[np.bool_]:
    """Return which exemplar has a record's own response, shape (n, J): it must not be shown."""
    codes = {exemplar.response: j for j, exemplar in enumerate(exemplars)}
    own = np.zeros((len(population), len(exemplars)), dtype=bool)
    for i, response in enumerate(population.responses):
        if response in codes:
            own[i, codes[response]] = True
    return own


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
