"""Sets of vectors and their weights: checks, unit length, principal components, sample size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.errors import DataError

Vectors = NDArray[np.float64]
Indices = NDArray[np.intp]


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


def principal_components(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """Return the explained variance ratios (d,) and the axes (d, d), largest first.

    Axes are columns. The largest entry of each is positive, so that charts do not flip.

    Examples
    --------
    >>> import numpy as np
    >>> ratios, axes = principal_components(np.array([[-1.0, 0.0], [1.0, 0.0]]))
    >>> ratios.tolist()
    [1.0, 0.0]
    """
    centred = vectors - vectors.mean(axis=0)
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


def project(target: Vectors, simulated: Vectors) -> Vectors:
    """Project both sets onto the first two principal components of `target`.

    Parameters
    ----------
    target : ndarray, shape (n, d)
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
    target, simulated = checked_pair(target, simulated, at_least=1)
    if len(target) <= 2 or target.shape[1] < 2:  # noqa: PLR2004
        raise DataError(
            f"Cannot project {len(target)} vectors of {target.shape[1]} dimensions onto a plane.",
            hint="Pass at least three real responses and two dimensions.",
        )
    axes = principal_components(target)[1][:, :2]
    return np.asarray((np.vstack([target, simulated]) - target.mean(axis=0)) @ axes)


def checked_weights(weights: Vectors | None, n: int) -> Vectors:
    """Return the weights of n responses as shares that sum to 1; None gives equal shares.

    Raises
    ------
    DataError
        If there is not one weight per response, or a weight is negative or not finite.

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
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise DataError(
            "Weights must be finite and not negative, and at least one must be above zero.",
            hint="Leave the weights out to weight all responses equally.",
        )
    return np.asarray(values / values.sum())


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
