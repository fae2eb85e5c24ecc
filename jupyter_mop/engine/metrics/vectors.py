"""Sets of vectors: checks, unit length, principal components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.errors import DataError

Vectors = NDArray[np.float64]


def checked(vectors: Vectors, *, at_least: int = 2) -> Vectors:
    """Return `vectors` as finite float64 of shape (n, d) with n >= `at_least`, or raise DataError.

    Examples
    --------
    >>> import numpy as np
    >>> checked(np.ones((2, 3), dtype=np.float32)).dtype
    dtype('float64')
    """
    array = np.asarray(vectors, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:  # noqa: PLR2004
        raise DataError(
            f"Vectors of shape (n, d) were expected, and shape {array.shape} came.",
            hint="Pass one row per response, as an encoder returns them.",
        )
    if len(array) < at_least:
        raise DataError(
            f"At least {at_least} vectors were expected, and {len(array)} came.",
            hint="Pass more responses.",
        )
    if not np.isfinite(array).all():
        raise DataError(
            f"{int((~np.isfinite(array)).any(axis=1).sum())} vectors hold NaN or infinity.",
            hint="Drop missing responses before encoding them.",
        )
    return array


def checked_pair(
    target: Vectors, simulated: Vectors, *, at_least: int = 2
) -> tuple[Vectors, Vectors]:
    """Return both sets checked, with the same width, or raise DataError.

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
    """Return the rows scaled to length 1; a zero row raises DataError.

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
    """Return the variance shares (d,) and axes (d, d) of `vectors`, the largest first.

    Axes are columns; their largest entry is positive, so that a picture does not flip.

    Examples
    --------
    >>> import numpy as np
    >>> shares, axes = principal_components(np.array([[-1.0, 0.0], [1.0, 0.0]]))
    >>> shares.tolist()
    [1.0, 0.0]
    """
    centred = vectors - vectors.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    variances, axes = variances[::-1].clip(min=0.0), axes[:, ::-1]
    peaks = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return variances / max(variances.sum(), np.finfo(float).tiny), axes * np.sign(peaks)


def reduced(vectors: Vectors, *, explained: float) -> Vectors:
    """Return the fewest principal coordinates that hold the share `explained` of the variance.

    Examples
    --------
    >>> import numpy as np
    >>> reduced(np.diag([9.0, 1.0, 1.0]), explained=0.9).shape
    (3, 1)
    """
    shares, axes = principal_components(vectors)
    n_axes = 1 + int(np.searchsorted(np.cumsum(shares), explained))
    return np.asarray((vectors - vectors.mean(axis=0)) @ axes[:, :n_axes])


def project(target: Vectors, simulated: Vectors) -> Vectors:
    """Return both sets in the plane of the two main directions of `target`, the target first.

    Parameters
    ----------
    target : ndarray, shape (n, d)
        Vectors of real responses: they alone fix the plane and its origin.
    simulated : ndarray, shape (m, d)
        Vectors of simulated responses.

    Returns
    -------
    ndarray, shape (n + m, 2)
        Principal-component coordinates, in the units of the vectors.

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
            f"A plane was asked of {len(target)} vectors in {target.shape[1]} dimensions.",
            hint="Pass at least three real responses and two dimensions.",
        )
    axes = principal_components(target)[1][:, :2]
    return np.asarray((np.vstack([target, simulated]) - target.mean(axis=0)) @ axes)


def checked_weights(weights: Vectors | None, n: int) -> Vectors:
    """Return `weights` of n rows as shares that sum to 1, all equal where there are none.

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
            f"{n} weights were expected, one a response, and shape {values.shape} came.",
            hint="Pass the weight column of the same simulation.",
        )
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise DataError(
            "Weights must be finite and not negative, and some must be above zero.",
            hint="Leave the weights out to count all responses alike.",
        )
    return np.asarray(values / values.sum())


def kish(shares: Vectors) -> float:
    """Return the effective sample size of shares that sum to 1: 1 / sum of squares (Kish 1965).

    Examples
    --------
    >>> kish(np.array([0.5, 0.5]))
    2.0
    """
    return float(1 / np.sum(np.square(shares)))
