"""A study: personas, records, a mixture and named results, with one method for each magic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
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
from jupyter_mop.charts.style.text_frame import TextFrame
from jupyter_mop.engine.data.nearest_records import nearest_records
from jupyter_mop.engine.data.persona_weights import Weights
from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment, align
from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis, diagnose
from jupyter_mop.engine.evaluation.estimates import Estimates, estimate
from jupyter_mop.engine.generation.conversation import Conversation
from jupyter_mop.engine.generation.persona_preview import preview
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.mixture.composition import Composition
from jupyter_mop.engine.mixture.explanation import Explanation
from jupyter_mop.engine.mixture.fit_options import FitOptions
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.questionnaire.evaluation.sample_design import SampleDesign, sample_design
from jupyter_mop.engine.questionnaire.evaluation.survey_fidelity import (
    SurveyFidelity,
    survey_fidelity,
)
from jupyter_mop.engine.questionnaire.group_shares import GroupShares
from jupyter_mop.engine.questionnaire.population_answers import PopulationAnswers
from jupyter_mop.engine.questionnaire.poststratification import Target
from jupyter_mop.engine.questionnaire.prediction import Prediction, predict
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import NOT_FOR_SURVEYS, SurveyFit, fit_survey
from jupyter_mop.engine.simulation.export import write_simulation
from jupyter_mop.engine.simulation.outcomes import Outcome
from jupyter_mop.engine.simulation.simulation import RESPONSE, Simulation
from jupyter_mop.engine.survey.calibrated.method_comparison import MethodComparison
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.synthesis.synthesis import Synthesis, synthesize_personas
from jupyter_mop.engine.synthesis.synthesis_options import SynthesisOptions
from jupyter_mop.engine.weighting.calibration import Calibration, calibrate
from jupyter_mop.engine.weighting.comparison import Comparison, compare
from jupyter_mop.engine.weighting.matched_weights import MatchedWeights, matched_weights
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.options import takes_options
from jupyter_mop.rendering import view
from jupyter_mop.study import cost, weights
from jupyter_mop.study.batches import in_batches
from jupyter_mop.study.chat import open_conversation
from jupyter_mop.study.cluster import encoder_on_cluster, model_on_cluster
from jupyter_mop.study.methods import compared_methods
from jupyter_mop.study.questions import answers_by_name
from jupyter_mop.study.report import write_report
from jupyter_mop.study.run_log import recorded, resumed_arguments
from jupyter_mop.study.session import Session
from jupyter_mop.study.weights import reweighted

if TYPE_CHECKING:
    from distributed import Client

    from jupyter_mop.rendering import Chart

Value = TypeVar("Value")


class _FromSession(Generic[Value]):
    """An attribute that a study reads from its session and writes to it."""

    def __set_name__(self, owner: type[Study], name: str) -> None:
        self._name = name

    def __get__(self, study: Study, owner: type[Study] | None = None) -> Value:
        value: Value = getattr(study.session, self._name)
        return value

    def __set__(self, study: Study, value: Value) -> None:
        setattr(study.session, self._name, value)


class Study:
    """Personas, a population, a mixture and named results, with a method for each magic.

    `%mop_fit` calls `Study.fit`, `%%mop_simulate` calls `Study.simulate`, and so on.

    Parameters
    ----------
    backend : Backend, str or path, optional
        The language model; default: the embedded model, loaded at its first request.
    encoder : Encoder, optional
        Maps texts to unit vectors; default: the embedded encoder.
    store : path, optional
        The SQLite file that caches every model output; default: `config.store_path()`.

    Attributes
    ----------
    personas : list of Persona
    population, target : Population or None
        The training records and the held-out records.
    mixture : MixtureOfPersonas or None
    simulations : dict of str to Simulation
        Simulations by name, oldest first.
    answers : dict of str to PopulationAnswer
        Answers to closed questions by name.
    survey_fit : SurveyFit or None
        The latest fitted survey of several questions.
    panel_weights : dict of str to float or None
        The persona weights that the open panel shows.
    alignment : Alignment or None
        The latest comparison with the held-out records.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> words = ["sun", "rain", "wind"]
    >>> folder = tempfile.TemporaryDirectory()
    >>> study = Study(ToyBackend(words), ToyEncoder(words), store=f"{folder.name}/store.sqlite")
    >>> study.use_personas("a: You say sun.")
    [Persona(name='a', description='You say sun.', weight=None)]
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "rain", "wind", "sun rain"] * 30})
    >>> study.use_population(df, context="topic", response="text")
    Population(60 records, context: topic, response: text)
    >>> study.simulate("first", n=50)
    Simulation('first', 50 responses, weights: stated)
    >>> study.store.close()
    """

    personas = _FromSession[list[Persona]]()
    population = _FromSession[Population | None]()
    target = _FromSession[Population | None]()
    mixture = _FromSession[MixtureOfPersonas | None]()
    simulations = _FromSession[dict[str, Simulation]]()
    answers = _FromSession[dict[str, PopulationAnswer]]()
    survey_fit = _FromSession[SurveyFit | None]()
    panel_weights = _FromSession[dict[str, float] | None]()
    alignment = _FromSession[Alignment | None]()
    backend = _FromSession[CachedBackend]()
    encoder = _FromSession[CachedEncoder]()
    store = _FromSession[Store]()

    def __init__(
        self,
        backend: Backend | str | Path | None = None,
        encoder: Encoder | None = None,
        *,
        store: str | Path | None = None,
    ) -> None:
        self.session = Session(backend, encoder, store=store)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.simulations)) or "none"
        return f"Study({len(self.personas)} personas, {self.population}, simulations: {names})"

    def use_backend(
        self,
        backend: Backend | str | Path = "local",
        *,
        model: str | None = None,
        chat_template: str | ChatTemplate | None = None,
        keep_weights: bool = False,
        price_in: float | None = None,
        price_out: float | None = None,
        **endpoint: Any,  # noqa: ANN401  those of OpenAIBackend
    ) -> CachedBackend:
        """Choose and load the language model.

        Parameters
        ----------
        backend : Backend, str or path
            "local", a path to a model, the `http://` address of an endpoint, or a Backend.
        model : str, optional
            The model's name at the endpoint; default: the only one there.
        chat_template : str or ChatTemplate, optional
            Chat template of the endpoint's model, used for scores; default: ChatML.
        keep_weights : bool
            Keep the learned weights and use them with this model.
        price_in, price_out : float, optional
            US dollars per million input and output tokens; default: the built-in price table.
        **endpoint
            Other arguments of `OpenAIBackend`: api_key, timeout, in_flight, requests_per_minute,
            tokens_per_minute, hedge_after, reasoning_tokens, reasoning_effort, extra.

        Returns
        -------
        CachedBackend
            The model, with its answers cached in the store.
        """
        chosen = load_backend(backend, model, chat_template, **endpoint)
        loaded = CachedBackend(chosen, self.store, price=stated(price_in, price_out))
        mixture = weights.require_fit(self.session).with_backend(loaded) if keep_weights else None
        _ = loaded.capabilities  # an unreachable endpoint raises before the study changes
        self.session.backend_choice = loaded.backend
        self.backend, self.mixture = loaded, mixture
        return self.backend

    def use_personas(self, source: object) -> list[Persona]:
        """Set the personas, read from text, YAML, a DataFrame, a mapping or a file.

        A fitted mixture and panel weights belong to the previous personas and are discarded.
        """
        self.personas = read_personas(source)
        self.mixture, self.panel_weights = None, None
        return self.personas

    @recorded
    @takes_options(SynthesisOptions)
    def synthesize(
        self,
        k: int | str = "auto",
        *,
        weighted: bool = False,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of SynthesisOptions
    ) -> Synthesis:
        """Write `k` personas from the training records and use them.

        Parameters
        ----------
        k : int or "auto"
            Number of personas; "auto" chooses it by held-out likelihood.
        weighted : bool
            State each persona's weight as the share of its group of records.
        on_step : callable, optional
            Called with (what, total); returns a callback for each finished item.
        **options
        """
        synthesis = synthesize_personas(
            self.session.require_population(),
            k,
            self.backend,
            self.encoder,
            on_step=on_step,
            **options,
        )
        self.use_personas(synthesis.weighted if weighted else synthesis.personas)
        return synthesis

    def use_population(
        self,
        df: pd.DataFrame,
        *,
        context: str | Sequence[str],
        response: str,
        weight: str | None = None,
        group: str | None = None,
        held_out: float = 0.5,
        random_state: int = 0,
    ) -> Population:
        """Set the real records and split them into training and held-out records.

        A fitted mixture and an alignment belong to the previous records and are discarded.

        Parameters
        ----------
        df : DataFrame
            One row per response.
        context : str or sequence of str
            Column or columns of the context: what the person responded to.
        response : str
            Column of the responses.
        weight : str, optional
            Column of survey weights.
        group : str, optional
            Column whose rows belong together, such as the respondent's number; they are not split.
            Rows with the same free text are never split.
        held_out : float
            Share of the records that is held out, between 0 and 1.
        random_state : int
            Seed of the split.

        Returns
        -------
        Population
            The training records; `target` has the held-out ones.
        """
        records = Population.from_frame(
            df, context=context, response=response, weight=weight, group=group
        )
        train, self.target = records.split(1 - held_out, random_state=random_state)
        self.population = replace(train, n_left_out=records.n_left_out, n_held_out=len(self.target))
        self.mixture, self.alignment = None, None
        self.session.forget_measurements()
        return self.population

    @recorded
    @takes_options(FitOptions, exclude=["template"])
    def fit(
        self,
        template: str | None = None,
        *,
        n_refits: int = 0,
        client: Client | None = None,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of FitOptions
    ) -> MixtureOfPersonas:
        """Learn persona and exemplar weights from the training records.

        Parameters
        ----------
        template : str, optional
            Prompt template with {column} names; default: the context itself.
        n_refits : int
            Number of bootstrap refits for intervals of the persona weights, instead of 30.
        client : dask.distributed.Client, optional
            A cluster whose workers score the responses.
        on_step : callable, optional
            Called with (what, total); returns a callback for each finished item.
        **options
        """
        mixture = self.session.new_mixture(template, **options)
        before = self.backend.usage
        with model_on_cluster(self.session, client):
            self.mixture = mixture.fit(self.session.require_population(), on_step=on_step)
        if n_refits:
            mixture.persona_weight_intervals(n_refits, on_step=on_step)
        mixture.cost_ = cost.cost_since(self.session, before)
        return self.mixture

    def save(self, path: str | Path) -> Path:
        """Save the mixture to a folder; its exemplars and quotations are real responses."""
        if self.mixture is None:
            raise NotFittedError("There is no mixture to save yet.", hint="Run %mop_fit first.")
        return self.mixture.save(path)

    def load(self, path: str | Path) -> MixtureOfPersonas:
        """Load a mixture from a folder and use it with its personas and the current model.

        It simulates without its population. To compare with records, or to select one of several
        candidates by them, set them before loading: `use_population` discards the mixture.
        """
        mixture = MixtureOfPersonas.load(path, self.backend, self.encoder)
        if self.population and self.population.context == mixture.population_.context:
            mixture.records_ = self.population
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
        """Simulate `n` responses to the contexts of the held-out records.

        Parameters
        ----------
        name : str
            Name of the simulation; an earlier one of this name is replaced.
        n : int
            Number of responses.
        client : dask.distributed.Client, optional
            A cluster whose workers generate the responses, each with its own model.
        on_step : callable, optional
            Called with (what, total); returns a callback for each response.
        **options
        """
        chosen = SimulationOptions.of({"n": n, **options})
        mixture, before = self.session.prepared_mixture(chosen.template), self.backend.usage
        chosen = self.session.completed(chosen, mixture)
        with model_on_cluster(self.session, client):
            simulation = mixture.simulate(
                population=self.target, name=name, on_step=on_step, **chosen.facts()
            )
        simulation = simulation.with_facts(cost=cost.cost_since(self.session, before))
        self.mixture, self.simulations[name] = mixture, simulation
        return simulation

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
        """Ask a closed question in the contexts of the held-out records.

        Parameters
        ----------
        question : Question or str
            A plain string uses the population's answers as options.
        name : str
            Name of the answer, and of a simulation of `n` drawn answers for `panel`.
        n : int
            Number of answers drawn from the option probabilities, with no model call.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.
        **options
        """
        chosen = ElicitationOptions.of({"n": n, **options})
        closed = self.session.closed_question(question, chosen.missing)
        before = self.backend.usage
        answer = weights.answer(self.session, closed, chosen, name=name, on_step=on_step)
        answer = replace(answer, cost=cost.cost_since(self.session, before))
        return self.session.keep_answer(answer, chosen)

    @takes_options(ElicitationOptions, exclude=["n"])
    @recorded
    def ask_all(
        self,
        questions: Mapping[str, Question],
        n: int = 300,
        *,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of ElicitationOptions
    ) -> PopulationAnswers:
        """Ask several closed questions; each answer is stored under its question's name.

        The real answers to a question are in the population's column of its name; only people with
        a response in the population's own response column count. Without a column of its name the
        answer is uncalibrated. If a run stops, the finished answers are stored.

        Parameters
        ----------
        questions : mapping of str to Question
            Questions by name.
        n : int
            Number of answers drawn for each question, with no model call.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.
        **options

        Raises
        ------
        DataError
            If there are no questions, or one of them cannot be asked, such as one whose real
            answers are not its options. Nothing is asked then.
        """
        chosen = ElicitationOptions.of({"n": n, **options})
        answers = answers_by_name(self.session, questions, chosen, on_step=on_step)
        return PopulationAnswers(
            {answer.name: self.session.keep_answer(answer, chosen) for answer in answers}
        )

    @takes_options(ElicitationOptions, exclude=["n", "method"])
    @recorded
    def compare_methods(
        self,
        question: Question | str,
        *,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of ElicitationOptions
    ) -> MethodComparison:
        """Ask a closed question by each method that the model supports; held-out people judge.

        The answers are cached: `ask` with the method that is then chosen calls no model.

        Parameters
        ----------
        question : Question or str
            A plain string uses the population's answers as options.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.
        **options
        """
        chosen = ElicitationOptions.of(options)
        closed = self.session.closed_question(question, chosen.missing)
        return compared_methods(self.session, closed, chosen, on_step=on_step)

    @takes_options(ElicitationOptions, exclude=NOT_FOR_SURVEYS)
    @recorded
    def survey(
        self,
        survey: Survey,
        *,
        drop_classes: bool = False,
        on_step: OnStep | None = None,
        **options: Any,  # noqa: ANN401  those of ElicitationOptions
    ) -> SurveyFit:
        """Fit one latent class model to all questions of a survey.

        The classes are the study's personas.

        Parameters
        ----------
        survey : Survey
            Respondents with their answers; see `Survey.from_frame` and `Survey.from_file`.
        drop_classes : bool
            Leave out personas as long as held-out answers become no less likely.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.
        **options
        """
        chosen, before = ElicitationOptions.of(options), self.backend.usage
        fit = fit_survey(
            survey,
            self.session.require_personas(),
            self.backend,
            options=chosen,
            drop_classes=drop_classes,
            encoder=self.session.encoder_for(chosen),
            on_step=on_step,
        )
        fit = replace(fit, cost=cost.cost_since(self.session, before))
        self.survey_fit = fit
        return fit

    def impute(self, question: str) -> pd.DataFrame:
        """Return each respondent's option probabilities of a question, from their other answers.

        No model is called. One row per respondent, one column per option.
        """
        return TextFrame(self.session.require_survey().impute(question))

    def respondents(
        self, n: int = 1000, *, to: Target | None = None, random_state: int = 0
    ) -> pd.DataFrame:
        """Draw `n` whole respondents of the fitted survey, each with one persona.

        No model is called. The arguments are those of `SurveyFit.draw`.
        """
        return TextFrame(self.session.require_survey().draw(n, to=to, random_state=random_state))

    def shares(
        self, question: str, by: str | None = None, *, to: Target | None = None
    ) -> GroupShares:
        """Return a surveyed question's option shares by group, with intervals.

        No model is called. The arguments are those of `SurveyFit.shares`.
        """
        if self.session.survey_fit is None and self.answers:
            name = list(self.answers)[-1]
            raise NotFittedError(
                "There is no fitted survey yet.",
                hint=f"Fit one with %mop_survey. For %%mop_ask: answer = %mop_ask {name}, then "
                f"answer.by({by or 'COLUMN'!r}).",
            )
        return self.session.require_survey().shares(question, by, to=to)

    def fidelity(
        self,
        simulated: Survey | pd.DataFrame | None = None,
        *,
        weight: str | None = None,
        without: Survey | pd.DataFrame | None = None,
        random_state: int = 0,
    ) -> SurveyFidelity:
        """Measure what is wrong with simulated respondents of the fitted survey, beside a floor.

        No model is called. The arguments are those of `survey_fidelity`; without `simulated`, each
        respondent is compared with a simulated one from a fit to other respondents.
        """
        fit = self.session.require_survey()
        return survey_fidelity(
            fit, simulated, weight=weight, without=without, random_state=random_state
        )

    def design(self, budget: int, *, level: float = 0.9, random_state: int = 0) -> SampleDesign:
        """Return how to split `budget` people between fit and estimate, and what to expect.

        No model is called. The arguments are those of `sample_design`; the fitted survey is the
        pilot.
        """
        fit = self.session.require_survey()
        return sample_design(fit, budget, level=level, random_state=random_state)

    def predict(
        self, question: Question, name: str = "prediction", *, on_step: OnStep | None = None
    ) -> Prediction:
        """Predict the answers of the survey's respondents to a question that nobody was asked.

        Parameters
        ----------
        question : Question
            Of kind "single" or "scale".
        name : str
            Name of the question and of the prediction.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.
        """
        fit = self.session.require_survey()
        encoder = self.session.encoder_for(fit.options)
        prediction = predict(
            fit, question, self.backend, name=name, encoder=encoder, on_step=on_step
        )
        self.session.predictions[name] = prediction
        return prediction

    def prediction(self, name: str) -> Prediction:
        """Return the prediction called `name`."""
        return self.session.prediction(name)

    def align(
        self,
        *names: str,
        by: str | Sequence[str] | None = None,
        random_state: int = 0,
        client: Client | None = None,
        on_step: OnStep | None = None,
    ) -> Alignment:
        """Compare simulations with the held-out records.

        Parameters
        ----------
        *names : str
            Names of simulations; default: all but the answers of `ask_all`, which have columns of
            their own.
        by : str or sequence of str, optional
            Context columns: also compare within each subgroup; "context" is all columns.
        random_state : int
            Seed of the half samples and the bootstrap.
        client : dask.distributed.Client, optional
            A cluster whose workers encode the responses.
        on_step : callable, optional
            Called with (what, total); returns a callback for each finished item.
        """
        chosen = {
            name: self.session.simulation(name) for name in names or self.session.of_responses()
        }
        target = self.session.target_of(*chosen.values())
        with encoder_on_cluster(self.session, client):
            self.alignment = align(
                target if self.target else [],
                chosen,
                encoder=self.encoder,
                by=by,
                random_state=random_state,
                on_step=on_step,
            )
        return self.session.keep_measurement(chosen, self.alignment)

    def preview(
        self,
        persona: str | Persona,
        n: int = 2,
        *,
        template: str | None = None,
        max_tokens: int = config.DEFAULT_MAX_TOKENS,
        **options: Any,  # noqa: ANN401  those of SimulationOptions
    ) -> Simulation:
        """Return `n` responses of one persona to contexts of the population.

        Parameters
        ----------
        persona : str or Persona
            A persona's name, or a persona, which need not be one of the study's.
        n : int
            Number of responses.
        template : str, optional
            Prompt template; default: the mixture's, or the context itself.
        max_tokens : int
            Longest response in tokens.
        **options
            Other options of `SimulationOptions`: temperature, top_p, random_state.
        """
        population = self.session.require_population()
        exemplars, used_template = self.session.preview_prompt(template)
        return preview(
            self.session.persona(persona),
            population,
            exemplars,
            self.backend,
            template=used_template,
            options=SimulationOptions.of({"n": n, "max_tokens": max_tokens, **options}),
        )

    def chat(
        self,
        persona: str | Persona,
        **options: Any,  # noqa: ANN401  those of SimulationOptions
    ) -> Conversation:
        """Open a conversation with one persona: ask questions and read its responses.

        Responses are cached: the same questions get the same responses with no model call.

        Parameters
        ----------
        persona : str or Persona
            A persona's name, or a persona, which need not be one of the study's.
        **options
            Options of `SimulationOptions`: temperature, top_p, max_tokens, random_state.
        """
        return open_conversation(self.session, persona, SimulationOptions.of({"n": 1, **options}))

    def explain(self, context: str | Mapping[str, object], *, n: int = 5) -> Explanation:
        """Show the weights, exemplars and records of a context; see `MixtureOfPersonas.explain`."""
        if self.mixture is None:
            raise NotFittedError("There is no mixture to explain yet.", hint="Run %mop_fit first.")
        return self.mixture.explain(context, n=n)

    def composition(
        self, by: object, *, match: Mapping[str, str] | None = None, random_state: int = 0
    ) -> Composition:
        """Compare learned persona weights with the true shares of a hidden column's groups.

        No model is called.

        Parameters
        ----------
        by : str or Series
            A column of the data frame given to `use_population`, or a Series in its order.
        match : mapping of str to str, optional
            The persona of each group; default: equal names, else the largest agreement.
        random_state : int
            Seed of the bootstrap.
        """
        if self.mixture is None:
            raise NotFittedError("There is no mixture to compare yet.", hint="Run %mop_fit first.")
        return self.mixture.composition(by, match=match, random_state=random_state)

    def nearest(self, n: int = 3) -> pd.DataFrame:
        """Return the `n` training records nearest to each persona's description.

        Returns
        -------
        DataFrame
            Columns persona, context, response and cosine; n rows per persona.
        """
        personas = self.session.require_personas()
        texts = [persona.description for persona in personas]
        nearest = nearest_records(texts, self.session.require_population(), self.encoder, n=n)
        return TextFrame(nearest.assign(persona=[personas[k].name for k in nearest["persona"]]))

    def weights(self) -> dict[str, float]:
        """Return the default persona weights of a simulation: learned, or else stated."""
        return weights.current_weights(self.session)

    def reweight(self, name: str, weights: Weights, *, kept_as: str | None = None) -> Simulation:
        """Reweight a simulation to other persona weights by importance weights.

        No model is called.

        Parameters
        ----------
        name : str
            Name of a simulation of the mixture.
        weights : str or mapping
            "panel" or a share for each persona by name; or "learned", "uniform" or "stated", which
            change exemplar weights too.
        kept_as : str, optional
            Name under which to add the result to `simulations`.
        """
        result = reweighted(self.session, name, weights)
        if kept_as:
            result = replace(result, provenance={**result.provenance, "name": kept_as})
            self.simulations[kept_as] = result
        return result

    def compare(
        self, name: str | None = None, *, random_state: int = 0, on_step: OnStep | None = None
    ) -> Comparison:
        """Measure each persona's responses against the held-out records, for the panel.

        Parameters
        ----------
        name : str, optional
            Name of a simulation of the mixture; default: the latest.
        random_state : int
            Seed of half samples, clusters and sampled pairs.
        on_step : callable, optional
            Called with (what, total); returns a callback for each finished item.
        """
        simulation = self.session.simulation(name or self.session.last_mixture_simulation())
        return self._compare(simulation, random_state, on_step)

    def _compare(
        self, simulation: Simulation, random_state: int, on_step: OnStep | None
    ) -> Comparison:
        return compare(
            self.session.target_of(simulation),
            simulation,
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
    ) -> MatchedWeights:
        """Find the persona weights at which one metric of a simulation is best.

        For models that give no likelihoods: simulate with uniform weights, then match. No model
        is called. Of several candidates the first is used (see `Simulation.first_candidates`).

        Parameters
        ----------
        name : str, optional
            Name of a simulation of the mixture; default: the latest.
        figure : str
            The metric: "MAUVE", "FID", "KL cosine" or "length"; "joint FID" or "fidelity" where
            contexts recur; for answers "JS", "TV" or "W1".
        random_state : int
            Seed of half samples, clusters and sampled pairs.
        on_step : callable, optional
            Called with (what, total); returns a callback for each finished item.

        Returns
        -------
        MatchedWeights
            A mapping for `simulate(weights=...)` and `reweight`, with a verdict: what the weights
            gain on responses that did not choose them.
        """
        simulation = self.session.simulation(name or self.session.last_mixture_simulation())
        comparison = self._compare(simulation.first_candidates(), random_state, on_step)
        return matched_weights(comparison.statistics, figure, comparison.measured)

    def calibrate(
        self,
        name: str,
        targets: object,
        *,
        of: object = None,
        start: Mapping[str, float] | None = None,
        nearest: bool = False,
    ) -> Calibration:
        """Find the persona weights closest to a simulation's own that give known shares.

        The result is a mapping for `reweight` and `simulate(weights=...)`. The other arguments
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
        poststratify: bool = False,
    ) -> Estimates:
        """Estimate a mean or shares of the population from a simulation and a few human answers.

        Parameters
        ----------
        name : str
            Name of a simulation.
        of : str or callable
            A column of the simulation and of the answers, or a function of a response.
        human : DataFrame or Population, optional
            Human answers, with the context columns of the study's population and its weight
            column, if it has one; in a DataFrame, `of` "response" means the population's response
            column. They must not be training records. Without human answers the interval is valid
            for the simulation only.
        answer : str, optional
            The single answer whose share to estimate.
        level : float
            Coverage probability of the interval.
        missing : str or sequence of str, optional
            Human answers to set aside, such as "Refused|Don't know".
        poststratify : bool
            Weight the human answers so that their contexts have the shares of the simulation, for
            people who are no random sample of the population.
        """
        return estimate(
            self.session.simulation(name),
            of,
            human=self.session.human_answers(human, of),
            answer=answer,
            level=level,
            n_contexts=self.session.comparison_target.effective_size,
            missing=missing,
            poststratify=poststratify,
        )

    def diagnose(
        self,
        name: str | None = None,
        *,
        copied: int = MIN_COPY_WORDS,
        random_state: int = 0,
        on_step: OnStep | None = None,
    ) -> Diagnosis:
        """Check a simulation: diversity, effect of each persona, copying and missing clusters.

        Parameters
        ----------
        name : str, optional
            Name of a simulation; default: the latest of the mixture.
        copied : int
            Number of consecutive words shared with an exemplar that make a response a copy.
        random_state : int
            Seed of half samples, folds and clusters.
        on_step : callable, optional
            Called with (what, total); returns a callback for each finished item.
        """
        simulation = self.session.simulation(name or self.session.last_mixture_simulation())
        texts = self.session.target_of(simulation).responses
        target, vectors = self.session.encoded_with_target(simulation, on_step)
        found = diagnose(
            texts, target, simulation, vectors, copied=copied, random_state=random_state
        )
        return self.session.keep_measurement([simulation.name], found)

    def report(
        self,
        name: str | None = None,
        path: str | Path = "report.html",
        *,
        with_quotes: bool = False,
    ) -> Path:
        """Write what the study has found out about a simulation as one HTML file.

        The file needs no network and no script, can be printed, and follows light and dark themes.
        It has what was measured: run `align` and `diagnose` before. No model is called.

        Parameters
        ----------
        name : str, optional
            Name of a simulation or an answer; default: the latest simulation of the mixture.
        path : str or path
            The .html file; an existing one is replaced.
        with_quotes : bool
            Show texts of real people: exemplars, quotations and records.

        Returns
        -------
        Path
            The file.
        """
        chosen = name or self.session.last_mixture_simulation()
        return write_report(self.session, chosen, Path(path), with_quotes=with_quotes)

    def export(self, name: str, path: str | Path) -> Path:
        """Write a simulation to a .csv, .parquet or .jsonl file, with a data card beside it.

        The card lists personas, weights, model, seeds and prompt, and the metrics of the latest
        alignment. `Simulation.from_csv`, `from_parquet` and `from_jsonl` read the file.
        """
        frame = None if self.alignment is None else self.alignment.frame
        metrics = None if frame is None else frame.query("method == @name")
        return write_simulation(self.session.simulation(name), Path(path), figures=metrics)

    def answer(self, name: str) -> PopulationAnswer:
        """Return the answer called `name`."""
        return self.session.answer(name)

    def status(self) -> pd.Series:
        """Return what is loaded, fitted, simulated and cached, one row for each."""
        return self.session.status()

    def runs(self) -> Runs:
        """Return the runs in the store, those of other notebooks included."""
        return read_runs(self.store)

    def resume(self, number: int | None = None, *, on_step: OnStep | None = None) -> Any:  # noqa: ANN401  what the verb returns
        """Repeat a run with the same arguments; its finished answers are cached.

        Parameters
        ----------
        number : int, optional
            The run's number in `runs()`; default: the latest unfinished run.
        on_step : callable, optional
            Called with (what, total); returns a callback for each answer.

        Raises
        ------
        DataError
            If there is no such run, if it is still going on, or if this study has other personas,
            records or weights, or another model, than the run used.
        """
        run = self.runs().find(number)
        arguments = resumed_arguments(self.session, run)
        with self.batched() if run.facts.get("batch") else nullcontext():
            return getattr(self, run.verb)(**arguments, on_step=on_step)

    def plan(self, verb: str, *args: Any, **options: Any) -> CostEstimate:  # noqa: ANN401
        """Estimate what a method would cost, without calling a model.

        Parameters
        ----------
        verb : str
            Name of the method: "fit", "simulate", "ask" or "synthesize".
        *args, **options
            Its arguments.

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
        >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "rain", "wind", "sun"] * 30})
        >>> _ = study.use_population(df, context="topic", response="text")
        >>> study.plan("simulate", n=50).calls
        50
        >>> study.store.close()
        """
        twin = copy(self)
        twin.session, backend = cost.dry_run_session(self.session)
        method = getattr(twin, verb, None)
        if verb.startswith("_") or not callable(method):
            raise DataError(
                f"`verb` must be the name of a method, got {verb!r}.",
                hint='Use "fit", "simulate", "ask" or "synthesize".',
            )
        method(*args, **{k: v for k, v in options.items() if k not in {"on_step", "client"}})
        return backend.estimate(verb)

    @contextmanager
    def within(self, usd: float) -> Iterator[Self]:
        """Limit the language model's cost to `usd` US dollars inside a `with` block.

        A call does not start if it could exceed the budget, with calls in flight counted at their
        maximum cost. Finished answers are cached, so running the same cell again continues there.

        Raises
        ------
        BudgetError
            If a run needs more than the budget.
        ModelError
            If the model's price is not known.

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

    @contextmanager
    def batched(self) -> Iterator[Self]:
        """Send the language model's requests as batches inside a `with` block, at half the price.

        The endpoint must have OpenAI's batch API. A verb sends its requests and raises
        `BatchPending`; `resume` collects the answers, within a day, in any process with the same
        store. What failed is sent again, alone.

        Raises
        ------
        DataError
            If the model is not at an endpoint.
        BatchPending
            By a verb inside: its requests are in a batch that is not done.
        """
        with in_batches(self.session):
            yield self

    def plot(self) -> Chart:
        """Draw the latest alignment, or the persona weights if there is none."""
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
        """Open the alignment panel of a simulation, with sliders for the persona weights.

        `simulate(weights="panel")` uses the weights that it shows. The arguments are those of
        `compare`.
        """
        comparison = self.compare(name, random_state=random_state, on_step=on_step)
        return view("panel", (self, comparison))
