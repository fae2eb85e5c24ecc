"""Prompts for responses: persona, exemplars and the question as chat messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.errors import DataError

QUOTE = '"'
# A doubled brace, a column in quotes, a column, a single brace, or text between these.
_PART = re.compile(r'{{|}}|{"((?:[^"]|"")*)"}|{([^{}]*)}|[{}]|[^{}]+')
_BRACED = re.compile(r"\{([^{}\0]*)\}")
_BRACES = frozenset("{}")


@dataclass(frozen=True)
class PromptTemplate:
    """A question with `{column}` placeholders for the context columns of a population.

    Parameters
    ----------
    text : str
        For example "Write one sentence of a {sentiment} film review." A name is everything
        between the braces, such as `{Q1.1}` or `{Age, in years}`; one with braces is written in
        quotes, `{"Q1 {a}"}`. Write `{{` or `}}` for a literal brace.

    Attributes
    ----------
    columns : frozenset of str
        The context columns in the text.

    Raises
    ------
    DataError
        If the template is empty, a placeholder has no name or a brace is single.

    Examples
    --------
    >>> template = PromptTemplate("Say a {mood} word.")
    >>> prompt = template.render({"mood": "happy"}, persona=Persona("a", "You sing."))
    >>> [(m.role, m.content) for m in prompt.messages]
    [('system', 'You sing.'), ('user', 'Say a happy word.')]
    """

    text: str
    columns: frozenset[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Check the text and find its columns."""
        text = self.text.strip()
        if not text:
            raise DataError(
                "The prompt template is empty.",
                hint="Write the question, with {column} placeholders.",
            )
        object.__setattr__(self, "text", text)
        columns = frozenset(column for _, column in _parts(text) if column is not None)
        object.__setattr__(self, "columns", columns)

    def check(self, available: Iterable[str]) -> None:
        """Raise a DataError if the text uses a column that is not `available`.

        So it does if a column is in doubled braces, as in Jinja, which would not be filled in.
        """
        names = list(available)
        literal = "".join(text + "\0" * (name is not None) for text, name in _parts(self.text))
        for braced in _BRACED.finditer(literal):
            written = braced[1].partition("|")[0].strip().casefold()
            for name in names:
                if written and name.casefold() == written:
                    raise DataError(
                        f"The template has {{{braced[0]}}}, which the model reads as "
                        f"{braced[0]}: doubled braces are literal braces.",
                        hint=f"Write {placeholder(name)} for the column {name!r}.",
                    )
        absent = sorted(self.columns - set(names))
        if absent:
            near = difflib.get_close_matches(absent[0], names, 1)
            raise DataError(
                f"The template uses {placeholder(absent[0])}, which is not a context column; "
                f"the columns are {', '.join(map(repr, names))}.",
                hint=f"Did you mean {placeholder(near[0])}?"
                if near
                else "Use one of these columns, or add the column to --context.",
            )

    def render(
        self,
        record: Mapping[str, str],
        *,
        persona: Persona | Sequence[Persona] | None = None,
        exemplars: Sequence[Exemplar] = (),
        instructions: str = "",
    ) -> Prompt:
        """Return the prompt: persona, exemplars as earlier turns, question and instructions.

        Parameters
        ----------
        record : mapping
            The context columns.
        persona : Persona or sequence of Persona, optional
            The descriptions are the system message, see `system_message`.
        exemplars : sequence of Exemplar
            Each is a question and its response, the last one nearest the question.
        instructions : str
            Text below the question.
        """
        personas = [persona] if isinstance(persona, Persona) else persona or []
        system = system_message([each.description for each in personas])
        messages = [Message("system", system)] if system else []
        for exemplar in exemplars:
            messages += [
                Message("user", self.question(exemplar.record)),
                Message("assistant", exemplar.response),
            ]
        question = "\n".join(filter(None, (self.question(record), instructions)))
        return Prompt((*messages, Message("user", question)))

    def question(self, record: Mapping[str, str]) -> str:
        """Return the text with the columns of `record` filled in."""
        return "".join(
            part if column is None else record[column] for part, column in _parts(self.text)
        )


def system_message(descriptions: Sequence[str]) -> str:
    r"""Return the system message of the personas in one prompt, a paragraph for each.

    Examples
    --------
    >>> system_message(["You sing.", "You are old."])
    'You sing.\n\nYou are old.'
    """
    return "\n\n".join(descriptions)


def placeholder(column: str) -> str:
    """Return what stands for a column in a template.

    Examples
    --------
    >>> placeholder("Q1.1"), placeholder("Q1 {a}")
    ('{Q1.1}', '{"Q1 {a}"}')
    """
    if column and not column.startswith(QUOTE) and not _BRACES & set(column):
        return f"{{{column}}}"
    return f"{{{QUOTE}{column.replace(QUOTE, 2 * QUOTE)}{QUOTE}}}"


def template_or_context(text: str | None, columns: Sequence[str]) -> PromptTemplate:
    """Return the template with this text, or one that asks with the context columns alone.

    Examples
    --------
    >>> template_or_context(None, ["age", "topic"]).text
    '{age}, {topic}'
    """
    return PromptTemplate(text or ", ".join(map(placeholder, columns)))


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the parts of a template: literal text and None, or "" and a column."""
    for match in _PART.finditer(text):
        part, quoted, plain = match[0], match[1], match[2]
        if quoted is not None:
            yield "", quoted.replace(2 * QUOTE, QUOTE)
        elif plain is not None:
            if not plain or plain.startswith(QUOTE):
                raise DataError(
                    f"The template has {part}, which names no column.",
                    hint="Write {column}; write a literal brace twice: {{ or }}.",
                )
            yield "", plain
        elif part in _BRACES:
            raise DataError(
                f"The template has a single {part!r} at {text[match.start() :][:20]!r}.",
                hint="Write {column}; write a literal brace twice: {{ or }}.",
            )
        else:
            yield (part[0] if part in ("{{", "}}") else part), None
