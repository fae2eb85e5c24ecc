"""What the weights of a mixture say: of contexts, of records, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from jupyter_mop.engine.evidence import Evidence
from jupyter_mop.engine.explanation import (
    Explanation,
    context_text,
    known_records,
    nearest_contexts,
    strongest_exemplars,
)
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.learning import OnStep
from jupyter_mop.engine.personas import named_shares, persona_index, persona_shares
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.training import Array, Training
from jupyter_mop.errors import DataError, NotFittedError

Weights = str | Mapping[str, float]


class Reading(Training):
    """The weights of a `MixtureOfPersonas` and the likelihoods that follow from them."""

    def summary(self) -> pd.DataFrame:
        """Return persona, learned weight and weight at the start, one row per persona.

        After `persona_weight_intervals`, low and high too.
        """
        weights = self.persona_weights()
        frame = pd.DataFrame({"persona": self.names, "weight": weights, "start": 1 / len(weights)})
        return frame.join(getattr(self, "intervals_", pd.DataFrame(index=frame.index)))

    def persona_weight_intervals(
        self, n: int = 100, *, random_state: int = 0, on_step: OnStep | None = None
    ) -> pd.DataFrame:
        """Return persona, weight, low and high: 95 % bootstrap intervals over the records.

        The gate is learned `n` times from the likelihoods that the fit asked for, with the
        records drawn anew; no model is called.

        Raises
        ------
        NotFittedError
            Before a fit, and for a loaded mixture, whose likelihoods were not saved.
        """
        if not hasattr(self, "refits_"):
            raise NotFittedError(
                "Intervals need the likelihoods of a fit, and this mixture has none.",
                hint="Run %mop_fit here; answers that are kept cost no model call.",
            )
        tick = on_step("refits", n) if on_step else None
        self.intervals_ = self.refits_.intervals(
            n, *self._own_contexts(), random_state=random_state, on_result=tick
        )
        return self.summary()[["persona", "weight", "low", "high"]]

    def persona_weights(self, population: Population | None = None) -> Array:
        """Return pi: the marginal weights (K,), or one row per record of `population` (n, K)."""
        if population is None:
            return self._initialised().gate_.persona_weights(*self._own_contexts())
        gate = self._initialised().gate_
        return np.exp(gate.persona_log_weights(self._encode_each(population.contexts)))

    def exemplar_weights(self, population: Population, persona: str) -> Array:
        """Return Omega_k(x) for one persona, one row per record, shape (n, J)."""
        k = np.full(len(population), persona_index(self.personas, persona))
        contexts = self._encode_each(population.contexts)
        return np.exp(self._initialised().gate_.exemplar_log_weights(contexts, k))

    def explain(self, context: str | Mapping[str, object], *, n: int = 5) -> Explanation:
        """Return who answers a context and what they are shown, with the nearest records.

        Parameters
        ----------
        context : str or mapping
            As text, or its value of each context column.
        n : int
            Most exemplars and most records.
        """
        if n < 1:
            raise DataError(f"An explanation shows at least 1 exemplar, not {n}.", hint="Use n=5.")
        mixture = self._initialised()
        text = context_text(context, mixture.population_.context)
        known, said = known_records(mixture.population_, mixture.exemplars_)
        vector = self._encode([text])[0]
        weights = np.exp(mixture.gate_.persona_log_weights(vector[None])[0])
        overall = self.persona_weights()
        return Explanation(
            text,
            text in set(mixture.population_.contexts),
            pd.DataFrame({"persona": self.names, "weight": weights, "overall": overall}),
            strongest_exemplars(mixture.gate_, vector, mixture.exemplars_, self.names, n=n),
            nearest_contexts(vector, self._encode_each(known), known, said, n=n),
        )

    def log_prob(self, population: Population, *, on_step: OnStep | None = None) -> Array:
        """Return log p(y|x) of each record in nats, shape (n,), over all K * J components."""
        return self._initialised().gate_.log_prob(self._everything(population, on_step))

    def score(self, population: Population) -> float:
        """Return the mean log-likelihood of `population` in nats per record."""
        return float(np.average(self.log_prob(population), weights=population.weights))

    def responsibilities(self, population: Population, *, on_step: OnStep | None = None) -> Array:
        """Return how likely each persona is to have said each response, shape (n, K)."""
        return self._initialised().gate_.responsibilities(self._everything(population, on_step))

    def gate_for(self, weights: Weights | None = None) -> Gate:
        """Return the gate with other persona weights.

        Parameters
        ----------
        weights : str or mapping, optional
            "learned"; "uniform" (personas and exemplars alike); "stated" (what the personas
            say, exemplars uniform); or a share for each persona by name, those not named
            sharing the rest, with the exemplars as learned. Default: learned after a fit,
            stated before.
        """
        gate = self._initialised().gate_
        start = gate.with_theta(np.zeros_like(gate.theta))
        if weights is None:
            weights = "learned" if self.is_fitted else "stated"
        if weights == "uniform":
            return start
        if weights == "learned":
            if not self.is_fitted:
                raise NotFittedError(
                    "The weights have not been learned yet.",
                    hint="Run %mop_fit first, or use --weights uniform.",
                )
            return gate
        if weights == "stated":
            return start.with_marginal(persona_shares(self.personas), *self._own_contexts())
        if not isinstance(weights, Mapping):
            raise DataError(
                f"There are no weights {weights!r}.",
                hint="Use uniform, learned, stated, or NAME=0.4,NAME=0.6.",
            )
        return gate.with_marginal(named_shares(self.personas, weights), *self._own_contexts())

    def _everything(self, population: Population, on_step: OnStep | None) -> Evidence:
        learner = self._learner(on_step)
        return learner.everything("records", population, n_exemplars=len(self.exemplars_))[0]
