"""Token counts of prompts: by the model's own tokeniser, or estimated from characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_mop.backends.cost.usage import Meter, Size
from jupyter_mop.backends.protocols import CountsTokens, Prompt

CHARACTERS_PER_TOKEN = 4.0
_TOKENS_PER_MESSAGE = 4
_MAX_TOKENS_PER_MESSAGE = 16
_MAX_TOKENS_PER_CHAT = 64
_MIN_TOKENS_MEASURED = 1000


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Count tokens, exactly if the model counts its own, or by an estimate.

    Attributes
    ----------
    model : CountsTokens or None
        A model that counts its own tokens.
    characters : float
        Characters per token, for a model that does not.
    source : str
        How tokens are counted, in words.

    Examples
    --------
    >>> from jupyter_mop.backends.protocols import Message
    >>> prompt = Prompt((Message("user", "How do you do?"),))
    >>> TokenCounter(None, 4.0, "4 characters per token").size(prompt, max_out=9)
    Size(tokens_in=12, max_in=110, max_out=9)
    """

    model: CountsTokens | None
    characters: float
    source: str

    def size(self, prompt: Prompt, response: str = "", *, max_out: int) -> Size:
        """Return the tokens of a call with a prompt and the response to score, if any."""
        if self.model is not None:
            n_tokens = self.model.count_tokens(prompt, response)
            return Size(n_tokens, n_tokens, max_out)
        texts = [*(turn.content for turn in prompt.messages), response]
        return estimate(texts, max_out, characters=self.characters)

    def of_response(self, prompt: Prompt, response: str) -> int:
        """Return the number of tokens of a response to a prompt."""
        if self.model is not None:
            return self.model.count_tokens(prompt, response) - self.model.count_tokens(prompt)
        return round(len(response) / self.characters)


def token_counter(backend: object) -> TokenCounter:
    """Return the counter for `backend`: its tokeniser, its server's counts, or a default ratio."""
    if isinstance(backend, CountsTokens):
        return TokenCounter(backend, CHARACTERS_PER_TOKEN, "the model's own tokeniser")
    measured: float | None = getattr(backend, "characters_per_token", None)
    if measured:
        source = f"{measured:.1f} characters per token, measured from the server's counts"
        return TokenCounter(None, measured, source)
    default = f"{CHARACTERS_PER_TOKEN:g} characters per token, an estimate"
    return TokenCounter(None, CHARACTERS_PER_TOKEN, default)


def measured_characters(meter: Meter) -> float | None:
    """Return the characters per token by the server's own counts; None with too few of them."""
    estimated, reported = meter.input_tokens
    enough = reported >= _MIN_TOKENS_MEASURED
    return CHARACTERS_PER_TOKEN * estimated / reported if enough else None


def estimate(
    texts: Sequence[str], max_out: int, *, characters: float = CHARACTERS_PER_TOKEN
) -> Size:
    """Estimate the tokens of a call; the upper bound is one token per byte."""
    n_bytes = sum(len(text.encode(errors="replace")) for text in texts)
    likely = sum(len(text) for text in texts) / characters + _TOKENS_PER_MESSAGE * len(texts)
    max_in = n_bytes + _MAX_TOKENS_PER_MESSAGE * len(texts) + _MAX_TOKENS_PER_CHAT
    return Size(round(likely), max_in, max_out)


def size_of_body(body: Mapping[str, Any]) -> Size:
    """Estimate the tokens of a call to an endpoint from its request body."""
    content = body.get("messages") or body.get("prompt") or body.get("input") or ""
    items = [content] if isinstance(content, str) else list(content)
    texts = [str(item["content"]) if isinstance(item, Mapping) else str(item) for item in items]
    max_tokens = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    return estimate(texts, int(max_tokens) * int(body.get("n") or 1))


def reported_tokens(usage: object) -> tuple[int, int | None] | None:
    """Return the input and output tokens in a server's `usage`; None without sound counts.

    Output tokens are all that are charged: some servers count thinking in the total alone.

    Examples
    --------
    >>> reported_tokens({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 112})
    (9, 103)
    """
    if not isinstance(usage, dict):
        return None
    tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(tokens_in) is not int or tokens_in < 0:
        return None
    if type(tokens_out) is not int or tokens_out < 0:
        return (tokens_in, None)
    total = usage.get("total_tokens")
    return tokens_in, max(tokens_out, total - tokens_in if type(total) is int else 0)


def cached_tokens(usage: object) -> int:
    """Return how many input tokens the server had cached, as it reports; 0 if it does not.

    Examples
    --------
    >>> cached_tokens({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}})
    8
    >>> cached_tokens({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4})
    4
    """
    if not isinstance(usage, dict):
        return 0
    details, tokens_in = usage.get("prompt_tokens_details"), usage.get("prompt_tokens")
    found = details.get("cached_tokens") if isinstance(details, dict) else None
    found = usage.get("prompt_cache_hit_tokens") if found is None else found  # DeepSeek's
    if type(found) is not int or type(tokens_in) is not int:
        return 0
    return max(0, min(found, tokens_in))
