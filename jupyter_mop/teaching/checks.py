"""One function for all exercises: `check("2.1", answer)` says in words what is wrong."""

from __future__ import annotations

import difflib

from jupyter_mop.errors import DataError
from jupyter_mop.teaching.exercises import (  # noqa: F401  each brings its questions
    evidence,
    models,
    personas,
    quickstart,
    surveys,
    weights,
)
from jupyter_mop.teaching.verdicts import QUESTIONS, Verdict


def check(number: str, answer: object, **given: object) -> Verdict:
    """Say whether an answer is right, and if not, what is wrong with it.

    Parameters
    ----------
    number : str
        Of the question, such as "2.1".
    answer : object
        What the exercise asks for; `...` where there is none yet.
    **given
        What the answer is about, as the exercise passes it.

    Raises
    ------
    DataError
        If there is no question of this number. A wrong answer raises nothing.

    Examples
    --------
    >>> check("2.2", ...)
    2.2 to do: Wanted: the effective sample size, one number. Put it in the place of the dots.
    >>> check("2.2", 3, weights=[1.0, 1.0, 0.0]).state
    'not yet'
    """
    if number not in QUESTIONS:
        near = difflib.get_close_matches(str(number), QUESTIONS, 1, cutoff=0)
        raise DataError(f"There is no question {number!r}.", hint=f"Did you mean {near[0]!r}?")
    return QUESTIONS[number].verdict(answer, **given)
