"""Answers of people to a closed question as arrays, and the folds that hold them out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population, content_order
from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.engine.survey.question import Question

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
N_FOLDS = 5


@dataclass(frozen=True)
class Records:
    """Who answered what.

    Attributes
    ----------
    context : ndarray of int, shape (n,)
        The context of each person: a row of the option table.
    selected : ndarray, shape (n, A)
        1.0 for each option that the person chose.
    weight : ndarray, shape (n,)
        Survey weights, whose sum is the effective sample size.
    unit : ndarray of int, shape (n,)
        The unit (group) of each person, from 0; a unit is held out as a whole.
    """

    context: Indices
    selected: Array
    weight: Array
    unit: Indices

    @classmethod
    def of(cls, population: Population, question: Question, keys: list[tuple[str, ...]]) -> Self:
        """Return the records of a population whose contexts are among `keys`."""
        index = {key: c for c, key in reversed(list(enumerate(keys)))}
        found = {text: question.selected_options(text) for text in set(population.responses)}
        weights = population.weights
        return cls(
            np.array([index[key] for key in population.context_keys], dtype=np.intp),
            np.array([found[text] for text in population.responses], dtype=np.float64),
            weights * (effective_sample_size(weights) / weights.sum()),
            population.units(),
        )

    def __len__(self) -> int:
        return len(self.context)

    def take(self, rows: NDArray[np.bool_] | Indices) -> Self:
        """Return some of the records."""
        return replace(
            self,
            context=self.context[rows],
            selected=self.selected[rows],
            weight=self.weight[rows],
            unit=self.unit[rows],
        )

    def collapsed(self) -> Self:
        """Return one record for each distinct answer in each context, with the summed weight."""
        table = np.column_stack([self.context, self.selected])
        rows, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
        return replace(
            self,
            context=rows[:, 0].astype(np.intp),
            selected=rows[:, 1:],
            weight=np.asarray(
                np.bincount(inverse.ravel(), self.weight, len(rows)), dtype=np.float64
            ),
            unit=self.unit[first],
        )

    def shares(self) -> Array:
        """Return the weighted share of each option, shape (A,)."""
        return np.asarray(np.average(self.selected, axis=0, weights=self.weight))

    def totals(self, n_contexts: int) -> tuple[Array, Array]:
        """Return the weight of each context, (C,), and of its choices of each option, (C, A)."""
        sizes = np.bincount(self.context, self.weight, n_contexts)
        chosen = np.zeros((n_contexts, self.selected.shape[1]))
        np.add.at(chosen, self.context, self.weight[:, None] * self.selected)
        return np.asarray(sizes, dtype=np.float64), chosen


def folds(population: Population, *, n: int = N_FOLDS, random_state: int = 0) -> Indices:
    """Return the fold of each record, shape (n,); it does not depend on the order of the rows.

    Records of one unit share their fold. With fewer than `n` units there are as many folds.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": "old", "drink": ["tea", "milk"] * 10, "person": range(20)})
    >>> people = Population.from_frame(frame, context="age", response="drink", group="person")
    >>> np.bincount(folds(people)).tolist()
    [4, 4, 4, 4, 4]
    """
    units = population.units()
    order = content_order(population, random_state=random_state)
    ranks, _ = pd.factorize(units[order])
    found = np.empty(len(units), dtype=np.intp)
    found[order] = ranks % min(n, int(ranks.max()) + 1)
    return found
