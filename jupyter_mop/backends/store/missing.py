"""The requests of a call that the store cannot answer: asked of the model, metered and stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from jupyter_mop.backends.cost.token_counts import TokenCounter
from jupyter_mop.backends.cost.usage import Meter, Size
from jupyter_mop.backends.protocols import Completion, FirstTokens
from jupyter_mop.backends.store.batch import Batch, Codec, RequestText, Value

OnValue: TypeAlias = Callable[[int, Value], None]
Ask: TypeAlias = Callable[[Sequence[Any], OnValue[Value] | None], list[Value]]


@dataclass(frozen=True)
class Call(Generic[Value]):
    """The requests of one call, with their keys, and the method that answers them.

    Attributes
    ----------
    codec : Codec
        Converts the answers.
    requests : sequence
        What `ask` takes.
    keys : sequence of str
        Key of each request in the store.
    texts : sequence of RequestText
        What each request costs tokens for.
    ask : callable
        Called as `ask(requests, on_result)`; returns one answer for each request.
    is_usable : callable
        Returns whether an answer counts; see `Batch`.
    is_stored : callable
        Returns whether answers that arrive now belong under their keys.
    """

    codec: Codec[Value]
    requests: Sequence[Any]
    keys: Sequence[str]
    texts: Sequence[RequestText]
    ask: Ask[Value]
    is_usable: Callable[[Value], bool] = lambda _: True
    is_stored: Callable[[], bool] = lambda: True


class MissingRequests(Generic[Value]):
    """The requests of a call that the model must answer.

    Parameters
    ----------
    call : Call
    batch : Batch
        Stores the answers.
    on_result : callable, optional
        Called with (index, value) for each request that is answered.
    meter : Meter, optional
        Counts the calls of a model that does not count its own.
    counter : TokenCounter
        Counts tokens for the meter.
    """

    def __init__(
        self,
        call: Call[Value],
        batch: Batch[Value],
        on_result: OnValue[Value] | None,
        meter: Meter | None,
        counter: TokenCounter,
    ) -> None:
        self._ask, self._batch, self._on_result = call.ask, batch, on_result
        self._is_stored = call.is_stored
        self._meter, self._counter = meter, counter
        self._requests = [call.requests[index] for index in batch.misses]
        self._texts = [call.texts[index] for index in batch.misses]
        self._finished: set[int] = set()

    def ask_all(self) -> None:
        """Ask the model, within a budget one request at a time."""
        if self._meter and self._meter.is_limited:
            for position, request in enumerate(self._requests):
                self._meter.hold(self._size(position))
                self._finish(position, self._ask([request], None)[0])
        else:
            for position, value in enumerate(self._ask(self._requests, self._finish)):
                self._finish(position, value)

    def _finish(self, position: int, value: Value) -> None:
        """Meter, store and report one answer, once."""
        if position in self._finished:
            return
        self._finished.add(position)
        if self._meter:
            size = self._size(position)
            self._meter.end(size, (size.tokens_in, _tokens_out(value)))
        for index in self._batch.finish([position], [value], is_stored=self._is_stored()):
            if self._on_result:
                self._on_result(index, self._batch.value(index))

    def _size(self, position: int) -> Size:
        text = self._texts[position]
        return self._counter.size(text.prompt, text.response, max_out=text.max_out)


def _tokens_out(value: object) -> int:
    """Return the number of tokens generated for an answer: none for scores."""
    if isinstance(value, Completion):
        return value.n_tokens
    return int(isinstance(value, FirstTokens))
