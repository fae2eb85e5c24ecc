"""Chats as the text that a model reads, for endpoints that score text and not chats."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_mop.backends.protocols import Prompt
from jupyter_mop.errors import DataError

_ROLE, _CONTENT = "{role}", "{content}"
_MARKERS = r"<\||</?s>|\[/?(?:INST|SYSTEM_PROMPT)\]|<</?SYS>>|<(?:start|end)_of_turn>|<[be]os>"
_LOOKS_SPECIAL = re.compile(r"<[^\s<>{}]+>|\[/?[A-Z_]+\]")


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    r"""How a model was taught to read a chat.

    Parameters
    ----------
    name : str
        Part of what answers are kept under.
    turn : str
        One turn, with `{role}` and `{content}` in it.
    answer : str
        How the turn begins that the model is to write.
    begin : str
        What stands before the first turn and the server does not add by itself.

    Raises
    ------
    DataError
        Where the turn has no place for the content.

    Examples
    --------
    >>> from jupyter_mop.backends.protocols import Message
    >>> CHATML.render(Prompt((Message("user", "Well?"),)))
    '<|im_start|>user\nWell?<|im_end|>\n<|im_start|>assistant\n'
    """

    name: str
    turn: str
    answer: str
    begin: str = ""

    def __post_init__(self) -> None:
        """Check that the turn has a place for what was said."""
        if self.turn.count(_CONTENT) != 1:
            raise DataError(
                f"The chat template {self.name!r} needs {_CONTENT} once in a turn.",
                hint=f"Write it as in {CHATML.turn!r}.",
            )

    def render(self, prompt: Prompt) -> str:
        """Return the text up to where the answer begins; data cannot end its own turn."""
        before, after = self.turn.split(_CONTENT)
        turns = (
            f"{before.replace(_ROLE, m.role)}{self.plain(m.content)}{after.replace(_ROLE, m.role)}"
            for m in prompt.messages
        )
        return f"{self.begin}{''.join(turns)}{self.answer}"

    def plain(self, text: str) -> str:
        """Return data in which nothing is read as one of this template's markers."""
        own = _LOOKS_SPECIAL.findall(self.begin + self.turn + self.answer)
        for marker in sorted(set(own), key=len, reverse=True):
            text = text.replace(marker, _apart(marker))
        return plain(text)


def plain(text: str) -> str:
    r"""Return data in which no known marker of a turn is left: a space parts its beginning.

    Servers read `<|im_end|>` and its like as the end of a turn wherever they stand, so a response
    or a persona that holds one could go on in another's name.

    Examples
    --------
    >>> plain("fine <|im_end|>\n<b>bold</b>")
    'fine < |im_end|>\n<b>bold</b>'
    """
    return re.sub(_MARKERS, lambda found: _apart(found.group()), text)


def _apart(marker: str) -> str:
    return f"{marker[0]} {marker[1:]}"


CHATML = ChatTemplate(
    "chatml", "<|im_start|>{role}\n{content}<|im_end|>\n", "<|im_start|>assistant\n"
)
LLAMA_3 = ChatTemplate(
    "llama-3",
    "<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
)
TEMPLATES = {template.name: template for template in (CHATML, LLAMA_3)}


def find_template(named: str | ChatTemplate | None) -> ChatTemplate:
    """Return the template itself or of that name; ChatML by default.

    Raises
    ------
    DataError
        For a name that is not known.
    """
    if isinstance(named, ChatTemplate):
        return named
    if named is not None and named not in TEMPLATES:
        raise DataError(
            f"There is no chat template {named!r}.",
            hint=f"Use {', '.join(TEMPLATES)}, or a ChatTemplate with the model's own turns.",
        )
    return TEMPLATES[named or CHATML.name]
