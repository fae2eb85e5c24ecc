"""A notebook's kernel that is killed, interrupted or duplicated, or whose clock goes back."""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter

import pytest
from fault_study import IN_FLIGHT, slow
from scripted_server import Reply, chat, unique_reply

from jupyter_mop.errors import DataError

N = 60
MAX_LOST = 3 * IN_FLIGHT  # in flight, waiting for the store, and waiting for those


def seeds(server):
    return [seen.body["seed"] for seen in server.seen]


def wait_for_calls(server, n):
    deadline = time.monotonic() + 120
    while len(server.seen) < n:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def stopped(kernel, server, study, how):
    """Start a run in its own kernel, end it halfway, and return the number of calls."""
    server.default = lambda body: unique_reply(body, seconds=0.02)
    process = kernel(server.url, "simulate", N)
    wait_for_calls(server, 25)
    assert [run.state for run in study.runs()] == ["running"]
    with pytest.raises(DataError, match="Run 1 is still going on"):
        study.resume(1)
    process.send_signal(how)
    process.wait(timeout=60)
    return len(server.seen)


def check_resumed(server, run, resumed, responses, n_calls):
    """Check that only missing answers were requested and that each answer is there once."""
    assert (resumed.requested, resumed.kept) == (N, run.finished)
    assert len(server.seen) - n_calls == N - run.finished
    counts = Counter(seeds(server))
    assert len(counts) == len(responses) == N
    assert sorted(responses) == sorted(f"answer {seed}" for seed in counts)
    assert sum(counts.values()) - N <= MAX_LOST


def test_a_killed_kernel_is_resumed_by_another(server, kernel, study, path, check_record):
    n_calls = stopped(kernel, server, study, signal.SIGKILL)
    assert len(list(path.parent.glob("*-run-*"))) == 1
    run = check_record(study.store, study.runs()[-1], "interrupted")
    assert not list(path.parent.glob("*-run-*"))
    assert run.requested == N
    assert n_calls - MAX_LOST <= run.finished <= n_calls < N
    second = kernel(server.url, "resume")
    responses = second.communicate(timeout=120)[0].splitlines()
    assert second.returncode == 0
    resumed = check_record(study.store, study.runs()[-1], "finished", before=run.finished)
    check_resumed(server, run, resumed, responses, n_calls)


@slow
def test_an_interrupted_run_is_resumed(server, kernel, study, check_record):
    n_calls = stopped(kernel, server, study, signal.SIGINT)
    run = check_record(study.store, study.runs()[-1], "cancelled")
    assert (run.requested, run.failed) == (N, 0)
    assert n_calls - MAX_LOST <= run.finished <= n_calls < N
    responses = study.resume().responses
    resumed = check_record(study.store, study.runs()[-1], "finished", before=run.finished)
    check_resumed(server, run, resumed, responses, n_calls)


@slow
def test_two_kernels_agree_on_every_answer(server, kernel, study, check_record):
    numbers = itertools.count()
    server.default = lambda _: Reply(body=chat(f"answer {next(numbers)}"), seconds=0.02)
    both = [kernel(server.url, "simulate", N) for _ in range(2)]
    first, second = (process.communicate(timeout=120)[0].splitlines() for process in both)
    assert first == second
    assert len(set(first)) == N
    for run in study.runs():
        check_record(study.store, run, "finished", before=run.kept)
        assert run.requested == N
    assert len(study.runs()) == 2
    assert set(Counter(seeds(server)).values()) <= {1, 2}


@slow
def test_a_clock_that_goes_back_changes_nothing(server, kernel, study, check_record):
    server.default = unique_reply
    early = study.simulate("early", 5)
    process = kernel(server.url, "simulate", N, "clock")
    process.communicate(timeout=120)
    assert process.returncode == 0
    first, second = study.runs()
    assert (first.state, len(early)) == ("finished", 5)
    assert second.started < first.started - 80_000
    check_record(study.store, second, "finished", before=5)
    assert 0 <= second.seconds < 300
    assert study.runs().frame["seconds"].min() >= 0
