from __future__ import annotations

import email.utils
import logging
import os
import pickle
import signal
import threading
import time
import traceback
from typing import ClassVar

import keyring
import numpy as np
import pytest
from keyring.backend import KeyringBackend
from scripted_server import Reply, ScriptedServer, chat

from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.capabilities import Capabilities, Finding
from jupyter_mop.backends.endpoint.encoder import OpenAIEncoder
from jupyter_mop.backends.endpoint.event_loop import event_loop
from jupyter_mop.backends.endpoint.server import Endpoint
from jupyter_mop.backends.protocols import (
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
    ScoreRequest,
    can_score,
    can_score_first_tokens,
)
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import DataError, ModelError, PromptTooLongError

pytestmark = pytest.mark.usefixtures("short_waits")

KEY = "sk-planted-7f3a9c"
PROMPT = Prompt((Message("system", "You are terse."), Message("user", "Well?")))
PARAMS = SamplingParams(max_tokens=8)
OVERLOADED = {"error": {"message": "slow down", "type": "rate_limit", "code": None}}


@pytest.fixture
def backend(scripted: ScriptedServer) -> OpenAIBackend:
    """Give a backend whose capabilities are known, so that it makes no probing calls."""
    return known(OpenAIBackend(scripted.url, "scripted"))


def known(backend: OpenAIBackend) -> OpenAIBackend:
    found = (Finding("chat", works=True),)
    backend.__dict__["capabilities"] = Capabilities("here", "scripted", found, n_top=5)
    return backend


def draws(n: int) -> list[GenerationRequest]:
    return [GenerationRequest(PROMPT, seed=7, draw=i) for i in range(n)]


