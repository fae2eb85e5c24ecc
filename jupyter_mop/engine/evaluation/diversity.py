"""Diversity of responses: Vendi score and distinct-n."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jupyter_mop.engine.metrics.vectors import Vectors, checked, checked_weights, unit
from jupyter_mop.errors import DataError

TINY = 1e-12


def vendi_score(vectors: Vectors, *, weights: Vectors | None = None) -> float:
    """Return the Vendi score, the effective number of different responses.

    It is the exponential of the entropy of the eigenvalues of the cosine kernel divided by n: 1 for
    identical responses, n for orthogonal ones.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        One row per response; only directions matter.
    weights : ndarray, shape (n,), optional
        Weights of the responses; equal by default.

    Raises
    ------
    DataError
        If the vectors or the weights cannot be used.

    Notes
    -----
    Friedman and Dieng (2023), *The Vendi Score*, TMLR. It grows with n: compare equal numbers.

    Examples
    --------
    >>> round(vendi_score(np.eye(4)), 6), round(vendi_score(np.ones((4, 2))), 6)
    (4.0, 1.0)
    """
    rows = unit(checked(vectors, at_least=1))
    rows = rows * np.sqrt(checked_weights(weights, len(rows)))[:, None]
    kernel = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    shares = np.linalg.eigvalsh(kernel)
    shares = shares[shares > TINY]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Return distinct-n, the number of different n-grams divided by the number of n-grams.

    Parameters
    ----------
    texts : sequence of str
        Responses; an n-gram does not cross from one to the next.
    n : int
        Words in an n-gram.

    Returns
    -------
    float
        In (0, 1]; 0 where no text has `n` words.

    Raises
    ------
    DataError
        If `n` is below 1.

    Notes
    -----
    Li, Galley, Brockett, Gao and Dolan (2016), NAACL. It falls with the number of texts: compare
    equal numbers.

    Examples
    --------
    >>> distinct_n(["good film", "Good film!"], 1)
    0.5
    """
    if n < 1:
        raise DataError(f"`n` must be at least 1, got {n}.", hint="Use n=1 or n=2.")
    found = [ngram for text in texts for ngram in ngrams(words(text), n)]
    return len(set(found)) / len(found) if found else 0.0


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation around them.

    Examples
    --------
    >>> words("It's GOOD, really.")
    ["it's", 'good', 'really']
    """
    cleaned = (word.strip(".,;:!?\"'()[]{}*_-–—…“”‘’«»") for word in text.lower().split())  # noqa: RUF001
    return [word for word in cleaned if word]


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return all sequences of `n` consecutive words.

    Examples
    --------
    >>> ngrams(["a", "b", "c"], 2)
    [('a', 'b'), ('b', 'c')]
    """
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
