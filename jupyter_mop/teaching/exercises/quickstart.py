"""Exercise 1: records, personas, and how to read a table with a human floor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jupyter_mop.backends.toy import split_words
from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.teaching.canteen import WORDS
from jupyter_mop.teaching.parsing import listed, metric_row, overlap
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right

_MIN_WORDS = 2


@question("1.1", "the population that study.use_population returns")
def records(answer: Population, *, frame: object) -> Verdict:
    """Judge which columns are context and response, and that some records are held out."""
    if not isinstance(answer, Population):
        return not_yet(
            f"This is a {type(answer).__name__}: assign what study.use_population returns."
        )
    if answer.response == "meal":
        return not_yet(
            "Here the meal is the response, so a card would be the question and a meal the "
            "answer. The context is known before a guest writes; the response is what they write."
        )
    if answer.response != "card":
        return not_yet(f"The response is {answer.response!r}, but guests write the card.")
    if "card" in answer.context:
        return not_yet("The card is in the context too: the question would contain its answer.")
    if set(answer.context) != {"meal"}:
        return not_yet(
            f"The context is {listed(answer.context)}. A column that does not influence what a "
            "guest writes, such as a row number, makes every record a context of its own."
        )
    total = len(frame)  # type: ignore[arg-type]
    share = 1 - len(answer) / total
    if not 0.2 <= share <= 0.8:  # noqa: PLR2004
        return not_yet(
            f"{share:.0%} of the records are held out. Leave held_out at its default, or near one "
            "half: both learning and comparing need records."
        )
    return right(
        f"{len(answer)} training records; the other {total - len(answer)} are held out until the "
        "comparison."
    )


@question("1.2", "one persona per line, name: description")
def guests(answer: object) -> Verdict:
    """Judge whether each kind of guest has a persona with its words, and only its words."""
    personas = read_personas(answer)
    kinds_of = {persona.name: _kinds(persona) for persona in personas}
    mixed = [name for name, kinds in kinds_of.items() if len(kinds) > 1]
    if mixed:
        return not_yet(
            f"{mixed[0]!r} has the words of {listed(kinds_of[mixed[0]])} at once. A persona has "
            "one weight, so make it one persona per kind."
        )
    unclear = [name for name, kinds in kinds_of.items() if not kinds]
    if unclear:
        return not_yet(
            f"{unclear[0]!r} has at most one word from the cards, so the toy model cannot "
            "distinguish it. This model only knows words: use three that go together."
        )
    found = {kind for kinds in kinds_of.values() for kind in kinds}
    absent = [WORDS[kind] for kind in WORDS if kind not in found]
    if absent:
        return not_yet(
            f"No persona writes about {listed(absent[0])}, but some cards do. The guests who "
            "wrote them are missing from your population, and no weight can bring them back."
        )
    if len(personas) > len(WORDS):
        return right("Every kind of guest is there. One is there twice: the two share its weight.")
    return right("Every kind of guest is there, each with words of its own.")


def missing_kinds(personas: object) -> list[str]:
    r"""Return the kinds of guests that are no persona's main kind.

    Examples
    --------
    >>> missing_kinds("a: portion, plate\nb: queue, fast\nc: price")
    ['green']
    """
    found = {_main_kind(persona) for persona in read_personas(personas)}
    return [kind for kind in WORDS if kind not in found]


def _main_kind(persona: Persona) -> str:
    words = set(split_words(persona.description))
    return max(WORDS, key=lambda kind: len(words & set(WORDS[kind])))


def _kinds(persona: Persona) -> list[str]:
    words = set(split_words(persona.description))
    return [kind for kind, own in WORDS.items() if len(words & set(own)) >= _MIN_WORDS]


@question("1.3", "True or False for each method: whether its MAUVE interval overlaps the floor's")
def level(answer: Mapping[str, bool], *, alignment: Alignment) -> Verdict:
    """Judge whether the intervals of a table are compared correctly with the floor's."""
    methods = list(dict.fromkeys(alignment.frame["method"]))
    absent = [name for name in methods if not isinstance(answer.get(name), bool | np.bool_)]
    if absent:
        return not_yet(f"Answer True or False for {absent[0]!r} too.")
    for name in methods:
        row = metric_row(alignment.frame, name, "MAUVE")
        low, high = float(row["low"]), float(row["high"])
        floor = float(row["floor_low"]), float(row["floor_high"])
        if overlap((low, high), floor) != answer[name]:
            return not_yet(
                f"Look at {name!r} again: its interval is {low:.3f} to {high:.3f}, the floor's is "
                f"{floor[0]:.3f} to {floor[1]:.3f}. "
                f"They {'do not overlap' if answer[name] else 'overlap'}."
            )
    different = [name for name in methods if not answer[name]]
    return right(
        f"Only for {listed(different)} does this table show a distance from real cards. For the "
        "others it shows none, which does not mean that there is none."
        if different
        else "All intervals overlap the floor's: so few cards cannot distinguish the methods."
    )
