"""A model that is never asked: it counts what a run would ask, and writes nothing.

Kept answers are read from the store. In place of the others stand made-up ones, so that a run goes
on to its end: responses as long as those seen so far, scores that favour nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.cost.estimate import CostEstimate, Step
from jupyter_mop.backends.cost.token_counts import Counter, counter
from jupyter_mop.backends.protocols import Completion, FirstTokens, OnVectors, TokenScores
from jupyter_mop.backends.store.batch import (
    COMPLETIONS,
    FIRST_TOKENS,
    SCORES,
    VECTORS,
    Batch,
    Codec,
    Value,
    Work,
)
from jupyter_mop.backends.store.cached import Ask, CachedBackend, CachedEncoder, vector_keys
from jupyter_mop.errors import ModelError

_DIMENSION = 384


class PlannedBackend(CachedBackend):
    """Counts what the model under `cached` would be asked, and asks it nothing.

    Parameters
    ----------
    cached : CachedBackend
        The model and its store.
    typical : sequence of str
        Responses of the length to expect where the model has not been heard yet.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.protocols import Message, Prompt, ScoreRequest
    >>> from jupyter_mop.backends.store.sqlite_store import Store
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> request = ScoreRequest(Prompt((Message("user", "Well?"),)), "yes")
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     planned = PlannedBackend(CachedBackend(ToyBackend(["yes", "no"]), store))
    ...     _ = planned.score([request, request])
    >>> planned.estimate("fit").calls, planned.estimate("fit").tokens_in
    (1, 2)
    """

    prompts_at_once = sys.maxsize  # what does not depend on answers is one step

    def __init__(self, cached: CachedBackend, typical: Sequence[str] = ()) -> None:
        super().__init__(cached.backend, cached.store, price=cached.price)
        self.cached = cached
        self.typical = typical
        self.steps: list[Step] = []
        self._planned: set[str] = set()

    @property
    def can_score(self) -> bool:
        """Whether the model gives likelihoods, as far as it has been tried."""
        self._check_tried()
        return super().can_score

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the model tells how likely first tokens are, as far as it has been tried."""
        self._check_tried()
        return super().can_score_first_tokens

    def estimate(self, verb: str) -> CostEstimate:
        """Return what was counted so far."""
        return CostEstimate(verb, tuple(self.steps), self.price, self._counter.source)

    @cached_property
    def _counter(self) -> Counter:
        return counter(self.backend)

    def _answer(
        self,
        codec: Codec[Value],
        keys: Sequence[str],
        works: Sequence[Work],
        ask: Ask[Value],  # noqa: ARG002  it is what must not be called
        on_result: Callable[[int, Value], None] | None,
    ) -> list[Value]:
        batch = Batch(self.store, codec, keys)
        new = [index for index in batch.misses if keys[index] not in self._planned]
        likely = self._likely(batch, codec, works)
        made_up = {
            index: self._made_up(codec, works[index], likely, index) for index in batch.misses
        }
        self._note_step(codec, works, new, len(keys), likely)
        self._planned |= {keys[index] for index in new}
        first = {keys[index]: index for index in batch.misses}
        held = dict(zip(batch.hits, batch.values(batch.hits), strict=True))
        values = [held[i] if i in held else made_up[first[key]] for i, key in enumerate(keys)]
        if on_result:
            for index, value in enumerate(values):
                on_result(index, value)
        return values

    def _note_step(
        self,
        codec: Codec[Any],
        works: Sequence[Work],
        new: Sequence[int],
        n_requests: int,
        likely: float,
    ) -> None:
        sizes = [self._counter.size(w.prompt, w.response, most_out=w.most_out) for w in
                 (works[index] for index in new)]  # fmt: skip
        most_out = sum(size.most_out for size in sizes)
        pace = self.cached.pace.get(codec.name)
        seconds = pace.seconds / pace.calls if pace and pace.calls else None
        self.steps.append(
            Step(
                codec.name,
                calls=len(new),
                most_calls=n_requests if self._planned else len(new),
                hits=n_requests - len(new),
                tokens_in=sum(size.tokens_in for size in sizes),
                tokens_out=round(min(likely * len(new), most_out)),
                most_out=most_out,
                seconds=seconds * len(new) if seconds is not None else None if new else 0.0,
                is_known=not self._planned,
            )
        )

    def _likely(self, batch: Batch[Any], codec: Codec[Any], works: Sequence[Work]) -> float:
        """Return the tokens to expect of one answer."""
        if codec is not COMPLETIONS:
            return 1.0 if codec is FIRST_TOKENS else 0.0
        heard = [completion.n_tokens for completion in batch.values(batch.hits)]
        pace = self.cached.pace.get(codec.name)
        if heard:
            return float(np.mean(heard))
        if pace and pace.calls:
            return pace.tokens_out / pace.calls
        lengths = [self._counter.of_response(works[0].prompt, text) for text in self.typical]
        return float(np.mean(lengths)) if lengths else float("inf")

    def _made_up(self, codec: Codec[Value], work: Work, likely: float, index: int) -> Value:
        """Return an answer that favours nothing; a response has a word a line, as in a list."""
        value: object
        if codec is COMPLETIONS:
            n_tokens = max(1, round(min(likely, work.most_out)))
            said = self.typical[index % len(self.typical)] if self.typical else "word " * n_tokens
            value = Completion("\n".join(said.split()), n_tokens)
        elif codec is SCORES:
            n_tokens = max(1, self._counter.of_response(work.prompt, work.response))
            value = TokenScores((-1.0,) * n_tokens)
        else:
            value = FirstTokens(("?",), (-1.0,))
        return cast("Value", value)

    def _check_tried(self) -> None:
        """Raise a ModelError for an endpoint that would have to be tried first."""
        lazy = getattr(type(self.backend), "capabilities", None)
        if isinstance(lazy, cached_property) and "capabilities" not in vars(self.backend):
            raise ModelError(
                "What this endpoint can do has not been tried, and a dry run makes no call.",
                hint="Try it with %mop_backend, which makes about ten calls of a few tokens.",
            )


class PlannedEncoder(CachedEncoder):
    """Reads kept vectors; in place of the others it has directions of no meaning."""

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), d), float32; nothing is computed or kept."""
        keys = vector_keys(self.fingerprint, texts)
        batch = Batch(self.store, VECTORS, keys)
        held = dict(zip(batch.hits, batch.values(batch.hits), strict=True))
        self.dimension = len(next(iter(held.values()))) if held else self.dimension
        rng = np.random.default_rng(0)
        random = rng.normal(size=(len(texts), self.dimension)).astype(np.float32)
        random /= np.linalg.norm(random, axis=1, keepdims=True)
        vectors = np.array([held.get(i, random[i]) for i in range(len(texts))], dtype=np.float32)
        if on_result and len(texts):
            on_result(range(len(texts)), vectors)
        return vectors.reshape(len(texts), self.dimension)

    dimension = _DIMENSION
