"""One function for all exercises: `check("2.1", answer)` explains what is wrong."""

from __future__ import annotations

import difflib

from jupyter_mop.errors import DataError
from jupyter_mop.teaching.exercises import (  # noqa: F401  each registers its questions
    evaluation,
    models,
    personas,
    quickstart,
    surveys,
    weights,
)
from jupyter_mop.teaching.verdicts import QUESTIONS, Verdict


def check(number: str, answer: object, **given: object) -> Verdict:
    """Check the answer to a question of the course, and explain what is wrong with it.

    Parameters
    ----------
    number : str
        Number of the question, such as "2.1".
    answer : object
        The answer that the exercise asks for; `...` if there is none yet.
    **given
        What the answer is about, as the exercise passes it.

    Raises
    ------
    DataError
        If there is no question with this number. A wrong answer raises no error.

    Examples
    --------
    >>> check("2.2", ...)
    2.2 to do: Replace the dots with your answer: the effective sample size, one number.
    >>> check("2.2", 3, weights=[1.0, 1.0, 0.0]).state
    'not yet'
    """
    if number not in QUESTIONS:
        near = difflib.get_close_matches(str(number), QUESTIONS, 1, cutoff=0)
        raise DataError(f"There is no question {number!r}.", hint=f"Did you mean {near[0]!r}?")
    return QUESTIONS[number].verdict(answer, **given)
