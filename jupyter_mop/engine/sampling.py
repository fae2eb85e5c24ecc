"""Drawing from the mixture: a persona, an exemplar, then the model's own response."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.base import Backend, GenerationRequest, OnCompletion, SamplingParams
from jupyter_mop.engine import simulation as columns
from jupyter_mop.engine.exemplars import Exemplar
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.engine.simulation import Simulation
from jupyter_mop.errors import DataError

BASELINES = ("plain", "personas", "exemplars")
_SEEDS = 2**31 - 1


def draw_components(
    gate: Gate, contexts: NDArray[np.float64], *, random_state: int = 0
) -> pd.DataFrame:
    """Draw k ~ pi(x), then j ~ Omega_k(x), for context vectors of shape (n, d).

    Returns
    -------
    pandas.DataFrame
        persona and exemplar (indices) and log_prob (nats), n rows.
    """
    rng = np.random.default_rng(random_state)
    rows = np.arange(len(contexts))
    log_pi = gate.persona_log_weights(contexts)
    personas = _choice(log_pi, rng)
    log_omega = gate.exemplar_log_weights(contexts, personas)
    exemplars = _choice(log_omega, rng)
    log_prob = log_pi[rows, personas] + log_omega[rows, exemplars]
    return pd.DataFrame(
        {columns.PERSONA: personas, columns.EXEMPLAR: exemplars, columns.LOG_PROB: log_prob}
    )


def simulate(
    contexts: Population,
    drawn: pd.DataFrame,
    *,
    personas: Sequence[Persona],
    exemplars: Sequence[Exemplar],
    template: PromptTemplate,
    baseline: str | None,
    backend: Backend,
    params: SamplingParams,
    provenance: Mapping[str, Any],
    random_state: int,
    on_result: OnCompletion | None,
) -> Simulation:
    """Let the model answer each context as the persona and with the exemplar `drawn` for it."""
    shows_persona, shows_exemplar = baseline in (None, "personas"), baseline in (None, "exemplars")
    seeds = np.random.default_rng([random_state, 1]).integers(_SEEDS, size=len(contexts))
    prompts = [
        template.render(
            record,
            persona=personas[k] if shows_persona else None,
            exemplars=exemplars[j : j + 1] if shows_exemplar else (),
        )
        for record, k, j in zip(
            contexts.records, drawn[columns.PERSONA], drawn[columns.EXEMPLAR], strict=True
        )
    ]
    requests = [
        GenerationRequest(prompt, seed=int(seed), draw=draw)
        for draw, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
    ]
    completions = backend.generate(requests, params, on_result=on_result)
    names = np.array([persona.name for persona in personas], dtype=object)
    frame = pd.DataFrame(
        {
            columns.CONTEXT: contexts.contexts,
            columns.PERSONA: names[drawn[columns.PERSONA]] if shows_persona else None,
            columns.EXEMPLAR: drawn[columns.EXEMPLAR] if shows_exemplar else None,
            columns.RESPONSE: [completion.text for completion in completions],
            columns.LOG_PROB: drawn[columns.LOG_PROB],
            columns.WEIGHT: 1.0,
            columns.SEED: seeds,
            columns.DRAW: np.arange(len(contexts)),
        }
    ).astype({columns.EXEMPLAR: "Int64"})
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


def check_request(n: int, baseline: str | None, params: SamplingParams) -> None:
    """Raise a DataError for a number of responses, a baseline or parameters that cannot be."""
    if n < 1:
        raise DataError(f"The number of responses must be at least 1, not {n}.", hint="Use -n 300.")
    if baseline is not None and baseline not in BASELINES:
        raise DataError(f"There is no baseline {baseline!r}.", hint=f"Use {', '.join(BASELINES)}.")
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


def _choice(log_weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw one column of each row with these log-probabilities."""
    noise = rng.gumbel(size=log_weights.shape)
    return np.asarray(np.argmax(log_weights + noise, axis=1))
