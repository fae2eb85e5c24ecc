"""Selection of the components that the language model scores for each record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.exemplars import Exemplar, own_exemplars
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.errors import DataError

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]
MAX_PERSONAS = 16
N_ROUNDS = 2  # in which likely components are selected
_SHARING_RECORDS = 8  # consecutive records with the same components; shared prompts cost a third
_MAX_ROUGH_RECORDS = 1000
_CHUNK = 64


@dataclass(frozen=True)
class Selection:
    """The components to score for some records.

    Attributes
    ----------
    population : Population
        The n records.
    excluded : numpy.ndarray of bool, shape (n, J)
        Exemplars that must not be shown to a record, or are not in the pool of the selection.
    components : Components
        The selected components.
    """

    population: Population
    excluded: Mask
    components: Components


@dataclass(frozen=True)
class RandomSelection(Selection):
    """A random half of the components to score; the likely half is selected from its scores.

    Attributes
    ----------
    n_personas : int
        Number of personas, K.
    size : int
        Components per record in total.
    rough_records : numpy.ndarray
        The records that select the likely half.
    """

    n_personas: int
    size: int
    rough_records: Indices

    @property
    def rounds(self) -> list[int]:
        """The number of likely components per record in each round."""
        parts = np.array_split(np.arange(self.size // 2), N_ROUNDS)
        return [len(part) for part in parts if len(part)]

    @property
    def n_allowed(self) -> Indices:
        """The number of components that are not excluded, per record, shape (n,)."""
        return np.asarray(self.n_personas * (~self.excluded).sum(1))

    @property
    def n_sampled(self) -> Indices:
        """The number of random components per record, shape (n,)."""
        return np.bincount(self.components.record, minlength=len(self.population))


def select_shared(
    population: Population,
    exemplars: Sequence[Exemplar],
    n_personas: int,
    *,
    n_exemplars: int,
    random_state: int = 0,
) -> Selection:
    """Select every persona with the same `n_exemplars` random exemplars for each record.

    Raises
    ------
    DataError
        If a record would have no exemplar but itself.
    """
    rng = np.random.default_rng(random_state)
    pool = rng.permutation(len(exemplars))[:n_exemplars]
    excluded = own_exemplars(population, exemplars)
    excluded[:, np.setdiff1d(np.arange(len(exemplars)), pool)] = True
    _check_exemplars_left(excluded)
    return Selection(population, excluded, all_components(excluded, n_personas))


def select_random(
    population: Population,
    exemplars: Sequence[Exemplar],
    n_personas: int,
    *,
    size: int,
    random_state: int = 0,
) -> RandomSelection:
    """Select random components, half of the `size` components to score per record.

    Raises
    ------
    DataError
        If a record would have no exemplar but itself.
    """
    excluded = own_exemplars(population, exemplars)
    _check_exemplars_left(excluded)
    rng = np.random.default_rng(random_state)
    components = random_components(
        excluded, n_personas, size=size - size // 2, contexts=population.contexts, rng=rng
    )
    rough_records = np.sort(rng.permutation(len(population))[:_MAX_ROUGH_RECORDS])
    return RandomSelection(population, excluded, components, n_personas, size, rough_records)


def _check_exemplars_left(excluded: Mask) -> None:
    if excluded.all(1).any():
        raise DataError(
            "A record's own response is the only exemplar available for it.",
            hint="Use more exemplars (`n_exemplars`), or more distinct responses.",
        )


def all_components(excluded: Mask, n_personas: int) -> Components:
    """Return all components except those of excluded exemplars; `excluded` has shape (n, J).

    Examples
    --------
    >>> len(all_components(np.array([[True, False], [False, False]]), n_personas=3))
    9
    """
    pool = np.flatnonzero(~excluded.all(0))
    allowed = np.repeat(~excluded[:, None, pool], n_personas, axis=1)
    record, persona, column = np.nonzero(allowed)
    return Components(record, persona, pool[column])


def random_components(
    excluded: Mask,
    n_personas: int,
    *,
    size: int,
    contexts: Sequence[str],
    rng: np.random.Generator,
) -> Components:
    """Draw `size` random components of each record, each component about equally often.

    For each record the counts of the personas differ by at most one. Otherwise the personas would
    depend on chance, and the logarithm of such a noisy sum favours strong personas. Records are
    grouped by context and take components from one shuffled list in rotation. Consecutive records
    get the same components, since shared prompts cost less.
    """
    n, n_pool = excluded.shape
    order = _shuffled(n_personas, n_pool, rng)
    n_excluded = n_personas * excluded.sum(1)
    by_context = np.argsort(pd.factorize(np.array(contexts, dtype=object))[0], kind="stable")
    selected: list[Indices] = [np.empty(0, np.intp)] * n
    for position, i in enumerate(by_context):
        offset = position // _SHARING_RECORDS * size
        places = np.arange(min(len(order), size + n_excluded[i])) + offset
        candidates = order[places % len(order)]
        selected[i] = candidates[~excluded[i, candidates % n_pool]][:size]
    return _unflatten(selected, n_pool)


def _shuffled(n_personas: int, n_pool: int, rng: np.random.Generator) -> Indices:
    """Return all components in random order, in rounds with each persona once per round."""
    shape = n_pool, n_personas
    personas = rng.permuted(np.broadcast_to(np.arange(n_personas), shape), axis=1)
    exemplars = rng.permuted(np.broadcast_to(np.arange(n_pool)[:, None], shape), axis=0)
    order: Indices = personas * n_pool + np.take_along_axis(exemplars, personas, axis=1)
    return order.ravel()


def top_components(
    excluded: Mask, gate: Gate, *, size: int, contexts: NDArray[np.float64]
) -> Components:
    """Return the `size` components of each record with the largest weights.

    Only the `MAX_PERSONAS` personas with the largest weights in a context are considered.
    """
    n_pool = excluded.shape[1]
    selected: list[Indices] = [np.empty(0, np.intp)] * len(excluded)
    codes = pd.factorize(np.array([context.tobytes() for context in contexts], dtype=object))[0]
    order = np.argsort(codes, kind="stable")
    log_pi, softmax = gate.persona_log_weights(contexts), gate.exemplar_softmax(contexts)
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        personas = np.argsort(-log_pi[rows[0]], kind="stable")[:MAX_PERSONAS]
        log_weights = softmax.log_weights(rows[0], personas)
        log_weights += log_pi[rows[0], personas, None].astype(log_weights.dtype)
        n_excluded = len(personas) * int(excluded[rows].sum(1).max())
        position, exemplar = np.divmod(_largest(log_weights.ravel(), size + n_excluded), n_pool)
        for i in rows:
            allowed = np.flatnonzero(~excluded[i, exemplar])[:size]
            selected[i] = personas[position[allowed]] * n_pool + exemplar[allowed]
    return _unflatten(selected, n_pool)


def _largest(values: NDArray[Any], n: int) -> Indices:
    """Return the indices of the `n` largest values, largest first; ties keep their order."""
    if n >= len(values):
        return np.argsort(-values, kind="stable")
    threshold = values.max() if n == 0 else np.partition(_chunk_maxima(values, n), -n)[-n]
    above = np.flatnonzero(values >= threshold)
    return above[np.argsort(-values[above], kind="stable")[:n]]


def _chunk_maxima(values: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the maxima of chunks of values if there are at least 4 n, otherwise all values."""
    whole = len(values) // _CHUNK * _CHUNK
    return values[:whole].reshape(-1, _CHUNK).max(1) if whole >= 4 * n * _CHUNK else values


