"""Shares of labels, words and options within each persona's responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.vectors import Indices, Vectors
from jupyter_mop.errors import DataError

MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class ClosedQuestion:
    """The options of a closed question, and whether they are an ordered scale."""

    options: tuple[str, ...]
    ordered: bool = False


@dataclass(frozen=True)
class OptionShares:
    """Shares of the options of a closed question, of the target and of each persona.

    Attributes
    ----------
    options : tuple of str
        The `A` options.
    ordered : bool
        Whether they are an ordered scale.
    target, personas : ndarray, shapes (A,) and (K, A)
        Shares of the real responses and of each persona's.
    exact : bool
        Whether the personas' shares are the probabilities that the responses were drawn with,
        not counts of responses.
    """

    options: tuple[str, ...]
    ordered: bool
    target: Vectors
    personas: Vectors
    exact: bool = False

    def shares(self, weights: Vectors) -> Vectors:
        """Return the share of each option at these cell shares (N,), shape (A,)."""
        return np.asarray(weights @ self.personas)


def sum_by_persona(codes: Indices, values: Vectors, n_personas: int) -> Vectors:
    """Return the sum of the values of each persona, shape (K,)."""
    return np.asarray(np.bincount(codes, values, n_personas), dtype=np.float64)


def shares_within_persona(codes: Indices, weights: Vectors, n_personas: int) -> Vectors:
    """Return the share of each response among those of its persona, shape (n,)."""
    totals = sum_by_persona(codes, weights, n_personas)[codes]
    return np.divide(weights, totals, out=np.zeros(len(weights)), where=totals > 0)


def label_shares(labels: Indices, n_labels: int, weights: Vectors) -> Vectors:
    """Return the share of each label, shape (n_labels,), under weights that sum to 1."""
    return np.asarray(np.bincount(labels, weights, n_labels), dtype=np.float64)


def label_shares_by_persona(
    codes: Indices, labels: Indices, shares: Vectors, shape: tuple[int, int]
) -> Vectors:
    """Return the share of each label within each persona, of this shape (K, n_labels)."""
    n_personas, n_labels = shape
    return sum_by_persona(codes * n_labels + labels, shares, n_personas * n_labels).reshape(shape)


def n_words(texts: Sequence[str]) -> Indices:
    """Return the number of words of each text, at most 200."""
    return np.array([min(len(text.split()), MAX_WORDS) for text in texts], dtype=np.intp)


def count_options(
    real: Sequence[str],
    simulated: Sequence[str],
    codes: Indices,
    shares: Vectors,
    *,
    n_personas: int,
    question: ClosedQuestion,
    real_shares: Vectors,
) -> OptionShares:
    """Count the answers to a closed question.

    Parameters
    ----------
    real, simulated : sequence of str
        The n real and m simulated answers.
    codes : ndarray of int, shape (m,)
        The persona of each simulated answer.
    shares : ndarray, shape (m,)
        The share of each simulated answer among those of its persona.
    n_personas : int
        The number of personas, K.
    question : ClosedQuestion
        The options.
    real_shares : ndarray, shape (n,)
        Survey weights of the real answers, summing to 1.

    Raises
    ------
    DataError
        If an answer is not one of the options.

    Examples
    --------
    >>> question = ClosedQuestion(("yes", "no"))
    >>> codes, even = np.array([0, 1]), np.ones(2)
    >>> found = count_options(["yes"], ["no", "yes"], codes, even, n_personas=2, question=question,
    ...                       real_shares=np.ones(1))
    >>> found.personas.tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    index = {option: a for a, option in enumerate(question.options)}
    unknown = next((text for text in [*real, *simulated] if text not in index), None)
    if unknown is not None:
        raise DataError(
            f"The answer {unknown[:60]!r} is none of the options {list(question.options)}.",
            hint="List every option, or leave the options out for free text.",
        )
    target, labels = (np.array([index[text] for text in side]) for side in (real, simulated))
    shape = (n_personas, len(question.options))
    return OptionShares(
        question.options,
        question.ordered,
        label_shares(target, shape[1], real_shares),
        label_shares_by_persona(codes, labels, shares, shape),
    )
