"""The interfaces of language models and encoders, and the values that pass through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Tick = Callable[[int, object], None]
OnStep = Callable[[str, int], Tick]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat for the model to continue; the last message is usually the user's."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Sampling settings: temperature, nucleus mass `top_p` and the output limit in tokens."""

    temperature: float = 0.9
    top_p: float = 0.95
    max_tokens: int = 64


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request for one response; `draw` numbers the draws of one prompt and seed."""

    prompt: Prompt
    seed: int
    draw: int = 0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A request for the log-likelihood of a given response to a prompt."""

    prompt: Prompt
    response: str


REFUSED = ("content_filter", "refusal")  # the `finish_reason` of what is no answer


@dataclass(frozen=True, slots=True)
class Completion:
    """A generated response.

    `finish_reason` is "stop" or "length". An endpoint may also report "content_filter" (the text
    is empty or cut off), "refusal" (the text is the model's refusal) or "empty" (each attempt
    gave an answer without text). `n_tokens` counts all output tokens, of which `n_thinking` are
    thinking that is not part of the text. `served` is the model that an endpoint names in its
    answer: an alias may move to another one.
    """

    text: str
    n_tokens: int
    finish_reason: str = "stop"
    n_thinking: int = 0
    served: str = ""


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Log-probability of each token of a response, in nats, without an end token."""

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
    """The most likely first tokens of a response, with their log-probabilities in nats."""

    tokens: tuple[str, ...]
    log_probs: tuple[float, ...]


OnCompletion = Callable[[int, Completion], None]
OnScores = Callable[[int, TokenScores], None]
OnFirstTokens = Callable[[int, FirstTokens], None]
OnText = Callable[[str], None]
OnVectors = Callable[[Sequence[int], NDArray[np.float32]], None]


@runtime_checkable
class Backend(Protocol):
    """A language model that generates responses: a fingerprint and one method.

    A model that can do more also follows `Scores`, `ScoresFirstTokens` or `CountsTokens`.
    """

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the responses could: cached responses depend on it."""
        ...

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Generate one response for each request and return them in the order of the requests.

        `on_result(index, completion)` is called once for each request, as it finishes.
        """
        ...


@runtime_checkable
class Scores(Protocol):
    """A language model that reports the log-likelihood of a given response."""

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token, in nats, in the order of the requests."""
        ...


class ScoringBackend(Backend, Scores, Protocol):
    """A language model that generates responses and scores given ones."""


@runtime_checkable
class ScoresFirstTokens(Protocol):
    """A language model that reports the most likely first tokens of a response."""

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the most likely first tokens of a response to each prompt, in their order."""
        ...


@runtime_checkable
class Streams(Protocol):
    """A language model that reports a response while it is generated."""

    def stream(
        self, request: GenerationRequest, params: SamplingParams, *, on_text: OnText
    ) -> Completion:
        """Return the response that `generate` gives to a request.

        `on_text(text)` is called with the text so far; what it raises ends the generation.
        """
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A language model that counts the tokens of a prompt without a call."""

    def count_tokens(self, prompt: Prompt, response: str = "") -> int:
        """Return the number of tokens of a prompt followed by a response."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """A sentence encoder that maps texts to unit vectors."""

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the vectors could: cached vectors depend on it."""
        ...

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), d), float32.

        `on_result(indices, vectors)` is called as each batch finishes.
        """
        ...


def can_score(backend: object) -> TypeGuard[ScoringBackend]:
    """Return whether `backend` reports the log-likelihood of a given response.

    A backend whose class has `score` but that knows only at run time whether it works, such as an
    endpoint, says so with an attribute `can_score`.
    """
    return isinstance(backend, Scores) and bool(getattr(backend, "can_score", True))


def can_score_first_tokens(backend: object) -> TypeGuard[ScoresFirstTokens]:
    """Return whether `backend` reports the most likely first tokens of a response.

    An attribute `can_score_first_tokens` answers for a backend that knows only at run time.
    """
    has_method = isinstance(backend, ScoresFirstTokens)
    return has_method and bool(getattr(backend, "can_score_first_tokens", True))


def model_facts(backend: object) -> Mapping[str, Any]:
    """Return what the provenance of a result says of a model: its attribute `facts`, if any."""
    facts: Mapping[str, Any] = getattr(backend, "facts", {})
    return facts


def hidden_tokens(backend: object) -> tuple[float, int]:
    """Return the expected tokens of a model's thinking before an answer, and the room for it.

    Both are output tokens beside the answer's own limit. A model that thinks has an attribute
    `hidden_tokens`.
    """
    expected, room = getattr(backend, "hidden_tokens", (0.0, 0))
    return float(expected), int(room)
