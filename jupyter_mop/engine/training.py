"""How a mixture of personas is set up, and how its weights are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jupyter_mop import config
from jupyter_mop.backends.base import Backend, Encoder
from jupyter_mop.engine.clusters import cluster_strata
from jupyter_mop.engine.exemplars import draw_exemplars
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.heldout import held_out_report
from jupyter_mop.engine.intervals import Refits
from jupyter_mop.engine.learning import (
    MIN_RECORDS,
    Learner,
    OnStep,
    check_settings,
    draw_records,
)
from jupyter_mop.engine.personas import Persona, read_personas
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.engine.vectors import encode_each
from jupyter_mop.engine.views import Viewed
from jupyter_mop.errors import NotFittedError

Array = NDArray[np.float64]


class Training(Viewed):
    """The settings, the exemplar pool and the gate of a `MixtureOfPersonas`."""

    cost_: Mapping[str, object]

    def __init__(
        self,
        personas: object,
        backend: Backend,
        encoder: Encoder,
        *,
        template: str | None = None,
        n_exemplars: int = config.DEFAULT_EXEMPLARS,
        n_records: int = config.DEFAULT_RECORDS,
        n_components: int = config.DEFAULT_COMPONENTS,
        rank: int = 8,
        l2: float = 0.1,
        stratify: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.personas: list[Persona] = read_personas(personas)
        self.backend = backend
        self.encoder = encoder
        self.template = template
        self.n_exemplars = n_exemplars
        self.n_records = n_records
        self.n_components = n_components
        self.rank = rank
        self.l2 = l2
        self.stratify = stratify
        self.random_state = random_state

    @property
    def names(self) -> list[str]:
        """The names of the personas, length K."""
        return [persona.name for persona in self.personas]

    @property
    def is_ready(self) -> bool:
        """Whether there is an exemplar pool and a gate to simulate with."""
        return hasattr(self, "gate_")

    @property
    def is_fitted(self) -> bool:
        """Whether the weights have been learned."""
        return hasattr(self, "report_")

    def initialise(self, population: Population) -> Self:
        """Draw the exemplar pool and set every weight uniform, with no model call."""
        check_settings(self)
        template = self.template or ", ".join(f"{{{column}}}" for column in population.context)
        self.template_ = PromptTemplate(template)
        self.template_.check(population.context)
        pairs = zip(population.responses, population.weights, strict=True)
        size = min(self.n_exemplars, len({response for response, weight in pairs if weight}))
        self.exemplars_ = draw_exemplars(
            population, size, by=self._strata(population), random_state=self.random_state
        )
        self.population_ = population
        self.gate_ = Gate.start(
            self._encode([persona.description for persona in self.personas]),
            self._encode([exemplar.text for exemplar in self.exemplars_]),
            rank=self.rank,
            random_state=self.random_state,
        )
        for name in ("report_", "refits_", "intervals_", "cost_"):
            self.__dict__.pop(name, None)
        return self

    def fit(self, population: Population, *, on_step: OnStep | None = None) -> Self:
        """Learn the weights of personas and exemplars from what people said.

        Parameters
        ----------
        population : Population
            The records; some become exemplars, some are learned from, some are held out.
        on_step : callable, optional
            Called with (what, total) before the model is asked; returns what is called as each
            answer comes.

        Raises
        ------
        DataError
            For fewer than 8 records.
        ModelError
            Where the backend cannot score.
        """
        rows = draw_records(population, self.n_records, random_state=self.random_state + 1)
        start = self.initialise(population).gate_
        n_held_out = max(len(rows) // 4, MIN_RECORDS // 2)
        train, held_out, n_tokens = self._learner(on_step).gather(
            population.take(rows[n_held_out:]),
            population.take(rows[:n_held_out]),
            start,
            size=self.n_components,
            l2=self.l2,
            random_state=self.random_state,
        )
        self.refits_ = Refits(start, train, held_out, self.l2)
        path = start.path(train, l2=self.l2)
        self.gate_ = path.best(held_out)
        self.report_ = held_out_report(
            start,
            path.best,
            held_out,
            n_tokens=n_tokens,
            random_state=self.random_state,
        )
        return self

    def _initialised(self) -> Self:
        if not self.is_ready:
            raise NotFittedError(
                "The mixture has seen no population yet.",
                hint="Call fit(population), or initialise(population).",
            )
        return self

    def _learner(self, on_step: OnStep | None = None) -> Learner:
        return Learner(
            self.personas,
            self._initialised().exemplars_,
            self.template_,
            self.backend,
            self._encode_each,
            on_step,
        )

    def _strata(self, population: Population) -> str | Sequence[object] | None:
        if self.stratify != "cluster" or "cluster" in population.context:
            return self.stratify
        k = max(len(self.personas), 2)
        return cluster_strata(population, k, self.encoder, random_state=self.random_state)

    def _own_contexts(self) -> tuple[Array, Array]:
        return self._encode_each(self.population_.contexts), self.population_.weights

    def _encode(self, texts: list[str]) -> Array:
        return self.encoder.encode(texts).astype(np.float64)

    def _encode_each(self, texts: Sequence[str]) -> Array:
        """Encode texts of which many are alike, shape (n, d)."""
        return encode_each(self.encoder, texts)
