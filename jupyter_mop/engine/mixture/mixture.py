"""The mixture of personas: weights learned from real responses, and simulated responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnCompletion, OnStep, can_score
from jupyter_mop.engine.data.clustering import cluster_strata
from jupyter_mop.engine.data.exemplars import checked_source, draw_pool, pool_size
from jupyter_mop.engine.data.persona_sources.voices import is_quoted
from jupyter_mop.engine.data.persona_weights import Weights
from jupyter_mop.engine.data.personas import Persona, persona_index, read_personas
from jupyter_mop.engine.data.population import Population, draw_records
from jupyter_mop.engine.data.prompt_template import template_or_context
from jupyter_mop.engine.gate.bootstrap_refits import (
    DEFAULT_REFITS,
    BootstrapRefits,
    RefittedWeights,
)
from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.structured_terms import StructuredTerms
from jupyter_mop.engine.generation import component_draws
from jupyter_mop.engine.generation.sample_ratios import SampleRatios
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.mixture import (
    composition,
    explanation,
    files,
    fit_verdict,
    fitting,
    simulating,
)
from jupyter_mop.engine.mixture.component_likelihood import ComponentScorer
from jupyter_mop.engine.mixture.component_selection import select_all
from jupyter_mop.engine.mixture.context_features import ContextFeatures
from jupyter_mop.engine.mixture.fit_options import LIKELIHOOD, SAMPLES, FitOptions
from jupyter_mop.engine.mixture.weights import gate_with_weights
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.options import takes_options
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
N_PILOT = 200  # simulated responses from which likelihood ratios are learned


@takes_options(FitOptions)
class MixtureOfPersonas(Viewed):
    r"""A population as a mixture of personas, each with one real exemplar in its prompt.

    p(y|x) = sum_k pi_k(x) sum_j Omega_kj(x) p_LM(y | g_k, e_j, x), after Bui et al.,
    Mixture-of-Personas Language Models for Population Simulation, Findings of ACL 2025.

    Parameters
    ----------
    personas : list of Persona, str, DataFrame or mapping
        K personas, in any form that `read_personas` reads.
    backend : Backend
        The language model; it is not tuned.
    encoder : Encoder
        Sentence encoder h; it is not tuned.
    **options

    Attributes
    ----------
    gate_ : Gate
        The weights: learned after `fit`; before, equal, with exemplars of the own context.
    exemplars_ : list of Exemplar
        The exemplar pool.
    records_ : Population
        Real responses; those that are no exemplars are the real side of the odds by which one of
        several candidates is selected. A loaded mixture has none.
    verdict_ : str
        What the fit has learned, in one sentence.
    refitted_ : RefittedWeights
        The learned weights and those of repeated fits, from which intervals follow. Missing where
        the fit kept the initial weights, which are not estimates.
    report_ : pandas.DataFrame
        Held-out likelihoods after `fit`, see `held_out_report`.
    cost_ : mapping
        Cost of a study's fit: calls, cache hits, tokens and US dollars.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> words = ["sun", "rain"]
    >>> texts = ["sun sun", "rain sun", "sun sun sun", "sun", "rain rain", "sun rain"] * 4
    >>> df = pd.DataFrame({"topic": "weather", "text": texts})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> personas = "a: You say sun.\nb: You say rain."
    >>> mixture = MixtureOfPersonas(personas, ToyBackend(words), ToyEncoder(words))
    >>> round(float(mixture.fit(population).persona_weights().sum()), 3)
    1.0
    """

    template: str | None
    n_exemplars: int
    n_records: int
    n_components: int
    by: str | None
    rank: int
    l2: float | None
    stratify: str | None
    random_state: int
    cost_: Mapping[str, object]
    refitted_: RefittedWeights

    def __init__(
        self,
        personas: object,
        backend: Backend,
        encoder: Encoder,
        **options: Any,  # noqa: ANN401  those of FitOptions
    ) -> None:
        self.personas: list[Persona] = read_personas(personas)
        self.backend = backend
        self.encoder = encoder
        vars(self).update(FitOptions.of(options).facts())

    def __repr__(self) -> str:
        state = "fitted" if self.is_fitted else "not fitted"
        return f"MixtureOfPersonas({len(self.personas)} personas, {state})"

    @property
    def names(self) -> list[str]:
        """The names of the personas, length K."""
        return [persona.name for persona in self.personas]

    @property
    def is_ready(self) -> bool:
        """Whether the mixture has an exemplar pool and a gate, so that it can simulate."""
        return hasattr(self, "gate_")

    @property
    def is_fitted(self) -> bool:
        """Whether the weights have been learned."""
        return hasattr(self, "report_")

    @property
    def context_vectors(self) -> tuple[Array, Array]:
        """The context vectors of the records, shape (n, d), and their weights, shape (n,)."""
        return self.encode_contexts(self.population_.contexts), self.population_.weights

    def encode_contexts(self, contexts: Sequence[str]) -> Array:
        """Return the vectors of n contexts, shape (n, d + D); see `ContextFeatures`."""
        return self.features_.encode(self.encoder, contexts)

    def initialise(self, population: Population, *, exemplars: Population | None = None) -> Self:
        """Draw the exemplar pool and set uniform weights, with no model call.

        Parameters
        ----------
        population : Population
            The records.
        exemplars : Population, optional
            Other records with the same context columns, to draw the pool from; default: the
            population's own.

        Raises
        ------
        DataError
            If an option is invalid, the template uses an unknown column, or the exemplars have
            other context columns.
        """
        FitOptions(**{name: getattr(self, name) for name in files.SETTINGS})  # checks them again
        self.template_ = template_or_context(self.template, population.context)
        self.template_.check(population.context)
        source = population if exemplars is None else checked_source(exemplars, population)
        self.exemplars_, shares = draw_pool(
            source,
            pool_size(source, self.n_exemplars, divided=exemplars is None),
            by=self._strata(source),
            random_state=self.random_state,
        )
        self.population_ = self.records_ = population
        self.features_ = ContextFeatures.of(population)
        self.gate_ = self.start(np.log(shares))
        for name in ("report_", "refits_", "refitted_", "rows_", "verdict_", "cost_"):
            self.__dict__.pop(name, None)
        return self

    def start(self, log_share: Array) -> Gate:
        """Return the gate at which a fit starts, given the share of records of each exemplar."""
        personas = self._encode([persona.description for persona in self.personas])
        exemplars = self._encode([exemplar.text for exemplar in self.exemplars_])
        affinity = personas @ self._encode([exemplar.response for exemplar in self.exemplars_]).T
        d = personas.shape[1]
        terms = StructuredTerms(
            self.features_.columns,
            tuple(self.features_.widths(d)),
            self.encode_contexts([exemplar.context for exemplar in self.exemplars_])[:, d:],
            affinity - affinity.mean(axis=0),
            log_share,
        )
        return Gate.start(
            personas, exemplars, rank=self.rank, random_state=self.random_state, terms=terms
        )

    def fit(
        self,
        population: Population,
        *,
        exemplars: Population | None = None,
        on_step: OnStep | None = None,
    ) -> Self:
        """Learn the weights of personas and exemplars from real responses.

        Parameters
        ----------
        population : Population
            The records. Some become exemplars, some are training records, some are held out.
            Records that a persona quotes are left out.
        exemplars : Population, optional
            Other records to draw the exemplars from, for a population that has too few of its own;
            see `initialise`.
        on_step : callable, optional
            Called with (step, total) before the model is called; returns a callback for each
            result.

        Raises
        ------
        DataError
            For fewer than 8 records, or an invalid option.
        ModelError
            If the backend cannot score and `by` needs scores.
        """
        quoted = is_quoted(population.responses, [p.description for p in self.personas])
        rows = draw_records(
            population, self.n_records, left_out=quoted, random_state=self.random_state + 1
        )
        start = self.initialise(population, exemplars=exemplars).gate_
        by = self.by or (LIKELIHOOD if can_score(self.backend) else SAMPLES)
        records = population.take(rows)
        fit = fitting.fit_gate(
            self._scorer(on_step),
            records,
            start,
            ratios=None if by == LIKELIHOOD else self._sample_ratios(records, on_step),
            is_scored=by != SAMPLES,
            n_components=self.n_components,
            l2=self.l2,
            random_state=self.random_state,
        )
        self.gate_, self.report_, self.refits_ = fit.gate, fit.report, fit.refits
        self.rows_ = np.asarray(rows)[fit.rows]
        if fit.cross_validation.is_gain_clear:
            self.refitted_ = fit.refits.repeated(DEFAULT_REFITS, *self.context_vectors)
        refitted = getattr(self, "refitted_", None)
        learned = fit_verdict.verdict(fit.gate, fit.cross_validation, fit.sources, refitted)
        idle = fit_verdict.unsupported(self.names, fit.refits.gate, fit.refits.scores)
        self.verdict_ = f"{learned} {idle}".strip()
        return self

    def summary(self) -> pd.DataFrame:
        """Return a table of persona, weight and start (the uniform weight), one row per persona.

        After a fit that learned something, the table has a 95 % interval too: low and high. Initial
        weights have none.
        """
        weights = self.persona_weights()
        frame = pd.DataFrame({"persona": self.names, "weight": weights, "start": 1 / len(weights)})
        refitted = getattr(self, "refitted_", None)
        return frame if refitted is None else frame.join(refitted.weight_intervals)

    def coefficients(self) -> pd.DataFrame:
        """Return the coefficients of the structured terms; see `fit_verdict.coefficients`."""
        gate = self._initialised().gate_
        return fit_verdict.coefficients(gate, getattr(self, "refitted_", None))

    def persona_weight_intervals(
        self, n: int = 100, *, random_state: int = 0, on_step: OnStep | None = None
    ) -> pd.DataFrame:
        """Return 95 % bootstrap intervals of the persona weights: persona, weight, low and high.

        The gate is fitted `n` times to resampled records, with the likelihoods of the fit and no
        model call. A fit has intervals from 30 such repetitions already; more make them steadier.
        If the fit kept the initial weights, these are the weights that it had learned and did not
        use.

        Raises
        ------
        NotFittedError
            Before a fit, and for a loaded mixture, since likelihoods are not saved.
        DataError
            If `n` is less than 20.
        """
        if not hasattr(self, "refits_"):
            raise NotFittedError(
                "Intervals require the likelihoods of a fit, which this mixture does not have.",
                hint="Run %mop_fit in this notebook; cached scores need no model call.",
            )
        refits: BootstrapRefits = self.refits_
        found = refits.repeated(
            n,
            *self.context_vectors,
            random_state=random_state,
            on_result=on_step("refits", n) if on_step else None,
        )
        if hasattr(self, "refitted_"):
            self.refitted_ = found
        frame = pd.DataFrame({"persona": self.names, "weight": found.weights})
        return frame.join(found.weight_intervals)

    def persona_weights(self, population: Population | None = None) -> Array:
        """Return the marginal persona weights (K,), or the weights for each record (n, K)."""
        gate = self._initialised().gate_
        if population is None:
            return gate.persona_weights(*self.context_vectors)
        return np.exp(gate.persona_log_weights(self.encode_contexts(population.contexts)))

    def exemplar_weights(self, population: Population, persona: str) -> Array:
        """Return the exemplar weights of one persona for each record, shape (n, J)."""
        k = np.full(len(population), persona_index(self.personas, persona))
        gate = self._initialised().gate_
        return np.exp(gate.exemplar_log_weights(self.encode_contexts(population.contexts), k))

    def gate_for(self, weights: Weights | None = None) -> Gate:
        """Return the gate under other persona weights; see `gate_with_weights`."""
        return gate_with_weights(self._initialised(), weights)

    def explain(
        self, context: str | Mapping[str, object], *, n: int = 5
    ) -> explanation.Explanation:
        """Explain a context by its persona weights, strongest exemplars and nearest records.

        Parameters
        ----------
        context : str or mapping
            The context as text, or a value for each context column.
        n : int
            Maximum number of exemplars and of records.
        """
        return explanation.explain(self._initialised(), context, n=n)

    def composition(
        self, by: object, *, match: Mapping[str, str] | None = None, random_state: int = 0
    ) -> composition.Composition:
        """Compare the learned persona weights with the true shares of groups that were hidden.

        Parameters
        ----------
        by : str or Series
            A column of the data frame that the population came from, or a Series in its order.
        match : mapping of str to str, optional
            The persona of each group; default: equal names, else the largest agreement.
        random_state : int
            Seed of the bootstrap.
        """
        return composition.composition(
            self._initialised(), by, match=match, random_state=random_state
        )

    def log_prob(self, population: Population, *, on_step: OnStep | None = None) -> Array:
        """Return log p(y|x) of each record over all K * J components in nats, shape (n,)."""
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
        """Draw a persona and an exemplar for the context of each record, with no model call.

        Parameters
        ----------
        population : Population
            The n records.
        weights : str or mapping, optional
            See `gate_with_weights`.
        random_state : int
            Seed of the draws.

        Returns
        -------
        pandas.DataFrame
            persona and exemplar (indices) and log_prob (nats), n rows.
        """
        gate = self.gate_for(weights)
        vectors, rows = self.features_.encode_distinct(self.encoder, population.contexts)
        return component_draws.draw_components(gate, vectors, rows, random_state=random_state)

    def sample_mixed(
        self,
        population: Population,
        n_mixed: int,
        *,
        weights: Weights | None = None,
        random_state: int = 0,
    ) -> list[pd.DataFrame]:
        """Draw `n_mixed` distinct components for the context of each record; see `sample`.

        Returns
        -------
        list of pandas.DataFrame
            The first, second, ... component of each record: persona and exemplar (indices).
        """
        gate = self.gate_for(weights)
        vectors, rows = self.features_.encode_distinct(self.encoder, population.contexts)
        return component_draws.draw_mixed_components(
            gate, vectors, rows, n_mixed, random_state=random_state
        )

    @takes_options(SimulationOptions, exclude=["n"])
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
        """Simulate `n` responses: draw persona and exemplar, build the prompt, call the model.

        Parameters
        ----------
        n : int
            Number of responses.
        population : Population, optional
            Its contexts are drawn at random; default: the population of the fit.
        name : str
            Name of the simulation in the provenance.
        on_result : callable, optional
            Called with (index, completion) for each response.
        on_step : callable, optional
            Called with (step, total) before the model is called; returns a callback for each
            result.
        **options
        """
        return simulating.simulate(
            self._initialised(),
            population or self.population_,
            SimulationOptions.of({"n": n, **options}),
            name=name,
            on_result=on_result,
            on_step=on_step,
        )

    def draw_log_prob(self, simulation: Simulation, weights: Weights | None = None) -> Array:
        """Return the log-probability of each draw under other weights, shape (n,).

        Parameters
        ----------
        simulation : Simulation
            A simulation of this mixture.
        weights : str or mapping, optional
            See `gate_with_weights`.
        """
        if tuple(self._initialised().exemplars_) != tuple(simulation.exemplars):
            raise DataError(
                f"The simulation {simulation.name!r} was made with other exemplars.",
                hint="Reweight it by shares such as critic=0.4, or simulate again.",
            )
        contexts = simulation.context_texts
        vectors, rows = self.features_.encode_distinct(self.encoder, contexts)
        gate = self.gate_for(weights)
        return component_draws.draw_log_prob(gate, simulation, vectors, rows, names=self.names)

    def with_backend(self, backend: Backend) -> MixtureOfPersonas:
        """Return this mixture with another language model and the same weights.

        Weights learned with one model can be used with a model that cannot score.
        """
        other = copy(self)
        other.backend = backend
        return other

    def save(self, path: str | Path) -> Path:
        """Write the mixture to the folder `path`: mixture.json and gate.npz.

        The loaded mixture can simulate without its population. Of the records, the files contain
        the text of the exemplars, of those that personas quote, and the contexts with their
        weights.

        Raises
        ------
        DataError
            If `path` is a file, or a folder with other files.
        """
        return files.save(self._initialised(), Path(path))

    @classmethod
    def load(cls, path: str | Path, backend: Backend, encoder: Encoder) -> MixtureOfPersonas:
        """Read a mixture that `save` wrote, for use with `backend` and `encoder`.

        With another model, the same weights are used; with another encoder, only the overall
        persona weights. Either gives a warning.

        Raises
        ------
        DataError
            If there is no readable mixture, it is from a newer version, or it was edited.
        """
        return files.load(cls, Path(path), backend, encoder)

    def _initialised(self) -> Self:
        if not self.is_ready:
            raise NotFittedError(
                "The mixture has no population yet.",
                hint="Call fit(population) or initialise(population).",
            )
        return self

    def _scorer(self, on_step: OnStep | None) -> ComponentScorer:
        return ComponentScorer(
            self.personas,
            self.exemplars_,
            self.template_,
            self.backend,
            self.encode_contexts,
            on_step,
        )

    def _sample_ratios(self, population: Population, on_step: OnStep | None) -> SampleRatios:
        """Simulate a few responses with equal weights, and learn what components make of them."""
        pilot = self.simulate(
            N_PILOT,
            population,
            weights="uniform",
            n_candidates=1,
            random_state=self.random_state,
            name="pilot",
            on_step=on_step,
        )
        terms = cast("StructuredTerms", self.gate_.terms)  # an initialised mixture has them
        return SampleRatios.learned(pilot, self.personas, self.encoder, terms, population)

    def _ask_all(self, population: Population, on_step: OnStep | None) -> ComponentScores:
        exemplars, n_personas = self.exemplars_, len(self.personas)
        everything = select_all(population, exemplars, n_personas)
        return fitting.ask_model(self._scorer(on_step), everything, "records")[0]

    def _strata(self, population: Population) -> str | Sequence[object] | None:
        if self.stratify != "cluster" or "cluster" in population.context:
            return self.stratify
        k = max(len(self.personas), 2)
        return cluster_strata(population, k, self.encoder, random_state=self.random_state)

    def _encode(self, texts: list[str]) -> Array:
        return self.encoder.encode(texts).astype(np.float64)
