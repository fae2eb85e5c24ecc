"""Likelihood ratios of components that are learned from samples, with no score of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
_N_ROUNDS = 20  # of setting the means over exemplars and over responses in turn


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
        everything = np.indices((len(texts), len(exemplars))).reshape(2, -1)
        offsets = _context_ratios(by_context, texts, vectors, exemplars, everything)
        slope, log_norm = _fitted_logit(
            _cosines(encoder, vectors, exemplars),
            offsets.reshape(len(texts), -1) + terms.log_share,
            terms.log_share,
            shown,
        )
        return cls(personas, exemplars, encoder, by_persona, by_context, slope, blocks, log_norm)

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
        of_contexts = _context_ratios(
            self.by_context, responses, vectors, self.exemplars, np.array([record, exemplar])
        )
        likeness = self.slope * _cosines(self.encoder, vectors, self.exemplars) - self.log_norm
        return np.asarray(of_personas + of_contexts + likeness[record, exemplar])


def _as_context(persona: Persona, response: str) -> Exemplar:
    return Exemplar({"persona": persona.description}, response)


def _context_ratios(
    by_context: ContextModel,
    responses: Sequence[str],
    vectors: Array,
    exemplars: Sequence[Exemplar],
    pairs: NDArray[np.intp],
) -> Array:
    """Return the log-ratio of the context of an exemplar given a response, shape (P,).

    `pairs`, shape (2, P), are indices of responses and of exemplars. Exemplars of one context have
    the same ratio, which is computed once for each response.
    """
    _, first, context = np.unique(
        [e.label for e in exemplars], return_index=True, return_inverse=True
    )
    record, exemplar = pairs
    codes, of_pair = np.unique(record * len(first) + context[exemplar], return_inverse=True)
    rows, contexts = np.divmod(codes, len(first))
    labelled = [
        Exemplar(exemplars[first[c]].record, responses[i])
        for i, c in zip(rows, contexts, strict=True)
    ]
    return np.asarray(by_context.log_ratios(labelled, vectors[rows])[of_pair])


def _cosines(encoder: Encoder, vectors: Array, exemplars: Sequence[Exemplar]) -> Array:
    """Return the cosine of each response and each exemplar's response, shape (n, J)."""
    return np.asarray(vectors @ encode_each(encoder, [e.response for e in exemplars]).T)


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