def test_a_call_sends_the_request(scripted, backend):
    (completion,) = backend.generate(draws(1), SamplingParams(0.5, 0.9, 8))
    assert (completion.text, completion.n_tokens, completion.finish_reason) == ("fine", 3, "stop")
    (seen,) = scripted.seen
    assert seen.path == "/v1/chat/completions"
    seed = seen.body.pop("seed")
    assert 0 <= seed < 2**31
    assert seen.body == {
        "model": "scripted",
        "messages": [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": "Well?"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 8,
    }


def test_each_draw_of_a_prompt_has_its_own_reproducible_seed(scripted, backend):
    for _ in range(2):
        backend.generate(draws(3), PARAMS)
    seeds = sorted(seen.body["seed"] for seen in scripted.seen)
    assert len(set(seeds)) == 3
    assert seeds[::2] == seeds[1::2]


def test_many_calls_are_in_flight_and_no_more_than_the_limit(scripted, backend):
    scripted.default = Reply(body=chat(), seconds=0.3)
    backend.endpoint.in_flight = 8
    assert len(backend.generate(draws(40), PARAMS)) == 40
    assert scripted.max_in_flight == 8


def test_responses_are_reported_in_the_callers_thread_and_returned_in_order(scripted, backend):
    scripted.script = [Reply(body=chat(f"a{i}"), seconds=0.02 * (4 - i)) for i in range(4)]
    seen = {}
    caller = threading.current_thread()

    def collect(index, value):
        assert threading.current_thread() is caller
        seen[index] = value

    completions = backend.generate(draws(4), PARAMS, on_result=collect)
    assert seen == dict(enumerate(completions))
    assert {completion.text for completion in completions} == {"a0", "a1", "a2", "a3"}


def test_retry_after_is_respected(scripted, backend):
    scripted.script = [Reply(429, OVERLOADED, {"retry-after": "0.4"})]
    assert backend.generate(draws(1), PARAMS)[0].text == "fine"
    first, second = (seen.at for seen in scripted.seen)
    assert 0.4 <= second - first < 2


def test_retry_after_may_be_a_date(scripted, backend):
    date = email.utils.formatdate(time.time() + 2, usegmt=True)
    scripted.script = [Reply(429, OVERLOADED, {"retry-after": date})]
    backend.generate(draws(1), PARAMS)
    first, second = (seen.at for seen in scripted.seen)
    assert 0.9 < second - first < defaults.MAX_RETRY_AFTER


BROKEN = {
    "not JSON": Reply(body='{"choices": [{"mess'),
    "no choices": Reply(body=chat() | {"choices": []}),
    "nothing": Reply(body=""),
    "not an object": Reply(body=[1, 2]),
    "no message": Reply(body=chat() | {"choices": [{"finish_reason": "stop"}]}),
    "content that is not text": Reply(body=chat({"a": 1})),
    "an HTML page": Reply(body="<html>hello</html>", headers={"content-type": "text/html"}),
    "half a response": Reply(body=chat("x" * 5000), cut=True),
    "a server error": Reply(500, {"error": {"message": "oops"}}),
    "a gateway error": Reply(502, "<html>bad gateway</html>"),
    "overloaded": Reply(503, {"error": {"message": "Loading model"}}),
    "timed out": Reply(408, {}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_temporary_failure_is_repeated(scripted, backend, what):
    scripted.script = [BROKEN[what]] * 2
    assert backend.generate(draws(1), PARAMS)[0].text == "fine"
    assert len(scripted.seen) == 3


@pytest.mark.parametrize("what", BROKEN)
def test_a_failure_that_stays_is_one_sentence_with_a_hint(scripted, backend, what):
    scripted.default = BROKEN[what]
    with pytest.raises(ModelError) as caught:
        backend.generate(draws(1), PARAMS)
    assert caught.value.hint
    assert "tried" in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(scripted.seen) in {defaults.MALFORMED_ATTEMPTS, defaults.ATTEMPTS}


REFUSED = {
    401: (ModelError, "requires an API key", "OPENAI_API_KEY"),
    403: (ModelError, "denies access .403: what", "account"),
    404: (ModelError, "refused /chat/completions .404: what", "/v1"),
    400: (ModelError, "refused /chat/completions .400: what", "model's name"),
    501: (ModelError, "refused /chat/completions .501: what", "model"),
}


@pytest.mark.parametrize("status", REFUSED)
def test_a_refused_request_is_not_repeated(scripted, backend, status):
    kind, message, hint = REFUSED[status]
    scripted.default = Reply(status, {"error": {"message": "what"}})
    with pytest.raises(kind, match=message) as caught:
        backend.generate(draws(1), PARAMS)
    assert hint in caught.value.hint
    assert len(scripted.seen) == 1


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("context_length_exceeded", PromptTooLongError, "exceed the model's context length"),
        ("exceed_context_size_error", PromptTooLongError, "exceed the model's context length"),
        ("insufficient_quota", ModelError, "no credit"),
    ],
)
def test_known_error_codes_have_their_own_message(scripted, backend, code, kind, message):
    status = 429 if "quota" in code else 400
    scripted.default = Reply(status, {"error": {"message": "Too long: 9 > 8", "code": code}})
    with pytest.raises(kind, match=message):
        backend.generate(draws(1), PARAMS)
    assert len(scripted.seen) == 1


def test_refusals_and_filtered_responses_have_their_finish_reason(scripted, backend):
    backend.endpoint.in_flight = 1
    scripted.script = [
        Reply(body=chat(None, refusal="I will not.")),
        Reply(body=chat("It was", "content_filter")),
        Reply(body=chat(None, "content_filter")),
        Reply(400, {"error": {"message": "filtered", "code": "content_filter"}}),
        Reply(body=chat("cut off", "length")),
    ]
    completions = backend.generate(draws(5), PARAMS)
    assert [(c.text, c.finish_reason) for c in completions] == [
        ("I will not.", "refusal"),
        ("It was", "content_filter"),
        ("", "content_filter"),
        ("", "content_filter"),
        ("cut off", "length"),
    ]
    assert len(scripted.seen) == 5


def test_a_server_that_does_not_respond_in_time_is_named(scripted):
    backend = known(OpenAIBackend(scripted.url, "scripted", timeout=0.2))
    scripted.default = Reply(body=chat(), seconds=0.6)
    with pytest.raises(
        ModelError, match=r"did not respond within 0.2 s \(tried 8 times\)"
    ) as caught:
        backend.generate(draws(1), PARAMS)
    assert "timeout" in caught.value.hint


def test_a_server_that_cannot_be_reached_is_named():
    backend = OpenAIBackend("http://127.0.0.1:9/v1", "any")
    with pytest.raises(
        ModelError, match=r"Cannot reach a server at http://127.0.0.1:9/v1"
    ) as caught:
        backend.generate(draws(1), PARAMS)
    assert "Start the server" in caught.value.hint


def test_an_error_is_raised_after_finished_responses_are_stored(scripted, backend, tmp_path):
    backend.endpoint.in_flight = 2
    scripted.script = [Reply(body=chat(f"a{i}")) for i in range(6)]
    scripted.script.append(Reply(400, {"error": {"message": "no"}}))
    scripted.default = Reply(body=chat("late"), seconds=0.1)
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ModelError, match="no"):
            CachedBackend(backend, store).generate(draws(30), PARAMS)
        n_stored = store.counts().completions
        assert n_stored == len(scripted.seen) - 1
        assert 6 <= n_stored < 12
        cached = CachedBackend(backend, store)
        assert len(cached.generate(draws(30), PARAMS)) == 30
        assert (cached.n_cached, cached.misses) == (n_stored, 30 - n_stored)


