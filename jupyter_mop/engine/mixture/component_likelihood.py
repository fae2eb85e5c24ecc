"""Log-likelihoods of components under the language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import (
    Backend,
    OnScores,
    OnStep,
    ScoreRequest,
    can_score,
)
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.errors import ModelError


@dataclass(frozen=True)
class ComponentLogLikelihoods:
    """Log-likelihoods of P components under the language model, sorted by record.

    Attributes
    ----------
    components : Components
        The P triples.
    log_lik : numpy.ndarray, shape (P,)
        Log-likelihood of the whole response, in nats.
    n_tokens : numpy.ndarray, shape (P,)
        Tokens of the response.
    """

    components: Components
    log_lik: NDArray[np.float64]
    n_tokens: NDArray[np.intp]


def component_log_likelihood(
    population: Population,
    components: Components,
    *,
    personas: Sequence[Persona],
    exemplars: Sequence[Exemplar | None],
    template: PromptTemplate,
    backend: Backend,
    on_result: OnScores | None = None,
) -> ComponentLogLikelihoods:
    """Score each component once: log p(response | persona, exemplar, context).

    Parameters
    ----------
    population : Population
        The n records.
    components : Components
        P triples of indices.
    personas, exemplars : sequences
        The K personas and J exemplars; None stands for no exemplar.
    template : PromptTemplate
        The question.
    backend : Backend
        A language model that can score.
    on_result : callable, optional
        Called with (index, scores) for each result.

    Returns
    -------
    ComponentLogLikelihoods
        One log-likelihood per component, in the same order.

    Raises
    ------
    ModelError
        If the backend cannot score, or returns values that are not finite.
    """
    if not can_score(backend):
        raise ModelError(
            "Likelihoods require a model that reports log-probabilities of a given text.",
            hint="Fit by samples: %%mop_fit --by samples. Or fit with the embedded model and keep "
            "the weights: %mop_backend local, %mop_fit, then %mop_backend with this model and "
            "--keep-weights.",
        )
    shown = [() if exemplar is None else (exemplar,) for exemplar in exemplars]
    requests = [
        ScoreRequest(
            template.render(population.records[i], persona=personas[k], exemplars=shown[j]),
            population.responses[i],
        )
        for i, k, j in zip(*components.arrays, strict=True)
    ]
    scores = backend.score(requests, on_result=on_result)
    log_lik = np.array([score.total for score in scores], dtype=np.float64)
    if not np.isfinite(log_lik).all():
        raise ModelError(
            f"The model returned {np.sum(~np.isfinite(log_lik))} log-likelihoods that are not "
            "finite.",
            hint="Use another model, or an intact copy of this one.",
        )
    return ComponentLogLikelihoods(
        components,
        log_lik,
        np.array([score.n_tokens for score in scores], dtype=np.intp),
    )


@dataclass(frozen=True)
class ComponentScorer:
    """The language model as K x J components, each of which can score a record.

    Attributes
    ----------
    personas, exemplars : sequences
        The K personas and the J exemplars.
    template : PromptTemplate
        The question.
    backend : Backend
        A language model that can score.
    encode : callable
        Texts to unit vectors, shape (n, d).
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.
    """

    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    template: PromptTemplate
    backend: Backend
    encode: Callable[[Sequence[str]], NDArray[np.float64]]
    on_step: OnStep | None = None

    def ask(
        self, step: str, population: Population, components: Components
    ) -> ComponentLogLikelihoods:
        """Score each component once; `step` names the progress step."""
        return component_log_likelihood(
            population,
            components,
            personas=self.personas,
            exemplars=self.exemplars,
            template=self.template,
            backend=self.backend,
            on_result=self.on_step(step, len(components)) if self.on_step else None,
        )

    def scores(
        self,
        population: Population,
        likelihoods: ComponentLogLikelihoods,
        excluded: NDArray[np.bool_],
        log_multiplicity: NDArray[np.float64] | float = 0.0,
    ) -> ComponentScores:
        """Return the scores for the gate: log-likelihoods with context vectors and weights."""
        return ComponentScores(
            self.encode(population.contexts),
            likelihoods.components,
            likelihoods.log_lik + log_multiplicity,
            excluded,
            population.weights,
        )
