"""A population: real responses with their contexts."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import (
    column_texts,
    pandas_frame,
    text_columns,
    value_text,
)
from jupyter_mop.engine.data.surrogates import has_lone_surrogate, lone_surrogate_error
from jupyter_mop.engine.metrics.vectors import (
    Vectors,
    WeightedVectors,
    design_warning,
    effective_sample_size,
    weight_fault,
)
from jupyter_mop.errors import DataError, did_you_mean
from jupyter_mop.rendering import Viewed

MIN_RECORDS = 8
MAX_DISTINCT_ANSWERS = 12
MAX_ANSWER_LENGTH = 60  # characters
MIN_MEAN_REPEATS = 5
QUOTE = '"'


def are_closed(responses: Sequence[str]) -> bool:
    """Return whether the responses look like answers to a closed question.

    They do if there are at most 12 distinct responses of at most 60 characters, and each occurs
    five times or more on average.

    Examples
    --------
    >>> are_closed(["yes", "no"] * 10), are_closed(["yes", "no"])
    (True, False)
    """
    distinct = set(responses)
    return (
        len(distinct) <= MAX_DISTINCT_ANSWERS
        and len(responses) >= MIN_MEAN_REPEATS * len(distinct)
        and max(map(len, distinct), default=0) <= MAX_ANSWER_LENGTH
    )


@dataclass(frozen=True)
class Population(Viewed):
    """Real records: contexts x, responses y and optional survey weights.

    Create one with `Population.from_frame`.

    Attributes
    ----------
    frame : pandas.DataFrame
        The context columns, the response column and the weight column, n rows.
    context : tuple of str
        Names of the context columns.
    response : str
        Name of the response column.
    weight : str or None
        Name of the weight column.
    group : str or None
        Name of the column whose rows belong together, such as a respondent's.
    n_left_out : int
        Rows of the data frame that had no response and were left out.
    source : pandas.DataFrame or None
        The data frame that the records came from, with all its columns.
    rows : numpy.ndarray or None
        The position of each record in `source`, shape (n,).
    n_held_out : int
        Records of the same data frame that are held out from these.
    """

    frame: pd.DataFrame
    context: tuple[str, ...]
    response: str
    weight: str | None = None
    group: str | None = None
    n_left_out: int = 0
    source: pd.DataFrame | None = field(default=None, compare=False)
    rows: NDArray[np.intp] | None = field(default=None, compare=False)
    n_held_out: int = field(default=0, compare=False)

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        *,
        context: str | Sequence[str],
        response: str,
        weight: str | None = None,
        group: str | None = None,
    ) -> Population:
        """Create a population from a data frame with one row per response.

        Parameters
        ----------
        df : pandas.DataFrame
            One row per response; polars and Arrow frames are converted. Column names that are no
            text become text: the column 2024 is "2024".
        context : str or sequence of str
            Column or columns with the question or the respondent's attributes.
        response : str
            Column with the responses.
        weight : str, optional
            Column with survey weights of zero or more.
        group : str, optional
            Column whose rows belong together, such as the respondent's number; `split` keeps
            them on one side.

        Raises
        ------
        DataError
            If the columns are a MultiIndex, a column is missing, no row has a response, a context
            is missing or weights are invalid. Rows without a response are left out and counted in
            `n_left_out`.

        Warns
        -----
        UserWarning
            Where the weights leave an effective sample size of less than half the records.

        Examples
        --------
        >>> df = pd.DataFrame({"topic": ["tea", "tea"], "text": ["hot", "mild"]})
        >>> Population.from_frame(df, context="topic", response="text")
        Population(2 records, context: topic, response: text)
        """
        df = _checked_frame(df)
        is_one = isinstance(context, str) or not isinstance(context, Iterable)
        columns = tuple(map(value_text, [context] if is_one else context))
        response = value_text(response)
        weight, group = (None if name is None else value_text(name) for name in (weight, group))
        used = [*columns, response, *filter(None, (weight, group))]
        _check_columns(df, used)
        if df.empty:
            raise DataError(
                "The population is empty: the data frame has no rows.",
                hint="Check the filter that selects its rows.",
            )
        is_answered = np.array([not _is_empty(value) for value in df[response]])
        answered = df[is_answered]
        if answered.empty:
            raise DataError(
                f"The column {response!r} has no response in any of its {len(df)} rows.",
                hint="Name the column that contains the responses.",
            )
        _check_values(answered, [*columns, response])
        if weight:
            _check_weights(answered[weight], weight)
            fault = design_warning(answered[weight].to_numpy(dtype=np.float64), "the records")
            if fault:
                warnings.warn(fault, UserWarning, stacklevel=2)
        frame = answered[list(dict.fromkeys(used))].reset_index(drop=True)
        rows, source = np.flatnonzero(is_answered), df.copy(deep=False)
        return cls(frame, columns, response, weight, group, len(df) - len(rows), source, rows)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        weights = ""
        if self.weight is not None:
            weights = f", weight: {self.weight}, effective sample size {self.effective_size:,.0f}"
        return (
            f"Population({len(self)} records, context: {', '.join(self.context)}, "
            f"response: {self.response}{weights}{self._note()})"
        )

    def _note(self) -> str:
        return f"; {self.n_left_out:,} without a response left out" if self.n_left_out else ""

    @cached_property
    def contexts(self) -> list[str]:
        """The context of each record as one text, length n; see `context_labels`."""
        shared = {key: ", ".join(key) for key in set(self.context_keys)}
        return [shared[key] for key in self.context_keys]

    @cached_property
    def context_keys(self) -> list[tuple[str, ...]]:
        """The context of each record as the texts of its columns, which identify it, length n."""
        columns = [column_texts(self.frame[column]) for column in self.context]
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        return [shared.setdefault(key, key) for key in zip(*columns, strict=True)]

    @cached_property
    def context_labels(self) -> list[str]:
        """The context of each record as a text that no other context has, length n."""
        shared = {key: context_label(key) for key in set(self.context_keys)}
        return [shared[key] for key in self.context_keys]

    @cached_property
    def responses(self) -> list[str]:
        """The response of each record, length n."""
        return [value_text(value) for value in self.frame[self.response]]

    @cached_property
    def records(self) -> list[dict[str, str]]:
        """The context columns of each record as text, for templates, length n.

        Records with the same context share one dict, which saves memory.
        """
        names = [str(name) for name in self.context]
        shared = {key: dict(zip(names, key, strict=True)) for key in set(self.context_keys)}
        return [shared[key] for key in self.context_keys]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Survey weights with mean 1, shape (n,).

        Raises
        ------
        DataError
            If all are zero, which a part of a population can have, or one is negative, not
            finite or too large to add up.
        """
        if self.weight is None:
            return np.ones(len(self))
        values = self.frame[self.weight].to_numpy(dtype=np.float64)
        if not values.any():
            raise DataError(
                f"All {len(self)} records here have a weight of zero in the column "
                f"{self.weight!r}.",
                hint="Use another seed of the split, or leave out records of weight zero.",
            )
        _check_weights(self.frame[self.weight], self.weight)
        return np.asarray(values / values.mean())

    @cached_property
    def effective_size(self) -> float:
        """The effective sample size (Kish) under the survey weights."""
        return effective_sample_size(self.weights)

    @cached_property
    def n_distinct(self) -> int:
        """The number of distinct responses of records with weights above zero."""
        pairs = zip(self.responses, self.weights, strict=True)
        return len({response for response, weight in pairs if weight})

    @cached_property
    def is_closed(self) -> bool:
        """Whether the responses look like answers to a closed question (see `are_closed`)."""
        return are_closed(self.responses)

    @property
    def is_ordered(self) -> bool:
        """Whether the responses form a scale: an ordered categorical column."""
        return bool(getattr(self.frame[self.response].dtype, "ordered", False))

    @property
    def options(self) -> tuple[str, ...]:
        """The distinct responses, in the order of a categorical column or else alphabetically."""
        categories = getattr(self.frame[self.response].dtype, "categories", None)
        if categories is not None:
            return tuple(map(value_text, categories))
        return tuple(sorted(set(self.responses)))

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> Population:
        """Return the records at `indices` in the given order."""
        indices = np.asarray(indices, dtype=np.intp)
        return replace(
            self,
            frame=self.frame.iloc[indices].reset_index(drop=True),
            n_left_out=0,
            n_held_out=0,
            rows=None if self.rows is None else self.rows[indices],
        )

    def aligned(self, by: object) -> pd.Series:
        """Return a value for each record that is no part of its context, n values.

        Parameters
        ----------
        by : str or Series
            A column of the data frame that the records came from; or values in the order of its
            rows, or of the records.

        Raises
        ------
        DataError
            If there is no such column, or the values have another length.

        Examples
        --------
        >>> df = pd.DataFrame({"topic": "tea", "text": ["hot", None, "mild"], "age": [20, 30, 40]})
        >>> people = Population.from_frame(df, context="topic", response="text")
        >>> people.aligned("age").tolist(), people.take([1]).aligned(df["age"]).tolist()
        ([20, 40], [40])
        """
        if isinstance(by, str):
            return self._source_column(by)
        values = by if isinstance(by, pd.Series) else pd.Series(list(by))  # type: ignore[call-overload]
        if self.source is not None and self.rows is not None and len(values) == len(self.source):
            index = self.source.index
            if (
                index.is_unique
                and not values.index.equals(index)
                and index.isin(values.index).all()
            ):
                values = values.reindex(index)
            return values.iloc[self.rows].reset_index(drop=True)
        if len(values) == len(self):
            return values.reset_index(drop=True)
        n_source = "" if self.source is None else f", and their data frame has {len(self.source):,}"
        raise DataError(
            f"The hidden column has {len(values):,} values, but there are {len(self):,} "
            f"records{n_source}.",
            hint="Pass a column of the data frame that the population came from.",
        )

    @property
    def is_unanswered(self) -> bool:
        """Whether nobody answered: all responses are empty, as in a column that is missing."""
        return not any(self.responses)

    def answering(self, column: str) -> Population:
        """Return these records with the responses of another column of their data frame.

        Records without a response in it are left out. If there is no such column, all responses
        are empty (`is_unanswered`).

        Parameters
        ----------
        column : str
            A column of the data frame that the records came from.

        Raises
        ------
        DataError
            If the column has no response in any of these records, or is a context column or the
            weight column.

        Examples
        --------
        >>> df = pd.DataFrame({"topic": "tea", "text": ["hot", "mild"], "again": ["yes", None]})
        >>> people = Population.from_frame(df, context="topic", response="text")
        >>> people.answering("again").responses, people.answering("why").is_unanswered
        (['yes'], True)
        """
        if column == self.response:
            return self
        if column in (*self.context, self.weight):
            role = "weight" if column == self.weight else "context"
            raise DataError(
                f"The column {column!r} is the population's {role} column, so it has no responses.",
                hint="Give the question another name.",
            )
        source = self.frame if self.source is None else self.source
        used = [*self.context, *filter(None, (self.weight, self.group))]
        frame = self.frame[list(dict.fromkeys(used))]
        if column not in source.columns:
            return replace(self, frame=frame.assign(**{column: ""}), response=column)
        values = self.aligned(column)
        rows = np.flatnonzero([not _is_empty(value) for value in values])
        if not len(rows):
            raise DataError(
                f"The column {column!r} has no answer in any of {len(self)} records.",
                hint="Give the question another name to ask it without real answers.",
            )
        answered = replace(self, frame=frame.assign(**{column: values}), response=column)
        return answered.take(rows)

    def _source_column(self, name: str) -> pd.Series:
        frame = self.frame if self.source is None else self.source
        if name not in frame.columns:
            raise DataError(
                f"There is no column {name!r} in the population's data frame; its columns are "
                f"{list(frame.columns)}.",
                hint="Use one of these columns, or pass a Series in the order of its rows.",
            )
        values = frame[name] if self.rows is None else frame[name].iloc[self.rows]
        return values.reset_index(drop=True)

    def counted(self) -> Population:
        """Return the records with weights above zero."""
        rows = np.flatnonzero(self.weights)
        return self if len(rows) == len(self) else self.take(rows)

    def weighted(self, vectors: Vectors) -> WeightedVectors:
        """Return vectors of the responses, (n, d), with survey weights unless these are equal."""
        return WeightedVectors(vectors, self.weights if np.ptp(self.weights) else None)

    def split(
        self, fraction: float = 0.5, *, random_state: int = 0
    ) -> tuple[Population, Population]:
        """Split the records at random into two disjoint populations.

        Rows of one `group`, and rows with the same free text, stay on one side: what a model has
        seen in training must not be compared with.

        Parameters
        ----------
        fraction : float
            Share of the records in the first population, between 0 and 1.
        random_state : int
            Seed of the shuffle.

        Returns
        -------
        tuple of Population

        Raises
        ------
        DataError
            If one of the two populations would be empty, or all its weights zero.
        """
        wanted = round(len(self) * fraction) if 0 < fraction < 1 else 0
        units = self.units()
        sizes = np.bincount(units)
        order = np.random.default_rng(random_state).permutation(len(sizes))
        if not 0 < wanted < len(self) or len(sizes) < 2:  # noqa: PLR2004
            raise DataError(
                f"Splitting {len(self)} records in {len(sizes)} groups at {fraction:g} leaves one "
                "part empty.",
                hint="Use a fraction between 0 and 1, and at least two groups of records.",
            )
        n_units = 1 + int(np.abs(np.cumsum(sizes[order])[:-1] - wanted).argmin())
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        rows = np.argsort(place[units], kind="stable")
        n_first = int(sizes[order[:n_units]].sum())
        parts = self.take(rows[:n_first]), self.take(rows[n_first:])
        for part in parts:
            part.weights  # noqa: B018  raises where all are zero
        return parts

    def units(self, *, with_texts: bool = True) -> NDArray[np.intp]:
        """Return which records stay together in a split or a fold, shape (n,): numbers from 0.

        These are the records of one `group` and, `with_texts`, those with the same free text,
        blanks and case apart.
        """
        links = [] if self.group is None else [pd.factorize(self.frame[self.group])[0]]
        if with_texts and not self.is_closed:
            texts = [" ".join(text.split()).casefold() for text in self.responses]
            links.append(pd.factorize(np.array(texts, dtype=object))[0])
        if all(len(np.unique(link[link >= 0])) == (link >= 0).sum() for link in links):
            return np.arange(len(self))
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n, start, rows, nodes = len(self), len(self), [], []
        for link in links:
            rows.append(np.flatnonzero(link >= 0))
            nodes.append(start + link[link >= 0])
            start += int(link.max()) + 1
        edges = np.concatenate(rows), np.concatenate(nodes)
        graph = coo_array((np.ones(len(edges[0])), edges), shape=(start, start))
        labels = connected_components(graph, directed=False)[1][:n]
        return np.asarray(pd.factorize(labels)[0], dtype=np.intp)

    def draw(self, n: int, *, random_state: int = 0) -> NDArray[np.intp]:
        """Draw the indices of `n` records with probability proportional to weight, shape (n,).

        Without survey weights, records are drawn without replacement as long as `n` allows.
        """
        rng = np.random.default_rng(random_state)
        if self.weight is None and n <= len(self):
            return rng.permutation(len(self))[:n]
        return rng.choice(len(self), n, p=self.weights / self.weights.sum())


