"""Log-probabilities of a given text from a completions endpoint, with checks.

Two dialects are supported: `echo` with `logprobs`, as in OpenAI's completions (vLLM, SGLang), and
vLLM's `prompt_logprobs`. A server may accept `echo` and return only the text that it generated
(llama.cpp does), so tokens that do not spell the given text are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from jupyter_mop.backends.endpoint.error_messages import MalformedError
from jupyter_mop.backends.protocols import TokenScores

ECHO, PROMPT_LOGPROBS = "echo", "prompt_logprobs"
DIALECTS = (ECHO, PROMPT_LOGPROBS)
_OTHER_TOKENS = "log-probabilities of other tokens than those of the prompt"
_REPLACEMENT = "\ufffd"  # stands for a token that is part of a character


@dataclass(frozen=True, slots=True)
class Echo:
    """The tokens of a text, their positions, and their log-probabilities in nats.

    Attributes
    ----------
    tokens : tuple of str
    offsets : tuple of int
        The character at which each token begins.
    log_probs : tuple of float or None
        None for the first token, which has no context.
    """

    tokens: tuple[str, ...]
    offsets: tuple[int, ...]
    log_probs: tuple[float | None, ...]

    def after(self, start: int, text: str) -> TokenScores | None:
        """Return the scores of the tokens of `text` from character `start` on.

        None if no token begins there, or if the tokens do not spell the rest of the text.

        Examples
        --------
        >>> echo = Echo(("Say", " yes", " or"), (0, 3, 7), (None, -1.0, -2.0))
        >>> echo.after(3, "Say yes or")
        TokenScores(log_probs=(-1.0, -2.0))
        >>> echo.after(4, "Say yes or") is None
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
        """Return the scores of the tokens from index `first` on, or None if one is missing."""
        values = self.log_probs[first:]
        if not values or any(value is None for value in values):
            return None
        return TokenScores(tuple(float(value) for value in values if value is not None))


def request(dialect: str, model: str, text: str) -> dict[str, Any]:
    """Return the request body that asks for the log-probabilities of `text`."""
    body: dict[str, Any] = {"model": model, "prompt": text, "max_tokens": 1, "temperature": 0}
    if dialect == ECHO:
        return body | {"echo": True, "logprobs": 1}
    return body | {"prompt_logprobs": 0}


def read(dialect: str, answer: dict[str, Any], text: str) -> Echo:
    """Read the tokens and log-probabilities of `text` from a response.

    Raises
    ------
    MalformedError
        The tokens are not those of the text.
    """
    choice = answer["choices"][0]
    if dialect == ECHO:
        echo = _read_echo(choice, text, answer["usage"]["prompt_tokens"])
    else:
        echo = _read_prompt_logprobs(choice, text)
    if not _is_valid(echo, text):
        raise MalformedError(_OTHER_TOKENS)
    return echo


def _read_echo(choice: dict[str, Any], text: str, n_tokens: int) -> Echo:
    """Read the token lists of an echo, without the token that was generated after the text."""
    lists = choice["logprobs"]
    if not choice["text"].startswith(text) or "token_logprobs" not in lists:
        raise MalformedError(_OTHER_TOKENS)
    names = ("tokens", "text_offset", "token_logprobs")
    tokens, offsets, log_probs = (tuple(lists[name][:n_tokens]) for name in names)
    return Echo(tokens, offsets, log_probs)


def _read_prompt_logprobs(choice: dict[str, Any], text: str) -> Echo:
    """Read vLLM's list, whose first entry is empty: the first token is the rest of the text."""
    rows = choice["prompt_logprobs"]
    if any(row and len(row) > 1 for row in rows):
        raise MalformedError(_OTHER_TOKENS)
    entries = [next(iter(row.values())) for row in rows[1:]]
    later = [entry["decoded_token"] for entry in entries]
    tokens = (text.removesuffix("".join(later)), *later)
    offsets = tuple(accumulate(map(len, tokens), initial=0))[:-1]
    return Echo(tokens, offsets, (None, *(entry["logprob"] for entry in entries)))


def _is_valid(echo: Echo, text: str) -> bool:
    """Return whether all tokens but the first have a log-probability and they spell the text."""
    values = echo.log_probs[1:]
    is_sound = all(isinstance(v, int | float) and math.isfinite(v) and v <= 0 for v in values)
    is_complete = len(echo.tokens) == len(echo.offsets) == len(echo.log_probs)
    return (
        bool(values)
        and is_complete
        and is_sound
        and text.endswith("".join(echo.tokens[1:]).split(_REPLACEMENT)[-1])
    )


def _spells(spelled: str, text: str) -> bool:
    """Return whether tokens spell a text, as far as tokens within one character allow."""
    first, *_, last = spelled.split(_REPLACEMENT) if _REPLACEMENT in spelled else (spelled, spelled)
    is_possible = spelled == text or _REPLACEMENT in spelled
    return is_possible and text.startswith(first) and text.endswith(last)
