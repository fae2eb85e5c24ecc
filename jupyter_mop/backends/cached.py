"""Any language model or encoder with a store under it: nothing is asked twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.base import (
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
    TellsFirstTokens,
    TokenScores,
)
from jupyter_mop.backends.books import Books, open_books
from jupyter_mop.backends.capabilities import Capabilities
from jupyter_mop.backends.store import Kind, Store, content_key

Value = TypeVar("Value")
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class _Codec(Generic[Value]):
    """How one kind of answer becomes bytes and back."""

    kind: Kind
    pack: Callable[[Value], bytes]
    unpack: Callable[[bytes], Value]


_COMPLETIONS: _Codec[Completion] = _Codec(
    "completion",
    lambda completion: json.dumps(asdict(completion)).encode(),
    lambda value: Completion(**json.loads(value)),
)
_SCORES: _Codec[TokenScores] = _Codec(
    "score",
    lambda scores: np.asarray(scores.log_probs, dtype="<f8").tobytes(),
    lambda value: TokenScores(tuple(np.frombuffer(value, dtype="<f8").tolist())),
)
_FIRST_TOKENS: _Codec[FirstTokens] = _Codec(
    "score",
    lambda told: json.dumps([told.tokens, told.log_probs]).encode(),
    lambda value: FirstTokens(*map(tuple, json.loads(value))),
)
_VECTORS: _Codec[Vector] = _Codec(
    "vector",
    lambda vector: vector.astype("<f4").tobytes(),
    lambda value: np.frombuffer(value, dtype="<f4").astype(np.float32),
)


class _Batch(Generic[Value]):
    """The requests of one call: what the store held, what is left to ask, what is finished."""

    def __init__(
        self, store: Store, codec: _Codec[Value], keys: Sequence[str], books: Books | None = None
    ) -> None:
        self._store, self._codec, self._keys, self._books = store, codec, keys, books
        self._places: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            self._places.setdefault(key, []).append(index)
        held = store.get_many(self._places)
        self._values = {key: codec.unpack(value) for key, value in held.items()}
        self.n_held = len(held)
        self._asked = [key for key in self._places if key not in held]
        self.hits = [index for index, key in enumerate(keys) if key in held]
        self.misses = [self._places[key][0] for key in self._asked]

    def finish(self, positions: Sequence[int], values: Sequence[Value]) -> list[int]:
        """Keep the answers to `misses[positions]`; return the indices that they newly answer.

        Where another process has kept an answer meanwhile, that one counts here too.
        """
        pairs = zip([self._asked[position] for position in positions], values, strict=True)
        fresh = {key: value for key, value in pairs if key not in self._values}
        indices = [index for key in fresh for index in self._places[key]]
        packed = {key: self._codec.pack(value) for key, value in fresh.items()}
        also = [self._books.finish(len(fresh))] if self._books else []
        before = self._store.put_many(self._codec.kind, packed, also=also)
        self._values.update(fresh)
        self._values.update({key: self._codec.unpack(value) for key, value in before.items()})
        return indices

    def values(self, indices: Sequence[int]) -> list[Value]:
        """Return the answers at `indices`."""
        return [self._values[self._keys[index]] for index in indices]


class _Counter:
    """How often the store had the answer: in the last call and since the start.

    Identical requests of one call are hits but for the first; `kept` leaves them out.
    """

    hits: int = 0
    misses: int = 0
    total_hits: int = 0
    total_misses: int = 0
    kept: int = 0

    def _count(self, batch: _Batch[Any], n_requests: int) -> None:
        self.hits, self.misses = n_requests - len(batch.misses), len(batch.misses)
        self.kept = len(batch.hits)
        self.total_hits += self.hits
        self.total_misses += self.misses


class CachedBackend(_Counter):
    """A language model that never computes the same answer twice.

    A batch is looked up in one query; only what is missing is asked, identical requests once,
    and each answer is kept as it finishes. An interrupted or killed run goes on where it stopped.

    Parameters
    ----------
    backend : Backend
        The language model that answers what the store does not hold.
    store : Store
        Where the answers are kept.

    Attributes
    ----------
    hits, misses : int
        Requests of the last call that cost nothing, and that the model was asked.
    total_hits, total_misses : int
        The same since the start.
    kept : int
        Requests of the last call whose answer was kept before; they are reported first.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.base import Message
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> request = ScoreRequest(Prompt((Message("user", "Well?"),)), "yes")
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     model = CachedBackend(ToyBackend(["yes", "no"]), store)
    ...     scores = model.score([request, request]), model.score([request])
    >>> model.total_hits, model.total_misses, model.backend.n_scored
    (2, 1, 1)
    """

    def __init__(self, backend: Backend, store: Store) -> None:
        self.backend = backend
        self.store = store

    @property
    def can_score(self) -> bool:
        """Whether the language model gives the likelihood of a given response."""
        return self.backend.can_score

    @property
    def can_embed(self) -> bool:
        """Whether the language model embeds texts too."""
        return self.backend.can_embed

    @property
    def capabilities(self) -> Capabilities | None:
        """What an endpoint was found to do; None for a model that is no endpoint."""
        return getattr(self.backend, "capabilities", None)

    @property
    def can_tell_first_tokens(self) -> bool:
        """Whether the language model tells how likely the first tokens of a reply are."""
        backend = self.backend
        return isinstance(backend, TellsFirstTokens) and backend.can_tell_first_tokens

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
        """Return one response for each request; kept ones are reported first."""

        def ask(missing: Sequence[int], finished: OnCompletion) -> list[Completion]:
            asked = [requests[index] for index in missing]
            return self.backend.generate(asked, params, on_result=finished)

        model = self.fingerprint
        keys = [_completion_key(model, request, params) for request in requests]
        return self._answer(_COMPLETIONS, keys, ask, on_result)

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token; kept ones are reported first."""

        def ask(missing: Sequence[int], finished: OnScores) -> list[TokenScores]:
            return self.backend.score([requests[index] for index in missing], on_result=finished)

        model = self.fingerprint
        keys = [_score_key(model, request) for request in requests]
        return self._answer(_SCORES, keys, ask, on_result)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the likeliest first tokens of each reply; kept ones are reported first."""
        backend = self.backend
        assert isinstance(backend, TellsFirstTokens)  # noqa: S101  see can_tell_first_tokens

        def ask(missing: Sequence[int], finished: OnFirstTokens) -> list[FirstTokens]:
            return backend.first_tokens([prompts[index] for index in missing], on_result=finished)

        model = self.fingerprint
        keys = [content_key("score", model, "first tokens", _turns(prompt)) for prompt in prompts]
        return self._answer(_FIRST_TOKENS, keys, ask, on_result)

    def _answer(
        self,
        codec: _Codec[Value],
        keys: Sequence[str],
        ask: Callable[[Sequence[int], Callable[[int, Value], None]], list[Value]],
        on_result: Callable[[int, Value], None] | None,
    ) -> list[Value]:
        books = open_books(self.store)
        batch = _Batch(self.store, codec, keys, books)
        self._count(batch, len(keys))
        if books:
            books.request(batch.n_held + len(batch.misses), kept=batch.n_held, model=self.fingerprint)

        def report(indices: Sequence[int]) -> None:
            if on_result:
                for index, value in zip(indices, batch.values(indices), strict=True):
                    on_result(index, value)

        report(batch.hits)
        if batch.misses:
            with books.watched() if books else nullcontext():
                values = ask(batch.misses, lambda at, value: report(batch.finish([at], [value])))
            report(batch.finish(range(len(values)), values))
        return batch.values(range(len(keys)))


class CachedEncoder(_Counter):
    """An encoder that never computes the same vector twice.

    Parameters
    ----------
    encoder : Encoder
        Encodes the texts that the store does not hold.
    store : Store
        Where the vectors are kept, as float32.

    Attributes
    ----------
    hits, misses : int
        Texts of the last call that cost nothing, and that the encoder was asked.
    total_hits, total_misses : int
        The same since the start.
    kept : int
        Requests of the last call whose answer was kept before; they are reported first.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     encoder = CachedEncoder(ToyEncoder(["good", "bad"]), store)
    ...     vectors = encoder.encode(["good", "bad", "good"])
    >>> vectors.shape, encoder.misses
    ((3, 2), 2)
    """

    def __init__(self, encoder: Encoder, store: Store) -> None:
        self.encoder = encoder
        self.store = store

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self.encoder.fingerprint

    def encode(self, texts: Sequence[str], *, on_result: OnVectors | None = None) -> Vector:
        """Return unit vectors, shape (len(texts), d), float32; kept ones are reported first."""
        if not len(texts):
            return self.encoder.encode(texts)
        model = self.fingerprint
        batch = _Batch(self.store, _VECTORS, [content_key("vector", model, text) for text in texts])
        self._count(batch, len(texts))

        def report(indices: Sequence[int]) -> None:
            if on_result and indices:
                on_result(indices, np.stack(batch.values(indices)))

        report(batch.hits)
        if batch.misses:
            vectors = self.encoder.encode(
                [texts[index] for index in batch.misses],
                on_result=lambda at, values: report(batch.finish(at, list(values))),
            )
            report(batch.finish(range(len(vectors)), list(vectors)))
        return np.stack(batch.values(range(len(texts))))


def _turns(prompt: Prompt) -> list[list[str]]:
    return [[message.role, message.content] for message in prompt.messages]


def _completion_key(model: str, request: GenerationRequest, params: SamplingParams) -> str:
    drawing = [float(params.temperature), float(params.top_p), int(params.max_tokens)]
    return content_key(
        "completion", model, _turns(request.prompt), drawing, int(request.seed), int(request.draw)
    )


def _score_key(model: str, request: ScoreRequest) -> str:
    return content_key("score", model, _turns(request.prompt), request.response)
