"""The requests of one call as the store knows them: their keys, and answers as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import (
    REFUSED,
    Completion,
    FirstTokens,
    GenerationRequest,
    Prompt,
    SamplingParams,
    ScoreRequest,
    TokenScores,
)
from jupyter_mop.backends.store.run_record import RunRecord
from jupyter_mop.backends.store.sqlite_store import Kind, Store, content_key

Value = TypeVar("Value")
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RequestText:
    """A request's prompt, the scored response and the output limit in tokens."""

    prompt: Prompt
    response: str = ""
    max_out: int = 0


@dataclass(frozen=True)
class Codec(Generic[Value]):
    """Convert one kind of answer to bytes and back."""

    name: str
    kind: Kind
    pack: Callable[[Value], bytes]
    unpack: Callable[[bytes], Value]


_OPTIONAL = ("n_thinking", "served")


def _pack_completion(completion: Completion) -> bytes:
    """Return a response as JSON, without the fields that most responses leave empty."""
    fields = asdict(completion)
    return json.dumps({k: v for k, v in fields.items() if v or k not in _OPTIONAL}).encode()


COMPLETIONS: Codec[Completion] = Codec(
    "responses",
    "completion",
    _pack_completion,
    lambda value: Completion(**json.loads(value)),
)
SCORES: Codec[TokenScores] = Codec(
    "scores",
    "score",
    lambda scores: np.asarray(scores.log_probs, dtype="<f8").tobytes(),
    lambda value: TokenScores(tuple(np.frombuffer(value, dtype="<f8").tolist())),
)
FIRST_TOKENS: Codec[FirstTokens] = Codec(
    "first tokens",
    "score",
    lambda first: json.dumps([first.tokens, first.log_probs]).encode(),
    lambda value: FirstTokens(*map(tuple, json.loads(value))),
)
VECTORS: Codec[Vector] = Codec(
    "vectors",
    "vector",
    lambda vector: vector.astype("<f4").tobytes(),
    lambda value: np.frombuffer(value, dtype="<f4").astype(np.float32),
)


def completion_key(model: str, request: GenerationRequest, params: SamplingParams) -> str:
    """Return the key of a response: model, prompt, sampling settings, seed and draw."""
    sampling = [float(params.temperature), float(params.top_p), int(params.max_tokens)]
    turns = _turns(request.prompt)
    return content_key("completion", model, turns, sampling, int(request.seed), int(request.draw))


def score_key(model: str, request: ScoreRequest) -> str:
    """Return the key of a score: model, prompt and response."""
    return content_key("score", model, _turns(request.prompt), request.response)


def first_tokens_key(model: str, prompt: Prompt) -> str:
    """Return the key of the first tokens of a response to a prompt."""
    return content_key("score", model, "first tokens", _turns(prompt))


def vector_key(model: str, text: str) -> str:
    """Return the key of a text's vector: encoder and text."""
    return content_key("vector", model, text)


def _turns(prompt: Prompt) -> list[list[str]]:
    return [[message.role, message.content] for message in prompt.messages]


class Batch(Generic[Value]):
    """The requests of one call: which answers the store has and which are still missing.

    Parameters
    ----------
    store : Store
    codec : Codec
        Converts the answers.
    keys : sequence of str
        The key of each request; identical requests have the same key.
    record : RunRecord, optional
        Counts the answers as they are stored.
    is_usable : callable, optional
        Returns whether an answer counts: others in the store are missing, and others that arrive
        are not stored and count as failed. Default: all do.

    Attributes
    ----------
    n_cached : int
        Number of different answers that the store had.
    hits : list of int
        Indices of the requests whose answer the store had.
    misses : list of int
        Index of the first request of each missing answer.
    """

    def __init__(
        self,
        store: Store,
        codec: Codec[Value],
        keys: Sequence[str],
        record: RunRecord | None = None,
        is_usable: Callable[[Value], bool] = lambda _: True,
    ) -> None:
        self._store, self._codec, self._keys, self.record = store, codec, keys, record
        self._indices: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            self._indices.setdefault(key, []).append(index)
        stored = {key: codec.unpack(value) for key, value in store.get_many(self._indices).items()}
        cached = {key: value for key, value in stored.items() if is_usable(value)}
        self._is_usable, self._replaced = is_usable, stored.keys() - cached.keys()
        self._values = dict(cached)
        self._missing = [key for key in self._indices if key not in cached]
        self.n_cached = len(cached)
        self.hits = [index for index, key in enumerate(keys) if key in cached]
        self.misses = [self._indices[key][0] for key in self._missing]

    def finish(
        self, positions: Sequence[int], values: Sequence[Value], *, is_stored: bool = True
    ) -> list[int]:
        """Store the answers to `misses[positions]`; return the requests that this answers.

        If another process stored an answer in the meantime, that answer is used here too. Without
        `is_stored` the answers are used in this call only.
        """
        pairs = zip([self._missing[position] for position in positions], values, strict=True)
        new = {key: value for key, value in pairs if key not in self._values}
        self._values.update(new)
        self.record_served(new.values())
        usable = {key: value for key, value in new.items() if self._is_usable(value)}
        also = [self.record.finish(len(usable))] if self.record and usable else []
        if is_stored:
            packed = {key: self._codec.pack(value) for key, value in usable.items()}
            kind, replaced = self._codec.kind, self._replaced
            earlier = self._store.put_many(kind, packed, also=also, replacing=replaced)
            self._values.update({key: self._codec.unpack(v) for key, v in earlier.items()})
        else:
            for statement in also:
                self._store.write(statement)
        if self.record:
            self.record.fail(len(new) - len(usable))
        return [index for key in new for index in self._indices[key]]

    def record_served(self, values: Iterable[Value]) -> None:
        """Record which models gave these answers."""
        if self.record:
            self.record.see(name for value in values if (name := getattr(value, "served", "")))

    @property
    def n_finished(self) -> int:
        """Number of requests that have an answer."""
        return sum(len(self._indices[key]) for key in self._values)

    def value(self, index: int) -> Value:
        """Return the answer to one request."""
        return self._values[self._keys[index]]

    def values(self, indices: Sequence[int]) -> list[Value]:
        """Return the answers to the requests at `indices`."""
        return [self.value(index) for index in indices]


def is_answer(completion: Completion) -> bool:
    """Return whether a response of an endpoint is an answer: no failure, and no thinking.

    An empty text is one where a filter or the model refuses. Stores that earlier versions wrote
    have others.

    Examples
    --------
    >>> is_answer(Completion("Yes", 1)), is_answer(Completion(" ", 1, "length"))
    (True, False)
    """
    if completion.finish_reason in REFUSED:
        return True
    text = completion.text.strip()
    is_thinking = text.startswith("<think>") or "</think>" in text
    return bool(text) and not is_thinking and completion.finish_reason != "error"
