"""A server that is killed or overloaded, breaks off, or sends invalid responses."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
import scripted_server
from fault_study import IN_FLIGHT, new_study, slow
from scripted_server import Reply, chat, unique_reply

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.errors import ModelError

N = 40
FAULTS = {
    "429": Reply(429, {"error": {"message": "slow down"}}, {"retry-after": "0"}),
    "500": Reply(500, {"error": {"message": "oops"}}),
    "cut": Reply(body=chat("x" * 5000), cut=True),
    "malformed": Reply(body='{"choices": [{"mess'),
    "empty": Reply(body=chat() | {"choices": []}),
    "closed": Reply(shut=True),
}


def key(body):
    return json.dumps(body, sort_keys=True)


def once(fault, answer):
    """Return a reply function that gives each request this fault the first time."""
    seen = Counter()

    def reply(body):
        seen[key(body)] += 1
        return fault if seen[key(body)] == 1 else answer(body)

    return reply


def after(n, fault, answer):
    """Return a reply function that gives `n` answers, and then this fault for ever."""
    calls = itertools.count()
    return lambda body: answer(body) if next(calls) < n else fault


@pytest.mark.parametrize("fault", FAULTS)
def test_a_temporary_fault_costs_one_more_call(server, study, check_record, fault):
    server.default = once(FAULTS[fault], unique_reply)
    simulation = study.simulate("s", N)
    run = check_record(study.store, study.runs()[-1], "finished")
    assert (run.requested, run.kept) == (N, 0)
    assert len(server.seen) == 2 * N
    assert sorted(simulation.responses) == sorted(
        {f"answer {seen.body['seed']}" for seen in server.seen}
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_ends_the_run_and_it_is_resumed(server, study, check_record, fault):
    server.default = after(12, FAULTS[fault], unique_reply)
    with pytest.raises(ModelError) as caught:
        study.simulate("s", N)
    assert caught.value.hint
    run = check_record(study.store, study.runs()[-1], "failed")
    assert (run.requested, run.finished, run.failed) == (N, 12, 1)
    assert run.facts["error"] == str(caught.value)
    n_calls = len(server.seen)
    server.default = unique_reply
    assert len(study.resume()) == N
    assert len(server.seen) - n_calls == N - 12
    check_record(study.store, study.runs()[-1], "finished", before=12)


def test_many_429_are_waited_out_with_fewer_calls_in_flight(server, study, check_record):
    refused, answered = [], itertools.count(1)
    overloaded = Reply(429, {"error": {"message": "slow down"}}, {"retry-after": "0.2"})

    def reply(body):
        now = time.monotonic()
        if (refused or next(answered) > 10) and now - (refused or [now])[0] < 0.7:
            refused.append(now)
            return overloaded
        return unique_reply(body)

    server.default = reply
    assert len(set(study.simulate("s", N).responses)) == N
    check_record(study.store, study.runs()[-1], "finished")
    assert len(server.seen) == N + len(refused)
    assert 4 <= len(refused) <= 12  # 4 calls every 0.2 s would be 16


@slow
def test_a_server_that_falls_silent_ends_the_run_and_it_is_resumed(
    server, study, check_record, monkeypatch
):
    monkeypatch.setattr(defaults, "ATTEMPTS", 2)
    study.backend.backend.endpoint.timeout = 0.5
    server.default = after(12, Reply(body=chat(), seconds=1.5), unique_reply)
    with pytest.raises(ModelError, match="did not respond within"):
        study.simulate("s", N)
    run = check_record(study.store, study.runs()[-1], "failed")
    assert run.finished == 12
    server.default = unique_reply
    assert len(set(study.resume().responses)) == N
    check_record(study.store, study.runs()[-1], "finished", before=12)


def test_refused_and_filtered_responses_are_stored_and_requested_once(server, study, check_record):
    refused = [
        Reply(body=chat(None, refusal="I will not.")),
        Reply(body=chat("It was", "content_filter")),
        Reply(400, {"error": {"message": "filtered", "code": "content_filter"}}),
    ]
    calls = itertools.count()
    server.default = lambda body: (
        (refused * 4)[i] if (i := next(calls)) < 12 else unique_reply(body)
    )
    simulation = study.simulate("s", N)
    finished = {"refusal": 4, "content_filter": 8, "stop": N - 12}
    assert simulation.provenance["finished"] == finished
    run = check_record(study.store, study.runs()[-1], "finished")
    assert run.facts["provenance"]["finished"] == finished
    assert (run.finished, run.failed) == (N, 0)
    assert study.simulate("again", N).provenance["finished"] == finished
    assert len(server.seen) == N


def test_a_lone_surrogate_becomes_a_question_mark(server, study):
    server.default = Reply(body=chat("a \ud83d b"))
    simulation = study.simulate("s", 3)
    assert simulation.responses == ["a ? b"] * 3


class Process:
    """A server in its own process, always at the same port."""

    def __init__(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.port = unused.getsockname()[1]
        self.start()

    def start(self):
        command = [sys.executable, scripted_server.__file__, str(self.port), "0.02"]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout.readline() == "ready\n"

    def kill(self):
        self.popen.kill()
        self.popen.communicate()


@pytest.fixture
def process():
    process = Process()
    yield process
    process.kill()


def at(n, act):
    """Return an `on_step` that calls `act` when the step has `n` answers."""

    def on_step(_what, _total):
        seen = itertools.count(1)
        return lambda *_: act() if next(seen) == n else None

    return on_step


def test_a_server_that_is_killed_and_comes_back_is_waited_for(
    process, path, check_record, monkeypatch
):
    monkeypatch.setattr(defaults, "MAX_WAIT", 2.0)
    monkeypatch.setattr(defaults, "FIRST_WAIT", 1.0)
    study = new_study(path, f"http://127.0.0.1:{process.port}/v1")

    def restart():
        process.kill()
        threading.Thread(target=process.start).start()

    simulation = study.simulate("s", N, on_step=at(10, restart))
    assert len(set(simulation.responses)) == N
    check_record(study.store, study.runs()[-1], "finished")
    study.store.close()


def test_a_server_that_stays_away_ends_the_run_and_it_is_resumed(process, path, check_record):
    study = new_study(path, f"http://127.0.0.1:{process.port}/v1")
    with pytest.raises(ModelError, match="Cannot reach a server"):
        study.simulate("s", N, on_step=at(10, process.kill))
    run = check_record(study.store, study.runs()[-1], "failed")
    assert 10 <= run.finished <= 10 + IN_FLIGHT
    process.start()
    assert len(set(study.resume().responses)) == N
    again = check_record(study.store, study.runs()[-1], "finished", before=run.finished)
    assert again.kept == run.finished
    study.store.close()


def echoed(body, *, wrong=""):
    """Reply with a log-probability of each character of the prompt, or with an invalid list."""
    text = body["prompt"]
    log_probs = [None, *(-0.1 - 0.01 * (ord(char) % 7) for char in text[1:])]
    tokens = list(text)
    if wrong == "too few":
        log_probs = log_probs[:-3]
    elif wrong == "too many tokens":
        tokens, log_probs = [*tokens, "x"], [*log_probs, -1.0]
    elif wrong:
        log_probs[-2] = {"not a number": float("nan"), "positive": 0.5, "missing": None}[wrong]
    lists = {
        "tokens": tokens,
        "text_offset": list(range(len(tokens))),
        "token_logprobs": log_probs,
    }
    usage = {"prompt_tokens": len(tokens), "completion_tokens": 1}
    return Reply(body={"choices": [{"text": text, "logprobs": lists}], "usage": usage})


WRONG = ["too few", "too many tokens", "not a number", "positive", "missing"]
FIT = {"n_exemplars": 4, "n_records": 16, "n_components": 4, "by": "likelihood"}


@pytest.mark.parametrize("wrong", WRONG)
def test_invalid_log_probabilities_are_not_scores(server, study, tmp_path, check_record, wrong):
    server.default = lambda body: (
        echoed(body, wrong=wrong) if len(server.seen) > 20 else echoed(body)
    )
    with pytest.raises(ModelError, match=r"answered /completions with"):
        study.fit(**FIT)
    run = check_record(study.store, study.runs()[-1], "failed")
    assert (run.finished - run.kept, run.failed) == (20, 1)
    server.default = once(echoed({"prompt": "x" * 9}, wrong=wrong), echoed)
    weights = study.resume().persona_weights()
    check_record(study.store, study.runs()[-1], "finished", before=20)
    other = new_study(tmp_path / "other.sqlite", server.url)
    server.default = echoed
    assert (other.fit(**FIT).persona_weights() == weights).all()
    other.store.close()