def context_label(values: Sequence[str]) -> str:
    """Return a context as one text that no other context of the same columns has.

    A value that contains the separator is quoted, if there are several columns.

    Examples
    --------
    >>> context_label(["cook, baker", "Rome"]), context_label(["cook", "baker, Rome"])
    ('"cook, baker", Rome', 'cook, "baker, Rome"')
    >>> context_label(["cook, baker"]), context_label(["old", "north"])
    ('cook, baker', 'old, north')
    """
    if len(values) == 1 or not any(", " in value or value.startswith(QUOTE) for value in values):
        return ", ".join(values)
    quoted = [f'"{value.replace(QUOTE, 2 * QUOTE)}"' for value in values]
    needed = [", " in value or value.startswith(QUOTE) for value in values]
    return ", ".join(
        quote if is_needed else value
        for value, quote, is_needed in zip(values, quoted, needed, strict=True)
    )


def _checked_frame(df: object) -> pd.DataFrame:
    """Return a data frame of any library as a pandas one whose column names are texts."""
    df = pandas_frame(df)
    if not isinstance(df, pd.DataFrame):
        raise DataError(
            f"A population requires a DataFrame, got {type(df).__name__!r}.",
            hint="Create one with pd.DataFrame(...).",
        )
    return text_columns(df)


