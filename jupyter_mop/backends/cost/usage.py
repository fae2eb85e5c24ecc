"""What calls have cost so far, and a budget that none may pass."""

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
    """The tokens of one call before it is made: read, as counted and at most, and written."""

    tokens_in: int
    most_in: int
    most_out: int


@dataclass(frozen=True)
class Usage:
    """What calls of a model have cost.

    Attributes
    ----------
    calls : int
        Calls that were answered, or broken off so late that they may be charged for.
    tokens_in, tokens_out : int
        Tokens read and written.
    unsure : int
        Calls of which nobody told the tokens; they are counted at their worst.
    hits : int
        Requests that the store answered, or another one of the same run; they cost nothing.
    seconds : float
        Time in which the model was waited for.

    Examples
    --------
    >>> Usage(calls=3, tokens_in=40) - Usage(calls=1, tokens_in=10)
    Usage(calls=2, tokens_in=30, tokens_out=0, unsure=0, hits=0, seconds=0.0)
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    unsure: int = 0
    hits: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(operator.add, vars(self).values(), vars(other).values()))

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*map(operator.sub, vars(self).values(), vars(other).values()))


class Meter:
    """Counts what calls cost; inside `limit`, no call begins that could pass the budget.

    `counted` are the tokens in as they were counted before, and as they were told to be.

    Calls under way count at their worst. A call that could pass the budget only because of them
    waits until they have ended; where there are none, it is refused.

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
        self.counted = 0, 0
        self._budget: tuple[float, Price] | None = None
        self._held: list[float] = []
        self._calls = 0
        self._ended = asyncio.Event()

    @contextmanager
    def limit(self, usd: float, price: Price) -> Iterator[None]:
        """Let calls cost no more than `usd` together inside a `with` block."""
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
        """Whether there is a budget."""
        return self._budget is not None

    def hold(self, size: Size) -> None:
        """Set aside what a call may cost at most.

        Raises
        ------
        BudgetError
            Where it could pass the budget.
        """
        if not self._fits(size):
            raise self._refusal(size)
        if self._budget is not None:
            self._held.append(self._worst(size))

    async def enter(self, size: Size) -> None:
        """Do as `hold` does, and before it is refused wait for the calls that are under way."""
        while self._held and not self._fits(size):
            self._ended.clear()
            await self._ended.wait()
        self.hold(size)

    def end(self, size: Size, told: tuple[int, int] | None, *, calls: int = 1) -> None:
        """Count a call; `told` are its tokens in and out, None where nobody knows them.

        With `calls` 0, it was not charged for.
        """
        tokens_in, tokens_out = told or (size.most_in, size.most_out)
        if told:
            self.counted = self.counted[0] + size.tokens_in, self.counted[1] + tokens_in
        if calls:
            self.usage += Usage(calls, tokens_in, tokens_out, unsure=told is None)
        if self._budget is not None:
            worst = self._worst(size)
            if worst in self._held:
                self._held.remove(worst)
            self._calls += calls
            self.spent += calls * self._budget[1].of(tokens_in, tokens_out)
        self._ended.set()

    def _worst(self, size: Size) -> float:
        return self._budget[1].of(size.most_in, size.most_out) if self._budget else 0.0

    def _fits(self, size: Size) -> bool:
        return self._budget is None or (
            self.spent + sum(self._held) + self._worst(size) <= self._budget[0]
        )

    def _refusal(self, size: Size) -> BudgetError:
        assert self._budget is not None  # noqa: S101  see `_fits`
        self._ended.set()
        return BudgetError(
            f"Stopped before the budget of ${_dollars(self._budget[0])} is passed: "
            f"${self.spent:,.4f} is spent on {self._calls:,} calls, "
            f"and the next could cost ${self._worst(size):,.4f}.",
            hint="What is finished is kept and costs nothing again: to go on from there, run the "
            "same with a new --budget, or with none.",
        )


def _dollars(usd: float) -> str:
    """Return an amount to the cent, a small one to two digits."""
    return f"{usd:,.2f}" if usd >= 0.1 or not usd else f"{usd:.2g}"  # noqa: PLR2004
