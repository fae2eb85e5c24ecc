"""Failures of a server: each has its own sentence, waits only where that helps, is never cached."""

from __future__ import annotations

import json
import re

import pytest
from personalities import PERSONALITIES, completion, refusal
from scripted_server import Reply, ScriptedServer, chat

from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.capabilities import Capabilities, Finding
from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
)
from jupyter_mop.backends.store.batch import completion_key
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.errors import ModelError, MopError

pytestmark = pytest.mark.usefixtures("short_waits")

PARAMS = SamplingParams(max_tokens=8)
ERRORS = {name: one for name, one in PERSONALITIES.items() if one.sentence and "think" not in name}
FLAKY = [name for name in PERSONALITIES if name.startswith("now and then")]


@pytest.fixture
def backend(scripted: ScriptedServer) -> OpenAIBackend:
    """Give a backend whose capabilities are known, with one call at a time."""
    backend = OpenAIBackend(scripted.url, "scripted", in_flight=1)
    found = Capabilities("here", "scripted", (Finding("chat", works=True),))
    backend.__dict__["capabilities"] = found
    return backend


def asked(n: int) -> list[GenerationRequest]:
    prompt = Prompt((Message("user", "What of the sea?"),))
    return [GenerationRequest(prompt, seed=7, draw=i) for i in range(n)]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_its_own_sentence_with_the_servers_words(scripted, backend, name):
    scripted.default = ERRORS[name].answer
    with pytest.raises(MopError, match=re.escape(ERRORS[name].sentence)) as caught:
        backend.generate(asked(1), PARAMS)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert len(scripted.seen) == 1  # waiting cannot help
    with pytest.raises(MopError, match=re.escape(ERRORS[name].sentence)):
        _ = OpenAIBackend(scripted.url, "scripted").capabilities


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ([{"error": {"message": "one"}}, {"error": {"message": "two"}}], 400, "one; two"),
        ({"message": {"detail": [{"loc": ["body", "n"], "msg": "extra"}]}}, 422, "body.n: extra"),
        ("plain words", 400, "400: plain words"),
        ("<html><body>Bad</body></html>", 404, "404: Not Found"),
        ({"detail": "Not Found"}, 404, "404: Not Found"),
        ({"error": {"message": "", "metadata": {"raw": '{"error": "deep"}'}}}, 400, "400: deep"),
        ({}, 404, "404: Not Found"),
        ([], 400, "400: Bad Request"),
    ],
)
def test_the_words_are_found_wherever_a_server_puts_them(scripted, backend, body, status, words):
    scripted.default = Reply(status, body)
    with pytest.raises(ModelError, match=re.escape(words)):
        backend.generate(asked(1), PARAMS)


def test_a_limit_per_minute_with_the_words_of_an_empty_account_is_waited_for(scripted, backend):
    words = "You exceeded your current quota, please check your plan and billing details."
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
    limit = [{"error": {"code": 429, "message": words, "details": [detail]}}]
    scripted.script = [Reply(429, limit)]
    assert backend.generate(asked(1), PARAMS)[0].text == "fine"
    scripted.script = [Reply(429, [{"error": {"code": 429, "message": words}}])]
    with pytest.raises(ModelError, match="no credit left"):
        backend.generate(asked(1), PARAMS)


def test_an_overloaded_server_is_quoted(scripted, backend):
    scripted.default = refusal("Rate limit reached for requests", 429)
    with pytest.raises(ModelError, match=r"\(HTTP 429: Rate limit reached for requests\)"):
        backend.generate(asked(1), PARAMS)


def test_an_error_in_a_200_that_waiting_cannot_help_is_not_repeated(scripted, backend):
    error = {"message": "Insufficient credits", "code": 402}
    scripted.default = Reply(body={"error": error})
    with pytest.raises(ModelError, match=r"no credit left \(402: Insufficient credits"):
        backend.generate(asked(1), PARAMS)
    assert len(scripted.seen) == 1
    assert backend.meter.usage.calls == 0  # it is not charged


@pytest.mark.parametrize("name", FLAKY)
def test_a_failure_that_passes_is_repeated_and_nothing_of_it_is_cached(scripted, name, tmp_path):
    scripted.default = PERSONALITIES[name].answer
    with Store(tmp_path / "s.sqlite") as store:
        cached = CachedBackend(OpenAIBackend(scripted.url, "scripted"), store)
        found = cached.generate(asked(20), PARAMS)
        assert {c.finish_reason for c in found} <= {"stop"}
        assert all(c.text for c in found)
        assert store.counts().completions == 20


