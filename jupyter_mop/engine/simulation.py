"""A simulation: responses in draw order, each with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from jupyter_mop.engine.exemplars import Exemplar
from jupyter_mop.engine.views import Viewed

CONTEXT = "context"
PERSONA = "persona"
EXEMPLAR = "exemplar"
RESPONSE = "response"
LOG_PROB = "log_prob"
WEIGHT = "weight"
SEED = "seed"
DRAW = "draw"
COLUMNS = (CONTEXT, PERSONA, EXEMPLAR, RESPONSE, LOG_PROB, WEIGHT, SEED, DRAW)


@dataclass(frozen=True)
class Simulation(Viewed):
    """Simulated responses and their provenance.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per response in draw order: context, persona (name, missing for a baseline
        without), exemplar (index into `exemplars`, missing for a baseline without), response,
        log_prob (nats: with what log-probability persona and exemplar were drawn), weight
        (importance weight, 1 as drawn), seed and draw number.
    exemplars : sequence of Exemplar
        The pool that the exemplar column indexes.
    provenance : mapping
        Name, personas, model, template, weights and sampling parameters.
    """

    frame: pd.DataFrame
    exemplars: Sequence[Exemplar] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def name(self) -> str:
        """The name that it was simulated under."""
        return str(self.provenance.get("name", "simulation"))

    @property
    def responses(self) -> list[str]:
        """The simulated texts, length n."""
        return [str(text) for text in self.frame[RESPONSE]]

    @property
    def personas(self) -> list[str]:
        """Names of the personas in the study's order, whether drawn or not."""
        drawn = sorted(str(name) for name in self.frame[PERSONA].dropna().unique())
        return list(dict.fromkeys([*self.provenance.get("personas", ()), *drawn]))

    def __repr__(self) -> str:
        weights = self.provenance.get("weights", "")
        return f"Simulation({self.name!r}, {len(self)} responses, weights: {weights})"
