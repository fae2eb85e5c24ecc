"""A study's verbs that say what a simulation is worth, and make it agree with what is known."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from jupyter_mop.alignment import encoded
from jupyter_mop.engine.calibration import Calibration, calibrate
from jupyter_mop.engine.diagnosis import Diagnosis, diagnose
from jupyter_mop.engine.estimates import Estimates, estimate
from jupyter_mop.engine.learning import OnStep
from jupyter_mop.engine.memorisation import COPIED
from jupyter_mop.engine.outcomes import Outcome
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.simulation import RESPONSE
from jupyter_mop.inspection import Inspection


class Inference(Inspection):
    """Calibration, estimates and diagnoses of the simulations of a study."""

    def calibrate(
        self,
        name: str,
        targets: object,
        *,
        of: object = None,
        start: Mapping[str, float] | None = None,
        nearest: bool = False,
    ) -> Calibration:
        """Find the persona weights nearest a simulation's own that give known shares.

        The result is a mapping for `reweight` and `simulate(weights=...)`; the other arguments
        are those of `jupyter_mop.engine.calibration.calibrate`.
        """
        simulation = self._simulation(name)
        return calibrate(simulation, targets, of=of, start=start, nearest=nearest)

    def estimate(
        self,
        name: str,
        of: Outcome = RESPONSE,
        *,
        human: pd.DataFrame | Population | None = None,
        answer: str | None = None,
        level: float = 0.9,
    ) -> Estimates:
        """Estimate a mean or shares of the population from a simulation and a few human answers.

        Parameters
        ----------
        name : str
            Of a simulation.
        of : str or callable
            A column of the simulation and of the answers, or a function of a response.
        human : DataFrame or Population, optional
            Human answers, with the context columns of the study's population; in a frame, `of`
            "response" means the population's response column. Without them the interval is valid
            for the simulation only.
        answer : str, optional
            The one answer whose share is wanted.
        level : float
            Probability that the interval is to hold.
        """
        simulation = self._simulation(name)
        n_contexts = len(self.target or self._needed_population())
        return estimate(
            simulation,
            of,
            human=self._answers(human, of),
            answer=answer,
            level=level,
            n_contexts=n_contexts,
        )

    def diagnose(
        self,
        name: str | None = None,
        *,
        copied: int = COPIED,
        random_state: int = 0,
        on_step: OnStep | None = None,
    ) -> Diagnosis:
        """Look a simulation over: variety, controllability, copies, and what is missing.

        Parameters
        ----------
        name : str, optional
            Of a simulation; default: the last one of the mixture.
        copied : int
            From how many words in a row, shared with an exemplar, a response counts as copied.
        """
        simulation = self._simulation(name or self._last_mixture())
        texts = (self.target or self._needed_population()).responses
        target, vectors = encoded([texts, simulation.responses], self.encoder, on_step)
        return diagnose(
            texts, target, simulation, vectors, copied=copied, random_state=random_state
        )

    def _answers(self, human: pd.DataFrame | Population | None, of: object) -> Population | None:
        """Return human answers as records with the context columns of the study's population."""
        if human is None or isinstance(human, Population):
            return human
        like = self._needed_population()
        column = of if isinstance(of, str) and of != RESPONSE else like.response
        weight = like.weight if like.weight in getattr(human, "columns", ()) else None
        return Population.from_frame(human, context=like.context, response=column, weight=weight)
