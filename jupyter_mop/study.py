"""A study: the one thing that changes. What is loaded, fitted and simulated, and the verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.base import Backend, SamplingParams
from jupyter_mop.backends.cached import CachedBackend
from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.openai import OpenAIBackend
from jupyter_mop.backends.prices import stated
from jupyter_mop.engine import asking, views
from jupyter_mop.engine.answers import PopulationAnswer
from jupyter_mop.engine.baselines import N_SHOWN
from jupyter_mop.engine.exemplars import usual_max_tokens
from jupyter_mop.engine.ladder import LADDER
from jupyter_mop.engine.learning import OnStep
from jupyter_mop.engine.mixture import MixtureOfPersonas
from jupyter_mop.engine.options import Asking
from jupyter_mop.engine.personas import Persona, persona_shares, read_personas
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.questions import Question
from jupyter_mop.engine.simulation import Simulation
from jupyter_mop.engine.synthesis import Synthesis, synthesize_personas
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.holdings import load_backend
from jupyter_mop.runs import Noted, noted
from jupyter_mop.spending import Spending

if TYPE_CHECKING:
    from distributed import Client

    from jupyter_mop.alignment import Alignment
    from jupyter_mop.engine.views import Chart


class Study(Spending, Noted):
    """Personas, a population, a fitted mixture and named simulations, with the verbs on them.

    Every `%mop_*` magic is one of these verbs.

    Parameters
    ----------
    backend : Backend, str or path, optional
        The language model; default: the embedded one, loaded when it is first asked.
    encoder : Encoder, optional
        Text to unit vectors; default: the embedded one.
    store : path, optional
        The SQLite file that keeps every answer; default: `config.store_path()`.

    Attributes
    ----------
    personas : list of Persona
    population, target : Population or None
        The records to learn from, and those held out to compare with.
    mixture : MixtureOfPersonas or None
    simulations : dict of str to Simulation
        By name, in the order made.
    answers : dict of str to PopulationAnswer
        Answers to closed questions by name.
    panel_weights : dict of str to float or None
        What the weights panel shows.
    alignment : Alignment or None
        The last comparison with the held-out records.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> words = ["sun", "rain", "wind"]
    >>> folder = tempfile.TemporaryDirectory()
    >>> study = Study(ToyBackend(words), ToyEncoder(words), store=f"{folder.name}/store.sqlite")
    >>> study.use_personas("a: You say sun.")
    [Persona(name='a', description='You say sun.', weight=None)]
    >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "rain", "wind", "sun rain"] * 30})
    >>> study.use_population(df, context="topic", response="said")
    Population(60 records, context: topic, response: said)
    >>> study.simulate("first", n=50)
    Simulation('first', 50 responses, weights: stated)
    >>> study.store.close()
    """

    def use_backend(
        self,
        backend: Backend | str | Path = "local",
        *,
        model: str | None = None,
        chat_template: str | ChatTemplate | None = None,
        keep_weights: bool = False,
        price_in: float | None = None,
        price_out: float | None = None,
        **endpoint: Any,  # noqa: ANN401  its own
    ) -> CachedBackend:
        """Choose and load the language model.

        Parameters
        ----------
        backend : Backend, str or path
            "local", a path to a model, the `http://` address of an endpoint, or a Backend.
        model : str, optional
            The model's name at the endpoint; default: the only one that it has.
        chat_template : str or ChatTemplate, optional
            How the endpoint's model reads a chat, where it scores; default: ChatML.
        keep_weights : bool
            Carry the learned weights over to this model, and let it answer with them.
        price_in, price_out : float, optional
            US dollars for a million tokens in and out; default: those of the table of prices.
        **endpoint
            More of what `OpenAIBackend` takes: api_key, timeout, in_flight, requests_per_minute,
            tokens_per_minute, hedge_after.
        """
        chosen = load_backend(backend, model, chat_template, **endpoint)
        loaded = CachedBackend(chosen, self.store, price=stated(price_in, price_out))
        mixture = self._fitted().with_backend(loaded) if keep_weights else None
        _ = loaded.capabilities  # an endpoint that is not there is told of before anything changes
        self._backend_choice = loaded.backend
        self.backend, self.mixture = loaded, mixture
        return self.backend

    def use_personas(self, source: object) -> list[Persona]:
        """Read the personas from text, YAML, a frame, a mapping or a file."""
        self.personas = read_personas(source)
        self.mixture, self.panel_weights = None, None
        return self.personas

    @noted
    def synthesize(
        self,
        k: int | str = "auto",
        *,
        template: str | None = None,
        ladder: Sequence[int] = LADDER,
        weighted: bool = False,
        on_step: OnStep | None = None,
        **options: int,
    ) -> Synthesis:
        """Make `k` personas from the records, "auto" to choose k, and use them.

        Their weights are left open, or with `weighted` are the shares of their groups; `options`
        are those of `synthesize_personas`.
        """
        made = synthesize_personas(
            self._needed_population(),
            k,
            self.backend,
            self.encoder,
            template=template,
            ladder=ladder,
            on_step=on_step,
            **options,
        )
        self.use_personas(made.weighted if weighted else made.personas)
        return made

    def use_population(
        self,
        df: pd.DataFrame,
        *,
        context: str | Sequence[str],
        response: str,
        weight: str | None = None,
        held_out: float = 0.5,
        random_state: int = 0,
    ) -> Population:
        """Take the real records; a share of them is held out, to be compared with only.

        Returns
        -------
        Population
            The part to learn from; `target` is the held-out one.
        """
        everyone = Population.from_frame(df, context=context, response=response, weight=weight)
        self.population, self.target = everyone.split(1 - held_out, random_state=random_state)
        self.mixture, self.alignment = None, None
        return self.population

    @noted
    def fit(
        self,
        template: str | None = None,
        *,
        stratify: str | None = None,
        n_refits: int = 0,
        client: Client | None = None,
        on_step: OnStep | None = None,
        **options: int,
    ) -> MixtureOfPersonas:
        """Learn the weights, with intervals from `n_refits` more fits of the same answers.

        Given a Dask `client`, its workers score. The `options` are those of `MixtureOfPersonas`.
        """
        mixture, before = self._new_mixture(template, stratify, **options), self.backend.usage
        with self._on(client):
            self.mixture = mixture.fit(self._needed_population(), on_step=on_step)
        if n_refits:
            mixture.persona_weight_intervals(n_refits, on_step=on_step)
        mixture.cost_ = self._cost(before)
        return self.mixture

    def save(self, path: str | Path) -> Path:
        """Write the mixture to the folder `path`; of what people said it holds the exemplars."""
        if self.mixture is None:
            raise NotFittedError("There is no mixture to save yet.", hint="Run %mop_fit first.")
        return self.mixture.save(path)

    def load(self, path: str | Path) -> MixtureOfPersonas:
        """Read a mixture that `save` wrote, and use it with its personas and this model.

        It simulates without its population; records to compare with are named before.
        """
        mixture = MixtureOfPersonas.load(path, self.backend, self.encoder)
        self.mixture, self.personas, self.panel_weights = mixture, mixture.personas, None
        return mixture

    @noted
    def simulate(
        self,
        name: str = "simulation",
        n: int = 300,
        *,
        template: str | None = None,
        weights: str | Mapping[str, float] | None = None,
        baseline: str | None = None,
        n_shown: int = N_SHOWN,
        n_candidates: int | None = None,
        temperature: float = config.DEFAULT_TEMPERATURE,
        top_p: float = config.DEFAULT_TOP_P,
        max_tokens: int | None = None,
        random_state: int = 0,
        client: Client | None = None,
        on_step: OnStep | None = None,
    ) -> Simulation:
        """Simulate `n` responses to the contexts of the held-out records and keep them by name.

        Parameters
        ----------
        name : str
            Under which the simulation is kept; one of the same name is replaced.
        n : int
            Number of responses.
        template : str, optional
            The question; default: that of the fit.
        weights : str or mapping, optional
            "learned", "uniform", "stated", "panel", or a share for each persona.
        baseline : str, optional
            Prompt in another way: one of `jupyter_mop.engine.baselines.described()`.
        n_shown : int
            Exemplars in a prompt of a baseline that shows several.
        n_candidates : int, optional
            Responses drawn for each that is kept, by its odds of being real: so many times the
            calls. Default: 4, of a baseline or through an endpoint, which may cost, 1. See
            `MixtureOfPersonas.simulate`.
        temperature, top_p
            How each response is drawn.
        max_tokens : int, optional
            The longest answer; default: room for nine in ten of the real ones, 48 to 256.
        random_state : int
            Seed.
        client : dask.distributed.Client, optional
            Of a cluster whose workers answer, each with a model of its own.
        on_step : callable, optional
            Called with (what, total); returns what is called as each response comes.
        """
        before = self.backend.usage
        if n_candidates is None and isinstance(self.backend.backend, OpenAIBackend):
            n_candidates = 1
        mixture = self.mixture or self._new_mixture(template).initialise(self._needed_population())
        longest = usual_max_tokens(mixture.exemplars_) if max_tokens is None else max_tokens
        params = SamplingParams(temperature, top_p, longest)
        with self._on(client):
            simulation = mixture.simulate(
                n,
                self.target,
                weights=self._panel() if weights == "panel" else weights,
                baseline=baseline,
                n_shown=n_shown,
                n_candidates=n_candidates,
                template=template,
                params=params,
                name=name,
                random_state=random_state,
                on_step=on_step,
            )
        simulation = simulation.with_facts(cost=self._cost(before))
        self.mixture, self.simulations[name] = mixture, simulation
        return simulation

    @noted
    def ask(
        self,
        question: Question | str,
        name: str = "answer",
        n: int = 300,
        *,
        weights: str | Mapping[str, float] | None = None,
        baseline: str | None = None,
        random_state: int = 0,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of `Asking`
    ) -> PopulationAnswer:
        """Ask the held-out records' contexts a closed question; keep the answer by name.

        Parameters
        ----------
        question : Question or str
            A mere text is asked with the answers that the population gave as its options.
        name : str
            Under which the answer is kept, and `n` drawn ones as a simulation, so that `panel`
            shows them.
        n : int
            Answers to draw from the option probabilities; no model is asked for them.
        weights : str or mapping, optional
            "learned", "uniform", "stated", "panel", or a share for each persona. Learned are those
            that make the population's own answers likeliest where they are the options, and else
            those of the fit. Default: learned where there are such, or stated.
        baseline : {"plain", "personas"}, optional
            Without personas, or with uniform weights.
        random_state : int
            Seed of the orders of the options and of all draws.
        on_step : callable, optional
            Called with (what, total); returns what is called at each answer.
        **options
            Those of `jupyter_mop.engine.options.Asking`: method, n_orders, listed, by_prior,
            by_length, n_draws.
        """
        if baseline not in (None, "plain", "personas"):
            raise DataError(
                f"There is no baseline {baseline!r} of an answer.", hint="Use plain or personas."
            )
        question, population = self._question(question), self._needed_population()
        personas = None if baseline == "plain" else self._needed_personas()
        how, before = Asking(random_state=random_state, **options), self.backend.usage

        def put(to: Population, weights: str | Mapping[str, float] = "uniform") -> PopulationAnswer:
            return asking.ask(
                question,
                to,
                personas,
                self.backend,
                weights=weights,
                asking=how,
                name=name,
                on_step=on_step,
            )

        target = self.target or population
        chosen = "uniform" if baseline else self._answer_weights(weights, question)
        if chosen == "learned":
            answer = self._learned_answer(question, target, put, random_state)
        else:
            answer = put(target, chosen)
        answer = replace(answer, cost=self._cost(before))
        self.answers[name] = answer
        self.simulations[name] = answer.draw(n, random_state=random_state)
        return answer

    def align(
        self,
        *names: str,
        random_state: int = 0,
        client: Client | None = None,
        on_step: OnStep | None = None,
    ) -> Alignment:
        """Compare simulations, all or those named, with the held-out records.

        Given a Dask `client`, its workers encode.
        """
        from jupyter_mop.alignment import align

        chosen = {name: self._simulation(name) for name in names or self.simulations}
        self._needed_population()
        with self._encoding_on(client):
            self.alignment = align(
                self.target or [],
                chosen,
                encoder=self.encoder,
                random_state=random_state,
                on_step=on_step,
            )
        return self.alignment

    def panel(
        self, name: str | None = None, *, random_state: int = 0, on_step: OnStep | None = None
    ) -> Any:  # noqa: ANN401  a widget
        """Open the alignment panel of a simulation: weights to move, figures that follow.

        What it shows is what `simulate(weights="panel")` uses. The arguments are those of
        `compare`.
        """
        comparison = self.compare(name, random_state=random_state, on_step=on_step)
        return views.view("panel", (self, comparison))

    def weights(self) -> dict[str, float]:
        """Return the persona weights that a simulation would use: learned, or as stated."""
        self._needed_personas()
        if self.mixture and self.mixture.is_fitted:
            values = self.mixture.persona_weights()
        else:
            values = persona_shares(self.personas)
        return {p.name: float(w) for p, w in zip(self.personas, values, strict=True)}

    def plot(self) -> Chart:
        """Draw the last alignment; before there is one, the persona weights."""
        from jupyter_mop.charts import weights_chart

        if self.alignment is not None:
            return self.alignment.plot()
        if self.mixture is not None and self.mixture.is_ready:
            return self.mixture.plot()
        weights = pd.Series(self.weights(), name="weight").rename_axis("persona")
        return weights_chart(weights.reset_index())

    def __repr__(self) -> str:
        made = ", ".join(map(repr, self.simulations)) or "none"
        return f"Study({len(self.personas)} personas, {self.population}, simulations: {made})"

    def _repr_html_(self) -> str:
        from jupyter_mop.charts.tables import card

        weights = self.weights() if self.personas else {}
        facts = {str(name): value for name, value in self.status().items()}
        if weights:
            del facts["personas"]
        return card("Study", facts, weights)

    def _new_mixture(
        self, template: str | None, stratify: str | None = None, **options: int
    ) -> MixtureOfPersonas:
        self._needed_population()
        return MixtureOfPersonas(
            self._needed_personas(),
            self.backend,
            self.encoder,
            template=template,
            stratify=stratify,
            **options,
        )
