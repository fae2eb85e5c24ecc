"""Which gate the words and mappings for persona weights mean for a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from jupyter_mop.engine.data.persona_weights import (
    LEARNED,
    STATED,
    UNIFORM,
    Weights,
    describe_shares,
    named_shares,
    unknown_weights,
)
from jupyter_mop.engine.data.personas import persona_shares
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.errors import NotFittedError

if TYPE_CHECKING:
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas


def gate_with_weights(mixture: MixtureOfPersonas, weights: Weights | None = None) -> Gate:
    """Return the gate of a mixture under these persona weights.

    Parameters
    ----------
    mixture : MixtureOfPersonas
        Initialised.
    weights : str or mapping, optional
        "learned"; "uniform" (personas and exemplars alike); "stated" (the personas' own weights,
        exemplars uniform); or a share for each persona by name, those not named sharing the rest,
        with the exemplars as learned. Default: learned after a fit, stated before.
    """
    gate = mixture.gate_
    start = gate.with_theta(np.zeros_like(gate.theta))
    chosen = _default(mixture) if weights is None else weights
    if isinstance(chosen, Mapping):
        return gate.with_marginal(named_shares(mixture.personas, chosen), *mixture.context_vectors)
    if chosen == UNIFORM:
        return start
    if chosen == STATED:
        return start.with_marginal(persona_shares(mixture.personas), *mixture.context_vectors)
    if chosen != LEARNED:
        raise unknown_weights(weights)
    if not mixture.is_fitted:
        raise NotFittedError(
            "The weights have not been learned yet.",
            hint="Run %mop_fit first, or use --weights uniform.",
        )
    return gate


def describe_weights(mixture: MixtureOfPersonas, weights: Weights | None) -> str:
    """Return the words for persona weights that a table and the provenance show."""
    if isinstance(weights, Mapping):
        return describe_shares(mixture.personas, weights)
    return weights or _default(mixture)


def _default(mixture: MixtureOfPersonas) -> str:
    return LEARNED if mixture.is_fitted else STATED
