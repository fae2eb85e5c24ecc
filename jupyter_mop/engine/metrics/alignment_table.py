"""The alignment table: metrics of simulated responses, their intervals and the human floor."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.metrics.split_half import METRICS, Metric, SplitHalf, rows_for
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    checked_pair,
    design_warning,
)
from jupyter_mop.errors import DataError

OnResult = Callable[[int, int], None]

MIN_PER_SIDE = 20
FEW_PER_SIDE = 100
ROUNDING = 1e-9
Responses = Vectors | WeightedVectors


def align(
    target: Responses,
    simulated: Mapping[str, Responses],
    *,
    metrics: Sequence[Metric] = METRICS,
    n_boot: int = 200,
    n_splits: int = 20,
    level: float = 0.95,
    random_state: int = 0,
    on_result: OnResult | None = None,
) -> pd.DataFrame:
    """Compare simulated with real responses: FID, MAUVE and KL cosine of each method.

    Value and human floor are means over the same `n_splits` random halves of the real responses,
    with n responses per side. The value compares a half with n simulated responses, the floor
    compares it with the other half. Weights count on both sides; n is then the effective sample
    size of every side, so that value and floor stay comparable.

    Parameters
    ----------
    target : ndarray, shape (N, d), or WeightedVectors
        Vectors of real responses, held out from the fit; with survey weights if there are any.
    simulated : mapping of str to ndarray, shape (m, d), or WeightedVectors
        Vectors of the responses of each method; with importance weights if there are any.
    metrics : sequence of Metric
        What is measured. With the same sizes and weights, any metrics use the same rows.
    n_boot : int
        Number of random halves for each interval.
    n_splits : int
        Number of random splits for each value and floor.
    level : float
        Confidence level of the intervals.
    random_state : int
        Seed: the same seed gives the same frame.
    on_result : callable, optional
        Called with (done, total) after the floors and after each metric.

    Returns
    -------
    DataFrame
        One row per method and metric, in the order given: `method`, `figure` (the metric),
        `value`, `low`, `high`, `floor`, `floor_low`, `floor_high`, `n`, `better`, `ess`. n is the
        smaller of N / 2 and the smallest simulation, in effective responses. Of the real responses
        and of each method, at most 2 n effective ones, chosen at random, are used.

    Raises
    ------
    DataError
        If there is nothing to compare, fewer than 20 responses per side, or unusable vectors.

    Warns
    -----
    UserWarning
        Below 100 effective responses per side, and where the weights of a side leave an effective
        sample size below half its responses.

    Notes
    -----
    The interval is for the expected metric at n responses per side. It covers the sampling of real
    and simulated responses, not the choice of the model or the encoder. It comes from random
    halves without replacement (see `metrics.half_sampling`); the halves of MAUVE use five
    clusterings. The band of the floor contains the share `level` of single splits.

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
    target, methods, n = _samples(target, simulated, random_state)
    _check_settings(n_boot, n_splits, level)
    _check_size(n, target, methods)
    halves = SplitHalf(target, n, n_boot, n_splits, level, random_state)
    with one_thread():
        return pd.DataFrame(_rows(halves, methods, metrics, on_result))


