"""Any language model or encoder with a store under it: nothing is asked twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.token_counts import counter
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
    OnVectors,
    Prompt,
    SamplingParams,
    ScoreRequest,
    TokenScores,
    can_score,
    can_score_first_tokens,
)
from jupyter_mop.backends.store.batch import (
    COMPLETIONS,
    FIRST_TOKENS,
    SCORES,
    VECTORS,
    Batch,
    Codec,
    Value,
    Vector,
    Work,
)
from jupyter_mop.backends.store.run_record import open_books
from jupyter_mop.backends.store.sqlite_store import Store, content_key
from jupyter_mop.errors import BudgetError

OnValue: TypeAlias = Callable[[int, Value], None]
Ask: TypeAlias = Callable[[Sequence[int], OnValue[Value]], list[Value]]


class _Counter:
    """How often the store had the answer: in the last call and since the start.

    Identical requests of one call are hits but for the first; `kept` leaves them out.
    """

    hits: int = 0
    misses: int = 0
    total_hits: int = 0
    total_misses: int = 0
    kept: int = 0

    def _count(self, batch: Batch[Any], n_requests: int) -> None:
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
    price : Price, optional
        What the model's tokens cost; default: what the model itself or a table says.

    Attributes
    ----------
    hits, misses : int
        Requests of the last call that cost nothing, and that the model was asked.
    total_hits, total_misses : int
        The same since the start.
    kept : int
        Requests of the last call whose answer was kept before; they are reported first.
    pace : dict of str to Usage
        What each kind of request took so far: calls, tokens and seconds.

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

    def __init__(self, backend: Backend, store: Store, *, price: Price | None = None) -> None:
        self.backend = backend
        self.store = store
        self._price = price
        self._meter = Meter()
        self.pace: dict[str, Usage] = {}

    @property
    def price(self) -> Price | None:
        """What the model's tokens cost: as stated, or by a table; None where nobody knows."""
        return self._price or getattr(self.backend, "price", None)

    @property
    def meter(self) -> Meter:
        """What counts the model's calls: the endpoint's own, where it is one."""
        return getattr(self.backend, "meter", self._meter)

    @property
    def usage(self) -> Usage:
        """What was asked so far, what it cost, and what the store answered for nothing."""
        seconds = sum(usage.seconds for usage in self.pace.values())
        used = self._meter.usage + Usage(hits=self.total_hits, seconds=seconds)
        return used if self.meter is self._meter else used + self.meter.usage

    def spent(self, before: Usage | None = None) -> float | None:
        """Return the US dollars spent since `before`; None where nobody knows or nothing costs."""
        used = self.usage - (before or Usage())
        return (self.price.of(used.tokens_in, used.tokens_out) or None) if self.price else None

    @property
    def can_score(self) -> bool:
        """Whether the language model gives the likelihood of a given response."""
        return can_score(self.backend)

    @property
    def capabilities(self) -> Capabilities | None:
        """What an endpoint was found to do; None for a model that is no endpoint."""
        return getattr(self.backend, "capabilities", None)

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the language model tells how likely the first tokens of a reply are."""
        return can_score_first_tokens(self.backend)

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
        works = [Work(request.prompt, most_out=params.max_tokens) for request in requests]
        return self._answer(COMPLETIONS, keys, works, ask, on_result)

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token; kept ones are reported first."""

        def ask(missing: Sequence[int], finished: OnScores) -> list[TokenScores]:
            return self.backend.score([requests[index] for index in missing], on_result=finished)

        model = self.fingerprint
        keys = [_score_key(model, request) for request in requests]
        works = [Work(request.prompt, request.response) for request in requests]
        return self._answer(SCORES, keys, works, ask, on_result)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the likeliest first tokens of each reply; kept ones are reported first."""
        backend = self.backend
        assert isinstance(backend, TellsFirstTokens)  # noqa: S101  see can_score_first_tokens

        def ask(missing: Sequence[int], finished: OnFirstTokens) -> list[FirstTokens]:
            return backend.first_tokens([prompts[index] for index in missing], on_result=finished)

        model = self.fingerprint
        keys = [content_key("score", model, "first tokens", _turns(prompt)) for prompt in prompts]
        works = [Work(prompt, most_out=1) for prompt in prompts]
        return self._answer(FIRST_TOKENS, keys, works, ask, on_result)

    def _answer(
        self,
        codec: Codec[Value],
        keys: Sequence[str],
        works: Sequence[Work],
        ask: Ask[Value],
        on_result: Callable[[int, Value], None] | None,
    ) -> list[Value]:
        books = open_books(self.store)
        batch = Batch(self.store, codec, keys, books)
        self._count(batch, len(keys))
        if books:
            books.request(
                batch.n_held + len(batch.misses), kept=batch.n_held, model=self.fingerprint
            )

        def report(indices: Sequence[int]) -> None:
            if on_result:
                for index, value in zip(indices, batch.values(indices), strict=True):
                    on_result(index, value)

        report(batch.hits)
        if batch.misses:
            before, began = self.usage, time.monotonic()
            told = [works[index] for index in batch.misses]
            way = ask if self.meter is not self._meter else self._metered(told, ask)
            try:
                with books.watched() if books else nullcontext():
                    values = way(
                        batch.misses, lambda at, value: report(batch.finish([at], [value]))
                    )
                report(batch.finish(range(len(values)), values))
            except BudgetError as error:
                done = f"{batch.n_finished:,} of {len(keys):,} {codec.name} are finished"
                raise BudgetError(f"{error.message} {done}.", hint=error.hint) from None
            finally:
                self._note(codec.name, before, time.monotonic() - began)
        return batch.values(range(len(keys)))

    def _note(self, name: str, before: Usage, seconds: float) -> None:
        used = replace(self.usage - before, seconds=seconds)
        self.pace[name] = self.pace.get(name, Usage()) + used

    def _metered(self, works: Sequence[Work], ask: Ask[Value]) -> Ask[Value]:
        """Return `ask` for a model with no meter; within a budget, one request after the other."""
        count = counter(self.backend)

        def end(at: int, value: Value) -> None:
            size = count.size(works[at].prompt, works[at].response, most_out=works[at].most_out)
            self._meter.end(size, (size.tokens_in, _written(value)))

        def together(missing: Sequence[int], finished: OnValue[Value]) -> list[Value]:
            ended = set[int]()

            def done(at: int, value: Value) -> None:
                if at not in ended:
                    ended.add(at)
                    end(at, value)
                finished(at, value)

            values = ask(missing, done)
            for at in set(range(len(values))) - ended:
                end(at, values[at])
            return values

        def one_by_one(missing: Sequence[int], finished: OnValue[Value]) -> list[Value]:
            values = list[Value]()
            for at, index in enumerate(missing):
                work = works[at]
                self._meter.hold(count.size(work.prompt, work.response, most_out=work.most_out))
                values += ask([index], lambda _at, _value: None)
                end(at, values[-1])
                finished(at, values[-1])
            return values

        return one_by_one if self._meter.is_limited else together


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
        batch = Batch(self.store, VECTORS, vector_keys(self.fingerprint, texts))
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


def vector_keys(model: str, texts: Sequence[str]) -> list[str]:
    """Return the keys under which an encoder's vectors of `texts` are kept."""
    return [content_key("vector", model, text) for text in texts]


def _written(value: object) -> int:
    """Return the tokens that a model wrote for an answer: none for scores."""
    if isinstance(value, Completion):
        return value.n_tokens
    return int(isinstance(value, FirstTokens))


def _turns(prompt: Prompt) -> list[list[str]]:
    return [[message.role, message.content] for message in prompt.messages]


def _completion_key(model: str, request: GenerationRequest, params: SamplingParams) -> str:
    drawing = [float(params.temperature), float(params.top_p), int(params.max_tokens)]
    return content_key(
        "completion", model, _turns(request.prompt), drawing, int(request.seed), int(request.draw)
    )


def _score_key(model: str, request: ScoreRequest) -> str:
    return content_key("score", model, _turns(request.prompt), request.response)
