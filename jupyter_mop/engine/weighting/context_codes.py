"""The context of each real and simulated response as a code, small groups pooled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population, context_label
from jupyter_mop.engine.metrics.vectors import Indices, Vectors, effective_sample_size
from jupyter_mop.engine.simulation.simulation import CONTEXT, Simulation
from jupyter_mop.errors import DataError

WHOLE = "context"
OTHER = "other contexts"
QUOTED = re.compile(r'"((?:[^"]|"")*)"(?:, |$)')


@dataclass(frozen=True, eq=False)
class ContextCodes:
    """The groups of contexts, and the group of each response.

    Attributes
    ----------
    names : tuple of str
        The G groups; the last one is `OTHER` where small groups are pooled and large enough.
    target : ndarray of int, shape (N,)
        The group of each real response; -1 where its group and the pool are too small.
    simulated : dict of str to ndarray of int
        The same for the responses of each method.
    pooled : tuple of str
        The groups that are too small.
    left_out : bool
        Whether these are too small together, too.
    """

    names: tuple[str, ...]
    target: Indices
    simulated: dict[str, Indices]
    pooled: tuple[str, ...] = ()
    left_out: bool = False

    @classmethod
    def of(
        cls,
        target: Sequence[str],
        simulated: Mapping[str, Sequence[str]],
        *,
        weights: Mapping[str | None, Vectors | None] | None = None,
        min_real: int,
        min_simulated: int = 0,
    ) -> ContextCodes:
        """Code the groups, and pool those with too few effective responses on a side.

        Parameters
        ----------
        target : sequence of str
            The group of each real response.
        simulated : mapping of str to sequence of str
            The group of each response of each method. A group without people is pooled.
        weights : mapping, optional
            The weights of each method's responses by its name, those of the real ones under None.
        min_real, min_simulated : int
            Smallest effective number of real responses, and of responses of each method.

        Examples
        --------
        >>> codes = ContextCodes.of(["a"] * 4 + ["b"] * 4 + ["c", "d"], {}, min_real=2)
        >>> codes.names, codes.target.tolist(), codes.pooled
        (('a', 'b', 'other contexts'), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2], ('c', 'd'))
        """
        known, weights = list(dict.fromkeys(target)), weights or {}
        real = _codes(target, known)
        sides = {name: _codes(labels, known) for name, labels in simulated.items()}
        least: dict[str | None, int] = {None: min_real, **dict.fromkeys(sides, min_simulated)}

        def is_large(codes: Iterable[int]) -> bool:
            members = {
                name: np.isin(side, list(codes)) for name, side in (*sides.items(), (None, real))
            }
            return all(
                _size(rows, weights.get(name)) >= least[name] for name, rows in members.items()
            )

        large = [k for k in range(len(known)) if is_large([k])]
        small = [k for k in range(len(known)) if k not in large]
        has_pool = bool(small) and is_large([-1, *small])
        place = np.full(len(known) + 1, len(large) if has_pool else -1)
        place[large] = np.arange(len(large))
        return cls(
            (*(known[k] for k in large), *([OTHER] if has_pool else [])),
            place[real],
            {name: place[side] for name, side in sides.items()},
            tuple(known[k] for k in small),
            left_out=bool(small) and not has_pool,
        )

    def largest(self, n: int) -> ContextCodes:
        """Return the same codes with all groups but the `n` with most real responses pooled.

        Examples
        --------
        >>> codes = ContextCodes.of(["a"] * 4 + ["b"] * 3 + ["c"] * 5, {}, min_real=2).largest(1)
        >>> codes.names, codes.target.tolist()
        (('c', 'other contexts'), [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
        """
        counts = np.bincount(self.target[self.target >= 0], minlength=len(self.names))
        kept = np.sort(np.argsort(-counts[: self.n_own], kind="stable")[:n])
        place = np.full(len(self.names) + 1, len(kept))
        place[kept], place[-1] = np.arange(len(kept)), -1
        return ContextCodes(
            (*(self.names[k] for k in kept), OTHER),
            place[self.target],
            {name: place[side] for name, side in self.simulated.items()},
            self.pooled,
            self.left_out,
        )

    @property
    def n_own(self) -> int:
        """The number of groups that are not the pool."""
        return len(self.names) - (OTHER in self.names[-1:])


def without_contexts(target: object, simulations: Mapping[str, object]) -> list[str]:
    """Return the names of the sides that are plain texts, which have no contexts."""
    sides = {"the real responses": target, **simulations}
    return [name for name, side in sides.items() if not isinstance(side, Population | Simulation)]


def labels_by(
    source: Population | Simulation, columns: Sequence[str], by: Sequence[str]
) -> list[str]:
    """Return the group of each response: its values in the columns `by`, as one text.

    Parameters
    ----------
    source : Population or Simulation
        The responses.
    columns : sequence of str
        The population's context columns.
    by : sequence of str
        Some of these columns.

    Raises
    ------
    DataError
        If a simulation's contexts do not have these columns.
    """
    contexts = (
        source.context_labels if isinstance(source, Population) else list(source.frame[CONTEXT])
    )
    at = [list(columns).index(name) for name in by]
    if at == list(range(len(columns))):
        return [str(context) for context in contexts]
    shared = {context: _part(str(context), len(columns), at) for context in set(contexts)}
    return [shared[context] for context in contexts]


def checked_columns(columns: Sequence[str], by: str | Sequence[str]) -> list[str]:
    """Return the context columns that `by` names; "context" stands for all of them.

    Raises
    ------
    DataError
        For an unknown column, or none.

    Examples
    --------
    >>> checked_columns(["rating", "condition"], "context")
    ['rating', 'condition']
    """
    names = [by] if isinstance(by, str) else list(by)
    if names == [WHOLE] and WHOLE not in columns:
        return list(columns)
    unknown = [name for name in names if name not in columns]
    if unknown or not names:
        named = f"no context column {unknown[0]!r}" if unknown else "no column in `by`"
        raise DataError(
            f"There is {named}; the columns are {list(columns)}.",
            hint='Use one or more of these columns, or "context".',
        )
    return [name for name in columns if name in names]


def context_values(label: str, n_columns: int) -> list[str]:
    """Return the values that `context_label` joined.

    Examples
    --------
    >>> context_values('"cook, baker", Rome', 2), context_values("old, north", 2)
    (['cook, baker', 'Rome'], ['old', 'north'])
    """
    if n_columns == 1:
        return [label]
    values, rest = [], label
    for _ in range(n_columns):
        quoted = QUOTED.match(rest)
        value, _mark, after = rest.partition(", ")
        values.append(quoted[1].replace('""', '"') if quoted else value)
        rest = rest[quoted.end() :] if quoted else after
    return [*values, rest] if rest else values


def _part(label: str, n_columns: int, at: Sequence[int]) -> str:
    values = context_values(label, n_columns)
    if len(values) != n_columns or not all(values):
        raise DataError(
            f"The context {label[:60]!r} of a simulation does not have the {n_columns} columns of "
            "the population.",
            hint="Simulate with this population.",
        )
    return context_label([values[i] for i in at])


def _codes(labels: Sequence[str], known: Sequence[str]) -> Indices:
    place = {label: k for k, label in enumerate(known)}
    return np.array([place.get(label, -1) for label in labels], dtype=np.intp)


def _size(rows: NDArray[np.bool_], weights: Vectors | None) -> float:
    if weights is None:
        return float(rows.sum())
    part = weights[rows]
    return effective_sample_size(part) if part.any() else 0.0
