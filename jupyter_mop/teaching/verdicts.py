"""What a check says: right, not yet or still to do, and why, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jupyter_mop.charts.style.html_table import note

RIGHT, NOT_YET, TO_DO = "right", "not yet", "to do"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one answer of an exercise.

    Attributes
    ----------
    state : {"right", "not yet", "to do"}
    text : str
        Why, in words, and what to look at next.
    number : str
        Of the question.

    Examples
    --------
    >>> Verdict("not yet", "They sum to 1.2.", "2.1")
    2.1 not yet: They sum to 1.2.
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
class Asked:
    """A question of an exercise: what is asked for, and who judges the answer."""

    number: str
    wanted: str
    judge: Callable[..., Verdict]

    def verdict(self, answer: object, **given: object) -> Verdict:
        """Judge an answer; one that is missing or unreadable is told so, never raised."""
        if answer is ... or answer is None:
            return Verdict(
                TO_DO, f"Wanted: {self.wanted}. Put it in the place of the dots.", self.number
            )
        try:
            found = self.judge(answer, **given)
        except Exception as error:  # noqa: BLE001  whatever a student may answer
            told = str(error).split("\n")[0][:200] or type(error).__name__
            found = not_yet(f"The answer cannot be read ({told}). Expected: {self.wanted}.")
        return replace(found, number=self.number)


QUESTIONS: dict[str, Asked] = {}


def question(
    number: str, wanted: str
) -> Callable[[Callable[..., Verdict]], Callable[..., Verdict]]:
    """Return a decorator that makes a function the judge of the question of this number."""

    def keep(judge: Callable[..., Verdict]) -> Callable[..., Verdict]:
        QUESTIONS[number] = Asked(number, wanted, judge)
        return judge

    return keep
