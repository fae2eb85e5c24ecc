"""Match persona weights: those at which one metric of a simulation is best."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.metrics.vectors import Indices, Vectors
from jupyter_mop.engine.weighting.comparison import Measured
from jupyter_mop.engine.weighting.persona_statistics import HIGHER_IS_BETTER, PersonaStatistics
from jupyter_mop.errors import DataError

ENTROPY = 0.01
MIN_SHARE = 1e-3
MAX_STEPS = 200
TOLERANCE = 1e-9
N_SPLITS = 3  # of the responses, to judge matched weights
REACH = 1e-3  # of a persona's weight
INSIDE = 2e-3  # of the way from a limit, which is only approached, to the weights as drawn


@dataclass(frozen=True, slots=True)
class Match:
    """Matched persona weights, shape (K,), and the metric before and after."""

    weights: Vectors
    before: float
    after: float
    steps: int


def matched_weights(statistics: PersonaStatistics, metric: str) -> dict[str, float]:
    """Return the persona weights at which a metric is best, by name, starting from equal ones.

    Where a persona answers some contexts alone, or none of some, the best weights within reach.

    Raises
    ------
    DataError
        If no other weights can be reached, and for input that `match` refuses.

    Warns
    -----
    UserWarning
        If a persona has the highest or the lowest weight that it can have.
    """
    names = statistics.names
    low, high = statistics.cells.limits
    start = statistics.cells.reached(np.full(len(names), 1 / len(names)))
    if np.max(high - low) < REACH:
        shares = ", ".join(f"{name} {share:.3f}" for name, share in zip(names, start, strict=True))
        raise DataError(
            f"Each persona answers contexts of its own, so that no weights but {shares} can be "
            "reached.",
            hint="Simulate with equal weights: --weights uniform.",
        )
    found = statistics.cells.reached(match(statistics, metric, start).weights)
    limited = [
        f"{name} {share:.3f}"
        for name, share, *ends in zip(names, found, low, high, strict=True)
        if any(0 < end < 1 - REACH and abs(share - end) < REACH for end in ends)
    ]
    if limited:
        found = found + INSIDE * (statistics.cells.groups.marginal - found)
        warnings.warn(
            "Some personas answer contexts alone, or none of some contexts. The nearest weights "
            f"that can be reached: {', '.join(limited)}. "
            "Simulate with equal weights to reach others.",
            UserWarning,
            stacklevel=3,
        )
    return {name: float(share) for name, share in zip(names, found, strict=True)}


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
class HeldOutGain:
    """A metric before and after matching, on responses that did not choose the weights.

    Attributes
    ----------
    before, after : float
        Means over all halves.
    gain : float
        Their difference; above 0 is better.
    low, high : float
        The smallest and the largest improvement of one half; above 0 is better.
    n_halves : int
        Number of halves.
    """

    before: float
    after: float
    gain: float
    low: float
    high: float
    n_halves: int

    @property
    def is_clear(self) -> bool:
        """Whether every half improved."""
        return self.low > 0


def held_out_gain(
    measured: Measured,
    metric: str,
    start: Sequence[float] | Vectors,
    *,
    held: Sequence[bool] | None = None,
    n_splits: int = N_SPLITS,
    random_state: int = 0,
) -> HeldOutGain | None:
    """Return what matching gains on responses that it has not seen.

    The real and the simulated responses are split at random, the simulated ones within each
    persona. The weights of one half are judged on the other, and the reverse.

    Parameters
    ----------
    measured : Measured
        All responses of a comparison.
    metric, start, held
        As for `match`.
    n_splits : int
        Number of random splits, two halves each.
    random_state : int
        Seed of the splits.

    Returns
    -------
    HeldOutGain or None
        None for too few responses, or a metric that half of them leave undefined.
    """
    rng, found = np.random.default_rng(random_state), []
    for _ in range(n_splits):
        rows = zip(
            _halves(rng, np.zeros(len(measured.target), dtype=np.intp)),
            _halves(rng, measured.codes),
            strict=True,
        )
        try:
            with one_thread():
                halves = [measured.statistics(*side, random_state=random_state) for side in rows]
            pairs = [(halves[0], halves[1]), (halves[1], halves[0])]
            found += [_judged(*pair, metric, start, held) for pair in pairs]
        except DataError:
            return None
    before, after = np.array(found).T
    gains = (after - before) * (1 if metric in HIGHER_IS_BETTER else -1)
    if not np.isfinite(gains).all():
        return None
    ends = float(gains.min()), float(gains.max())
    means = (float(values.mean()) for values in (before, after, gains))
    return HeldOutGain(*means, *ends, len(gains))


def _halves(rng: np.random.Generator, groups: Indices) -> tuple[Indices, Indices]:
    """Return the rows of two random halves with an equal share of each group."""
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    return order[::2], order[1::2]


def _judged(
    chooser: PersonaStatistics,
    judge: PersonaStatistics,
    metric: str,
    start: Sequence[float] | Vectors,
    held: Sequence[bool] | None,
) -> tuple[float, float]:
    """Return the metric of one half before and after the weights that another half chose."""
    weights = match(chooser, metric, start, held=held).weights
    return judge.metrics(start)[metric], judge.metrics(weights)[metric]


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
