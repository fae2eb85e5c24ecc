"""The mixture of personas: weights learned from what people said, responses drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path

import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.base import Backend, Encoder, OnCompletion, SamplingParams
from jupyter_mop.engine import baselines, sampling, saving
from jupyter_mop.engine.learning import OnStep
from jupyter_mop.engine.personas import named_shares
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.engine.reading import Reading, Weights
from jupyter_mop.engine.resampling import FEWEST, Resampler
from jupyter_mop.engine.simulation import CONTEXT, Simulation
from jupyter_mop.engine.training import Array
from jupyter_mop.engine.vectors import encode_distinct
from jupyter_mop.errors import DataError


class MixtureOfPersonas(Reading):
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

    def __repr__(self) -> str:
        state = "fitted" if self.is_fitted else "not fitted"
        return f"MixtureOfPersonas({len(self.personas)} personas, {state})"

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
        return sampling.draw_components(gate, vectors, rows, random_state=random_state)

    def simulate(
        self,
        n: int = 300,
        population: Population | None = None,
        *,
        weights: Weights | None = None,
        baseline: str | None = None,
        n_shown: int = baselines.N_SHOWN,
        n_candidates: int | None = None,
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
        n_candidates : int, optional
            How many responses are drawn for each one that is kept, by its odds of being real, see
            `Resampler`; so many times the calls. Default: 4, of a baseline 1, and 1 for fewer
            responses or exemplars than 20, of which no odds can be learned.
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
        sampling.check_request(n, baseline, params, n_shown, n_candidates)
        n_candidates = n_candidates or self._n_candidates(n, baseline)
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
            on_result=on_step(name, n * n_candidates) if on_step and not on_result else on_result,
            resampler=Resampler(self.exemplars_, self.encoder, random_state),
            n_candidates=n_candidates,
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
        vectors, rows = encode_distinct(self.encoder, list(simulation.frame[CONTEXT]))
        gate = self.gate_for(weights)
        return sampling.draw_log_prob(gate, simulation, vectors, rows, names=self.names)

    def with_backend(self, backend: Backend) -> MixtureOfPersonas:
        """Return this mixture with another language model, its weights carried over.

        So a gate that one model's likelihoods taught can serve a model that gives none.
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
        return saving.save(self._initialised(), Path(path))

    @classmethod
    def load(cls, path: str | Path, backend: Backend, encoder: Encoder) -> MixtureOfPersonas:
        """Read a mixture that `save` wrote, for use with `backend` and `encoder`.

        Another model takes the weights over; another encoder only the overall persona weights.
        Either is told by a warning.
        """
        return saving.load(cls, Path(path), backend, encoder)

    def _n_candidates(self, n: int, baseline: str | None) -> int:
        enough = min(n, len(self.exemplars_)) >= FEWEST
        return config.DEFAULT_CANDIDATES if enough and not baseline else 1

    def _described(self, weights: Weights | None) -> str:
        if isinstance(weights, Mapping):
            shares = zip(self.names, named_shares(self.personas, weights), strict=True)
            return ", ".join(f"{name}={share:.3f}" for name, share in shares)
        return weights or ("learned" if self.is_fitted else "stated")
