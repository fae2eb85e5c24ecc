"""Several closed questions as text: one line a question, or YAML."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from jupyter_mop.engine.survey.question import KINDS, SEPARATOR, Question
from jupyter_mop.errors import DataError

# "at 10:30" and "https://" are no names.
_LINE = re.compile(
    r"(?P<name>[^:\[\]|]+?)\s*(?:\[(?P<kind>[^\]]*)\])?\s*:(?!//|(?<=\d:)\d)\s*(?P<text>.*)"
)
_LISTS = {"options", "last"}
_KEYS = {"text", "kind", "exclusive", "separator", *_LISTS}
_MIN_OPTIONS = 2
EXAMPLE = "Write name: text | option | option, or name [scale]: text | option | option."


class _TextLoader(yaml.SafeLoader):
    """Reads every value as the text that was written, such as no and 2.0; only << is special."""

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # noqa: RUF012


def read_questions(text: str) -> dict[str, Question]:
    r"""Return the questions that a text lists, by name.

    Parameters
    ----------
    text : str
        One question a line, `name [kind]: text | option | option`; the kind is single, scale or
        multiple. A long line can be wrapped before or after a `|`, or before the first one. Or
        YAML: a mapping from names to text, options, kind, last, exclusive and separator; every
        value stays the text that was written. Empty lines and lines that begin with # are ignored.

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
    lines = _joined(text)
    if not lines:
        raise DataError("There are no questions.", hint=EXAMPLE)
    if _is_yaml(text) or not all(SEPARATOR in line for line in lines):
        return _from_yaml(text, lines)
    found: dict[str, Question] = {}
    for line in lines:
        name, question = _read_line(line)
        if name in found:
            raise _twice(name)
        found[name] = question
    return found


def lists_questions(text: str, *, has_options: bool = False) -> bool:
    r"""Return whether a text lists questions with their options; if not, it is one question.

    It does if every line, wrapped ones joined, has a name, a colon and at least two options, or if
    it is the YAML of `read_questions`.

    Parameters
    ----------
    text : str
    has_options : bool
        Whether the options are given elsewhere. Then a text with other lines is one question.

    Raises
    ------
    DataError
        If only some lines are questions with options, a line has a `|` but no name and two options,
        or the text is a single line that may be either: several words before its colon may be a
        name, or the question.

    Examples
    --------
    >>> lists_questions("vote: Whom? | Clinton\n  | Dole"), lists_questions("Dear voter: whom?")
    (True, False)
    """
    if _is_yaml(text):
        return True
    lines = _joined(text)
    others = [line for line in lines if not _is_question(line)]
    is_list = len(others) < len(lines)
    if others and has_options:
        return False
    wrong = others if is_list else [line for line in others if SEPARATOR in line]
    if wrong:
        raise DataError(
            f"The line {wrong[0][:60]!r} is no question with a name and at least two options.",
            hint=f"{EXAMPLE} For one question: --options.",
        )
    if not is_list:
        return False
    match = _LINE.fullmatch(lines[0])
    if match and len(lines) == 1 and match["kind"] is None and " " in match["name"]:
        if has_options:
            return False
        raise DataError(
            f"Cannot tell whether {match['name'][:60]!r} is the question's name or a part of its "
            "text.",
            hint="Use one word as the name, or give the options with --options.",
        )
    return True


def escaped(text: str) -> str:
    """Return a text as a template that shows it: braces are doubled."""
    return text.replace("{", "{{").replace("}", "}}")


def _joined(text: str) -> list[str]:
    """Return the lines without comments; one that continues the line above is joined to it."""
    joined: list[str] = []
    for line in textwrap.dedent(text).splitlines():
        part = line.strip()
        if not part or part.startswith("#"):
            continue
        if joined and _continues(line, joined[-1]):
            joined[-1] = f"{joined[-1]} {part}"
        else:
            joined.append(part)
    return joined


def _continues(line: str, above: str) -> bool:
    """Return whether a line continues the question above: it has no name and no end is between."""
    if _is_question(line.strip()) or not _LINE.fullmatch(above):
        return False
    is_named = _LINE.fullmatch(line.strip()) is not None
    is_open = SEPARATOR in line or SEPARATOR not in above or above.endswith(SEPARATOR)
    return line[0].isspace() or (not is_named and is_open)


def _is_question(line: str) -> bool:
    match = _LINE.fullmatch(line)
    return match is not None and match["text"].count(SEPARATOR) >= _MIN_OPTIONS


def _is_yaml(text: str) -> bool:
    """Return whether a text is YAML in which a name has a text and options, or means to be."""
    if all(re.search(rf"(?m)^[ \t]+{key}[ \t]*:", text) for key in ("text", "options")):
        return True
    try:
        facts = yaml.safe_load(textwrap.dedent(text))
    except yaml.YAMLError:
        return False
    values = facts.values() if isinstance(facts, Mapping) else ()
    return any(isinstance(value, Mapping) and {"text", "options"} <= set(value) for value in values)


def _read_line(line: str) -> tuple[str, Question]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise DataError(f"The line {line[:60]!r} is not a question.", hint=EXAMPLE)
    text, *options = (part.strip() for part in match["text"].split(SEPARATOR))
    name, kind = match["name"].strip(), (match["kind"] or KINDS[0]).strip()
    return name, _question(name, text=text, options=options, kind=kind)


def _from_yaml(text: str, lines: list[str]) -> dict[str, Question]:
    try:
        names = [line for line in text.splitlines() if re.match(r"[^\s#].*:\s*$", line)]
        facts = yaml.load(text, _TextLoader)  # noqa: S506  a SafeLoader
    except yaml.YAMLError:
        facts = None
    if not isinstance(facts, Mapping):
        wrong = next((line for line in lines if SEPARATOR not in line), lines[0])
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
    for key, value in facts.items():
        kind, what = (list, "a list of texts") if key in _LISTS else (str, "a text")
        if not isinstance(value, kind) or not all(isinstance(part, str) for part in value):
            raise DataError(
                f"`{key}` of the question {name!r} must be {what}, got {value!r}.",
                hint="In YAML: options: [first, second].",
            )
    return _question(name, **facts)


def _question(name: str, **facts: Any) -> Question:  # noqa: ANN401  the arguments of a Question
    """Return the question; a DataError names it."""
    try:
        return Question(**facts)
    except DataError as error:
        raise DataError(f"Question {name!r}: {error.message}", hint=error.hint) from None


def _twice(name: str) -> DataError:
    return DataError(
        f"Two questions are named {name!r}.", hint="Give each question a name of its own."
    )
