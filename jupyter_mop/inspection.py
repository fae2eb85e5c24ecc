"""Verbs of a study that look at what there is, and ask the model for little or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.base import SamplingParams
from jupyter_mop.engine.explanation import Explanation
from jupyter_mop.engine.learning import OnStep
from jupyter_mop.engine.matching import match
from jupyter_mop.engine.neighbours import nearest_records
from jupyter_mop.engine.personas import Persona, persona_index
from jupyter_mop.engine.simulation import Simulation
from jupyter_mop.engine.sounding import pool, sound
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.holdings import Holdings

if TYPE_CHECKING:
    from jupyter_mop.comparison import Comparison


class Inspection(Holdings):
    """The verbs of `Study` that hear, explain, reweight and compare."""

    def sound(
        self,
        persona: str | Persona,
        n: int = 2,
        *,
        template: str | None = None,
        temperature: float = config.DEFAULT_TEMPERATURE,
        top_p: float = config.DEFAULT_TOP_P,
        max_tokens: int = config.DEFAULT_MAX_TOKENS,
        random_state: int = 0,
    ) -> Simulation:
        """Hear one persona, by name or itself: let it answer `n` contexts of the population."""
        population = self._needed_population()
        if isinstance(persona, str):
            persona = self.personas[persona_index(self._needed_personas(), persona)]
        mixture = self.mixture if self.mixture and self.mixture.is_ready else None
        return sound(
            persona,
            population,
            mixture.exemplars_ if mixture else pool(population),
            self.backend,
            template=template or (mixture.template_.text if mixture else None),
            n=n,
            params=SamplingParams(temperature, top_p, max_tokens),
            random_state=random_state,
        )

    def export(self, name: str, path: str | Path) -> Path:
        """Write a simulation to a .csv, .parquet or .jsonl file, with a data card beside it.

        The card tells the personas, weights, model, seeds and prompt, and the figures of the last
        alignment. `Simulation.from_csv` and its like read the file back.
        """
        simulation, path = self._simulation(name), Path(path)
        write = {
            ".csv": simulation.to_csv,
            ".parquet": simulation.to_parquet,
            ".jsonl": simulation.to_jsonl,
        }.get(path.suffix.lower())
        if write is None:
            raise DataError(
                f"A simulation is not written to a {path.suffix or 'file with no ending'}.",
                hint="Name a .csv, .parquet or .jsonl file.",
            )
        figures = None if self.alignment is None else self.alignment.frame.query("method == @name")
        return write(path, figures=figures)

    def nearest(self, n: int = 3) -> pd.DataFrame:
        """Return the `n` real records nearest each persona's text: context, response, cosine."""
        personas = self._needed_personas()
        texts = [persona.description for persona in personas]
        found = nearest_records(texts, self._needed_population(), self.encoder, n=n)
        return found.assign(persona=[personas[k].name for k in found["persona"]])

    def explain(self, context: str | Mapping[str, object], *, n: int = 5) -> Explanation:
        """Say who answers a context and what they are shown; see `MixtureOfPersonas.explain`."""
        if self.mixture is None:
            raise NotFittedError("There is no mixture to explain yet.", hint="Run %mop_fit first.")
        return self.mixture.explain(context, n=n)

    def reweight(
        self,
        name: str,
        weights: str | Mapping[str, float],
        *,
        kept_as: str | None = None,
    ) -> Simulation:
        """Weight a simulation as other persona weights would have drawn it, with no model call.

        Parameters
        ----------
        name : str
            Of a simulation of the mixture.
        weights : str or mapping
            "panel" or a share for each persona by name; or "learned", "uniform" or "stated", which
            change exemplar weights too.
        kept_as : str, optional
            Keep the result under this name, for `align`.
        """
        made = self._simulation(name)
        if weights == "panel":
            weights = self._panel()
        if isinstance(weights, Mapping):
            result = made.reweight(weights)
        else:
            mixture = self._fitted_for(name)
            result = made.reweight(log_prob=mixture.draw_log_prob(made, weights))
        if kept_as:
            result = replace(result, provenance={**result.provenance, "name": kept_as})
            self.simulations[kept_as] = result
        return result

    def match(
        self,
        name: str | None = None,
        figure: str = "MAUVE",
        *,
        random_state: int = 0,
        on_step: OnStep | None = None,
    ) -> dict[str, float]:
        """Fit persona weights by matching samples: those at which a figure is best.

        For models that give no likelihoods: simulate with uniform weights, then match. No model
        is called, and the result can be given as weights to `simulate` and `reweight`.

        Parameters
        ----------
        name : str, optional
            Of a simulation of the mixture; default: the last one made.
        figure : str
            "MAUVE", "FID", "KL cosine", "length", or for answers their distances.
        """
        statistics = self.compare(name, random_state=random_state, on_step=on_step).statistics
        start = np.full(len(statistics.names), 1 / len(statistics.names))
        found = match(statistics, figure, start)
        pairs = zip(statistics.names, found.weights, strict=True)
        return {persona: float(weight) for persona, weight in pairs}

    def compare(
        self, name: str | None = None, *, random_state: int = 0, on_step: OnStep | None = None
    ) -> Comparison:
        """Measure a simulation persona by persona against the held-out records, for the panel.

        Parameters
        ----------
        name : str, optional
            Of a simulation of the mixture; default: the last one made.
        """
        from jupyter_mop.comparison import compare

        self._needed_population()
        return compare(
            self.target or self._needed_population(),
            self._simulation(name or self._last_mixture()),
            encoder=self.encoder,
            random_state=random_state,
            on_step=on_step,
        )
