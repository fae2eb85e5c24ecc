"""FID, the Frechet distance between Gaussian fits of two sets of sentence vectors.

For means m1, m2 and covariances S1, S2::

    FID = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))

Dowson and Landau (1982), *The Frechet distance between multivariate normal distributions*, Journal
of Multivariate Analysis 12; Heusel et al. (2017), *GANs trained by a two time-scale update rule*,
NeurIPS, for features of a neural network.

`frechet_distance` takes vectors and optional weights, in all dimensions. `mixture_fid` takes the
moments of each persona's responses and returns the gradient by the persona weights too. They
compute the trace of the root differently: by singular values of the data, which is exact for
covariances without full rank, and by eigenvectors of the covariance, which the gradient needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_mop.engine.metrics.mixture_gradients import (
    TINY,
    ValueAndGradient,
    distinct_pair_probability,
)
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    checked_pair,
    checked_weights,
    principal_components,
)

MAX_AXES = 32
RANK_TOLERANCE = 1e-10
ROUNDING = 1e-14


def frechet_distance(
    target: Vectors,
    simulated: Vectors,
    *,
    weights: Vectors | None = None,
    target_weights: Vectors | None = None,
) -> float:
    """Return the Frechet distance between Gaussian fits of two sets of vectors (FID).

    Parameters
    ----------
    target : ndarray, shape (n, d)
        Vectors of real responses.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.
    weights, target_weights : ndarray, shapes (m,) and (n,), optional
        Importance weights of the simulated responses, and survey weights of the real ones; equal
        by default.

    Returns
    -------
    float
        ``|m1 - m2|^2 + tr(S1 + S2 - 2 sqrt(S1 S2))`` with unbiased covariances, in squared units of
        the vectors; 0 is best. With few vectors in many dimensions, even two samples of one
        distribution are far from 0: compare with the human floor.

    Raises
    ------
    DataError
        If a set has fewer than two vectors, the dimensions differ, or a value is not finite.

    Notes
    -----
    With centred and scaled data matrices `A` and `B`, ``S1 = A'A`` and ``S2 = B'B``, the trace
    of the root is the nuclear norm of ``A B'``. This is exact for covariances without full rank
    and needs no matrix root. A weighted covariance is divided by ``1 - sum_i s_i^2`` for shares
    ``s``, which is 1 - 1 / n with equal weights. See the module for the sources.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(frechet_distance(x, x + [1.0, 0.0, 0.0, 0.0]), 6)
    1.0
    """
    from scipy.linalg import svdvals

    target, simulated = checked_pair(target, simulated)
    real, shares = (
        checked_weights(of_side, len(side))
        for of_side, side in ((target_weights, target), (weights, simulated))
    )
    a, b = _root_factor(target, real), _root_factor(simulated, shares)
    trace_of_root = svdvals(a @ b.T, check_finite=False).sum()
    shift = real @ target - shares @ simulated
    return float(max(0.0, shift @ shift + np.sum(a * a) + np.sum(b * b) - 2 * trace_of_root))


def _root_factor(vectors: Vectors, shares: Vectors) -> Vectors:
    """Return F with F'F = the unbiased weighted covariance, at most d rows."""
    from scipy.linalg import qr

    scale = np.sqrt(shares / (1 - np.sum(shares**2)))
    centred = (vectors - shares @ vectors) * scale[:, None]
    if len(centred) <= centred.shape[1]:
        return np.asarray(centred)
    return np.asarray(qr(centred, mode="r", check_finite=False)[0][: centred.shape[1]])


@dataclass(frozen=True, slots=True, eq=False)
class PersonaMoments:
    """First and second moments of each persona's responses on the target's principal axes.

    Attributes
    ----------
    variances : ndarray, shape (r,)
        Variances of the target, whose mean is 0 on these axes.
    means, second_moments : ndarray, shapes (K, r) and (K, r, r)
        m_k = E[x] and M_k = E[x x'] of each persona's responses.
    explained : float
        Share of the target's variance that these axes explain.
    """

    variances: Vectors
    means: Vectors
    second_moments: Vectors
    explained: float

    def to_dict(self) -> dict[str, Any]:
        """Return flat arrays for the panel; of second moments, the upper triangles by row."""
        upper = np.triu_indices(len(self.variances))
        return {
            "target_variances": self.variances,
            "means": self.means.ravel(),
            "moments": self.second_moments[:, *upper].ravel(),
            "explained": self.explained,
        }


