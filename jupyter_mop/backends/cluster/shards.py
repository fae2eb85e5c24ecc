"""One call on a Dask cluster: shards of requests go out, answers come back as they finish."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_mop.backends.cluster import worker
from jupyter_mop.backends.endpoint.defaults import POLL_SECONDS
from jupyter_mop.errors import DataError, ModelError, MopError, missing

if TYPE_CHECKING:
    from distributed import Client, Future

Value = TypeVar("Value")
Pairs = list[tuple[int, Any]]
Task = Callable[..., worker.Outcome]

MOST, LEAST = 128, 8  # requests in a shard
_PER_THREAD = 2  # shards that are handed to the cluster at once
_ALONE_SECONDS = 60.0


def fan_out(
    client: Client,
    task: Task,
    requests: Sequence[Any],
    shards: list[list[int]],
    *,
    on_result: Callable[[int, Value], None] | None,
    kind: Callable[..., Value] | None = None,
) -> list[Value]:
    """Return the answers to all requests in their order; each is handed out once, as it comes.

    Parameters
    ----------
    client : dask.distributed.Client
    task : callable
        Answers a shard on a worker: called with its requests, topic, run and number.
    requests : sequence
    shards : list of list of int
        Which requests go together, by their index.
    on_result : callable, optional
        Called with (index, value) as each comes, in any order.
    kind : callable, optional
        Makes a value of the fields that a message holds; a task that sends none needs none.

    Raises
    ------
    MopError
        A shard could not be answered; what had come before has been handed out.
    """
    values: dict[int, Value] = {}

    def hand_out(pairs: Pairs) -> None:
        for index, value in pairs:
            if index not in values:
                if on_result:
                    on_result(index, value)
                values[index] = value

    run = _Run(client, task, requests, kind)
    try:
        for pairs in run.finished(shards):
            hand_out(pairs)
    except KeyboardInterrupt:
        hand_out(run.arrived())
        raise
    finally:
        run.close()
    return [values[index] for index in range(len(requests))]


def shard_size(n_requests: int, n_threads: int) -> int:
    """Return how many requests a shard holds: four shards for each thread, if none gets tiny.

    Examples
    --------
    >>> shard_size(100, 2), shard_size(10, 2), shard_size(100_000, 2)
    (13, 8, 128)
    """
    return min(max(-(-n_requests // (4 * n_threads or 1)), LEAST), MOST)


def n_threads(client: Client) -> int:
    """Return how many threads all workers have together."""
    return sum(client.nthreads().values())


def described(client: Client) -> str:
    """Return how many workers there are, and where to watch them."""
    n_workers, link = len(client.nthreads()), client.dashboard_link
    return f"{n_workers} worker{'s' * (n_workers != 1)}" + (f", dashboard: {link}" * bool(link))


class _Run:
    """The shards of one call: a few are with the cluster, what comes back goes into one queue."""

    def __init__(
        self,
        client: Client,
        answer: Callable[..., worker.Outcome],
        requests: Sequence[Any],
        kind: Callable[..., Any] | None,
    ) -> None:
        self._client, self._answer, self._requests = client, answer, requests
        self._kind = kind or tuple
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
        room = _PER_THREAD * max(n_threads(self._client), 1) - len(self._under_way)
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


def checked(client: object) -> Client:
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
