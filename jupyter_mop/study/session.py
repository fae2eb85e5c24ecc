"""The state of a study: model, records, mixture and results."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.batch.backend import BatchBackend
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.opening import load_backend
from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.engine.data.dataframes import value_text
from jupyter_mop.engine.data.encoding import encode_groups
from jupyter_mop.engine.data.exemplars import Exemplar, default_max_tokens
from jupyter_mop.engine.data.persona_weights import PANEL, Weights
from jupyter_mop.engine.data.personas import Persona, persona_index
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.generation.persona_preview import default_pool
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.metrics.vectors import WeightedVectors
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.questionnaire.prediction import Prediction
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit
from jupyter_mop.engine.simulation.simulation import (
    COLUMN,
    N_MIXED,
    PERSONA,
    RESPONSE,
    Simulation,
)
from jupyter_mop.engine.survey.answer_matching import read_option
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.reading.rating_scales import scale_order
from jupyter_mop.engine.survey.real_answers import (
    distinct_options,
    split_names,
    without_missing,
)
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.rendering import listed

if TYPE_CHECKING:
    from jupyter_mop.engine.evaluation.alignment import Alignment

Result = TypeVar("Result")


class Session:
    """The model, records, mixture and results of a `Study`."""

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
        self.survey_fit: SurveyFit | None = None
        self.predictions: dict[str, Prediction] = {}
        self.panel_weights: dict[str, float] | None = None
        self.alignment: Alignment | None = None
        self._measured: dict[tuple[str, type], tuple[Simulation, object]] = {}

    @property
    def comparison_target(self) -> Population:
        """The held-out records, or the training records where none are held out."""
        return self.target or self.require_population()

    @property
    def fitted_mixture(self) -> MixtureOfPersonas | None:
        """The mixture if its weights are learned, else None."""
        return self.mixture if self.mixture is not None and self.mixture.is_fitted else None

    @cached_property
    def store(self) -> Store:
        """The store of cached answers."""
        return Store(self._store_path or config.store_path())

    @cached_property
    def backend(self) -> CachedBackend:
        """The language model, with its answers cached in the store."""
        return CachedBackend(load_backend(self.backend_choice), self.store)

    @cached_property
    def encoder(self) -> CachedEncoder:
        """The sentence encoder, with its vectors cached in the store."""
        if self.encoder_choice is None:
            from jupyter_mop.backends.openvino.encoder import MiniLMEncoder

            self.encoder_choice = MiniLMEncoder()
        return CachedEncoder(self.encoder_choice, self.store)

    def encoder_for(self, options: ElicitationOptions) -> CachedEncoder | None:
        """Return the encoder if the method of asking needs one; else it is not loaded."""
        return self.encoder if options.needs_encoder else None

    def status(self) -> pd.Series:
        """Return what is loaded, fitted, simulated and cached, one row for each."""
        counts = self.store.counts()
        simulations = (f"{name} ({len(made)})" for name, made in self.simulations.items())
        return pd.Series(
            {
                "model": getattr(self.__dict__.get("backend"), "fingerprint", "not loaded yet"),
                "personas": ", ".join(p.name for p in self.personas) or "none",
                "population": repr(self.population) if self.population else "none",
                "held out": len(self.target) if self.target else 0,
                "weights": "learned" if self.fitted_mixture else "not learned",
                "simulations": ", ".join(simulations) or "none",
                "cached": f"{counts.completions} responses, {counts.scores} scores, "
                f"{counts.vectors} vectors ({counts.n_bytes / 1e6:.1f} MB)",
                "store": _from_home(self.store.path),
            },
            name="study",
        )

    def require_personas(self) -> list[Persona]:
        """Return the personas; raise a NotFittedError if there are none."""
        if not self.personas:
            raise NotFittedError(
                "There are no personas yet.",
                hint="Write them with %%mop_personas, or use_personas(...).",
            )
        return self.personas

    def require_population(self) -> Population:
        """Return the training records; raise a NotFittedError if there are none."""
        if self.population is None:
            raise NotFittedError(
                "There is no population yet.",
                hint="Add one: %mop_population df --context COLUMN --response COLUMN",
            )
        return self.population

    def require_survey(self) -> SurveyFit:
        """Return the fitted survey; raise a NotFittedError if there is none."""
        if self.survey_fit is None:
            raise NotFittedError(
                "There is no fitted survey yet.",
                hint="Fit one: %mop_survey df --questions COLUMN,COLUMN --context COLUMN",
            )
        return self.survey_fit

    def closed_question(
        self, question: Question | str, missing: str | Sequence[str] | None = None
    ) -> Question:
        """Return the question; a plain string uses the population's answers as options."""
        if isinstance(question, Question):
            return question
        population, _ = without_missing(self.require_population(), missing)
        if not population.is_closed:
            raise DataError(
                "The question has no options, and the population's responses are free text.",
                hint='Add options: Question(text, ["yes", "no"]); in a magic: --options "yes|no".',
            )
        names = split_names(missing)
        options = [
            name
            for name in distinct_options(self._all_records())
            if read_option(name, names) is None
        ]
        is_scale = population.is_ordered or scale_order(options) == options
        return Question(question, options, "scale" if is_scale else "single")

    @contextmanager
    def answering(self, column: str) -> Iterator[None]:
        """Let the responses of the records be those of another column inside a `with` block."""
        train, held_out = self.require_population(), self.target
        try:
            self.population = train.answering(column)
            self.target = None if held_out is None else held_out.answering(column)
            yield
        finally:
            self.population, self.target = train, held_out

    def target_of(self, *simulations: Simulation) -> Population:
        """Return the records to compare simulations with: for an answer, those of its column.

        Raises
        ------
        DataError
            For answers to several questions, or one whose column the population does not have.
        """
        target = self.comparison_target
        columns = {simulation.provenance.get(COLUMN, target.response) for simulation in simulations}
        columns = columns or {target.response}
        if len(columns) != 1:
            raise DataError(
                f"Simulations of {listed(sorted(columns))} cannot be compared with the same "
                "records.",
                hint="Name simulations of one of them.",
            )
        found = target.answering(columns.pop())
        if found.is_unanswered:
            raise DataError(
                f"The population has no column {found.response!r} to compare with.",
                hint="Use a population that answered the question.",
            )
        return found

    def _all_records(self) -> Population:
        """Return training and held-out records together; a rare answer may be in one half only."""
        population = self.require_population()
        if self.target is None:
            return population
        frame = pd.concat([population.frame, self.target.frame], ignore_index=True)
        return replace(population, frame=frame, source=None, rows=None)

    def new_mixture(
        self,
        template: str | None = None,
        **settings: Any,  # noqa: ANN401  those of MixtureOfPersonas
    ) -> MixtureOfPersonas:
        """Return a new mixture of the study's personas, not yet initialised."""
        self.require_population()
        personas = self.require_personas()
        return MixtureOfPersonas(
            personas, self.backend, self.encoder, template=template, **settings
        )

    def prepared_mixture(self, template: str | None = None) -> MixtureOfPersonas:
        """Return the study's mixture, or a new one that is initialised but not fitted."""
        return self.mixture or self.new_mixture(template).initialise(self.require_population())

    def with_panel(self, weights: Weights | None) -> Weights | None:
        """Return the weights, with "panel" replaced by the weights of the open panel."""
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
        """Fill in the options that depend on the session: weights, candidates and length."""
        is_endpoint = isinstance(self.backend.backend, OpenAIBackend | BatchBackend)
        single = options.n_candidates is None and is_endpoint and not options.verbalized
        return replace(
            options,
            weights=self.with_panel(options.weights),
            n_candidates=1 if single else options.n_candidates,
            max_tokens=options.max_tokens or default_max_tokens(mixture.exemplars_),
        )

    def human_answers(
        self, human: pd.DataFrame | Population | None, of: object
    ) -> Population | None:
        """Return human answers as a population with the context columns of the study's own.

        Raises
        ------
        DataError
            If the study's population has survey weights and the human answers have none.
        """
        if human is None:
            return human
        own = self.require_population()
        if not isinstance(human, Population):
            column = of if isinstance(of, str) and of != RESPONSE else own.response
            names = [value_text(name) for name in getattr(human, "columns", ())]
            weight = own.weight if own.weight in names else None
            human = Population.from_frame(
                human, context=own.context, response=column, weight=weight
            )
        if own.weight is not None and human.weight is None:
            raise DataError(
                f"The human answers have no weight column {own.weight!r}, which the study's "
                "population has.",
                hint=f"Add their survey weights; {own.weight} = 1.0 if each person counts alike.",
            )
        return human

    def persona(self, persona: str | Persona) -> Persona:
        """Return the persona of this name, or the persona itself."""
        if isinstance(persona, Persona):
            return persona
        return self.personas[persona_index(self.require_personas(), persona)]

    def preview_prompt(self, template: str | None) -> tuple[Sequence[Exemplar], str | None]:
        """Return the exemplars and the template of the mixture, or of one not yet fitted."""
        if self.mixture is None or not self.mixture.is_ready:
            return default_pool(self.require_population()), template
        return self.mixture.exemplars_, template or self.mixture.template_.text

    def encoded_with_target(
        self, simulation: Simulation, on_step: OnStep | None
    ) -> tuple[WeightedVectors, np.ndarray]:
        """Return vectors of the target's responses, with weights, and of the simulation's."""
        people = self.target_of(simulation)
        texts = [people.responses, simulation.responses]
        target, vectors = encode_groups(texts, self.encoder, on_step)
        return people.weighted(target), vectors

    def last_mixture_simulation(self) -> str:
        """Return the name of the latest simulation in which every response has a persona.

        Without one, it is the latest mix of personas, which some verbs refuse.
        """
        drawn = [name for name, s in self.simulations.items() if s.frame[PERSONA].notna().all()]
        drawn = drawn or [name for name, s in self.simulations.items() if N_MIXED in s.provenance]
        if not drawn:
            raise NotFittedError(
                "There is no simulation of the mixture yet.", hint="Run %mop_simulate first."
            )
        return drawn[-1]

    def keep_answer(
        self, answer: PopulationAnswer, options: ElicitationOptions
    ) -> PopulationAnswer:
        """Store an answer under its name, with `options.n` drawn answers; return it."""
        drawn = answer.draw(options.n, random_state=options.random_state)
        self.answers[answer.name], self.simulations[answer.name] = answer, drawn
        return answer

    def of_responses(self) -> list[str]:
        """Return the names of the simulations of the population's responses, oldest first."""
        return [name for name, made in self.simulations.items() if COLUMN not in made.provenance]

    def simulation(self, name: str) -> Simulation:
        """Return the simulation called `name`."""
        return _find("simulation", name, self.simulations, hint="Run %%mop_simulate first.")

    def keep_measurement(self, names: Iterable[str], result: Result) -> Result:
        """Keep a result that was measured on these simulations, for a report; return it."""
        for name in names:
            self._measured[name, type(result)] = self.simulations[name], result
        return result

    def forget_measurements(self) -> None:
        """Forget all kept results: they were measured against other records."""
        self._measured.clear()

    def measured(self, simulation: Simulation, kind: type[Result]) -> Result | None:
        """Return the latest result of a kind that was measured on this very simulation."""
        of, result = self._measured.get((simulation.name, kind), (None, None))
        return result if of is simulation and isinstance(result, kind) else None

    def answer(self, name: str) -> PopulationAnswer:
        """Return the answer called `name`."""
        return _find("answer", name, self.answers, hint="Ask with %%mop_ask first.")

    def prediction(self, name: str) -> Prediction:
        """Return the prediction called `name`."""
        return _find("prediction", name, self.predictions, hint="Run %%mop_predict first.")


def _find(kind: str, name: str, results: Mapping[str, Result], *, hint: str) -> Result:
    """Return the result called `name`; raise a DataError that suggests the closest name."""
    if name in results:
        return results[name]
    close = difflib.get_close_matches(name, results, 1, cutoff=0)
    raise DataError(
        f"There is no {kind} {name!r}.", hint=f"Did you mean {close[0]!r}?" if close else hint
    )


def _from_home(path: Path) -> str:
    """Return the path with ~ for the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
