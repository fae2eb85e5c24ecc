"""What a study holds, and what it says of what is not there yet."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.base import Backend, Encoder
from jupyter_mop.backends.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.store import Store
from jupyter_mop.engine.answers import PopulationAnswer
from jupyter_mop.engine.asking import answers_with, distinct_contexts, learn
from jupyter_mop.engine.mixture import MixtureOfPersonas
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.questions import Question
from jupyter_mop.engine.simulation import PERSONA, Simulation
from jupyter_mop.errors import DataError, ModelError, NotFittedError

if TYPE_CHECKING:
    from distributed import Client

    from jupyter_mop.alignment import Alignment
    from jupyter_mop.backends.cluster import ClusterBackend, ClusterEncoder


class Holdings:
    """The model, the records, the mixture and the simulations of a `Study`."""

    def __init__(
        self,
        backend: Backend | str | Path | None = None,
        encoder: Encoder | None = None,
        *,
        store: str | Path | None = None,
    ) -> None:
        self._store_path = Path(store) if store else None
        self._backend_choice: Backend | str | Path = backend or "local"
        self._encoder_choice = encoder
        self.personas: list[Persona] = []
        self.population: Population | None = None
        self.target: Population | None = None
        self.mixture: MixtureOfPersonas | None = None
        self.simulations: dict[str, Simulation] = {}
        self.answers: dict[str, PopulationAnswer] = {}
        self.panel_weights: dict[str, float] | None = None
        self.alignment: Alignment | None = None

    @cached_property
    def store(self) -> Store:
        """The file that keeps every answer."""
        return Store(self._store_path or config.store_path())

    @cached_property
    def backend(self) -> CachedBackend:
        """The language model, under the store."""
        return CachedBackend(load_backend(self._backend_choice), self.store)

    @cached_property
    def encoder(self) -> CachedEncoder:
        """The sentence encoder, under the store."""
        if self._encoder_choice is None:
            from jupyter_mop.backends.encoders import MiniLMEncoder

            self._encoder_choice = MiniLMEncoder()
        return CachedEncoder(self._encoder_choice, self.store)

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
    def _on(self, client: Client | None) -> Iterator[None]:
        """Let the workers of a cluster answer meanwhile, if one is given; the store stays here."""
        if client is None:
            yield
            return
        from jupyter_mop.backends.cluster import ClusterBackend

        if self.backend.meter.is_limited:
            raise DataError(
                "A budget cannot be kept on a cluster, whose workers know nothing of each other.",
                hint="Leave --budget or --client out.",
            )
        with _swapped(self.backend, "backend", ClusterBackend(self.backend.backend, client)):
            yield

    @contextmanager
    def _encoding_on(self, client: Client | None) -> Iterator[None]:
        """Let the workers of a cluster encode meanwhile, if one is given; the store stays here."""
        if client is None:
            yield
            return
        from jupyter_mop.backends.cluster import ClusterEncoder

        with _swapped(self.encoder, "encoder", ClusterEncoder(self.encoder.encoder, client)):
            yield

    def _needed_personas(self) -> list[Persona]:
        if not self.personas:
            raise NotFittedError(
                "There are no personas yet.",
                hint="Write them with %%mop_personas, or use_personas(...).",
            )
        return self.personas

    def _needed_population(self) -> Population:
        if self.population is None:
            raise NotFittedError(
                "There is no population yet.",
                hint="Name one: %mop_population df --context COLUMN --response COLUMN",
            )
        return self.population

    def _question(self, question: Question | str) -> Question:
        """Return the question; a mere text is asked with the answers that people gave."""
        if isinstance(question, Question):
            return question
        population = self._needed_population()
        if not population.is_closed:
            raise DataError(
                "The question has no options, and the responses of the population are free text.",
                hint='Give some: Question(text, ["yes", "no"]); in a magic: --options "yes|no".',
            )
        kind = "scale" if population.is_ordered else "single"
        return Question(question, population.options, kind)

    def _answer_weights(
        self, weights: str | Mapping[str, float] | None, question: Question
    ) -> str | Mapping[str, float]:
        """Return the weights of an answer: learned where there is what to learn from."""
        if weights == "panel":
            return self._panel()
        if weights is not None:
            return weights
        fitted = self.mixture is not None and self.mixture.is_fitted
        known = answers_with(self._needed_population(), question)
        return "learned" if fitted or known else "stated"

    def _learned_answer(
        self,
        question: Question,
        target: Population,
        put: Callable[[Population], PopulationAnswer],
        random_state: int,
    ) -> PopulationAnswer:
        """Return the answer with weights learned from the population's own, or by the fit."""
        population = self._needed_population()
        if answers_with(population, question):
            return learn(
                put(population),
                population,
                self._needed_personas(),
                self.encoder,
                target=put(target),
                random_state=random_state,
            )
        shares = self._fitted().persona_weights(target.take(distinct_contexts(target)))
        return put(target).reweighted(shares, described="learned")

    def _fitted(self) -> MixtureOfPersonas:
        if self.mixture is None or not self.mixture.is_fitted:
            raise NotFittedError(
                "There is nothing to learn weights from: the population's responses are not the "
                "options, and no mixture has been fitted.",
                hint="Use --weights uniform, or run %mop_fit first.",
            )
        return self.mixture

    def _panel(self) -> dict[str, float]:
        if self.panel_weights is None:
            raise NotFittedError(
                "No weights panel has been opened for these personas.",
                hint="Open one with %mop_weights.",
            )
        return self.panel_weights

    def _fitted_for(self, name: str) -> MixtureOfPersonas:
        if self.mixture is None:
            raise NotFittedError(
                f"The mixture that made {name!r} is gone: personas, records or model changed.",
                hint="Reweight by shares, as in critic=0.4, or simulate again.",
            )
        return self.mixture

    def _last_mixture(self) -> str:
        """Return the name of the last simulation in which every response has a persona."""
        drawn = [name for name, s in self.simulations.items() if s.frame[PERSONA].notna().all()]
        if not drawn:
            raise NotFittedError(
                "There is no simulation of the mixture yet.", hint="Make one: %mop_simulate."
            )
        return drawn[-1]

    def _simulation(self, name: str) -> Simulation:
        if name in self.simulations:
            return self.simulations[name]
        near = difflib.get_close_matches(name, self.simulations, 1, cutoff=0)
        raise DataError(
            f"There is no simulation {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else "Make it: %%mop_simulate.",
        )


