"""Which components of the mixture the language model is asked about, record by record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.likelihood import Components

Mask = NDArray[np.bool_]
Flat = NDArray[np.intp]
_SHARED = 8  # records that share a prompt: scoring them together costs a third


def all_components(excluded: Mask, n_personas: int) -> Components:
    """Return every component but those of excluded exemplars; `excluded` has shape (n, J).

    Examples
    --------
    >>> len(all_components(np.array([[True, False], [False, False]]), n_personas=3))
    9
    """
    allowed = np.repeat(~excluded[:, None, :], n_personas, axis=1)
    return Components(*np.nonzero(allowed))


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
    """Pick the `size` components of each record that the gate weighs most."""
    personas = np.arange(len(gate.personas))
    chosen = []
    for context, out in zip(contexts, excluded, strict=True):
        here = np.repeat(context[None], len(personas), axis=0)
        log_weights = gate.exemplar_log_weights(here, personas)
        log_weights += gate.persona_log_weights(context[None]).T
        ranked = np.where(out, -np.inf, log_weights).ravel()
        best = np.argsort(-ranked)[:size]
        chosen.append(best[np.isfinite(ranked[best])])
    return _unflatten(chosen, excluded.shape[1])


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
