"""What "learned", "uniform", "stated" and "panel" mean as persona weights in a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from jupyter_mop.backends.protocols import OnStep
from jupyter_mop.engine.data.persona_weights import LEARNED, STATED, UNIFORM, Weights
from jupyter_mop.engine.data.personas import persona_shares
from jupyter_mop.engine.data.population import Population, check_enough_records
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.survey.asking import ask, asked_population, distinct_contexts
from jupyter_mop.engine.survey.calibrated.calibration import calibrate
from jupyter_mop.engine.survey.calibrated.similar_respondents import (
    set_apart,
    similar_respondents,
)
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.learned_weights import learn_weights
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import read_answers
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.study.session import Session


def current_weights(session: Session) -> dict[str, float]:
    """Return the default persona weights of a simulation: learned, or else stated."""
    personas, mixture = session.require_personas(), session.fitted_mixture
    values = mixture.persona_weights() if mixture else persona_shares(personas)
    return {p.name: float(w) for p, w in zip(personas, values, strict=True)}


def require_fit(session: Session) -> MixtureOfPersonas:
    """Return the fitted mixture, or raise a NotFittedError."""
    if session.fitted_mixture is None:
        raise NotFittedError(
            "There is nothing to learn weights from: the population's responses are not the "
            "options, and no mixture has been fitted.",
            hint="Use --weights uniform, or run %mop_fit first.",
        )
    return session.fitted_mixture


def reweighted(session: Session, name: str, weights: Weights) -> Simulation:
    """Return a simulation under other weights.

    Shares by name change persona weights only; words such as "learned" change exemplar weights too.
    """
    simulation, chosen = session.simulation(name), session.with_panel(weights)
    if isinstance(chosen, Mapping):
        return simulation.reweight(chosen)
    if session.mixture is None:
        raise NotFittedError(
            f"The mixture that made {name!r} no longer exists: personas, records or model changed.",
            hint="Give shares, as in critic=0.4, or simulate again.",
        )
    return simulation.reweight(log_prob=session.mixture.draw_log_prob(simulation, chosen))


def check(
    session: Session, question: Question, known: Population | None, options: ElicitationOptions
) -> None:
    """Check that a question with these real answers can be asked, with no model call.

    Raises
    ------
    DataError
        If its text uses no context column, or there are too few real answers to learn from or to
        show.
    NotFittedError
        If there is nothing to learn weights from.
    """
    PromptTemplate(question.text).check(map(str, session.comparison_target.context))
    if _question_weights(session, options, known) == LEARNED:
        if known is None:
            require_fit(session)
        else:
            check_enough_records(int(np.count_nonzero(known.weights)))
    if options.n_exemplars:
        _people_to_show(session, known, options)


def answer(
    session: Session,
    question: Question,
    options: ElicitationOptions,
    *,
    name: str,
    on_step: OnStep | None = None,
) -> PopulationAnswer:
    """Return the answer to a question in the held-out contexts, under the weights of `options`."""
    ask_contexts = partial(
        ask,
        question,
        personas=None if options.baseline == "plain" else session.require_personas(),
        backend=session.backend,
        options=options,
        encoder=session.encoder_for(options),
        on_step=on_step,
    )
    found = _answer(session, question, options, ask_contexts)
    return replace(found, name=name)


def _answer(
    session: Session,
    question: Question,
    options: ElicitationOptions,
    ask_contexts: Callable[..., PopulationAnswer],
) -> PopulationAnswer:
    target = session.comparison_target
    asked, set_aside = asked_population(session.require_population(), question, options)
    known = read_answers(asked, question)
    weights = _question_weights(session, options, known)
    if weights == LEARNED and known is not None:
        learned = _learn(session, ask_contexts, known, options)
        if session.target is None:  # the held-out contexts are the training ones
            return learned
        return replace(learned, set_aside=dict(Counter(learned.set_aside) + Counter(set_aside)))
    if options.n_exemplars:
        ask_contexts, _ = _with_exemplars(session, ask_contexts, known, options)
    if weights != LEARNED:
        return ask_contexts(target, weights=weights)
    asked, _ = asked_population(target, question, options)
    shares = require_fit(session).persona_weights(asked.take(distinct_contexts(asked)))
    return ask_contexts(target, weights=UNIFORM).reweighted(shares, weights_label=LEARNED)


def _learn(
    session: Session,
    ask_contexts: Callable[..., PopulationAnswer],
    known: Population,
    options: ElicitationOptions,
) -> PopulationAnswer:
    """Return the answer learned from real answers, beside the same without exemplars."""
    way: Callable[..., PopulationAnswer] = _calibrated if options.calibrated else _learned
    learn = partial(way, session, random_state=options.random_state)
    if not options.n_exemplars:
        return learn(ask_contexts, known)
    with_exemplars, others = _with_exemplars(session, ask_contexts, known, options)
    if not options.calibrated:
        return learn(with_exemplars, others)
    return learn(with_exemplars, others, without_exemplars=learn(ask_contexts, known))


def _with_exemplars(
    session: Session,
    ask_contexts: Callable[..., PopulationAnswer],
    known: Population | None,
    options: ElicitationOptions,
) -> tuple[Callable[..., PopulationAnswer], Population]:
    """Return the function that asks with exemplars in the prompts, and the other real answers."""
    people = _people_to_show(session, known, options)
    others, shown = set_apart(people, random_state=options.random_state)
    exemplars = similar_respondents(
        shown, options.n_exemplars, session.encoder, random_state=options.random_state
    )
    return partial(ask_contexts, exemplars=exemplars), others


def _people_to_show(
    session: Session, known: Population | None, options: ElicitationOptions
) -> Population:
    """Return the real answers; raise a DataError if there are none to show and hold out."""
    if known is None or session.target is None:
        raise DataError(
            f"`n_exemplars` (--exemplars) is {options.n_exemplars}, but the population has no "
            "answers to this question to show and hold out.",
            hint="Leave it out, or use a population that answered the question.",
        )
    return known


def _calibrated(
    session: Session,
    ask_contexts: Callable[..., PopulationAnswer],
    known: Population,
    *,
    without_exemplars: PopulationAnswer | None = None,
    random_state: int,
) -> PopulationAnswer:
    """Return the answer in the held-out contexts, calibrated on the training records."""
    ask_plainly = partial(ask_contexts, personas=None, exemplars=None)
    pairs = [
        (ask_contexts(people, weights=UNIFORM), ask_plainly(people))
        for people in ((known,) if session.target is None else (known, session.target))
    ]
    return calibrate(
        *pairs[0],
        session.require_personas(),
        session.encoder,
        target=None if session.target is None else pairs[1],
        without_exemplars=without_exemplars,
        random_state=random_state,
    )


def _learned(
    session: Session,
    ask_contexts: Callable[..., PopulationAnswer],
    known: Population,
    *,
    random_state: int,
) -> PopulationAnswer:
    """Return the uncalibrated answer with weights learned from the training records."""
    train = ask_contexts(known, weights=UNIFORM)
    assert train.real is not None  # noqa: S101  checked by the caller
    return learn_weights(
        train,
        train.real,
        session.require_personas(),
        session.encoder,
        target=ask_contexts(session.comparison_target, weights=UNIFORM),
        random_state=random_state,
    )


def _question_weights(
    session: Session, options: ElicitationOptions, known: Population | None
) -> Weights:
    """Return the weights to answer with; default: learned if possible, else stated."""
    if options.baseline:
        return UNIFORM
    chosen = session.with_panel(options.weights)
    if chosen is not None:
        return chosen
    return LEARNED if session.fitted_mixture or known is not None else STATED
