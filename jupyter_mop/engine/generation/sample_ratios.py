"""Likelihood ratios of components that are learned from samples, with no score of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.engine.gate.structured_terms import StructuredTerms
from jupyter_mop.engine.generation.context_odds import ContextModel, fit_context_model
from jupyter_mop.engine.simulation import simulation as columns
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
MIN_DRAWS = 20  # with a response
MAX_PERSONAS = 25  # told apart beside the exemplar's context; more have too few draws each
_COSINE_SD, _MAX_SLOPE = 10.0, 50.0  # prior standard deviation and bound of the slope
_N_ROUNDS = 20


@dataclass(frozen=True)
class SampleRatios:
    """How much likelier a response is from one component than from another.

    The log-likelihood of response y under persona k and exemplar j, up to a term that is equal for
    all components, is learned by telling from simulated responses which component gave them
    (likelihood-free inference by ratio estimation, Thomas et al. 2022, Bayesian Analysis 17):
    log q(x_j|y) / q(x_j) + log q(k|y, x_j) / q(k) + c cos(h(y_j), h(y)) - z_j. A ratio of densities
    has the mean 1 over the simulated responses, which sets z_j: without it, exemplars that resemble
    everything would seem to have given everything.

    Attributes
    ----------
    personas, exemplars : sequences
        The K personas and the J exemplars.
    encoder : Encoder
        Text to unit vectors.
    by_persona, by_context : ContextModel
        Tell the persona, and the context of the exemplar, from a response.
    slope : float
        c, how much a response resembles the exemplar that was shown, in nats for a cosine of 1.
    blocks : ndarray, shape (J, D)
        The exemplars' contexts as numbers, beside which personas are told.
    log_norm : ndarray, shape (J,)
        z_j, in nats.
    """

    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    encoder: Encoder
    by_persona: ContextModel
    by_context: ContextModel
    slope: float
    blocks: Array
    log_norm: Array

    @classmethod
    def learned(
        cls,
        pilot: Simulation,
        personas: Sequence[Persona],
        encoder: Encoder,
        terms: StructuredTerms,
    ) -> SampleRatios:
        """Learn the ratios from a simulation with equal weights.

        Parameters
        ----------
        pilot : Simulation
            Its exemplars are the pool. Draws without a response are left out.
        personas : sequence of Persona
            The K personas.
        encoder : Encoder
            Text to unit vectors.
        terms : StructuredTerms
            The exemplars' contexts, and the shares in which they were drawn.

        Raises
        ------
        DataError
            If fewer than 20 draws have a response.
        """
        frame = pilot.frame[pilot.frame[columns.RESPONSE].str.strip() != ""]
        if len(frame) < MIN_DRAWS:
            raise DataError(
                f"Only {len(frame)} of {len(pilot.frame)} simulated responses are not empty; need "
                f"{MIN_DRAWS} to learn weights from samples.",
                hint="Simulate a few responses and look at them: %mop_simulate look -n 10.",
            )
        texts, exemplars = list(frame[columns.RESPONSE]), pilot.exemplars
        shown = frame[columns.EXEMPLAR].to_numpy(dtype=np.intp)
        by_name = {persona.name: persona for persona in personas}
        vectors, weights = encode_each(encoder, texts), np.ones(len(texts))
        names = frame[columns.PERSONA]
        speakers = [
            _as_context(by_name[name], text) for name, text in zip(names, texts, strict=True)
        ]
        blocks = terms.blocks if len(personas) <= MAX_PERSONAS else terms.blocks[:, :0]
        beside = np.hstack([vectors, blocks[shown]])
        by_persona = fit_context_model(speakers, beside, weights, encoder)
        pairs = [Exemplar(exemplars[j].record, text) for j, text in zip(shown, texts, strict=True)]
        by_context = fit_context_model(pairs, vectors, weights, encoder)
        ratios = cls(
            personas, exemplars, encoder, by_persona, by_context, 0.0, blocks, np.zeros(len(blocks))
        )
        offsets = ratios._contexts(texts, vectors) + terms.log_share
        slope, log_norm = _fitted_logit(ratios._cosines(vectors), offsets, terms.log_share, shown)
        return replace(ratios, slope=slope, log_norm=log_norm)

    def log_lik(self, responses: Sequence[str], components: Components) -> Array:
        """Return the log-likelihood of each component up to a term per record, shape (P,), in nats.

        Parameters
        ----------
        responses : sequence of str
            The response of each record.
        components : Components
            P triples of record, persona and exemplar.
        """
        vectors = encode_each(self.encoder, responses)
        record, persona, exemplar = components.arrays
        labelled = [
            _as_context(self.personas[k], responses[i])
            for i, k in zip(record, persona, strict=True)
        ]
        beside = np.hstack([vectors[record], self.blocks[exemplar]])
        of_personas = self.by_persona.log_ratios(labelled, beside)
        of_exemplars = self._contexts(responses, vectors) + self.slope * self._cosines(vectors)
        return np.asarray(of_personas + (of_exemplars - self.log_norm)[record, exemplar])

    def _contexts(self, responses: Sequence[str], vectors: Array) -> Array:
        """Return the log-ratio of each exemplar's context given each response, shape (n, J)."""
        contexts, of_exemplar = np.unique([e.label for e in self.exemplars], return_inverse=True)
        examples = [self.exemplars[int((of_exemplar == c).argmax())] for c in range(len(contexts))]
        pairs = [Exemplar(e.record, text) for text in responses for e in examples]
        ratios = self.by_context.log_ratios(pairs, np.repeat(vectors, len(examples), axis=0))
        return np.asarray(ratios.reshape(len(responses), -1)[:, of_exemplar])

    def _cosines(self, vectors: Array) -> Array:
        """Return the cosine of each response and each exemplar's response, shape (n, J)."""
        shown = encode_each(self.encoder, [e.response for e in self.exemplars])
        return np.asarray(vectors @ shown.T)


def _as_context(persona: Persona, response: str) -> Exemplar:
    return Exemplar({"persona": persona.description}, response)


def _fitted_logit(
    cosines: Array, offsets: Array, log_share: Array, shown: NDArray[np.intp]
) -> tuple[float, Array]:
    """Fit a conditional logit of the exemplar shown: the slope of cosines, and z_j, shape (J,).

    Cosines and offsets have shape (n, J). Given the slope, each z_j is such that the probability
    of exemplar j has the mean over the responses that it was drawn with.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    rows, log_n = np.arange(len(shown)), np.log(len(shown))

    def log_probabilities(slope: float) -> tuple[Array, Array]:
        log_norm = np.zeros(len(log_share))
        logits = slope * cosines + offsets
        for _ in range(_N_ROUNDS):
            log_p = logits - log_norm
            log_p -= logsumexp(log_p, axis=1, keepdims=True)
            log_norm += logsumexp(log_p, axis=0) - log_n - log_share
        return log_p, log_norm

    def loss(slope: float) -> float:
        log_p, _ = log_probabilities(slope)
        return float(slope**2 / (2 * _COSINE_SD**2) - log_p[rows, shown].sum())

    slope = float(minimize_scalar(loss, bounds=(0.0, _MAX_SLOPE), method="bounded").x)
    return slope, log_probabilities(slope)[1]
