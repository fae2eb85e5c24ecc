"""A simulation: responses in draw order, each with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd

from jupyter_mop.engine.exemplars import Exemplar

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
class Simulation:
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
        Name, model, template, weights and sampling parameters.
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

    def __repr__(self) -> str:
        weights = self.provenance.get("weights", "")
        return f"Simulation({self.name!r}, {len(self)} responses, weights: {weights})"

    def _repr_html_(self) -> str:
        shown = self.frame[[CONTEXT, PERSONA, RESPONSE]].head(5)
        table = shown.where(shown.notna(), "").to_html(index=False, justify="left")
        for tag in ("th", "td"):
            table = table.replace(f"<{tag}>", f'<{tag} style="text-align: left">')
        facts = ", ".join(
            f"{key}: {value}"
            for key, value in self.provenance.items()
            if key in ("weights", "temperature", "top_p", "seed")
        )
        caption = f"{self.name}: {len(shown)} of {len(self)} responses; {facts}"
        return f"{table}<p>{escape(caption)}</p>"
