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
)
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import DataError, ModelError, PromptTooLongError

KEY = "sk-planted-7f3a9c"
PROMPT = Prompt((Message("system", "You are terse."), Message("user", "Well?")))
PARAMS = SamplingParams(max_tokens=8)
TOO_MUCH = {"error": {"message": "slow down", "type": "rate_limit", "code": None}}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(defaults, "MAX_WAIT", 0.02)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def backend(scripted: ScriptedServer) -> OpenAIBackend:
    """Give a backend whose capabilities are known, so that only what is asked is called."""
    return known(OpenAIBackend(scripted.url, "scripted"))


def known(backend: OpenAIBackend) -> OpenAIBackend:
    found = (Finding("chat", works=True),)
    backend.__dict__["capabilities"] = Capabilities("here", "scripted", found, n_top=5)
    return backend


def draws(n: int) -> list[GenerationRequest]:
    return [GenerationRequest(PROMPT, seed=7, draw=i) for i in range(n)]


def test_a_call_says_what_is_asked(scripted, backend):
    (drawn,) = backend.generate(draws(1), SamplingParams(0.5, 0.9, 8))
    assert (drawn.text, drawn.n_tokens, drawn.finish_reason) == ("fine", 3, "stop")
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


def test_draws_of_a_prompt_have_seeds_of_their_own_that_come_again(scripted, backend):
    for _ in range(2):
        backend.generate(draws(3), PARAMS)
    seeds = sorted(seen.body["seed"] for seen in scripted.seen)
    assert len(set(seeds)) == 3
    assert seeds[::2] == seeds[1::2]


def test_many_calls_are_under_way_and_no_more_than_the_bound(scripted, backend):
    scripted.default = Reply(body=chat(), seconds=0.3)
    backend.endpoint.in_flight = 8
    assert len(backend.generate(draws(40), PARAMS)) == 40
    assert scripted.most_in_flight == 8


def test_answers_come_in_the_callers_thread_and_in_the_requests_order(scripted, backend):
    scripted.script = [Reply(body=chat(f"a{i}"), seconds=0.02 * (4 - i)) for i in range(4)]
    seen = {}
    here = threading.current_thread()

    def keep(index, value):
        assert threading.current_thread() is here
        seen[index] = value

    drawn = backend.generate(draws(4), PARAMS, on_result=keep)
    assert seen == dict(enumerate(drawn))
    assert {completion.text for completion in drawn} == {"a0", "a1", "a2", "a3"}


def test_retry_after_is_honoured(scripted, backend):
    scripted.script = [Reply(429, TOO_MUCH, {"retry-after": "0.4"})]
    assert backend.generate(draws(1), PARAMS)[0].text == "fine"
    first, again = (seen.at for seen in scripted.seen)
    assert 0.4 <= again - first < 2


def test_retry_after_may_be_a_date(scripted, backend):
    date = email.utils.formatdate(time.time() + 2, usegmt=True)
    scripted.script = [Reply(429, TOO_MUCH, {"retry-after": date})]
    backend.generate(draws(1), PARAMS)
    first, again = (seen.at for seen in scripted.seen)
    assert 0.9 < again - first < defaults.LONGEST_RETRY_AFTER


BROKEN = {
    "no JSON": Reply(body='{"choices": [{"mess'),
    "no choices": Reply(body=chat() | {"choices": []}),
    "no object": Reply(body=[1, 2]),
    "no message": Reply(body=chat() | {"choices": [{"finish_reason": "stop"}]}),
    "text that is none": Reply(body=chat({"a": 1})),
    "a page": Reply(body="<html>hello</html>", headers={"content-type": "text/html"}),
    "half an answer": Reply(body=chat("x" * 5000), cut=True),
    "a fault": Reply(500, {"error": {"message": "oops"}}),
    "a fault of a gateway": Reply(502, "<html>bad gateway</html>"),
    "too much to do": Reply(503, {"error": {"message": "Loading model"}}),
    "too slow": Reply(408, {}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_may_pass_is_tried_again(scripted, backend, what):
    scripted.script = [BROKEN[what]] * 2
    assert backend.generate(draws(1), PARAMS)[0].text == "fine"
    assert len(scripted.seen) == 3


@pytest.mark.parametrize("what", BROKEN)
def test_what_does_not_pass_is_one_sentence_with_a_hint(scripted, backend, what):
    scripted.default = BROKEN[what]
    with pytest.raises(ModelError) as caught:
        backend.generate(draws(1), PARAMS)
    assert caught.value.hint
    assert "tried" in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(scripted.seen) in {defaults.MALFORMED_ATTEMPTS, defaults.ATTEMPTS}


REFUSED = {
    401: (ModelError, "wants a key", "OPENAI_API_KEY"),
    403: (ModelError, "wants a key", "OPENAI_API_KEY"),
    404: (ModelError, "refused /chat/completions .404: what", "/v1"),
    400: (ModelError, "refused /chat/completions .400: what", "model"),
    501: (ModelError, "refused /chat/completions .501: what", "model"),
}


@pytest.mark.parametrize("status", REFUSED)
def test_what_is_refused_is_not_tried_again(scripted, backend, status):
    kind, message, hint = REFUSED[status]
    scripted.default = Reply(status, {"error": {"message": "what"}})
    with pytest.raises(kind, match=message) as caught:
        backend.generate(draws(1), PARAMS)
    assert hint in caught.value.hint
    assert len(scripted.seen) == 1


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("context_length_exceeded", PromptTooLongError, "window"),
        ("exceed_context_size_error", PromptTooLongError, "window"),
        ("insufficient_quota", ModelError, "no credit"),
    ],
)
def test_codes_that_are_known_are_said_plainly(scripted, backend, code, kind, said):
    status = 429 if "quota" in code else 400
    scripted.default = Reply(status, {"error": {"message": "Too long: 9 > 8", "code": code}})
    with pytest.raises(kind, match=said):
        backend.generate(draws(1), PARAMS)
    assert len(scripted.seen) == 1


