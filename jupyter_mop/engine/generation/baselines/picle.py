"""PICLe: the exemplars that a persona makes likelier than the plain model does.

Choi and Li (ICML 2024) fine-tune the model on a persona's statements and show the records with
the largest log-likelihood ratio of the tuned model to the plain one, the largest last. Here the
model stays frozen: the persona's description in the prompt stands in for the tuning, and the
ratio is per token, since records differ in length. As there, the description itself is not shown
when the model answers, and the exemplars come from the asked context where it has any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import ScoreRequest, can_score
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.generation.baselines.method import Scene, Shown
from jupyter_mop.engine.simulation.simulation import PERSONA
from jupyter_mop.errors import ModelError

MOST_CANDIDATES = 60


@dataclass(frozen=True)
class Picle:
    """Shows the exemplars with the largest ratios for the persona that was drawn.

    Attributes
    ----------
    targets : ndarray, shape (n,)
        The persona of each response.
    asked : sequence of str
        The context of each response.
    known : sequence of str
        The context of each candidate.
    ratios : ndarray, shape (K, C)
        Log-likelihood ratio of each candidate under each persona, nats per token.
    """

    targets: NDArray[np.intp]
    asked: Sequence[str]
    known: Sequence[str]
    ratios: NDArray[np.float64]
    names: Sequence[str]
    n_shown: int
    n_rounds: int = 1
    log_prob: float = np.nan

    def draw(self, rows: Sequence[int], said: Sequence[str]) -> list[Shown]:  # noqa: ARG002
        """Return the best exemplars of each row's persona and context, the best last."""
        return [Shown(exemplars=self._best(self.targets[row], self.asked[row])) for row in rows]

    @property
    def facts(self) -> Mapping[str, object]:
        """The persona that the exemplars of each response were chosen for."""
        return {"targets": [self.names[k] for k in self.targets]}

    def _best(self, persona: int, context: str) -> tuple[int, ...]:
        same = [j for j, known in enumerate(self.known) if known == context]
        candidates = np.array(same or range(len(self.known)))
        order = np.argsort(-self.ratios[persona, candidates], kind="stable")[: self.n_shown]
        return tuple(candidates[order][::-1].tolist())


def begin(scene: Scene) -> Picle:
    """Ask for the likelihood of each candidate with and without each persona.

    Raises
    ------
    ModelError
        Where the backend cannot score.
    """
    if not can_score(scene.backend):
        raise ModelError(
            "This model gives no log-probabilities of a given text, which PICLe chooses by.",
            hint="Use the embedded model, or the baseline fewshot.",
        )
    candidates = scene.exemplars[:MOST_CANDIDATES]
    plain, *told = _per_token(scene, candidates, [None, *scene.personas])
    return Picle(
        scene.drawn[PERSONA].to_numpy(dtype=np.intp),
        scene.contexts.contexts,
        [exemplar.context for exemplar in candidates],
        np.array(told) - plain,
        [persona.name for persona in scene.personas],
        scene.n_shown,
    )


def _per_token(
    scene: Scene, candidates: Sequence[Exemplar], personas: Sequence[Persona | None]
) -> NDArray[np.float64]:
    """Return log p(response | persona, context) per token, shape (personas, candidates)."""
    requests = [
        ScoreRequest(scene.template.render(exemplar.record, persona=persona), exemplar.response)
        for persona in personas
        for exemplar in candidates
    ]
    tick = scene.on_step("likelihood ratios", len(requests)) if scene.on_step else None
    scores = scene.backend.score(requests, on_result=tick)
    values = [score.total / max(score.n_tokens, 1) for score in scores]
    return np.array(values).reshape(len(personas), len(candidates))
