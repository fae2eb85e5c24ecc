"""How close simulated responses are to real ones: figures, their intervals and the human floor."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.divergences import (
    js_divergence,
    kl_divergence,
    total_variation,
    wasserstein_distance,
)
from jupyter_mop.engine.metrics.fid import frechet_distance
from jupyter_mop.engine.metrics.half_sampling import Indices
from jupyter_mop.engine.metrics.kl_cosine import cosine_histogram, kl_cosine
from jupyter_mop.engine.metrics.mauve import (
    cluster_histograms,
    cluster_labels,
    mauve_from_histograms,
    mauve_score,
)
from jupyter_mop.engine.metrics.split_half import MEASURES, Figure, Pool, Trial
from jupyter_mop.engine.metrics.threads import one_thread
from jupyter_mop.engine.metrics.vectors import (
    Vectors,
    checked,
    checked_pair,
    checked_weights,
    project,
)
from jupyter_mop.errors import DataError

__all__ = [
    "Figure",
    "align",
    "cluster_histograms",
    "cluster_labels",
    "cosine_histogram",
    "differences",
    "frechet_distance",
    "js_divergence",
    "kl_cosine",
    "kl_divergence",
    "mauve_from_histograms",
    "mauve_score",
    "project",
    "total_variation",
    "wasserstein_distance",
]

OnFigure = Callable[[int, int], None]

MIN_PER_SIDE = 20
FEW_PER_SIDE = 100
LEAST_EFFICIENCY = 0.5


def align(
    target_vectors: Vectors,
    simulated: Mapping[str, Vectors],
    *,
    weights: Mapping[str, Vectors] | None = None,
    n_boot: int = 200,
    n_splits: int = 20,
    level: float = 0.95,
    random_state: int = 0,
    on_result: OnFigure | None = None,
) -> pd.DataFrame:
    """Compare simulated responses with real ones: FID, MAUVE and KL cosine of each method.

    Value and human floor are both means over the same `n_splits` random halves of the real
    responses, with n responses on either side, so they can be compared: the value sets a half
    against n simulated responses, the floor against the other half.

    Parameters
    ----------
    target_vectors : ndarray, shape (N, d)
        Vectors of real responses, held out from the fit.
    simulated : mapping of str to ndarray, shape (m, d)
        Vectors of the responses of each method.
    weights : mapping of str to ndarray, shape (m,), optional
        Importance weights of the responses of methods; those not named count alike.
    n_boot : int
        Random halves behind each interval.
    n_splits : int
        Random splits behind each value and floor.
    level : float
        Probability that an interval is to hold.
    random_state : int
        Seed: the same seed gives the same frame.
    on_result : callable, optional
        Called with (done, total) after the floors and after each figure.

    Returns
    -------
    DataFrame
        One row per method and figure, in the order given: `method`, `figure`, `value`, `low`,
        `high`, `floor`, `floor_low`, `floor_high`, `n`, `better`, `ess`. n is the smaller of
        N / 2 and the smallest simulation; 2 n random real responses and at most 2 n simulated
        ones of each method are used.

    Raises
    ------
    DataError
        If there is nothing to compare, fewer than 20 responses per side, or unusable vectors.

    Warns
    -----
    UserWarning
        Below 100 responses per side, and where weights leave fewer than half of them effective.

    Notes
    -----
    The interval is for the figure that is expected at n responses per side; it takes in the choice
    of the real and of the simulated responses, not that of the model or of the encoder. It comes
    from random halves without replacement, see `metrics.half_sampling`; MAUVE's halves are
    counted in five clusterings. The band of the floor holds the share `level` of single splits.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real = rng.normal(size=(400, 5))
    >>> methods = {"close": rng.normal(size=(200, 5)), "far": rng.normal(2, 1, (200, 5))}
    >>> frame = align(real, methods, n_boot=20, n_splits=3)
    >>> frame.pivot(index="figure", columns="method", values="value").loc["FID"].round(0).tolist()
    [0.0, 21.0]
    """
    target, pools, n = _pools(target_vectors, simulated, weights or {}, random_state)
    _check_settings(n_boot, n_splits, level)
    _check_size(n)
    _check_weights(pools)
    trial = Trial(target, n, n_boot, n_splits, level, random_state)
    with one_thread():
        return pd.DataFrame(_rows(trial, pools, on_result))


def differences(
    target_vectors: Vectors,
    simulated: Mapping[str, Vectors],
    *,
    against: str,
    weights: Mapping[str, Vectors] | None = None,
    n_boot: int = 200,
    n_splits: int = 20,
    level: float = 0.95,
    random_state: int = 0,
    on_result: OnFigure | None = None,
) -> pd.DataFrame:
    """Compare each method with one of them: the differences of their figures, paired.

    Both are measured on the same halves of the real responses and, where they have as many
    responses, on the same draws, so that what the two share cancels: an interval of a difference
    is narrower than two intervals side by side suggest.

    Parameters
    ----------
    against : str
        The method that the others are compared with.
    target_vectors, simulated, weights, n_boot, n_splits, level, random_state, on_result
        As for `align`.

    Returns
    -------
    DataFrame
        One row per other method and figure: `method`, `against`, `figure`, `difference` (method
        minus against), `low`, `high`, `better`, `verdict` ("better", "worse" or "no clear
        difference", where the interval holds 0) and `n`.

    Raises
    ------
    DataError
        For an unknown method, none to compare it with, or what `align` cannot use.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real = rng.normal(size=(400, 5))
    >>> methods = {"far": rng.normal(2, 1, (200, 5)), "close": rng.normal(size=(200, 5))}
    >>> frame = differences(real, methods, against="far", n_boot=20, n_splits=3)
    >>> frame[["method", "verdict"]].drop_duplicates().values.tolist()
    [['close', 'better']]
    """
    _check_against(simulated, against)
    target, pools, n = _pools(target_vectors, simulated, weights or {}, random_state)
    _check_settings(n_boot, n_splits, level)
    _check_size(n)
    trial = Trial(target, n, n_boot, n_splits, level, random_state)
    others = [name for name in pools if name != against]
    tasks = [(name, measure) for name in others for measure in MEASURES]
    rows: list[dict[str, object]] = []
    with one_thread():
        for name, measure in tasks:
            value, low, high = trial.difference(measure, pools[name], pools[against])
            rows.append(
                {
                    "method": name,
                    "against": against,
                    "figure": measure.name,
                    "difference": value,
                    "low": low,
                    "high": high,
                    "better": measure.better,
                    "verdict": _verdict(low, high, measure.better),
                    "n": n,
                }
            )
            if on_result:
                on_result(len(rows), len(tasks))
    return pd.DataFrame(rows)


def _verdict(low: float, high: float, better: str) -> str:
    if low <= 0 <= high:
        return "no clear difference"
    return "better" if (high < 0) == (better == "lower") else "worse"


def _check_against(simulated: Mapping[str, Vectors], against: str) -> None:
    if against not in simulated:
        raise DataError(
            f"There is no method {against!r} to compare with.",
            hint=f"Name one of {list(simulated)}.",
        )
    if len(simulated) < 2:  # noqa: PLR2004
        raise DataError(
            f"There is nothing to compare {against!r} with.", hint="Align two simulations or more."
        )


def _rows(
    trial: Trial, pools: Mapping[str, Pool], on_result: OnFigure | None
) -> list[dict[str, object]]:
    floors = {measure.name: trial.floor(measure) for measure in MEASURES}
    tasks = [(method, measure) for method in pools for measure in MEASURES]
    rows: list[dict[str, object]] = []
    if on_result:
        on_result(1, 1 + len(tasks))
    for method, measure in tasks:
        figure = asdict(trial.figure(measure, pools[method], floors[measure.name]))
        rows.append({"method": method, "figure": figure.pop("name"), **figure})
        if on_result:
            on_result(1 + len(rows), 1 + len(tasks))
    return rows


def _pools(
    target_vectors: Vectors,
    simulated: Mapping[str, Vectors],
    weights: Mapping[str, Vectors],
    random_state: int,
) -> tuple[Vectors, dict[str, Pool], int]:
    """Return 2 n real rows, at most 2 n simulated rows of each method, and n."""
    if not simulated:
        raise DataError(
            "Simulated responses of at least one method were expected, and none came.",
            hint="Simulate first, then align.",
        )
    target = checked(target_vectors, at_least=1)
    pools = {
        name: _pool(checked_pair(target, made, at_least=1)[1], weights.get(name))
        for name, made in simulated.items()
    }
    n = min(len(target) // 2, *map(len, pools.values()))
    rows = {name: _some(len(pool), 2 * n, random_state) for name, pool in pools.items()}
    return (
        target[_some(len(target), 2 * n, random_state)],
        {name: pool.take(rows[name]) for name, pool in pools.items()},
        n,
    )


def _pool(vectors: Vectors, weights: Vectors | None) -> Pool:
    """Return what counts of a method's responses; equal weights are none."""
    shares = checked_weights(weights, len(vectors))
    counting = np.flatnonzero(shares)
    if np.ptp(shares[counting]) == 0:
        return Pool(vectors[counting])
    return Pool(vectors[counting], shares[counting])


def _some(n: int, size: int, random_state: int) -> Indices:
    return np.random.default_rng([random_state, 2]).permutation(n)[:size]


def _check_settings(n_boot: int, n_splits: int, level: float) -> None:
    if n_boot < 2 or n_splits < 2 or not 0 < level < 1:  # noqa: PLR2004
        raise DataError(
            f"n_boot={n_boot}, n_splits={n_splits}, level={level} give no interval.",
            hint="Pass n_boot and n_splits of at least 2 and a level between 0 and 1.",
        )


def _check_size(n: int) -> None:
    if n < MIN_PER_SIDE:
        raise DataError(
            f"At least {MIN_PER_SIDE} responses per side were expected, and {n} came.",
            hint=f"Hold out {2 * MIN_PER_SIDE} real responses and simulate {MIN_PER_SIDE}.",
        )
    if n < FEW_PER_SIDE:
        warnings.warn(
            f"Only {n} responses per side: at this size the figures move much by chance and two "
            f"halves of the real responses look far apart too. {FEW_PER_SIDE} per side need "
            f"{2 * FEW_PER_SIDE} real responses and {FEW_PER_SIDE} simulated ones.",
            UserWarning,
            stacklevel=3,
        )


def _check_weights(pools: Mapping[str, Pool]) -> None:
    for name, pool in pools.items():
        if pool.efficiency < LEAST_EFFICIENCY:
            warnings.warn(
                f"The weights of {name!r} leave {pool.efficiency:.0%} of its responses effective: "
                "its figures move more by chance and read worse than the floor's. Simulate with "
                "these weights.",
                UserWarning,
                stacklevel=3,
            )
