"""Match persona weights: those at which one metric of a simulation is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.vectors import Vectors
from jupyter_mop.engine.weighting.persona_statistics import HIGHER_IS_BETTER, PersonaStatistics
from jupyter_mop.errors import DataError

ENTROPY = 0.01
MIN_SHARE = 1e-3
MAX_STEPS = 200
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Match:
    """Matched persona weights, shape (K,), and the metric before and after."""

    weights: Vectors
    before: float
    after: float
    steps: int


def match(
    statistics: PersonaStatistics,
    metric: str,
    start: Sequence[float] | Vectors,
    *,
    held: Sequence[bool] | None = None,
    entropy: float | None = None,
) -> Match:
    """Find the persona weights near `start` at which a metric is best, with no model call.

    Minimises loss(v) + entropy * KL(v || start) over the weights that are not held, by mirror
    descent with an adaptive step size.

    Parameters
    ----------
    statistics : PersonaStatistics
        Statistics of the simulation.
    metric : str
        "FID", "MAUVE", "KL cosine" or "length"; "joint FID" or "fidelity" where contexts recur; or
        for a closed question "JS", "TV" or "W1".
    start : ndarray, shape (K,)
        Where to start, and the weights that the penalty pulls to.
    held : sequence of bool, optional
        Which personas keep their weight.
    entropy : float, optional
        Strength of the penalty; a hundredth of the loss at the start by default.

    Returns
    -------
    Match

    Raises
    ------
    DataError
        For an unknown metric or fewer than two personas whose weight may change.

    Notes
    -----
    Beck and Teboulle (2003), *Mirror descent and nonlinear projected subgradient methods for convex
    optimization*, Operations Research Letters 31.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> real, simulated = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
    >>> codes, words = np.arange(40) % 2, ["one two"] * 60
    >>> statistics = PersonaStatistics.measure(
    ...     real, simulated + 3 * codes[:, None], codes, ["near", "far"],
    ...     target_texts=words, texts=words[:40])
    >>> bool(match(statistics, "FID", [0.5, 0.5]).weights[0] > 0.9)
    True
    """
    first = statistics.checked(start)
    known = statistics.metrics(first)
    if metric not in known:
        raise DataError(f"There is no metric {metric!r}.", hint=f"Use one of {list(known)}.")
    free = (statistics.counts > 0) & ~np.asarray([False] * len(first) if held is None else held)
    if free.sum() < 2:  # noqa: PLR2004
        raise DataError(
            f"Need at least two personas whose weight may change, got {free.sum()}.",
            hint="Unlock one, or simulate more personas.",
        )
    before = known[metric]
    if entropy is None:
        entropy = ENTROPY * _loss(before, metric)
    objective = _Objective(statistics, metric, _positive(first, free), entropy)
    weights, n_steps = _mirror_descent(objective, free)
    return Match(weights, before, statistics.metrics(weights)[metric], n_steps)


@dataclass(frozen=True, slots=True)
class _Objective:
    statistics: PersonaStatistics
    metric: str
    start: Vectors
    entropy: float

    def value_and_gradient(self, weights: Vectors) -> tuple[float, Vectors]:
        """Return the objective and its gradient; a weight of zero adds no entropy."""
        found = self.statistics.metrics_and_gradients(weights)[self.metric]
        sign = -1.0 if self.metric in HIGHER_IS_BETTER else 1.0
        both = (weights > 0) & (self.start > 0)
        ratio = np.divide(weights, self.start, out=np.ones(len(weights)), where=both)
        logs = np.log(ratio)
        value = _loss(found.value, self.metric) + self.entropy * float(weights @ logs)
        return value, sign * found.gradient + self.entropy * (logs + 1)


def _loss(value: float, metric: str) -> float:
    return 1 - value if metric in HIGHER_IS_BETTER else value


def _positive(weights: Vectors, free: NDArray[np.bool_]) -> Vectors:
    """Return the weights with every free one above zero, which mirror descent cannot leave."""
    mass = 1 - weights[~free].sum()
    positive = np.where(free, np.maximum(weights, MIN_SHARE * mass), weights)
    positive[free] *= mass / positive[free].sum()
    return positive


def _mirror_descent(objective: _Objective, free: NDArray[np.bool_]) -> tuple[Vectors, int]:
    weights = objective.start
    value, slope = objective.value_and_gradient(weights)
    rate = 1 / max(1e-12, float(np.abs(slope[free] - slope[free].mean()).max()))
    for step in range(MAX_STEPS):
        candidate = _step(weights, slope, rate, free)
        new_value, new_slope = objective.value_and_gradient(candidate)
        if new_value > value:
            rate /= 2
            if rate < 1e-12:  # noqa: PLR2004
                return weights, step
            continue
        gain = value - new_value
        weights, value, slope = candidate, new_value, new_slope
        if gain < TOLERANCE * max(1.0, abs(value)):
            return weights, step + 1
        rate *= 1.5
    return weights, MAX_STEPS


def _step(weights: Vectors, slope: Vectors, rate: float, free: NDArray[np.bool_]) -> Vectors:
    moved = weights.copy()
    moved[free] = weights[free] * np.exp(-rate * (slope[free] - slope[free].min()))
    moved[free] *= (1 - weights[~free].sum()) / moved[free].sum()
    return moved
