"""Drawing from the mixture: a persona, an exemplar, then the model's own response."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
)
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.generation.baselines import Method, Shown
from jupyter_mop.engine.generation.candidate_selection import Kept, Resampler
from jupyter_mop.engine.generation.options import SimulationOptions
from jupyter_mop.engine.simulation import simulation as columns
from jupyter_mop.engine.simulation.simulation import Simulation

_SEEDS = 2**31 - 1
_BLOCK = 10_000  # draws of which prompts, requests and answers are held


@dataclass(frozen=True)
class PromptBuilder:
    """What prompts are made of: the personas, the exemplar pool and the question."""

    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    template: PromptTemplate

    def prompt(
        self, record: Mapping[str, str], shown: Shown, pool: Sequence[Exemplar] | None = None
    ) -> Prompt:
        """Return the prompt that puts the question for `record`, with what is to be shown.

        `pool` is the exemplar pool, with the responses of earlier rounds behind it.
        """
        exemplars = self.exemplars if pool is None else pool
        return self.template.render(
            record,
            persona=None if shown.persona is None else self.personas[shown.persona],
            exemplars=[exemplars[j] for j in shown.exemplars],
            wishes=shown.wishes,
        )


def simulate(
    contexts: Population,
    method: Method,
    prompts: PromptBuilder,
    backend: Backend,
    *,
    options: SimulationOptions,
    provenance: Mapping[str, Any],
    resampler: Resampler | None = None,
    on_result: OnCompletion | None = None,
) -> Simulation:
    """Let the model answer each context, shown what `method` draws for it, round by round.

    Of several candidates for each draw the `resampler` selects one. The first candidate is what
    would be drawn alone.
    """
    personas, exemplars, template = prompts.personas, prompts.exemplars, prompts.template
    params, random_state = options.params(SamplingParams().max_tokens), options.random_state
    shape = options.n_candidates or 1, len(contexts)
    made = _Draws(
        contexts=contexts,
        prompts=prompts,
        backend=backend,
        params=params,
        on_result=on_result,
        resampler=resampler,
        seeds=np.random.default_rng([random_state, 1]).integers(_SEEDS, size=shape).T,
    )
    for part in np.array_split(np.arange(len(contexts)), method.n_rounds):
        rows: list[int] = part.tolist()
        made.answer(rows, method.draw(rows, made.said))
    names = [persona.name for persona in personas]
    frame = pd.DataFrame(
        {
            columns.CONTEXT: contexts.contexts,
            columns.PERSONA: [None if s.persona is None else names[s.persona] for s in made.shown],
            columns.EXEMPLAR: [_drawn(show) for show in made.shown],
            columns.RESPONSE: made.said,
            columns.LOG_PROB: method.log_prob,
            columns.WEIGHT: 1.0,
            columns.SEED: np.concatenate(made.kept_seeds),
            columns.DRAW: np.arange(len(contexts)),
        }
    ).astype({columns.PERSONA: object, columns.EXEMPLAR: "Int64"})
    facts = {
        **provenance,
        "template": template.text,
        "personas": {persona.name: persona.description for persona in personas},
        "questions": {
            context: template.question(record)
            for context, record in zip(contexts.contexts, contexts.records, strict=True)
        },
        "model": backend.fingerprint,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": params.max_tokens,
        "seed": random_state,
        "finished": dict(made.finished),
        **(Kept.joined(made.kept).facts if made.kept else {}),
        **method.facts,
        **_shown(made.shown),
    }
    return Simulation(frame, tuple(exemplars), facts)


@dataclass
class _Draws:
    """What has been drawn so far: `seeds` has a row for each draw, a column for each candidate."""

    contexts: Population
    prompts: PromptBuilder
    backend: Backend
    params: SamplingParams
    on_result: OnCompletion | None
    resampler: Resampler | None
    seeds: NDArray[np.int64]
    shown: list[Shown] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    kept_seeds: list[NDArray[np.int64]] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    finished: Counter[str] = field(default_factory=Counter)

    def answer(self, rows: Sequence[int], shown: Sequence[Shown]) -> None:
        """Let the model answer the draws `rows` of one round, block by block."""
        told = [Exemplar(self.contexts.records[i], text) for i, text in enumerate(self.said)]
        pool = [*self.prompts.exemplars, *told]
        at_once = getattr(self.backend, "prompts_at_once", _BLOCK)
        for start in range(0, len(rows), at_once):
            block = slice(start, start + at_once)
            prompts = [
                self.prompts.prompt(self.contexts.records[i], one, pool)
                for i, one in zip(rows[block], shown[block], strict=True)
            ]
            self._block(rows[block], prompts)
        self.shown += shown

    def _block(self, rows: Sequence[int], prompts: Sequence[Prompt]) -> None:
        requests = [
            GenerationRequest(prompt, seed=int(seed), draw=i)
            for i, prompt in zip(rows, prompts, strict=True)
            for seed in self.seeds[i]
        ]
        n_candidates = self.seeds.shape[1]
        tick = _from(len(self.said) * n_candidates, self.on_result)
        completions = self.backend.generate(requests, self.params, on_result=tick)
        self.finished.update(completion.finish_reason for completion in completions)
        texts = np.array([c.text for c in completions], dtype=object).reshape(-1, n_candidates)
        chosen = np.zeros(len(rows), np.intp)
        if self.resampler and n_candidates > 1:
            records = [self.contexts.records[i] for i in rows]
            self.kept.append(self.resampler.choose(records, texts.tolist()))
            chosen = self.kept[-1].chosen
        self.said += texts[np.arange(len(rows)), chosen].tolist()
        self.kept_seeds.append(self.seeds[rows, chosen])


def _from(start: int, on_result: OnCompletion | None) -> OnCompletion | None:
    """Return what reports the results of a round that begins at draw `start`."""
    if on_result is None:
        return None

    def report(index: int, completion: Completion) -> None:
        on_result(start + index, completion)

    return report


def _drawn(show: Shown) -> int | None:
    """Return the exemplar that was drawn as a component of the mixture."""
    return show.exemplars[0] if show.is_component and show.exemplars else None


def _shown(shown: Sequence[Shown]) -> dict[str, Any]:
    """Return what the frame has no column for: other exemplars, and wishes, of each draw."""
    facts: dict[str, Any] = {}
    if any(show.exemplars and _drawn(show) is None for show in shown):
        facts[columns.EXEMPLARS_IN_PROMPT] = [list(show.exemplars) for show in shown]
    if any(show.wishes for show in shown):
        facts[columns.INSTRUCTIONS] = [show.wishes for show in shown]
    return facts
