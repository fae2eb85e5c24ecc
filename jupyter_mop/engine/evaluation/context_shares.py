"""The contexts of people who answered beside those of a simulation: compared, or made equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.prediction_powered import TINY, share_interval
from jupyter_mop.engine.metrics.vectors import Indices, Vectors, effective_sample_size
from jupyter_mop.errors import DataError

MIN_EXPECTED = 5.0
MIN_PER_CONTEXT = 2
MAX_P = 0.01


@dataclass(frozen=True)
class ContextShares:
    """The shares of C contexts in a simulation and among n people.

    Attributes
    ----------
    contexts : tuple of str
        The C contexts.
    simulated : ndarray, shape (C,)
        Their shares in the simulation, which stand for the population.
    n_simulated : float
        Number of independent contexts that these shares come from.
    people : ndarray of int, shape (n,)
        The context of each person.
    weights : ndarray, shape (n,)
        The people's survey weights.
    """

    contexts: tuple[str, ...]
    simulated: Vectors
    n_simulated: float
    people: Indices
    weights: Vectors

    @property
    def human(self) -> Vectors:
        """The weighted shares of the contexts among the people, shape (C,)."""
        totals = np.bincount(self.people, self.weights, len(self.contexts))
        return np.asarray(totals / totals.sum())

    def difference(self) -> str:
        """Return a sentence if the people cannot be a random sample of these contexts, else "".

        Two-sample chi-square test at 0.01 with effective sample sizes (Rao and Scott 1981, first
        order). Contexts with fewer than five people expected count as one.

        Examples
        --------
        >>> people = np.repeat([0, 1], [80, 20])
        >>> half = np.array([0.5, 0.5])
        >>> shares = ContextShares(("young", "old"), half, 400, people, np.ones(100))
        >>> shares.difference()
        "'young' has 80% of the human answers and 50% of the simulation (p < 0.001)."
        """
        from scipy.stats import chi2

        n, m = effective_sample_size(self.weights), self.n_simulated
        pooled = (n * self.human + m * self.simulated) / (n + m)
        cells = np.where(n * pooled >= MIN_EXPECTED, np.arange(len(pooled)) + 1, 0)
        first, second, both = (np.bincount(cells, s) for s in (self.human, self.simulated, pooled))
        used = n * both >= MIN_EXPECTED
        gaps = (first - second)[used]
        statistic = n * m / (n + m) * np.sum(gaps**2 / both[used])
        p = float(chi2.sf(statistic, max(np.count_nonzero(both) - 1, 1)))
        if p >= MAX_P:
            return ""
        c = int(np.abs(self.human - self.simulated).round(9).argmax())
        return (
            f"{self.contexts[c][:60]!r} has {self.human[c]:.0%} of the human answers and "
            f"{self.simulated[c]:.0%} of the simulation "
            f"({'p < 0.001' if p < 0.001 else f'p = {p:.3f}'})."  # noqa: PLR2004
        )

    def check_every_context_has_people(self) -> None:
        """Raise a DataError if a context has too few human answers for post-stratification."""
        counts = np.bincount(self.people[self.weights > 0], minlength=len(self.contexts))
        few = np.flatnonzero((self.simulated > 0) & (counts < MIN_PER_CONTEXT))
        if len(few):
            worst = few[self.simulated[few].argmax()]
            raise DataError(
                f"Post-stratification needs at least {MIN_PER_CONTEXT} human answers in every "
                f"context. {len(few)} of {len(self.contexts)} have fewer, such as "
                f"{self.contexts[worst][:60]!r}, which is {self.simulated[worst]:.1%} of the "
                "simulation.",
                hint="Ask people in these contexts, or set the population with fewer context "
                "columns.",
            )

    def post_stratified(
        self, answers: Vectors, *, level: float, is_share: bool
    ) -> dict[str, float]:
        """Return the mean of the answers if the people's contexts had the simulation's shares.

        Parameters
        ----------
        answers : ndarray, shape (n,)
            One number per person.
        level : float
            Confidence level.
        is_share : bool
            Whether the answers are 0 or 1.

        Returns
        -------
        dict of str to float
            value, low, high and worth: the number of answers of people in the right contexts that
            would be as precise.

        Notes
        -----
        Within a context all people have the same prediction, so that predictions cancel out: the
        estimate is sum_c share_c mean_c. The interval of a share joins the Wilson intervals of
        the contexts (MOVER; Zou and Donner 2008, Statistics in Medicine 27), which holds where a
        context has few people who all say the same. That of a mean is Student's with
        Satterthwaite's degrees of freedom. Both contain the sampling error of the shares.

        Examples
        --------
        >>> people = np.repeat([0, 1], [80, 20])
        >>> half = np.array([0.5, 0.5])
        >>> shares = ContextShares(("young", "old"), half, 400, people, np.ones(100))
        >>> answers = np.repeat([0.0, 1.0, 0.0, 1.0], [64, 16, 8, 12])
        >>> found = shares.post_stratified(answers, level=0.9, is_share=True)
        >>> {name: round(value, 3) for name, value in found.items()}
        {'value': 0.4, 'low': 0.303, 'high': 0.491, 'worth': 63.758}
        """
        from scipy.stats import t

        used = np.flatnonzero(self.simulated > 0)
        cells = [_cell(answers[self.people == c], self.weights[self.people == c]) for c in used]
        means, variances, sizes = np.array(cells).T
        shares = self.simulated[used]
        value = float(shares @ means)
        between = float(shares @ (means - value) ** 2)
        parts, of_shares = shares**2 * variances / sizes, between / self.n_simulated
        error = float(np.sqrt(parts.sum() + of_shares))
        spread = value * (1 - value) if is_share else float(shares @ variances) + between
        worth = spread / error**2 if error > 0 else float(1 / np.sum(shares**2 / sizes))
        if is_share:
            ends = [
                share_interval(p, n, level=level, freedom=np.inf)
                for p, n in zip(means, sizes, strict=True)
            ]
            distances = shares**2 @ (np.array(ends) - means[:, None]) ** 2
            below, above = np.sqrt(distances + t.ppf((1 + level) / 2, np.inf) ** 2 * of_shares)
            low, high = max(value - below, 0.0), min(value + above, 1.0)
        else:
            freedom = error**4 / max(np.sum(parts**2 / np.maximum(sizes - 1, 1)), TINY)
            half = error * t.ppf((1 + level) / 2, max(freedom, 1.0))
            low, high = value - half, value + half
        return {"value": value, "low": float(low), "high": float(high), "worth": worth}


def _cell(answers: Vectors, weights: Vectors) -> tuple[float, float, float]:
    """Return the weighted mean and variance of the answers, and their effective number."""
    size = effective_sample_size(weights)
    mean = np.average(answers, weights=weights)
    variance = np.average((answers - mean) ** 2, weights=weights)
    return float(mean), float(variance * size / max(size - 1, 1.0)), size
