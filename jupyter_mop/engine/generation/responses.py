"""Responses of the language model to prompts with a persona, exemplars or instructions."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import (
    Backend,
    Completion,
    GenerationRequest,
    OnCompletion,
    Prompt,
    SamplingParams,
    model_facts,
)
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.generation import verbalized
from jupyter_mop.engine.generation.baselines.method import Method, PromptContent
from jupyter_mop.engine.generation.candidate_selection import CandidateSelector, SelectedCandidates
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.simulation import simulation as columns
from jupyter_mop.engine.simulation.simulation import Simulation

_MAX_SEED = 2**31 - 1
_BATCH_SIZE = 10_000  # draws whose prompts, requests and completions are in memory


@dataclass(frozen=True)
class PromptBuilder:
    """Build prompts from the personas, the exemplar pool and the question."""

    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    template: PromptTemplate

    def prompt(
        self,
        record: Mapping[str, str],
        content: PromptContent,
        pool: Sequence[Exemplar] | None = None,
    ) -> Prompt:
        """Return the prompt with the question for `record` and this content.

        `pool` is the exemplar pool followed by the responses of earlier rounds.
        """
        exemplars = self.exemplars if pool is None else pool
        return self.template.render(
            record,
            persona=[self.personas[k] for k in content.personas],
            exemplars=[exemplars[j] for j in content.exemplars],
            instructions=content.instructions,
        )


def simulate(
    contexts: Population,
    method: Method,
    prompts: PromptBuilder,
    backend: Backend,
    *,
    options: SimulationOptions,
    provenance: Mapping[str, Any],
    selector: CandidateSelector | None = None,
    on_result: OnCompletion | None = None,
) -> Simulation:
    """Generate a response to each context, with the prompts that `method` draws round by round.

    Parameters
    ----------
    contexts : Population
        The n contexts.
    method : Method
        Draws the content of each prompt.
    prompts : PromptBuilder
        Personas, exemplar pool and question.
    backend : Backend
        The language model.
    options : SimulationOptions
        Candidates per draw, sampling parameters and seed.
    provenance : mapping
        First entries of the provenance, such as name and weights.
    selector : CandidateSelector, optional
        Selects one of several candidates per draw. The first candidate is the response that a
        draw without candidates would have.
    on_result : callable, optional
        Called with (index, completion) as each finishes.
    """
    params = options.params(SamplingParams().max_tokens)
    shape = options.n_candidates or 1, len(contexts)
    seeds = np.random.default_rng([options.random_state, 1]).integers(_MAX_SEED, size=shape).T
    n_listed = options.n_listed
    made = _Responses(contexts, prompts, backend, params, seeds, selector, on_result, n_listed)
    for round_ in np.array_split(np.arange(len(contexts)), method.n_rounds):
        rows: list[int] = round_.tolist()
        made.generate(rows, _listing(method.draw(rows, made.texts), n_listed))
    made.warn_of_a_mix()
    facts = {
        **provenance,
        **_prompt_facts(contexts, prompts),
        "model": backend.fingerprint,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": params.max_tokens,
        "seed": options.random_state,
        **model_facts(backend),
        **made.facts(),
        **method.facts,
        **_content_facts(made.contents, [persona.name for persona in prompts.personas]),
    }
    return Simulation(made.frame(method.log_prob), tuple(prompts.exemplars), facts)


@dataclass
class _Responses:
    """The responses so far; `seeds` has shape (n, candidates)."""

    contexts: Population
    prompts: PromptBuilder
    backend: Backend
    params: SamplingParams
    seeds: NDArray[np.int64]
    selector: CandidateSelector | None
    on_result: OnCompletion | None
    n_listed: int = 0
    contents: list[PromptContent] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    first_texts: list[str] = field(default_factory=list)
    selected_seeds: list[NDArray[np.int64]] = field(default_factory=list)
    selections: list[SelectedCandidates] = field(default_factory=list)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    n_thinking: int = 0
    served: Counter[str] = field(default_factory=Counter)

    def generate(self, rows: Sequence[int], contents: Sequence[PromptContent]) -> None:
        """Generate the responses of the draws `rows` of one round, in batches."""
        earlier = [Exemplar(self.contexts.records[i], text) for i, text in enumerate(self.texts)]
        pool = [*self.prompts.exemplars, *earlier]
        size = getattr(self.backend, "prompts_at_once", _BATCH_SIZE)
        for start in range(0, len(rows), size):
            batch = slice(start, start + size)
            prompts = [
                self.prompts.prompt(self.contexts.records[i], content, pool)
                for i, content in zip(rows[batch], contents[batch], strict=True)
            ]
            self._generate_batch(rows[batch], prompts)
        self.contents += contents

    def frame(self, log_prob: NDArray[np.float64] | float) -> pd.DataFrame:
        """Return the frame of the simulation."""
        names = [persona.name for persona in self.prompts.personas]
        personas = [names[c.personas[0]] if _has_persona(c) else None for c in self.contents]
        first = {columns.FIRST_RESPONSE: self.first_texts, columns.FIRST_SEED: self.seeds[:, 0]}
        return pd.DataFrame(
            {
                columns.CONTEXT: self.contexts.context_labels,
                columns.PERSONA: personas,
                columns.EXEMPLAR: [_component_exemplar(content) for content in self.contents],
                columns.RESPONSE: self.texts,
                columns.LOG_PROB: log_prob,
                columns.WEIGHT: 1.0,
                columns.SEED: np.concatenate(self.selected_seeds),
                columns.DRAW: np.arange(len(self.contexts)),
                **(first if self.selections else {}),
            }
        ).astype({columns.PERSONA: object, columns.EXEMPLAR: "Int64"})

    def facts(self) -> dict[str, Any]:
        """Return entries for the provenance: finish reasons and candidates."""
        selection = SelectedCandidates.joined(self.selections).facts if self.selections else {}
        thought = {"thinking_tokens": self.n_thinking} if self.n_thinking else {}
        served = {"served": dict(self.served)} if self.served else {}
        listed = {"n_listed": self.n_listed} if self.n_listed else {}
        return {"finished": dict(self.finish_reasons), **listed, **thought, **served, **selection}

    def warn_of_a_mix(self) -> None:
        """Warn if an endpoint's answers came from several models: an alias has moved."""
        if len(self.served) > 1:
            counts = ", ".join(f"{name} ({n:,})" for name, n in self.served.most_common())
            warnings.warn(
                f"The responses come from {len(self.served)} models: {counts}. Give the name of "
                "one version with --model.",
                stacklevel=3,
            )

    def _generate_batch(self, rows: Sequence[int], prompts: Sequence[Prompt]) -> None:
        requests = [
            GenerationRequest(prompt, seed=int(seed), draw=i)
            for i, prompt in zip(rows, prompts, strict=True)
            for seed in self.seeds[i]
        ]
        n_candidates = self.seeds.shape[1]
        tick = _shifted(self.on_result, len(self.texts) * n_candidates)
        ask = self.backend.generate
        if self.n_listed:
            ask = partial(verbalized.generate, self.backend, n_listed=self.n_listed)
        completions = ask(requests, self.params, on_result=tick)
        self.finish_reasons.update(completion.finish_reason for completion in completions)
        self.served.update(c.served for c in completions if c.served)
        self.n_thinking += sum(completion.n_thinking for completion in completions)
        texts = np.array([c.text for c in completions], dtype=object).reshape(-1, n_candidates)
        selected = np.zeros(len(rows), np.intp)
        if self.selector and n_candidates > 1:
            records = [self.contexts.records[i] for i in rows]
            self.selections.append(self.selector.select(records, texts.tolist()))
            selected = self.selections[-1].selected
        self.texts += texts[np.arange(len(rows)), selected].tolist()
        self.first_texts += texts[:, 0].tolist()
        self.selected_seeds.append(self.seeds[rows, selected])


