"""A language model on the workers of a Dask cluster: the same answers, from many machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.cluster import shards, worker
from jupyter_mop.backends.cluster.shards import fan_out
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
)

if TYPE_CHECKING:
    from distributed import Client

Value = TypeVar("Value")


class ClusterBackend:
    """A language model that the workers of a Dask cluster hold, one each.

    Requests are cut into shards by what their prompts share (persona, then exemplars), so that
    each worker computes it once. A worker opens the model itself: the embedded one or a file from
    the same path, an endpoint with the key in the worker's own environment. Answers come back as
    they finish; the shard of a worker that is lost is asked again elsewhere, and what had come
    of it is not handed out twice. An interrupt cancels what is under way.

    Its answers are those of `backend`, and are kept as such. Give the workers one thread each for
    the embedded model, which takes several cores by itself.

    Parameters
    ----------
    backend : Backend
        The language model: `LocalBackend`, `OpenAIBackend` or `ToyBackend`.
    client : dask.distributed.Client
        Of a cluster with workers.

    Raises
    ------
    MissingPackageError
        Dask's `distributed` is not installed.
    DataError
        Where `client` is none, or the model is of a kind that workers cannot open.
    ModelError
        The cluster is not there or has no workers.
    """

    def __init__(self, backend: Backend, client: Client) -> None:
        self.client = shards.checked(client)
        self.backend = backend
        self._recipe = worker.recipe_for(backend)

    def __repr__(self) -> str:
        return f"ClusterBackend({self.backend!r}, {self.described})"

    @property
    def described(self) -> str:
        """How many workers there are, and where to watch them."""
        return shards.described(self.client)

    @property
    def can_score(self) -> bool:
        """Whether the language model gives the likelihood of a given response."""
        return can_score(self.backend)

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the language model tells how likely the first tokens of a reply are."""
        return can_score_first_tokens(self.backend)

    @property
    def capabilities(self) -> Capabilities | None:
        """What an endpoint was found to do; None for a model that is no endpoint."""
        return getattr(self.backend, "capabilities", None)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the language model."""
        return self.backend.fingerprint

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Draw one response for each request, in the order of the requests."""
        prompts = [request.prompt for request in requests]
        ask = partial(worker.generate, params)
        return self._answer(requests, prompts, ask, Completion, on_result)

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token for each request, in their order."""
        prompts = [request.prompt for request in requests]
        return self._answer(requests, prompts, worker.score, TokenScores, on_result)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the likeliest first tokens of a reply to each prompt, in their order."""
        return self._answer(prompts, prompts, worker.first_tokens, FirstTokens, on_result)

    def _answer(
        self,
        requests: Sequence[Any],
        prompts: Sequence[Prompt],
        ask: worker.Ask,
        kind: Callable[..., Value],
        on_result: Callable[[int, Value], None] | None,
    ) -> list[Value]:
        cut = split_into_shards(prompts, shards.n_threads(self.client))
        task = partial(worker.answer, self._recipe, ask)
        return fan_out(self.client, task, requests, cut, on_result=on_result, kind=kind)


class ClusterEncoder:
    """A sentence encoder that the workers of a Dask cluster hold, one each.

    Texts of like length go together. The vectors are those of `encoder`, and are kept as such;
    lost workers and interrupts are met as by `ClusterBackend`.

    Parameters
    ----------
    encoder : Encoder
        `MiniLMEncoder`, `OpenAIEncoder`, `CallableEncoder` or `ToyEncoder`.
    client : dask.distributed.Client
        Of a cluster with workers.

    Raises
    ------
    MissingPackageError, DataError, ModelError
        As of `ClusterBackend`.
    """

    def __init__(self, encoder: Encoder, client: Client) -> None:
        self.client = shards.checked(client)
        self.encoder = encoder
        self._recipe = worker.recipe_for_encoder(encoder)

    def __repr__(self) -> str:
        return f"ClusterEncoder({self.encoder!r}, {self.described})"

    @property
    def described(self) -> str:
        """How many workers there are, and where to watch them."""
        return shards.described(self.client)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self.encoder.fingerprint

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return the unit vectors of `texts`, shape (len(texts), d), float32."""
        if not len(texts):
            return self.encoder.encode(texts)

        def report(index: int, vector: NDArray[np.float32]) -> None:
            if on_result:
                on_result([index], vector[None])

        size = shards.shard_size(len(texts), shards.n_threads(self.client))
        in_order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        cut = [in_order[start : start + size] for start in range(0, len(texts), size)]
        task = partial(worker.encode, self._recipe)
        found: list[NDArray[np.float32]] = fan_out(self.client, task, texts, cut, on_result=report)
        return np.stack(found)


def split_into_shards(prompts: Sequence[Prompt], n_threads: int) -> list[list[int]]:
    """Cut requests into shards, those whose prompts begin alike side by side.

    What shares all but its last turn stays together, unless a shard would be too long. There are
    at least four shards for each thread, as far as they do not get too short.

    Examples
    --------
    >>> from jupyter_mop.backends.protocols import Message
    >>> a, b = (Prompt((Message("system", name), Message("user", "?"))) for name in "ab")
    >>> split_into_shards([a, b, a, b, a, b] * 2, n_threads=1)
    [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    """
    size = shards.shard_size(len(prompts), n_threads)
    turns = [tuple((m.role, m.content) for m in prompt.messages) for prompt in prompts]
    cut: list[list[int]] = [[]]
    in_order = sorted(range(len(prompts)), key=turns.__getitem__)
    for _, group in groupby(in_order, key=lambda index: turns[index][:-1]):
        component = list(group)
        if len(cut[-1]) + len(component) > size:
            cut.append([])
        for index in component:
            if len(cut[-1]) == size:
                cut.append([])
            cut[-1].append(index)
    return [shard for shard in cut if shard]
