"""How different responses are from each other: Vendi score and distinct n-grams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jupyter_mop.engine.metrics.vectors import Vectors, checked, checked_weights, unit
from jupyter_mop.errors import DataError

TINY = 1e-12


def vendi_score(vectors: Vectors, *, weights: Vectors | None = None) -> float:
    """Return as many wholly different responses as these are as diverse as.

    The exponential of the entropy of the eigenvalues of the kernel of cosines, divided by n:
    1 where all are alike, n where all are at right angles.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        One row per response; only directions count.
    weights : ndarray, shape (n,), optional
        How much each counts; default: all alike.

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
    """Return the share of runs of `n` words that are different, among all of them.

    Parameters
    ----------
    texts : sequence of str
        Responses; a run does not go from one to the next.
    n : int
        Words in a run.

    Returns
    -------
    float
        In (0, 1]; 0 where no text has `n` words.

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
        raise DataError(f"A run has at least one word, not {n}.", hint="Use n=1 or n=2.")
    found = [run for text in texts for run in runs(words(text), n)]
    return len(set(found)) / len(found) if found else 0.0


def words(text: str) -> list[str]:
    """Return the words of a text: lower case, no punctuation.

    Examples
    --------
    >>> words("It's GOOD, really.")
    ["it's", 'good', 'really']
    """
    cleaned = (word.strip(".,;:!?\"'()[]{}*_-–—…“”‘’«»") for word in text.lower().split())  # noqa: RUF001
    return [word for word in cleaned if word]


def runs(found: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return all runs of `n` words one after another.

    Examples
    --------
    >>> runs(["a", "b", "c"], 2)
    [('a', 'b'), ('b', 'c')]
    """
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]
