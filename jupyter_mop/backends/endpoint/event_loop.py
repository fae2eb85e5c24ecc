"""Concurrent calls from a notebook: one private event loop in a daemon thread.

The kernel's own thread already runs an event loop, so the calls run in another one. The caller's
thread polls, so that an interrupt ends the wait on every system, and calls `on_result` itself: a
callback may draw on the screen, write to the store or block.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from jupyter_mop.backends.endpoint.defaults import (
    GRACE_SECONDS,
    IN_FLIGHT,
    LAST_CALLS_SECONDS,
    POLL_SECONDS,
)

Value = TypeVar("Value")
Sent: TypeAlias = "asyncio.Future[None]"


async def hedged(call: Callable[[Sent], Awaitable[Value]], after: float) -> Value:
    """Return the result of `call`, which is called again if it takes longer than `after` seconds.

    Both calls are charged. An error is raised only if both calls fail.

    Parameters
    ----------
    call : callable
        Takes a future and sets its result when the call is sent: waiting for a rate limit does
        not count as waiting for the server.
    after : float
        Seconds.
    """
    loop = asyncio.get_running_loop()
    sent: Sent = loop.create_future()
    tasks = [asyncio.ensure_future(call(sent))]
    either: list[asyncio.Future[Any]] = [tasks[0], sent]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(tasks, timeout=after)
        if not tasks[0].done():
            tasks.append(asyncio.ensure_future(call(loop.create_future())))
        return await _first(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(tasks: Sequence[asyncio.Future[Value]]) -> Value:
    """Return the first result; if there is none, raise the first call's error."""
    pending = set(tasks)
    while pending:
        ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            if not task.cancelled() and task.exception() is None:
                return task.result()
    return tasks[0].result()


Job = TypeVar("Job")


_loops: dict[int, asyncio.AbstractEventLoop] = {}
_creating = threading.Lock()


def event_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process, created on first use and again after a fork."""
    with _creating:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="mop-calls", daemon=True).start()
            _loops.clear()
            _loops[os.getpid()] = loop
        return _loops[os.getpid()]


def run(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Run one coroutine on the private loop and wait for it; an interrupt cancels it."""

    async def call(_: None) -> Value:
        return await coroutine

    return run_all([None], call)[0]


def run_all(
    jobs: Sequence[Job],
    call: Callable[[Job], Awaitable[Value]],
    on_result: Callable[[int, Value], None] | None = None,
    *,
    max_in_flight: int = IN_FLIGHT,
) -> list[Value]:
    """Return `call(job)` of every job, in their order.

    `on_result(index, value)` is called in the caller's thread as each job finishes. After an error
    or an interrupt, finished values are reported before it is raised; after an error, calls in
    flight may finish too. A second interrupt leaves immediately. If `on_result` is slow, the calls
    wait for it: a killed process loses at most three times `max_in_flight` values.

    Parameters
    ----------
    jobs : sequence
    call : callable
        Coroutine function that takes a job.
    on_result : callable, optional
        Called with (index, value).
    max_in_flight : int
        Highest number of concurrent calls.
    """
    if not jobs:
        return []
    work = _Work(jobs, call, max_in_flight)
    future = asyncio.run_coroutine_threadsafe(work.run(), event_loop())
    try:
        for index in work.finished():
            if on_result:
                on_result(index, work.values[index])
            work.reported.add(index)
    except KeyboardInterrupt:
        future.cancel()
        work.ended.wait(GRACE_SECONDS)
        for index in sorted(set(work.values) - work.reported):
            if on_result:
                on_result(index, work.values[index])
        raise
    except BaseException:
        future.cancel()
        raise
    future.result()
    return [work.values[index] for index in range(len(jobs))]


class _Work:
    """The jobs of one `run_all`: a fixed number of workers takes them from one iterator."""

    def __init__(
        self, jobs: Sequence[Any], call: Callable[[Any], Awaitable[Any]], max_in_flight: int
    ) -> None:
        self.values: dict[int, Any] = {}
        self.reported: set[int] = set()
        self.ended = threading.Event()
        self._jobs = iter(enumerate(jobs))
        self._n_workers = min(max_in_flight, len(jobs))
        self._call = call
        self._done: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._new: list[int] = []
        self._failed = False

    def finished(self) -> Iterator[int]:
        """Yield the index of each value as it arrives, until all have or there is an error."""
        while not self.ended.is_set() or not self._done.empty():
            with suppress(queue.Empty):
                yield from self._done.get(timeout=POLL_SECONDS)

    async def run(self) -> None:
        """Run until all jobs are done or one fails."""
        tasks = [asyncio.create_task(self._work()) for _ in range(self._n_workers)]
        try:
            _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if pending:
                await asyncio.wait(pending, timeout=LAST_CALLS_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            self.ended.set()
            self._done.put([])  # wakes the caller
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _work(self) -> None:
        for index, job in self._jobs:
            while len(self.values) - len(self.reported) > 2 * self._n_workers:  # noqa: ASYNC110  a thread
                await asyncio.sleep(POLL_SECONDS)
            try:
                self.values[index] = await self._call(job)
            except BaseException:
                self._failed = True
                raise
            self._report(index)
            if self._failed:
                return

    def _report(self, index: int) -> None:
        """Wake the caller's thread once for all values of one iteration of the loop."""
        if not self._new:
            asyncio.get_running_loop().call_soon(self._wake)
        self._new.append(index)

    def _wake(self) -> None:
        self._done.put(self._new)
        self._new = []