def test_an_interrupt_keeps_finished_responses_and_the_next_run_continues(
    scripted, backend, tmp_path
):
    scripted.default = Reply(body=chat(), seconds=0.05)
    backend.endpoint.in_flight = 4
    seen = []

    def count(index, _value):
        seen.append(index)
        if len(seen) == 10:
            threading.Timer(0.02, signal.raise_signal, [signal.SIGINT]).start()

    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            CachedBackend(backend, store).generate(draws(400), PARAMS, on_result=count)
        assert sorted(set(seen)) == sorted(seen)
        assert store.counts().completions == len(seen) < 100
        n_calls = len(scripted.seen)
        time.sleep(0.3)
        assert len(scripted.seen) <= n_calls + 4  # those in flight
        scripted.default = Reply(body=chat())
        cached = CachedBackend(backend, store)
        cached.generate(draws(60), PARAMS)
        assert cached.n_cached == len(seen)


def test_an_error_in_a_callback_ends_the_calls(scripted, backend):
    scripted.default = Reply(body=chat(), seconds=0.02)
    backend.endpoint.in_flight = 2

    def fail(*_):
        raise LookupError

    with pytest.raises(LookupError):
        backend.generate(draws(200), PARAMS, on_result=fail)
    time.sleep(0.2)
    assert len(scripted.seen) < 30
    assert len(backend.generate(draws(2), PARAMS)) == 2


def test_a_process_has_one_loop_and_a_fork_has_its_own():
    assert event_loop() is event_loop()
    reader, writer = os.pipe()
    before = id(event_loop())
    child = os.fork()
    if not child:
        os.write(writer, b"y" if id(event_loop()) != before and event_loop().is_running() else b"n")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    assert os.read(reader, 1) == b"y"
    os.close(reader)


def test_no_requests_make_no_calls():
    backend = OpenAIBackend("http://127.0.0.1:9/v1", "any")
    assert backend.generate([], PARAMS) == backend.score([]) == backend.first_tokens([]) == []


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://a/v1", "http://", "", "http://[::1", "file:///etc/passwd"]
)
def test_an_invalid_address_is_refused(url):
    with pytest.raises(DataError, match="must begin with http:// or https://") as caught:
        OpenAIBackend(url)
    assert "http://localhost:8080/v1" in caught.value.hint


@pytest.mark.parametrize("url", [f"http://me:{KEY}@host/v1", f"https://host/v1?key={KEY}"])
def test_a_key_in_the_address_is_refused_and_not_displayed(url):
    with pytest.raises(DataError) as caught:
        OpenAIBackend(url)
    assert KEY not in str(caught.value)


