"""Batches: collected line by line, what failed is sent again alone, nothing is asked twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from batch_api import BatchApi
from batch_client import PARAMS, batched, requests
from personalities import completion
from scripted_server import ScriptedServer, chat

from jupyter_mop.backends.batch import backend as batch_backend
from jupyter_mop.backends.batch import lines
from jupyter_mop.backends.batch.backend import BatchBackend
from jupyter_mop.backends.batch.log import BatchLog
from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.protocols import Completion
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import BatchPending, BudgetError, ModelError, MopError

pytestmark = pytest.mark.usefixtures("short_waits")

SERVERS = Path(__file__).parents[2] / "servers"
N = 30
CUT = chat("half")["choices"][0] | {"finish_reason": "error", "error": {"message": "Timeout"}}


@pytest.fixture
def api(scripted: ScriptedServer) -> BatchApi:
    scripted.default = completion
    scripted.batches = BatchApi(completion)
    return scripted.batches


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        yield store


def collected(model: CachedBackend, n: int = N, most: int = 5) -> list[Completion]:
    """Ask until the batches are done."""
    for _ in range(most):
        try:
            return model.generate(requests(n), PARAMS)
        except BatchPending:
            continue
    raise AssertionError("not done")


def asked_once(api: BatchApi, n: int = N) -> bool:
    return len(api.asked) == n and set(Counter(api.asked).values()) == {1}


def direct_texts(model: CachedBackend, n: int = N) -> list[str]:
    """Return what the endpoint answers without a batch."""
    assert isinstance(model.backend, BatchBackend)
    return [answer.text for answer in model.backend.direct.generate(requests(n), PARAMS)]


def test_a_batch_is_sent_waited_for_and_collected_in_any_order(scripted, api, store):
    model = batched(scripted.url, store)
    api.n_polls = 1
    with pytest.raises(BatchPending, match=r"Batch sent: 30 requests, half price\. %mop_resume"):
        model.generate(requests(N), PARAMS)
    with pytest.raises(BatchPending, match=r"not done \(in progress\): 0 of 30 requests are answ"):
        model.generate(requests(N), PARAMS)
    seen: dict[int, str] = {}
    found = model.generate(requests(N), PARAMS, on_result=lambda i, c: seen.update({i: c.text}))
    assert [answer.text for answer in found] == direct_texts(model)
    assert seen == {i: answer.text for i, answer in enumerate(found)}
    assert len(api.batches) == 1
    assert asked_once(api)


def test_the_answers_are_in_the_store_under_the_usual_keys(scripted, api, store):
    model = batched(scripted.url, store)
    found = collected(model)
    assert isinstance(model.backend, BatchBackend)
    direct = CachedBackend(model.backend.direct, store)
    assert direct.generate(requests(N), PARAMS) == found
    assert direct.total_misses == 0
    assert api.batches.keys() == {"batch_0"}


def test_a_batch_with_many_empty_answers_is_an_error(scripted, api, store):
    api.fault = lambda number, _: (200, chat("")) if number % 2 else None
    model = batched(scripted.url, store)
    with pytest.raises(ModelError, match="15 of 30 answers in the batch have no text"):
        collected(model)
    assert store.counts().completions == N / 2


@pytest.mark.usefixtures("api")
def test_usage_is_that_of_the_answers(scripted, store):
    model = batched(scripted.url, store)
    found = collected(model)
    assert (model.usage.calls, model.usage.tokens_in) == (N, 9 * N)
    assert model.usage.tokens_out == sum(answer.n_tokens for answer in found)


@pytest.mark.parametrize(
    "fault",
    [
        (0, {"code": "batch_expired", "message": "This request could not be executed"}),
        (429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}),
        (500, {"error": {"message": "The server had an error"}}),
        (200, chat("")),
        (200, {"choices": "none"}),
        (200, None),
        (200, {"error": {"message": "Provider returned error", "code": 502}}),
        (200, {**chat("half"), "choices": [CUT]}),
    ],
    ids=[
        "expired",
        "429",
        "500",
        "empty",
        "another shape",
        "no body",
        "error in a 200",
        "ends in an error",
    ],
)
def test_only_lines_that_failed_are_sent_again(scripted, api, store, fault):
    api.fault = lambda number, _: fault if number in {3, 7} else None
    api.end = "expired"
    model = batched(scripted.url, store)
    with pytest.raises(BatchPending, match="30 requests"):
        model.generate(requests(N), PARAMS)
    with pytest.raises(BatchPending, match=r"Batch sent: 2 requests that have failed before \("):
        model.generate(requests(N), PARAMS)
    found = model.generate(requests(N), PARAMS)
    assert [answer.text for answer in found] == direct_texts(model)
    assert asked_once(api)
    assert [api.files[b["input_file_id"]].count(b"\n") for b in api.batches.values()] == [N, 2]


def test_lines_that_are_missing_or_cut_off_are_sent_again(scripted, api, store):
    model = batched(scripted.url, store)
    with pytest.raises(BatchPending):
        model.generate(requests(N), PARAMS)
    api._polled("batch_0")
    output = api.batches["batch_0"]["output_file_id"]
    api.files[output] = b"\n".join(api.files[output].split(b"\n")[:20])[:-9]
    with pytest.raises(BatchPending, match=r"11 requests that have failed before \(no result\)"):
        model.generate(requests(N), PARAMS)
    assert [answer.text for answer in collected(model)] == direct_texts(model)
    assert api.files[api.batches["batch_1"]["input_file_id"]].count(b"\n") == 11


def test_a_request_that_fails_in_three_batches_is_an_error_with_the_words(scripted, api, store):
    words = {"error": {"message": "The server had an error"}}
    api.fault = lambda _, body: (500, words) if body["seed"] == seed else None
    model = batched(scripted.url, store)
    assert isinstance(model.backend, BatchBackend)
    seed = model.backend.direct.body(requests(N)[4], PARAMS, 0)["seed"]
    with pytest.raises(ModelError, match=r"1 of 1 requests failed in 3 batches.*had an error"):
        collected(model)
    assert len(api.batches) == batch_backend.MAX_ATTEMPTS
    api.fault = lambda _, __: None
    assert [answer.text for answer in collected(model)] == direct_texts(model)
    assert asked_once(api)


def test_an_answer_that_stays_empty_is_counted_as_empty(scripted, api, store):
    model = batched(scripted.url, store)
    assert isinstance(model.backend, BatchBackend)
    seed = model.backend.direct.body(requests(N)[4], PARAMS, 0)["seed"]
    api.fault = lambda _, body: (200, chat("")) if body["seed"] == seed else None
    found = collected(model)
    assert [answer.finish_reason for answer in found].count("empty") == 1


def test_a_refused_request_is_told_and_the_others_are_kept(scripted, api, store):
    refusal = (400, {"error": {"message": "Invalid value: 'role'."}})
    api.fault = lambda number, _: refusal if number == 3 else None
    model = batched(scripted.url, store)
    with pytest.raises(MopError, match=r"Invalid value: 'role'.* 1 of 30 requests were refused"):
        collected(model)
    assert store.counts().completions == N - 1
    assert len(api.batches) == 1


def test_a_filtered_prompt_is_an_answer_without_text(scripted, api, store):
    refusal = (400, {"error": {"message": "No.", "code": "content_filter"}})
    api.fault = lambda number, _: refusal if number == 3 else None
    assert collected(batched(scripted.url, store))[3].finish_reason == "content_filter"


def test_a_batch_that_is_refused_whole_is_told_and_sent_again_later(scripted, api, store):
    api.refusal = "Enqueued token limit reached for scripted."
    model = batched(scripted.url, store)
    with pytest.raises(ModelError, match="refused the batch: Enqueued token limit"):
        collected(model)
    api.refusal = ""
    assert [answer.text for answer in collected(model)] == direct_texts(model)
    assert asked_once(api)


def test_a_server_without_batches_is_told(scripted, api, store):
    api.is_absent = True
    with pytest.raises(ModelError, match=r"/files \(404: Not Found\).*Leave out --batch"):
        batched(scripted.url, store).generate(requests(2), PARAMS)


def test_more_requests_of_the_same_kind_send_only_the_new_ones(scripted, api, store):
    model = batched(scripted.url, store)
    api.n_polls = 1
    with pytest.raises(BatchPending):
        model.generate(requests(20), PARAMS)
    with pytest.raises(BatchPending, match=r"Batch sent: 10 requests.* 0 of 20 requests"):
        model.generate(requests(N), PARAMS)
    assert [answer.text for answer in collected(model)] == direct_texts(model)
    assert asked_once(api)


def test_the_answers_to_other_requests_of_a_batch_are_stored_too(scripted, api, store):
    model = batched(scripted.url, store)
    with pytest.raises(BatchPending):
        model.generate(requests(N), PARAMS)
    assert len(model.generate(requests(2), PARAMS)) == 2
    assert store.counts().completions == N
    model.generate(requests(N), PARAMS)
    assert asked_once(api)


def test_many_requests_are_sent_in_several_files(scripted, api, store, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINES", 12)
    model = batched(scripted.url, store)
    with pytest.raises(BatchPending, match="3 batches sent: 30 requests"):
        model.generate(requests(N), PARAMS)
    assert [answer.text for answer in collected(model)] == direct_texts(model)
    assert asked_once(api)


def test_a_batch_that_could_exceed_the_budget_is_not_sent(scripted, api, store):
    model, price = batched(scripted.url, store), Price(1000.0, 1000.0, "stated")
    with (
        model.meter.limit(0.10, price),
        pytest.raises(BudgetError, match=r"of 30 requests could .* exceeds the budget"),
    ):
        model.generate(requests(N), PARAMS)
    assert not api.files
    with model.meter.limit(100.0, price), pytest.raises(BatchPending):
        model.generate(requests(N), PARAMS)
    assert not model.meter.is_limited
    with model.meter.limit(0.10, price):  # the answers are paid for: collecting them is free
        assert len(model.generate(requests(N), PARAMS)) == N


@pytest.mark.parametrize("step", ["upload", "create", "created"])
def test_a_process_killed_while_sending_loses_nothing(scripted, api, store, step):
    client = started(scripted.url, store)
    api.kill = step, client.pid
    client.communicate(b"\n", timeout=60)
    api.kill = None
    assert client.returncode == -9
    model = batched(scripted.url, store)
    assert [answer.text for answer in collected(model)] == direct_texts(model)
    assert asked_once(api)
    assert len(api.batches) == 1


def test_a_process_that_ends_while_waiting_or_is_killed_while_reading_loses_nothing(
    scripted, api, store
):
    waiting = started(scripted.url, store)
    out, _ = waiting.communicate(b"\n", timeout=60)
    assert out.startswith(b"Batch sent: 30 requests")
    reading = started(scripted.url, store, n_results=10)
    reading.communicate(b"\n", timeout=60)
    assert reading.returncode == -9
    assert 9 <= store.counts().completions <= 10
    model = batched(scripted.url, store)
    assert [answer.text for answer in collected(model)] == direct_texts(model)
    assert asked_once(api)


def test_a_batch_that_another_process_is_sending_is_left_alone(scripted, api, store):
    model = batched(scripted.url, store)
    assert isinstance(model.backend, BatchBackend)
    log: BatchLog = model.backend._log
    keys = [batch_backend.completion_key(model.fingerprint, r, PARAMS) for r in requests(N)]
    with log.sending(keys), pytest.raises(BatchPending, match="Another process is sending"):
        model.generate(requests(N), PARAMS)
    assert len(collected(model)) == N
    assert len(api.batches) == 1


def test_two_thousand_lines_are_written_and_read_in_a_second_of_processor_time():
    body = {"messages": [{"role": "user", "content": "What of the sea? " * 40}], "seed": 1}
    start = time.process_time()
    [(keys, content)] = list(lines.write_lines({f"{i:064}": body for i in range(2000)}))
    answer = completion(body).body
    results = b"\n".join(
        lines.json.dumps(
            {"custom_id": key, "response": {"status_code": 200, "body": answer}, "error": None}
        ).encode()
        for key in keys
    )
    found = lines.read_lines([results])
    assert time.process_time() - start < 1
    assert content.count(b"\n") == len(found) == 2000


def started(url: str, store: Store, n_results: int = 0) -> subprocess.Popen[bytes]:
    """Start a process that asks in a batch as soon as it is sent a line."""
    arguments = [str(SERVERS / "batch_client.py"), url, str(store.path), str(n_results)]
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
