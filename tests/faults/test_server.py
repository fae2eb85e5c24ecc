"""A server is killed, has too much to do, breaks off, or answers what makes no sense."""

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
from scripted_server import Reply, chat, own_words

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.errors import ModelError

N = 40
FAULTS = {
    "429": Reply(429, {"error": {"message": "slow down"}}, {"retry-after": "0"}),
    "500": Reply(500, {"error": {"message": "oops"}}),
    "cut": Reply(body=chat("x" * 5000), cut=True),
    "malformed": Reply(body='{"choices": [{"mess'),
    "empty": Reply(body=chat() | {"choices": []}),
    "hung up": Reply(shut=True),
}


def key(asked):
    return json.dumps(asked, sort_keys=True)


def once(fault, answer):
    """Return what gives each request this fault the first time."""
    seen = Counter()

    def reply(asked):
        seen[key(asked)] += 1
        return fault if seen[key(asked)] == 1 else answer(asked)

    return reply


def after(n, fault, answer):
    """Return what gives `n` answers, and then this fault for ever."""
    turn = itertools.count()
    return lambda asked: answer(asked) if next(turn) < n else fault


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_one_more_call(server, study, books, fault):
    server.default = once(FAULTS[fault], own_words)
    simulation = study.simulate("s", N)
    run = books(study.store, study.runs()[-1], "finished")
    assert (run.requested, run.kept) == (N, 0)
    assert len(server.seen) == 2 * N
    assert sorted(simulation.responses) == sorted(
        {f"answer {seen.body['seed']}" for seen in server.seen}
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_ends_the_run_and_it_is_resumed(server, study, books, fault):
    server.default = after(12, FAULTS[fault], own_words)
    with pytest.raises(ModelError) as caught:
        study.simulate("s", N)
    assert caught.value.hint
    run = books(study.store, study.runs()[-1], "failed")
    assert (run.requested, run.finished, run.failed) == (N, 12, 1)
    assert run.facts["error"] == str(caught.value)
    asked = len(server.seen)
    server.default = own_words
    assert len(study.resume()) == N
    assert len(server.seen) - asked == N - 12
    books(study.store, study.runs()[-1], "finished", before=12)


def test_a_storm_of_429_is_sat_out_with_fewer_calls_at_once(server, study, books):
    refused, answered = [], itertools.count(1)
    storm = Reply(429, {"error": {"message": "slow down"}}, {"retry-after": "0.2"})

    def reply(asked):
        now = time.monotonic()
        if (refused or next(answered) > 10) and now - (refused or [now])[0] < 0.7:
            refused.append(now)
            return storm
        return own_words(asked)

    server.default = reply
    assert len(set(study.simulate("s", N).responses)) == N
    books(study.store, study.runs()[-1], "finished")
    assert len(server.seen) == N + len(refused)
    assert 4 <= len(refused) <= 12  # 4 at once, every 0.2 s, would be 16


@slow
def test_a_server_that_falls_silent_ends_the_run_and_it_is_resumed(
    server, study, books, monkeypatch
):
    monkeypatch.setattr(defaults, "ATTEMPTS", 2)
    study.backend.backend.endpoint.timeout = 0.5
    server.default = after(12, Reply(body=chat(), seconds=1.5), own_words)
    with pytest.raises(ModelError, match="gave no answer within"):
        study.simulate("s", N)
    run = books(study.store, study.runs()[-1], "failed")
    assert run.finished == 12
    server.default = own_words
    assert len(set(study.resume().responses)) == N
    books(study.store, study.runs()[-1], "finished", before=12)


def test_refusals_and_filters_are_kept_counted_and_asked_once(server, study, books):
    refused = [
        Reply(body=chat(None, refusal="I will not.")),
        Reply(body=chat("It was", "content_filter")),
        Reply(400, {"error": {"message": "filtered", "code": "content_filter"}}),
    ]
    turn = itertools.count()
    server.default = lambda asked: (refused * 4)[i] if (i := next(turn)) < 12 else own_words(asked)
    simulation = study.simulate("s", N)
    finished = {"refusal": 4, "content_filter": 8, "stop": N - 12}
    assert simulation.provenance["finished"] == finished
    run = books(study.store, study.runs()[-1], "finished")
    assert run.facts["provenance"]["finished"] == finished
    assert (run.finished, run.failed) == (N, 0)
    assert study.simulate("again", N).provenance["finished"] == finished
    assert len(server.seen) == N


def test_half_a_character_becomes_a_mark(server, study):
    server.default = Reply(body=chat("a \ud83d b"))
    simulation = study.simulate("s", 3)
    assert simulation.responses == ["a ? b"] * 3


class Process:
    """A server in a process of its own, always at the same port."""

    def __init__(self):
        with socket.socket() as it:
            it.bind(("127.0.0.1", 0))
            self.port = it.getsockname()[1]
        self.start()

    def start(self):
        command = [sys.executable, scripted_server.__file__, str(self.port), "0.02"]
        self.it = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.it.stdout.readline() == "ready\n"

    def kill(self):
        self.it.kill()
        self.it.communicate()


@pytest.fixture
def process():
    it = Process()
    yield it
    it.kill()


def at(n, act):
    """Return an `on_step` that acts when the step has come to `n` answers."""

    def on_step(_what, _total):
        seen = itertools.count(1)
        return lambda *_: act() if next(seen) == n else None

    return on_step


def test_a_server_that_is_killed_and_comes_back_is_waited_for(process, path, books, monkeypatch):
    monkeypatch.setattr(defaults, "MAX_WAIT", 2.0)
    monkeypatch.setattr(defaults, "FIRST_WAIT", 1.0)
    study = new_study(path, f"http://127.0.0.1:{process.port}/v1")

    def restart():
        process.kill()
        threading.Thread(target=process.start).start()

    simulation = study.simulate("s", N, on_step=at(10, restart))
    assert len(set(simulation.responses)) == N
    books(study.store, study.runs()[-1], "finished")
    study.store.close()


def test_a_server_that_stays_away_ends_the_run_and_it_is_resumed(process, path, books):
    study = new_study(path, f"http://127.0.0.1:{process.port}/v1")
    with pytest.raises(ModelError, match="no server"):
        study.simulate("s", N, on_step=at(10, process.kill))
    run = books(study.store, study.runs()[-1], "failed")
    assert 10 <= run.finished <= 10 + IN_FLIGHT
    process.start()
    assert len(set(study.resume().responses)) == N
    again = books(study.store, study.runs()[-1], "finished", before=run.finished)
    assert again.kept == run.finished
    study.store.close()


def echoed(asked, *, wrong=""):
    """Reply with a log-probability of each character of the prompt, or with something wrong."""
    text = asked["prompt"]
    log_probs = [None, *(-0.1 - 0.01 * (ord(char) % 7) for char in text[1:])]
    tokens = list(text)
    if wrong == "too few":
        log_probs = log_probs[:-3]
    elif wrong == "too many tokens":
        tokens, log_probs = [*tokens, "x"], [*log_probs, -1.0]
    elif wrong:
        log_probs[-2] = {"no number": float("nan"), "positive": 0.5, "missing": None}[wrong]
    told = {
        "tokens": tokens,
        "text_offset": list(range(len(tokens))),
        "token_logprobs": log_probs,
    }
    usage = {"prompt_tokens": len(tokens), "completion_tokens": 1}
    return Reply(body={"choices": [{"text": text, "logprobs": told}], "usage": usage})


WRONG = ["too few", "too many tokens", "no number", "positive", "missing"]
FIT = {"n_exemplars": 4, "n_records": 16, "n_components": 4}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_log_probabilities_are_no_scores(server, study, tmp_path, books, wrong):
    server.default = lambda asked: (
        echoed(asked, wrong=wrong) if len(server.seen) > 20 else echoed(asked)
    )
    with pytest.raises(ModelError, match=r"answered /completions with"):
        study.fit(**FIT)
    run = books(study.store, study.runs()[-1], "failed")
    assert (run.finished - run.kept, run.failed) == (20, 1)
    server.default = once(echoed({"prompt": "x" * 9}, wrong=wrong), echoed)
    weights = study.resume().persona_weights()
    books(study.store, study.runs()[-1], "finished", before=20)
    sound = new_study(tmp_path / "sound.sqlite", server.url)
    server.default = echoed
    assert (sound.fit(**FIT).persona_weights() == weights).all()
    sound.store.close()
