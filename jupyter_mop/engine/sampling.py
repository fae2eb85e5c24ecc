"""Drawing from the mixture: a persona, an exemplar, then the model's own response."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

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
from jupyter_mop.engine.simulation import Simulation
from jupyter_mop.errors import DataError

T = TypeVar("T")

_SEEDS = 2**31 - 1
_ROWS = 1024
_BLOCK = 10_000


def draw_components(
    gate: Gate, contexts: NDArray[np.float64], *, random_state: int = 0
) -> pd.DataFrame:
    """Draw k ~ pi(x), then j ~ Omega_k(x), for context vectors of shape (n, d).

    Each draw alone follows the weights; together they are spread more evenly than independent
    draws, by a scrambled Halton sequence (Owen 2017, arXiv 1706.02808), so that 1,000 draws from
    1,000 equal exemplars show nearly every one. The first draws do not depend on n.

    Returns
    -------
    pandas.DataFrame
        persona and exemplar (indices) and log_prob (nats), n rows.
    """
    from scipy.stats import qmc

    spread = qmc.Halton(2, seed=random_state).random(len(contexts))
    parts = [
        _drawn_rows(gate, contexts[start : start + _ROWS], spread[start : start + _ROWS])
        for start in range(0, max(len(contexts), 1), _ROWS)
    ]
    return pd.concat(parts, ignore_index=True)


def _drawn_rows(
    gate: Gate, contexts: NDArray[np.float64], spread: NDArray[np.float64]
) -> pd.DataFrame:
    """Draw by the numbers in `spread`, shape (n, 2); rows are few, weights take (n, J)."""
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
) -> Simulation:
    """Let the model answer each context, shown what `method` draws for it, round by round."""
    seeds = np.random.default_rng([random_state, 1]).integers(_SEEDS, size=len(contexts))
    shown, said, finished = list[Shown](), list[str](), Counter[str]()
    for rows in np.array_split(np.arange(len(contexts)), method.n_rounds):
        told = [Exemplar(contexts.records[i], text) for i, text in enumerate(said)]
        pool = [*exemplars, *told]
        fresh = method.draw(rows.tolist(), said)
        for block, show in zip(_blocks(rows.tolist()), _blocks(fresh), strict=True):
            requests = [
                GenerationRequest(
                    _prompt(template, contexts.records[i], one, personas, pool),
                    seed=int(seeds[i]),
                    draw=int(i),
                )
                for i, one in zip(block, show, strict=True)
            ]
            report = _from(len(said), on_result)
            completions = backend.generate(requests, params, on_result=report)
            said += [completion.text for completion in completions]
            finished.update(completion.finish_reason for completion in completions)
        shown += fresh
    names = [persona.name for persona in personas]
    frame = pd.DataFrame(
        {
            columns.CONTEXT: contexts.contexts,
            columns.PERSONA: [None if s.persona is None else names[s.persona] for s in shown],
            columns.EXEMPLAR: [_drawn(show) for show in shown],
            columns.RESPONSE: said,
            columns.LOG_PROB: method.log_prob,
            columns.WEIGHT: 1.0,
            columns.SEED: seeds,
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
        "finished": dict(finished),
        **method.facts,
        **_shown(shown),
    }
    return Simulation(frame, tuple(exemplars), facts)


def draw_log_prob(
    gate: Gate, simulation: Simulation, contexts: NDArray[np.float64], names: Sequence[str]
) -> NDArray[np.float64]:
    """Return with what log-probability `gate` draws each draw's persona and exemplar, shape (n,).

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
    codes = simulation.codes(names)
    rows = np.arange(len(simulation))
    log_pi = gate.persona_log_weights(contexts)[rows, codes]
    exemplars = drawn[columns.EXEMPLAR].to_numpy(dtype=np.intp)
    return np.asarray(log_pi + gate.exemplar_log_weights(contexts, codes)[rows, exemplars])


def check_request(n: int, baseline: str | None, params: SamplingParams, n_shown: int = 1) -> None:
    """Raise a DataError for a number of responses, a baseline or parameters that cannot be."""
    if n < 1:
        raise DataError(f"The number of responses must be at least 1, not {n}.", hint="Use -n 300.")
    if n_shown < 1:
        raise DataError(
            f"The number of exemplars shown must be at least 1, not {n_shown}.",
            hint="Leave it out for the default.",
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


def _prompt(
    template: PromptTemplate,
    record: Mapping[str, str],
    shown: Shown,
    personas: Sequence[Persona],
    pool: Sequence[Exemplar],
) -> Prompt:
    return template.render(
        record,
        persona=None if shown.persona is None else personas[shown.persona],
        exemplars=[pool[j] for j in shown.exemplars],
        wishes=shown.wishes,
    )


def _blocks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield parts of `rows`: of a prompt, a request and an answer no more are held than of one."""
    return (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))


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
