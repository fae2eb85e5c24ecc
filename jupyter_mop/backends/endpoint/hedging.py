"""Hedged calls: a slow call is sent a second time, and the first response is used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

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
