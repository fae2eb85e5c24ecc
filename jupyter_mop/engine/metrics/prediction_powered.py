"""Prediction-powered inference of a mean: few answers, many predictions, a valid interval.

Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), *Prediction-powered inference*, Science
382; the power tuning is that of Angelopoulos, Duchi and Zrnic (2023), *PPI++*, arXiv 2311.01453.
The authors' own package needs numba and statsmodels; this is the one estimator of it used here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights, kish

TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Powered:
    """A mean with its standard error, and how far the predictions were relied on.

    Attributes
    ----------
    value, error : float
        The estimate and its standard error.
    power : float
        Between 0, where predictions are of no use, and 1, where they are taken as they are.
    size : float
        Effective number of answers, which sets the degrees of freedom.
    """

    value: float
    error: float
    power: float
    size: float


def powered_mean(
    answers: Vectors,
    predictions: Vectors,
    unlabelled: Vectors,
    *,
    weights: Vectors | None = None,
    unlabelled_weights: Vectors | None = None,
    n_unlabelled: float | None = None,
) -> Powered:
    """Return the mean of the answers, made more precise by predictions.

    value = mean(answers) + power * (mean(unlabelled) - mean(predictions)), which is unbiased
    however bad the predictions are; the power is the one of least variance, cut to [0, 1].

    Parameters
    ----------
    answers, predictions : ndarray, shape (n,)
        What people answered, and what was predicted for the same people.
    unlabelled : ndarray, shape (N,)
        Predictions for people of the same population who gave no answer.
    weights, unlabelled_weights : ndarray, shapes (n,) and (N,), optional
        How much each counts; default: all alike.
    n_unlabelled : float, optional
        As how many independent ones the unlabelled count; default: their effective number.

    Examples
    --------
    >>> truth = np.tile([0.0, 1.0], 10)
    >>> found = powered_mean(truth, truth, np.tile([0.0, 1.0, 1.0], 1000))
    >>> round(found.value, 3), round(found.power, 3)
    (0.667, 1.0)
    """
    w = checked_weights(weights, len(answers))
    u = checked_weights(unlabelled_weights, len(unlabelled))
    size = kish(w)
    many = min(kish(u), n_unlabelled or np.inf)
    spread = _pooled_variance(predictions, unlabelled, w, u)
    joint = w @ ((answers - w @ answers) * (predictions - w @ predictions))
    best = joint / ((1 + size / many) * spread) if spread > TINY else 0.0
    power = float(np.clip(best, 0.0, 1.0))
    rest = answers - power * predictions
    value = w @ rest + power * (u @ unlabelled)
    of_rest = np.sum(w**2 * (rest - w @ rest) ** 2)
    of_mean = power**2 * _variance(unlabelled, u) / many
    return Powered(float(value), float(np.sqrt(of_rest + of_mean)), power, size)


def _pooled_variance(first: Vectors, second: Vectors, w: Vectors, u: Vectors) -> float:
    together = np.r_[first, second]
    shares = np.r_[w * len(w), u * len(u)] / len(together)
    return _variance(together, shares) * len(together) / (len(together) - 1)


def _variance(values: Vectors, shares: Vectors) -> float:
    return float(shares @ (values - shares @ values) ** 2)


def mean_interval(
    value: float, error: float, size: float, *, level: float, spent: int = 1
) -> tuple[float, float]:
    """Return Student's interval of a mean; `spent` parameters were taken from the answers.

    Examples
    --------
    >>> [round(end, 2) for end in mean_interval(0.0, 1.0, 30, level=0.9)]
    [-1.73, 1.73]
    """
    from scipy.stats import t

    freedom = max(size - spent, 1.0)
    half = error * np.sqrt(size / freedom) * t.ppf((1 + level) / 2, freedom)
    return float(value - half), float(value + half)


def share_interval(
    value: float, worth: float, *, level: float, freedom: float | None = None
) -> tuple[float, float]:
    """Return an interval of a share, within [0, 1], good near its ends too (Wilson 1927).

    Parameters
    ----------
    value : float
        The share; what is outside [0, 1] counts as the nearer end.
    worth : float
        As many plain answers would give it this precision.
    level : float
        Probability that the interval is to hold.
    freedom : float, optional
        Degrees of freedom of Student's quantile; default: worth - 1.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(0.0, 30, level=0.9)]
    [0.0, 0.088]
    """
    from scipy.stats import t

    p = min(max(value, 0.0), 1.0)
    q = t.ppf((1 + level) / 2, max(worth - 1 if freedom is None else freedom, 1.0)) ** 2 / worth
    middle, half = (p + q / 2) / (1 + q), np.sqrt(q * p * (1 - p) + q**2 / 4) / (1 + q)
    return min(p, max(0.0, float(middle - half))), max(p, min(1.0, float(middle + half)))
