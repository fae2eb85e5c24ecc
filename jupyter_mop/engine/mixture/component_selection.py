"""Selection of the components that the language model scores for each record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.exemplars import Exemplar, own_exemplars
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.errors import DataError

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]
BLOCK_RECORDS = 16  # records with the same components; they share prompts, which cost a third
MIN_EXEMPLARS = 2  # per record, since a record's own response is never shown


@dataclass(frozen=True)
class Selection:
    """The components to score for some records.

    Attributes
    ----------
    population : Population
        The n records, in blocks.
    excluded : numpy.ndarray of bool, shape (n, J)
        Exemplars that must not be shown to a record, or are not among those of its block.
    components : Components
        The selected components.
    rows : numpy.ndarray, shape (n,)
        Position of each record among those that were given.
    log_multiplicity : float
        Log of the number of personas that each selected one stands for.
    """

    population: Population
    excluded: Mask
    components: Components
    rows: Indices
    log_multiplicity: float = 0.0


def select_all(population: Population, exemplars: Sequence[Exemplar], n_personas: int) -> Selection:
    """Select every component of each record, in the order of the records.

    Raises
    ------
    DataError
        If a record would have no exemplar but itself.
    """
    excluded = own_exemplars(population, exemplars)
    _check_exemplars_left(excluded)
    everything = _all_components(excluded, n_personas)
    return Selection(population, excluded, everything, np.arange(len(population)))


def select_components(
    population: Population,
    exemplars: Sequence[Exemplar],
    n_personas: int,
    *,
    size: int,
    random_state: int = 0,
) -> Selection:
    """Select about `size` components of each record, or all if there are no more.

    Records are divided into blocks of similar contexts. All records of a block have the same
    components: every persona with the same few exemplars, which are taken from a shuffled pool in
    rotation. The likelihood of a record is then that of a mixture whose pool is these exemplars.
    If there are more personas than `size` allows with two exemplars each, a block has some of the
    personas, in rotation, and each stands for several.

    Raises
    ------
    DataError
        If a record would have no exemplar but itself.
    """
    n_pool = len(exemplars)
    if n_personas * n_pool <= size:
        return select_all(population, exemplars, n_personas)
    order, blocks = _blocks(population.contexts)
    population = population.take(order.tolist())
    excluded = own_exemplars(population, exemplars)
    n_shown = min(n_personas, max(1, size // MIN_EXEMPLARS))
    n_exemplars = min(n_pool, max(MIN_EXEMPLARS, size // n_shown))
    rng = np.random.default_rng(random_state)
    pool, personas = rng.permutation(n_pool), rng.permutation(n_personas)
    shown = np.zeros((len(population), n_personas), dtype=bool)
    for b, rows in enumerate(blocks):
        others = np.setdiff1d(np.arange(n_pool), _turn(pool, b, n_exemplars))
        excluded[np.ix_(rows, others)] = True
        shown[np.ix_(rows, _turn(personas, b, n_shown))] = True
    _check_exemplars_left(excluded)
    components = _all_components(excluded, n_personas)
    kept = shown[components.record, components.persona]
    return Selection(
        population,
        excluded,
        Components(*(array[kept] for array in components.arrays)),
        order,
        float(np.log(n_personas / n_shown)),
    )


def _blocks(contexts: Sequence[str]) -> tuple[Indices, list[Indices]]:
    """Return the records by context, and positions in that order in blocks of about equal size."""
    order = np.argsort(pd.factorize(np.array(contexts, dtype=object))[0], kind="stable")
    return order, np.array_split(np.arange(len(order)), -(-len(order) // BLOCK_RECORDS))


def _turn(values: Indices, turn: int, n: int) -> Indices:
    """Return the `n` values whose turn it is."""
    return values[(turn * n + np.arange(n)) % len(values)]


def _check_exemplars_left(excluded: Mask) -> None:
    if excluded.all(1).any():
        raise DataError(
            "A record's own response is the only exemplar available for it.",
            hint="Use more exemplars (`n_exemplars`), or more distinct responses.",
        )


def _all_components(excluded: Mask, n_personas: int) -> Components:
    """Return all components but those of excluded exemplars, by record; `excluded` is (n, J)."""
    record, exemplar = np.nonzero(~excluded)
    return Components(
        np.repeat(record, n_personas),
        np.tile(np.arange(n_personas), len(record)),
        np.repeat(exemplar, n_personas),
    )
