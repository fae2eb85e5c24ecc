"""What the engine asks of a language model and of an encoder: Protocols and frozen values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Tick = Callable[[int, object], None]
OnStep = Callable[[str, int], Tick]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat that ends with the turn that the model is to answer."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to draw a response: temperature, nucleus mass and the longest answer in tokens."""

    temperature: float = 0.9
    top_p: float = 0.95
    max_tokens: int = 64


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One response to draw; `draw` tells apart draws of the same prompt and seed."""

    prompt: Prompt
    seed: int
    draw: int = 0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One response whose log-likelihood given the prompt is asked."""

    prompt: Prompt
    response: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A drawn response.

    `finish_reason` is "stop" or "length"; of an endpoint also "content_filter", where the text is
    empty or cut off, and "refusal", where it says that the model will not answer.
    """

    text: str
    n_tokens: int
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Log-probabilities in nats of each token of a response, without an end token."""

    log_probs: tuple[float, ...]

    @property
    def total(self) -> float:
        """Log-likelihood of the whole response, in nats."""
        return float(sum(self.log_probs))

    @property
    def n_tokens(self) -> int:
        """Number of tokens in the response."""
        return len(self.log_probs)


@dataclass(frozen=True, slots=True)
class FirstTokens:
    """The likeliest first tokens of a reply, with their log-probabilities in nats."""

    tokens: tuple[str, ...]
    log_probs: tuple[float, ...]


OnCompletion = Callable[[int, Completion], None]
OnScores = Callable[[int, TokenScores], None]
OnFirstTokens = Callable[[int, FirstTokens], None]
OnVectors = Callable[[Sequence[int], NDArray[np.float32]], None]


@runtime_checkable
class Backend(Protocol):
    """A language model; it calls `on_result(index, value)` as each request finishes."""

    @property
    def can_score(self) -> bool:
        """Whether it gives the likelihood of a given response."""
        ...

    @property
    def can_embed(self) -> bool:
        """Whether it embeds texts too."""
        ...

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the answers could."""
        ...

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Draw one response for each request, in the order of the requests."""
        ...

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token for each request, in their order."""
        ...


@runtime_checkable
class TellsFirstTokens(Protocol):
    """A language model that may tell how likely the first tokens of a reply are."""

    @property
    def can_tell_first_tokens(self) -> bool:
        """Whether it does."""
        ...

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the likeliest first tokens of a reply to each prompt, in their order."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A language model that counts tokens as it reads them, with no call."""

    def count_tokens(self, prompt: Prompt, response: str = "") -> int:
        """Return the number of tokens of a prompt, and of a response that begins after it."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Text to unit vectors. `on_result(indices, vectors)` is called as each batch finishes."""

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the vectors could."""
        ...

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), d), float32."""
        ...
