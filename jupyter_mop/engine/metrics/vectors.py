"""Sets of vectors and their weights: checks, unit length, principal components, sample size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.errors import DataError

Vectors = NDArray[np.float64]
Indices = NDArray[np.intp]

MAX_WEIGHT = 1e100
MIN_EFFICIENCY = 0.5


def checked(vectors: Vectors, *, at_least: int = 2) -> Vectors:
    """Return `vectors` as finite float64 of shape (n, d) with n >= `at_least`.

    Raises
    ------
    DataError
        If the array has another shape, too few rows, or values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> checked(np.ones((2, 3), dtype=np.float32)).dtype
    dtype('float64')
    """
    array = np.asarray(vectors, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:  # noqa: PLR2004
        raise DataError(
            f"Vectors must have shape (n, d), got shape {array.shape}.",
            hint="Pass one row per response, as an encoder returns them.",
        )
    if len(array) < at_least:
        raise DataError(
            f"Need at least {at_least} vectors, got {len(array)}.", hint="Pass more responses."
        )
    if not np.isfinite(array).all():
        raise DataError(
            f"{int((~np.isfinite(array)).any(axis=1).sum())} vectors contain NaN or infinity.",
            hint="Drop missing responses before encoding them.",
        )
    return array


def checked_pair(
    target: Vectors, simulated: Vectors, *, at_least: int = 2
) -> tuple[Vectors, Vectors]:
    """Return two sets of vectors, each checked, with the same number of dimensions.

    Raises
    ------
    DataError
        If a set is unusable, or their dimensions differ.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = checked_pair(np.ones((2, 3)), np.ones((4, 3)))
    >>> a.shape, b.shape
    ((2, 3), (4, 3))
    """
    first, second = checked(target, at_least=at_least), checked(simulated, at_least=at_least)
    if first.shape[1] != second.shape[1]:
        raise DataError(
            f"Target vectors have {first.shape[1]} dimensions and simulated {second.shape[1]}.",
            hint="Encode both with the same encoder.",
        )
    return first, second


def unit(vectors: Vectors) -> Vectors:
    """Scale each row to length 1.

    Raises
    ------
    DataError
        If a row is zero.

    Examples
    --------
    >>> import numpy as np
    >>> unit(np.array([[3.0, 4.0]])).tolist()
    [[0.6, 0.8]]
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not norms.all():
        raise DataError(
            f"{int((norms == 0).sum())} vectors have length zero and no direction.",
            hint="Drop empty responses before encoding them.",
        )
    return np.asarray(vectors / norms)


def principal_components(
    vectors: Vectors, *, weights: Vectors | None = None
) -> tuple[Vectors, Vectors]:
    """Return the explained variance ratios (d,) and the axes (d, d), largest first.

    Axes are columns. The largest entry of each is positive, so that charts do not flip. The rows
    have equal weights by default.

    Examples
    --------
    >>> import numpy as np
    >>> ratios, axes = principal_components(np.array([[-1.0, 0.0], [1.0, 0.0]]))
    >>> ratios.tolist()
    [1.0, 0.0]
    """
    if weights is None:
        centred = vectors - vectors.mean(axis=0)
    else:
        shares = checked_weights(weights, len(vectors))
        centred = (vectors - shares @ vectors) * np.sqrt(len(vectors) * shares)[:, None]
    variances, axes = np.linalg.eigh(centred.T @ centred)
    variances, axes = variances[::-1].clip(min=0.0), axes[:, ::-1]
    peaks = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return variances / max(variances.sum(), np.finfo(float).tiny), axes * np.sign(peaks)


def reduced(vectors: Vectors, *, explained: float) -> Vectors:
    """Project onto the fewest principal components that explain the share `explained`.

    Examples
    --------
    >>> import numpy as np
    >>> reduced(np.diag([9.0, 1.0, 1.0]), explained=0.9).shape
    (3, 1)
    """
    ratios, axes = principal_components(vectors)
    n_axes = 1 + int(np.searchsorted(np.cumsum(ratios), explained))
    return np.asarray((vectors - vectors.mean(axis=0)) @ axes[:, :n_axes])


def project(target: Vectors | WeightedVectors, simulated: Vectors) -> Vectors:
    """Project both sets onto the first two principal components of `target`.

    Parameters
    ----------
    target : ndarray, shape (n, d), or WeightedVectors
        Vectors of real responses. They alone define the plane and its origin.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.

    Returns
    -------
    ndarray, shape (n + m, 2)
        Coordinates in the units of the vectors, the target's rows first.

    Raises
    ------
    DataError
        If there are fewer than three target vectors or fewer than two dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(30, 5))
    >>> project(x, x[:4]).shape
    (34, 2)
    """
    weights = as_weighted(target).weights
    real, simulated = checked_pair(as_weighted(target).vectors, simulated, at_least=1)
    if len(real) <= 2 or real.shape[1] < 2:  # noqa: PLR2004
        raise DataError(
            f"Cannot project {len(real)} vectors of {real.shape[1]} dimensions onto a plane.",
            hint="Pass at least three real responses and two dimensions.",
        )
    axes = principal_components(real, weights=weights)[1][:, :2]
    origin = np.average(real, axis=0, weights=weights)
    return np.asarray((np.vstack([real, simulated]) - origin) @ axes)


