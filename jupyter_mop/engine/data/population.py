"""A population: what real people said, each response with its context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import pandas_frame
from jupyter_mop.engine.data.surrogates import half_a_character, has_half_a_character
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

MIN_RECORDS = 8

MOST_ANSWERS = 12
LONGEST_ANSWER = 60
FEWEST_REPEATS = 5


def are_closed(responses: Sequence[str]) -> bool:
    """Return whether these look like answers to a closed question: a few, each many times.

    That is at most 12 different ones of at most 60 characters, each five times or more on average.

    Examples
    --------
    >>> are_closed(["yes", "no"] * 10), are_closed(["yes", "no"])
    (True, False)
    """
    distinct = set(responses)
    return (
        len(distinct) <= MOST_ANSWERS
        and len(responses) >= FEWEST_REPEATS * len(distinct)
        and max(map(len, distinct), default=0) <= LONGEST_ANSWER
    )


@dataclass(frozen=True)
class Population(Viewed):
    """Records of real people: contexts x, responses y and, if wanted, survey weights.

    Make one with `Population.from_frame`.

    Attributes
    ----------
    frame : pandas.DataFrame
        The context columns, the response column and the weight column, n rows.
    context : tuple of str
        Names of the columns that make up the context.
    response : str
        Name of the response column.
    weight : str or None
        Name of the weight column.
    """

    frame: pd.DataFrame
    context: tuple[str, ...]
    response: str
    weight: str | None = None

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        *,
        context: str | Sequence[str],
        response: str,
        weight: str | None = None,
    ) -> Population:
        """Take a population from a frame with one row per response.

        Parameters
        ----------
        df : pandas.DataFrame
            One row per response; a frame of polars or Arrow will do as well.
        context : str or sequence of str
            Column or columns that say what was asked, or of whom.
        response : str
            Column of what was said; free text.
        weight : str, optional
            Column of survey weights, zero or more.

        Raises
        ------
        DataError
            For a missing column, no rows, missing values or impossible weights.

        Examples
        --------
        >>> df = pd.DataFrame({"topic": ["tea", "tea"], "said": ["hot", "mild"]})
        >>> Population.from_frame(df, context="topic", response="said")
        Population(2 records, context: topic, response: said)
        """
        df = pandas_frame(df)
        columns = (context,) if isinstance(context, str) else tuple(context)
        used = [*columns, response, *([weight] if weight else [])]
        _check_columns(df, used)
        if df.empty:
            raise DataError(
                "The population is empty: the frame has no rows.",
                hint="Check the filter that made it.",
            )
        _check_values(df, [*columns, response])
        if weight:
            _check_weights(df[weight], weight)
        return cls(df[list(dict.fromkeys(used))].reset_index(drop=True), columns, response, weight)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return (
            f"Population({len(self)} records, context: {', '.join(self.context)}, "
            f"response: {self.response})"
        )

    @cached_property
    def contexts(self) -> list[str]:
        """Each record's context as one text, length n."""
        return _joined(self.frame[list(self.context)])

    @cached_property
    def responses(self) -> list[str]:
        """Each record's response, length n."""
        return [str(value) for value in self.frame[self.response]]

    @cached_property
    def records(self) -> list[dict[str, str]]:
        """Each record's context columns as text, for templates, length n.

        Records of the same context are one object, so that there can be many of them.
        """
        rows = self.frame[list(self.context)].astype(str).itertuples(index=False, name=None)
        same: dict[tuple[str, ...], dict[str, str]] = {}
        names = [str(name) for name in self.context]
        return [same.setdefault(row, dict(zip(names, row, strict=True))) for row in rows]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Survey weights with mean 1, shape (n,)."""
        if self.weight is None:
            return np.ones(len(self))
        values = self.frame[self.weight].to_numpy(dtype=np.float64)
        return np.asarray(values / values.mean())

    @cached_property
    def is_closed(self) -> bool:
        """Whether the responses look like answers to a closed question; see `are_closed`."""
        return are_closed(self.responses)

    @property
    def is_ordered(self) -> bool:
        """Whether the responses are a scale: an ordered categorical column."""
        return bool(getattr(self.frame[self.response].dtype, "ordered", False))

    @property
    def options(self) -> tuple[str, ...]:
        """The different responses: as a categorical column orders them, or by the alphabet."""
        categories = getattr(self.frame[self.response].dtype, "categories", None)
        if categories is not None:
            return tuple(map(str, categories))
        return tuple(sorted(set(self.responses)))

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> Population:
        """Return the records at `indices`, in that order."""
        rows = self.frame.iloc[list(indices)].reset_index(drop=True)
        return Population(rows, self.context, self.response, self.weight)

    def split(
        self, fraction: float = 0.5, *, random_state: int = 0
    ) -> tuple[Population, Population]:
        """Split at random into two populations that share no record.

        Parameters
        ----------
        fraction : float
            Share of the records in the first part, between 0 and 1.
        random_state : int
            Seed of the shuffle.

        Returns
        -------
        tuple of Population
        """
        first = round(len(self) * fraction) if 0 < fraction < 1 else 0
        if not 0 < first < len(self):
            raise DataError(
                f"A split of {len(self)} records at {fraction:g} leaves one part empty.",
                hint="Give a fraction between 0 and 1, and at least two records.",
            )
        order = np.random.default_rng(random_state).permutation(len(self))
        return self.take(order[:first]), self.take(order[first:])

    def draw(self, n: int, *, random_state: int = 0) -> NDArray[np.intp]:
        """Return the indices of `n` records drawn by their weights.

        Records without weights are drawn without replacement while there are enough of them.
        """
        rng = np.random.default_rng(random_state)
        if self.weight is None and n <= len(self):
            return rng.permutation(len(self))[:n]
        return rng.choice(len(self), n, p=self.weights / self.weights.sum())


def _joined(frame: pd.DataFrame) -> list[str]:
    texts = (", ".join(map(str, row)) for row in frame.itertuples(index=False, name=None))
    same: dict[str, str] = {}
    return [same.setdefault(text, text) for text in texts]


def _check_columns(df: pd.DataFrame, used: Sequence[str]) -> None:
    if not isinstance(df, pd.DataFrame):
        raise DataError(
            f"A population is made from a DataFrame, not a {type(df).__name__}.",
            hint="Make one with pd.DataFrame(...).",
        )
    if not df.columns.is_unique:
        twice = df.columns[df.columns.duplicated()][0]
        raise DataError(
            f"The frame has more than one column {twice!r}.", hint="Rename one of them."
        )
    for column in used:
        if column not in df.columns:
            raise DataError(
                f"There is no column {column!r}; the frame has {list(df.columns)}.",
                hint="Name one of those.",
            )


def _check_values(df: pd.DataFrame, used: Sequence[str]) -> None:
    for column in used:
        texts = ["" if pd.isna(value) else str(value) for value in df[column]]
        bad = sum(not text.strip() for text in texts)
        if bad:
            raise DataError(
                f"The column {column!r} has {bad} missing or empty values.",
                hint=f"Leave those rows out: df.dropna(subset=[{column!r}]).",
            )
        for row, text in enumerate(texts):
            if has_half_a_character(text):
                raise half_a_character(f"Row {row} of the column {column!r}")


def _check_weights(weights: pd.Series, name: str) -> None:
    values = pd.to_numeric(weights, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise DataError(
            f"The weight column {name!r} must hold numbers of zero or more, not all zero.",
            hint="Check it with df[weight].describe().",
        )


def draw_records(population: Population, n: int, *, random_state: int = 0) -> NDArray[np.intp]:
    """Return the indices of up to `n` records to learn from, each once; none of weight zero.

    Their weights count in the likelihood, so they must not decide the draw as well.
    """
    heavy = np.flatnonzero(population.weights)
    if len(heavy) < MIN_RECORDS:
        raise DataError(
            f"A fit needs at least {MIN_RECORDS} records; the population has {len(heavy)}.",
            hint="Give more records, or simulate with weights='uniform'.",
        )
    return np.random.default_rng(random_state).permutation(heavy)[:n]
