"""Matched persona weights, judged on responses that did not choose them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.data.persona_weights import NamedWeights
from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.metrics.vectors import Indices, Vectors
from jupyter_mop.engine.weighting.comparison import Measured
from jupyter_mop.engine.weighting.persona_statistics import HIGHER_IS_BETTER, PersonaStatistics
from jupyter_mop.engine.weighting.weight_matching import match
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Rendered

N_SPLITS = 3  # of the responses, to judge matched weights
REACH = 1e-3  # of a persona's weight
INSIDE = 2e-3  # of the way from a limit, which is only approached, to the weights as drawn


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
    return HeldOutGain(
        before=float(before.mean()),
        after=float(after.mean()),
        gain=float(gains.mean()),
        low=float(gains.min()),
        high=float(gains.max()),
        n_halves=len(gains),
    )


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


@dataclass(frozen=True, eq=False)
class MatchedWeights(Rendered, NamedWeights):
    """Persona weights at which one metric is best, a mapping that `reweight` and `simulate` accept.

    Attributes
    ----------
    weights, start : dict of str to float
        The matched weights, and the equal ones that the search began from.
    metric : str
        Name of the metric.
    gain : float
        Improvement on the responses that chose the weights; above 0 is better.
    held_out : HeldOutGain or None
        Improvement on others; None where there are too few responses to split.
    n : int
        Number of simulated responses.
    limited : tuple of str
        Personas that have the highest or the lowest weight that they can have, with that weight.
    """

    weights: dict[str, float]
    start: dict[str, float]
    metric: str
    gain: float
    held_out: HeldOutGain | None
    n: int
    limited: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """What the weights gain, on responses that did not choose them, in words."""
        own = f"by {self.gain:.3f} on the {self.n:,} responses that chose them"
        if self.held_out is None:
            said = f"{self.metric} is better {own}; too few responses to judge them on others."
        elif self.held_out.is_clear:
            said = (
                f"{self.metric} is better by {self.held_out.gain:.3f} on other responses ({own})."
            )
        else:
            found = f"{self.held_out.gain:+.3f} on others"
            said = f"No clear gain on {self.metric}, equal weights are a tie: {own}, {found}."
        return said if not self.limited else f"{said} {self._limits}"

    @property
    def _limits(self) -> str:
        return (
            "Some personas answer contexts alone, or none of some contexts. The nearest weights "
            f"that can be reached: {', '.join(self.limited)}. "
            "Simulate with equal weights to reach others."
        )

    def __repr__(self) -> str:
        return f"{self.verdict}\nMatchedWeights({self.listed})"


def matched_weights(
    statistics: PersonaStatistics, metric: str, measured: Measured | None = None
) -> MatchedWeights:
    """Return the persona weights at which a metric is best, starting from equal ones.

    Where a persona answers some contexts alone, or none of some, the best weights within reach.

    Parameters
    ----------
    statistics : PersonaStatistics
        Statistics of all responses.
    metric : str
        As for `match`.
    measured : Measured, optional
        The responses, to judge the weights on some that did not choose them.

    Raises
    ------
    DataError
        If no other weights can be reached, and for input that `match` refuses.
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
    found = match(statistics, metric, start)
    weights = statistics.cells.reached(found.weights)
    limited = tuple(
        f"{name} {share:.3f}"
        for name, share, *ends in zip(names, weights, low, high, strict=True)
        if any(0 < end < 1 - REACH and abs(share - end) < REACH for end in ends)
    )
    if limited:
        weights = weights + INSIDE * (statistics.cells.groups.marginal - weights)
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    return MatchedWeights(
        dict(zip(names, weights.tolist(), strict=True)),
        dict(zip(names, start.tolist(), strict=True)),
        metric,
        sign * (found.after - found.before),
        None if measured is None else held_out_gain(measured, metric, start),
        int(statistics.counts.sum()),
        limited,
    )
