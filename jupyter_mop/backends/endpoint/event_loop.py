"""Many calls at once from a notebook: one private event loop in a daemon thread.

The kernel's own thread runs an event loop already, so the calls run in another. The caller's
thread waits in short waits, which an interrupt can end on every system, and hands out what is
finished itself: what it calls may draw on the screen, write to the store or wait.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from jupyter_mop.backends.endpoint.defaults import (
    GRACE_SECONDS,
    IN_FLIGHT,
    LAST_CALLS_SECONDS,
    POLL_SECONDS,
)

Job = TypeVar("Job")
Value = TypeVar("Value")

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_making = threading.Lock()


def event_loop() -> asyncio.AbstractEventLoop:
    """Return this process's loop, made on first use and again after a fork."""
    with _making:
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
    at_once: int = IN_FLIGHT,
) -> list[Value]:
    """Return `call(job)` of every job, in their order.

    `on_result(index, value)` is called in the caller's thread as each finishes. After an error or
    an interrupt, what is finished has been handed out before it is raised; after an error, calls
    that are under way may finish too. A second interrupt leaves at once. Where `on_result` is slow,
    the calls wait for it: a killed process loses at most three times `at_once` answers.
    """
    if not jobs:
        return []
    work = _Work(jobs, call, at_once)
    future = asyncio.run_coroutine_threadsafe(work.run(), event_loop())
    try:
        for index in work.finished():
            if on_result:
                on_result(index, work.values[index])
            work.told.add(index)
    except KeyboardInterrupt:
        future.cancel()
        work.ended.wait(GRACE_SECONDS)
        for index in sorted(set(work.values) - work.told):
            if on_result:
                on_result(index, work.values[index])
        raise
    except BaseException:
        future.cancel()
        raise
    future.result()
    return [work.values[index] for index in range(len(jobs))]


class _Work:
    """The jobs of one `run_all`: workers pull from one iterator, no task for each job."""

    def __init__(
        self, jobs: Sequence[Any], call: Callable[[Any], Awaitable[Any]], at_once: int
    ) -> None:
        self.values: dict[int, Any] = {}
        self.told: set[int] = set()
        self.ended = threading.Event()
        self._todo = iter(enumerate(jobs))
        self._workers = min(at_once, len(jobs))
        self._call = call
        self._done: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._fresh: list[int] = []
        self._failed = False

    def finished(self) -> Iterator[int]:
        """Yield the index of each value as it comes, until all have come or there is an error."""
        while not self.ended.is_set() or not self._done.empty():
            with suppress(queue.Empty):
                yield from self._done.get(timeout=POLL_SECONDS)

    async def run(self) -> None:
        """Work until all jobs are done or one fails."""
        tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        try:
            _, under_way = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if under_way:
                await asyncio.wait(under_way, timeout=LAST_CALLS_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self.ended.set()
            self._done.put([])  # nobody waits for one more
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _work(self) -> None:
        for index, job in self._todo:
            while len(self.values) - len(self.told) > 2 * self._workers:  # noqa: ASYNC110  a thread
                await asyncio.sleep(POLL_SECONDS)
            try:
                self.values[index] = await self._call(job)
            except BaseException:
                self._failed = True
                raise
            self._hand_out(index)
            if self._failed:
                return

    def _hand_out(self, index: int) -> None:
        """Wake the caller's thread once for all that finishes in one turn of the loop."""
        if not self._fresh:
            asyncio.get_running_loop().call_soon(self._wake)
        self._fresh.append(index)

    def _wake(self) -> None:
        self._done.put(self._fresh)
        self._fresh = []
