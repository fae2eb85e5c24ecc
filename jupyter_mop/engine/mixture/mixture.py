"""The mixture of personas: weights learned from what people said, responses drawn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop import config
from jupyter_mop.backends.protocols import Backend, Encoder, OnCompletion, OnStep
from jupyter_mop.engine.data.clustering import cluster_strata
from jupyter_mop.engine.data.encoding import encode_distinct, encode_each
from jupyter_mop.engine.data.exemplars import draw_exemplars
from jupyter_mop.engine.data.persona_weights import Weights
from jupyter_mop.engine.data.personas import Persona, persona_index, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.bootstrap_refits import BootstrapRefits
from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.generation import baselines, component_draws, responses
from jupyter_mop.engine.generation.candidate_selection import FEWEST, Resampler
from jupyter_mop.engine.generation.options import SimulationOptions
from jupyter_mop.engine.mixture import explanation, files, fitting
from jupyter_mop.engine.mixture.component_likelihood import ComponentScorer
from jupyter_mop.engine.mixture.weights import describe_weights, gate_with_weights
from jupyter_mop.engine.simulation.simulation import CONTEXT, Simulation
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.options import takes_options
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]


class MixtureOfPersonas(Viewed):
    r"""A population as a mixture of personas, each shown one exemplar of real behaviour.

    p(y|x) = sum_k pi_k(x) sum_j Omega_kj(x) p_LM(y | g_k, e_j, x), after Bui et al.,
    Mixture-of-Personas Language Models for Population Simulation, Findings of ACL 2025.

    Parameters
    ----------
    personas : list of Persona, str, DataFrame or mapping
        Whatever `read_personas` reads; K of them.
    backend : Backend
        The language model; it is asked, never tuned.
    encoder : Encoder
        Frozen sentence encoder h.
    template : str, optional
        The question put to the model, with `{column}` names. Default: the context itself.
    n_exemplars : int
        Most exemplars in the pool, J.
    n_records : int
        Most records to learn from; a quarter of them is held out.
    n_components : int
        Most components asked for each record, M; all K * J are asked where there are no more.
    rank : int
        Rank r of the gate.
    l2 : float
        Penalty on the gate's matrices.
    stratify : str, optional
        What the exemplar pool is spread over evenly: a context column, or "cluster" for as many
        groups of similar responses as there are personas. Default: the contexts.
    random_state : int
        Seed of every choice made here.

    Attributes
    ----------
    gate_ : Gate
        The weights: uniform after `initialise`, learned after `fit`.
    exemplars_ : list of Exemplar
        The pool.
    report_ : pandas.DataFrame
        See `held_out_report`; there after `fit`.
    cost_ : mapping
        What the fit of a study has cost: calls, cache hits, tokens and US dollars.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> words = ["sun", "rain"]
    >>> said = ["sun sun", "rain sun", "sun sun sun", "sun", "rain rain", "sun rain"] * 4
    >>> df = pd.DataFrame({"topic": "weather", "said": said})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> personas = "a: You say sun.\nb: You say rain."
    >>> mixture = MixtureOfPersonas(personas, ToyBackend(words), ToyEncoder(words))
    >>> round(float(mixture.fit(population).persona_weights().sum()), 3)
    1.0
    """

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

    def __repr__(self) -> str:
        state = "fitted" if self.is_fitted else "not fitted"
        return f"MixtureOfPersonas({len(self.personas)} personas, {state})"

    @property
    def names(self) -> list[str]:
        """Persona names, length K."""
        return [persona.name for persona in self.personas]

    @property
    def is_ready(self) -> bool:
        """Whether there is an exemplar pool and a gate to simulate with."""
        return hasattr(self, "gate_")

    @property
    def is_fitted(self) -> bool:
        """Whether the weights have been learned."""
        return hasattr(self, "report_")

    @property
    def context_vectors(self) -> tuple[Array, Array]:
        """Context vectors of the population's records, shape (n, d), and their weights, (n,)."""
        return encode_each(self.encoder, self.population_.contexts), self.population_.weights

    def initialise(self, population: Population) -> Self:
        """Draw the exemplar pool and set every weight uniform, with no model call."""
        fitting.check_settings(self)
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
            Called with (what, total) before the model is asked; returns a callback for each
            answer.

        Raises
        ------
        DataError
            For fewer than 8 records.
        ModelError
            If the backend cannot score.
        """
        train, held_out = fitting.split_records(
            population, self.n_records, random_state=self.random_state
        )
        start = self.initialise(population).gate_
        found = fitting.fit_gate(
            self._scorer(on_step),
            train,
            held_out,
            start,
            n_components=self.n_components,
            l2=self.l2,
            random_state=self.random_state,
        )
        self.gate_, self.report_, self.refits_ = found.gate, found.report, found.refits
        return self

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

        The gate is learned `n` times from the likelihoods of the fit, on resampled records; no
        model is called.

        Raises
        ------
        NotFittedError
            Before a fit, and for a loaded mixture, whose likelihoods were not saved.
        """
        if not hasattr(self, "refits_"):
            raise NotFittedError(
                "Intervals need the likelihoods of a fit, and this mixture has none.",
                hint="Run %mop_fit here; cached answers cost no model call.",
            )
        refits: BootstrapRefits = self.refits_
        self.intervals_ = refits.intervals(
            n,
            *self.context_vectors,
            random_state=random_state,
            on_result=on_step("refits", n) if on_step else None,
        )
        return self.summary()[["persona", "weight", "low", "high"]]

    def persona_weights(self, population: Population | None = None) -> Array:
        """Return pi: the marginal weights (K,), or one row per record of `population` (n, K)."""
        gate = self._initialised().gate_
        if population is None:
            return gate.persona_weights(*self.context_vectors)
        return np.exp(gate.persona_log_weights(encode_each(self.encoder, population.contexts)))

    def exemplar_weights(self, population: Population, persona: str) -> Array:
        """Return Omega_k(x) for one persona, one row per record, shape (n, J)."""
        k = np.full(len(population), persona_index(self.personas, persona))
        contexts = encode_each(self.encoder, population.contexts)
        return np.exp(self._initialised().gate_.exemplar_log_weights(contexts, k))

    def gate_for(self, weights: Weights | None = None) -> Gate:
        """Return the gate under other persona weights; see `gate_with_weights`."""
        return gate_with_weights(self._initialised(), weights)

    def explain(
        self, context: str | Mapping[str, object], *, n: int = 5
    ) -> explanation.Explanation:
        """Return who answers a context and what they are shown, with the nearest records.

        Parameters
        ----------
        context : str or mapping
            As text, or its value of each context column.
        n : int
            Most exemplars and most records.
        """
        return explanation.explain(self._initialised(), context, n=n)

    def log_prob(self, population: Population, *, on_step: OnStep | None = None) -> Array:
        """Return log p(y|x) of each record in nats, shape (n,), over all K * J components."""
        return self._initialised().gate_.log_prob(self._ask_all(population, on_step))

    def score(self, population: Population) -> float:
        """Return the mean log-likelihood of `population` in nats per record."""
        return float(np.average(self.log_prob(population), weights=population.weights))

    def responsibilities(self, population: Population, *, on_step: OnStep | None = None) -> Array:
        """Return the posterior probability of each persona for each record, shape (n, K)."""
        return self._initialised().gate_.responsibilities(self._ask_all(population, on_step))

    def sample(
        self,
        population: Population,
        *,
        weights: Weights | None = None,
        random_state: int = 0,
    ) -> pd.DataFrame:
        """Draw a persona and an exemplar for each record's context, with no model call.

        Returns
        -------
        pandas.DataFrame
            persona and exemplar (indices) and log_prob (nats), n rows.
        """
        gate = self.gate_for(weights)
        vectors, rows = encode_distinct(self.encoder, population.contexts)
        return component_draws.draw_components(gate, vectors, rows, random_state=random_state)

    @takes_options(SimulationOptions, but=["n"])
    def simulate(
        self,
        n: int = 300,
        population: Population | None = None,
        *,
        name: str = "simulation",
        on_result: OnCompletion | None = None,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of SimulationOptions
    ) -> Simulation:
        """Simulate `n` responses: draw persona and exemplar, build the prompt, let the model answer.

        Parameters
        ----------
        n : int
            Number of responses.
        population : Population, optional
            Whose contexts are answered, drawn at random; default: those of the fit.
        name : str
            Recorded in the provenance.
        on_result : callable, optional
            Called with (index, completion) as each finishes.
        on_step : callable, optional
            Called with (what, total) before the model is asked; returns a callback for each
            answer.
        **options
        """
        chosen = self._completed(SimulationOptions.of({"n": n, **options}))
        scene = self._scene(population or self._initialised().population_, chosen, on_step)
        baseline, n_calls = chosen.baseline, n * (chosen.n_candidates or 1)
        return responses.simulate(
            scene.contexts,
            baselines.find(baseline).begin(scene) if baseline else baselines.Drawn(scene.drawn),
            responses.PromptBuilder(self.personas, self.exemplars_, scene.template),
            self.backend,
            options=chosen,
            provenance={
                "name": name,
                "weights": baseline or describe_weights(self, chosen.weights),
            },
            resampler=Resampler(self.exemplars_, self.encoder, chosen.random_state),
            on_result=on_step(name, n_calls) if on_step and not on_result else on_result,
        )

    def draw_log_prob(self, simulation: Simulation, weights: Weights | None = None) -> Array:
        """Return the log-probability of each draw under other weights, shape (n,).

        Parameters
        ----------
        simulation : Simulation
            One of this mixture.
        weights : str or mapping, optional
            See `gate_with_weights`.
        """
        if tuple(self._initialised().exemplars_) != tuple(simulation.exemplars):
            raise DataError(
                f"The simulation {simulation.name!r} was made with other exemplars than these.",
                hint="Reweight it by shares, as in critic=0.4, or simulate again.",
            )
        vectors, rows = encode_distinct(self.encoder, list(simulation.frame[CONTEXT]))
        gate = self.gate_for(weights)
        return component_draws.draw_log_prob(gate, simulation, vectors, rows, names=self.names)

    def with_backend(self, backend: Backend) -> MixtureOfPersonas:
        """Return this mixture with another language model and the same weights.

        A gate learned from one model's likelihoods can serve a model that gives none.
        """
        other = copy(self)
        other.backend = backend
        return other

    def save(self, path: str | Path) -> Path:
        """Write the mixture to the folder `path`: mixture.json and gate.npz.

        They hold all that it needs to simulate without its population: of what people said only
        the exemplars, word for word, and the contexts with their weights.

        Raises
        ------
        DataError
            If `path` is a file, or a folder that holds something else.
        """
        return files.save(self._initialised(), Path(path))

    @classmethod
    def load(cls, path: str | Path, backend: Backend, encoder: Encoder) -> MixtureOfPersonas:
        """Read a mixture that `save` wrote, for use with `backend` and `encoder`.

        Another model takes the weights over; another encoder only the overall persona weights.
        Either raises a warning.
        """
        return files.load(cls, Path(path), backend, encoder)

    def _initialised(self) -> Self:
        if not self.is_ready:
            raise NotFittedError(
                "The mixture has seen no population yet.",
                hint="Call fit(population), or initialise(population).",
            )
        return self

    def _completed(self, options: SimulationOptions) -> SimulationOptions:
        """Return the options with the number of candidates, 1 where no odds can be learned."""
        if options.n_candidates:
            return options
        enough = min(options.n, len(self._initialised().exemplars_)) >= FEWEST
        many = enough and not options.baseline
        return replace(options, n_candidates=config.DEFAULT_CANDIDATES if many else 1)

    def _scene(
        self, asked: Population, options: SimulationOptions, on_step: OnStep | None
    ) -> baselines.Scene:
        """Draw contexts and components, and check that the question fits them."""
        baseline, seed = options.baseline, options.random_state
        contexts = asked.take(asked.draw(options.n, random_state=seed))
        question = PromptTemplate(options.template) if options.template else self.template_
        question.check(contexts.context)
        if baseline not in ("plain", "personas"):
            question.check(self.population_.context)
        weights = "uniform" if baseline else options.weights
        return baselines.Scene(
            contexts,
            self.sample(contexts, weights=weights, random_state=seed),
            self.population_,
            self.personas,
            self.exemplars_,
            question,
            self.backend,
            self.encoder,
            n_shown=options.n_shown,
            random_state=seed,
            on_step=on_step,
        )

    def _scorer(self, on_step: OnStep | None) -> ComponentScorer:
        return ComponentScorer(
            self.personas,
            self.exemplars_,
            self.template_,
            self.backend,
            lambda texts: encode_each(self.encoder, texts),
            on_step,
        )

    def _ask_all(self, population: Population, on_step: OnStep | None) -> ComponentScores:
        scorer, n = self._scorer(on_step), len(self.exemplars_)
        return fitting.ask_all(scorer, "records", population, n_exemplars=n)[0]

    def _strata(self, population: Population) -> str | Sequence[object] | None:
        if self.stratify != "cluster" or "cluster" in population.context:
            return self.stratify
        k = max(len(self.personas), 2)
        return cluster_strata(population, k, self.encoder, random_state=self.random_state)

    def _encode(self, texts: list[str]) -> Array:
        return self.encoder.encode(texts).astype(np.float64)