def _check_columns(df: pd.DataFrame, used: Sequence[str]) -> None:
    for column in used:
        if column not in df.columns:
            raise DataError(
                f"There is no column {column!r}; the columns are {list(df.columns)}.",
                hint=did_you_mean(column, df.columns) or "Use one of these columns.",
            )


def _is_empty(value: object) -> bool:
    return bool(pd.isna(value) is True or not str(value).strip())  # type: ignore[call-overload]


def _check_values(df: pd.DataFrame, used: Sequence[str]) -> None:
    for column in used:
        texts = ["" if pd.isna(value) else str(value) for value in df[column]]
        n_missing = sum(not text.strip() for text in texts)
        if n_missing:
            raise DataError(
                f"The column {column!r} has {n_missing} missing or empty values.",
                hint=f"Drop these rows: df.dropna(subset=[{column!r}]).",
            )
        for row, text in enumerate(texts):
            if has_lone_surrogate(text):
                raise lone_surrogate_error(f"Row {row} of the column {column!r}")


def _check_weights(weights: pd.Series, name: str) -> None:
    values = pd.to_numeric(weights, errors="coerce").to_numpy(dtype=np.float64)
    fault = weight_fault(values)
    if fault:
        raise DataError(
            f"The weight column {name!r} must contain numbers of zero or more: {fault}.",
            hint=f"Check it with df[{name!r}].describe().",
        )


