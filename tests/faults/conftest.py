"""A scripted server, processes to kill, and the run records that the table prints."""

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
    """Give a server on loopback with scripted replies."""
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
    """Give a function that starts a study in its own process: verb, responses, fault."""
    started = []

    def start(url: str, verb: str, n: int = 0, fault: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, fault_study.__file__, path, url, verb, n, fault]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def check_record(record_property: Callable[[str, object], None]) -> Callable[..., StoredRun]:
    """Give a check of a run's record against the store, with the answers it had before."""

    def check(store: Store, run: StoredRun, state: str, *, before: int = 0) -> StoredRun:
        assert run.state == state, run
        assert run.requested == run.finished + run.failed + run.cancelled
        counts = store.counts()
        assert run.finished - run.kept == counts.completions + counts.scores - before
        outcomes = f"{run.finished} finished + {run.failed} failed + {run.cancelled} cancelled"
        record_property("record", f"{run.requested} = {outcomes}")
        return run

    return check
