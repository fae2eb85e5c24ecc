"""A study: personas, records, a mixture and named results, and the verbs on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.backends.cost.prices import stated
from jupyter_mop.backends.opening import load_backend
from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.run_history import Runs, read_runs
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.engine.data.encoding import encode_groups
from jupyter_mop.engine.data.nearest_records import nearest_records
from jupyter_mop.engine.data.persona_weights import Weights
from jupyter_mop.engine.data.personas import Persona, persona_index, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment, align
from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis, diagnose
from jupyter_mop.engine.evaluation.estimates import Estimates, estimate
from jupyter_mop.engine.generation.options import SimulationOptions
from jupyter_mop.engine.generation.persona_preview import default_pool, preview
from jupyter_mop.engine.mixture.explanation import Explanation
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.export import write_simulation
from jupyter_mop.engine.simulation.outcomes import Outcome
from jupyter_mop.engine.simulation.simulation import RESPONSE, Simulation
from jupyter_mop.engine.survey.options import ElicitationOptions
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.synthesis.options import LADDER
from jupyter_mop.engine.synthesis.synthesis import Synthesis, synthesize_personas
from jupyter_mop.engine.weighting.calibration import Calibration, calibrate
from jupyter_mop.engine.weighting.comparison import Comparison, compare
from jupyter_mop.engine.weighting.weight_matching import matched_weights
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.options import takes_options
from jupyter_mop.rendering import view
from jupyter_mop.study import cost, weights
from jupyter_mop.study.run_log import recorded, resumed_arguments
from jupyter_mop.study.session import Session
from jupyter_mop.study.weights import reweighted

if TYPE_CHECKING:
    from distributed import Client

    from jupyter_mop.rendering import Chart

Value = TypeVar("Value")


class _Held(Generic[Value]):
    """An attribute of a study that its session holds."""

    def __set_name__(self, owner: type[Study], name: str) -> None:
        self._name = name

    def __get__(self, study: Study, owner: type[Study] | None = None) -> Value:
        value: Value = getattr(study.session, self._name)
        return value

    def __set__(self, study: Study, value: Value) -> None:
        setattr(study.session, self._name, value)


class Study:
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

    personas = _Held[list[Persona]]()
    population = _Held[Population | None]()
    target = _Held[Population | None]()
    mixture = _Held[MixtureOfPersonas | None]()
    simulations = _Held[dict[str, Simulation]]()
    answers = _Held[dict[str, PopulationAnswer]]()
    panel_weights = _Held[dict[str, float] | None]()
    alignment = _Held[Alignment | None]()
    backend = _Held[CachedBackend]()
    encoder = _Held[CachedEncoder]()
    store = _Held[Store]()

    def __init__(
        self,
        backend: Backend | str | Path | None = None,
        encoder: Encoder | None = None,
        *,
        store: str | Path | None = None,
    ) -> None:
        self.session = Session(backend, encoder, store=store)

    def __repr__(self) -> str:
        made = ", ".join(map(repr, self.simulations)) or "none"
        return f"Study({len(self.personas)} personas, {self.population}, simulations: {made})"

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
        mixture = weights.require_fit(self.session).with_backend(loaded) if keep_weights else None
        _ = loaded.capabilities  # an endpoint that is not there is reported before anything changes
        self.session.backend_choice = loaded.backend
        self.backend, self.mixture = loaded, mixture
        return self.backend

    def use_personas(self, source: object) -> list[Persona]:
        """Read the personas from text, YAML, a frame, a mapping or a file."""
        self.personas = read_personas(source)
        self.mixture, self.panel_weights = None, None
        return self.personas

    @recorded
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
            self.session.require_population(),
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

    @recorded
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
        mixture, before = (
            self.session.new_mixture(template, stratify=stratify, **options),
            self.backend.usage,
        )
        with self.session.on_cluster(client):
            self.mixture = mixture.fit(self.session.require_population(), on_step=on_step)
        if n_refits:
            mixture.persona_weight_intervals(n_refits, on_step=on_step)
        mixture.cost_ = cost.cost_since(self.session, before)
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

    @takes_options(SimulationOptions, exclude=["n"])
    @recorded
    def simulate(
        self,
        name: str = "simulation",
        n: int = 300,
        *,
        client: Client | None = None,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of SimulationOptions
    ) -> Simulation:
        """Simulate `n` responses to the contexts of the held-out records and keep them by name.

        Parameters
        ----------
        name : str
            Name of the simulation; one of the same name is replaced.
        n : int
            Number of responses.
        client : dask.distributed.Client, optional
            Of a cluster whose workers answer, each with a model of its own.
        on_step : callable, optional
            Called with (what, total); returns a callback for each response.
        **options
        """
        chosen = SimulationOptions.of({"n": n, **options})
        mixture, before = self.session.prepared_mixture(chosen.template), self.backend.usage
        chosen = self.session.completed(chosen, mixture)
        with self.session.on_cluster(client):
            made = mixture.simulate(
                population=self.target, name=name, on_step=on_step, **chosen.facts()
            )
        made = made.with_facts(cost=cost.cost_since(self.session, before))
        self.mixture, self.simulations[name] = mixture, made
        return made

    @takes_options(ElicitationOptions, exclude=["n"])
    @recorded
    def ask(
        self,
        question: Question | str,
        name: str = "answer",
        n: int = 300,
        *,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of ElicitationOptions
    ) -> PopulationAnswer:
        """Ask the held-out records' contexts a closed question; keep the answer by name.

        Parameters
        ----------
        question : Question or str
            A plain string uses the population's answers as options.
        name : str
            Name of the answer, and of a simulation of `n` drawn answers that `panel` shows.
        n : int
            Answers to draw from the option probabilities, with no model call.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.
        **options
        """
        chosen = ElicitationOptions.of({"n": n, **options})
        closed = self.session.closed_question(question, chosen.missing)
        before = self.backend.usage
        answer = weights.answer(self.session, closed, chosen, name=name, on_step=on_step)
        answer = replace(answer, cost=cost.cost_since(self.session, before))
        self.answers[name] = answer
        self.simulations[name] = answer.draw(n, random_state=chosen.random_state)
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
        chosen = {name: self.session.simulation(name) for name in names or self.simulations}
        self.session.require_population()
        with self.session.encoding_on_cluster(client):
            self.alignment = align(
                self.target or [],
                chosen,
                encoder=self.encoder,
                random_state=random_state,
                on_step=on_step,
            )
        return self.alignment

    def preview(
        self,
        persona: str | Persona,
        n: int = 2,
        *,
        template: str | None = None,
        max_tokens: int = config.DEFAULT_MAX_TOKENS,
        **options: Any,  # noqa: ANN401  those of SimulationOptions
    ) -> Simulation:
        """Return `n` responses of one persona, by name or itself, to contexts of the population.

        The `options` are those of `SimulationOptions`: temperature, top_p, random_state.
        """
        population = self.session.require_population()
        if isinstance(persona, str):
            persona = self.personas[persona_index(self.session.require_personas(), persona)]
        mixture = self.mixture if self.mixture and self.mixture.is_ready else None
        return preview(
            persona,
            population,
            mixture.exemplars_ if mixture else default_pool(population),
            self.backend,
            template=template or (mixture.template_.text if mixture else None),
            options=SimulationOptions.of({"n": n, "max_tokens": max_tokens, **options}),
        )

    def explain(self, context: str | Mapping[str, object], *, n: int = 5) -> Explanation:
        """Return who answers a context and what they are shown; see `MixtureOfPersonas.explain`."""
        if self.mixture is None:
            raise NotFittedError("There is no mixture to explain yet.", hint="Run %mop_fit first.")
        return self.mixture.explain(context, n=n)

    def nearest(self, n: int = 3) -> pd.DataFrame:
        """Return the `n` real records nearest each persona's text: context, response, cosine."""
        personas = self.session.require_personas()
        texts = [persona.description for persona in personas]
        found = nearest_records(texts, self.session.require_population(), self.encoder, n=n)
        return found.assign(persona=[personas[k].name for k in found["persona"]])

    def weights(self) -> dict[str, float]:
        """Return the persona weights that a simulation would use: learned, or as stated."""
        return weights.current_weights(self.session)

    def reweight(self, name: str, weights: Weights, *, kept_as: str | None = None) -> Simulation:
        """Weight a simulation as other persona weights would have drawn it, with no model call.

        Parameters
        ----------
        name : str
            Of a simulation of the mixture.
        weights : str or mapping
            "panel" or a share for each persona by name; or "learned", "uniform" or "stated", which
            change exemplar weights too.
        kept_as : str, optional
            Keep the result under this name, for `align`.
        """
        result = reweighted(self.session, name, weights)
        if kept_as:
            result = replace(result, provenance={**result.provenance, "name": kept_as})
            self.simulations[kept_as] = result
        return result

    def compare(
        self, name: str | None = None, *, random_state: int = 0, on_step: OnStep | None = None
    ) -> Comparison:
        """Measure a simulation persona by persona against the held-out records, for the panel.

        Parameters
        ----------
        name : str, optional
            Of a simulation of the mixture; default: the last one made.
        """
        self.session.require_population()
        return compare(
            self.session.comparison_target,
            self.session.simulation(name or self.session.last_mixture_simulation()),
            encoder=self.encoder,
            random_state=random_state,
            on_step=on_step,
        )

    def match(
        self,
        name: str | None = None,
        figure: str = "MAUVE",
        *,
        random_state: int = 0,
        on_step: OnStep | None = None,
    ) -> dict[str, float]:
        """Fit persona weights by matching samples: those at which a figure is best.

        For models that give no likelihoods: simulate with uniform weights, then match. No model
        is called, and the result can be given as weights to `simulate` and `reweight`.

        Parameters
        ----------
        name : str, optional
            Of a simulation of the mixture; default: the last one made.
        figure : str
            "MAUVE", "FID", "KL cosine", "length", or for answers their distances.
        """
        comparison = self.compare(name, random_state=random_state, on_step=on_step)
        return matched_weights(comparison.statistics, figure)

    def calibrate(
        self,
        name: str,
        targets: object,
        *,
        of: object = None,
        start: Mapping[str, float] | None = None,
        nearest: bool = False,
    ) -> Calibration:
        """Find the persona weights nearest a simulation's own that give known shares.

        The result is a mapping for `reweight` and `simulate(weights=...)`; the other arguments
        are those of `jupyter_mop.engine.weighting.calibration.calibrate`.
        """
        simulation = self.session.simulation(name)
        return calibrate(simulation, targets, of=of, start=start, nearest=nearest)

    def estimate(
        self,
        name: str,
        of: Outcome = RESPONSE,
        *,
        human: pd.DataFrame | Population | None = None,
        answer: str | None = None,
        level: float = 0.9,
        missing: str | Sequence[str] | None = None,
    ) -> Estimates:
        """Estimate a mean or shares of the population from a simulation and a few human answers.

        Parameters
        ----------
        name : str
            Of a simulation.
        of : str or callable
            A column of the simulation and of the answers, or a function of a response.
        human : DataFrame or Population, optional
            Human answers, with the context columns of the study's population; in a frame, `of`
            "response" means the population's response column. Without them the interval is valid
            for the simulation only.
        answer : str, optional
            The one answer whose share is wanted.
        level : float
            Probability that the interval is to hold.
        missing : str or sequence of str, optional
            Human answers to set aside, such as "Refused|Don't know".
        """
        return estimate(
            self.session.simulation(name),
            of,
            human=self.session.human_answers(human, of),
            answer=answer,
            level=level,
            n_contexts=len(self.session.comparison_target),
            missing=missing,
        )

    def diagnose(
        self,
        name: str | None = None,
        *,
        copied: int = MIN_COPY_WORDS,
        random_state: int = 0,
        on_step: OnStep | None = None,
    ) -> Diagnosis:
        """Look a simulation over: variety, controllability, copies, and what is missing.

        Parameters
        ----------
        name : str, optional
            Of a simulation; default: the last one of the mixture.
        copied : int
            From how many words in a row, shared with an exemplar, a response counts as copied.
        """
        chosen = name or self.session.last_mixture_simulation()
        simulation, texts = (
            self.session.simulation(chosen),
            self.session.comparison_target.responses,
        )
        target, vectors = encode_groups([texts, simulation.responses], self.encoder, on_step)
        return diagnose(
            texts, target, simulation, vectors, copied=copied, random_state=random_state
        )

    def export(self, name: str, path: str | Path) -> Path:
        """Write a simulation to a .csv, .parquet or .jsonl file, with a data card beside it.

        The card tells the personas, weights, model, seeds and prompt, and the figures of the last
        alignment. `Simulation.from_csv` and its like read the file back.
        """
        frame = None if self.alignment is None else self.alignment.frame
        figures = None if frame is None else frame.query("method == @name")
        return write_simulation(self.session.simulation(name), Path(path), figures=figures)

    def answer(self, name: str) -> PopulationAnswer:
        """Return the answer to a closed question that is kept under `name`."""
        return self.session.answer(name)

    def status(self) -> pd.Series:
        """Return what is loaded, fitted, simulated and cached."""
        return self.session.status()

    def runs(self) -> Runs:
        """Return the runs of the store, of other notebooks too: state, counts, model, provenance."""
        return read_runs(self.store)

    def resume(self, number: int | None = None, *, on_step: OnStep | None = None) -> Any:  # noqa: ANN401  what the verb returns
        """Repeat a run with its arguments; what it finished is cached, only the rest is asked.

        Parameters
        ----------
        number : int, optional
            Of `runs()`; default: the last that did not finish.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.

        Raises
        ------
        DataError
            There is no such run, another notebook is at it, or this study holds other personas,
            records, weights or another model than the run was made with.
        """
        run = self.runs().find(number)
        arguments = resumed_arguments(self.session, run)
        return getattr(self, run.verb)(**arguments, on_step=on_step)

    def plan(self, verb: str, *args: Any, **options: Any) -> CostEstimate:  # noqa: ANN401
        """Return what a verb would cost, with no call of any model and nothing kept.

        Parameters
        ----------
        verb : str
            Such as "fit", "simulate" or "ask".
        *args, **options
            Those of the verb.

        Returns
        -------
        CostEstimate
            Calls, cache hits, tokens, money and time.

        Examples
        --------
        >>> import tempfile
        >>> import pandas as pd
        >>> from jupyter_mop import Study, ToyBackend, ToyEncoder
        >>> words = ["sun", "rain", "wind"]
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = f"{folder.name}/store.sqlite"
        >>> study = Study(ToyBackend(words), ToyEncoder(words), store=store)
        >>> _ = study.use_personas("a: You say sun.")
        >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "rain", "wind", "sun"] * 30})
        >>> _ = study.use_population(df, context="topic", response="said")
        >>> study.plan("simulate", n=50).calls
        50
        >>> study.store.close()
        """
        twin = copy(self)
        twin.session, backend = cost.dry_run_session(self.session)
        run = getattr(twin, verb, None)
        if verb.startswith("_") or not callable(run):
            raise DataError(
                f"There is no verb {verb!r}.", hint='Use "fit", "simulate", "ask" or "synthesize".'
            )
        run(*args, **{k: v for k, v in options.items() if k not in {"on_step", "client"}})
        return backend.estimate(verb)

    @contextmanager
    def within(self, usd: float) -> Iterator[Self]:
        """Spend at most `usd` US dollars on the language model inside a `with` block.

        No call begins that could pass the budget, those under way counted at their worst. What is
        finished by then is kept, so that the same cell goes on from there.

        Raises
        ------
        BudgetError
            Where a run needs more.
        ModelError
            Where nobody says what the model costs.

        Examples
        --------
        >>> import tempfile
        >>> from jupyter_mop import Study, ToyBackend
        >>> folder = tempfile.TemporaryDirectory()
        >>> study = Study(ToyBackend(["sun", "rain"]), store=f"{folder.name}/store.sqlite")
        >>> with study.within(5.00):
        ...     study.backend.meter.is_limited
        True
        >>> study.store.close()
        """
        with cost.budget(self.session, usd):
            yield self

    def plot(self) -> Chart:
        """Draw the last alignment; before there is one, the persona weights."""
        from jupyter_mop.charts import weights_chart

        if self.alignment is not None:
            return self.alignment.plot()
        if self.mixture is not None and self.mixture.is_ready:
            return self.mixture.plot()
        frame = pd.Series(self.weights(), name="weight").rename_axis("persona")
        return weights_chart(frame.reset_index())

    def _repr_html_(self) -> str:
        from jupyter_mop.charts.style.html_table import card

        facts = {str(name): value for name, value in self.status().items()}
        shown = self.weights() if self.personas else {}
        if shown:
            del facts["personas"]
        return card("Study", facts, shown)

    def panel(
        self, name: str | None = None, *, random_state: int = 0, on_step: OnStep | None = None
    ) -> Any:  # noqa: ANN401  a widget
        """Open the alignment panel of a simulation: weights to move, figures that follow.

        What it shows is what `simulate(weights="panel")` uses. The arguments are those of
        `compare`.
        """
        comparison = self.compare(name, random_state=random_state, on_step=on_step)
        return view("panel", (self, comparison))
