"""The requests of one call as the store keeps them: under which keys, and as which bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Completion, FirstTokens, Prompt, TokenScores
from jupyter_mop.backends.store.run_record import Books
from jupyter_mop.backends.store.sqlite_store import Kind, Store

Value = TypeVar("Value")
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Work:
    """What a request gives to read: a prompt, a response; and the most that it has written."""

    prompt: Prompt
    response: str = ""
    most_out: int = 0


@dataclass(frozen=True)
class Codec(Generic[Value]):
    """How one kind of answer becomes bytes and back."""

    name: str
    kind: Kind
    pack: Callable[[Value], bytes]
    unpack: Callable[[bytes], Value]


COMPLETIONS: Codec[Completion] = Codec(
    "responses",
    "completion",
    lambda completion: json.dumps(asdict(completion)).encode(),
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
    lambda told: json.dumps([told.tokens, told.log_probs]).encode(),
    lambda value: FirstTokens(*map(tuple, json.loads(value))),
)
VECTORS: Codec[Vector] = Codec(
    "vectors",
    "vector",
    lambda vector: vector.astype("<f4").tobytes(),
    lambda value: np.frombuffer(value, dtype="<f4").astype(np.float32),
)


class Batch(Generic[Value]):
    """The requests of one call: what the store held, what is left to ask, what is finished."""

    def __init__(
        self, store: Store, codec: Codec[Value], keys: Sequence[str], books: Books | None = None
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
        packed = {key: self._codec.pack(value) for key, value in fresh.items()}
        also = [self._books.finish(len(fresh))] if self._books else []
        before = self._store.put_many(self._codec.kind, packed, also=also)
        self._values.update(fresh)
        self._values.update({key: self._codec.unpack(value) for key, value in before.items()})
        return [index for key in fresh for index in self._places[key]]

    @property
    def n_finished(self) -> int:
        """How many requests have their answer."""
        return sum(len(self._places[key]) for key in self._values)

    def values(self, indices: Sequence[int]) -> list[Value]:
        """Return the answers at `indices`."""
        return [self._values[self._keys[index]] for index in indices]
