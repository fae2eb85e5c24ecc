"""A call that takes long is made a second time, and whichever answers first counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

Value = TypeVar("Value")
Begun: TypeAlias = "asyncio.Future[None]"


async def hedged(call: Callable[[Begun], Awaitable[Value]], after: float) -> Value:
    """Return what `call` gives; where that takes longer than `after` seconds, call once more.

    Both count and are paid for. An error counts only where the other call has one too.

    Parameters
    ----------
    call : callable
        Makes the call; it tells the future that it is given when it has begun, since to wait for
        a place is not to wait for the server.
    after : float
        Seconds.
    """
    loop = asyncio.get_running_loop()
    begun: Begun = loop.create_future()
    tasks = [asyncio.ensure_future(call(begun))]
    either: list[asyncio.Future[Any]] = [tasks[0], begun]
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
    """Return the first result; where there is none, raise the first call's error."""
    under_way = set(tasks)
    while under_way:
        ended, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            if not task.cancelled() and task.exception() is None:
                return task.result()
    return tasks[0].result()
