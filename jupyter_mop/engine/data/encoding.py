"""Encode texts, each distinct one once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder, OnStep
from jupyter_mop.engine.metrics.vectors import Vectors


def encode_distinct(encoder: Encoder, texts: Sequence[str]) -> tuple[Vectors, NDArray[np.intp]]:
    """Encode the m different texts, shape (m, d), and say which of them each of the n is, (n,)."""
    codes, distinct = pd.factorize(np.array(texts, dtype=object))
    return encoder.encode([str(text) for text in distinct]).astype(np.float64), codes


def encode_each(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Encode texts of which many are alike, shape (n, d)."""
    vectors, rows = encode_distinct(encoder, texts)
    return vectors[rows]


def some(n: int, size: int, *, random_state: int) -> np.ndarray:
    """Return `size` of n row numbers at random, or all in order where there are no more."""
    if n <= size:
        return np.arange(n)
    return np.random.default_rng(random_state).permutation(n)[:size]


def encoded(
    groups: Sequence[Sequence[str]], encoder: Encoder, on_step: OnStep | None
) -> list[np.ndarray]:
    """Encode all texts in one go, so that the encoder can sort and batch them."""
    flat = [text for group in groups for text in group]
    tick = on_step("embeddings", len(flat)) if on_step else None

    def report(indices: Sequence[int], vectors: np.ndarray) -> None:
        for index, vector in zip(indices, vectors, strict=True):
            if tick:
                tick(index, vector)

    vectors = encoder.encode(flat, on_result=report)
    return np.split(vectors, np.cumsum([len(group) for group in groups])[:-1])
