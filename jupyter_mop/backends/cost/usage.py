"""The usage of a model so far, and a budget that no call may exceed."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.errors import BudgetError


class Size(NamedTuple):
    """The tokens of one call before it is made.

    `tokens_in` is the estimated input, `max_in` and `max_out` are upper bounds of input and output.
    """

    tokens_in: int
    max_in: int
    max_out: int


@dataclass(frozen=True)
class Usage:
    """Calls, tokens and seconds used by a model.

    Attributes
    ----------
    calls : int
        Calls that were answered, or that failed so late that they may be charged.
    tokens_in, tokens_out : int
        Input and output tokens.
    unsure : int
        Calls with no reported token counts; they are counted at their upper bound.
    hits : int
        Requests answered by the store or by an identical request; they cost nothing.
    seconds : float
        Time spent waiting for the model.
    tokens_cached : int
        Those of the input tokens that the server had cached, which may cost less.

    Examples
    --------
    >>> Usage(calls=3, tokens_in=40) - Usage(calls=1, tokens_in=10)
    Usage(calls=2, tokens_in=30, tokens_out=0, unsure=0, hits=0, seconds=0.0, tokens_cached=0)
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    unsure: int = 0
    hits: int = 0
    seconds: float = 0.0
    tokens_cached: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(operator.add, vars(self).values(), vars(other).values()))

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*map(operator.sub, vars(self).values(), vars(other).values()))


class Meter:
    """Count the usage of calls; inside `limit`, refuse calls that could exceed the budget.

    A call in flight counts at its upper bound. A call that would exceed the budget only because
    of calls in flight waits until they have ended; otherwise it is refused.

    Attributes
    ----------
    usage : Usage
        Usage since the start.
    spent : float
        US dollars spent inside the current budget.
    input_tokens : tuple of int
        Input tokens as estimated and as reported, over the calls with reported counts.

    Examples
    --------
    >>> meter = Meter()
    >>> with meter.limit(0.01, Price(1.0, 2.0, "stated")):
    ...     meter.hold(Size(900, 2000, 3000))
    ...     meter.end(Size(900, 2000, 3000), (950, 10))
    ...     round(meter.spent, 6)
    0.00097
    >>> meter.usage.tokens_in
    950
    """

    def __init__(self) -> None:
        self.usage = Usage()
        self.spent = 0.0
        self.input_tokens = 0, 0
        self._budget: tuple[float, Price] | None = None
        self._in_flight: list[float] = []
        self._calls = 0
        self._ended = asyncio.Event()

    @contextmanager
    def limit(self, usd: float, price: Price) -> Iterator[None]:
        """Limit the total cost of calls to `usd` inside a `with` block."""
        before = self._budget, self.spent, self._calls
        usd = min(usd, before[0][0] - before[1]) if before[0] else usd
        self._budget, self.spent, self._calls = (usd, price), 0.0, 0
        try:
            yield
        finally:
            spent, calls = self.spent, self._calls
            self._budget, self.spent, self._calls = before
            self.spent, self._calls = self.spent + spent, self._calls + calls

    @property
    def is_limited(self) -> bool:
        """Whether a budget applies."""
        return self._budget is not None

    def hold(self, size: Size) -> None:
        """Reserve the highest possible cost of a call.

        Raises
        ------
        BudgetError
            The call could exceed the budget.
        """
        if not self._fits(size):
            raise self._refusal(size)
        if self._budget is not None:
            self._in_flight.append(self._max_cost(size))

    async def enter(self, size: Size) -> None:
        """Reserve as `hold` does, but wait for calls in flight before refusing."""
        while self._in_flight and not self._fits(size):
            self._ended.clear()
            await self._ended.wait()
        self.hold(size)

    def end(
        self, size: Size, reported: tuple[int, int] | None, *, calls: int = 1, cached: int = 0
    ) -> None:
        """Count a call that has ended.

        Parameters
        ----------
        size : Size
            The call's size as it was reserved.
        reported : tuple of int or None
            Its input and output tokens; None if they were not reported.
        calls : int
            0 for a call that is not charged.
        cached : int
            Those of the input tokens that the server had cached.
        """
        tokens_in, tokens_out = reported or (size.max_in, size.max_out)
        if reported:
            before = self.input_tokens
            self.input_tokens = before[0] + size.tokens_in, before[1] + tokens_in
        if calls:
            used = Usage(calls, tokens_in, tokens_out, reported is None, tokens_cached=cached)
            self.usage += used
        if self._budget is not None:
            max_cost = self._max_cost(size)
            if max_cost in self._in_flight:
                self._in_flight.remove(max_cost)
            self._calls += calls
            self.spent += calls * self._budget[1].of(tokens_in, tokens_out, cached)
        self._ended.set()

    def _max_cost(self, size: Size) -> float:
        return self._budget[1].of(size.max_in, size.max_out) if self._budget else 0.0

    def _fits(self, size: Size) -> bool:
        return self._budget is None or (
            self.spent + sum(self._in_flight) + self._max_cost(size) <= self._budget[0]
        )

    def _refusal(self, size: Size) -> BudgetError:
        assert self._budget is not None  # noqa: S101  see `_fits`
        self._ended.set()
        return BudgetError(
            f"The next call could exceed the budget of ${_dollars(self._budget[0])}: "
            f"{self._calls:,} calls have cost ${self.spent:,.4f}, "
            f"and the next could cost ${self._max_cost(size):,.4f}.",
            hint="Finished answers are cached and cost nothing again: to continue, run the same "
            "with a new --budget or without one.",
        )


def _dollars(usd: float) -> str:
    """Format an amount to the cent, a small one to two significant digits."""
    return f"{usd:,.2f}" if usd >= 0.1 or not usd else f"{usd:.2g}"  # noqa: PLR2004
