"""The session of a study: model, records, mixture and results, and what is missing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.opening import load_backend
from jupyter_mop.backends.protocols import Backend, Encoder
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.engine.data.exemplars import default_max_tokens
from jupyter_mop.engine.data.persona_weights import PANEL, Weights
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.generation.options import SimulationOptions
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import PERSONA, RESPONSE, Simulation
from jupyter_mop.engine.survey.answer_matching import read_option
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import (
    distinct_options,
    split_names,
    without_missing,
)
from jupyter_mop.errors import DataError, NotFittedError

if TYPE_CHECKING:
    from distributed import Client

    from jupyter_mop.backends.cluster.backend import ClusterBackend, ClusterEncoder
    from jupyter_mop.engine.evaluation.alignment import Alignment


class Session:
    """The model, the records, the mixture and the results of a `Study`."""

    def __init__(
        self,
        backend: Backend | str | Path | None = None,
        encoder: Encoder | None = None,
        *,
        store: str | Path | None = None,
    ) -> None:
        self._store_path = Path(store) if store else None
        self.backend_choice: Backend | str | Path = backend or "local"
        self.encoder_choice = encoder
        self.personas: list[Persona] = []
        self.population: Population | None = None
        self.target: Population | None = None
        self.mixture: MixtureOfPersonas | None = None
        self.simulations: dict[str, Simulation] = {}
        self.answers: dict[str, PopulationAnswer] = {}
        self.panel_weights: dict[str, float] | None = None
        self.alignment: Alignment | None = None

    @property
    def comparison_target(self) -> Population:
        """The held-out records, or the training records where none are held out."""
        return self.target or self.require_population()

    @cached_property
    def store(self) -> Store:
        """The file that keeps every answer."""
        return Store(self._store_path or config.store_path())

    @cached_property
    def backend(self) -> CachedBackend:
        """The language model, under the store."""
        return CachedBackend(load_backend(self.backend_choice), self.store)

    @cached_property
    def encoder(self) -> CachedEncoder:
        """The sentence encoder, under the store."""
        if self.encoder_choice is None:
            from jupyter_mop.backends.openvino.encoder import MiniLMEncoder

            self.encoder_choice = MiniLMEncoder()
        return CachedEncoder(self.encoder_choice, self.store)

    def status(self) -> pd.Series:
        """Return what is loaded, fitted, simulated and kept."""
        counts = self.store.counts()
        fitted = self.mixture is not None and self.mixture.is_fitted
        return pd.Series(
            {
                "model": getattr(self.__dict__.get("backend"), "fingerprint", "not loaded yet"),
                "personas": ", ".join(p.name for p in self.personas) or "none",
                "population": repr(self.population) if self.population else "none",
                "held out": len(self.target) if self.target else 0,
                "weights": "learned" if fitted else "not learned",
                "simulations": ", ".join(f"{k} ({len(v)})" for k, v in self.simulations.items())
                or "none",
                "kept answers": f"{counts.completions} responses, {counts.scores} scores, "
                f"{counts.vectors} vectors ({counts.n_bytes / 1e6:.1f} MB)",
                "store": _from_home(self.store.path),
            },
            name="study",
        )

    def answer(self, name: str) -> PopulationAnswer:
        """Return the answer to a closed question that is kept under `name`."""
        if name in self.answers:
            return self.answers[name]
        near = difflib.get_close_matches(name, self.answers, 1, cutoff=0)
        raise DataError(
            f"There is no answer {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else "Ask: %%mop_ask, the question below it.",
        )

    @contextmanager
    def on_cluster(self, client: Client | None) -> Iterator[None]:
        """Let the workers of a cluster answer meanwhile, if one is given; the store stays here."""
        if client is None:
            yield
            return
        from jupyter_mop.backends.cluster.backend import ClusterBackend

        if self.backend.meter.is_limited:
            raise DataError(
                "A budget cannot be kept on a cluster, whose workers know nothing of each other.",
                hint="Leave --budget or --client out.",
            )
        with _swapped(self.backend, "backend", ClusterBackend(self.backend.backend, client)):
            yield

    @contextmanager
    def encoding_on_cluster(self, client: Client | None) -> Iterator[None]:
        """Let the workers of a cluster encode meanwhile, if one is given; the store stays here."""
        if client is None:
            yield
            return
        from jupyter_mop.backends.cluster.backend import ClusterEncoder

        with _swapped(self.encoder, "encoder", ClusterEncoder(self.encoder.encoder, client)):
            yield

    def require_personas(self) -> list[Persona]:
        """Return the personas, or raise a NotFittedError."""
        if not self.personas:
            raise NotFittedError(
                "There are no personas yet.",
                hint="Write them with %%mop_personas, or use_personas(...).",
            )
        return self.personas

    def require_population(self) -> Population:
        """Return the training records, or raise a NotFittedError."""
        if self.population is None:
            raise NotFittedError(
                "There is no population yet.",
                hint="Name one: %mop_population df --context COLUMN --response COLUMN",
            )
        return self.population

    def closed_question(
        self, question: Question | str, missing: str | Sequence[str] | None = None
    ) -> Question:
        """Return the question; a plain string uses the population's answers as options."""
        if isinstance(question, Question):
            return question
        population, _ = without_missing(self.require_population(), missing)
        if not population.is_closed:
            raise DataError(
                "The question has no options, and the responses of the population are free text.",
                hint='Give some: Question(text, ["yes", "no"]); in a magic: --options "yes|no".',
            )
        kind = "scale" if population.is_ordered else "single"
        names = split_names(missing)
        options = [
            name for name in distinct_options(population) if read_option(name, names) is None
        ]
        return Question(question, options, kind)

    def new_mixture(self, template: str | None = None, **settings: Any) -> MixtureOfPersonas:
        """Return a mixture of the study's personas, neither initialised nor fitted."""
        self.require_population()
        personas = self.require_personas()
        return MixtureOfPersonas(
            personas, self.backend, self.encoder, template=template, **settings
        )

    def prepared_mixture(self, template: str | None = None) -> MixtureOfPersonas:
        """Return the study's mixture; before there is one, a new one with uniform weights."""
        return self.mixture or self.new_mixture(template).initialise(self.require_population())

    def with_panel(self, weights: Weights | None) -> Weights | None:
        """Return the weights, "panel" replaced by what the weights panel shows."""
        if weights != PANEL:
            return weights
        if self.panel_weights is None:
            raise NotFittedError(
                "No weights panel has been opened for these personas.",
                hint="Open one with %mop_weights.",
            )
        return self.panel_weights

    def completed(
        self, options: SimulationOptions, mixture: MixtureOfPersonas
    ) -> SimulationOptions:
        """Return the options with what this session decides: panel weights, candidates, length."""
        one = options.n_candidates is None and isinstance(self.backend.backend, OpenAIBackend)
        return replace(
            options,
            weights=self.with_panel(options.weights),
            n_candidates=1 if one else options.n_candidates,
            max_tokens=options.max_tokens or default_max_tokens(mixture.exemplars_),
        )

    def human_answers(
        self, human: pd.DataFrame | Population | None, of: object
    ) -> Population | None:
        """Return human answers as records with the context columns of the study's population."""
        if human is None or isinstance(human, Population):
            return human
        like = self.require_population()
        column = of if isinstance(of, str) and of != RESPONSE else like.response
        weight = like.weight if like.weight in getattr(human, "columns", ()) else None
        return Population.from_frame(human, context=like.context, response=column, weight=weight)

    def last_mixture_simulation(self) -> str:
        """Return the name of the last simulation in which every response has a persona."""
        drawn = [name for name, s in self.simulations.items() if s.frame[PERSONA].notna().all()]
        if not drawn:
            raise NotFittedError(
                "There is no simulation of the mixture yet.", hint="Make one: %mop_simulate."
            )
        return drawn[-1]

    def simulation(self, name: str) -> Simulation:
        """Return the simulation `name`, or raise a DataError that names the nearest one."""
        if name in self.simulations:
            return self.simulations[name]
        near = difflib.get_close_matches(name, self.simulations, 1, cutoff=0)
        raise DataError(
            f"There is no simulation {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else "Make it: %%mop_simulate.",
        )


def _from_home(path: Path) -> str:
    """Return `path` as a person writes it, with ~ for the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


@contextmanager
def _swapped(
    cached: CachedBackend | CachedEncoder, part: str, cluster: ClusterBackend | ClusterEncoder
) -> Iterator[None]:
    """Let a cluster do the work of what `cached` has as its `part`, and say where to watch it."""
    from tqdm.std import tqdm

    own = getattr(cached, part)
    tqdm.write(f"Cluster: {cluster.description}")
    setattr(cached, part, cluster)
    try:
        yield
    finally:
        setattr(cached, part, own)
