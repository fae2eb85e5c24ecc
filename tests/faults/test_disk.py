"""A full disk, a store in use by another program, a store of another version."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest
from fault_study import new_study, slow
from scripted_server import Reply, chat, unique_reply

from jupyter_mop.backends.store.sqlite_store import APPLICATION_ID
from jupyter_mop.errors import StoreError

N = 60
HOLD = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""
FIRST_VERSION = f"""
CREATE TABLE answers (key TEXT PRIMARY KEY, kind TEXT NOT NULL, value BLOB NOT NULL);
CREATE INDEX answers_by_kind ON answers (kind);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 1;
"""


def long_reply(body):
    return Reply(body=chat(f"answer {body['seed']} " + "x" * 12_000), seconds=0.005)


def is_intact(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@slow
def test_a_full_disk_in_another_kernel_ends_the_run(server, kernel, study, path, check_record):
    server.default = long_reply
    process = kernel(server.url, "simulate", N, "disk")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 3
    assert output.startswith("StoreError")
    assert "Free some disk space" in output
    assert is_intact(path)
    (run,) = study.runs()
    check_record(study.store, run, run.state)
    assert run.state in {"failed", "interrupted"}  # depends on whether its end could be recorded
    assert 0 < run.finished < N
    n_calls = len(server.seen)
    assert len(set(study.resume().responses)) == N
    assert len(server.seen) - n_calls == N - run.finished
    check_record(study.store, study.runs()[-1], "finished", before=run.finished)


def test_a_full_store_is_reported_and_continues_when_there_is_space(server, study, check_record):
    server.default = long_reply
    connection = study.store._connection
    used = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {used + 60}")
    with pytest.raises(StoreError, match="full") as caught:
        study.simulate("s", N)
    assert "Free some disk space" in caught.value.hint
    connection.execute("PRAGMA max_page_count = 1000000")
    (run,) = study.runs()
    check_record(study.store, run, run.state)
    assert run.state in {"failed", "interrupted"}
    assert 0 < run.finished < N
    assert len(set(study.resume().responses)) == N
    check_record(study.store, study.runs()[-1], "finished", before=run.finished)


class Holder:
    """Another process that locks the store for a while, or until it is killed."""

    def __init__(self, path):
        self.path, self.process = path, None

    def lock(self, seconds):
        command = [sys.executable, "-c", textwrap.dedent(HOLD), str(self.path), str(seconds)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "held\n"

    def release(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def holder(path):
    holder = Holder(path)
    yield holder
    holder.release()
    holder.process.stdout.close()


def at(n, act):
    """Return an `on_step` that calls `act` when the step has `n` answers."""

    def on_step(_what, _total):
        seen = itertools.count(1)
        return lambda *_: act() if next(seen) == n else None

    return on_step


def test_a_locked_store_is_waited_for(server, study, holder, check_record):
    server.default = unique_reply
    assert len(study.simulate("s", N, on_step=at(10, lambda: holder.lock(0.7)))) == N
    check_record(study.store, study.runs()[-1], "finished")
    assert len(server.seen) == N


def test_a_store_that_stays_locked_ends_the_run_and_it_is_resumed(
    server, study, holder, check_record
):
    server.default = unique_reply
    study.store._connection.execute("PRAGMA busy_timeout = 100")
    with pytest.raises(StoreError, match="locked") as caught:
        study.simulate("s", N, on_step=at(10, lambda: holder.lock(1000)))
    assert "Close the program" in caught.value.hint
    holder.release()
    run = check_record(
        study.store, study.runs()[-1], "interrupted"
    )  # its end could not be recorded
    assert run.finished == 10
    assert len(set(study.resume().responses)) == N
    check_record(study.store, study.runs()[-1], "finished", before=10)


def test_a_store_of_the_first_version_keeps_its_answers(server, path, tmp_path, check_record):
    server.default = unique_reply
    newest = new_study(tmp_path / "newest.sqlite", server.url)
    responses = newest.simulate("s", N).responses
    answers = newest.store.read(("SELECT key, kind, value FROM answers", ()))
    newest.store.close()
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(FIRST_VERSION)
        old.executemany("INSERT INTO answers VALUES (?, ?, ?)", answers)
    n_calls = len(server.seen)
    study = new_study(path, server.url)
    assert len(study.runs()) == 0
    assert study.simulate("s", N).responses == responses
    assert len(server.seen) == n_calls
    assert check_record(study.store, study.runs()[-1], "finished", before=N).kept == N
    study.store.close()


def test_a_store_of_a_newer_version_is_refused_and_unchanged(server, path):
    server.default = unique_reply
    study = new_study(path, server.url)
    study.simulate("s", 5)
    study.store.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="has schema 99"):
        new_study(path, server.url).simulate("s", N)
    assert path.read_bytes() == before
    assert len(server.seen) == 5
