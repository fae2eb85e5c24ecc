"""Which components of the mixture the language model is asked about, record by record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.engine.gate.gate import Gate

Mask = NDArray[np.bool_]
Flat = NDArray[np.intp]
MOST_PERSONAS = 16
_SHARED = 8  # records that share a prompt: scoring them together costs a third


def all_components(excluded: Mask, n_personas: int) -> Components:
    """Return every component but those of excluded exemplars; `excluded` has shape (n, J).

    Examples
    --------
    >>> len(all_components(np.array([[True, False], [False, False]]), n_personas=3))
    9
    """
    pool = np.flatnonzero(~excluded.all(0))
    allowed = np.repeat(~excluded[:, None, pool], n_personas, axis=1)
    record, persona, place = np.nonzero(allowed)
    return Components(record, persona, pool[place])


def random_components(
    excluded: Mask,
    n_personas: int,
    *,
    size: int,
    contexts: Sequence[str],
    rng: np.random.Generator,
) -> Components:
    """Pick `size` components of each record at random, each component about equally often.

    Every persona is asked as often as any other, to within one: which of them speaks for a record
    would otherwise depend on chance, and the logarithm of so rough a sum makes strong personas
    stronger. The records, one context after the other, take turns through one shuffled list, some
    at a time, since prompts that begin alike cost less.
    """
    n, n_pool = excluded.shape
    order = _shuffled(n_personas, n_pool, rng)
    n_hidden = n_personas * excluded.sum(1)
    by_context = np.argsort(pd.factorize(np.array(contexts, dtype=object))[0], kind="stable")
    chosen: list[Flat] = [np.empty(0, np.intp)] * n
    for turn, i in enumerate(by_context):
        seen = np.arange(min(len(order), size + n_hidden[i])) + turn // _SHARED * size
        turned = order[seen % len(order)]
        chosen[i] = turned[~excluded[i, turned % n_pool]][:size]
    return _unflatten(chosen, n_pool)


def _shuffled(n_personas: int, n_pool: int, rng: np.random.Generator) -> Flat:
    """Return all components in random order: every persona once, then every one again."""
    shape = n_pool, n_personas
    personas = rng.permuted(np.broadcast_to(np.arange(n_personas), shape), axis=1)
    exemplars = rng.permuted(np.broadcast_to(np.arange(n_pool)[:, None], shape), axis=0)
    order: Flat = personas * n_pool + np.take_along_axis(exemplars, personas, axis=1)
    return order.ravel()


def top_components(
    excluded: Mask, gate: Gate, *, size: int, contexts: NDArray[np.float64]
) -> Components:
    """Pick the `size` components of each record that the gate weighs most.

    Of many personas, only the `MOST_PERSONAS` that it weighs most in that context are looked at.
    """
    n_pool = excluded.shape[1]
    chosen: list[Flat] = [np.empty(0, np.intp)] * len(excluded)
    codes = pd.factorize(np.array([context.tobytes() for context in contexts], dtype=object))[0]
    order = np.argsort(codes, kind="stable")
    level_1, level_2 = gate.persona_log_weights(contexts), gate.level_2(contexts)
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        personas = np.argsort(-level_1[rows[0]], kind="stable")[:MOST_PERSONAS]
        log_weights = level_2.log_weights(rows[0], personas)
        log_weights += level_1[rows[0], personas, None].astype(log_weights.dtype)
        n_hidden = len(personas) * int(excluded[rows].sum(1).max())
        place, exemplar = np.divmod(_largest(log_weights.ravel(), size + n_hidden), n_pool)
        for i in rows:
            allowed = np.flatnonzero(~excluded[i, exemplar])[:size]
            chosen[i] = personas[place[allowed]] * n_pool + exemplar[allowed]
    return _unflatten(chosen, n_pool)


def _largest(values: NDArray[Any], n: int) -> Flat:
    """Return where the `n` largest values are, largest first, equal ones in their order."""
    if n >= len(values):
        return np.argsort(-values, kind="stable")
    least = values.max() if n == 0 else np.partition(_best_of_some(values, n), -n)[-n]
    kept = np.flatnonzero(values >= least)
    return kept[np.argsort(-values[kept], kind="stable")[:n]]


def _best_of_some(values: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the largest of every few values where that leaves enough of them to find n."""
    few = 64
    whole = len(values) // few * few
    return values[:whole].reshape(-1, few).max(1) if whole >= 4 * n * few else values


def without(components: Components, others: Components) -> Components:
    """Return the components that are not among `others`."""
    new = ~_among(components, others)
    return Components(components.record[new], components.persona[new], components.exemplar[new])


def until_new(components: Components, others: Components, *, n: int) -> Components:
    """Return each record's first components, as far as `n` of them are not among `others`."""
    new = ~_among(components, others)
    before: Flat = np.cumsum(new) - new
    starts = np.searchsorted(components.record, components.record)
    kept = before - before[starts] < n
    return Components(components.record[kept], components.persona[kept], components.exemplar[kept])


def union(components: Components, others: Components) -> Components:
    """Return the components of both, each once, sorted by record."""
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
    """Return the log of how many components each one stands for, shape (P,).

    A certain component stands for itself. The others are those of `n_sampled` (n,) random ones
    among the `n_allowed` (n,) of their record that are not certain as well: weighted by how
    rarely one is drawn (Horvitz and Thompson 1952), they make the truncated sum an unbiased
    estimate of the sum over all components.
    """
    stands_for = np.log(n_allowed / n_sampled)[components.record]
    return np.where(_among(components, certain), 0.0, stands_for)


def _among(components: Components, others: Components) -> Mask:
    wide = [
        1 + max(a.max(initial=0), b.max(initial=0))
        for a, b in zip(components.arrays, others.arrays, strict=True)
    ]
    return np.isin(
        np.ravel_multi_index(components.arrays, wide), np.ravel_multi_index(others.arrays, wide)
    )


def _unflatten(chosen: Sequence[Flat], n_exemplars: int) -> Components:
    record = np.repeat(np.arange(len(chosen)), [len(flat) for flat in chosen])
    persona, exemplar = np.divmod(np.concatenate(chosen), n_exemplars)
    return Components(record, persona, exemplar)
