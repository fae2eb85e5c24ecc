"""The disk is full, another program holds the store, the store is of another version."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest
from fault_study import new_study, slow
from scripted_server import Reply, chat, own_words

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


def long_answers(asked):
    return Reply(body=chat(f"answer {asked['seed']} " + "x" * 12_000), seconds=0.005)


def is_sound(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@slow
def test_a_full_disk_in_another_kernel_ends_the_run(server, kernel, study, path, books):
    server.default = long_answers
    it = kernel(server.url, "simulate", N, "disk")
    told = it.communicate(timeout=120)[0]
    assert it.returncode == 3
    assert told.startswith("StoreError")
    assert "Make room on the disk" in told
    assert is_sound(path)
    (run,) = study.runs()
    books(study.store, run, run.state)
    assert run.state in {"failed", "interrupted"}  # whether there was room to note its end
    assert 0 < run.finished < N
    asked = len(server.seen)
    assert len(set(study.resume().responses)) == N
    assert len(server.seen) - asked == N - run.finished
    books(study.store, study.runs()[-1], "finished", before=run.finished)


def test_a_full_store_says_so_and_goes_on_when_there_is_room(server, study, books):
    server.default = long_answers
    connection = study.store._connection
    used = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {used + 60}")
    with pytest.raises(StoreError, match="full") as caught:
        study.simulate("s", N)
    assert "Make room on the disk" in caught.value.hint
    connection.execute("PRAGMA max_page_count = 1000000")
    (run,) = study.runs()
    books(study.store, run, run.state)
    assert run.state in {"failed", "interrupted"}
    assert 0 < run.finished < N
    assert len(set(study.resume().responses)) == N
    books(study.store, study.runs()[-1], "finished", before=run.finished)


class Holder:
    """Another process that holds the store for a while, or until it is let go."""

    def __init__(self, path):
        self.path, self.it = path, None

    def take(self, seconds):
        command = [sys.executable, "-c", textwrap.dedent(HOLD), str(self.path), str(seconds)]
        self.it = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.it.stdout.readline() == "held\n"

    def let_go(self):
        self.it.kill()
        self.it.wait()


@pytest.fixture
def holder(path):
    it = Holder(path)
    yield it
    it.let_go()
    it.it.stdout.close()


def at(n, act):
    """Return an `on_step` that acts when the step has come to `n` answers."""

    def on_step(_what, _total):
        seen = itertools.count(1)
        return lambda *_: act() if next(seen) == n else None

    return on_step


def test_a_locked_store_is_waited_for(server, study, holder, books):
    server.default = own_words
    assert len(study.simulate("s", N, on_step=at(10, lambda: holder.take(0.7)))) == N
    books(study.store, study.runs()[-1], "finished")
    assert len(server.seen) == N


def test_a_store_that_stays_locked_ends_the_run_and_it_is_resumed(server, study, holder, books):
    server.default = own_words
    study.store._connection.execute("PRAGMA busy_timeout = 100")
    with pytest.raises(StoreError, match="locked") as caught:
        study.simulate("s", N, on_step=at(10, lambda: holder.take(1000)))
    assert "Close the program" in caught.value.hint
    holder.let_go()
    run = books(study.store, study.runs()[-1], "interrupted")  # its end could not be noted
    assert run.finished == 10
    assert len(set(study.resume().responses)) == N
    books(study.store, study.runs()[-1], "finished", before=10)


def test_a_store_of_the_first_version_keeps_its_answers(server, path, tmp_path, books):
    server.default = own_words
    newest = new_study(tmp_path / "newest.sqlite", server.url)
    said = newest.simulate("s", N).responses
    answers = newest.store.read(("SELECT key, kind, value FROM answers", ()))
    newest.store.close()
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(FIRST_VERSION)
        old.executemany("INSERT INTO answers VALUES (?, ?, ?)", answers)
    asked = len(server.seen)
    study = new_study(path, server.url)
    assert len(study.runs()) == 0
    assert study.simulate("s", N).responses == said
    assert len(server.seen) == asked
    assert books(study.store, study.runs()[-1], "finished", before=N).kept == N
    study.store.close()


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_was(server, path):
    server.default = own_words
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
