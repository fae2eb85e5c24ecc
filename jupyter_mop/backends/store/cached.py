"""A language model and an encoder whose answers are cached in a store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.token_counts import token_counter
from jupyter_mop.backends.cost.usage import Meter, Usage
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
    OnText,
    OnVectors,
    Prompt,
    SamplingParams,
    ScoreRequest,
    Scores,
    ScoresFirstTokens,
    Streams,
    TokenScores,
    can_score,
    can_score_first_tokens,
    model_facts,
)
from jupyter_mop.backends.store.batch import (
    COMPLETIONS,
    FIRST_TOKENS,
    SCORES,
    VECTORS,
    Batch,
    RequestText,
    Value,
    Vector,
    completion_key,
    first_tokens_key,
    is_answer,
    score_key,
    vector_key,
)
from jupyter_mop.backends.store.missing import Ask, Call, MissingRequests, OnValue
from jupyter_mop.backends.store.run_record import current_record
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import BudgetError


class _HitCounts:
    """Count how often the store had the answer: in the latest call and in total.

    All but the first of identical requests in one call are hits too; `n_cached` excludes them.
    """

    hits: int = 0
    misses: int = 0
    total_hits: int = 0
    total_misses: int = 0
    n_cached: int = 0

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._asking = threading.RLock()  # threads take turns: no answer is computed twice

    def _count(self, batch: Batch[Any], n_requests: int) -> None:
        with self._counting:
            self.hits, self.misses = n_requests - len(batch.misses), len(batch.misses)
            self.n_cached = len(batch.hits)
            self.total_hits += self.hits
            self.total_misses += self.misses


class CachedBackend(_HitCounts):
    """A language model that never computes the same answer twice.

    A batch is looked up in one query. Only missing answers are requested from the model, identical
    requests once, and each answer is stored as soon as it is finished: an interrupted or killed
    run continues where it stopped. Threads may share it: only one at a time asks the model, so that
    an answer which another thread has just computed is found in the store.

    Parameters
    ----------
    backend : Backend
        The language model that computes missing answers.
    store : Store
        The store of cached answers.
    price : Price, optional
        The price of the model's tokens; default: the backend's own or the price table's.

    Attributes
    ----------
    hits, misses : int
        Requests of the latest call without and with a request to the model.
    total_hits, total_misses : int
        The same, summed over all calls.
    n_cached : int
        Requests of the latest call that were in the store before; they are reported first.
    pace : dict of str to Usage
        Calls, tokens and seconds so far for each kind of request.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.protocols import Message
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> request = ScoreRequest(Prompt((Message("user", "Well?"),)), "yes")
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     model = CachedBackend(ToyBackend(["yes", "no"]), store)
    ...     scores = model.score([request, request]), model.score([request])
    >>> model.total_hits, model.total_misses, model.backend.n_scored
    (2, 1, 1)
    """

    prompts_at_once: int

    def __init__(self, backend: Backend, store: Store, *, price: Price | None = None) -> None:
        super().__init__()
        self.backend = backend
        self.store = store
        self._price = price
        self._meter = Meter()
        self.pace: dict[str, Usage] = {}
        self._saved: list[tuple[int, float]] = []  # by another price: calls before, US dollars

    @contextmanager
    def asking(
        self, backend: Backend, *, price: Price | None, prompts_at_once: int
    ) -> Iterator[None]:
        """Ask another backend inside a `with` block, with so many prompts in one call."""
        before, start = (self.backend, self._price), self.usage
        self.backend, self._price, self.prompts_at_once = backend, price, prompts_at_once
        try:
            yield
        finally:
            used = self._dollars(self.usage - start)
            self.backend, self._price = before
            del self.prompts_at_once
            self._saved.append((start.calls, self._dollars(self.usage - start) - used))

    @property
    def price(self) -> Price | None:
        """The price of the model's tokens; None if it is not known."""
        return self._price or getattr(self.backend, "price", None)

    @property
    def meter(self) -> Meter:
        """The meter of the model's calls: an endpoint's own, or this object's."""
        return getattr(self.backend, "meter", self._meter)

    @property
    def usage(self) -> Usage:
        """Calls, tokens and seconds so far, and requests answered by the store."""
        seconds = sum(usage.seconds for usage in self.pace.values())
        used = self._meter.usage + Usage(hits=self.total_hits, seconds=seconds)
        return used if self.meter is self._meter else used + self.meter.usage

    def spent(self, before: Usage | None = None) -> float | None:
        """Return the US dollars spent since `before`; None if free or if no price is known."""
        before = before or Usage()
        saved = sum(usd for calls, usd in self._saved if calls >= before.calls)
        return (self._dollars(self.usage - before) - saved) or None

    def _dollars(self, used: Usage) -> float:
        tokens = used.tokens_in, used.tokens_out, used.tokens_cached
        return self.price.of(*tokens) if self.price else 0.0

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

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Return one response for each request; cached ones are reported first."""
        call = self._call(
            requests,
            params,
            lambda missing, report: self.backend.generate(missing, params, on_result=report),
        )
        return self._answer(call, on_result)

    def stream(
        self, request: GenerationRequest, params: SamplingParams, *, on_text: OnText
    ) -> Completion:
        """Return a response; a model that streams reports the text so far, others all of it."""
        backend = self.backend

        def ask(missing: Sequence[Any], report: OnCompletion | None) -> list[Completion]:
            if not isinstance(backend, Streams):
                return backend.generate(missing, params, on_result=report)
            completion = backend.stream(missing[0], params, on_text=on_text)
            if report:
                report(0, completion)
            return [completion]

        (completion,) = self._answer(self._call([request], params, ask), None)
        on_text(completion.text)
        return completion

    def _call(
        self, requests: Sequence[GenerationRequest], params: SamplingParams, ask: Ask[Completion]
    ) -> Call[Completion]:
        """Return the call for responses: which are kept, and where."""
        known = self._known()  # the fingerprint depends on it
        model = self.fingerprint
        return Call(
            COMPLETIONS,
            requests,
            [completion_key(model, request, params) for request in requests],
            [RequestText(request.prompt, max_out=params.max_tokens) for request in requests],
            ask,
            is_answer if getattr(self.backend, "needs_text", False) else lambda _: True,
            # else it has refused a parameter in the meantime
            lambda: self._known() is known or self.fingerprint == model,
        )

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token, in nats; cached scores are reported first."""
        _ = self._known()
        model, backend = self.fingerprint, self.backend
        assert isinstance(backend, Scores)  # noqa: S101  see can_score
        call = Call(
            SCORES,
            requests,
            [score_key(model, request) for request in requests],
            [RequestText(request.prompt, request.response) for request in requests],
            lambda missing, report: backend.score(missing, on_result=report),
        )
        return self._answer(call, on_result)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the most likely first tokens of a response to each prompt; cached ones first."""
        _ = self._known()
        model, backend = self.fingerprint, self.backend
        assert isinstance(backend, ScoresFirstTokens)  # noqa: S101  see can_score_first_tokens
        call = Call(
            FIRST_TOKENS,
            prompts,
            [first_tokens_key(model, prompt) for prompt in prompts],
            [RequestText(prompt, max_out=1) for prompt in prompts],
            lambda missing, report: backend.first_tokens(missing, on_result=report),
        )
        return self._answer(call, on_result)

    def _known(self) -> Capabilities | None:
        """Return what is known of an endpoint's model; it is probed on first use."""
        return self.capabilities

    def _answer(self, call: Call[Value], on_result: OnValue[Value] | None) -> list[Value]:
        record = current_record(self.store)
        batch = Batch(self.store, call.codec, call.keys, record, call.is_usable)
        if not batch.misses:
            return self._reported(call, batch, on_result)
        with self._asking:
            batch = Batch(self.store, call.codec, call.keys, record, call.is_usable)
            return self._reported(call, batch, on_result)

    def _reported(
        self, call: Call[Value], batch: Batch[Value], on_result: OnValue[Value] | None
    ) -> list[Value]:
        """Return all answers, cached ones first; the model is asked for missing ones."""
        self._count(batch, len(call.keys))
        if batch.record:
            n_requests = batch.n_cached + len(batch.misses)
            batch.record.request(n_requests, n_cached=batch.n_cached, model=self.fingerprint)
            batch.record_served(batch.values(batch.hits))
        if on_result:
            for index in batch.hits:
                on_result(index, batch.value(index))
        if batch.misses:
            self._ask_model(call, batch, on_result)
        return batch.values(range(len(call.keys)))

    def _ask_model(
        self, call: Call[Value], batch: Batch[Value], on_result: OnValue[Value] | None
    ) -> None:
        """Request the missing answers; store and report each as it is finished."""
        before, start = self.usage, time.monotonic()
        meter = self._meter if self.meter is self._meter else None
        missing = MissingRequests(call, batch, on_result, meter, token_counter(self.backend))
        try:
            with batch.record.counting_failures() if batch.record else nullcontext():
                missing.ask_all()
        except BudgetError as error:
            done = f"{batch.n_finished:,} of {len(call.keys):,} {call.codec.name} are finished"
            raise BudgetError(f"{error.message} {done}.", hint=error.hint) from None
        finally:
            used = replace(self.usage - before, seconds=time.monotonic() - start)
            self.pace[call.codec.name] = self.pace.get(call.codec.name, Usage()) + used


