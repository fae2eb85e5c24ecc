from __future__ import annotations

import asyncio

import pytest

from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.usage import Meter, Size, Usage
from jupyter_mop.errors import BudgetError

DOLLAR = Price(1_000_000.0, 1_000_000.0, "a dollar per token")


def test_a_call_that_could_exceed_the_budget_is_refused() -> None:
    meter = Meter()
    with meter.limit(10, DOLLAR):
        meter.hold(Size(1, 4, 2))
        with pytest.raises(BudgetError):
            meter.hold(Size(1, 4, 1))
        meter.hold(Size(1, 2, 2))
        assert meter.spent == 0
        meter.end(Size(1, 4, 2), (1, 1))
        assert meter.spent == 2
        meter.hold(Size(1, 2, 2))
        with pytest.raises(BudgetError, match=r"\$10\.00: 1 calls have cost \$2\.0000"):
            meter.hold(Size(0, 1, 0))
    meter.hold(Size(99, 99, 99))


def test_unreported_calls_count_at_their_upper_bound_and_refused_ones_not_at_all() -> None:
    meter = Meter()
    with meter.limit(100, DOLLAR):
        for reported, calls in ((None, 1), (None, 0), ((3, 4), 1)):
            meter.hold(Size(1, 10, 20))
            meter.end(Size(1, 10, 20), reported, calls=calls)
        assert meter.spent == 37
    assert meter.usage == Usage(calls=2, tokens_in=13, tokens_out=24, unsure=1)


def test_cached_input_costs_its_own_price_within_a_budget() -> None:
    meter = Meter()
    with meter.limit(100, Price(1e6, 1e6, "a dollar per token", usd_cached=1e5)):
        meter.end(Size(10, 20, 5), (10, 1), cached=10)
        assert meter.spent == pytest.approx(2)
    assert meter.usage.tokens_cached == 10


def test_a_budget_inside_another_is_not_larger() -> None:
    meter = Meter()
    with meter.limit(5, DOLLAR):
        meter.end(Size(0, 0, 0), (4, 0))
        with meter.limit(50, DOLLAR), pytest.raises(BudgetError):
            meter.hold(Size(2, 2, 0))
        meter.hold(Size(1, 1, 0))


def test_calls_wait_for_calls_in_flight_before_they_are_refused() -> None:
    meter, started = Meter(), list[int]()

    async def call(number: int) -> None:
        await meter.enter(Size(1, 4, 0))
        started.append(number)
        await asyncio.sleep(0)
        meter.end(Size(1, 4, 0), (1, 0))

    async def all_calls() -> list[BaseException | None]:
        return await asyncio.gather(*map(call, range(9)), return_exceptions=True)

    with meter.limit(8, DOLLAR):
        outcomes = asyncio.run(all_calls())
        assert meter.spent == len(started) == 5  # 5 are spent, the next could cost 4
    assert sum(isinstance(outcome, BudgetError) for outcome in outcomes) == 4
