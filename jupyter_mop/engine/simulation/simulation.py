"""A simulation: responses in draw order, each with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.persona_weights import named_shares
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.simulation import importance_weights
from jupyter_mop.engine.simulation.export import Exported
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

CONTEXT = "context"
PERSONA = "persona"
EXEMPLAR = "exemplar"
RESPONSE = "response"
LOG_PROB = "log_prob"
WEIGHT = "weight"
SEED = "seed"
DRAW = "draw"
SHOWN, WISHES = "shown", "wishes"
COLUMNS = (CONTEXT, PERSONA, EXEMPLAR, RESPONSE, LOG_PROB, WEIGHT, SEED, DRAW)


@dataclass(frozen=True)
class Simulation(Viewed, Exported):
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
        Name, personas, model, template, weights and sampling parameters; of a baseline that shows
        several exemplars, which each draw was `shown`, and `wishes` below its question, if any.
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

    @property
    def names(self) -> list[str]:
        """The personas that it could draw, or did where that is not known; length K."""
        known = self.provenance.get("personas")
        return list(known if known is not None else self.frame[PERSONA].dropna().unique())

    def turns(self, draw: int) -> list[tuple[str, str]]:
        """Return the prompt of a draw as pairs of role and text."""
        facts, row = self.provenance, self.frame.iloc[draw]
        persona = facts.get("personas", {}).get(row[PERSONA])
        turns = [("system", str(persona))] if persona else []
        for question, response in self.shown(draw):
            turns += [("user", question), ("assistant", response)]
        wishes = facts[WISHES][draw] if WISHES in facts else ""
        asked = "\n".join(filter(None, (self._question(row[CONTEXT]), wishes)))
        return [*turns, ("user", asked)]

    def shown(self, draw: int) -> list[tuple[str, str]]:
        """Return question and response of what a draw was shown, the last nearest its question."""
        one = self.frame[EXEMPLAR].iloc[draw]
        if SHOWN in self.provenance:
            places = self.provenance[SHOWN][draw]
        else:
            places = [] if pd.isna(one) else [int(one)]
        return [self._shown(j) for j in places]

    def _shown(self, place: int) -> tuple[str, str]:
        """Return an exemplar of the pool, or after those a response of this simulation."""
        if place < len(self.exemplars):
            exemplar = self.exemplars[place]
            template = PromptTemplate(str(self.provenance["template"]))
            return template.question(exemplar.record), exemplar.response
        row = self.frame.iloc[place - len(self.exemplars)]
        return self._question(row[CONTEXT]), str(row[RESPONSE])

    def _question(self, context: str) -> str:
        return str(self.provenance.get("questions", {}).get(context, context))

    @property
    def weights(self) -> NDArray[np.float64]:
        """The importance weight of each response, shape (n,), mean 1."""
        return np.asarray(self.frame[WEIGHT], dtype=np.float64)

    def codes(self, names: Sequence[str] | None = None) -> NDArray[np.intp]:
        """Return the persona of each response as a position in `names`, shape (n,)."""
        place = {name: k for k, name in enumerate(self.names if names is None else names)}
        strange = [name for name in self.frame[PERSONA].unique() if name not in place]
        if strange or not place:
            raise DataError(
                f"The simulation {self.name!r} has responses of no persona, or of another one.",
                hint="Use a simulation of the mixture, with the personas it was made with.",
            )
        return np.array([place[name] for name in self.frame[PERSONA]], dtype=np.intp)

    def with_facts(self, **facts: object) -> Simulation:
        """Return this simulation with more in its provenance."""
        return replace(self, provenance={**self.provenance, **facts})

    def reweight(
        self,
        weights: Mapping[str, float] | None = None,
        *,
        log_prob: NDArray[np.float64] | None = None,
    ) -> Simulation:
        """Return the same responses weighted as other weights would have drawn them.

        No model is asked. `reliability` says how far the result can be trusted.

        Parameters
        ----------
        weights : mapping of str to float, optional
            Share of each persona by name; those not named share the rest.
        log_prob : ndarray, shape (n,), optional
            Instead: with what log-probability other weights draw each persona and exemplar, as
            `MixtureOfPersonas.draw_log_prob` gives it. The largest weights are Pareto-smoothed.

        Raises
        ------
        DataError
            If a persona with a share has no draws, or none or both of the arguments are given.

        Examples
        --------
        >>> rows = {"persona": ["critic", "fan"], "response": ["no", "yes"], "weight": 1.0}
        >>> simulation = Simulation(pd.DataFrame(rows))
        >>> simulation.reweight({"fan": 0.75}).weights.tolist()
        [0.5, 1.5]
        """
        if (weights is None) == (log_prob is None):
            raise DataError(
                "Either weights or log_prob is needed.", hint='Use reweight({"critic": 0.4}).'
            )
        if weights is not None:
            shares = named_shares([Persona(name, name) for name in self.names], weights)
            values = importance_weights.share_weights(
                self.codes(), shares, self.names, weights=self.weights
            )
            pairs = zip(self.names, shares, strict=True)
            told = ", ".join(f"{name}={share:.3f}" for name, share in pairs)
        else:
            drawn = np.asarray(self.frame[LOG_PROB], dtype=np.float64)
            raw = importance_weights.importance_weights(np.asarray(log_prob), drawn)
            values, told = importance_weights.pareto_smoothed(raw)[0], "reweighted"
        return replace(
            self,
            frame=self.frame.assign(**{WEIGHT: values}),
            provenance={**self.provenance, "weights": told},
        )

    def reliability(self) -> importance_weights.Reliability:
        """Say how far the weighted responses can be trusted, and what to simulate if not."""
        return importance_weights.reliability(self.weights, self.codes(), self.names)

    def __repr__(self) -> str:
        weights = self.provenance.get("weights", "")
        return f"Simulation({self.name!r}, {len(self)} responses, weights: {weights})"
