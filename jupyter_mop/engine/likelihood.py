"""Component log-likelihoods: the one place where the fit asks the language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.base import Backend, OnScores, ScoreRequest
from jupyter_mop.engine.exemplars import Exemplar
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.errors import ModelError


@dataclass(frozen=True)
class Components:
    """Which (record, persona, exemplar) triples are asked, three arrays of shape (P,)."""

    record: NDArray[np.intp]
    persona: NDArray[np.intp]
    exemplar: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.record)

    @property
    def arrays(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """The three arrays."""
        return self.record, self.persona, self.exemplar


@dataclass(frozen=True)
class Answers:
    """What the language model said about P components, sorted by record.

    Attributes
    ----------
    components : Components
    log_lik : numpy.ndarray, shape (P,)
        Log-likelihood of the whole response, in nats.
    n_tokens : numpy.ndarray, shape (P,)
        Tokens of the response.
    """

    components: Components
    log_lik: NDArray[np.float64]
    n_tokens: NDArray[np.intp]

    def merged(self, other: Answers) -> Answers:
        """Return these answers and the `other` ones, sorted by record."""
        pairs = zip(self.components.arrays, other.components.arrays, strict=True)
        record, persona, exemplar = (np.concatenate(pair) for pair in pairs)
        order = np.argsort(record, kind="stable")
        return Answers(
            Components(record[order], persona[order], exemplar[order]),
            np.concatenate([self.log_lik, other.log_lik])[order],
            np.concatenate([self.n_tokens, other.n_tokens])[order],
        )


def component_log_likelihood(
    population: Population,
    components: Components,
    *,
    personas: Sequence[Persona],
    exemplars: Sequence[Exemplar | None],
    template: PromptTemplate,
    backend: Backend,
    on_result: OnScores | None = None,
) -> Answers:
    """Ask log p(response | persona, exemplar, context) once for each component.

    Parameters
    ----------
    population : Population
        The n records.
    components : Components
        P triples of indices.
    personas, exemplars : sequences
        The K personas and J exemplars that the triples index; an exemplar of None is not shown.
    template : PromptTemplate
        Renders the context columns.
    backend : Backend
        A language model that can score.
    on_result : callable, optional
        Called with (index, scores) as each finishes.

    Returns
    -------
    Answers
        One log-likelihood for each component, in their order.

    Raises
    ------
    ModelError
        Where the backend cannot score, or gives what is no number.
    """
    if not backend.can_score:
        raise ModelError(
            "This model gives no log-probabilities of a given text, so weights cannot be learned "
            "from likelihoods.",
            hint="Learn them with the embedded model and carry them over: %mop_backend local, "
            "%mop_fit, then %mop_backend with this model and --keep-weights. Or match samples: "
            "%mop_simulate NAME --weights uniform, then %mop_match NAME.",
        )
    triples = zip(components.record, components.persona, components.exemplar, strict=True)
    shown = [() if exemplar is None else (exemplar,) for exemplar in exemplars]
    requests = [
        ScoreRequest(
            template.render(population.records[i], persona=personas[k], exemplars=shown[j]),
            population.responses[i],
        )
        for i, k, j in triples
    ]
    scores = backend.score(requests, on_result=on_result)
    log_lik = np.array([score.total for score in scores], dtype=np.float64)
    if not np.isfinite(log_lik).all():
        raise ModelError(
            f"The model gave {np.sum(~np.isfinite(log_lik))} log-likelihoods that are no numbers.",
            hint="Use another model, or a sound copy of this one.",
        )
    return Answers(
        components,
        log_lik,
        np.array([score.n_tokens for score in scores], dtype=np.intp),
    )
