"""What every way to ask has in common: prompts in each order of the options, and replies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import (
    Backend,
    Completion,
    Encoder,
    GenerationRequest,
    OnStep,
    Prompt,
    SamplingParams,
    Tick,
)
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.data.task_prompts import LETTERS
from jupyter_mop.engine.survey.question import Question

if TYPE_CHECKING:
    from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions

Record = Mapping[str, str]

_MAX_SEED = 2**31


@dataclass(frozen=True)
class Elicitation:
    """A question with one answer, put to C contexts under K personas: its prompts and replies."""

    question: Question
    records: Sequence[Record]
    personas: Sequence[Persona | None]
    backend: Backend
    options: ElicitationOptions
    encoder: Encoder | None
    exemplars: Sequence[Sequence[Exemplar]]
    on_step: OnStep | None

    def templates(self, *, lettered: bool = False) -> list[PromptTemplate]:
        """Return the question in each order of its options, or once if these are not listed."""
        if not (self.options.listed or lettered):
            return [PromptTemplate(self.question.text)]
        return [self.question.template(o, lettered=lettered) for o in self.orders()]

    def prompts(
        self,
        templates: Sequence[PromptTemplate],
        labels: Sequence[Sequence[str]] = (),
        *,
        instructions: str = "",
    ) -> list[Prompt]:
        """Return a prompt for each template, context and persona, in this order.

        `labels` are the options as the exemplars name them: for all templates, or for each.
        """
        return [
            template.render(record, persona=persona, exemplars=shown, instructions=instructions)
            for t, template in enumerate(templates)
            for record, shown in zip(
                self.records, self._shown(labels[t % len(labels)] if labels else ()), strict=True
            )
            for persona in self.personas
        ]

    def _shown(self, labels: Sequence[str]) -> Sequence[Sequence[Exemplar]]:
        """Return the exemplars of each context, their answers as one of the labels."""
        if not labels:
            return self.exemplars
        label_of = dict(zip(self.question.options, labels, strict=True))
        return [
            [replace(exemplar, response=label_of[exemplar.response]) for exemplar in shown]
            for shown in self.exemplars
        ]

    def orders(self) -> list[NDArray[np.intp]]:
        """Return the orders in which the options are listed."""
        n_orders, random_state = self.options.n_orders, self.options.random_state
        return self.question.option_orders(n_orders, random_state=random_state)

    def labels(self, *, lettered: bool) -> list[list[str]]:
        """Return the label of each option: its text, or its letter in each order."""
        if not lettered:
            return [list(self.question.options)]
        letters = [dict(zip(order.tolist(), LETTERS, strict=False)) for order in self.orders()]
        return [[of_option[a] for a in range(len(of_option))] for of_option in letters]

    def replies(
        self, prompts: Sequence[Prompt], params: SamplingParams, n_draws: int
    ) -> list[Completion]:
        """Return `n_draws` replies to each prompt, those of one prompt together."""
        requests = [
            GenerationRequest(prompt, _seed(prompt, self.options.random_state), draw)
            for prompt in prompts
            for draw in range(n_draws)
        ]
        tick = self.tick("answers", requests)
        return self.backend.generate(requests, params, on_result=tick)

    def by_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values per prompt, (n,) or (n, A), with the shape (orders, C, K, 1 or A)."""
        width = values.shape[1] if values.ndim > 1 else 1
        return values.reshape(-1, len(self.records), len(self.personas), width)

    def tick(self, step: str, requests: Sequence[object]) -> Tick | None:
        """Begin a step of the progress; return its callback for each result."""
        return self.on_step(step, len(requests)) if self.on_step else None


def _seed(prompt: Prompt, random_state: int) -> int:
    """Return the seed of a prompt's replies, so that no two prompts share random numbers."""
    turns = [[message.role, message.content] for message in prompt.messages]
    digest = hashlib.sha256(json.dumps([random_state, turns]).encode()).digest()
    return int.from_bytes(digest[:8]) % _MAX_SEED
