"""The persona weights that bring one figure of a simulation closest to the real responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.vectors import Vectors
from jupyter_mop.engine.weighting.persona_statistics import BETTER, PersonaStatistics
from jupyter_mop.errors import DataError

ENTROPY = 0.01
FLOOR = 1e-3
MAX_STEPS = 200
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Match:
    """The weights found, shape (K,), and the figure before and after."""

    weights: Vectors
    before: float
    after: float
    steps: int


def matched_weights(statistics: PersonaStatistics, figure: str) -> dict[str, float]:
    """Return the persona weights at which a figure is best, by name, starting from equal ones."""
    start = np.full(len(statistics.names), 1 / len(statistics.names))
    found = match(statistics, figure, start)
    return {name: float(w) for name, w in zip(statistics.names, found.weights, strict=True)}


def match(
    statistics: PersonaStatistics,
    figure: str,
    start: Sequence[float] | Vectors,
    *,
    held: Sequence[bool] | None = None,
    entropy: float | None = None,
) -> Match:
    """Find persona weights near `start` at which a figure is best.

    Minimises loss(v) + entropy * KL(v || start) over the weights that are not held, by mirror
    descent with a step that grows while it helps (Beck and Teboulle 2003): no model call.

    Parameters
    ----------
    statistics : PersonaStatistics
        Of the simulation.
    figure : str
        "FID", "MAUVE", "KL cosine", "length", or a figure of answers.
    start : ndarray, shape (K,)
        Where to begin, and what the penalty holds on to.
    held : sequence of bool, optional
        Which personas keep their weight.
    entropy : float, optional
        Strength of the penalty; default: a hundredth of the loss at the start.

    Raises
    ------
    DataError
        For an unknown figure or when fewer than two personas may move.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> real, made = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
    >>> codes, words = np.arange(40) % 2, ["one two"] * 60
    >>> measured = PersonaStatistics.measure(
    ...     real, made + 3 * codes[:, None], codes, ["near", "far"],
    ...     target_texts=words, texts=words[:40])
    >>> bool(match(measured, "FID", [0.5, 0.5]).weights[0] > 0.9)
    True
    """
    first = statistics.checked(start)
    if figure not in statistics.values(first):
        raise DataError(
            f"There is no figure {figure!r}.", hint=f"Use one of {list(statistics.values(first))}."
        )
    free = (statistics.counts > 0) & ~np.asarray([False] * len(first) if held is None else held)
    if free.sum() < 2:  # noqa: PLR2004
        raise DataError(
            "Fewer than two personas may move.", hint="Unlock one, or simulate more personas."
        )
    before = statistics.figures(first)[figure]
    anchor = _lifted(first, free)
    loss = _loss(before, figure)
    problem = _Problem(statistics, figure, anchor, ENTROPY * loss if entropy is None else entropy)
    weights, steps = _descended(problem, free)
    return Match(weights, before, statistics.figures(weights)[figure], steps)


@dataclass(frozen=True, slots=True)
class _Problem:
    statistics: PersonaStatistics
    figure: str
    anchor: Vectors
    entropy: float

    def at(self, weights: Vectors) -> tuple[float, Vectors]:
        """Return the objective and its gradient; a weight of zero adds no entropy."""
        found = self.statistics.values(weights)[self.figure]
        sign = -1.0 if self.figure in BETTER else 1.0
        both = (weights > 0) & (self.anchor > 0)
        ratio = np.divide(weights, self.anchor, out=np.ones(len(weights)), where=both)
        logs = np.log(ratio)
        value = _loss(found.value, self.figure) + self.entropy * float(weights @ logs)
        return value, sign * found.gradient + self.entropy * (logs + 1)


def _loss(value: float, figure: str) -> float:
    return 1 - value if figure in BETTER else value


def _lifted(weights: Vectors, free: NDArray[np.bool_]) -> Vectors:
    """Return the weights with no free one at nothing, where mirror descent could not leave."""
    mass = 1 - weights[~free].sum()
    lifted = np.where(free, np.maximum(weights, FLOOR * mass), weights)
    lifted[free] *= mass / lifted[free].sum()
    return lifted


def _descended(problem: _Problem, free: NDArray[np.bool_]) -> tuple[Vectors, int]:
    weights = problem.anchor
    value, slope = problem.at(weights)
    rate = 1 / max(1e-12, float(np.abs(slope[free] - slope[free].mean()).max()))
    for step in range(MAX_STEPS):
        trial = _moved(weights, slope, rate, free)
        trial_value, trial_slope = problem.at(trial)
        if trial_value > value:
            rate /= 2
            if rate < 1e-12:  # noqa: PLR2004
                return weights, step
            continue
        gain = value - trial_value
        weights, value, slope = trial, trial_value, trial_slope
        if gain < TOLERANCE * max(1.0, abs(value)):
            return weights, step + 1
        rate *= 1.5
    return weights, MAX_STEPS


def _moved(weights: Vectors, slope: Vectors, rate: float, free: NDArray[np.bool_]) -> Vectors:
    moved = weights.copy()
    moved[free] = weights[free] * np.exp(-rate * (slope[free] - slope[free].min()))
    moved[free] *= (1 - weights[~free].sum()) / moved[free].sum()
    return moved
