"""The books of a run: what was asked and what came of it, written with the answers themselves.

Each answer and its count are one transaction, so the books of a killed run are right to the last
answer. That its process is gone is known from a lock that the system takes back, whatever the
clock says and whoever has its number now.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from jupyter_mop.backends.store.sqlite_store import Statement, Store
from jupyter_mop.errors import BudgetError, StoreError

Ending = Literal["finished", "failed", "cancelled"]

_open: ContextVar[Books | None] = ContextVar("open_books", default=None)


class Books:
    """One run of a store while it goes on.

    Parameters
    ----------
    store : Store
        Keeps the books with the answers.
    verb : str
        What is done: "fit", "simulate", "ask" or "synthesize".
    arguments, facts : mapping
        Plain JSON: what the verb was given, and what else is to be known of the run.

    Attributes
    ----------
    number : int
        The run's number, from 1.
    has_asked : bool
        Whether answers were wanted of a model.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     books = Books(store, "simulate", {"n": 2})
    ...     books.request(2, kept=0, model="toy")
    ...     _ = store.put_many("completion", {"key": b"sun"}, also=[books.finish(1)])
    ...     books.end("cancelled")
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
        self.has_asked = False
        self._failed, self._began = 0, time.monotonic()
        token = uuid.uuid4().hex
        self._lock = _hold(lock_path(store, token))
        columns = "INSERT INTO runs (verb, arguments, state, lock, started, facts)"
        row = (verb, json.dumps(arguments), "running", token, time.time(), json.dumps(self.facts))
        try:
            self.number = store.write((f"{columns} VALUES (?, ?, ?, ?, ?, ?)", row))
        except BaseException:
            self._release(token)
            raise
        self._token = token

    def request(self, n: int, *, kept: int, model: str) -> None:
        """Enter that `n` answers are wanted of a model, of which the store has some already."""
        counts = "requested = requested + ?, kept = kept + ?, finished = finished + ?, model = ?"
        self.store.write(self._update(counts, n, kept, kept, model))
        self.has_asked = True

    def finish(self, n: int) -> Statement:
        """Return what enters `n` answers as finished, to be written together with them."""
        seconds = time.monotonic() - self._began
        return self._update("finished = finished + ?, seconds = ?", n, seconds)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count the request whose failure ends what is done inside; a budget lets none fail."""
        try:
            yield
        except BudgetError:
            raise
        except Exception:
            self._failed += 1
            raise

    def end(self, state: Ending) -> None:
        """Close the books: what is neither finished nor failed is cancelled."""
        failed = "min(?, requested - finished)"
        changes = (
            f"state = ?, seconds = ?, facts = ?, failed = {failed}, "
            f"cancelled = requested - finished - {failed}"
        )
        seconds, facts = time.monotonic() - self._began, json.dumps(self.facts)
        try:
            self.store.write(
                self._update(changes, state, seconds, facts, self._failed, self._failed)
            )
        finally:
            self._release(self._token)

    def forget(self) -> None:
        """Take the run out of the store: it came to nothing and asked for nothing."""
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


def open_books(store: Store) -> Books | None:
    """Return the books that this thread's work with `store` goes into, if any are open."""
    books = _open.get()
    return books if books is not None and books.store is store else None


@contextmanager
def opened(books: Books) -> Iterator[None]:
    """Let all that this thread asks meanwhile go into `books`."""
    token = _open.set(books)
    try:
        yield
    finally:
        _open.reset(token)


def lock_path(store: Store, token: str) -> Path:
    """Return the file that is locked as long as a run's process lives."""
    return store.path.with_name(f"{store.path.name}-run-{token}")


def is_alive(store: Store, token: str) -> bool:
    """Return whether the run's process still holds its lock; tidy up after one that does not."""
    path = lock_path(store, token)
    if not path.exists():
        return False
    try:
        with closing(_connected(path, "ro")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    with suppress(OSError):
        path.unlink()
    return False


def _hold(path: Path) -> sqlite3.Connection:
    """Lock a new file; a process that ends in any way lets go of it.

    It is locked in the way of SQLite, which works wherever the store does.
    """
    try:
        connection = _connected(path, "rwc")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        raise StoreError(
            f"The store's folder {path.parent} cannot be used: {error}.",
            hint="Make it writable, or choose another store with JUPYTER_MOP_STORE.",
        ) from error
    return connection


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    where = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(
        where, uri=True, timeout=0, isolation_level=None, check_same_thread=False
    )