def test_refusals_and_filtered_answers_are_kept_as_such(scripted, backend):
    backend.endpoint.in_flight = 1
    scripted.script = [
        Reply(body=chat(None, refusal="I will not.")),
        Reply(body=chat("It was", "content_filter")),
        Reply(body=chat(None, "content_filter")),
        Reply(400, {"error": {"message": "filtered", "code": "content_filter"}}),
        Reply(body=chat("cut off", "length")),
        Reply(body=chat(None, "length")),
    ]
    drawn = backend.generate(draws(6), PARAMS)
    assert [(c.text, c.finish_reason) for c in drawn] == [
        ("I will not.", "refusal"),
        ("It was", "content_filter"),
        ("", "content_filter"),
        ("", "content_filter"),
        ("cut off", "length"),
        ("", "length"),
    ]
    assert len(scripted.seen) == 6


def test_a_server_that_does_not_answer_in_time_is_named(scripted):
    backend = known(OpenAIBackend(scripted.url, "scripted", timeout=0.2))
    scripted.default = Reply(body=chat(), seconds=0.6)
    with pytest.raises(ModelError, match=r"no answer within 0.2 s \(tried 8 times\)") as caught:
        backend.generate(draws(1), PARAMS)
    assert "timeout" in caught.value.hint


def test_a_server_that_is_not_there_is_named():
    backend = OpenAIBackend("http://127.0.0.1:9/v1", "any")
    with pytest.raises(ModelError, match=r"no server at http://127.0.0.1:9/v1") as caught:
        backend.generate(draws(1), PARAMS)
    assert "Start it" in caught.value.hint


def test_an_error_comes_after_what_was_finished(scripted, backend, tmp_path):
    backend.endpoint.in_flight = 2
    scripted.script = [Reply(body=chat(f"a{i}")) for i in range(6)]
    scripted.script.append(Reply(400, {"error": {"message": "no"}}))
    scripted.default = Reply(body=chat("late"), seconds=0.1)
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ModelError, match="no"):
            CachedBackend(backend, store).generate(draws(30), PARAMS)
        kept = store.counts().completions
        assert kept == len(scripted.seen) - 1
        assert 6 <= kept < 12
        again = CachedBackend(backend, store)
        assert len(again.generate(draws(30), PARAMS)) == 30
        assert (again.kept, again.misses) == (kept, 30 - kept)


def test_an_interrupt_keeps_what_is_finished_and_the_next_run_goes_on(scripted, backend, tmp_path):
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
        asked = len(scripted.seen)
        time.sleep(0.3)
        assert len(scripted.seen) <= asked + 4  # those that were under way
        scripted.default = Reply(body=chat())
        again = CachedBackend(backend, store)
        again.generate(draws(60), PARAMS)
        assert again.kept == len(seen)


def test_an_error_of_the_caller_ends_the_calls(scripted, backend):
    scripted.default = Reply(body=chat(), seconds=0.02)
    backend.endpoint.in_flight = 2

    def fail(*_):
        raise LookupError

    with pytest.raises(LookupError):
        backend.generate(draws(200), PARAMS, on_result=fail)
    time.sleep(0.2)
    asked = len(scripted.seen)
    assert asked < 30
    assert len(backend.generate(draws(2), PARAMS)) == 2


def test_one_loop_serves_all_and_a_fork_makes_its_own():
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