def persona_moments(
    target: WeightedVectors,
    simulated: Vectors,
    codes: Indices,
    shares: Vectors,
    n_personas: int,
    *,
    max_axes: int = MAX_AXES,
) -> PersonaMoments:
    """Measure what `mixture_fid` needs, on the principal axes of the target.

    Parameters
    ----------
    target : WeightedVectors, n of d dimensions
        Vectors of real responses, with their survey weights.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.
    codes : ndarray of int, shape (m,)
        The persona of each simulated response.
    shares : ndarray, shape (m,)
        The share of each simulated response among those of its persona.
    n_personas : int
        The number of personas, K.
    max_axes : int
        Maximum number of axes.

    Examples
    --------
    >>> x = np.array([[0.0], [2.0]])
    >>> real = WeightedVectors(x)
    >>> persona_moments(real, x, np.array([0, 1]), np.ones(2), 2).means.tolist()
    [[-1.0], [1.0]]
    """
    ratios, axes = principal_components(target.vectors, weights=target.weights)
    size = max(1, min(max_axes, int((ratios > RANK_TOLERANCE).sum())))
    of_target = checked_weights(target.weights, len(target))
    origin = of_target @ target.vectors
    real, scores = ((side - origin) @ axes[:, :size] for side in (target.vectors, simulated))
    by_persona = [np.flatnonzero(codes == k) for k in range(n_personas)]
    weighted = [(scores[rows], shares[rows, None]) for rows in by_persona]
    return PersonaMoments(
        variances=of_target @ real**2 / (1 - np.sum(of_target**2)),
        means=np.stack([(w * x).sum(axis=0) for x, w in weighted]),
        second_moments=np.stack([x.T @ (w * x) for x, w in weighted]),
        explained=float(ratios[:size].sum()),
    )


def mixture_fid(
    weights: Vectors, inverse_sizes: Vectors, moments: PersonaMoments
) -> ValueAndGradient:
    """Return FID of a mixture and its gradient by the persona weights.

    The target has mean 0 and covariance D = diag(`variances`). The mixture has mean
    m = sum_k v_k m_k and covariance S = (sum_k v_k M_k - m m') / (1 - sum_k v_k^2 c_k). Then
    FID = m'm + tr(D) + tr(S) - 2 tr((D^(1/2) S D^(1/2))^(1/2)).

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Persona weights v.
    inverse_sizes : ndarray, shape (K,)
        Sum c_k of the squared shares of each persona's responses; 1 / n_k with equal shares.
    moments : PersonaMoments
        Moments of the target and of each persona.

    Returns
    -------
    ValueAndGradient
        NaN where the weights leave one effective response.

    Examples
    --------
    >>> ones = np.ones((1, 1))
    >>> moments = PersonaMoments(np.ones(1), 2 * ones, 5 * ones[None], explained=1.0)
    >>> round(mixture_fid(np.ones(1), np.zeros(1), moments).value, 6)
    4.0
    """
    unbiased = distinct_pair_probability(weights, inverse_sizes)
    if unbiased <= TINY:
        return ValueAndGradient.undefined(len(weights))
    means, second = moments.means, moments.second_moments
    mean = weights @ means
    covariance = (np.tensordot(weights, second, 1) - np.outer(mean, mean)) / unbiased
    roots, by_covariance = _root_trace(np.sqrt(moments.variances), covariance)
    value = mean @ mean + moments.variances.sum() + np.trace(covariance) - 2 * roots
    by_moments = np.einsum("kij,ij->k", second, by_covariance) - 2 * means @ by_covariance @ mean
    by_scale = 2 * weights * inverse_sizes * float(np.sum(by_covariance * covariance))
    gradient = 2 * means @ mean + (by_moments + by_scale) / unbiased
    return ValueAndGradient(max(0.0, float(value)), gradient)


def _root_trace(scale: Vectors, covariance: Vectors) -> tuple[float, Vectors]:
    """Return tr((D^(1/2) S D^(1/2))^(1/2)) and the gradient of tr(S) minus twice it by S."""
    eigenvalues, axes = np.linalg.eigh(scale[:, None] * covariance * scale)
    roots = np.sqrt(np.where(eigenvalues > ROUNDING * eigenvalues[-1], eigenvalues, 0).clip(min=0))
    full_rank = eigenvalues > RANK_TOLERANCE * eigenvalues[-1]
    half = scale[:, None] * axes[:, full_rank] / np.sqrt(roots[full_rank])
    return float(roots.sum()), np.eye(len(scale)) - half @ half.T
