"""How many calls go on at once and how soon the next begins: learned from how the calls go."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from jupyter_mop.backends.endpoint import defaults

_MINUTE = 60.0


class Pace:
    """So much per minute and no more, begun evenly.

    It does not save up, since a bucket that starts full lets twice as much through in its first
    minute. Only what is late by less than a tenth of a second is caught up, which is in the sum.

    Parameters
    ----------
    per_minute : float
        How many calls, or tokens.

    Examples
    --------
    >>> pace = Pace(30)
    >>> pace.take(1, now=100.0)
    >>> round(pace.wait(now=101.0), 1)
    0.9
    """

    def __init__(self, per_minute: float) -> None:
        self._seconds = (_MINUTE + defaults.CATCH_UP_SECONDS) / per_minute
        self._free = float("-inf")

    def wait(self, *, now: float) -> float:
        """Return the seconds until the next may begin, 0 or less where it may at once."""
        return self._free - now

    def take(self, amount: float, *, now: float) -> None:
        """Note that something of this size begins now."""
        self._free = max(self._free, now - defaults.CATCH_UP_SECONDS) + amount * self._seconds

    def give_back(self, amount: float) -> None:
        """Note that something was smaller than was taken; larger, where this is negative."""
        self._free -= amount * self._seconds


class AdaptiveLimit:
    """As many calls at once as go well, never more than `most`.

    A round is as many calls as the limit is. It starts at 16, and each round doubles it while the
    latency holds: while the mean of the round is below twice the lowest mean since the server was
    last idle. After the first trouble it grows by a sixteenth a round. When the server has too
    much to do it is halved, once for all calls that had begun by then; and where the server says
    how long to wait, no call begins before.

    Parameters
    ----------
    most : int
        The most calls at once.
    requests_per_minute, tokens_per_minute : float, optional
        What the server allows, where that is known.
    now : callable
        The clock, in seconds.
    """

    def __init__(
        self,
        most: int,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self._level = float(min(defaults.FIRST_AT_ONCE, most))
        self._requests = Pace(requests_per_minute or float("inf"))
        self._tokens = Pace(tokens_per_minute or float("inf"))
        self._now = now
        self._doubling = True
        self._halved = self._resume = float("-inf")
        self._latency = _Latency()
        self.under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._door = asyncio.Lock()

    @property
    def limit(self) -> int:
        """How many calls may go on at once now."""
        return int(self._level)

    async def enter(self, tokens: float = 0) -> None:
        """Wait until a call that may use so many tokens can begin."""
        await self._take_place()
        if self._door.locked() or self.wait() > 0:
            await self._wait()
        now = self._now()
        self._requests.take(1, now=now)
        self._tokens.take(tokens, now=now)

    async def _wait(self) -> None:
        try:
            async with self._door:
                while (wait := self.wait()) > 0:  # noqa: ASYNC110  what is waited for is a time
                    await asyncio.sleep(wait)
        except BaseException:
            self._give_place()
            raise

    def leave(self, *, seconds: float, overloaded: bool = False, pause: float = 0) -> None:
        """Take note that a call ended after so long.

        Parameters
        ----------
        seconds : float
            How long it took.
        overloaded : bool
            Whether the server had too much to do.
        pause : float
            Seconds that the server asks to wait.
        """
        now = self._now()
        self._resume = max(self._resume, now + pause)
        if now - seconds < self._halved:
            pass  # of the round that was found to be too much
        elif not overloaded:
            self._grow(seconds)
        else:
            self._level, self._halved = max(1.0, self._level / 2), now
            self._doubling, self._latency = False, _Latency()
        self._give_place()

    def settle(self, taken: float, used: float) -> None:
        """Correct the tokens that a call was thought to use by those that it did."""
        self._tokens.give_back(taken - used)

    def wait(self) -> float:
        """Return the seconds until a call may begin, 0 or less where it may at once."""
        now = self._now()
        return max(self._resume - now, self._requests.wait(now=now), self._tokens.wait(now=now))

    def _grow(self, seconds: float) -> None:
        holds = self._latency.add(seconds, self.limit)
        if holds is False:
            self._doubling = False
        elif holds and self._waiting:
            more = self._level if self._doubling else max(1.0, self._level / 16)
            self._level = min(self.most, self._level + more)

    async def _take_place(self) -> None:
        if self.under_way < self.limit and not self._waiting:
            self.under_way += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._give_place()
            raise

    def _give_place(self) -> None:
        self.under_way -= 1
        while self._waiting and self.under_way < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.under_way += 1
                turn.set_result(None)
        if not self.under_way:
            self._latency = _Latency()


class _Latency:
    """The mean latency of each round, against the lowest so far."""

    def __init__(self) -> None:
        self._lowest = float("inf")
        self._sum, self._count = 0.0, 0

    def add(self, seconds: float, round_size: int) -> bool | None:
        """Return at the end of a round whether the latency holds, None before."""
        self._sum, self._count = self._sum + seconds, self._count + 1
        if self._count < round_size:
            return None
        mean, self._sum, self._count = self._sum / self._count, 0.0, 0
        self._lowest = min(self._lowest, mean)
        return mean < defaults.HELD * self._lowest or mean == 0
