"""The mixture of personas: weights learned from what people said, responses drawn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop import config
from jupyter_mop.backends.base import Backend, Encoder, OnCompletion, SamplingParams
from jupyter_mop.engine import baselines, sampling, saving
from jupyter_mop.engine.clusters import cluster_strata
from jupyter_mop.engine.evidence import Evidence
from jupyter_mop.engine.exemplars import draw_exemplars
from jupyter_mop.engine.explanation import (
    Explanation,
    context_text,
    known_records,
    nearest_contexts,
    strongest_exemplars,
)
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
from jupyter_mop.engine.personas import (
    Persona,
    named_shares,
    persona_index,
    persona_shares,
    read_personas,
)
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.engine.simulation import CONTEXT, Simulation
from jupyter_mop.engine.views import Viewed
from jupyter_mop.errors import DataError, NotFittedError

Array = NDArray[np.float64]
Weights = str | Mapping[str, float]


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
        Most components asked for each record, M; where K * J is no more, all are.
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

    def __repr__(self) -> str:
        state = "fitted" if self.is_fitted else "not fitted"
        return f"MixtureOfPersonas({len(self.personas)} personas, {state})"

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
        for name in ("report_", "refits_", "intervals_"):
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
        contexts = self._encode_each(population.contexts)
        return sampling.draw_components(gate, contexts, random_state=random_state)

    def simulate(
        self,
        n: int = 300,
        population: Population | None = None,
        *,
        weights: Weights | None = None,
        baseline: str | None = None,
        n_shown: int = baselines.N_SHOWN,
        template: str | None = None,
        params: SamplingParams | None = None,
        name: str = "simulation",
        random_state: int = 0,
        on_result: OnCompletion | None = None,
        on_step: OnStep | None = None,
    ) -> Simulation:
        """Simulate `n` responses: draw persona and exemplar, build the prompt, let it answer.

        Parameters
        ----------
        n : int
            Number of responses.
        population : Population, optional
            Whose contexts are answered, drawn at random; default: those of the fit.
        weights : str or mapping, optional
            See `gate_for`.
        baseline : str, optional
            Prompt in another way, with uniform weights: "plain", "personas", "exemplars",
            "fewshot", "attributes", "progen" or "picle"; `jupyter_mop.engine.baselines.described`
            says what each does.
        n_shown : int
            Exemplars in a prompt of a baseline that shows several.
        template : str, optional
            Another question than the fit's.
        params : SamplingParams, optional
            Temperature, nucleus mass and longest answer.
        name : str
            Kept in the provenance.
        random_state : int
            Seed of the contexts, the components and the answers.
        on_result : callable, optional
            Called with (index, completion) as each finishes.
        on_step : callable, optional
            Called with (what, total) before the model is asked; returns what is called as each
            answer comes.
        """
        self._initialised()
        asked = population or self.population_
        params = params or SamplingParams()
        sampling.check_request(n, baseline, params)
        contexts = asked.take(asked.draw(n, random_state=random_state))
        question = PromptTemplate(template) if template else self.template_
        question.check(contexts.context)
        if baseline not in ("plain", "personas"):
            question.check(self.population_.context)
        weights = "uniform" if baseline else weights
        drawn = self.sample(contexts, weights=weights, random_state=random_state)
        scene = baselines.Scene(
            contexts,
            drawn,
            self.population_,
            self.personas,
            self.exemplars_,
            question,
            self.backend,
            self.encoder,
            n_shown=n_shown,
            random_state=random_state,
            on_step=on_step,
        )
        method = baselines.find(baseline).begin(scene) if baseline else baselines.Drawn(drawn)
        described = baseline or self._described(weights)
        return sampling.simulate(
            contexts,
            method,
            personas=self.personas,
            exemplars=self.exemplars_,
            template=question,
            backend=self.backend,
            params=params,
            provenance={"name": name, "weights": described},
            random_state=random_state,
            on_result=on_step(name, n) if on_step and not on_result else on_result,
        )

    def draw_log_prob(self, simulation: Simulation, weights: Weights | None = None) -> Array:
        """Return with what log-probability other weights draw what was drawn, shape (n,).

        Parameters
        ----------
        simulation : Simulation
            One of this mixture.
        weights : str or mapping, optional
            See `gate_for`.
        """
        if tuple(self._initialised().exemplars_) != tuple(simulation.exemplars):
            raise DataError(
                f"The simulation {simulation.name!r} was made with other exemplars than these.",
                hint="Reweight it by shares, as in critic=0.4, or simulate again.",
            )
        contexts = self._encode_each(list(simulation.frame[CONTEXT]))
        return sampling.draw_log_prob(self.gate_for(weights), simulation, contexts, self.names)

    def save(self, path: str | Path) -> Path:
        """Write the mixture to the folder `path`: mixture.json and gate.npz."""
        return saving.save(self._initialised(), Path(path))

    @classmethod
    def load(cls, path: str | Path, backend: Backend, encoder: Encoder) -> MixtureOfPersonas:
        """Read a mixture that `save` wrote, for use with `backend` and `encoder`."""
        return saving.load(cls, Path(path), backend, encoder)

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

    def _everything(self, population: Population, on_step: OnStep | None) -> Evidence:
        learner = self._learner(on_step)
        return learner.everything("records", population, n_exemplars=len(self.exemplars_))[0]

    def _strata(self, population: Population) -> str | Sequence[object] | None:
        if self.stratify != "cluster" or "cluster" in population.context:
            return self.stratify
        k = max(len(self.personas), 2)
        return cluster_strata(population, k, self.encoder, random_state=self.random_state)

    def _own_contexts(self) -> tuple[Array, Array]:
        return self._encode_each(self.population_.contexts), self.population_.weights

    def _described(self, weights: Weights | None) -> str:
        if isinstance(weights, Mapping):
            shares = zip(self.names, named_shares(self.personas, weights), strict=True)
            return ", ".join(f"{name}={share:.3f}" for name, share in shares)
        return weights or ("learned" if self.is_fitted else "stated")

    def _encode(self, texts: list[str]) -> Array:
        return self.encoder.encode(texts).astype(np.float64)

    def _encode_each(self, texts: Sequence[str]) -> Array:
        """Encode texts of which many are alike, shape (n, d)."""
        codes, distinct = pd.factorize(np.array(texts, dtype=object))
        return self._encode([str(text) for text in distinct])[codes]
