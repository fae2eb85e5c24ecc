"""Subgroups of a population: pairs of a context column and a value."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import group_text
from jupyter_mop.engine.data.population import context_label
from jupyter_mop.engine.survey.question import Group
from jupyter_mop.errors import DataError

EVERYONE: Group = ("", "everyone")
WHOLE = "context"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Subgroups:
    """The subgroups of a population with these contexts.

    A subgroup is a pair of a column and a value of it, so that "Yes" of one column is not "Yes" of
    another. A whole context is one too: its column is the names of all columns.

    Attributes
    ----------
    contexts : pandas.DataFrame
        The C distinct contexts, one column of texts per context column.

    Examples
    --------
    >>> contexts = pd.DataFrame({"smoker": ["Yes", "No"], "drinker": ["No", "No"]})
    >>> groups = Subgroups(contexts)
    >>> groups.members(("smoker", "No")).tolist(), groups.members(("drinker", "No")).tolist()
    ([False, True], [True, True])
    >>> groups.by("context")
    [('', 'everyone'), ('smoker, drinker', 'Yes, No'), ('smoker, drinker', 'No, No')]
    """

    contexts: pd.DataFrame

    @cached_property
    def columns(self) -> list[str]:
        """The context columns."""
        return [str(column) for column in self.contexts.columns]

    @cached_property
    def keys(self) -> list[tuple[str, ...]]:
        """The values of each context, which identify it, length C."""
        rows = self.contexts.itertuples(index=False, name=None)
        return [tuple(map(str, row)) for row in rows]

    @cached_property
    def texts(self) -> list[str]:
        """The values of each context joined, as an encoder reads them, length C."""
        return [", ".join(key) for key in self.keys]

    @cached_property
    def labels(self) -> list[str]:
        """A text for each context that no other one has, length C; see `context_label`."""
        return [context_label(key) for key in self.keys]

    @property
    def whole(self) -> str:
        """The column of whole contexts: all names."""
        return ", ".join(self.columns)

    def by(self, column: str | None = None) -> list[Group]:
        """Return everyone and the subgroups by a column, or by "context" the whole contexts.

        Values that all begin with a number, such as ages, are in its order; others in that of the
        contexts.

        Raises
        ------
        DataError
            For an unknown column.
        """
        if column is None:
            return [EVERYONE]
        if column in self.columns:
            return [EVERYONE, *((column, value) for value in self._distinct(column))]
        if column in (WHOLE, self.whole):
            return [EVERYONE, *((self.whole, label) for label in self.labels)]
        raise DataError(
            f"There is no context column {column!r}; the columns are {self.columns}.",
            hint='Use one of these columns, or "context".',
        )

    def find(self, group: str | Group) -> Group:
        """Return the subgroup that a pair, or a text that only one subgroup has, stands for.

        Raises
        ------
        DataError
            If there is no such subgroup, or there are several.
        """
        if isinstance(group, tuple):
            known = self._named(group)
            if known is None:
                raise self._unknown(group)
            return known
        found = {self.members(pair).tobytes(): pair for pair in reversed(self.meant(group))}
        if not found:
            raise self._unknown(group)
        if len(found) > 1:
            pairs = list(found.values())[::-1]
            raise DataError(
                f"{group!r} is more than one subgroup: {', '.join(map(str, pairs))}.",
                hint=f"Use a pair of column and value, such as {pairs[-1]}.",
            )
        return next(iter(found.values()))

    def members(self, group: Group) -> NDArray[np.bool_]:
        """Return which contexts belong to a subgroup that `find` returned, shape (C,)."""
        if group == EVERYONE:
            return np.ones(len(self.contexts), dtype=bool)
        column, value = group
        values = self._values(column) if column in self.columns else self.labels
        return np.array([text == value for text in values], dtype=bool)

    def _distinct(self, column: str) -> list[str]:
        values = list(dict.fromkeys(self._values(column)))
        found = {value: NUMBER.match(value) for value in values}
        numbers = {value: float(match[0]) for value, match in found.items() if match}
        return sorted(values, key=numbers.__getitem__) if len(numbers) == len(values) else values

    def _values(self, column: str) -> list[str]:
        at = self.columns.index(column)
        return [key[at] for key in self.keys]

    def _named(self, pair: Group) -> Group | None:
        """Return the subgroup that a pair names, or None."""
        column, value = str(pair[0]), group_text(pair[1])
        if (column, value) == EVERYONE:
            return EVERYONE
        if column in self.columns:
            return (column, value) if value in self._values(column) else None
        if column in (WHOLE, self.whole):
            found = [c for c, texts in enumerate(zip(self.labels, self.texts, strict=True))
                     if value in texts]  # fmt: skip
            return (self.whole, self.labels[found[0]]) if len(found) == 1 else None
        return None

    def meant(self, text: str) -> list[Group]:
        """Return the subgroups that a text alone could mean."""
        value = group_text(text)
        pairs = [EVERYONE] if value == EVERYONE[1] else []
        pairs += [(column, value) for column in self.columns if value in self._values(column)]
        if len(self.columns) > 1:
            named = zip(self.labels, self.texts, strict=True)
            pairs += [(self.whole, label) for label, plain in named if value in (label, plain)]
        return pairs

    def _unknown(self, group: str | Group) -> DataError:
        value = group[1] if isinstance(group, tuple) else group
        names = [EVERYONE[1], *self.labels, *(v for key in self.keys for v in key)]
        near = difflib.get_close_matches(group_text(value), names, 1, cutoff=0)
        return DataError(
            f"There is no subgroup {group!r} in the population.",
            hint=f"Did you mean {near[0]!r}?",
        )
