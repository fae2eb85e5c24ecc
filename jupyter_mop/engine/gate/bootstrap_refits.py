"""How sure learned weights are: other records might have been drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
MIN_REFITS = 20


@dataclass(frozen=True)
class BootstrapRefits:
    """A fit that can be done again with records drawn anew, from likelihoods that are known.

    Attributes
    ----------
    start : Gate
        The uniform gate.
    train, held_out : ComponentScores
        What was learned from and what was stopped on.
    l2 : float
        Penalty of the fit.
    """

    start: Gate
    train: ComponentScores
    held_out: ComponentScores
    l2: float

    def draw(self, *, random_state: int) -> Gate:
        """Return the gate learned from as many records, drawn with replacement.

        Its random numbers are those of `random_state` alone.
        """
        rng = np.random.default_rng([3, random_state])
        return self.start.fit(
            _resampled(self.train, rng), _resampled(self.held_out, rng), l2=self.l2
        )

    def intervals(
        self,
        n: int,
        contexts: Array,
        weight: Array,
        *,
        random_state: int = 0,
        on_result: Callable[[int, object], object] | None = None,
    ) -> pd.DataFrame:
        """Return low and high of each persona's marginal weight over `contexts`, (K rows).

        They hold the middle 95 % of `n` such gates.
        """
        if n < MIN_REFITS:
            raise DataError(
                f"An interval needs at least {MIN_REFITS} refits, not {n}.", hint="Use n=100."
            )
        drawn = []
        for i in range(n):
            gate = self.draw(random_state=random_state + i)
            drawn.append(gate.persona_weights(contexts, weight))
            if on_result:
                on_result(i, None)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        return pd.DataFrame({"low": low, "high": high})


def _resampled(evidence: ComponentScores, rng: np.random.Generator) -> ComponentScores:
    """Count each record as often as a draw with replacement takes it."""
    heavy = evidence.weight > 0
    times = rng.multinomial(heavy.sum(), heavy / heavy.sum())
    return evidence.weighted(evidence.weight * times)
