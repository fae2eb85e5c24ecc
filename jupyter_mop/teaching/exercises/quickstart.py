"""Exercise 1: records, personas, and how to read a table with a floor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jupyter_mop.backends.toy import split_words
from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.teaching.canteen import WORDS
from jupyter_mop.teaching.parsing import figure, listed, overlap
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right

_ENOUGH_WORDS = 2


@question("1.1", "the population that study.use_population returns")
def records(answer: Population, *, frame: object) -> Verdict:
    """Judge which columns are context and response, and that some records are held out."""
    if not isinstance(answer, Population):
        return not_yet(f"A {type(answer).__name__} came: keep what study.use_population returns.")
    if answer.response == "meal":
        return not_yet(
            "Here the meal is the response, so cards would be asked and meals answered. The "
            "context is what is known before anybody writes; the response is what they write."
        )
    if answer.response != "card":
        return not_yet(f"The response is {answer.response!r}, and guests wrote the card.")
    if "card" in answer.context:
        return not_yet("The card stands in the context too: the question would hold its answer.")
    if set(answer.context) != {"meal"}:
        return not_yet(
            f"The context is {listed(answer.context)}. A column that says nothing about what a "
            "guest may write, such as a row number, makes every record a context of its own."
        )
    total = len(frame)  # type: ignore[arg-type]
    share = 1 - len(answer) / total
    if not 0.2 <= share <= 0.8:  # noqa: PLR2004
        return not_yet(
            f"{share:.0%} of the records are held out. Leave held_out alone, or near one half: "
            "both learning and comparing need records."
        )
    return right(
        f"{len(answer)} records to learn from; the other {total - len(answer)} are looked at by "
        "nobody until the comparison."
    )


@question("1.2", "one persona a line, name: description")
def guests(answer: object) -> Verdict:
    """Judge whether each kind of guest has a persona that speaks like it, and like it alone."""
    personas = read_personas(answer)
    spoken = {persona.name: _kinds(persona) for persona in personas}
    mixed = [name for name, kinds in spoken.items() if len(kinds) > 1]
    if mixed:
        return not_yet(
            f"{mixed[0]!r} speaks like {listed(spoken[mixed[0]])} at once. A weight can only be "
            "moved for the whole persona, so make two of it."
        )
    idle = [name for name, kinds in spoken.items() if not kinds]
    if idle:
        return not_yet(
            f"{idle[0]!r} names at most one word that stands on the cards, so the toy model cannot "
            "tell it from anybody. This model reads words only: name three that go together."
        )
    found = {kind for kinds in spoken.values() for kind in kinds}
    absent = [WORDS[kind] for kind in WORDS if kind not in found]
    if absent:
        return not_yet(
            f"Nobody writes about {listed(absent[0])}, and some cards do. Whoever wrote those is "
            "missing from your population, and no weight can bring them back."
        )
    if len(personas) > len(WORDS):
        return right("Every kind of guest is there, one of them twice: it shares its weight.")
    return right("Every kind of guest is there, each with words of its own.")


def missing_kinds(personas: object) -> list[str]:
    r"""Return the kinds of guests that no persona speaks like for the most part.

    Examples
    --------
    >>> missing_kinds("a: portion, plate\nb: queue, fast\nc: price")
    ['green']
    """
    found = {_main_kind(persona) for persona in read_personas(personas)}
    return [kind for kind in WORDS if kind not in found]


def _main_kind(persona: Persona) -> str:
    said = set(split_words(persona.description))
    return max(WORDS, key=lambda kind: len(said & set(WORDS[kind])))


def _kinds(persona: Persona) -> list[str]:
    said = set(split_words(persona.description))
    return [kind for kind, words in WORDS.items() if len(said & set(words)) >= _ENOUGH_WORDS]


@question("1.3", "True or False for each method: do its MAUVE interval and the floor's overlap")
def level(answer: Mapping[str, bool], *, alignment: Alignment) -> Verdict:
    """Judge whether the intervals of a table are read rightly against the floor's."""
    methods = list(dict.fromkeys(alignment.frame["method"]))
    absent = [name for name in methods if not isinstance(answer.get(name), bool | np.bool_)]
    if absent:
        return not_yet(f"True or False is wanted for {absent[0]!r} too.")
    for name in methods:
        row = figure(alignment.frame, name, "MAUVE")
        low, high = float(row["low"]), float(row["high"])
        floor = float(row["floor_low"]), float(row["floor_high"])
        if overlap((low, high), floor) != answer[name]:
            told = (
                f"Look at {name!r} again: its interval is {low:.3f} to {high:.3f}, the floor's "
                f"{floor[0]:.3f} to {floor[1]:.3f}"
            )
            return not_yet(
                f"{told}. They {'do not touch' if answer[name] else 'have values in common'}."
            )
    apart = [name for name in methods if not answer[name]]
    return right(
        f"Only of {listed(apart)} does this table show a distance from real cards. For the others "
        "it shows none, which is not the same as that there is none."
        if apart
        else "All intervals touch the floor's: with so few cards the table tells nothing apart."
    )
