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
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.engine.gate.structured_terms import StructuredTerms
from jupyter_mop.engine.generation.context_odds import ContextModel, fit_context_model
from jupyter_mop.engine.generation.description_odds import DescriptionOdds, fitted_logit
from jupyter_mop.engine.simulation import simulation as columns
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
MIN_DRAWS = 20  # with a response
CLEARLY_BETTER = 0.02  # nats a draw, by which a regression on vectors must beat descriptions
MAX_PERSONAS = 25  # told apart beside the exemplar's context; more have too few draws each


@dataclass(frozen=True)
class SampleRatios:
    """How much likelier a response is from one component than from another.

    The log-likelihood of response y under persona k and exemplar j, up to a term that is equal for
    all components, is learned by telling from simulated responses which component gave them
    (likelihood-free inference by ratio estimation, Thomas et al. 2022, Bayesian Analysis 17):
    log q(x_j|y) / q(x_j) + log q(k|y, x_j) / q(k) + c cos(h(y_j), h(y)) - z_j. A ratio of densities
    has the mean 1 over the simulated responses, which sets z_j: without it, exemplars that resemble
    everything would seem to have given everything. For q(k|y) see `DescriptionOdds`; a regression
    on the response's vector stands in where it tells held-out draws apart better.

    Attributes
    ----------
    personas, exemplars : sequences
        The K personas and the J exemplars.
    encoder : Encoder
        Text to unit vectors.
    by_persona : DescriptionOdds or ContextModel
        Tells the persona from a response.
    by_context : ContextModel
        Tells the context of the exemplar from a response.
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
    by_persona: DescriptionOdds | ContextModel
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
        real: Population,
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
        real : Population
            The records of the fit, which tell how far people's subgroups are apart.

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
        descriptions = [persona.description for persona in personas]
        by_description = DescriptionOdds.learned(
            _cosines(encoder, vectors, descriptions),
            np.array([*map(list(by_name).index, names)]),
            _cosines(encoder, encode_each(encoder, real.responses), descriptions),
            real.weights,
        )
        by_vector = fit_context_model(speakers, beside, weights, encoder)
        by_persona: DescriptionOdds | ContextModel = by_vector
        if by_description and by_description.loss < by_vector.loss + CLEARLY_BETTER:
            by_persona = by_description
        pairs = [Exemplar(exemplars[j].record, text) for j, text in zip(shown, texts, strict=True)]
        by_context = fit_context_model(pairs, vectors, weights, encoder)
        everything = np.indices((len(texts), len(exemplars))).reshape(2, -1)
        offsets = _context_ratios(by_context, texts, vectors, exemplars, everything)
        slope, log_norm = fitted_logit(
            _cosines(encoder, vectors, [e.response for e in exemplars]),
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
        record, _, exemplar = components.arrays
        of_personas = self._persona_ratios(responses, vectors, components)
        of_contexts = _context_ratios(
            self.by_context, responses, vectors, self.exemplars, np.array([record, exemplar])
        )
        cosines = _cosines(self.encoder, vectors, [e.response for e in self.exemplars])
        likeness = self.slope * cosines - self.log_norm
        return np.asarray(of_personas + of_contexts + likeness[record, exemplar])

    def _persona_ratios(
        self, responses: Sequence[str], vectors: Array, components: Components
    ) -> Array:
        """Return the log-ratio of the persona of each component given its response, shape (P,)."""
        record, persona, exemplar = components.arrays
        if isinstance(self.by_persona, DescriptionOdds):
            cosines = _cosines(self.encoder, vectors, [p.description for p in self.personas])
            return self.by_persona.log_ratios(cosines)[record, persona]
        labelled = [
            _as_context(self.personas[k], responses[i])
            for i, k in zip(record, persona, strict=True)
        ]
        beside = np.hstack([vectors[record], self.blocks[exemplar]])
        return self.by_persona.log_ratios(labelled, beside)


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


def _cosines(encoder: Encoder, vectors: Array, texts: Sequence[str]) -> Array:
    """Return the cosine of each response and each text, shape (n, J)."""
    return np.asarray(vectors @ encode_each(encoder, texts).T)
