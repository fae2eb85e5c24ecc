"""Maximum-likelihood weights of a mixture whose component likelihoods are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TINY = 1e-12


def likeliest_weights(
    likelihood: Array,
    shares: Array,
    *,
    start: Array | None = None,
    max_rounds: int = 300,
    tolerance: float = 1e-6,
) -> Array:
    """Return the component weights under which records are likeliest, shape (m, K), by EM.

    Parameters
    ----------
    likelihood : ndarray, shape (n, K)
        Likelihood of each record under each component, up to a factor per record.
    shares : ndarray, shape (m, n)
        How much each record counts, for each of m answers.
    start : ndarray, shape (K,), optional
        Weights at which EM begins; default: equal ones.
    max_rounds : int
        Maximum number of rounds.
    tolerance : float
        The largest change of a weight at which EM ends.

    Examples
    --------
    >>> likelihood = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    >>> likeliest_weights(likelihood, np.full((1, 3), 1 / 3)).round(2).tolist()
    [[0.71, 0.29]]
    """
    n_components = likelihood.shape[1]
    first = np.full(n_components, 1 / n_components) if start is None else start
    weights = np.tile(first, (len(shares), 1))
    for _ in range(max_rounds):
        per_record = shares / np.maximum(weights @ likelihood.T, TINY)
        before, weights = weights, weights * (per_record @ likelihood)
        if np.abs(weights - before).max() < tolerance:
            break
    return np.asarray(weights)
