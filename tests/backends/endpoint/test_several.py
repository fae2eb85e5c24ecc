"""The candidates of a draw share one call, where the server gives several responses in one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from personalities import completion, refusal
from scripted_server import Reply, ScriptedServer

from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.dry_run import PlannedBackend
from jupyter_mop.backends.store.sqlite_store import Store

pytestmark = pytest.mark.usefixtures("short_waits")

PARAMS = SamplingParams(max_tokens=8)
N_DRAWS = 6


def candidates(n: int) -> list[GenerationRequest]:
    """Return n candidates of each draw; two draws have the same prompt."""
    return [
        GenerationRequest(Prompt((Message("user", f"Sea {i // 2}?"),)), 100 * i + j, draw=i)
        for i in range(N_DRAWS)
        for j in range(n)
    ]


def several(body: dict) -> Reply:
    """Give as many different responses as are asked for."""
    reply = completion(body)
    n = body.get("n") or 1
    texts = [f"{body.get('seed')} {i}" for i in range(n)]
    reply.body["choices"] = [
        {"index": i, "message": {"role": "assistant", "content": t}, "finish_reason": "stop"}
        for i, t in enumerate(texts)
    ]
    reply.body["usage"] = {"prompt_tokens": 9, "completion_tokens": 3 * n}
    return reply


@pytest.fixture
def backend(scripted: ScriptedServer) -> OpenAIBackend:
    scripted.default = several
    backend = OpenAIBackend(scripted.url, "scripted")
    assert backend.capabilities.can(names.MANY)
    scripted.seen.clear()
    return backend


def sent(scripted: ScriptedServer) -> list[int | None]:
    return [seen.body.get("n") for seen in scripted.seen if "messages" in seen.body]


def test_the_candidates_of_a_draw_share_a_call(scripted, backend) -> None:
    reported, before = {}, backend.meter.usage
    found = backend.generate(candidates(4), PARAMS, on_result=reported.__setitem__)
    assert sent(scripted) == [4] * N_DRAWS
    assert [reported[i] for i in range(len(found))] == found
    assert len({done.text for done in found}) == 4 * N_DRAWS
    assert [done.text.split()[1] for done in found] == list("0123") * N_DRAWS
    used = backend.meter.usage - before
    assert (used.calls, used.tokens_in, used.tokens_out) == (6, 6 * 9, 6 * 4 * 3)
    assert {done.n_tokens for done in found} == {3}


def test_each_response_keeps_its_own_key_so_that_nothing_is_asked_twice(
    scripted, backend, tmp_path: Path
) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        cached = CachedBackend(backend, store)
        first = cached.generate(candidates(2), PARAMS)
        assert sent(scripted) == [2] * N_DRAWS
        one = cached.generate(candidates(1), PARAMS)
        assert (one, len(sent(scripted))) == (first[::2], N_DRAWS)
        plan = PlannedBackend(cached)
        plan.generate(candidates(5), PARAMS)
        step = plan.estimate("it").steps[0]
        assert (step.calls, step.hits) == (N_DRAWS, 2 * N_DRAWS)
        assert step.max_out == 3 * N_DRAWS * 8
        more = cached.generate(candidates(5), PARAMS)
        assert sent(scripted)[N_DRAWS:] == [3] * N_DRAWS
        assert [more[5 * i + j] for i in range(N_DRAWS) for j in (0, 1)] == first
        assert cached.generate(candidates(5), PARAMS) == more
        assert len(sent(scripted)) == 2 * N_DRAWS


@pytest.mark.parametrize("fault", ["fewer", "empty", "error"])
def test_responses_that_are_missing_are_asked_for_alone(scripted, backend, fault: str) -> None:
    def reply(body: dict) -> Reply:
        found = several(body)
        if body.get("n"):
            last = found.body["choices"][-1]
            if fault == "fewer":
                found.body["choices"].pop()
            elif fault == "empty":
                last["message"]["content"] = ""
            else:
                last["finish_reason"] = "error"
        return found

    scripted.default = reply
    found = backend.generate(candidates(3), PARAMS)
    assert sorted(n or 1 for n in sent(scripted)) == [1] * N_DRAWS + [3] * N_DRAWS
    assert all(done.text and done.finish_reason == "stop" for done in found)
    assert len({done.text for done in found}) == 3 * N_DRAWS


@pytest.mark.parametrize("words", ["Unsupported value: 'n' must be 1.", "Not enough slots."])
def test_a_server_that_takes_n_no_more_is_asked_one_by_one(
    scripted, backend, tmp_path: Path, words: str
) -> None:
    numbers = itertools.count()

    def reply(body: dict) -> Reply:
        if body.get("n") and next(numbers) >= 2:
            return refusal(words)
        return several(body)

    scripted.default = reply
    backend.endpoint.in_flight = 1
    with Store(tmp_path / "s.sqlite") as store:
        cached = CachedBackend(backend, store)
        found = cached.generate(candidates(2), PARAMS)
        assert sum(n is not None for n in sent(scripted)) == 3
        assert len({done.text for done in found}) == 2 * N_DRAWS
        assert cached.generate(candidates(2), PARAMS) == found
        assert cached.misses == 0
    scripted.seen.clear()
    backend.generate(candidates(2), PARAMS)
    assert set(sent(scripted)) == {None}


def test_a_server_that_gives_one_response_is_asked_one_by_one(scripted) -> None:
    scripted.default = lambda body: several({**body, "n": 1})
    backend = OpenAIBackend(scripted.url, "scripted")
    assert not backend.capabilities.can(names.MANY)
    scripted.seen.clear()
    assert len(backend.generate(candidates(2), PARAMS)) == len(sent(scripted)) == 2 * N_DRAWS
    assert set(sent(scripted)) == {None}
