"""Drawing from the mixture: a persona, an exemplar, then the model's own response."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.base import (
    Backend,
    Completion,
    GenerationRequest,
    OnCompletion,
    Prompt,
    SamplingParams,
)
from jupyter_mop.engine import simulation as columns
from jupyter_mop.engine.baselines import Method, Shown, find
from jupyter_mop.engine.exemplars import Exemplar
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.engine.resampling import Kept, Resampler
from jupyter_mop.engine.simulation import Simulation
from jupyter_mop.errors import DataError

_SEEDS = 2**31 - 1
_ROWS = 1024
_BLOCK = 10_000  # draws of which prompts, requests and answers are held


def draw_components(
    gate: Gate,
    vectors: NDArray[np.float64],
    rows: NDArray[np.intp] | None = None,
    *,
    random_state: int = 0,
) -> pd.DataFrame:
    """Draw k ~ pi(x), then j ~ Omega_k(x), for the context vectors x of n draws.

    Each draw alone follows the weights; together they are spread more evenly than independent
    draws, by a scrambled Halton sequence (Owen 2017, arXiv 1706.02808), so that 1,000 draws from
    1,000 equal exemplars show nearly every one. The first draws do not depend on n.

    Parameters
    ----------
    gate : Gate
        The weights.
    vectors : ndarray
        Vectors of contexts, shape (m, d).
    rows : ndarray, optional
        Which of them each draw has, shape (n,); default: one draw for each.
    random_state : int
        Seed of the scrambling.

    Returns
    -------
    pandas.DataFrame
        persona and exemplar (indices) and log_prob (nats), n rows.
    """
    from scipy.stats import qmc

    rows = np.arange(len(vectors)) if rows is None else rows
    spread = qmc.Halton(2, seed=random_state).random(len(rows))
    parts = [_drawn_rows(gate, vectors[rows[part]], spread[part]) for part in _parts(len(rows))]
    return pd.concat(parts, ignore_index=True)


def _parts(n: int) -> list[slice]:
    """Return parts, at least one, of so few rows that weights of shape (rows, J) are small."""
    return [slice(start, start + _ROWS) for start in range(0, max(n, 1), _ROWS)]


def _drawn_rows(
    gate: Gate, contexts: NDArray[np.float64], spread: NDArray[np.float64]
) -> pd.DataFrame:
    """Draw by the numbers in `spread`, shape (n, 2)."""
    rows = np.arange(len(contexts))
    log_pi = gate.persona_log_weights(contexts)
    personas = _choice(log_pi, spread[:, 1])
    log_omega = gate.exemplar_log_weights(contexts, personas)
    exemplars = _choice(log_omega, spread[:, 0])
    log_prob = log_pi[rows, personas] + log_omega[rows, exemplars]
    return pd.DataFrame(
        {columns.PERSONA: personas, columns.EXEMPLAR: exemplars, columns.LOG_PROB: log_prob}
    )


def simulate(
    contexts: Population,
    method: Method,
    *,
    personas: Sequence[Persona],
    exemplars: Sequence[Exemplar],
    template: PromptTemplate,
    backend: Backend,
    params: SamplingParams,
    provenance: Mapping[str, Any],
    random_state: int,
    on_result: OnCompletion | None,
    resampler: Resampler | None = None,
    n_candidates: int = 1,
) -> Simulation:
    """Let the model answer each context, shown what `method` draws for it, round by round.

    Of several candidates for each draw the `resampler` keeps one. The first ones are what would be
    drawn alone.
    """
    shape = n_candidates, len(contexts)
    made = _Draws(
        contexts=contexts,
        personas=personas,
        exemplars=exemplars,
        template=template,
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
    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    template: PromptTemplate
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
        pool = [*self.exemplars, *told]
        at_once = getattr(self.backend, "prompts_at_once", _BLOCK)
        for start in range(0, len(rows), at_once):
            block = slice(start, start + at_once)
            prompts = [
                self._prompt(i, one, pool) for i, one in zip(rows[block], shown[block], strict=True)
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

    def _prompt(self, row: int, shown: Shown, pool: Sequence[Exemplar]) -> Prompt:
        return self.template.render(
            self.contexts.records[row],
            persona=None if shown.persona is None else self.personas[shown.persona],
            exemplars=[pool[j] for j in shown.exemplars],
            wishes=shown.wishes,
        )


def draw_log_prob(
    gate: Gate,
    simulation: Simulation,
    vectors: NDArray[np.float64],
    rows: NDArray[np.intp],
    *,
    names: Sequence[str],
) -> NDArray[np.float64]:
    """Return with what log-probability `gate` draws each draw's persona and exemplar, shape (n,).

    Draw i has the context vector `vectors[rows[i]]`; `names` are those of the gate's personas.

    Raises
    ------
    DataError
        For a baseline, which drew no persona or no exemplar.
    """
    drawn = simulation.frame[[columns.PERSONA, columns.EXEMPLAR]]
    if drawn.isna().to_numpy().any():
        raise DataError(
            f"The simulation {simulation.name!r} drew no persona or no exemplar.",
            hint="Reweight a simulation of the mixture; baselines have no weights.",
        )
    personas = simulation.codes(names)
    exemplars = drawn[columns.EXEMPLAR].to_numpy(dtype=np.intp)
    parts = [
        _log_prob(gate, vectors[rows[part]], personas[part], exemplars[part])
        for part in _parts(len(rows))
    ]
    return np.concatenate(parts)


def _log_prob(
    gate: Gate,
    contexts: NDArray[np.float64],
    personas: NDArray[np.intp],
    exemplars: NDArray[np.intp],
) -> NDArray[np.float64]:
    rows = np.arange(len(contexts))
    log_pi = gate.persona_log_weights(contexts)[rows, personas]
    return np.asarray(log_pi + gate.exemplar_log_weights(contexts, personas)[rows, exemplars])


def check_request(
    n: int,
    baseline: str | None,
    params: SamplingParams,
    n_shown: int = 1,
    n_candidates: int | None = None,
) -> None:
    """Raise a DataError for a number of responses, a baseline or parameters that cannot be."""
    if n < 1:
        raise DataError(f"The number of responses must be at least 1, not {n}.", hint="Use -n 300.")
    if n_shown < 1:
        raise DataError(
            f"The number of exemplars shown must be at least 1, not {n_shown}.",
            hint="Leave it out for the default.",
        )
    if n_candidates is not None and n_candidates < 1:
        raise DataError(
            f"The number of candidates for each response must be at least 1, not {n_candidates}.",
            hint="Leave it out for the default; 1 keeps what was drawn.",
        )
    if baseline is not None:
        find(baseline)
    limits = (
        ("temperature", 0 <= params.temperature < math.inf, "zero or more"),
        ("top_p", 0 < params.top_p <= 1, "above 0 and at most 1"),
        ("max_tokens", params.max_tokens >= 1, "at least 1"),
    )
    for name, holds, limit in limits:
        if not holds:
            raise DataError(
                f"The {name} must be {limit}, not {getattr(params, name)}.",
                hint="Leave it out for the default.",
            )


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
        facts[columns.SHOWN] = [list(show.exemplars) for show in shown]
    if any(show.wishes for show in shown):
        facts[columns.WISHES] = [show.wishes for show in shown]
    return facts


def _choice(log_weights: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the column of each row at which its weights, added up, pass `share` of their sum."""
    upto = np.cumsum(np.exp(log_weights), axis=1)
    return np.asarray(np.sum(upto <= share[:, None] * upto[:, -1:], axis=1), dtype=np.intp)