@pytest.mark.parametrize("stays", ["an error in a 200", "an answer ends in an error"])
def test_a_reported_error_that_stays_is_an_error_and_is_not_cached(
    scripted, backend, stays, tmp_path
):
    name = next(name for name in FLAKY if stays in name)
    reply = Reply(body={"error": {"message": "Provider returned error", "code": 502}})
    if "ends" in name:
        body = chat("It was", "error")
        body["choices"][0]["error"] = {"message": "Provider returned error", "code": 502}
        reply = Reply(body=body)
    scripted.default = reply
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ModelError, match=r"failed \(502: Provider returned error\) \(tried 8"):
            CachedBackend(backend, store).generate(asked(1), PARAMS)
        assert store.counts().completions == 0


def test_empty_answers_are_counted_and_not_cached(scripted, backend, tmp_path):
    scripted.script = [Reply(body=chat(""))] * 3
    with Store(tmp_path / "s.sqlite") as store:
        found = CachedBackend(backend, store).generate(asked(4), PARAMS)
        assert [c.finish_reason for c in found] == ["empty", "stop", "stop", "stop"]
        assert store.counts().completions == 3
        again = CachedBackend(backend, store)
        assert [c.text for c in again.generate(asked(4), PARAMS)] == ["fine"] * 4
        assert again.misses == 1


def test_more_than_a_third_of_empty_answers_is_an_error(scripted, backend, tmp_path):
    scripted.script = [Reply(body=chat(" \n"))] * 6 + [Reply(body=chat())] * 3
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ModelError, match=r"2 of 5 answers of .* have no text, each in 3"):
            CachedBackend(backend, store).generate(asked(5), PARAMS)
        assert store.counts().completions == 3


OLD = {
    "empty": Completion("", 0, "stop"),
    "out of room": Completion("", 64, "length"),
    "white space": Completion("\n ", 1),
    "an error": Completion("It was", 3, "error"),
    "thinking": Completion("<think>They could say no", 64, "length"),
    "thinking and answer": Completion("They could.</think> Yes", 9),
}


@pytest.mark.parametrize("what", OLD)
def test_a_store_that_holds_failures_is_healed_on_the_next_run(scripted, backend, tmp_path, what):
    (request,) = asked(1)
    key = completion_key(backend.fingerprint, request, PARAMS)
    value = {"text": OLD[what].text, "n_tokens": 1, "finish_reason": OLD[what].finish_reason}
    with Store(tmp_path / "s.sqlite") as store:
        store.put("completion", key, json.dumps(value).encode())
        cached = CachedBackend(backend, store)
        assert cached.generate([request], PARAMS)[0].text == "fine"
        assert (cached.misses, store.counts().completions) == (1, 1)
        again = CachedBackend(backend, store)
        assert again.generate([request], PARAMS)[0].text == "fine"
        assert again.misses == 0
    assert len(scripted.seen) == 1


@pytest.mark.parametrize("reason", ["content_filter", "refusal"])
def test_a_filtered_answer_stays_cached(scripted, backend, tmp_path, reason):
    (request,) = asked(1)
    key = completion_key(backend.fingerprint, request, PARAMS)
    value = {"text": "", "n_tokens": 1, "finish_reason": reason}
    with Store(tmp_path / "s.sqlite") as store:
        store.put("completion", key, json.dumps(value).encode())
        assert CachedBackend(backend, store).generate([request], PARAMS)[0].text == ""
    assert not scripted.seen


def test_an_empty_answer_of_a_local_model_is_its_answer(tmp_path):
    toy, (request,) = ToyBackend(["yes", "no"]), asked(1)
    key = completion_key(toy.fingerprint, request, PARAMS)
    with Store(tmp_path / "s.sqlite") as store:
        store.put("completion", key, b'{"text": "", "n_tokens": 0, "finish_reason": "stop"}')
        assert CachedBackend(toy, store).generate([request], PARAMS)[0].text == ""
    assert toy.n_generated == 0


def test_answers_are_not_stored_under_a_key_that_names_a_parameter_refused_since(
    scripted, backend, tmp_path
):
    def moved(body):
        refused = "temperature" in body and len(scripted.seen) > 2
        return (
            refusal("temperature is not supported", param="temperature")
            if refused
            else (completion(body))
        )

    scripted.default = moved
    with Store(tmp_path / "s.sqlite") as store:
        cached = CachedBackend(backend, store)
        before = cached.fingerprint
        assert len(cached.generate(asked(5), PARAMS)) == 5
        assert store.counts().completions == 2
        assert cached.fingerprint != before
        assert cached.facts["temperature"] == "not sent"
        assert len(cached.generate(asked(5), PARAMS)) == 5
        assert store.counts().completions == 7
    refusals = [seen for seen in scripted.seen if "temperature" in seen.body]
    assert len(refusals) == 3  # two answered, one refused: learned once