def differences(
    target: Responses,
    simulated: Mapping[str, Responses],
    *,
    against: str,
    metrics: Sequence[Metric] = METRICS,
    n_boot: int = 200,
    n_splits: int = 20,
    level: float = 0.95,
    random_state: int = 0,
    on_result: OnResult | None = None,
) -> pd.DataFrame:
    """Compare each method with a reference method by paired differences of the metrics.

    Both are measured on the same halves of the real responses and, with equal numbers of
    responses, on the same rows. Shared noise cancels, so that the interval of a difference is
    narrower than the intervals of the two methods suggest.

    Parameters
    ----------
    against : str
        The reference method.
    target, simulated, metrics, n_boot, n_splits, level, random_state, on_result
        As for `align`.

    Returns
    -------
    DataFrame
        One row per other method and metric: `method`, `against`, `figure` (the metric),
        `difference` (method minus against), `low`, `high`, `better`, `verdict` ("better", "worse",
        "no clear difference" where the interval contains 0, or "equal" where the metrics of all
        halves are the same) and `n`.

    Raises
    ------
    DataError
        If the reference is unknown or the only method, or for input that `align` refuses.

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
    target, methods, n = _samples(target, simulated, random_state)
    _check_settings(n_boot, n_splits, level)
    _check_size(n, target, methods)
    halves = SplitHalf(target, n, n_boot, n_splits, level, random_state)
    with one_thread():
        return pd.DataFrame(_difference_rows(halves, methods, against, metrics, on_result))


def _verdict(low: float, high: float, better: str) -> str:
    if low == high == 0:
        return "equal"
    if low <= 0 <= high:
        return "no clear difference"
    return "better" if (high < 0) == (better == "lower") else "worse"


def _check_against(simulated: Mapping[str, Responses], against: str) -> None:
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
    halves: SplitHalf,
    methods: Mapping[str, WeightedVectors],
    metrics: Sequence[Metric],
    on_result: OnResult | None,
) -> list[dict[str, object]]:
    floors = {metric.name: halves.floor(metric) for metric in metrics}
    tasks = [(method, metric) for method in methods for metric in metrics]
    rows: list[dict[str, object]] = []
    if on_result:
        on_result(1, 1 + len(tasks))
    for method, metric in tasks:
        result = asdict(halves.result(metric, methods[method], floors[metric.name]))
        rows.append({"method": method, "figure": result.pop("name"), **result})
        if on_result:
            on_result(1 + len(rows), 1 + len(tasks))
    return rows


def _difference_rows(
    halves: SplitHalf,
    methods: Mapping[str, WeightedVectors],
    against: str,
    metrics: Sequence[Metric],
    on_result: OnResult | None,
) -> list[dict[str, object]]:
    tasks = [(name, metric) for name in methods if name != against for metric in metrics]
    rows: list[dict[str, object]] = []
    for name, metric in tasks:
        value, low, high = halves.difference(metric, methods[name], methods[against])
        rows.append(
            {
                "method": name,
                "against": against,
                "figure": metric.name,
                "difference": value,
                "low": low,
                "high": high,
                "better": metric.better,
                "verdict": _verdict(low, high, metric.better),
                "n": halves.n,
            }
        )
        if on_result:
            on_result(len(rows), len(tasks))
    return rows


def _samples(
    target: Responses, simulated: Mapping[str, Responses], random_state: int
) -> tuple[WeightedVectors, dict[str, WeightedVectors], int]:
    """Return the real and the simulated responses to use, and n.

    Each side has at most as many random rows as give an effective sample size of 2 n.
    """
    if not simulated:
        raise DataError(
            "There are no simulated responses to compare.", hint="Simulate first, then align."
        )
    real = WeightedVectors.of(target, at_least=1)
    methods = {name: _method(real, side) for name, side in simulated.items()}
    sizes = [real.effective_size / 2, *(method.effective_size for method in methods.values())]
    n = max(
        int(min(sizes) + ROUNDING), min(MIN_PER_SIDE, len(real) // 2, *map(len, methods.values()))
    )
    half = min(rows_for(n, real), len(real) // 2)
    return (
        real.take(_some(len(real), 2 * half, random_state)),
        {
            name: method.take(_some(len(method), 2 * rows_for(n, method), random_state))
            for name, method in methods.items()
        },
        n,
    )


def _method(real: WeightedVectors, side: Responses) -> WeightedVectors:
    method = WeightedVectors.of(side, at_least=1)
    checked_pair(real.vectors[:1], method.vectors[:1], at_least=1)
    return method


def _some(n: int, size: int, random_state: int) -> Indices:
    return np.random.default_rng([random_state, 2]).permutation(n)[:size]


def _check_settings(n_boot: int, n_splits: int, level: float) -> None:
    if n_boot < 2 or n_splits < 2 or not 0 < level < 1:  # noqa: PLR2004
        raise DataError(
            f"n_boot={n_boot}, n_splits={n_splits}, level={level} give no interval.",
            hint="Pass n_boot and n_splits of at least 2 and a level between 0 and 1.",
        )


def _check_size(n: int, target: WeightedVectors, methods: Mapping[str, WeightedVectors]) -> None:
    if n < MIN_PER_SIDE:
        raise DataError(
            f"Need at least {MIN_PER_SIDE} responses per side, got {n}.",
            hint=f"Hold out {2 * MIN_PER_SIDE} real responses and simulate {MIN_PER_SIDE}.",
        )
    sides = {"the real responses": target} | {repr(name): side for name, side in methods.items()}
    found = (
        None if side.weights is None else design_warning(side.weights, name)
        for name, side in sides.items()
    )
    faults = [f"{fault} All sides are compared at {n}." for fault in found if fault]
    if n < FEW_PER_SIDE:
        faults.append(
            f"Only {n} responses per side: at this size metrics vary a lot by chance, and two "
            f"halves of the real responses look far apart too. {FEW_PER_SIDE} per side need "
            f"{2 * FEW_PER_SIDE} held-out and {FEW_PER_SIDE} simulated responses."
        )
    for fault in faults:
        warnings.warn(fault, UserWarning, stacklevel=3)
