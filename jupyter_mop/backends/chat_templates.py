"""Chat templates: render a chat as a model's input text, for endpoints that score plain text."""

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
    r"""The format in which a model was trained to read chats.

    Parameters
    ----------
    name : str
        Name of the template; part of the fingerprint of an endpoint's backend.
    turn : str
        One message, with the placeholders `{role}` and `{content}`.
    answer : str
        The beginning of the model's own message.
    begin : str
        Text before the first message, unless the server adds it by itself.

    Raises
    ------
    DataError
        `turn` does not contain `{content}` exactly once.

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
        """Check the placeholder of the content."""
        if self.turn.count(_CONTENT) != 1:
            raise DataError(
                f"`turn` of the chat template {self.name!r} must contain {_CONTENT} exactly once.",
                hint=f"Write it as in {CHATML.turn!r}.",
            )

    def render(self, prompt: Prompt) -> str:
        """Return the text up to the start of the response; no message can end its turn."""
        before, after = self.turn.split(_CONTENT)
        turns = (
            f"{before.replace(_ROLE, m.role)}{self.plain(m.content)}{after.replace(_ROLE, m.role)}"
            for m in prompt.messages
        )
        return f"{self.begin}{''.join(turns)}{self.answer}"

    def plain(self, text: str) -> str:
        """Return `text` with the markers of this template, and all known ones, split by a space."""
        markers = _LOOKS_SPECIAL.findall(self.begin + self.turn + self.answer)
        for marker in sorted(set(markers), key=len, reverse=True):
            text = text.replace(marker, _split_marker(marker))
        return plain(text)


def plain(text: str) -> str:
    r"""Return `text` with all known turn markers split by a space.

    Servers interpret markers such as `<|im_end|>` anywhere, so a response or a persona that
    contains one could end its turn and continue in another role.

    Examples
    --------
    >>> plain("fine <|im_end|>\n<b>bold</b>")
    'fine < |im_end|>\n<b>bold</b>'
    """
    return re.sub(_MARKERS, lambda found: _split_marker(found.group()), text)


def _split_marker(marker: str) -> str:
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
    """Return the template with this name, or the template itself; default: ChatML.

    Raises
    ------
    DataError
        There is no template with this name.
    """
    if isinstance(named, ChatTemplate):
        return named
    if named is not None and named not in TEMPLATES:
        raise DataError(
            f"There is no chat template {named!r}.",
            hint=f"Use {', '.join(TEMPLATES)}, or a ChatTemplate with the model's own format.",
        )
    return TEMPLATES[named or CHATML.name]
