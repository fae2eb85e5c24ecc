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


@dataclass(frozen=True)
class SampleRatios:
    """How much likelier a response is from one component than from another.

    The log-likelihood of response y under persona k and exemplar j, up to a term that is equal for
    all components, is learned by telling from simulated responses which component gave them
    (likelihood-free inference by ratio estimation, Thomas et al. 2022, Bayesian Analysis 17):
    log q(x_j|y) / q(x_j) + log q(k|y, x_j) / q(k) + c cos(h(y_j), h(y)).

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
    """

    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    encoder: Encoder
    by_persona: ContextModel
    by_context: ContextModel
    slope: float
    blocks: Array

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
        pairs = _with_contexts([exemplars[j] for j in shown], texts)
        by_context = fit_context_model(pairs, vectors, weights, encoder)
        ratios = cls(personas, exemplars, encoder, by_persona, by_context, 0.0, blocks)
        everything = np.repeat(np.arange(len(texts)), len(exemplars))
        offsets = ratios._of_exemplars(
            texts, vectors, everything, np.tile(np.arange(len(exemplars)), len(texts))
        ).reshape(len(texts), -1)
        offsets += terms.log_share
        cosines = vectors @ encode_each(encoder, [e.response for e in exemplars]).T
        slope = _fitted_slope(cosines, offsets, shown)
        return replace(ratios, slope=slope)

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
        shown = encode_each(self.encoder, [e.response for e in self.exemplars])[exemplar]
        cosines = (vectors[record] * shown).sum(1)
        of_exemplars = self._of_exemplars(responses, vectors, record, exemplar)
        return np.asarray(of_personas + of_exemplars + self.slope * cosines)

    def _of_exemplars(
        self,
        responses: Sequence[str],
        vectors: Array,
        record: NDArray[np.intp],
        exemplar: NDArray[np.intp],
    ) -> Array:
        """Return the log-ratio of the context of each exemplar given a record's response, (P,)."""
        pairs = _with_contexts(
            [self.exemplars[j] for j in exemplar], [responses[i] for i in record]
        )
        return self.by_context.log_ratios(pairs, vectors[record])


def _as_context(persona: Persona, response: str) -> Exemplar:
    return Exemplar({"persona": persona.description}, response)


def _with_contexts(exemplars: Sequence[Exemplar], responses: Sequence[str]) -> list[Exemplar]:
    pairs = zip(exemplars, responses, strict=True)
    return [Exemplar(exemplar.record, response) for exemplar, response in pairs]


def _fitted_slope(cosines: Array, offsets: Array, shown: NDArray[np.intp]) -> float:
    """Return the slope of a conditional logit of the exemplar shown, with offsets, both (n, J)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    rows = np.arange(len(shown))

    def loss(slope: float) -> float:
        logits = slope * cosines + offsets
        fit = (logits[rows, shown] - logsumexp(logits, axis=1)).sum()
        return float(slope**2 / (2 * _COSINE_SD**2) - fit)

    return float(minimize_scalar(loss, bounds=(0.0, _MAX_SLOPE), method="bounded").x)
