"""Ask several closed questions, each with the real answers of its own column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from jupyter_mop.backends.protocols import OnStep
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.asking import asked_population
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import read_answers
from jupyter_mop.errors import BatchPending, DataError
from jupyter_mop.study import cost, weights
from jupyter_mop.study.session import Session


def answers_by_name(
    session: Session,
    questions: Mapping[str, Question],
    options: ElicitationOptions,
    *,
    on_step: OnStep | None = None,
) -> Iterator[PopulationAnswer]:
    """Yield the answer to each question as soon as it is known.

    All questions are checked before the first is asked. In batches, the requests of all questions
    are sent before the run stops to wait for them.

    Raises
    ------
    DataError
        If there are no questions, or one of them cannot be asked, such as one whose real answers
        are not its options.
    BatchPending
        If requests are in batches that are not done.
    """
    if not questions:
        raise DataError(
            "There are no questions.", hint='Pass {"vote": Question("Vote?", ["yes", "no"])}.'
        )
    for name, question in questions.items():
        _check(session, name, question, options)
    pending: BatchPending | None = None
    for name, question in questions.items():
        try:
            yield _answer(session, name, question, options, on_step)
        except BatchPending as sent:
            pending = pending or sent
    if pending is not None:
        raise pending


def _answer(
    session: Session,
    name: str,
    question: Question,
    options: ElicitationOptions,
    on_step: OnStep | None,
) -> PopulationAnswer:
    before = session.backend.usage
    named = on_step and (lambda what, total: on_step(f"{name}: {what}", total))
    with session.answering(name):
        answer = weights.answer(session, question, options, name=name, on_step=named)
    return replace(answer, column=name, cost=cost.cost_since(session, before))


def _check(session: Session, name: str, question: Question, options: ElicitationOptions) -> None:
    """Raise a DataError that names the question if it cannot be asked with its own column."""
    if not isinstance(question, Question):
        raise DataError(
            f"Question {name!r} must be a Question with its options, got {question!r}.",
            hint='Write Question("Vote?", ["yes", "no"]).',
        )
    with session.answering(name):
        try:
            known = _real_answers(name, question, session.require_population(), options)
            if session.target is not None:
                _real_answers(name, question, session.target, options)
            weights.check(session, question, known, options)
        except DataError as error:
            raise DataError(f"Question {name!r}: {error.message}", hint=error.hint) from None


def _real_answers(
    name: str, question: Question, people: Population, options: ElicitationOptions
) -> Population | None:
    """Return the answers in the question's column; None if there is no such column.

    Raises
    ------
    DataError
        If the column has answers to another question, or no weight above zero.
    """
    asked, _ = asked_population(people, question, options)
    asked.weights  # noqa: B018  raises where all are zero
    known = read_answers(asked, question)
    if known is None and not people.is_unanswered:
        raise DataError(
            f"Fewer than half of the answers in the column {name!r} are options of the question: "
            f"{list(question.options)}.",
            hint="Correct the options, or give the question another name to ask it without real "
            "answers.",
        )
    return known
