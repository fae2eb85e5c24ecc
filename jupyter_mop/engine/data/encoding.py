"""Encode texts, each distinct text once, with progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder, OnStep
from jupyter_mop.engine.metrics.vectors import Vectors, WeightedVectors, checked_weights


def encode_distinct(encoder: Encoder, texts: Sequence[str]) -> tuple[Vectors, NDArray[np.intp]]:
    """Encode the m distinct texts.

    Returns
    -------
    vectors : ndarray, shape (m, d)
        Unit vectors of the distinct texts.
    rows : ndarray, shape (n,)
        The row of `vectors` for each text.
    """
    rows, distinct = pd.factorize(np.array(texts, dtype=object))
    return encoder.encode([str(text) for text in distinct]).astype(np.float64), rows


def encode_each(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Encode n texts, many of them repeated, shape (n, d)."""
    vectors, rows = encode_distinct(encoder, texts)
    return vectors[rows]


def encode_with_progress(
    encoder: Encoder, texts: Sequence[str], on_step: OnStep | None, *, step: str = "embeddings"
) -> NDArray[np.float32]:
    """Encode n texts and report each vector to the progress step `step`, shape (n, d)."""
    tick = on_step(step, len(texts)) if on_step else None

    def report(indices: Sequence[int], vectors: NDArray[np.float32]) -> None:
        for index, vector in zip(indices, vectors, strict=True):
            if tick:
                tick(index, vector)

    return encoder.encode(texts, on_result=report)


def encode_groups(
    groups: Sequence[Sequence[str]], encoder: Encoder, on_step: OnStep | None
) -> list[NDArray[Any]]:
    """Encode groups of texts in one call, so that the encoder can sort and batch them all."""
    texts = [text for group in groups for text in group]
    vectors = encode_with_progress(encoder, texts, on_step)
    return np.split(vectors, np.cumsum([len(group) for group in groups])[:-1])


def sample_rows(
    n: int, size: int, *, random_state: int, weights: Vectors | None = None
) -> NDArray[np.intp]:
    """Return `size` of n row numbers in random order, or all n in order if `size` >= n.

    With `weights`, shape (n,), rows are drawn in proportion to them, without replacement.

    Examples
    --------
    >>> sample_rows(3, 5, random_state=0)
    array([0, 1, 2])
    """
    if n <= size:
        return np.arange(n)
    rng = np.random.default_rng(random_state)
    if weights is None:
        return rng.permutation(n)[:size]
    return rng.choice(n, size, replace=False, p=checked_weights(weights, n))


def shown_rows(side: WeightedVectors, *, random_state: int) -> NDArray[np.intp]:
    """Return the rows of a map on which each dot stands for as many people: all, or a sample.

    With weights, as many rows as the effective sample size are drawn in proportion to them.
    """
    if side.weights is None:
        return np.arange(len(side))
    size = max(1, round(side.effective_size))
    return np.sort(sample_rows(len(side), size, random_state=random_state, weights=side.weights))
