"""The gate of a mixture under persona weights given by word or by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
        An initialised mixture.
    weights : str or mapping, optional
        "learned"; "uniform" (equal weights of personas and of the records that exemplars stand
        for); "stated" (the personas' own weights, exemplars of the question's own context); or a
        share for each persona by name, where
        personas not named share the rest, and exemplar weights are as learned. Default: learned
        after a fit, stated before.

    Raises
    ------
    DataError
        For another word, an unknown persona name or a negative share.
    NotFittedError
        For "learned" before a fit.
    """
    gate = mixture.gate_
    weights = _default(mixture) if weights is None else weights
    if isinstance(weights, Mapping):
        return gate.with_marginal(named_shares(mixture.personas, weights), *mixture.context_vectors)
    if weights == UNIFORM:
        return gate.uniform
    if weights == STATED:
        return gate.prior.with_marginal(persona_shares(mixture.personas), *mixture.context_vectors)
    if weights != LEARNED:
        raise unknown_weights(weights)
    if not mixture.is_fitted:
        raise NotFittedError(
            "The weights have not been learned yet.",
            hint="Run %mop_fit first, or use --weights uniform.",
        )
    return gate


def describe_weights(mixture: MixtureOfPersonas, weights: Weights | None) -> str:
    """Return the label of persona weights in tables and in the provenance."""
    if isinstance(weights, Mapping):
        return describe_shares(mixture.personas, weights)
    return weights or _default(mixture)


def _default(mixture: MixtureOfPersonas) -> str:
    return LEARNED if mixture.is_fitted else STATED
