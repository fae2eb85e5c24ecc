"""The limits on a clock that the tests control, and with a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import Reply, ScriptedServer, chat

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.capabilities import Capabilities, Finding
from jupyter_mop.backends.endpoint.rate_limits import AdaptiveLimit, Pace
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.errors import DataError

PROMPT = Prompt((Message("user", "Well?"),))
OVERLOADED = {"error": {"message": "slow down"}}


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    return Clock()


def rounds(limit: AdaptiveLimit, clock: Clock, latencies: list[float], overloaded: int = 0) -> None:
    """Keep more callers than the limit; in each round all calls start and end together."""

    async def caller() -> None:
        await limit.enter()

    async def run() -> None:
        callers = [asyncio.create_task(caller()) for _ in range(sum(map(bool, latencies)) * 512)]
        for seconds in latencies:
            await asyncio.sleep(0)
            n, failing = limit.in_flight, overloaded
            clock.now += seconds
            for _ in range(n):
                limit.leave(seconds=seconds, overloaded=failing > 0)
                failing -= 1
        for task in callers:
            task.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    asyncio.run(run())


def test_it_doubles_each_round_up_to_the_maximum_while_latency_stays_low(clock: Clock) -> None:
    limit = AdaptiveLimit(100, now=clock)
    seen = [limit.limit]
    for n in range(1, 5):
        limit = AdaptiveLimit(100, now=clock)
        rounds(limit, clock, [0.1] * n)
        seen.append(limit.limit)
    assert seen == [16, 32, 64, 100, 100]


def test_it_stops_growing_when_latency_rises(clock: Clock) -> None:
    limit = AdaptiveLimit(512, now=clock)
    rounds(limit, clock, [0.1, 0.15, 0.25, 0.25, 0.25])
    assert limit.limit == 64


def test_after_that_it_grows_in_small_steps(clock: Clock) -> None:
    limit = AdaptiveLimit(512, now=clock)
    rounds(limit, clock, [0.1, 0.1, 0.25, 0.1, 0.1])
    assert limit.limit == 72


def test_one_round_of_failures_halves_it_once(clock: Clock) -> None:
    for failing in (1, 7, 16):
        limit = AdaptiveLimit(100, now=clock)
        rounds(limit, clock, [0.1], overloaded=failing)
        assert limit.limit == 8, failing


def test_each_round_of_failures_halves_it_down_to_one_call(clock: Clock) -> None:
    limit = AdaptiveLimit(100, now=clock)
    rounds(limit, clock, [0.1] * 8, overloaded=99)
    assert limit.limit == 1


def test_it_does_not_grow_if_no_call_waits(clock: Clock) -> None:
    limit = AdaptiveLimit(100, now=clock)

    async def run() -> None:
        for _ in range(200):
            for _ in range(4):
                await limit.enter()
            for _ in range(4):
                limit.leave(seconds=0.1)

    asyncio.run(run())
    assert limit.limit == 16


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.floats(0.01, 5), st.integers(0, 40)), min_size=1, max_size=20),
)
def test_it_stays_between_one_and_the_maximum(maximum: int, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    limit = AdaptiveLimit(maximum, now=clock)

    async def run() -> None:
        callers = [asyncio.create_task(limit.enter()) for _ in range(1200)]
        for seconds, failing in steps:
            await asyncio.sleep(0)
            before, n = limit.limit, limit.in_flight
            assert 1 <= n <= maximum
            clock.now += seconds
            for k in range(n):
                limit.leave(seconds=seconds, overloaded=k < failing)
            assert 1 <= limit.limit <= maximum
            assert limit.limit >= before // 2
        for task in callers:
            task.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    asyncio.run(run())


def test_calls_start_in_order_and_a_cancelled_call_frees_its_slot() -> None:
    limit = AdaptiveLimit(1)
    order: list[int] = []

    async def caller(number: int) -> None:
        await limit.enter()
        order.append(number)
        await asyncio.sleep(0)
        limit.leave(seconds=0.1)

    async def run() -> None:
        await limit.enter()
        tasks = [asyncio.create_task(caller(k)) for k in range(6)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        limit.leave(seconds=0.1)  # the next call has its slot already when it is cancelled
        tasks[1].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        await asyncio.wait_for(limit.enter(), 10)

    asyncio.run(run())
    assert order == [2, 3, 4, 5]


def test_no_call_starts_before_the_time_that_the_server_asks(clock: Clock) -> None:
    limit = AdaptiveLimit(8, now=clock)
    asyncio.run(limit.enter())
    limit.leave(seconds=0.1, overloaded=True, pause=30)
    assert limit.wait() == pytest.approx(30)
    clock.now += 10
    asyncio.run(_left(limit, pause=5))
    assert limit.wait() == pytest.approx(20), "a shorter wait does not shorten a longer one"


async def _left(limit: AdaptiveLimit, pause: float) -> None:
    limit.in_flight += 1
    limit.leave(seconds=0.1, overloaded=True, pause=pause)


@settings(deadline=None)
@given(
    st.floats(1, 5000),
    st.lists(
        st.tuples(st.floats(0, 3), st.floats(0, 30), st.floats(0.1, 9)), min_size=2, max_size=80
    ),
)
def test_no_minute_exceeds_the_rate(
    per_minute: float, calls: list[tuple[float, float, float]]
) -> None:
    """Calls arrive, wait as long as required or longer, and differ in size."""
    pace, now = Pace(per_minute), 0.0
    started: list[tuple[float, float]] = []
    for late, idle, size in calls:
        now += idle
        now += max(0.0, pace.wait(now=now)) + late
        pace.take(size, now=now)
        started.append((now, size))
    for first, (start, _) in enumerate(started):
        within = [size for at, size in started[first:] if at < start + 60]
        assert sum(within[:-1]) <= per_minute * (1 + 1e-6)


@settings(deadline=None)
@given(st.floats(60, 6000))
def test_the_rate_is_used_fully(per_minute: float) -> None:
    pace, now, n = Pace(per_minute), 0.0, 0
    while now < 600:
        now += max(0.0, pace.wait(now=now)) + 0.001
        pace.take(1, now=now)
        n += 1
    assert n >= 0.99 * 10 * per_minute


def test_unused_tokens_are_given_back() -> None:
    pace = Pace(600)
    pace.take(300, now=0)
    pace.give_back(200)
    assert pace.wait(now=0) == pytest.approx(10, rel=0.02)


def backend_of(server: ScriptedServer, **options: float) -> OpenAIBackend:
    backend = OpenAIBackend(server.url, "scripted", **options)
    found = (Finding("chat", works=True),)
    backend.__dict__["capabilities"] = Capabilities("here", "scripted", found)
    return backend


def draws(n: int) -> list[GenerationRequest]:
    return [GenerationRequest(PROMPT, seed=7, draw=i) for i in range(n)]


def limit_of(backend: OpenAIBackend) -> AdaptiveLimit:
    connection = backend.endpoint._connection
    assert connection
    return connection.limit


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(defaults, "MAX_WAIT", 0.02)


def test_many_refusals_halve_the_limit_and_all_calls_are_answered(scripted: ScriptedServer) -> None:
    backend = backend_of(scripted)
    scripted.default = Reply(body=chat(), seconds=0.05)
    scripted.script = [Reply(429, OVERLOADED, seconds=0.05)] * 16
    assert len(backend.generate(draws(100), SamplingParams())) == 100
    assert limit_of(backend).limit < defaults.IN_FLIGHT
    assert len(scripted.seen) == 116
    assert limit_of(backend).in_flight == 0


def test_the_limit_grows_up_to_the_maximum(scripted: ScriptedServer) -> None:
    backend = backend_of(scripted, in_flight=24)
    scripted.default = Reply(body=chat(), seconds=0.3)
    backend.generate(draws(72), SamplingParams())
    assert limit_of(backend).limit == 24
    assert scripted.max_in_flight == 24


def test_retry_after_delays_every_call_and_not_only_the_refused_one(
    scripted: ScriptedServer,
) -> None:
    backend = backend_of(scripted, in_flight=4)
    scripted.script = [Reply(429, OVERLOADED, {"retry-after": "1"})]
    scripted.default = Reply(body=chat(), seconds=0.2)
    backend.generate(draws(12), SamplingParams())
    times = [seen.at for seen in scripted.seen]
    assert not [at for at in times[4:] if at < times[0] + 1]
    assert len(times) == 13


def test_a_rate_limit_is_respected(scripted: ScriptedServer) -> None:
    backend = backend_of(scripted, requests_per_minute=600)
    start = time.monotonic()
    backend.generate(draws(12), SamplingParams())
    assert time.monotonic() - start > 0.95


def test_a_limit_on_tokens_counts_the_tokens_used(scripted: ScriptedServer) -> None:
    backend = backend_of(scripted, tokens_per_minute=1200, in_flight=1)
    start = time.monotonic()
    backend.generate(draws(6), SamplingParams(max_tokens=64))
    estimated = 6 * 64 * 60 / 1200
    assert 5 * 12 * 60 / 1200 * 0.9 < time.monotonic() - start < estimated


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
@pytest.mark.parametrize("what", ["requests_per_minute", "tokens_per_minute"])
def test_an_invalid_rate_is_refused(what: str, rate: float) -> None:
    with pytest.raises(DataError, match=what):
        OpenAIBackend("http://localhost/v1", **{what: rate})