def checked_weights(weights: Vectors | None, n: int) -> Vectors:
    """Return the weights of n responses as shares that sum to 1; None gives equal shares.

    Raises
    ------
    DataError
        If there is not one weight per response, a weight is negative, not finite or too large to
        add up, or all are zero.

    Examples
    --------
    >>> checked_weights(np.array([3.0, 1.0]), 2).tolist()
    [0.75, 0.25]
    """
    if weights is None:
        return np.full(n, 1 / n)
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (n,):
        raise DataError(
            f"Need {n} weights, one per response, got an array of shape {values.shape}.",
            hint="Pass the weight column of the same simulation.",
        )
    fault = weight_fault(values)
    if fault:
        raise DataError(
            f"Weights must be finite and not negative, and at least one above zero: {fault}.",
            hint="Correct them, or leave the weights out to weight all responses equally.",
        )
    values = values / values.max()
    return np.asarray(values / values.sum())


def weight_fault(values: Vectors) -> str | None:
    """Return what makes weights unusable, or None.

    Examples
    --------
    >>> weight_fault(np.array([1.0, np.nan])), weight_fault(np.zeros(3))
    ('1 is missing or not finite', 'all 3 are zero')
    >>> weight_fault(np.array([1.0, 1e308]))
    '1e+308 is too large to add up'
    """
    for wrong, words in (
        (~np.isfinite(values), "missing or not finite"),
        (values < 0, "negative"),
    ):
        if wrong.any():
            n = int(wrong.sum())
            return f"{n} {'is' if n == 1 else 'are'} {words}"
    if not values.any():
        return f"all {len(values)} are zero"
    if values.max() > MAX_WEIGHT:
        return f"{values.max():g} is too large to add up"
    return None


def effective_sample_size(weights: Vectors) -> float:
    """Return the effective sample size (Kish) under these weights.

    It is (sum_i w_i)^2 / sum_i w_i^2.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Weights on any scale.

    Returns
    -------
    float
        Between 1 and n.

    Raises
    ------
    DataError
        If a weight is negative or not finite, or all are zero.

    Notes
    -----
    Kish (1965), *Survey Sampling*.

    Examples
    --------
    >>> effective_sample_size(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return float(1 / np.sum(np.square(checked_weights(weights, len(weights)))))


def design_warning(weights: Vectors, of: str) -> str | None:
    """Return a sentence where weights leave less than half of the sample, or None.

    Examples
    --------
    >>> design_warning(np.array([9.0, 1.0, 1.0, 1.0]), "these")
    'The weights of these leave an effective sample size of 1.7 of 4; the largest is 75% of all.'
    >>> design_warning(np.ones(4), "these") is None
    True
    """
    size = effective_sample_size(weights)
    if size >= MIN_EFFICIENCY * len(weights):
        return None
    largest = float(np.max(checked_weights(weights, len(weights))))
    return (
        f"The weights of {of} leave an effective sample size of {_digits(size)} of "
        f"{len(weights):,}; the largest is {largest:.0%} of all."
    )


def _digits(size: float) -> str:
    return f"{size:.1f}" if size < 10 else f"{size:,.0f}"  # noqa: PLR2004


@dataclass(frozen=True, slots=True, eq=False)
class WeightedVectors:
    """Vectors of responses with their weights; None where all weights are equal.

    Attributes
    ----------
    vectors : ndarray, shape (n, d)
        One row per response.
    weights : ndarray, shape (n,), or None
        Survey weights of real responses, importance weights of simulated ones.

    Examples
    --------
    >>> WeightedVectors(np.ones((4, 2)), np.array([1.0, 1.0, 0.0, 0.0])).effective_size
    2.0
    """

    vectors: Vectors
    weights: Vectors | None = None

    @classmethod
    def of(cls, side: Vectors | WeightedVectors, *, at_least: int = 2) -> WeightedVectors:
        """Return vectors that are checked, without responses of weight zero.

        Raises
        ------
        DataError
            If vectors or weights are unusable.
        """
        side = as_weighted(side)
        vectors = checked(side.vectors, at_least=at_least)
        if side.weights is None:
            return cls(vectors)
        shares = checked_weights(side.weights, len(vectors))
        positive = np.flatnonzero(shares)
        equal = np.ptp(shares[positive]) == 0
        return cls(vectors[positive], None if equal else shares[positive])

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def effective_size(self) -> float:
        """The effective sample size (Kish)."""
        return float(len(self)) if self.weights is None else effective_sample_size(self.weights)

    @property
    def efficiency(self) -> float:
        """The effective sample size as a share of the responses, in (0, 1]."""
        return self.effective_size / len(self)

    def take(self, rows: Indices) -> WeightedVectors:
        """Return the responses at `rows`."""
        weights = None if self.weights is None else self.weights[rows]
        return WeightedVectors(self.vectors[rows], weights)


def as_weighted(side: Vectors | WeightedVectors) -> WeightedVectors:
    """Return vectors as `WeightedVectors`, with equal weights if they have none."""
    return side if isinstance(side, WeightedVectors) else WeightedVectors(side)
