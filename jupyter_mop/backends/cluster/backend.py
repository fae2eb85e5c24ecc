"""A language model and an encoder that run on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.cluster import shards, worker
from jupyter_mop.backends.cluster.shards import run_shards
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.backends.protocols import (
    Backend,
    Completion,
    Encoder,
    FirstTokens,
    GenerationRequest,
    OnCompletion,
    OnFirstTokens,
    OnScores,
    OnVectors,
    Prompt,
    SamplingParams,
    ScoreRequest,
    TokenScores,
    can_score,
    can_score_first_tokens,
    hidden_tokens,
    model_facts,
)

if TYPE_CHECKING:
    from distributed import Client

Value = TypeVar("Value")


class ClusterBackend:
    """A language model that runs on each worker of a Dask cluster.

    Requests are split into shards whose prompts share a beginning (persona, then exemplars), so
    that each worker computes it once. Each worker opens the model itself: the embedded model or a
    file from the same path, or an endpoint with the API key of the worker's own environment.
    Answers are reported as they arrive. The shard of a lost worker is repeated on another one
    without reporting an answer twice. An interrupt cancels the remaining shards.

    Answers are those of `backend` and are cached under its fingerprint. Give workers one thread
    each for the embedded model, which uses several cores by itself.

    Parameters
    ----------
    backend : Backend
        The language model: `LocalBackend`, `OpenAIBackend` or `ToyBackend`.
    client : dask.distributed.Client
        Client of a cluster with workers.

    Raises
    ------
    MissingPackageError
        Dask's `distributed` is not installed.
    DataError
        `client` is not a client, or workers cannot open this kind of model.
    ModelError
        The cluster is closed or has no workers.
    """

    def __init__(self, backend: Backend, client: Client) -> None:
        self.client = shards.checked(client)
        self.backend = backend
        self._recipe = worker.recipe_for(backend)

    def __repr__(self) -> str:
        return f"ClusterBackend({self.backend!r}, {self.description})"

    @property
    def description(self) -> str:
        """Number of workers and address of the dashboard."""
        return shards.description(self.client)

    @property
    def can_score(self) -> bool:
        """Whether the model reports the log-likelihood of a given response."""
        return can_score(self.backend)

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the model reports the most likely first tokens of a response."""
        return can_score_first_tokens(self.backend)

    @property
    def capabilities(self) -> Capabilities | None:
        """The capabilities found by probing an endpoint; None for other models."""
        return getattr(self.backend, "capabilities", None)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the language model."""
        return self.backend.fingerprint

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the provenance of a result says of the language model."""
        return model_facts(self.backend)

    @property
    def needs_text(self) -> bool:
        """Whether an answer without text is a failure, which is not cached."""
        return bool(getattr(self.backend, "needs_text", False))

    @property
    def hidden_tokens(self) -> tuple[float, int]:
        """Expected tokens of the model's thinking before an answer, and the room for it."""
        return hidden_tokens(self.backend)

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Generate one response for each request, in the order of the requests."""
        prompts = [request.prompt for request in requests]
        ask = partial(worker.generate, params)
        return self._answer(requests, prompts, ask, Completion, on_result)

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token, in nats, in the order of the requests."""
        prompts = [request.prompt for request in requests]
        return self._answer(requests, prompts, worker.score, TokenScores, on_result)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the most likely first tokens of a response to each prompt, in their order."""
        return self._answer(prompts, prompts, worker.first_tokens, FirstTokens, on_result)

    def _answer(
        self,
        requests: Sequence[Any],
        prompts: Sequence[Prompt],
        ask: worker.Ask,
        kind: Callable[..., Value],
        on_result: Callable[[int, Value], None] | None,
    ) -> list[Value]:
        split = split_into_shards(prompts, shards.n_threads(self.client))
        task = partial(worker.answer, self._recipe, ask)
        return run_shards(self.client, task, requests, split, on_result=on_result, kind=kind)


class ClusterEncoder:
    """A sentence encoder that runs on each worker of a Dask cluster.

    Texts of similar length share a shard. Vectors are those of `encoder` and are cached under its
    fingerprint; lost workers and interrupts are handled as by `ClusterBackend`.

    Parameters
    ----------
    encoder : Encoder
        `MiniLMEncoder`, `OpenAIEncoder`, `CallableEncoder` or `ToyEncoder`.
    client : dask.distributed.Client
        Client of a cluster with workers.

    Raises
    ------
    MissingPackageError, DataError, ModelError
        As for `ClusterBackend`.
    """

    def __init__(self, encoder: Encoder, client: Client) -> None:
        self.client = shards.checked(client)
        self.encoder = encoder
        self._recipe = worker.recipe_for_encoder(encoder)

    def __repr__(self) -> str:
        return f"ClusterEncoder({self.encoder!r}, {self.description})"

    @property
    def description(self) -> str:
        """Number of workers and address of the dashboard."""
        return shards.description(self.client)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self.encoder.fingerprint

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), d), float32."""
        if not len(texts):
            return self.encoder.encode(texts)

        def report(index: int, vector: NDArray[np.float32]) -> None:
            if on_result:
                on_result([index], vector[None])

        size = shards.shard_size(len(texts), shards.n_threads(self.client))
        by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        split = [by_length[start : start + size] for start in range(0, len(texts), size)]
        task = partial(worker.encode, self._recipe)
        vectors: list[NDArray[np.float32]] = run_shards(
            self.client, task, texts, split, on_result=report
        )
        return np.stack(vectors)


def split_into_shards(prompts: Sequence[Prompt], n_threads: int) -> list[list[int]]:
    """Split requests into shards, grouped by the beginning of their prompts.

    Prompts that differ only in the last message stay together unless the shard would be too
    large. There are at least four shards per thread unless they would be too small.

    Examples
    --------
    >>> from jupyter_mop.backends.protocols import Message
    >>> a, b = (Prompt((Message("system", name), Message("user", "?"))) for name in "ab")
    >>> split_into_shards([a, b, a, b, a, b] * 2, n_threads=1)
    [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    """
    size = shards.shard_size(len(prompts), n_threads)
    turns = [tuple((m.role, m.content) for m in prompt.messages) for prompt in prompts]
    split: list[list[int]] = [[]]
    by_turns = sorted(range(len(prompts)), key=turns.__getitem__)
    for _, group in groupby(by_turns, key=lambda index: turns[index][:-1]):
        component = list(group)
        if len(split[-1]) + len(component) > size:
            split.append([])
        for index in component:
            if len(split[-1]) == size:
                split.append([])
            split[-1].append(index)
    return [shard for shard in split if shard]
