"""Prompts for responses: persona, exemplars and the question as chat messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter

from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.errors import DataError


@dataclass(frozen=True)
class PromptTemplate:
    """A question with `{column}` placeholders for the context columns of a population.

    Parameters
    ----------
    text : str
        For example "Write one sentence of a {sentiment} film review." Write `{{` or `}}` for a
        literal brace.

    Attributes
    ----------
    columns : frozenset of str
        The context columns in the text.

    Raises
    ------
    DataError
        If the template is empty or contains anything but plain `{column}` placeholders.

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
        object.__setattr__(self, "columns", frozenset(_columns(text)))

    def check(self, available: Iterable[str]) -> None:
        """Raise a DataError if the template uses a column that is not `available`."""
        absent = sorted(self.columns - set(available))
        if absent:
            raise DataError(
                f"The template uses {{{absent[0]}}}, which is not a context column; "
                f"the columns are {', '.join(map(repr, available))}.",
                hint="Use one of these columns, or add the column to --context.",
            )

    def render(
        self,
        record: Mapping[str, str],
        *,
        persona: Persona | None = None,
        exemplars: Sequence[Exemplar] = (),
        instructions: str = "",
    ) -> Prompt:
        """Return the prompt: persona, exemplars as earlier turns, question and instructions.

        Parameters
        ----------
        record : mapping
            The context columns.
        persona : Persona, optional
            Its description is the system message.
        exemplars : sequence of Exemplar
            Each is a question and its response, the last one nearest the question.
        instructions : str
            Text below the question.
        """
        messages = [Message("system", persona.description)] if persona else []
        for exemplar in exemplars:
            messages += [
                Message("user", self.question(exemplar.record)),
                Message("assistant", exemplar.response),
            ]
        question = "\n".join(filter(None, (self.question(record), instructions)))
        return Prompt((*messages, Message("user", question)))

    def question(self, record: Mapping[str, str]) -> str:
        """Return the text with the columns of `record` filled in."""
        # str.format would read a column named 2024 as a position.
        parts = Formatter().parse(self.text)
        return "".join(text + ("" if name is None else record[name]) for text, name, *_ in parts)


def template_or_context(text: str | None, columns: Sequence[str]) -> PromptTemplate:
    """Return the template with this text, or one that asks with the context columns alone.

    Examples
    --------
    >>> template_or_context(None, ["age", "topic"]).text
    '{age}, {topic}'
    """
    return PromptTemplate(text or ", ".join(f"{{{column}}}" for column in columns))


def _columns(text: str) -> Iterable[str]:
    try:
        fields = [
            (name, spec, conversion)
            for _, name, spec, conversion in Formatter().parse(text)
            if name is not None
        ]
    except ValueError as error:
        raise DataError(
            f"Cannot parse the template: {error}.",
            hint="Write a literal brace twice: {{ or }}.",
        ) from None
    for name, spec, conversion in fields:
        if spec or conversion or not name or set(name) & set(".[]"):
            raise DataError(
                f"The template may contain only plain column names, got {{{name}}}.",
                hint="Write {column}; write a literal brace twice: {{ or }}.",
            )
        yield name
