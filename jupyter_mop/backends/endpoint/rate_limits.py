"""Adaptive concurrency and rate limits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from jupyter_mop.backends.endpoint import defaults

_MINUTE = 60.0


class Pace:
    """A rate limit that spreads calls evenly over each minute.

    Unused capacity is not saved up: a bucket that starts full would let through twice as much in
    its first minute. A delay of less than a tenth of a second is caught up and counted.

    Parameters
    ----------
    per_minute : float
        Calls, or tokens, per minute.

    Examples
    --------
    >>> pace = Pace(30)
    >>> pace.take(1, now=100.0)
    >>> round(pace.wait(now=101.0), 1)
    0.9
    """

    def __init__(self, per_minute: float) -> None:
        self._seconds = (_MINUTE + defaults.CATCH_UP_SECONDS) / per_minute
        self._next = float("-inf")

    def wait(self, *, now: float) -> float:
        """Return the seconds until the next call may start; 0 or less if it may start now."""
        return self._next - now

    def take(self, amount: float, *, now: float) -> None:
        """Record a call of this size that starts now."""
        self._next = max(self._next, now - defaults.CATCH_UP_SECONDS) + amount * self._seconds

    def give_back(self, amount: float) -> None:
        """Correct a call that was smaller than recorded, or larger if `amount` is negative."""
        self._next -= amount * self._seconds


class AdaptiveLimit:
    """An adaptive limit on concurrent calls, up to `max_in_flight`.

    The limit starts at 16 calls. A round is as many calls as the limit; each round doubles it while
    latency stays low: while the round's mean is below twice the lowest mean since the server was
    last idle. After the first rise in latency the limit grows by a sixteenth per round. Overload
    halves it, once for all calls that had started by then. After a Retry-After header, no call
    starts before the time is over.

    Parameters
    ----------
    max_in_flight : int
        Highest number of concurrent calls.
    requests_per_minute, tokens_per_minute : float, optional
        Rate limits of the server, if known.
    now : callable
        Clock, in seconds.
    """

    def __init__(
        self,
        max_in_flight: int,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_in_flight = max_in_flight
        self._level = float(min(defaults.INITIAL_IN_FLIGHT, max_in_flight))
        self._requests = Pace(requests_per_minute or float("inf"))
        self._tokens = Pace(tokens_per_minute or float("inf"))
        self._now = now
        self._doubling = True
        self._halved = self._resume = float("-inf")
        self._latency = _Latency()
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._start_lock = asyncio.Lock()

    @property
    def limit(self) -> int:
        """The current limit on concurrent calls."""
        return int(self._level)

    async def enter(self, tokens: float = 0) -> None:
        """Wait until a call of this many tokens may start."""
        await self._acquire()
        if self._start_lock.locked() or self.wait() > 0:
            await self._wait()
        now = self._now()
        self._requests.take(1, now=now)
        self._tokens.take(tokens, now=now)

    async def _wait(self) -> None:
        try:
            async with self._start_lock:
                while (wait := self.wait()) > 0:  # noqa: ASYNC110  waits for a time
                    await asyncio.sleep(wait)
        except BaseException:
            self._release()
            raise

    def leave(self, *, seconds: float, overloaded: bool = False, pause: float = 0) -> None:
        """Record the end of a call.

        Parameters
        ----------
        seconds : float
            Duration of the call.
        overloaded : bool
            Whether the server was overloaded.
        pause : float
            Seconds that the server asks to wait.
        """
        now = self._now()
        self._resume = max(self._resume, now + pause)
        if now - seconds < self._halved:
            pass  # it started before the limit was last halved
        elif not overloaded:
            self._grow(seconds)
        else:
            self._level, self._halved = max(1.0, self._level / 2), now
            self._doubling, self._latency = False, _Latency()
        self._release()

    def settle(self, estimated: float, used: float) -> None:
        """Replace the estimated tokens of a call by those it used."""
        self._tokens.give_back(estimated - used)

    def wait(self) -> float:
        """Return the seconds until a call may start; 0 or less if it may start now."""
        now = self._now()
        return max(self._resume - now, self._requests.wait(now=now), self._tokens.wait(now=now))

    def _grow(self, seconds: float) -> None:
        is_low = self._latency.add(seconds, self.limit)
        if is_low is False:
            self._doubling = False
        elif is_low and self._waiting:
            step = self._level if self._doubling else max(1.0, self._level / 16)
            self._level = min(self.max_in_flight, self._level + step)

    async def _acquire(self) -> None:
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
            return
        slot = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if not slot.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        self.in_flight -= 1
        while self._waiting and self.in_flight < self.limit:
            slot = self._waiting.popleft()
            if not slot.done():
                self.in_flight += 1
                slot.set_result(None)
        if not self.in_flight:
            self._latency = _Latency()


class _Latency:
    """The mean latency of each round, compared with the lowest so far."""

    def __init__(self) -> None:
        self._lowest = float("inf")
        self._sum, self._count = 0.0, 0

    def add(self, seconds: float, round_size: int) -> bool | None:
        """Return at the end of a round whether latency is low; None before the end."""
        self._sum, self._count = self._sum + seconds, self._count + 1
        if self._count < round_size:
            return None
        mean, self._sum, self._count = self._sum / self._count, 0.0, 0
        self._lowest = min(self._lowest, mean)
        return mean < defaults.LATENCY_TOLERANCE * self._lowest or mean == 0
