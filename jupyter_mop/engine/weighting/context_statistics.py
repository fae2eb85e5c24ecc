"""Statistics by context: whether a mixture's responses answer the contexts that they were given to.

Joint FID is the FID of vectors that join a response with its context, and fidelity the share of
responses that are recognised as answers to their own context; see `weighting.joint_alignment`. Both
follow from sums over each persona's responses, as the metrics of the responses alone do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_mop.engine.metrics.fid import PersonaMoments, mixture_fid, persona_moments
from jupyter_mop.engine.metrics.fidelity import (
    FIDELITY,
    ContextClassifier,
    coded_parts,
    mixture_fidelity,
)
from jupyter_mop.engine.metrics.mixture_gradients import ValueAndGradient
from jupyter_mop.engine.metrics.vectors import Indices, Vectors
from jupyter_mop.engine.weighting.joint_alignment import JOINT_FID, Contexts, Sides
from jupyter_mop.engine.weighting.persona_counts import label_shares_by_persona

MAX_CONTEXTS = 12
MAX_AXES = 24  # of joint vectors; the panel's data stay small


@dataclass(frozen=True, slots=True, eq=False)
class ContextStatistics:
    """Sums over the responses of K personas by their contexts; see `measure`.

    Attributes
    ----------
    joint : PersonaMoments
        For joint FID: moments of responses joined with their contexts.
    given, recognised : ndarray, shapes (K, C)
        For fidelity: the share of each persona's responses that answer each of C contexts, and the
        share that answers it and is recognised as such.
    """

    joint: PersonaMoments
    given: Vectors
    recognised: Vectors

    @classmethod
    def measure(
        cls, sides: Sides, contexts: Contexts, codes: Indices, shares: Vectors, n_personas: int
    ) -> ContextStatistics:
        """Measure the responses of each persona once.

        Parameters
        ----------
        sides : Sides
            Vectors of the real responses, and of m simulated ones.
        contexts : Contexts
            Their contexts, which recur.
        codes : ndarray of int, shape (m,)
            The persona of each simulated response.
        shares : ndarray, shape (m,)
            The share of each simulated response among those of its persona.
        n_personas : int
            The number of personas, K.
        """
        joint, coded = contexts.joint(sides), contexts.coded(sides)
        (name,) = sides.simulated
        vectors, own = coded_parts(coded.simulated[name])
        real, labels = coded_parts(coded.target)
        found = ContextClassifier.train(real, labels, weights=coded.target.weights).predict(vectors)
        shape = n_personas, contexts.n_groups
        given, recognised = (
            label_shares_by_persona(codes[rows], own[rows], shares[rows], shape)
            for rows in (np.flatnonzero(own >= 0), np.flatnonzero((own >= 0) & (found == own)))
        )
        moments = persona_moments(
            joint.target,
            joint.simulated[name].vectors,
            codes,
            shares,
            n_personas,
            max_axes=MAX_AXES,
        )
        return cls(moments, given, recognised)

    def metrics(self, weights: Vectors, inverse_sizes: Vectors) -> dict[str, ValueAndGradient]:
        """Return joint FID and fidelity with their gradients, as `mixture_fid` does."""
        return {
            JOINT_FID.name: mixture_fid(weights, inverse_sizes, self.joint),
            FIDELITY.name: mixture_fidelity(weights, self.given, self.recognised),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return flat arrays, for the panel."""
        return {
            "space": self.joint.to_dict(),
            "given": self.given.ravel(),
            "recognised": self.recognised.ravel(),
        }
