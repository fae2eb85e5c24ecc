"""A scripted server, processes to kill, and the books that the table prints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fault_study
import pytest
from scripted_server import ScriptedServer

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.store.run_history import StoredRun
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.study.study import Study


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(defaults, "MAX_WAIT", 0.1)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Give a server on loopback that does what the test says."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def study(path: Path, server: ScriptedServer) -> Iterator[Study]:
    study = fault_study.new_study(path, server.url)
    yield study
    study.store.close()


@pytest.fixture
def kernel(path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give what starts a study in a process of its own: verb, responses, trouble."""
    started = []

    def start(url: str, verb: str, n: int = 0, trouble: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, fault_study.__file__, path, url, verb, n, trouble]
        it = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        started.append(it)
        return it

    yield start
    for it in started:
        it.kill()
        it.communicate()


@pytest.fixture
def books(record_property: Callable[[str, object], None]) -> Callable[..., StoredRun]:
    """Give what checks a run's books against the store, which had some answers before it."""

    def check(store: Store, run: StoredRun, state: str, *, before: int = 0) -> StoredRun:
        assert run.state == state, run
        assert run.requested == run.finished + run.failed + run.cancelled
        counts = store.counts()
        assert run.finished - run.kept == counts.completions + counts.scores - before
        parts = f"{run.finished} finished + {run.failed} failed + {run.cancelled} cancelled"
        record_property("books", f"{run.requested} = {parts}")
        return run

    return check
