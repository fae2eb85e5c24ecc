"""Persona weights given by word, by name or as an array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.data.personas import Persona, persona_index, persona_shares
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
Weights = str | Mapping[str, float]

UNIFORM, LEARNED, STATED, PANEL = "uniform", "learned", "stated", "panel"
WEIGHT_WORDS = (UNIFORM, LEARNED, STATED, PANEL)
"""The words for persona weights in `--weights`, `Study.simulate` and `Study.ask`."""


class NamedWeights(Mapping[str, float]):
    """A result that `reweight` and `simulate` accept: its `weights`, by the name of the persona."""

    weights: dict[str, float]

    def __getitem__(self, persona: str) -> float:
        return self.weights[persona]

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def listed(self) -> str:
        """The weights in one line."""
        return ", ".join(f"{name}={weight:.3f}" for name, weight in self.weights.items())


def answer_weights(
    personas: Sequence[Persona], weights: Weights | Array | None
) -> tuple[Array, str]:
    """Return the persona weights of an answer and a label for them.

    Parameters
    ----------
    personas : sequence of Persona
        The K personas; empty for a question without personas.
    weights : str, mapping or ndarray, optional
        "uniform", "stated" (the default), a share for each persona by name, or an array of shape
        (K,) or (C, K). `Study.ask` resolves "learned" and "panel".

    Returns
    -------
    weights : ndarray, shape (K,) or (C, K)
    label : str
        What a table shows as the weights.

    Raises
    ------
    DataError
        For another word, an unknown persona name or a negative share.
    """
    if not personas:
        return np.ones(1), "plain"
    if isinstance(weights, np.ndarray):
        return weights, "given"
    if isinstance(weights, Mapping):
        return named_shares(personas, weights), describe_shares(personas, weights)
    if weights == UNIFORM:
        return np.ones(len(personas)), UNIFORM
    if weights in (None, STATED):
        return persona_shares(personas), STATED
    raise unknown_weights(weights)


def unknown_weights(weights: object) -> DataError:
    """Return the error for persona weights that are neither a known word nor a mapping."""
    return DataError(
        f"Unknown persona weights {weights!r}.",
        hint=f"Use {', '.join(WEIGHT_WORDS)}, or NAME=0.4,NAME=0.6.",
    )


def describe_shares(personas: Sequence[Persona], weights: Mapping[str, float]) -> str:
    r"""Return the label of weights given by name: the normalised share of every persona.

    Examples
    --------
    >>> from jupyter_mop.engine.data.personas import read_personas
    >>> describe_shares(read_personas("a: x\nb: y"), {"b": 0.25})
    'a=0.750, b=0.250'
    """
    pairs = zip(personas, named_shares(personas, weights), strict=True)
    return ", ".join(f"{persona.name}={share:.3f}" for persona, share in pairs)


def named_shares(personas: Sequence[Persona], weights: Mapping[str, float]) -> NDArray[np.float64]:
    r"""Return weights given by name as normalised shares, shape (K,).

    Personas that are not named share the rest equally, as in `persona_shares`.

    Examples
    --------
    >>> from jupyter_mop.engine.data.personas import read_personas
    >>> named_shares(read_personas("a: x\nb: y\nc: z"), {"b": 0.5}).tolist()
    [0.25, 0.5, 0.25]
    """
    stated = dict.fromkeys(range(len(personas)))
    for name, weight in weights.items():
        stated[persona_index(personas, name)] = weight
    return persona_shares([replace(p, weight=stated[k]) for k, p in enumerate(personas)])
