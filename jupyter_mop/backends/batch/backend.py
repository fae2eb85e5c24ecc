"""A backend that sends its requests as batches: half the price, answers within a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from jupyter_mop.backends.batch.lines import Outcome, write_lines
from jupyter_mop.backends.batch.log import BatchLog, SentBatch
from jupyter_mop.backends.batch.outcomes import EMPTY, Failure, read_outcome
from jupyter_mop.backends.batch.service import BatchService, Status
from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.token_counts import cached_tokens, reported_tokens, size_of_body
from jupyter_mop.backends.cost.usage import Meter, Size, Usage
from jupyter_mop.backends.endpoint.backend import EMPTY as EMPTY_REASON
from jupyter_mop.backends.endpoint.backend import MAX_EMPTY_PARTS, OpenAIBackend
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.backends.endpoint.chat import answers
from jupyter_mop.backends.endpoint.error_messages import FilteredError, RefusedError
from jupyter_mop.backends.protocols import (
    Completion,
    FirstTokens,
    GenerationRequest,
    OnCompletion,
    OnFirstTokens,
    Prompt,
    SamplingParams,
)
from jupyter_mop.backends.store.batch import (
    COMPLETIONS,
    FIRST_TOKENS,
    Codec,
    completion_key,
    first_tokens_key,
)
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import BatchPending, BudgetError, ModelError

Value = TypeVar("Value")
Json = dict[str, Any]

MAX_ATTEMPTS = 3
_COLLECT = "%mop_resume collects it."


@dataclass(frozen=True)
class _Requests(Generic[Value]):
    """The requests of one call: their keys, their bodies by attempt, how an answer is read."""

    keys: Sequence[str]
    body: Callable[[int, int], Json]  # of the request at an index, in an attempt from 0
    read: Callable[[Json], Value]
    codec: Codec[Value]
    on_result: Callable[[int, Value], None] | None

    @cached_property
    def indices(self) -> dict[str, list[int]]:
        """The indices of each key."""
        indices: dict[str, list[int]] = {}
        for index, key in enumerate(self.keys):
            indices.setdefault(key, []).append(index)
        return indices

    def report(self, key: str, value: Value) -> None:
        """Report an answer to each request with this key."""
        if self.on_result:
            for index in self.indices[key]:
                self.on_result(index, value)

    def without_text(self, reason: str) -> Value:
        """Return an answer without text."""
        return cast("Value", Completion("", 0, reason))


class BatchBackend:
    """An endpoint's language model, asked in batches that are collected later.

    A call sends those requests that are in no batch yet and raises `BatchPending`. The same call
    later looks after the batch and returns the answers when it is done. What failed or expired is
    sent again, alone. Batches are recorded in the store before and after each step, so that a
    killed process loses nothing and no request is in two batches.

    Parameters
    ----------
    direct : OpenAIBackend
        The endpoint; it must have OpenAI's batch API.
    store : Store
        Where batches are recorded, and where answers to other calls' requests are put.
    price : Price, optional
        The price of the model's tokens outside batches.
    """

    needs_text = True  # an answer without text is a failure, which is not cached

    def __init__(self, direct: OpenAIBackend, store: Store, *, price: Price | None = None) -> None:
        self.direct, self._store = direct, store
        self.price = price.in_batches if price else None
        self._log = BatchLog(store, direct.endpoint.name)
        self._service = BatchService(direct.endpoint)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the language model: a batch gives the same answers."""
        return self.direct.fingerprint

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the provenance of a result says of the model."""
        return {**self.direct.facts, "batch": True}

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities found by probing the endpoint, with direct calls."""
        return self.direct.capabilities

    @property
    def meter(self) -> Meter:
        """The endpoint's meter, which counts a batch when it is collected."""
        return self.direct.meter

    @property
    def hidden_tokens(self) -> tuple[float, int]:
        """Expected tokens of thinking before an answer, and the room for it."""
        return self.direct.hidden_tokens

    @property
    def characters_per_token(self) -> float | None:
        """Characters per token by the server's own counts."""
        return self.direct.characters_per_token

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the endpoint reports the most likely first tokens of a response."""
        return self.direct.can_score_first_tokens

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Return one response for each request, once the batches with them are done.

        Parameters
        ----------
        requests : sequence of GenerationRequest
        params : SamplingParams
        on_result : callable, optional
            Called with (index, completion) for each.

        Returns
        -------
        list of Completion
            In the order of the requests.

        Raises
        ------
        BatchPending
            Some responses are in a batch that is not done; the others have been reported.
        BudgetError
            The batch could exceed the budget; it is not sent.
        ModelError
            The server refused a request or a batch, or a request failed in three batches.
        """
        model, room = self.fingerprint, self.direct.thinking

        def body(index: int, attempt: int) -> Json:
            tokens = room.tokens
            for _ in range(attempt if tokens else 0):
                tokens = room.larger(tokens) or tokens
            return self.direct.body(requests[index], params, tokens)

        def read(answer: Json) -> Completion:
            completion = answers.completion(answer)
            room.see(completion.n_thinking)
            return completion

        keys = [completion_key(model, request, params) for request in requests]
        return self._answers(_Requests(keys, body, read, COMPLETIONS, on_result))

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the most likely first tokens of a response to each prompt, in nats.

        Parameters
        ----------
        prompts : sequence of Prompt
        on_result : callable, optional
            Called with (index, tokens) for each.

        Returns
        -------
        list of FirstTokens
            In the order of the prompts.

        Raises
        ------
        BatchPending, BudgetError, ModelError
            As in `generate`.
        """
        model = self.fingerprint
        return self._answers(
            _Requests(
                [first_tokens_key(model, prompt) for prompt in prompts],
                lambda index, _: self.direct.first_tokens_body(prompts[index]),
                self.direct.read_first_tokens,
                FIRST_TOKENS,
                on_result,
            )
        )

    def _answers(self, requests: _Requests[Value]) -> list[Value]:
        """Collect what is done, send what is in no batch, and raise if anything is open."""
        found: dict[str, Value] = {}
        open_keys: set[str] = set()
        reports: list[str] = []
        for sent in self._log.open_batches(requests.keys):
            state = self._state(sent)
            if isinstance(state, Status) and state.is_over:
                self._collect(requests, sent, state, found)
            elif state is not None:
                open_keys.update(self._log.keys(sent))
                reports.append(_progress(state) if isinstance(state, Status) else state)
        missing = [key for key in dict.fromkeys(requests.keys) if key not in found]
        unsent = [key for key in missing if key not in open_keys]
        failures = self._log.failures(unsent)
        unsent = self._give_up(requests, unsent, failures, found)
        if unsent:
            reports.insert(0, self._send(requests, unsent, failures))
        if reports:
            raise BatchPending(" ".join(reports), hint=_COLLECT)
        return [found[key] for key in requests.keys]

    def _state(self, sent: SentBatch) -> Status | str | None:
        """Return the state of a recorded batch, in words if it is being sent, None if it is not.

        A batch whose start was not recorded is looked for on the server.
        """
        if self._log.is_being_sent(sent):
            return "Another process is sending the batch."
        batch_id = sent.batch_id or (self._service.find(sent.token) if sent.file_id else None)
        if batch_id is None:
            self._log.forget(sent)
            return None
        if batch_id != sent.batch_id:
            self._log.record(sent, batch_id=batch_id)
        return self._service.status(batch_id)

    def _collect(
        self,
        requests: _Requests[Value],
        sent: SentBatch,
        status: Status,
        found: dict[str, Value],
    ) -> None:
        """Report the answers of a batch that is over, and record which requests failed."""
        if status.words and not status.files:
            self._log.forget(sent)
            raise ModelError(
                f"The server at {self.direct.endpoint.name} refused the batch: {status.words}",
                hint="Nothing was asked or charged. Run it again when the reason is gone.",
            )
        outcomes, keys = self._service.outcomes(status), self._log.keys(sent)
        answered, failures = self._read(requests, keys, outcomes)
        self._keep(requests, answered, found)
        is_first = not self._log.failures(keys)
        self._log.close(sent, {key: failure.words for key, failure in failures.items()})
        n_empty = sum(failure.words == EMPTY for failure in failures.values())
        if is_first and n_empty > len(keys) / MAX_EMPTY_PARTS:
            raise ModelError(
                f"{n_empty:,} of {len(keys):,} answers in the batch have no text.",
                hint="Try the same with a few responses and without --batch; answers with text "
                "are cached.",
            )
        final = [failure.error for failure in failures.values() if failure.error]
        if final:
            n_other = f" {len(final):,} of {len(keys):,} requests were refused."
            raise type(final[0])(
                f"{final[0].message}{n_other}", hint=f"{final[0].hint} Other answers are cached."
            )

    def _read(
        self, requests: _Requests[Value], keys: Sequence[str], outcomes: Mapping[str, Outcome]
    ) -> tuple[dict[str, Value], dict[str, Failure]]:
        """Return the answers and the failures of a batch, and meter what was answered."""
        answered: dict[str, Value] = {}
        failures: dict[str, Failure] = {}
        for key in keys:
            outcome = outcomes.get(key)
            try:
                value = read_outcome(outcome, requests.read, self.direct.endpoint.name)
            except FilteredError:
                value = requests.without_text("content_filter")
            if isinstance(value, Failure):
                failures[key] = value
            else:
                answered[key] = value
            if outcome and outcome.is_answer:
                self._meter(outcome.body)
        return answered, failures

    def _keep(
        self, requests: _Requests[Value], answered: Mapping[str, Value], found: dict[str, Value]
    ) -> None:
        """Report the answers of this call, and store those of other calls in the batch."""
        others = {key: value for key, value in answered.items() if key not in requests.indices}
        packed = {key: requests.codec.pack(value) for key, value in others.items()}
        self._store.put_many(requests.codec.kind, packed)
        for key in answered.keys() - others.keys():
            found[key] = answered[key]
            requests.report(key, answered[key])

    def _give_up(
        self,
        requests: _Requests[Value],
        keys: Sequence[str],
        failures: Mapping[str, tuple[int, str]],
        found: dict[str, Value],
    ) -> list[str]:
        """Return the requests to send; those that failed too often are empty or an error."""
        last = {key: failures[key][1] for key in keys if _attempts(failures, key) >= MAX_ATTEMPTS}
        self._log.reset(last)
        empty = [key for key, words in last.items() if words == EMPTY]
        for key in empty:
            found[key] = requests.without_text(EMPTY_REASON)
            requests.report(key, found[key])
        if len(last) > len(empty):
            words = next(words for words in last.values() if words != EMPTY)
            raise ModelError(
                f"{len(last) - len(empty):,} of {len(requests.keys):,} requests failed in "
                f"{MAX_ATTEMPTS} batches: {words.rstrip('.')}.",
                hint="Other answers are cached. Run it again to try once more, or leave out "
                "--batch.",
            )
        return [key for key in keys if key not in last]

    def _send(
        self,
        requests: _Requests[Value],
        keys: Sequence[str],
        failures: Mapping[str, tuple[int, str]],
    ) -> str:
        """Send requests in as many batches as their size needs; return what was sent, in words."""
        bodies = {
            key: requests.body(requests.indices[key][0], _attempts(failures, key)) for key in keys
        }
        size = _total(size_of_body(body) for body in bodies.values())
        self._check_budget(len(keys), size)
        files = list(write_lines(bodies))
        for sent_keys, content in files:
            self._send_file(sent_keys, content)
        again = next((words for _, words in failures.values()), "")
        return "".join(
            [
                "Batch sent" if len(files) == 1 else f"{len(files)} batches sent",
                f": {len(keys):,} requests",
                f" that have failed before ({again.rstrip('.')})" if again else "",
                f", {_cost(self.price, size)}" if self.price else ", half price",
                ".",
            ]
        )

    def _send_file(self, keys: Sequence[str], content: bytes) -> None:
        with self._log.sending(keys) as sent:
            file_id = self._service.upload(content, sent.token)
            self._log.record(sent, file_id=file_id)
            try:
                batch_id = self._service.create(file_id, sent.token)
            except RefusedError:
                self._log.forget(sent)
                raise
            self._log.record(sent, batch_id=batch_id)

    def _check_budget(self, n_requests: int, size: Size) -> None:
        """Raise a BudgetError if the requests could cost more than the budget."""
        try:
            self.meter.hold(size)
        except BudgetError as error:
            cost = f"${self.price.of(size.max_in, size.max_out):,.2f}" if self.price else "more"
            raise BudgetError(
                f"A batch of {n_requests:,} requests could cost {cost}, which exceeds the budget.",
                hint=error.hint,
            ) from None
        self.meter.end(size, None, calls=0)

    def _meter(self, answer: object) -> None:
        """Count an answer at the tokens that the server reports."""
        usage = answer.get("usage") if isinstance(answer, dict) else None
        tokens_in, tokens_out = reported_tokens(usage) or (0, None)
        unsure = int(tokens_out is None)
        cached = cached_tokens(usage)
        self.meter.usage += Usage(1, tokens_in, tokens_out or 0, unsure, tokens_cached=cached)


def _attempts(failures: Mapping[str, tuple[int, str]], key: str) -> int:
    return failures.get(key, (0, ""))[0]


def _total(sizes: Iterable[Size]) -> Size:
    return Size(*map(sum, zip(*sizes, strict=True)))


def _cost(price: Price, size: Size) -> str:
    return f"at most ${price.of(size.tokens_in, size.max_out):,.4f} (half price)"


def _progress(status: Status) -> str:
    return (
        f"The batch is not done ({status.state.replace('_', ' ')}): {status.n_answered:,} of "
        f"{status.n_requests:,} requests are answered."
    )