def load_backend(
    choice: Backend | str | Path,
    model: str | None = None,
    chat_template: str | ChatTemplate | None = None,
    **endpoint: Any,  # noqa: ANN401  its own
) -> Backend:
    """Return the backend that is named: itself, "local", a path to a model or an endpoint's URL."""
    if _is_backend(choice):
        return choice
    if not isinstance(choice, str | Path):
        raise ModelError(
            f"A {type(choice).__name__} is no language model.",
            hint='Give "local", a path to a GGUF file or an OpenVINO model folder, the http:// '
            "address of an endpoint, or a Backend.",
        )
    if str(choice).startswith(("http:", "https:")):
        from jupyter_mop.backends.openai import OpenAIBackend

        return OpenAIBackend(str(choice), model, chat_template=chat_template, **endpoint)
    from jupyter_mop.backends.local import LocalBackend

    return LocalBackend(None if choice == "local" else choice)


def _is_backend(value: object) -> TypeGuard[Backend]:
    """Return whether `value` is a language model; an endpoint is not asked what it can do."""
    return all(callable(getattr(value, name, None)) for name in ("generate", "score"))


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
    tqdm.write(f"Cluster: {cluster.described}")
    setattr(cached, part, cluster)
    try:
        yield
    finally:
        setattr(cached, part, own)
