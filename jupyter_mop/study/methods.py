"""Try each way to an answer that the model supports, and compare them."""

from __future__ import annotations

from dataclasses import replace

from jupyter_mop.backends.protocols import OnStep
from jupyter_mop.engine.survey.asking import asked_population
from jupyter_mop.engine.survey.calibrated.method_comparison import (
    MethodComparison,
    Tried,
    compare_methods,
)
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions, supported_methods
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import read_answers
from jupyter_mop.errors import DataError, ModelError
from jupyter_mop.study import weights
from jupyter_mop.study.session import Session


def compared_methods(
    session: Session, question: Question, options: ElicitationOptions, *, on_step: OnStep | None
) -> MethodComparison:
    """Return the comparison of all methods that the model supports, on held-out people.

    Raises
    ------
    DataError
        If no people are held out who answered this question.
    ModelError
        If every method fails.
    """
    train = session.require_population()
    held_out, _ = asked_population(session.comparison_target, question, options)
    people = None if session.target is None else read_answers(held_out, question)
    if people is None:
        raise DataError(
            "Methods are compared by held-out people who answered this question, and there are "
            "none.",
            hint="Use a population whose responses are the options, or choose a --method.",
        )
    tried = {
        method: _tried(session, question, replace(options, method=method), on_step)
        for method in supported_methods(session.backend)
    }
    if all(each.answer is None for each in tried.values()):
        failures = "; ".join(f"{method}: {each.failure}" for method, each in tried.items())
        raise ModelError(f"No method gave an answer. {failures}", hint="Use another model.")
    return compare_methods(
        tried, people, n_train=train.effective_size, random_state=options.random_state
    )


def _tried(
    session: Session, question: Question, options: ElicitationOptions, on_step: OnStep | None
) -> Tried:
    """Return the answer by the method of `options` and its cost; or why there is none."""
    before, answer, failure = session.backend.usage, None, ""
    try:
        answer = weights.answer(session, question, options, name=options.method, on_step=on_step)
    except ModelError as error:
        failure = error.message
    used = session.backend.usage - before
    n_tokens = used.tokens_in + used.tokens_out
    return Tried(answer, used.calls + used.hits, used.calls, n_tokens, used.seconds, failure)
