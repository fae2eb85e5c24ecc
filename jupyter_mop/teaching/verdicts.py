"""Verdicts on exercise answers: right, not yet or to do, each with a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jupyter_mop.charts.style.html_table import note

RIGHT, NOT_YET, TO_DO = "right", "not yet", "to do"
MAX_ERROR_LENGTH = 200


@dataclass(frozen=True)
class Verdict:
    """The verdict on one answer of an exercise.

    Attributes
    ----------
    state : {"right", "not yet", "to do"}
    text : str
        The reason, and what to look at next.
    number : str
        Number of the question, such as "2.1".

    Examples
    --------
    >>> Verdict("not yet", "The shares sum to 1.2.", "2.1")
    2.1 not yet: The shares sum to 1.2.
    """

    state: str
    text: str
    number: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the answer is right."""
        return self.state == RIGHT

    def __repr__(self) -> str:
        return f"{self.number} {self.state}: {self.text}".strip()

    def _repr_html_(self) -> str:
        return note(f"{self.number} {self.state}:", self.text)


def right(text: str) -> Verdict:
    """Return the verdict on a right answer, with what it means."""
    return Verdict(RIGHT, text)


def not_yet(text: str) -> Verdict:
    """Return the verdict on a wrong answer, with what is wrong."""
    return Verdict(NOT_YET, text)


@dataclass(frozen=True)
class ExerciseQuestion:
    """A question of an exercise.

    Attributes
    ----------
    number : str
        Such as "2.1".
    expected : str
        Description of the answer that the question asks for.
    judge : callable
        Takes the answer and what it is about; returns a verdict.
    """

    number: str
    expected: str
    judge: Callable[..., Verdict]

    def verdict(self, answer: object, **given: object) -> Verdict:
        """Judge an answer; a missing or unreadable answer gets a verdict too, never an error."""
        if answer is ... or answer is None:
            return Verdict(
                TO_DO, f"Replace the dots with your answer: {self.expected}.", self.number
            )
        try:
            found = self.judge(answer, **given)
        except Exception as error:  # noqa: BLE001  a student may answer anything
            reason = str(error).split("\n")[0][:MAX_ERROR_LENGTH] or type(error).__name__
            found = not_yet(f"The answer cannot be read ({reason}). Expected: {self.expected}.")
        return replace(found, number=self.number)


QUESTIONS: dict[str, ExerciseQuestion] = {}


def question(
    number: str, expected: str
) -> Callable[[Callable[..., Verdict]], Callable[..., Verdict]]:
    """Return a decorator that registers a function as the judge of a question."""

    def register(judge: Callable[..., Verdict]) -> Callable[..., Verdict]:
        QUESTIONS[number] = ExerciseQuestion(number, expected, judge)
        return judge

    return register