def test_an_unknown_chat_template_is_refused():
    with pytest.raises(DataError, match="no chat template 'chatmul'") as caught:
        OpenAIBackend("http://localhost/v1", chat_template="chatmul")
    assert "chatml, llama-3" in caught.value.hint


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_the_key_is_sent_and_displayed_nowhere(  # noqa: PLR0917  fixtures
    scripted, monkeypatch, tmp_path, caplog, capfd, source
):
    if source == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("openai", "httpx2", "aiohttp", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    caplog.set_level(logging.DEBUG)
    backend = OpenAIBackend(scripted.url, "scripted", api_key=KEY if source == "argument" else None)
    traces = []
    with Store(tmp_path / "s.sqlite") as store:
        cached = CachedBackend(backend, store)
        cached.generate(draws(2), PARAMS)
        for body in ({"error": {"message": f"bad key {KEY}"}}, f"echo {KEY}"):
            for status in (400, 401, 500):
                scripted.default = Reply(status, body)
                with pytest.raises(ModelError) as caught:
                    cached.generate([GenerationRequest(PROMPT, 99)], PARAMS)
                captured = traceback.TracebackException.from_exception(
                    caught.value, capture_locals=True
                )
                ours = [frame for frame in captured.stack if "tests" not in frame.filename]
                assert len(ours) > 3
                traces += [str(frame.locals) for frame in ours]
                traces += [str(caught.value), *caught.value._render_traceback_()]
                assert caught.value.__suppress_context__ or not caught.value.__context__
    assert scripted.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    displayed = [repr(backend), repr(vars(backend)), repr(vars(backend.endpoint)), *traces]
    displayed += [
        backend.fingerprint,
        repr(backend.capabilities),
        backend.capabilities._repr_html_(),
    ]
    displayed += [caplog.text, *capfd.readouterr()]
    displayed += [str(pickle.dumps(backend.endpoint._key))]
    displayed += [file.read_bytes().decode("latin-1") for file in tmp_path.iterdir()]
    assert not [text for text in displayed if KEY in text]


def test_missing_capabilities_are_found_and_reported(scripted):
    backend = OpenAIBackend(scripted.url)
    found = backend.capabilities
    assert backend.model == "scripted"
    assert not can_score(backend)
    assert not can_score_first_tokens(backend)
    assert not found.can(names.EMBEDDINGS)
    assert "echo" in found.seen("log-probabilities of a given text")
    n_calls = len(scripted.seen)
    assert backend.capabilities is found
    assert len(scripted.seen) == n_calls < 20
    with pytest.raises(ModelError, match="cannot score responses"):
        backend.score([ScoreRequest(PROMPT, "fine")])
    with pytest.raises(ModelError, match="no log-probabilities"):
        backend.first_tokens([PROMPT])


def test_an_unknown_model_is_named_with_the_listed_ones(scripted):
    scripted.default = Reply(404, {"error": {"message": "no such model"}})
    with pytest.raises(ModelError, match="has no model 'scripte'") as caught:
        _ = OpenAIBackend(scripted.url, "scripte").capabilities
    assert "Did you mean 'scripted'?" in caught.value.hint


def test_a_server_that_accepts_any_name_does_not_hide_a_wrong_one(scripted):
    with pytest.raises(ModelError, match="has no model 'gpt-9'"):
        _ = OpenAIBackend(scripted.url, "gpt-9").capabilities


def test_the_newer_parameter_for_the_output_limit_is_found(scripted):
    message = "Unsupported parameter: use 'max_completion_tokens' instead."
    scripted.script = [Reply(400, {"error": {"message": message}})]
    backend = OpenAIBackend(scripted.url, "scripted")
    backend.generate(draws(1), PARAMS)
    assert scripted.seen[-1].body["max_completion_tokens"] == 8
    assert "max_tokens" not in scripted.seen[-1].body


def test_values_of_an_unexpected_shape_are_not_scores(scripted):
    log_probs = {"tokens": ["a"], "text_offset": [0], "token_logprobs": [-0.5]}
    choice = {"text": "a", "index": 0, "logprobs": log_probs, "finish_reason": "length"}
    answer = chat() | {"choices": [chat()["choices"][0] | choice]}
    answer["choices"][0]["logprobs"] |= {"content": [{"top_logprobs": "none"}]}
    scripted.default = Reply(body=answer)
    backend = OpenAIBackend(scripted.url, "scripted")
    assert not backend.can_score


def test_first_tokens_are_read(scripted, backend):
    top = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.4}]
    answer = chat()
    answer["choices"][0]["logprobs"] = {"content": [{"token": "Yes", "top_logprobs": top}]}
    scripted.default = Reply(body=answer)
    (found,) = backend.first_tokens([PROMPT])
    assert (found.tokens, found.log_probs) == (("Yes", "No"), (-0.1, -2.4))
    assert scripted.seen[-1].body["top_logprobs"] == 5
    scripted.default = Reply(body=chat())
    with pytest.raises(ModelError, match="JSON of an unexpected shape"):
        backend.first_tokens([PROMPT])


def vectors(*rows, first=0):
    data = [{"index": first + i, "embedding": row} for i, row in enumerate(rows)]
    return {"data": data[::-1]}