class CachedEncoder(_HitCounts):
    """An encoder that never computes the same vector twice.

    Parameters
    ----------
    encoder : Encoder
        Encodes the texts whose vectors the store does not have.
    store : Store
        The store of cached vectors, as float32.

    Attributes
    ----------
    hits, misses : int
        Texts of the latest call without and with work for the encoder.
    total_hits, total_misses : int
        The same, summed over all calls.
    n_cached : int
        Texts of the latest call whose vector was in the store before; they are reported first.

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
        super().__init__()
        self.encoder = encoder
        self.store = store

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self.encoder.fingerprint

    def encode(self, texts: Sequence[str], *, on_result: OnVectors | None = None) -> Vector:
        """Return unit vectors, shape (len(texts), d), float32; cached ones are reported first."""
        if not len(texts):
            return self.encoder.encode(texts)
        model = self.fingerprint
        keys = [vector_key(model, text) for text in texts]
        batch = Batch(self.store, VECTORS, keys)
        if not batch.misses:
            return self._reported(texts, batch, on_result)
        with self._asking:
            return self._reported(texts, Batch(self.store, VECTORS, keys), on_result)

    def _reported(
        self, texts: Sequence[str], batch: Batch[Vector], on_result: OnVectors | None
    ) -> Vector:
        """Return all vectors, cached ones first; the encoder computes missing ones."""
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
