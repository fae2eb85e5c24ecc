"""Log-probabilities of a given text from a completions endpoint, checked before they count.

Two dialects are read: `echo` with `logprobs`, as OpenAI's completions had it (vLLM, SGLang), and
vLLM's `prompt_logprobs`. A server may accept `echo` and return what it generated only
(llama.cpp's does): what does not spell the text that was sent is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from jupyter_mop.backends.endpoint.failures import MalformedError
from jupyter_mop.backends.protocols import TokenScores

ECHO, PROMPT_LOGPROBS = "echo", "prompt_logprobs"
DIALECTS = (ECHO, PROMPT_LOGPROBS)
_NO_TEXT = "log-probabilities of other tokens than those that were sent"
_BROKEN = "\ufffd"


@dataclass(frozen=True, slots=True)
class Echo:
    """The tokens of a text, where each begins in it, and their log-probabilities in nats.

    The first token has no log-probability: nothing stands before it.
    """

    tokens: tuple[str, ...]
    offsets: tuple[int, ...]
    log_probs: tuple[float | None, ...]

    def after(self, start: int, text: str) -> TokenScores | None:
        """Return the scores of the tokens of `text` from character `start` on.

        None where no token begins there, or the tokens do not spell the rest of the text.

        Examples
        --------
        >>> said = Echo(("Say", " yes", " or"), (0, 3, 7), (None, -1.0, -2.0))
        >>> said.after(3, "Say yes or")
        TokenScores(log_probs=(-1.0, -2.0))
        >>> said.after(4, "Say yes or") is None
        True
        """
        if start not in self.offsets:
            return None
        first = self.offsets.index(start)
        before, spelled = "".join(self.tokens[:first]), "".join(self.tokens[first:])
        if before != text[:start] or not _spells(spelled, text[start:]):
            return None
        return self.since(first)

    def since(self, first: int) -> TokenScores | None:
        """Return the scores of the tokens from number `first` on, or None where one is absent."""
        values = self.log_probs[first:]
        if not values or any(value is None for value in values):
            return None
        return TokenScores(tuple(float(value) for value in values if value is not None))


def request(dialect: str, model: str, text: str) -> dict[str, Any]:
    """Return the body of a call that asks for the log-probabilities of `text`."""
    body: dict[str, Any] = {"model": model, "prompt": text, "max_tokens": 1, "temperature": 0}
    if dialect == ECHO:
        return body | {"echo": True, "logprobs": 1}
    return body | {"prompt_logprobs": 0}


def read(dialect: str, answer: dict[str, Any], text: str) -> Echo:
    """Return what the server says of `text`.

    Raises
    ------
    MalformedError
        Where its tokens are not those of the text.
    """
    choice = answer["choices"][0]
    if dialect == ECHO:
        found = _of_echo(choice, text, answer["usage"]["prompt_tokens"])
    else:
        found = _of_prompt(choice, text)
    if not _is_of(found, text):
        raise MalformedError(_NO_TEXT)
    return found


def _of_echo(choice: dict[str, Any], text: str, n_tokens: int) -> Echo:
    """Read the token lists of an echo; the token that was generated after the text is cut off."""
    told = choice["logprobs"]
    if not choice["text"].startswith(text) or "token_logprobs" not in told:
        raise MalformedError(_NO_TEXT)
    lists = (told["tokens"], told["text_offset"], told["token_logprobs"])
    tokens, offsets, log_probs = (tuple(values[:n_tokens]) for values in lists)
    return Echo(tokens, offsets, log_probs)


def _of_prompt(choice: dict[str, Any], text: str) -> Echo:
    """Read vLLM's list: one entry for each token, nothing at the first, which is what is left."""
    rows = choice["prompt_logprobs"]
    if any(row and len(row) > 1 for row in rows):
        raise MalformedError(_NO_TEXT)
    entries = [next(iter(row.values())) for row in rows[1:]]
    rest = [entry["decoded_token"] for entry in entries]
    tokens = (text.removesuffix("".join(rest)), *rest)
    offsets = tuple(accumulate(map(len, tokens), initial=0))[:-1]
    return Echo(tokens, offsets, (None, *(entry["logprob"] for entry in entries)))


def _is_of(echo: Echo, text: str) -> bool:
    """Return whether there is a log-probability for each token but the first, and they spell it."""
    known = echo.log_probs[1:]
    sound = all(isinstance(v, int | float) and math.isfinite(v) and v <= 0 for v in known)
    whole = len(echo.tokens) == len(echo.offsets) == len(echo.log_probs)
    return (
        bool(known)
        and whole
        and sound
        and text.endswith("".join(echo.tokens[1:]).split(_BROKEN)[-1])
    )


def _spells(spelled: str, text: str) -> bool:
    """Return whether tokens give a text; those that hold a part of a character say so."""
    first, *_, last = spelled.split(_BROKEN) if _BROKEN in spelled else (spelled, spelled)
    whole = spelled == text or _BROKEN in spelled
    return whole and text.startswith(first) and text.endswith(last)