def content_order(population: Population, *, random_state: int = 0) -> NDArray[np.intp]:
    """Return the records in a random order that depends on what they say, shape (n,).

    Another order of the rows, or one more row, leaves the others in the order that they had.

    Examples
    --------
    >>> df = pd.DataFrame({"topic": "tea", "text": ["hot", "mild", "cold"]})
    >>> people = Population.from_frame(df, context="topic", response="text")
    >>> order = [people.responses[i] for i in content_order(people)]
    >>> turned = people.take([2, 1, 0])
    >>> [turned.responses[i] for i in content_order(turned)] == order
    True
    """
    seen: Counter[tuple[tuple[str, ...], str]] = Counter()
    keys = []
    for record in zip(population.context_keys, population.responses, strict=True):
        text = repr((random_state, record, seen[record]))
        seen[record] += 1
        keys.append(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
    return np.argsort(np.array(keys, dtype="S8"), kind="stable")


def check_enough_records(n: int, n_quoted: int = 0) -> None:
    """Raise a DataError if `n`, records with weights above zero, are fewer than 8.

    Personas quote `n_quoted` more, which are not among them.
    """
    if n < MIN_RECORDS:
        quoted = f"; personas quote {n_quoted} more" if n_quoted else ""
        raise DataError(
            f"Need at least {MIN_RECORDS} records to fit, got {n}{quoted}.",
            hint="Add records, or simulate with weights='uniform'.",
        )


def draw_records(
    population: Population,
    n: int,
    *,
    left_out: Sequence[bool] | None = None,
    random_state: int = 0,
) -> NDArray[np.intp]:
    """Draw the indices of up to `n` training records with weights above zero, without replacement.

    All have the same probability: the weights enter the likelihood and must not count twice.
    Records that are `left_out`, (n,), are not drawn: personas quote them.

    Raises
    ------
    DataError
        If fewer than 8 records can be drawn.
    """
    rows = np.flatnonzero(population.weights)
    n_before = len(rows)
    if left_out is not None:
        rows = rows[~np.asarray(left_out, dtype=bool)[rows]]
    check_enough_records(len(rows), n_before - len(rows))
    return np.random.default_rng(random_state).permutation(rows)[:n]
