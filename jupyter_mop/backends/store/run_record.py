"""The record of one run: how many answers it requested and what became of them.

Each answer and its count are written in one transaction, so the record of a killed run is correct
up to its last answer. A run holds a file lock that the operating system releases when its process
ends; a lost process is recognised by it, whatever the clock says and whoever has its process ID.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from jupyter_mop.backends.store.sqlite_store import Statement, Store
from jupyter_mop.errors import BatchPending, BudgetError, StoreError

EndState = Literal["finished", "failed", "cancelled", "waiting"]

_current: ContextVar[RunRecord | None] = ContextVar("current_record", default=None)


class RunRecord:
    """The record of a run that is in progress.

    Parameters
    ----------
    store : Store
        The store that holds the record beside the answers.
    verb : str
        "fit", "simulate", "ask" or "synthesize".
    arguments, facts : mapping
        The verb's arguments and other facts about the run, as plain JSON.

    Attributes
    ----------
    number : int
        Number of the run, from 1.
    has_requests : bool
        Whether the run has requested answers from a model.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     record = RunRecord(store, "simulate", {"n": 2})
    ...     record.request(2, n_cached=0, model="toy")
    ...     _ = store.put_many("completion", {"key": b"sun"}, also=[record.finish(1)])
    ...     record.end("cancelled")
    ...     store.read(("SELECT state, requested, finished, failed, cancelled FROM runs", ()))
    [('cancelled', 2, 1, 0, 1)]
    """

    def __init__(
        self,
        store: Store,
        verb: str,
        arguments: Mapping[str, Any],
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.store, self.facts = store, dict(facts or {})
        self.has_requests = False
        self._n_failed, self._start = 0, time.monotonic()
        token = uuid.uuid4().hex
        self._lock = hold_lock(lock_path(store, token))
        columns = "INSERT INTO runs (verb, arguments, state, lock, started, facts)"
        row = (verb, json.dumps(arguments), "running", token, time.time(), json.dumps(self.facts))
        try:
            self.number = store.write((f"{columns} VALUES (?, ?, ?, ?, ?, ?)", row))
        except BaseException:
            self._release(token)
            raise
        self._token = token

    def request(self, n: int, *, n_cached: int, model: str) -> None:
        """Record `n` requested answers, of which the store already has `n_cached`."""
        counts = "requested = requested + ?, kept = kept + ?, finished = finished + ?, model = ?"
        self.store.write(self._update(counts, n, n_cached, n_cached, model))
        self.has_requests = True

    def finish(self, n: int) -> Statement:
        """Return the statement that records `n` finished answers, to be written with them."""
        seconds = time.monotonic() - self._start
        return self._update("finished = finished + ?, seconds = ?", n, seconds)

    def fail(self, n: int) -> None:
        """Count `n` requests that got no answer, although the run continues."""
        self._n_failed += n

    def see(self, served: Iterable[str]) -> None:
        """Record by which models answers were served, as the endpoint names them."""
        names = list(served)
        if names:
            counts = Counter(self.facts.get("served", {})) + Counter(names)
            self.facts["served"] = dict(counts)

    @contextmanager
    def counting_failures(self) -> Iterator[None]:
        """Count an error inside the block as one failed request.

        A spent budget and a batch that is not done yet are none.
        """
        try:
            yield
        except (BudgetError, BatchPending):
            raise
        except Exception:
            self._n_failed += 1
            raise

    def end(self, state: EndState) -> None:
        """Close the record: answers neither finished nor failed are cancelled."""
        failed = "min(?, requested - finished)"
        changes = (
            f"state = ?, seconds = ?, facts = ?, failed = {failed}, "
            f"cancelled = requested - finished - {failed}"
        )
        seconds, facts = time.monotonic() - self._start, json.dumps(self.facts)
        try:
            self.store.write(
                self._update(changes, state, seconds, facts, self._n_failed, self._n_failed)
            )
        finally:
            self._release(self._token)

    def delete(self) -> None:
        """Delete the record of a run that failed before it requested anything."""
        try:
            self.store.write(("DELETE FROM runs WHERE id = ?", (self.number,)))
        finally:
            self._release(self._token)

    def _update(self, changes: str, *values: object) -> Statement:
        return f"UPDATE runs SET {changes} WHERE id = ?", (*values, self.number)

    def _release(self, token: str) -> None:
        self._lock.close()
        with suppress(OSError):
            lock_path(self.store, token).unlink()


def current_record(store: Store) -> RunRecord | None:
    """Return the record of the run that is in progress in this thread with `store`, if any."""
    record = _current.get()
    return record if record is not None and record.store is store else None


@contextmanager
def use_record(record: RunRecord) -> Iterator[None]:
    """Count all requests of this thread in `record` inside a `with` block."""
    token = _current.set(record)
    try:
        yield
    finally:
        _current.reset(token)


def lock_path(store: Store, token: str) -> Path:
    """Return the file that is locked as long as the run's process lives."""
    return store.path.with_name(f"{store.path.name}-run-{token}")


def is_alive(store: Store, token: str) -> bool:
    """Return whether the run's process holds its lock; delete the lock file if it does not."""
    path = lock_path(store, token)
    if not path.exists():
        return False
    try:
        with closing(_connect(path, "ro")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    with suppress(OSError):
        path.unlink()
    return False


def hold_lock(path: Path) -> sqlite3.Connection:
    """Lock a new file until the process ends.

    SQLite's own locks are used, which work wherever the store does.
    """
    try:
        connection = _connect(path, "rwc")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        raise StoreError(
            f"The store's folder {path.parent} cannot be used: {error}.",
            hint="Make it writable, or choose another store with JUPYTER_MOP_STORE.",
        ) from error
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
