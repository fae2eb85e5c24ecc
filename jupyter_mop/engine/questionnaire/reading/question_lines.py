"""Several closed questions as text: one line a question, or YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from jupyter_mop.engine.survey.question import KINDS, SEPARATOR, Question
from jupyter_mop.errors import DataError

_LINE = re.compile(r"(?P<name>[^:\[\]]+?)\s*(?:\[(?P<kind>[^\]]*)\])?\s*:\s*(?P<text>.+)")
_KEYS = {"text", "options", "kind", "last", "exclusive", "separator"}
EXAMPLE = "Write name: text | option | option, or name [scale]: text | option | option."


def read_questions(text: str) -> dict[str, Question]:
    r"""Return the questions that a text lists, by name.

    Parameters
    ----------
    text : str
        One question a line, `name [kind]: text | option | option`; the kind is single, scale or
        multiple. Or YAML: a mapping from names to text, options, kind, last and exclusive. Empty
        lines and lines that begin with # are ignored.

    Raises
    ------
    DataError
        If there are no questions, a line cannot be read, or two questions have one name.

    Examples
    --------
    >>> found = read_questions("vote: Whom? | Clinton | Dole\nself [scale]: You? | left | right")
    >>> found["self"].kind, found["vote"].options
    ('scale', ('Clinton', 'Dole'))
    >>> read_questions("tea:\n  text: Tea?\n  options: [never, often]\n  kind: scale")["tea"].text
    'Tea?'
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise DataError("There are no questions.", hint=EXAMPLE)
    if not all(SEPARATOR in line for line in lines):
        return _from_yaml(text, lines)
    found: dict[str, Question] = {}
    for line in lines:
        name, question = _read_line(line)
        if name in found:
            raise _twice(name)
        found[name] = question
    return found


def escaped(text: str) -> str:
    """Return a text as a template that shows it: braces are doubled."""
    return text.replace("{", "{{").replace("}", "}}")


def _read_line(line: str) -> tuple[str, Question]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise DataError(f"The line {line[:60]!r} is not a question.", hint=EXAMPLE)
    text, *options = (part.strip() for part in match["text"].split(SEPARATOR))
    return match["name"].strip(), Question(text, options, (match["kind"] or KINDS[0]).strip())


def _from_yaml(text: str, lines: list[str]) -> dict[str, Question]:
    try:
        names = [line for line in text.splitlines() if re.match(r"[^\s#].*:\s*$", line)]
        facts = yaml.safe_load(text)
    except yaml.YAMLError:
        facts = None
    if not isinstance(facts, Mapping):
        wrong = next(line for line in lines if SEPARATOR not in line)
        raise DataError(f"The line {wrong[:60]!r} is not a question.", hint=EXAMPLE)
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise _twice(twice.rstrip(": "))
    return {str(name): _from_facts(str(name), given) for name, given in facts.items()}


def _from_facts(name: str, facts: Any) -> Question:  # noqa: ANN401  what YAML has
    if not isinstance(facts, Mapping) or not {"text", "options"} <= set(facts):
        raise DataError(
            f"The question {name!r} needs a text and options.",
            hint=f"{EXAMPLE} In YAML: {name}: {{text: ..., options: [...]}}.",
        )
    unknown = sorted(set(map(str, facts)) - _KEYS)
    if unknown:
        raise DataError(
            f"The question {name!r} has an unknown entry {unknown[0]!r}.",
            hint=f"Use {', '.join(sorted(_KEYS))}.",
        )
    return Question(**{str(key): value for key, value in facts.items()})


def _twice(name: str) -> DataError:
    return DataError(
        f"Two questions are named {name!r}.", hint="Give each question a name of its own."
    )
