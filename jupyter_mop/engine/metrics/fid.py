"""The Frechet distance of Gaussian fits: FID of sentence vectors."""

from __future__ import annotations

import numpy as np

from jupyter_mop.engine.metrics.mixture_gradients import TINY, Value
from jupyter_mop.engine.metrics.vectors import Vectors, checked_pair, checked_weights

RANK_TOLERANCE = 1e-10
ROUNDING = 1e-14


def frechet_distance(
    target: Vectors, simulated: Vectors, *, weights: Vectors | None = None
) -> float:
    """Return the Frechet distance between Gaussian fits of two sets of vectors (FID).

    Parameters
    ----------
    target : ndarray, shape (n, d)
        Vectors of real responses.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.
    weights : ndarray, shape (m,), optional
        Importance weights of the simulated responses; default: all alike.

    Returns
    -------
    float
        ``|mean difference|^2 + tr(S1 + S2 - 2 sqrt(S1 S2))`` with unbiased covariances, in squared
        units of the vectors; 0 is best. With few vectors in many dimensions even two samples of
        one distribution are far from 0: compare with the human floor.

    Raises
    ------
    DataError
        If a set has fewer than two vectors, the widths differ, or a value is not finite.

    Notes
    -----
    Dowson and Landau (1982); Heusel et al. (2017) for neural features. With centred data matrices
    ``S1 = A'A`` and ``S2 = B'B``, the trace of the root is the nuclear norm of ``A B'``, which is
    exact for covariances without full rank and needs no matrix root.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(frechet_distance(x, x + [1.0, 0.0, 0.0, 0.0]), 6)
    1.0
    """
    from scipy.linalg import svdvals

    target, simulated = checked_pair(target, simulated)
    shares = checked_weights(weights, len(simulated))
    a, b = _root_factor(target, checked_weights(None, len(target))), _root_factor(simulated, shares)
    cross = svdvals(a @ b.T, check_finite=False).sum()
    shift = target.mean(axis=0) - shares @ simulated
    return float(max(0.0, shift @ shift + np.sum(a * a) + np.sum(b * b) - 2 * cross))


def _root_factor(vectors: Vectors, shares: Vectors) -> Vectors:
    """Return F with F'F = covariance, at most d rows."""
    from scipy.linalg import qr

    scale = np.sqrt(shares / (1 - np.sum(shares**2)))
    centred = (vectors - shares @ vectors) * scale[:, None]
    if len(centred) <= centred.shape[1]:
        return np.asarray(centred)
    return np.asarray(qr(centred, mode="r", check_finite=False)[0][: centred.shape[1]])


def mixture_fid(
    weights: Vectors, inverse_sizes: Vectors, variances: Vectors, means: Vectors, moments: Vectors
) -> Value:
    """Return the Frechet distance to a target with mean 0 and covariance diag(`variances`).

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights v.
    inverse_sizes : ndarray, shape (K,)
        Sum of the squared shares of each persona's draws; 1 / n_k where they count alike.
    variances : ndarray, shape (r,)
        The target's, on its principal axes.
    means, moments : ndarray, shapes (K, r) and (K, r, r)
        E[x] and E[x x'] of each persona's draws on the same axes.

    Examples
    --------
    >>> ones = np.ones((1, 1))
    >>> round(mixture_fid(np.ones(1), np.zeros(1), np.ones(1), 2 * ones, 5 * ones[None]).value, 6)
    4.0
    """
    unbiased = 1 - weights**2 @ inverse_sizes
    if unbiased <= TINY:
        return Value(np.nan, np.zeros(len(weights)))
    mean = weights @ means
    covariance = (np.tensordot(weights, moments, 1) - np.outer(mean, mean)) / unbiased
    scale = np.sqrt(variances)
    eigenvalues, axes = np.linalg.eigh(scale[:, None] * covariance * scale)
    roots = np.sqrt(np.where(eigenvalues > ROUNDING * eigenvalues[-1], eigenvalues, 0).clip(min=0))
    value = mean @ mean + variances.sum() + np.trace(covariance) - 2 * roots.sum()
    kept = eigenvalues > RANK_TOLERANCE * eigenvalues[-1]
    half = scale[:, None] * axes[:, kept] / np.sqrt(roots[kept])
    slope = np.eye(len(scale)) - half @ half.T
    moved = np.einsum("kij,ij->k", moments, slope) - 2 * means @ slope @ mean
    spread = 2 * weights * inverse_sizes * float(np.sum(slope * covariance))
    return Value(max(0.0, float(value)), 2 * means @ mean + (moved + spread) / unbiased)
