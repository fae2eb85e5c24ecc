"""PICLe: show the exemplars that a persona makes more likely than the plain model does.

Choi and Li (ICML 2024) fine-tune the model on a persona's statements and show the records with
the largest log-likelihood ratio of the tuned model to the plain one, the largest last. Here the
model is not tuned: the persona's description in the prompt replaces the tuning. The ratio is per
token, since records differ in length. As in the paper, the prompt for a response does not contain
the description. Exemplars come from the same context if it has any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import ScoreRequest, Scores, can_score
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.generation.baselines.method import BaselineInputs, PromptContent
from jupyter_mop.engine.simulation.simulation import PERSONA
from jupyter_mop.errors import ModelError

MAX_EXEMPLARS = 60


@dataclass(frozen=True)
class Picle:
    """Show the exemplars with the largest likelihood ratios for the drawn persona.

    Attributes
    ----------
    targets : ndarray, shape (n,)
        The drawn persona of each prompt.
    contexts : sequence of str
        The context of each prompt.
    exemplar_contexts : sequence of str
        The context of each of C exemplars.
    ratios : ndarray, shape (K, C)
        Log-likelihood ratio of each exemplar under each persona, nats per token.
    names : sequence of str
        Names of the K personas.
    n_shown : int
        Exemplars per prompt.
    """

    targets: NDArray[np.intp]
    contexts: Sequence[str]
    exemplar_contexts: Sequence[str]
    ratios: NDArray[np.float64]
    names: Sequence[str]
    n_shown: int
    n_rounds: int = 1
    log_prob: float = np.nan

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:  # noqa: ARG002
        """Return the best exemplars for the persona and context of each row, the best last."""
        return [
            PromptContent(exemplars=self._best(self.targets[row], self.contexts[row]))
            for row in rows
        ]

    @property
    def facts(self) -> Mapping[str, object]:
        """The drawn persona of each prompt."""
        return {"targets": [self.names[k] for k in self.targets]}

    def _best(self, persona: int, context: str) -> tuple[int, ...]:
        same = [j for j, known in enumerate(self.exemplar_contexts) if known == context]
        choices = np.array(same or range(len(self.exemplar_contexts)))
        order = np.argsort(-self.ratios[persona, choices], kind="stable")[: self.n_shown]
        return tuple(choices[order][::-1].tolist())


def prepare(inputs: BaselineInputs) -> Picle:
    """Score each exemplar with and without each persona.

    Raises
    ------
    ModelError
        If the backend cannot score.
    """
    if not can_score(inputs.backend):
        raise ModelError(
            "The baseline picle requires a model that reports log-probabilities of a given text.",
            hint="Use the embedded model, or the baseline fewshot.",
        )
    exemplars = inputs.exemplars[:MAX_EXEMPLARS]
    plain, *with_persona = _log_lik_per_token(inputs, exemplars, [None, *inputs.personas])
    return Picle(
        inputs.components[PERSONA].to_numpy(dtype=np.intp),
        inputs.contexts.context_labels,
        [exemplar.label for exemplar in exemplars],
        np.array(with_persona) - plain,
        [persona.name for persona in inputs.personas],
        inputs.n_shown,
    )


def _log_lik_per_token(
    inputs: BaselineInputs, exemplars: Sequence[Exemplar], personas: Sequence[Persona | None]
) -> NDArray[np.float64]:
    """Return log p(response | persona, context) per token, shape (personas, exemplars)."""
    requests = [
        ScoreRequest(inputs.template.render(exemplar.record, persona=persona), exemplar.response)
        for persona in personas
        for exemplar in exemplars
    ]
    tick = inputs.on_step("likelihood ratios", len(requests)) if inputs.on_step else None
    assert isinstance(inputs.backend, Scores)  # noqa: S101  checked by `prepare`
    scores = inputs.backend.score(requests, on_result=tick)
    values = [score.total / max(score.n_tokens, 1) for score in scores]
    return np.array(values).reshape(len(personas), len(exemplars))
