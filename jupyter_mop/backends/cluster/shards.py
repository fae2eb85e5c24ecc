"""One call on a Dask cluster: shards are submitted, and answers reported as they arrive."""

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

MAX_SHARD_SIZE, MIN_SHARD_SIZE = 128, 8
_SHARDS_PER_THREAD = 2  # submitted at a time
_NO_WORKERS_SECONDS = 60.0


def run_shards(
    client: Client,
    task: Task,
    requests: Sequence[Any],
    shards: list[list[int]],
    *,
    on_result: Callable[[int, Value], None] | None,
    kind: Callable[..., Value] | None = None,
) -> list[Value]:
    """Return the answers to all requests in their order; each is reported once, as it arrives.

    Parameters
    ----------
    client : dask.distributed.Client
    task : callable
        Answers a shard on a worker: called with its requests, topic, run and number.
    requests : sequence
    shards : list of list of int
        Indices of the requests of each shard.
    on_result : callable, optional
        Called with (index, value) as each answer arrives, in any order.
    kind : callable, optional
        Builds a value from the fields in a message; not needed for tasks that send none.

    Raises
    ------
    MopError
        A shard failed; answers that arrived before have been reported.
    """
    values: dict[int, Value] = {}

    def report(pairs: Pairs) -> None:
        for index, value in pairs:
            if index not in values:
                if on_result:
                    on_result(index, value)
                values[index] = value

    run = _Run(client, task, requests, kind)
    try:
        for pairs in run.finished(shards):
            report(pairs)
    except KeyboardInterrupt:
        report(run.arrived())
        raise
    finally:
        run.close()
    return [values[index] for index in range(len(requests))]


def shard_size(n_requests: int, n_threads: int) -> int:
    """Return the number of requests per shard: four shards per thread, within limits.

    Examples
    --------
    >>> shard_size(100, 2), shard_size(10, 2), shard_size(100_000, 2)
    (13, 8, 128)
    """
    return min(max(-(-n_requests // (4 * n_threads or 1)), MIN_SHARD_SIZE), MAX_SHARD_SIZE)


def n_threads(client: Client) -> int:
    """Return the total number of threads of all workers."""
    return sum(client.nthreads().values())


def description(client: Client) -> str:
    """Return the number of workers and the address of the dashboard, in words."""
    n_workers, link = len(client.nthreads()), client.dashboard_link
    return f"{n_workers} worker{'s' * (n_workers != 1)}" + (f", dashboard: {link}" * bool(link))


class _Run:
    """The shards of one call: a few are submitted at a time, results go into one queue."""

    def __init__(
        self,
        client: Client,
        task: Task,
        requests: Sequence[Any],
        kind: Callable[..., Any] | None,
    ) -> None:
        self._client, self._task, self._requests = client, task, requests
        self._kind = kind or tuple
        self._name = uuid.uuid4().hex
        self._topic = f"jupyter-mop-{client.id}"
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._submitted: dict[Future[Any], int] = {}
        self._shards: list[list[int]] = []
        self._last_seen = self._last_checked = time.monotonic()
        client.subscribe_topic(self._topic, self._receive)

    def finished(self, shards: list[list[int]]) -> Iterator[Pairs]:
        """Yield answers with their indices as they arrive, some of them twice.

        Raises
        ------
        MopError
            A shard failed; answers that arrived before are yielded first.
        """
        self._shards = shards
        waiting = iter(range(len(shards)))
        self._submit(waiting)
        while self._submitted:
            try:
                item = self._results.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._check_cluster()
                continue
            pairs, error = self._read(item)
            yield pairs
            if error:
                yield self.arrived()
                raise error
            self._submit(waiting)

    def arrived(self) -> Pairs:
        """Return the answers that have arrived but were not yielded, without errors."""
        pairs: Pairs = []
        while not self._results.empty():
            pairs += self._read(self._results.get())[0]
        return pairs

    def close(self) -> None:
        """Cancel the submitted shards."""
        if self._client.status == "running":
            self._client.cancel(list(self._submitted))
            self._client.unsubscribe_topic(self._topic)
        self._submitted.clear()

    def _submit(self, waiting: Iterator[int]) -> None:
        """Submit shards until each thread has one to run and one waiting."""
        n_free = _SHARDS_PER_THREAD * max(n_threads(self._client), 1) - len(self._submitted)
        for number in islice(waiting, max(n_free, 0)):
            requests = [self._requests[index] for index in self._shards[number]]
            origin = (self._topic, self._name, number)
            future = self._client.submit(self._task, requests, *origin, pure=False)
            self._submitted[future] = number
            future.add_done_callback(self._results.put)

    def _receive(self, event: tuple[float, Any]) -> None:
        if event[1][0] == self._name:
            self._results.put(event[1])

    def _read(self, item: Any) -> tuple[Pairs, MopError | None]:  # noqa: ANN401  message or future
        """Return the answers in a message or an ended shard, and its error, if any."""
        if isinstance(item, tuple):
            _, number, rows = item
            shard = self._shards[number]
            return [(shard[position], self._kind(*row)) for position, row in rows], None
        shard = self._shards[self._submitted.pop(item)]
        try:
            outcome = item.result()
        except Exception as error:  # noqa: BLE001  anything that a worker raises
            return [], _explained(error)
        pairs = [(shard[position], value) for position, value in outcome.values.items()]
        return pairs, outcome.error

    def _check_cluster(self) -> None:
        """Raise if the cluster is closed or has had no worker for a minute."""
        now = time.monotonic()
        if self._client.status != "running":
            raise _explained(ConnectionError())
        if now - self._last_checked < _NO_WORKERS_SECONDS / 10:
            return
        self._last_checked = now
        if self._client.nthreads():
            self._last_seen = now
        elif now - self._last_seen > _NO_WORKERS_SECONDS:
            raise _no_workers()


def _explained(error: Exception) -> MopError:
    """Return an error that says what happened on the cluster and what to do."""
    from distributed import CancelledError, KilledWorker

    if isinstance(error, KilledWorker):
        return ModelError(
            "The workers of the cluster were killed repeatedly on the same requests.",
            hint="Give workers more memory, or start fewer; finished answers are cached.",
        )
    if isinstance(error, CancelledError | ConnectionError):
        return ModelError(
            "The cluster or its client was closed.",
            hint="Connect again; finished answers are cached.",
        )
    return ModelError(
        f"A worker of the cluster failed ({type(error).__name__}: {error}).",
        hint='Install the same version on each worker: pip install "jupyter-mop[local,cluster]"',
    )


def _no_workers() -> ModelError:
    return ModelError(
        "The cluster has no workers.",
        hint="Start workers and wait for them: client.wait_for_workers(1).",
    )


def checked(client: object) -> Client:
    """Return `client` if it is the client of a cluster with workers.

    Raises
    ------
    MissingPackageError, DataError, ModelError
        As for `ClusterBackend`.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise missing("distributed", "cluster") from error
    if not isinstance(client, Client) or client.asynchronous:
        kind = "an asynchronous one" if isinstance(client, Client) else f"a {type(client).__name__}"
        raise DataError(
            f"`client` must be a dask.distributed.Client, got {kind}.",
            hint="Create one: client = Client(LocalCluster(n_workers=2, threads_per_worker=1)).",
        )
    if client.status != "running":
        raise _explained(ConnectionError())
    if not client.nthreads():
        raise _no_workers()
    return client
