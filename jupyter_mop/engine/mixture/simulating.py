"""Simulation with a mixture: contexts and components are drawn, the model responds."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jupyter_mop import config
from jupyter_mop.backends.protocols import OnCompletion, OnStep
from jupyter_mop.engine.data.persona_sources.voices import is_quoted
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.generation import responses
from jupyter_mop.engine.generation.baselines.baselines import VERBALIZED, find_baseline
from jupyter_mop.engine.generation.baselines.method import (
    BaselineInputs,
    DrawnComponents,
    Method,
    MixedComponents,
)
from jupyter_mop.engine.generation.candidate_selection import (
    MIN_RESPONSES,
    CandidateSelector,
    RealResponses,
)
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.mixture.weights import describe_weights, gate_with_weights
from jupyter_mop.engine.simulation.simulation import PERSONA_WEIGHTS, Simulation

if TYPE_CHECKING:
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas

_WITHOUT_EXEMPLARS = ("plain", "personas", VERBALIZED)  # baselines
_NO_DIFFERENCE = 1e-6


def simulate(
    mixture: MixtureOfPersonas,
    population: Population,
    options: SimulationOptions,
    *,
    name: str,
    on_result: OnCompletion | None = None,
    on_step: OnStep | None = None,
) -> Simulation:
    """Simulate responses to contexts of `population`; see `MixtureOfPersonas.simulate`.

    Parameters
    ----------
    mixture : MixtureOfPersonas
        An initialised mixture.
    population : Population
        Its contexts are drawn at random.
    options : SimulationOptions
        Number of responses, weights or baseline, candidates, sampling parameters and seed.
    name : str
        Name of the simulation.
    on_result : callable, optional
        Called with (index, completion) for each response.
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.
    """
    real = _real_responses(mixture, options)
    options = _with_candidates(options, n_exemplars=len(mixture.exemplars_), n_real=len(real))
    inputs = _inputs(mixture, population, options, on_step)
    method = _method(mixture, inputs, options)
    n_calls = options.n * (options.n_candidates or 1)
    return responses.simulate(
        inputs.contexts,
        method,
        responses.PromptBuilder(mixture.personas, mixture.exemplars_, inputs.template),
        mixture.backend,
        options=options,
        provenance={
            "name": name,
            "weights": options.baseline or describe_weights(mixture, options.weights),
            **_persona_weights(mixture, inputs.contexts, options),
        },
        selector=CandidateSelector(real, mixture.encoder, options.random_state),
        on_result=on_step(name, n_calls) if on_step and not on_result else on_result,
    )


def _method(
    mixture: MixtureOfPersonas, inputs: BaselineInputs, options: SimulationOptions
) -> Method:
    """Return what draws the content of the prompts: components, mixed ones, or a baseline."""
    if options.baseline:
        return find_baseline(options.baseline).prepare(inputs)
    if options.mix == 1:
        return DrawnComponents(inputs.components)
    return MixedComponents(
        mixture.sample_mixed(
            inputs.contexts,
            options.mix,
            weights=options.weights,
            random_state=options.random_state,
        )
    )


def _real_responses(mixture: MixtureOfPersonas, options: SimulationOptions) -> RealResponses:
    """Return the real side of the candidates' odds: records that no prompt of the mixture shows."""
    records = getattr(mixture, "records_", None)
    if records is None or (options.n_candidates or (1 if options.baseline else 2)) == 1:
        return RealResponses([], np.zeros(0))
    quoted = is_quoted(records.responses, [p.description for p in mixture.personas])
    if any(quoted):
        records = records.take(np.flatnonzero(~np.array(quoted)))
    return RealResponses.outside(records, mixture.exemplars_, random_state=options.random_state)


def _with_candidates(
    options: SimulationOptions, *, n_exemplars: int, n_real: int
) -> SimulationOptions:
    """Set the number of candidates: 1 for a baseline or too few responses to estimate odds."""
    if options.n_candidates:
        if options.n_candidates > 1 and n_real < MIN_RESPONSES:
            warnings.warn(
                f"Of {options.n_candidates} candidates one is selected at random: the odds need at "
                f"least {MIN_RESPONSES} real responses that are no exemplars, got {n_real}. Fit "
                "with a smaller pool (--exemplars), or use --candidates 1.",
                UserWarning,
                stacklevel=2,
            )
        return options
    is_enough = min(options.n, n_exemplars, n_real) >= MIN_RESPONSES
    several = is_enough and not options.baseline
    return replace(options, n_candidates=config.DEFAULT_CANDIDATES if several else 1)


def _persona_weights(
    mixture: MixtureOfPersonas, contexts: Population, options: SimulationOptions
) -> dict[str, Any]:
    """Return an entry for the provenance: persona weights by context, if they depend on it."""
    if options.baseline:
        return {}
    texts = dict(zip(contexts.context_labels, contexts.contexts, strict=True))
    gate = gate_with_weights(mixture, options.weights)
    weights = np.exp(gate.persona_log_weights(mixture.encode_contexts(list(texts.values()))))
    if np.ptp(weights, axis=0).max() < _NO_DIFFERENCE:
        return {}
    return {PERSONA_WEIGHTS: dict(zip(texts, weights.round(9).tolist(), strict=True))}


def _warn_of_unseen(mixture: MixtureOfPersonas, contexts: Population) -> None:
    """Warn of contexts with a level that no record of the fit has."""
    n, first = mixture.features_.unseen(contexts)
    if n:
        warnings.warn(
            f"{n} of {len(set(contexts.context_keys))} contexts are new to the fit ({first}): "
            "their weights follow from the wording alone.",
            UserWarning,
            stacklevel=2,
        )


def _inputs(
    mixture: MixtureOfPersonas,
    population: Population,
    options: SimulationOptions,
    on_step: OnStep | None,
) -> BaselineInputs:
    """Draw contexts and components, and check that the question fits the contexts."""
    seed = options.random_state
    contexts = population.take(population.draw(options.n, random_state=seed))
    if mixture.is_fitted and not options.baseline:
        _warn_of_unseen(mixture, contexts)
    template = PromptTemplate(options.template) if options.template else mixture.template_
    template.check(contexts.context)
    if options.baseline not in _WITHOUT_EXEMPLARS:
        template.check(mixture.population_.context)
    weights = "uniform" if options.baseline else options.weights
    return BaselineInputs(
        contexts,
        mixture.sample(contexts, weights=weights, random_state=seed),
        mixture.population_,
        mixture.personas,
        mixture.exemplars_,
        template,
        mixture.backend,
        mixture.encoder,
        n_shown=options.n_shown,
        random_state=seed,
        on_step=on_step,
    )
