"""Prediction-powered inference of a mean: few answers, many predictions, a valid interval.

Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), *Prediction-powered inference*, Science
382; power tuning after Angelopoulos, Duchi and Zrnic (2023), *PPI++*, arXiv 2311.01453. The
authors' package ppi-python needs numba and statsmodels; this module has the one estimator that is
used here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights, effective_sample_size

TINY = 1e-12


@dataclass(frozen=True, slots=True)
class PoweredMean:
    """A prediction-powered mean with its standard error.

    Attributes
    ----------
    value, error : float
        The estimate and its standard error.
    power : float
        Power tuning parameter (lambda of PPI++): 0 ignores the predictions, 1 trusts them fully.
    size : float
        Effective sample size of the answers, which sets the degrees of freedom.
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
) -> PoweredMean:
    """Return the prediction-powered mean of the answers (PPI++).

    value = mean(answers) + power * (mean(unlabelled) - mean(predictions)). This is unbiased
    however bad the predictions are. The power minimises the variance and is clipped to [0, 1].

    Parameters
    ----------
    answers, predictions : ndarray, shape (n,)
        Human answers, and predictions for the same people.
    unlabelled : ndarray, shape (N,)
        Predictions for people of the same population who gave no answer.
    weights, unlabelled_weights : ndarray, shapes (n,) and (N,), optional
        Weights of the answers and of the unlabelled predictions; equal by default.
    n_unlabelled : float, optional
        Number of independent unlabelled predictions; their effective sample size by default.

    Examples
    --------
    >>> truth = np.tile([0.0, 1.0], 10)
    >>> found = powered_mean(truth, truth, np.tile([0.0, 1.0, 1.0], 1000))
    >>> round(found.value, 3), round(found.power, 3)
    (0.667, 1.0)
    """
    w = checked_weights(weights, len(answers))
    u = checked_weights(unlabelled_weights, len(unlabelled))
    size = effective_sample_size(w)
    n_predicted = min(effective_sample_size(u), n_unlabelled or np.inf)
    spread = _pooled_variance(predictions, unlabelled, w, u)
    covariance = w @ ((answers - w @ answers) * (predictions - w @ predictions))
    best = covariance / ((1 + size / n_predicted) * spread) if spread > TINY else 0.0
    power = float(np.clip(best, 0.0, 1.0))
    residual = answers - power * predictions
    value = w @ residual + power * (u @ unlabelled)
    residual_variance = np.sum(w**2 * (residual - w @ residual) ** 2)
    mean_variance = power**2 * _variance(unlabelled, u) / n_predicted
    error = float(np.sqrt(residual_variance + mean_variance))
    return PoweredMean(float(value), error, power, size)


def _pooled_variance(first: Vectors, second: Vectors, w: Vectors, u: Vectors) -> float:
    together = np.r_[first, second]
    shares = np.r_[w * len(w), u * len(u)] / len(together)
    return _variance(together, shares) * len(together) / (len(together) - 1)


def _variance(values: Vectors, shares: Vectors) -> float:
    return float(shares @ (values - shares @ values) ** 2)


def mean_interval(
    value: float, error: float, size: float, *, level: float, n_estimated: int = 1
) -> tuple[float, float]:
    """Return Student's confidence interval of a mean.

    Parameters
    ----------
    value, error : float
        The mean and its standard error.
    size : float
        Effective sample size.
    level : float
        Confidence level.
    n_estimated : int
        Number of parameters estimated from the sample, subtracted from the degrees of freedom.

    Examples
    --------
    >>> [round(end, 2) for end in mean_interval(0.0, 1.0, 30, level=0.9)]
    [-1.73, 1.73]
    """
    from scipy.stats import t

    freedom = max(size - n_estimated, 1.0)
    half = error * np.sqrt(size / freedom) * t.ppf((1 + level) / 2, freedom)
    return float(value - half), float(value + half)


def powered_interval(
    mean: PoweredMean, level: float, *, worth: float, is_share: bool
) -> tuple[float, float]:
    """Return the confidence interval of a prediction-powered mean or share.

    The mean takes one degree of freedom, the power another.

    Parameters
    ----------
    mean : PoweredMean
    level : float
        Confidence level.
    worth : float
        Number of answers that alone would give a share this precision.
    is_share : bool
        Whether the mean is a share, whose interval is within [0, 1].

    Examples
    --------
    >>> mean = PoweredMean(value=0.5, error=0.1, power=0.0, size=25)
    >>> [round(end, 2) for end in powered_interval(mean, 0.9, worth=25, is_share=True)]
    [0.34, 0.66]
    """
    n_estimated = 2 if mean.power > 0 else 1
    if not is_share:
        return mean_interval(
            mean.value, mean.error, mean.size, level=level, n_estimated=n_estimated
        )
    freedom = mean.size - n_estimated
    return share_interval(mean.value, worth * freedom / mean.size, level=level, freedom=freedom)


def share_interval(
    value: float, size: float, *, level: float, freedom: float | None = None
) -> tuple[float, float]:
    """Return the Wilson confidence interval of a share, within [0, 1].

    Parameters
    ----------
    value : float
        The share; a value outside [0, 1] is clipped.
    size : float
        Number of independent answers that would give the share this precision.
    level : float
        Confidence level.
    freedom : float, optional
        Degrees of freedom of Student's quantile; size - 1 by default.

    Notes
    -----
    Wilson (1927), Journal of the American Statistical Association 22, with Student's quantile.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(0.0, 30, level=0.9)]
    [0.0, 0.088]
    """
    from scipy.stats import t

    p = min(max(value, 0.0), 1.0)
    q = t.ppf((1 + level) / 2, max(size - 1 if freedom is None else freedom, 1.0)) ** 2 / size
    middle, half = (p + q / 2) / (1 + q), np.sqrt(q * p * (1 - p) + q**2 / 4) / (1 + q)
    return min(p, max(0.0, float(middle - half))), max(p, min(1.0, float(middle + half)))