def test_nothing_asked_calls_nobody():
    backend = OpenAIBackend("http://127.0.0.1:9/v1", "any")
    assert backend.generate([], PARAMS) == backend.score([]) == backend.first_tokens([]) == []


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://a/v1", "http://", "", "http://[::1", "file:///etc/passwd"]
)
def test_an_address_that_is_none_is_said(url):
    with pytest.raises(DataError, match="no http:// or https:// address") as caught:
        OpenAIBackend(url)
    assert "http://localhost:8080/v1" in caught.value.hint


@pytest.mark.parametrize("url", [f"http://me:{KEY}@host/v1", f"https://host/v1?key={KEY}"])
def test_a_key_in_the_address_is_refused_and_not_shown(url):
    with pytest.raises(DataError) as caught:
        OpenAIBackend(url)
    assert KEY not in str(caught.value)


def test_an_unknown_chat_template_is_said():
    with pytest.raises(DataError, match="no chat template 'chatmul'") as caught:
        OpenAIBackend("http://localhost/v1", chat_template="chatmul")
    assert "chatml, llama-3" in caught.value.hint


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_the_key_is_sent_and_shown_nowhere(  # noqa: PLR0917  fixtures
    scripted, monkeypatch, tmp_path, caplog, capfd, given
):
    if given == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("openai", "httpx2", "aiohttp", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    caplog.set_level(logging.DEBUG)
    backend = OpenAIBackend(scripted.url, "scripted", api_key=KEY if given == "argument" else None)
    traces = []
    with Store(tmp_path / "s.sqlite") as store:
        cached = CachedBackend(backend, store)
        cached.generate(draws(2), PARAMS)
        for body in ({"error": {"message": f"bad key {KEY}"}}, f"echo {KEY}"):
            for status in (400, 401, 500):
                scripted.default = Reply(status, body)
                with pytest.raises(ModelError) as caught:
                    cached.generate([GenerationRequest(PROMPT, 99)], PARAMS)
                told = traceback.TracebackException.from_exception(
                    caught.value, capture_locals=True
                )
                ours = [frame for frame in told.stack if "tests" not in frame.filename]
                assert len(ours) > 3
                traces += [str(frame.locals) for frame in ours]
                traces += [str(caught.value), *caught.value._render_traceback_()]
                assert caught.value.__suppress_context__ or not caught.value.__context__
    assert scripted.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    shown = [repr(backend), repr(vars(backend)), repr(vars(backend.endpoint)), *traces]
    shown += [backend.fingerprint, repr(backend.capabilities), backend.capabilities._repr_html_()]
    shown += [caplog.text, *capfd.readouterr()]
    shown += [str(pickle.dumps(backend.endpoint._key))]
    shown += [file.read_bytes().decode("latin-1") for file in tmp_path.iterdir()]
    assert not [text for text in shown if KEY in text]


def test_what_a_server_cannot_do_is_found_and_said(scripted):
    backend = OpenAIBackend(scripted.url)
    found = backend.capabilities
    assert backend.model == "scripted"
    assert not backend.can_score
    assert not backend.can_score_first_tokens
    assert not backend.can_embed
    assert "echo" in found.seen("log-probabilities of a given text")
    n_calls = len(scripted.seen)
    assert backend.capabilities is found
    assert len(scripted.seen) == n_calls < 20
    with pytest.raises(ModelError, match="cannot score replies"):
        backend.score([ScoreRequest(PROMPT, "fine")])
    with pytest.raises(ModelError, match="no log-probabilities"):
        backend.first_tokens([PROMPT])


def test_a_model_that_is_not_listed_is_named_with_those_that_are(scripted):
    scripted.default = Reply(404, {"error": {"message": "no such model"}})
    with pytest.raises(ModelError, match="has no model 'scripte'") as caught:
        _ = OpenAIBackend(scripted.url, "scripte").capabilities
    assert "Did you mean 'scripted'?" in caught.value.hint


def test_a_server_that_answers_to_any_name_is_not_believed(scripted):
    with pytest.raises(ModelError, match="has no model 'gpt-9'"):
        _ = OpenAIBackend(scripted.url, "gpt-9").capabilities


def test_a_newer_name_of_the_longest_answer_is_found(scripted):
    words = "Unsupported parameter: use 'max_completion_tokens' instead."
    scripted.script = [Reply(400, {"error": {"message": words}})]
    backend = OpenAIBackend(scripted.url, "scripted")
    backend.generate(draws(1), PARAMS)
    assert scripted.seen[-1].body["max_completion_tokens"] == 8
    assert "max_tokens" not in scripted.seen[-1].body


def test_what_is_wrongly_shaped_is_never_a_score(scripted):
    log_probs = {"tokens": ["a"], "text_offset": [0], "token_logprobs": [-0.5]}
    choice = {"text": "a", "index": 0, "logprobs": log_probs, "finish_reason": "length"}
    answer = chat() | {"choices": [chat()["choices"][0] | choice]}
    answer["choices"][0]["logprobs"] |= {"content": [{"top_logprobs": "none"}]}
    scripted.default = Reply(body=answer)
    backend = OpenAIBackend(scripted.url, "scripted")
    assert not backend.can_score


def test_first_tokens_are_read(scripted, backend):
    told = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.4}]
    answer = chat()
    answer["choices"][0]["logprobs"] = {"content": [{"token": "Yes", "top_logprobs": told}]}
    scripted.default = Reply(body=answer)
    (found,) = backend.first_tokens([PROMPT])
    assert (found.tokens, found.log_probs) == (("Yes", "No"), (-0.1, -2.4))
    assert scripted.seen[-1].body["top_logprobs"] == 5
    scripted.default = Reply(body=chat())
    with pytest.raises(ModelError, match="JSON of another shape"):
        backend.first_tokens([PROMPT])


