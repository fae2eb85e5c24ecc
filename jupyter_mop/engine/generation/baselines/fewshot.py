"""Few-shot prompting: random exemplars as earlier turns, drawn anew for each prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jupyter_mop.engine.generation.baselines.method import BaselineInputs, PromptContent


@dataclass(frozen=True)
class FewShot:
    """Show `n_shown` exemplars, drawn at random for each prompt.

    Attributes
    ----------
    n_exemplars : int
        Size of the pool.
    n_shown : int
        Exemplars per prompt.
    random_state : int
        Seed of the draws.
    own : sequence of sequence of int, optional
        The exemplars of each prompt's own context. If they are fewer than `n_shown`, exemplars of
        other contexts stand before them.
    """

    n_exemplars: int
    n_shown: int
    random_state: int
    own: Sequence[Sequence[int]] | None = None
    n_rounds: int = 1
    log_prob: float = np.nan
    facts: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:  # noqa: ARG002
        """Return random exemplars for each of `rows`."""
        size = min(self.n_shown, self.n_exemplars)
        return [PromptContent(exemplars=self._sample(row, size)) for row in rows]

    def _sample(self, row: int, size: int) -> tuple[int, ...]:
        rng = np.random.default_rng([self.random_state, 3, row])
        if self.own is None:
            return tuple(rng.choice(self.n_exemplars, size, replace=False).tolist())
        own = rng.permutation(np.array(self.own[row], dtype=np.intp))[:size]
        rest = np.setdiff1d(np.arange(self.n_exemplars), own)
        others = rng.choice(rest, size - len(own), replace=False)
        return (*others.tolist(), *own.tolist())


def prepare(inputs: BaselineInputs) -> FewShot:
    """Return the few-shot baseline for the exemplar pool."""
    return FewShot(len(inputs.exemplars), inputs.n_shown, inputs.random_state)


def prepare_by_context(inputs: BaselineInputs) -> FewShot:
    """Return the few-shot baseline with exemplars of the question's own context."""
    by_context: dict[str, list[int]] = {}
    for j, exemplar in enumerate(inputs.exemplars):
        by_context.setdefault(exemplar.label, []).append(j)
    own = [by_context.get(label, []) for label in inputs.contexts.context_labels]
    return FewShot(
        len(inputs.exemplars),
        inputs.n_shown,
        inputs.random_state,
        own,
        facts={"prompts_without_own_exemplar": sum(not places for places in own)},
    )