def _listing(contents: Sequence[PromptContent], n_listed: int) -> Sequence[PromptContent]:
    """Return the contents with instructions to list several responses, if any are to be listed."""
    if not n_listed:
        return contents
    asked = verbalized.instructions(n_listed)
    return [replace(c, instructions=f"{c.instructions}\n{asked}".strip()) for c in contents]


def _shifted(on_result: OnCompletion | None, start: int) -> OnCompletion | None:
    """Return a callback that adds `start` to each index."""
    if on_result is None:
        return None

    def report(index: int, completion: Completion) -> None:
        on_result(start + index, completion)

    return report


def _has_persona(content: PromptContent) -> bool:
    """Return whether the prompt has one persona, drawn as part of a component of the mixture."""
    return content.is_component and bool(content.personas)


def _component_exemplar(content: PromptContent) -> int | None:
    """Return the exemplar that was drawn as part of a component of the mixture."""
    return content.exemplars[0] if content.is_component and content.exemplars else None


def _prompt_facts(contexts: Population, prompts: PromptBuilder) -> dict[str, Any]:
    """Return entries for the provenance: template, personas and the question of each context."""
    pairs = zip(contexts.context_labels, contexts.records, strict=True)
    facts: dict[str, Any] = {
        "template": prompts.template.text,
        "personas": {persona.name: persona.description for persona in prompts.personas},
        "questions": {context: prompts.template.question(record) for context, record in pairs},
    }
    if contexts.context_labels != contexts.contexts:
        facts[columns.CONTEXT_TEXTS] = dict(
            zip(contexts.context_labels, contexts.contexts, strict=True)
        )
    return facts


def _content_facts(contents: Sequence[PromptContent], names: Sequence[str]) -> dict[str, Any]:
    """Return entries for the provenance: exemplars, personas and instructions without a column."""
    facts: dict[str, Any] = {}
    if any(content.exemplars and _component_exemplar(content) is None for content in contents):
        facts[columns.EXEMPLARS_IN_PROMPT] = [list(content.exemplars) for content in contents]
    if any(content.personas and not content.is_component for content in contents):
        facts[columns.PERSONAS_IN_PROMPT] = [[names[k] for k in c.personas] for c in contents]
    if any(content.instructions for content in contents):
        facts[columns.INSTRUCTIONS] = [content.instructions for content in contents]
    return facts
