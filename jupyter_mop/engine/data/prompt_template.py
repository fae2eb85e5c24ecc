"""The only place where a prompt is built: persona, exemplars and context as chat turns."""

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
    """The question put to the model, with `{column}` names of the population's context.

    Parameters
    ----------
    text : str
        For example "Write one sentence of a {sentiment} film review." Double a brace to
        write one: `{{`.

    Raises
    ------
    DataError
        For an empty template or one that is not made of plain `{column}` names.

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
        """Find the columns that the template names."""
        text = self.text.strip()
        if not text:
            raise DataError(
                "The prompt template is empty.",
                hint="Write the question, with {column} names in it.",
            )
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "columns", frozenset(_columns(text)))

    def check(self, available: Iterable[str]) -> None:
        """Raise a DataError where the template names a column that is not `available`."""
        absent = sorted(self.columns - set(available))
        if absent:
            raise DataError(
                f"The template names {{{absent[0]}}}, which is no context column; "
                f"there is {', '.join(map(repr, available))}.",
                hint="Use one of those, or add the column to --context.",
            )

    def render(
        self,
        record: Mapping[str, str],
        *,
        persona: Persona | None = None,
        exemplars: Sequence[Exemplar] = (),
        wishes: str = "",
    ) -> Prompt:
        """Return the chat: persona as system, exemplars as past turns, then the context.

        What is wished of the response stands below the question.
        """
        turns = [Message("system", persona.description)] if persona else []
        for exemplar in exemplars:
            turns += [
                Message("user", self.question(exemplar.record)),
                Message("assistant", exemplar.response),
            ]
        asked = "\n".join(filter(None, (self.question(record), wishes)))
        return Prompt((*turns, Message("user", asked)))

    def question(self, record: Mapping[str, str]) -> str:
        """Return the template with the columns put in."""
        # str.format would take a column named 2024 for a position.
        parts = Formatter().parse(self.text)
        return "".join(text + ("" if name is None else record[name]) for text, name, *_ in parts)


def _columns(text: str) -> Iterable[str]:
    try:
        fields = [
            (name, spec, conversion)
            for _, name, spec, conversion in Formatter().parse(text)
            if name is not None
        ]
    except ValueError as error:
        raise DataError(
            f"The template cannot be read: {error}.",
            hint="Double a brace that is meant as one: {{ or }}.",
        ) from None
    for name, spec, conversion in fields:
        if spec or conversion or not name or set(name) & set(".[]"):
            raise DataError(
                f"The template may hold plain column names only, not {{{name}}}.",
                hint="Write {column}; double a brace that is meant as one: {{ or }}.",
            )
        yield name
