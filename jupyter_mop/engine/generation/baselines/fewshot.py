"""Random few-shot: some records as past turns, drawn anew for each prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jupyter_mop.engine.generation.baselines.method import Scene, Shown


@dataclass(frozen=True)
class FewShot:
    """Shows `n_shown` exemplars of a pool of `n_exemplars`, each prompt others."""

    n_exemplars: int
    n_shown: int
    random_state: int
    n_rounds: int = 1
    log_prob: float = np.nan
    facts: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rows: Sequence[int], said: Sequence[str]) -> list[Shown]:  # noqa: ARG002
        """Return different exemplars for each of `rows`, at random."""
        size = min(self.n_shown, self.n_exemplars)
        return [Shown(exemplars=self._some(row, size)) for row in rows]

    def _some(self, row: int, size: int) -> tuple[int, ...]:
        rng = np.random.default_rng([self.random_state, 3, row])
        return tuple(rng.choice(self.n_exemplars, size, replace=False).tolist())


def begin(scene: Scene) -> FewShot:
    """Return what draws the exemplars from the pool of `scene`."""
    return FewShot(len(scene.exemplars), scene.n_shown, scene.random_state)
