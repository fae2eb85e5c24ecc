"""Few-shot prompting: random exemplars as earlier turns, drawn anew for each prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jupyter_mop.engine.generation.baselines.method import BaselineInputs, PromptContent


@dataclass(frozen=True)
class FewShot:
    """Show `n_shown` of the `n_exemplars` exemplars, drawn at random for each prompt."""

    n_exemplars: int
    n_shown: int
    random_state: int
    n_rounds: int = 1
    log_prob: float = np.nan
    facts: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:  # noqa: ARG002
        """Return random exemplars for each of `rows`."""
        size = min(self.n_shown, self.n_exemplars)
        return [PromptContent(exemplars=self._sample(row, size)) for row in rows]

    def _sample(self, row: int, size: int) -> tuple[int, ...]:
        rng = np.random.default_rng([self.random_state, 3, row])
        return tuple(rng.choice(self.n_exemplars, size, replace=False).tolist())


def prepare(inputs: BaselineInputs) -> FewShot:
    """Return the few-shot baseline for the exemplar pool."""
    return FewShot(len(inputs.exemplars), inputs.n_shown, inputs.random_state)