def without(components: Components, others: Components) -> Components:
    """Return the components that are not among `others`."""
    new = ~_among(components, others)
    return Components(*(array[new] for array in components.arrays))


def until_new(components: Components, others: Components, *, n: int) -> Components:
    """Return each record's first components, up to the `n`-th that is not among `others`."""
    new = ~_among(components, others)
    before: Indices = np.cumsum(new) - new
    starts = np.searchsorted(components.record, components.record)
    first = before - before[starts] < n
    return Components(*(array[first] for array in components.arrays))


def union(components: Components, others: Components) -> Components:
    """Return the components of both without duplicates, sorted by record."""
    new = without(others, components)
    pairs = zip(components.arrays, new.arrays, strict=True)
    record, persona, exemplar = (np.concatenate(pair) for pair in pairs)
    order = np.argsort(record, kind="stable")
    return Components(record[order], persona[order], exemplar[order])


def log_multiplicity(
    components: Components,
    certain: Components,
    *,
    n_allowed: NDArray[np.intp],
    n_sampled: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the log of the number of components that each one represents, shape (P,).

    A component among `certain` represents itself. Of the others, `n_sampled` (n,) random ones
    were drawn from the `n_allowed` (n,) components of their record. Weighted by the inverse of
    their probability (Horvitz and Thompson 1952), they make the truncated sum an unbiased estimate
    of the sum over all components.
    """
    log_inverse_probability = np.log(n_allowed / n_sampled)[components.record]
    return np.where(_among(components, certain), 0.0, log_inverse_probability)


def _among(components: Components, others: Components) -> Mask:
    """Return which components are among `others`, shape (P,)."""
    shape = [
        1 + max(a.max(initial=0), b.max(initial=0))
        for a, b in zip(components.arrays, others.arrays, strict=True)
    ]
    return np.isin(
        np.ravel_multi_index(components.arrays, shape), np.ravel_multi_index(others.arrays, shape)
    )


def _unflatten(selected: Sequence[Indices], n_exemplars: int) -> Components:
    """Return the components with the flat (persona, exemplar) indices of each record."""
    record = np.repeat(np.arange(len(selected)), [len(flat) for flat in selected])
    persona, exemplar = np.divmod(np.concatenate(selected), n_exemplars)
    return Components(record, persona, exemplar)
