"""How many tokens a prompt has: by the model's own tokeniser, or guessed, and which it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_mop.backends.cost.usage import Meter, Size
from jupyter_mop.backends.protocols import Backend, CountsTokens, Prompt

CHARACTERS = 4.0
_PER_TURN = 4
_TURN_AT_MOST = 16
_CHAT_AT_MOST = 64
_ENOUGH = 1000


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts tokens, exactly where the model counts its own.

    Attributes
    ----------
    model : CountsTokens or None
        Counts its own tokens.
    characters : float
        Of a token, for a model that does not.
    source : str
        Who counts, in words.

    Examples
    --------
    >>> from jupyter_mop.backends.protocols import Message
    >>> prompt = Prompt((Message("user", "How do you do?"),))
    >>> Counter(None, 4.0, "4 characters a token: a guess").size(prompt, most_out=9)
    Size(tokens_in=12, most_in=110, most_out=9)
    """

    model: CountsTokens | None
    characters: float
    source: str

    def size(self, prompt: Prompt, response: str = "", *, most_out: int) -> Size:
        """Return the tokens of a call that reads a prompt and a given response."""
        if self.model is not None:
            n_tokens = self.model.count_tokens(prompt, response)
            return Size(n_tokens, n_tokens, most_out)
        texts = [*(turn.content for turn in prompt.messages), response]
        return guess(texts, most_out, characters=self.characters)

    def of_response(self, prompt: Prompt, response: str) -> int:
        """Return the tokens of a response to a prompt."""
        if self.model is not None:
            return self.model.count_tokens(prompt, response) - self.model.count_tokens(prompt)
        return round(len(response) / self.characters)


def counter(backend: Backend) -> Counter:
    """Return what counts the tokens of `backend`: itself, what its server told, or a guess."""
    if isinstance(backend, CountsTokens):
        return Counter(backend, CHARACTERS, "the model's own tokeniser")
    measured: float | None = getattr(backend, "characters_per_token", None)
    if measured:
        told = f"{measured:.1f} characters a token, as its server has counted"
        return Counter(None, measured, told)
    return Counter(None, CHARACTERS, f"{CHARACTERS:g} characters a token: a guess")


def measured(meter: Meter) -> float | None:
    """Return the characters of a token by what a server has told; None before it told enough."""
    guessed, told = meter.counted
    return CHARACTERS * guessed / told if told >= _ENOUGH else None


def guess(texts: Sequence[str], most_out: int, *, characters: float = CHARACTERS) -> Size:
    """Return the tokens of a call, guessed; at most there is one for each byte."""
    most = sum(len(text.encode(errors="replace")) for text in texts)
    likely = sum(len(text) for text in texts) / characters + _PER_TURN * len(texts)
    return Size(round(likely), most + _TURN_AT_MOST * len(texts) + _CHAT_AT_MOST, most_out)


def size_of_body(body: Mapping[str, Any]) -> Size:
    """Return the tokens of a call to an endpoint, from what is sent: a chat, a text or texts."""
    given = body.get("messages") or body.get("prompt") or body.get("input") or ""
    parts = [given] if isinstance(given, str) else list(given)
    texts = [str(part["content"]) if isinstance(part, Mapping) else str(part) for part in parts]
    most = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    return guess(texts, int(most) * int(body.get("n") or 1))