def vectors(*rows, first=0):
    data = [{"index": first + i, "embedding": row} for i, row in enumerate(rows)]
    return {"data": data[::-1]}


def test_vectors_come_in_order_and_of_length_one(scripted):
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
def test_vectors_that_are_none_are_refused(scripted, rows):
    scripted.default = Reply(body=vectors(*rows))
    with pytest.raises(ModelError, match="answered /embeddings"):
        OpenAIEncoder(scripted.url, "scripted").encode(["a"])


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority = 1
    kept: ClassVar = {("jupyter-mop", "gateway.example:8080"): "sk-kept"}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password


def test_a_key_is_given_or_kept_in_the_keyring_for_its_host_or_in_the_environment(monkeypatch):
    before = keyring.get_keyring()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-everywhere")
    try:
        keyring.set_keyring(Ring())
        url = "http://gateway.example:8080/v1"
        assert Endpoint(url, "sk-given")._key.text == "sk-given"
        assert Endpoint(url)._key.text == "sk-kept"
        assert Endpoint("http://other.example/v1")._key.text == "sk-everywhere"
        keyring.set_keyring(keyring.backends.fail.Keyring())
        assert Endpoint(url)._key.text == "sk-everywhere"
    finally:
        keyring.set_keyring(before)


def hedging(scripted: ScriptedServer, seconds: float = 0.05, **options) -> OpenAIBackend:
    return known(OpenAIBackend(scripted.url, "scripted", hedge_after=seconds, **options))


def test_a_call_that_hangs_is_made_again_where_calls_are_hedged(scripted):
    scripted.script = [Reply(body=chat("late"), seconds=30)]
    backend = hedging(scripted)
    (drawn,) = backend.generate(draws(1), PARAMS)
    assert drawn.text == "fine"
    assert scripted.seen[0].body == scripted.seen[1].body
    usage = backend.meter.usage
    assert (usage.calls, usage.unsure) == (2, 1)  # both are counted, the one left at its worst


def test_a_call_is_not_made_again_before_its_time_nor_without_being_asked(scripted, backend):
    scripted.default = Reply(body=chat(), seconds=0.2)
    hedging(scripted, 60).generate(draws(4), PARAMS)
    backend.generate(draws(4), PARAMS)
    assert len(scripted.seen) == 8


def test_to_wait_for_a_place_is_not_to_wait_for_the_server(scripted):
    scripted.default = Reply(body=chat(), seconds=0.1)
    hedging(scripted, 0.8, requests_per_minute=300).generate(draws(8), PARAMS)
    assert len(scripted.seen) == 8


def test_an_error_counts_only_where_the_other_call_has_none(scripted):
    scripted.script = [Reply(body=chat("late"), seconds=0.5), Reply(status=400, body=TOO_MUCH)]
    (drawn,) = hedging(scripted).generate(draws(1), PARAMS)
    assert drawn.text == "late"
    scripted.script = [Reply(status=400, body=TOO_MUCH, seconds=0.3)] * 2
    with pytest.raises(ModelError, match="slow down"):
        hedging(scripted).generate(draws(1), PARAMS)


def test_an_interrupted_hedge_leaves_no_call_behind(scripted):
    scripted.default = Reply(body=chat(), seconds=1.0)
    backend = hedging(scripted)
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        backend.generate(draws(1), PARAMS)
    assert backend.endpoint._connection.limit.under_way == 0
    assert backend.meter.usage.calls == len(scripted.seen) == 2


def test_a_hedge_takes_time(scripted):
    with pytest.raises(DataError, match="hedge_after is 0"):
        OpenAIBackend(scripted.url, "scripted", hedge_after=0)
