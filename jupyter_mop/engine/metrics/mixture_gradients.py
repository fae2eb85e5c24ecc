"""A metric of a mixture of personas, with its gradient by the persona weights.

Each `mixture_*` function of this folder takes the persona weights v, shape (K,), summing to 1, and
statistics of each persona's responses. It reads no response, so that its cost does not depend on
how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.vectors import Vectors

TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ValueAndGradient:
    """A metric and its partial derivatives by the persona weights, shape (K,)."""

    value: float
    gradient: Vectors

    @classmethod
    def undefined(cls, n_personas: int) -> ValueAndGradient:
        """Return NaN with a gradient of zeros, for too few effective responses."""
        return cls(np.nan, np.zeros(n_personas))


def distinct_pair_probability(weights: Vectors, inverse_sizes: Vectors) -> float:
    """Return the probability that two weighted draws are different responses.

    It is 1 - sum_k v_k^2 c_k = 1 - 1 / n_eff, the denominator of an unbiased weighted covariance.

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights v.
    inverse_sizes : ndarray, shape (K,)
        Sum c_k of the squared shares of each persona's responses; 1 / n_k with equal shares.

    Examples
    --------
    >>> distinct_pair_probability(np.ones(1), np.array([0.25]))
    0.75
    """
    return float(1 - weights**2 @ inverse_sizes)