def test_vectors_are_in_order_and_of_length_one(scripted):
    scripted.default = Reply(body=vectors([3.0, 4.0], [0.0, 2.0]))
    encoder = OpenAIEncoder(scripted.url)
    seen = []
    found = encoder.encode(["a", "b"], on_result=lambda at, v: seen.append((list(at), v.shape)))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 1]], atol=1e-7)
    assert found.dtype == np.float32
    assert seen == [([0, 1], (2, 2))]
    assert encoder.encode([]).shape == (0, 0)
    assert "127.0.0.1" in encoder.fingerprint
    assert encoder.fingerprint.endswith(":scripted")


@pytest.mark.parametrize("rows", [[[0.0, 0.0]], [[1.0], [2.0]], [[float("nan"), 1.0]], [["x"]]])
def test_invalid_vectors_are_refused(scripted, rows):
    scripted.default = Reply(body=vectors(*rows))
    with pytest.raises(ModelError, match="answered /embeddings"):
        OpenAIEncoder(scripted.url, "scripted").encode(["a"])


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority = 1
    stored: ClassVar = {("jupyter-mop", "gateway.example:8080"): "sk-stored"}

    def get_password(self, service, username):
        return self.stored.get((service, username))

    def set_password(self, service, username, password):
        self.stored[service, username] = password


def test_a_key_is_given_or_in_the_keyring_for_its_host_or_in_the_environment(monkeypatch):
    before = keyring.get_keyring()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-everywhere")
    try:
        keyring.set_keyring(Ring())
        url = "http://gateway.example:8080/v1"
        assert Endpoint(url, "sk-given")._key.text == "sk-given"
        assert Endpoint(url)._key.text == "sk-stored"
        assert Endpoint("http://other.example/v1")._key.text == "sk-everywhere"
        keyring.set_keyring(keyring.backends.fail.Keyring())
        assert Endpoint(url)._key.text == "sk-everywhere"
    finally:
        keyring.set_keyring(before)


def hedging(scripted: ScriptedServer, seconds: float = 0.05, **options) -> OpenAIBackend:
    return known(OpenAIBackend(scripted.url, "scripted", hedge_after=seconds, **options))


def test_a_hanging_call_is_sent_again_if_calls_are_hedged(scripted):
    scripted.script = [Reply(body=chat("late"), seconds=30)]
    backend = hedging(scripted)
    (completion,) = backend.generate(draws(1), PARAMS)
    assert completion.text == "fine"
    assert scripted.seen[0].body == scripted.seen[1].body
    usage = backend.meter.usage
    assert (usage.calls, usage.unsure) == (2, 1)  # both count, the abandoned one at its upper bound


def test_a_call_is_not_hedged_early_or_by_default(scripted, backend):
    scripted.default = Reply(body=chat(), seconds=0.2)
    hedging(scripted, 60).generate(draws(4), PARAMS)
    backend.generate(draws(4), PARAMS)
    assert len(scripted.seen) == 8


def test_waiting_for_a_rate_limit_is_not_waiting_for_the_server(scripted):
    scripted.default = Reply(body=chat(), seconds=0.1)
    hedging(scripted, 0.8, requests_per_minute=300).generate(draws(8), PARAMS)
    assert len(scripted.seen) == 8


def test_an_error_is_raised_only_if_both_calls_fail(scripted):
    scripted.script = [Reply(body=chat("late"), seconds=0.5), Reply(status=400, body=OVERLOADED)]
    (completion,) = hedging(scripted).generate(draws(1), PARAMS)
    assert completion.text == "late"
    scripted.script = [Reply(status=400, body=OVERLOADED, seconds=0.3)] * 2
    with pytest.raises(ModelError, match="slow down"):
        hedging(scripted).generate(draws(1), PARAMS)


def test_an_interrupted_hedged_call_is_cancelled(scripted):
    scripted.default = Reply(body=chat(), seconds=1.0)
    backend = hedging(scripted)
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        backend.generate(draws(1), PARAMS)
    assert backend.endpoint._connection.limit.in_flight == 0
    assert backend.meter.usage.calls == len(scripted.seen) == 2


def test_a_hedge_time_of_zero_is_refused(scripted):
    with pytest.raises(DataError, match=r"`hedge_after`.* must be above 0, got 0"):
        OpenAIBackend(scripted.url, "scripted", hedge_after=0)
