"""Which components of the mixture the language model is asked about, record by record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.likelihood import Components

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

    Records of one context share the beginnings of their prompts. They take turns through one
    shuffled list, some records at a time, so that every prompt is used for several of them.
    """
    groups: dict[str, list[int]] = {}
    for i, context in enumerate(contexts):
        groups.setdefault(context, []).append(i)
    chosen: list[Flat] = [np.empty(0, np.intp)] * len(contexts)
    for rows in groups.values():
        order = rng.permutation(n_personas * excluded.shape[1])
        for turn, i in enumerate(rows):
            turned = np.roll(order, -(turn // _SHARED) * size)
            chosen[i] = turned[~excluded[i, turned % excluded.shape[1]]][:size]
    return _unflatten(chosen, excluded.shape[1])


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


def log_multiplicity(
    components: Components, certain: Components, *, n_allowed: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the log of how many components each one stands for, shape (P,).

    A certain component stands for itself. The others are a random sample of the rest of the
    `n_allowed` (n,) ones of their record, which makes the truncated sum an unbiased estimate
    of the sum over all components.
    """
    n = len(n_allowed)
    is_certain = _among(components, certain)
    n_certain = np.bincount(certain.record, minlength=n)
    n_sampled = np.bincount(components.record[~is_certain], minlength=n)
    stands_for = (n_allowed - n_certain) / np.maximum(n_sampled, 1)
    return np.log(np.where(is_certain, 1.0, np.maximum(stands_for, 1.0)[components.record]))


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
