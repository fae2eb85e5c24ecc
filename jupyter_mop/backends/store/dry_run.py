"""A dry run: count what a run would request, without asking the model or writing to the store.

Cached answers are read from the store. The others are replaced by placeholders so that the run
reaches its end: responses as long as those seen so far, and scores that favour no component.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.cost.estimate import CostEstimate, Step
from jupyter_mop.backends.cost.token_counts import TokenCounter, token_counter
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.backends.protocols import (
    Completion,
    FirstTokens,
    OnVectors,
    TokenScores,
    hidden_tokens,
)
from jupyter_mop.backends.store.batch import (
    COMPLETIONS,
    FIRST_TOKENS,
    SCORES,
    VECTORS,
    Batch,
    Codec,
    RequestText,
    Value,
    vector_key,
)
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.missing import Call, OnValue
from jupyter_mop.errors import ModelError

_DIMENSION = 384


class PlannedBackend(CachedBackend):
    """A backend that counts the requests of a run and never asks the model.

    Parameters
    ----------
    cached : CachedBackend
        The model and its store.
    typical : sequence of str
        Responses of typical length, for a model that has not responded yet.

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

    is_dry_run = True  # its answers are placeholders
    n_listed = 1  # responses that one answer lists
    prompts_at_once = sys.maxsize  # one step for all prompts that do not depend on answers

    def __init__(self, cached: CachedBackend, typical: Sequence[str] = ()) -> None:
        direct = getattr(cached.backend, "direct", None)  # of a backend that sends batches
        super().__init__(direct or cached.backend, cached.store, price=cached.price)
        self._is_batch = direct is not None
        self.cached = cached
        self.typical = typical
        self.steps: list[Step] = []
        self._planned: set[str] = set()

    @property
    def can_score(self) -> bool:
        """Whether the model reports log-likelihoods; an endpoint must have been probed."""
        self._check_probed()
        return super().can_score

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the model reports first tokens; an endpoint must have been probed."""
        self._check_probed()
        return super().can_score_first_tokens

    def _known(self) -> Capabilities | None:
        """Return what is known of an endpoint's model without a call."""
        return vars(self.backend).get("capabilities")

    def estimate(self, verb: str) -> CostEstimate:
        """Return the cost of all requests counted so far."""
        expected, room = hidden_tokens(self.backend)
        thinking = (round(expected), room) if room else None
        return CostEstimate(
            verb, tuple(self.steps), self.price, self._counter.source, thinking, self._is_batch
        )

    @cached_property
    def _counter(self) -> TokenCounter:
        return token_counter(self.backend)

    def _answer(self, call: Call[Value], on_result: OnValue[Value] | None) -> list[Value]:
        batch = Batch(self.store, call.codec, call.keys, is_usable=call.is_usable)
        expected = self._expected_tokens(batch, call)
        placeholders = {
            call.keys[index]: self._placeholder(call.codec, call.texts[index], expected, index)
            for index in batch.misses
        }
        new = [index for index in batch.misses if call.keys[index] not in self._planned]
        self._add_step(call, new, expected)
        self._planned |= placeholders.keys()
        cached = dict(zip(batch.hits, batch.values(batch.hits), strict=True))
        values = [
            cached[index] if index in cached else placeholders[key]
            for index, key in enumerate(call.keys)
        ]
        if on_result:
            for index, value in enumerate(values):
                on_result(index, value)
        return values

    def _add_step(self, call: Call[Any], new: Sequence[int], expected: float) -> None:
        """Add a step with its new requests and the tokens expected of each answer."""
        n_requests, n_new, texts = len(call.keys), len(new), [call.texts[index] for index in new]
        firsts = self._firsts(call, new)
        room = hidden_tokens(self.backend)[1] if call.codec is COMPLETIONS else 0
        sizes = [self._counter.size(t.prompt, t.response, max_out=t.max_out + room) for t in texts]
        max_out = sum(size.max_out for size in sizes)
        pace = self.cached.pace.get(call.codec.name)
        seconds = pace.seconds / pace.calls if pace and pace.calls else None
        tokens_in = sum(sizes[position].tokens_in for position in firsts)
        cached = pace.tokens_cached / pace.tokens_in if pace and pace.tokens_in else 0.0
        self.steps.append(
            Step(
                call.codec.name,
                calls=len(firsts),
                max_calls=n_requests if self._planned else len(firsts),
                hits=n_requests - n_new,
                tokens_in=tokens_in,
                tokens_out=round(min(expected * n_new, max_out)),
                max_out=max_out,
                seconds=seconds * len(firsts) if seconds is not None else None if n_new else 0.0,
                is_known=not self._planned,
                tokens_cached=round(cached * tokens_in),
            )
        )

    def _firsts(self, call: Call[Any], new: Sequence[int]) -> list[int]:
        """Return the positions in `new` of the first request of each call."""
        grouped = getattr(self.backend, "grouped", None)
        if grouped is None or self._is_batch or call.codec is not COMPLETIONS:
            return list(range(len(new)))
        return [group[0] for group in grouped([call.requests[index] for index in new])]

    def _expected_tokens(self, batch: Batch[Any], call: Call[Any]) -> float:
        """Return the expected number of tokens of one answer."""
        if call.codec is not COMPLETIONS:
            return 1.0 if call.codec is FIRST_TOKENS else 0.0
        cached = [completion.n_tokens for completion in batch.values(batch.hits)]
        pace = self.cached.pace.get(call.codec.name)
        if cached:
            return float(np.mean(cached))
        is_shared = len(self._firsts(call, batch.misses)) < len(batch.misses)
        if pace and pace.calls and self.n_listed == 1 and not is_shared:
            return pace.tokens_out / pace.calls
        lengths = [self._counter.of_response(call.texts[0].prompt, text) for text in self.typical]
        thinking = hidden_tokens(self.backend)[0]
        return self.n_listed * float(np.mean(lengths)) + thinking if lengths else float("inf")

    def _placeholder(
        self, codec: Codec[Value], text: RequestText, expected: float, index: int
    ) -> Value:
        """Return an answer that favours nothing; a response has one word per line, as a list."""
        value: object
        if codec is COMPLETIONS:
            n_tokens = max(1, round(min(expected - hidden_tokens(self.backend)[0], text.max_out)))
            typical = (
                self.typical[index % len(self.typical)] if self.typical else "word " * n_tokens
            )
            value = Completion("\n".join(typical.split()), n_tokens)
        elif codec is SCORES:
            n_tokens = max(1, self._counter.of_response(text.prompt, text.response))
            value = TokenScores((-1.0,) * n_tokens)
        else:
            value = FirstTokens(("?",), (-1.0,))
        return cast("Value", value)

    def _check_probed(self) -> None:
        """Raise a ModelError for an endpoint whose capabilities have not been probed."""
        lazy = getattr(type(self.backend), "capabilities", None)
        if isinstance(lazy, cached_property) and "capabilities" not in vars(self.backend):
            raise ModelError(
                "This endpoint has not been probed, and a dry run makes no calls.",
                hint="Run %mop_backend, which probes it with about ten calls of a few tokens.",
            )


class PlannedEncoder(CachedEncoder):
    """An encoder that reads cached vectors and returns random directions for other texts.

    Attributes
    ----------
    dimension : int
        Size d of a vector: that of cached vectors once there are some.
    """

    dimension = _DIMENSION

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), d), float32; nothing is computed or stored."""
        model = self.fingerprint
        batch = Batch(self.store, VECTORS, [vector_key(model, text) for text in texts])
        cached = dict(zip(batch.hits, batch.values(batch.hits), strict=True))
        self.dimension = len(next(iter(cached.values()))) if cached else self.dimension
        rng = np.random.default_rng(0)
        random = rng.normal(size=(len(texts), self.dimension)).astype(np.float32)
        random /= np.linalg.norm(random, axis=1, keepdims=True)
        vectors = np.array([cached.get(i, random[i]) for i in range(len(texts))], dtype=np.float32)
        if on_result and len(texts):
            on_result(range(len(texts)), vectors)
        return vectors.reshape(len(texts), self.dimension)
