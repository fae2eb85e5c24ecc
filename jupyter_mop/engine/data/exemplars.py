"""The exemplar pool: real records, one of which is shown in each prompt."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop import config
from jupyter_mop.engine.data.population import Population, context_label
from jupyter_mop.errors import DataError

_MIN_TO_DIVIDE = 80  # distinct responses, a quarter of which are enough to estimate odds
_COVERED_SHARE, _BYTES_PER_TOKEN = 0.9, 4


@dataclass(frozen=True)
class Exemplar:
    """A real record that a prompt can show: its context columns and its response."""

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

    @property
    def label(self) -> str:
        """The context as a text that no other context has; see `context_label`."""
        return context_label(list(self.record.values()))


def draw_exemplars(
    population: Population,
    n: int,
    *,
    by: str | Sequence[object] | None = None,
    random_state: int = 0,
) -> list[Exemplar]:
    """Draw a pool of `n` exemplars, spread evenly over the contexts or over other strata.

    Exemplars are taken from the strata in rotation. A small stratum therefore contributes as many
    as a large one, or all it has.

    Parameters
    ----------
    population : Population
        The records to draw from; each distinct response is used once.
    n : int
        Size of the pool, J.
    by : str or sequence, optional
        A context column, or one stratum label per record (n,); default: the whole context.
    random_state : int
        Seed of the draw.

    Returns
    -------
    list of Exemplar

    Raises
    ------
    DataError
        If `n` is less than 1 or exceeds the number of distinct responses, or `by` does not fit.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": ["old"] + 9 * ["young"], "text": list("abcdefghij")})
    >>> population = Population.from_frame(df, context="age", response="text")
    >>> sorted(e.record["age"] for e in draw_exemplars(population, 3, by="age"))
    ['old', 'young', 'young']
    """
    return draw_pool(population, n, by=by, random_state=random_state)[0]


def draw_pool(
    population: Population,
    n: int,
    *,
    by: str | Sequence[object] | None = None,
    random_state: int = 0,
) -> tuple[list[Exemplar], NDArray[np.float64]]:
    """Draw exemplars as `draw_exemplars` does, and return the share of records each stands for.

    A pool that is spread evenly has as many exemplars of a rare stratum as of a common one. Each
    of them then stands for fewer records. The shares, shape (n,), sum to 1.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": ["old"] + 9 * ["young"], "text": list("abcdefghij")})
    >>> population = Population.from_frame(df, context="age", response="text")
    >>> sorted(draw_pool(population, 2)[1].tolist())
    [0.1, 0.9]
    """
    strata = _strata(population, by)
    first: dict[str, int] = {}
    for i in _weighted_order(population, random_state):
        first.setdefault(population.responses[i], i)
    distinct = list(first.values())
    if not 0 < n <= len(distinct):
        raise DataError(
            f"Cannot draw {n} exemplars from {len(distinct)} distinct responses.",
            hint=f"Set n_exemplars to 1 to {len(distinct)}.",
        )
    positions = _rotation([strata[i] for i in distinct])[:n]
    rows = [distinct[position] for position in positions]
    exemplars = [Exemplar(population.records[i], population.responses[i]) for i in rows]
    drawn = [strata[i] for i in rows]
    totals: defaultdict[object, float] = defaultdict(float)
    for stratum, weight in zip(strata, population.weights.tolist(), strict=True):
        totals[stratum] += weight
    counts = Counter(drawn)
    shares = np.array([totals[stratum] / counts[stratum] for stratum in drawn])
    return exemplars, shares / shares.sum()


def checked_source(exemplars: Population, population: Population) -> Population:
    """Return records to draw exemplars from, if they have the population's context columns.

    Raises
    ------
    DataError
        If they have others.
    """
    if exemplars.context != population.context:
        raise DataError(
            f"The exemplars have the context columns {', '.join(exemplars.context)}, but the "
            f"population has {', '.join(population.context)}.",
            hint="Give both the same context columns, in the same order.",
        )
    return exemplars


def pool_size(population: Population, n: int, *, divided: bool = True) -> int:
    """Return the size of the exemplar pool: `n`, or fewer where there are not enough responses.

    If the population is `divided`, from 80 distinct responses on, a quarter of them stay outside
    of the pool: they are the real side of the odds by which one of several candidates is selected.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": "old", "text": [f"text {i}" for i in range(100)]})
    >>> population = Population.from_frame(df, context="age", response="text")
    >>> pool_size(population, 50), pool_size(population, 1000)
    (50, 75)
    """
    n_distinct = population.n_distinct
    n_outside = n_distinct // 4 if divided and n_distinct >= _MIN_TO_DIVIDE else 0
    return min(n, n_distinct - n_outside)


def default_max_tokens(exemplars: Sequence[Exemplar]) -> int:
    """Return a token limit that is long enough for nine in ten of the real responses.

    Assumes four bytes per token, a common rule for English. The limit is between 48 and 256.

    Examples
    --------
    >>> texts = ["Short.", "word " * 120]
    >>> [default_max_tokens([Exemplar({}, text)]) for text in texts]
    [48, 150]
    """
    sizes = [len(exemplar.response.encode()) for exemplar in exemplars]
    length = int(np.ceil(np.quantile(sizes, _COVERED_SHARE) / _BYTES_PER_TOKEN)) if sizes else 0
    return int(np.clip(length, config.DEFAULT_MAX_TOKENS, config.MAX_DEFAULT_TOKENS))


def own_exemplars(population: Population, exemplars: Sequence[Exemplar]) -> NDArray[np.bool_]:
    """Return which exemplars have the same response as each record, shape (n, J).

    A prompt for the record must not show these exemplars.
    """
    columns = {exemplar.response: j for j, exemplar in enumerate(exemplars)}
    own = np.zeros((len(population), len(exemplars)), dtype=bool)
    for i, response in enumerate(population.responses):
        if response in columns:
            own[i, columns[response]] = True
    return own


def _weighted_order(population: Population, random_state: int) -> list[int]:
    """Shuffle the records with weights above zero; heavier records tend to come first."""
    rng = np.random.default_rng(random_state)
    rows = np.flatnonzero(population.weights)
    shares = population.weights[rows] / population.weights.sum()
    return [int(i) for i in rng.choice(rows, len(rows), replace=False, p=shares)]


def _strata(population: Population, by: str | Sequence[object] | None) -> Sequence[object]:
    """Return the stratum of each record, length n."""
    if by is None:
        return population.context_labels
    if not isinstance(by, str):
        if len(by) != len(population):
            raise DataError(
                f"`by` must have one label for each of the {len(population)} records, "
                f"got {len(by)}.",
                hint="Pass one stratum label per record of the population.",
            )
        return by
    if by not in population.context:
        raise DataError(
            f"There is no context column {by!r}; "
            f"the columns are {', '.join(map(repr, population.context))}.",
            hint='Use one of these columns, or "cluster".',
        )
    return [record[by] for record in population.records]


def _rotation(strata: Sequence[object]) -> list[int]:
    """Order positions by rounds: the first of every stratum, then the second, and so on."""
    counts: Counter[object] = Counter()
    ranked = []
    for position, stratum in enumerate(strata):
        ranked.append((counts[stratum], position))
        counts[stratum] += 1
    return [position for _, position in sorted(ranked)]
