"""A notebook's kernel is killed, stopped, doubled; its clock goes back."""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter

import pytest
from fault_study import IN_FLIGHT, slow
from scripted_server import Reply, chat, own_words

from jupyter_mop.errors import DataError

N = 60
LOST = 3 * IN_FLIGHT  # under way, waiting for the store, and held back by those that wait


def seeds(server):
    return [seen.body["seed"] for seen in server.seen]


def until(server, n):
    deadline = time.monotonic() + 120
    while len(server.seen) < n:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def stopped(kernel, server, study, how):
    """Start a run in a kernel of its own, end it halfway; return how many calls came."""
    server.default = lambda asked: own_words(asked, seconds=0.02)
    it = kernel(server.url, "simulate", N)
    until(server, 25)
    assert [run.state for run in study.runs()] == ["running"]
    with pytest.raises(DataError, match="Run 1 is still going on"):
        study.resume(1)
    it.send_signal(how)
    it.wait(timeout=60)
    return len(server.seen)


def resumed(server, again, said, run, asked):
    """Check that only the rest was asked, and that each answer is there once."""
    assert (again.requested, again.kept) == (N, run.finished)
    assert len(server.seen) - asked == N - run.finished
    counts = Counter(seeds(server))
    assert len(counts) == len(said) == N
    assert sorted(said) == sorted(f"answer {seed}" for seed in counts)
    assert sum(counts.values()) - N <= LOST


def test_a_killed_kernel_is_resumed_by_another(server, kernel, study, path, books):
    asked = stopped(kernel, server, study, signal.SIGKILL)
    assert len(list(path.parent.glob("*-run-*"))) == 1
    run = books(study.store, study.runs()[-1], "interrupted")
    assert not list(path.parent.glob("*-run-*"))
    assert run.requested == N
    assert asked - LOST <= run.finished <= asked < N
    second = kernel(server.url, "resume")
    said = second.communicate(timeout=120)[0].splitlines()
    assert second.returncode == 0
    again = books(study.store, study.runs()[-1], "finished", before=run.finished)
    resumed(server, again, said, run, asked)


@slow
def test_an_interrupted_run_is_resumed(server, kernel, study, books):
    asked = stopped(kernel, server, study, signal.SIGINT)
    run = books(study.store, study.runs()[-1], "cancelled")
    assert (run.requested, run.failed) == (N, 0)
    assert asked - LOST <= run.finished <= asked < N
    said = study.resume().responses
    again = books(study.store, study.runs()[-1], "finished", before=run.finished)
    resumed(server, again, said, run, asked)


@slow
def test_two_kernels_agree_on_every_answer(server, kernel, study, books):
    numbers = itertools.count()
    server.default = lambda _: Reply(body=chat(f"answer {next(numbers)}"), seconds=0.02)
    both = [kernel(server.url, "simulate", N) for _ in range(2)]
    said = [it.communicate(timeout=120)[0].splitlines() for it in both]
    assert said[0] == said[1]
    assert len(set(said[0])) == N
    for run in study.runs():
        books(study.store, run, "finished", before=run.kept)
        assert run.requested == N
    assert len(study.runs()) == 2
    assert set(Counter(seeds(server)).values()) <= {1, 2}


@slow
def test_a_clock_that_goes_back_changes_nothing(server, kernel, study, books):
    server.default = own_words
    early = study.simulate("early", 5)
    it = kernel(server.url, "simulate", N, "clock")
    it.communicate(timeout=120)
    assert it.returncode == 0
    first, second = study.runs()
    assert (first.state, len(early)) == ("finished", 5)
    assert second.started < first.started - 80_000
    books(study.store, second, "finished", before=5)
    assert 0 <= second.seconds < 300
    assert study.runs().frame["seconds"].min() >= 0
