"""A language model on the workers of a Dask cluster: the same answers, from many machines."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_mop.backends import workers
from jupyter_mop.backends.base import (
    Backend,
    Completion,
    FirstTokens,
    GenerationRequest,
    OnCompletion,
    OnFirstTokens,
    OnScores,
    Prompt,
    SamplingParams,
    ScoreRequest,
    TellsFirstTokens,
    TokenScores,
)
from jupyter_mop.backends.capabilities import Capabilities
from jupyter_mop.backends.constants import POLL_SECONDS
from jupyter_mop.errors import DataError, ModelError, MopError, missing

if TYPE_CHECKING:
    from distributed import Client, Future

Value = TypeVar("Value")
Pairs = list[tuple[int, Any]]

MOST, LEAST = 128, 8  # requests in a shard
_PER_THREAD = 2  # shards that are handed to the cluster at once
_ALONE_SECONDS = 60.0


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
        self.client = _checked(client)
        self.backend = backend
        self._recipe = workers.recipe_for(backend)

    def __repr__(self) -> str:
        return f"ClusterBackend({self.backend!r}, {self.described})"

    @property
    def described(self) -> str:
        """How many workers there are, and where to watch them."""
        n_workers = len(self.client.nthreads())
        link = self.client.dashboard_link
        return f"{n_workers} worker{'s' * (n_workers != 1)}" + (f", dashboard: {link}" * bool(link))

    @property
    def can_score(self) -> bool:
        """Whether the language model gives the likelihood of a given response."""
        return self.backend.can_score

    @property
    def can_embed(self) -> bool:
        """Whether the language model embeds texts too."""
        return self.backend.can_embed

    @property
    def can_tell_first_tokens(self) -> bool:
        """Whether the language model tells how likely the first tokens of a reply are."""
        backend = self.backend
        return isinstance(backend, TellsFirstTokens) and backend.can_tell_first_tokens

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
        ask = partial(workers.generate, params)
        return self._answer(requests, prompts, ask, Completion, on_result)

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token for each request, in their order."""
        prompts = [request.prompt for request in requests]
        return self._answer(requests, prompts, workers.score, TokenScores, on_result)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the likeliest first tokens of a reply to each prompt, in their order."""
        return self._answer(prompts, prompts, workers.first_tokens, FirstTokens, on_result)

    def _answer(
        self,
        requests: Sequence[Any],
        prompts: Sequence[Prompt],
        ask: workers.Ask,
        kind: Callable[..., Value],
        on_result: Callable[[int, Value], None] | None,
    ) -> list[Value]:
        values: dict[int, Value] = {}

        def hand_out(pairs: Pairs) -> None:
            for index, value in pairs:
                if index not in values:
                    if on_result:
                        on_result(index, value)
                    values[index] = value

        run = _Run(self.client, partial(workers.answer, self._recipe, ask), requests, kind)
        try:
            for pairs in run.finished(shards(prompts, sum(self.client.nthreads().values()))):
                hand_out(pairs)
        except KeyboardInterrupt:
            hand_out(run.arrived())
            raise
        finally:
            run.close()
        return [values[index] for index in range(len(requests))]


def shards(prompts: Sequence[Prompt], n_threads: int) -> list[list[int]]:
    """Cut requests into shards, those whose prompts begin alike side by side.

    What shares all but its last turn stays together, unless a shard would be too long. There are
    at least four shards for each thread, as far as they do not get too short.

    Examples
    --------
    >>> from jupyter_mop.backends.base import Message
    >>> a, b = (Prompt((Message("system", name), Message("user", "?"))) for name in "ab")
    >>> shards([a, b, a, b, a, b] * 2, n_threads=1)
    [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    """
    size = min(max(-(-len(prompts) // (4 * n_threads or 1)), LEAST), MOST)
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


class _Run:
    """The shards of one call: a few are with the cluster, what comes back goes into one queue."""

    def __init__(
        self,
        client: Client,
        answer: Callable[..., workers.Outcome],
        requests: Sequence[Any],
        kind: Callable[..., Any],
    ) -> None:
        self._client, self._answer, self._requests, self._kind = client, answer, requests, kind
        self._name = uuid.uuid4().hex
        self._topic = f"jupyter-mop-{client.id}"
        self._arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._under_way: dict[Future[Any], int] = {}
        self._shards: list[list[int]] = []
        self._seen = self._looked = time.monotonic()
        client.subscribe_topic(self._topic, self._hear)

    def finished(self, shards: list[list[int]]) -> Iterator[Pairs]:
        """Yield answers with their indices as they come, some of them twice.

        Raises
        ------
        MopError
            A shard could not be answered; what had come before is yielded first.
        """
        self._shards = shards
        todo = iter(range(len(shards)))
        self._submit(todo)
        while self._under_way:
            try:
                item = self._arrived.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._check_cluster()
                continue
            pairs, error = self._read(item)
            yield pairs
            if error:
                yield self.arrived()
                raise error
            self._submit(todo)

    def arrived(self) -> Pairs:
        """Return what has come and was not yielded, errors left out."""
        pairs: Pairs = []
        while not self._arrived.empty():
            pairs += self._read(self._arrived.get())[0]
        return pairs

    def close(self) -> None:
        """Cancel what is under way."""
        if self._client.status == "running":
            self._client.cancel(list(self._under_way))
            self._client.unsubscribe_topic(self._topic)
        self._under_way.clear()

    def _submit(self, todo: Iterator[int]) -> None:
        """Hand shards to the cluster until each thread has one, and one to go on with."""
        room = _PER_THREAD * max(sum(self._client.nthreads().values()), 1) - len(self._under_way)
        for number in islice(todo, max(room, 0)):
            requests = [self._requests[index] for index in self._shards[number]]
            whose = (self._topic, self._name, number)
            future = self._client.submit(self._answer, requests, *whose, pure=False)
            self._under_way[future] = number
            future.add_done_callback(self._arrived.put)

    def _hear(self, event: tuple[float, Any]) -> None:
        if event[1][0] == self._name:
            self._arrived.put(event[1])

    def _read(self, item: Any) -> tuple[Pairs, MopError | None]:  # noqa: ANN401  message or future
        """Return the answers of a message or of a shard that has ended, and what went wrong."""
        if isinstance(item, tuple):
            _, number, rows = item
            return [(self._shards[number][place], self._kind(*row)) for place, row in rows], None
        shard = self._shards[self._under_way.pop(item)]
        try:
            outcome = item.result()
        except Exception as error:  # noqa: BLE001  whatever a worker raises
            return [], _explained(error)
        return [(shard[place], value) for place, value in outcome.values.items()], outcome.error

    def _check_cluster(self) -> None:
        """Give up where the cluster is gone, or has had no worker for a minute."""
        now = time.monotonic()
        if self._client.status != "running":
            raise _explained(ConnectionError())
        if now - self._looked < _ALONE_SECONDS / 10:
            return
        self._looked = now
        if self._client.nthreads():
            self._seen = now
        elif now - self._seen > _ALONE_SECONDS:
            raise _no_workers()


def _explained(error: Exception) -> MopError:
    """Return what happened on the cluster and what to do about it."""
    from distributed import CancelledError, KilledWorker

    if isinstance(error, KilledWorker):
        return ModelError(
            "The workers of the cluster died again and again on the same requests.",
            hint="Give them more memory, or fewer on a machine; what is finished is kept.",
        )
    if isinstance(error, CancelledError | ConnectionError):
        return ModelError(
            "The cluster is gone, or its client was closed.",
            hint="Connect again; what is finished is kept.",
        )
    return ModelError(
        f"A worker of the cluster failed ({type(error).__name__}: {error}).",
        hint='Install the same version on each: pip install "jupyter-mop[local,cluster]"',
    )


def _no_workers() -> ModelError:
    return ModelError(
        "The cluster has no workers.",
        hint="Start some and wait for them: client.wait_for_workers(1).",
    )


def _checked(client: object) -> Client:
    """Return the client of a cluster with workers."""
    try:
        from distributed import Client
    except ImportError as error:
        raise missing("distributed", "cluster") from error
    if not isinstance(client, Client) or client.asynchronous:
        kind = "an asynchronous one" if isinstance(client, Client) else f"a {type(client).__name__}"
        raise DataError(
            f"Expected a dask.distributed.Client, but got {kind}.",
            hint="Make one: client = Client(LocalCluster(n_workers=2, threads_per_worker=1)).",
        )
    if client.status != "running":
        raise _explained(ConnectionError())
    if not client.nthreads():
        raise _no_workers()
    return client
