"""One SQLite file of cached answers, each under the hash of its request."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from jupyter_mop.errors import StoreError

Kind = Literal["completion", "score", "vector"]

APPLICATION_ID = 0x4D4F5050
BUSY_SECONDS = 30.0
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE answers (key TEXT PRIMARY KEY, kind TEXT NOT NULL, value BLOB NOT NULL)",
        "CREATE INDEX answers_by_kind ON answers (kind)",
    ),
    (
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            verb TEXT NOT NULL,
            arguments TEXT NOT NULL,
            state TEXT NOT NULL,
            lock TEXT NOT NULL,
            started REAL NOT NULL,
            seconds REAL,
            requested INTEGER NOT NULL DEFAULT 0,
            kept INTEGER NOT NULL DEFAULT 0,
            finished INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            cancelled INTEGER NOT NULL DEFAULT 0,
            model TEXT,
            facts TEXT NOT NULL
        )""",
    ),
    (
        """CREATE TABLE batches (
            id INTEGER PRIMARY KEY,
            endpoint TEXT NOT NULL,
            lock TEXT NOT NULL,
            started REAL NOT NULL,
            file_id TEXT,
            batch_id TEXT,
            ended REAL
        )""",
        """CREATE TABLE batch_requests (
            key TEXT PRIMARY KEY,
            batch INTEGER,
            attempts INTEGER NOT NULL DEFAULT 0,
            failure TEXT
        )""",
        "CREATE INDEX batch_requests_by_batch ON batch_requests (batch)",
    ),
)
Statement = tuple[str, tuple[object, ...]]

_CHOOSE_ANOTHER = "Move the file away, or choose another one with JUPYTER_MOP_STORE."
_HINTS = {
    "full": "Free some disk space and run it again: finished answers are cached.",
    "disk i/o": "Free some disk space and run it again: finished answers are cached.",
    "locked": "Close the program that uses it and run it again: finished answers are cached.",
    "readonly": "Make the file and its folder writable, or choose another with JUPYTER_MOP_STORE.",
}


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """Number of answers of each kind in a store, and its size on disk in bytes."""

    completions: int
    scores: int
    vectors: int
    n_bytes: int


def content_key(kind: Kind, *parts: object) -> str:
    """Return the SHA-256 of `kind` and `parts` in canonical JSON, as 64 hexadecimal digits.

    Examples
    --------
    >>> content_key("vector", "model-1", "Good film.")[:8]
    '5eed4492'
    """
    text = json.dumps([kind, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """Cached answers in one SQLite file, which threads and processes may share.

    Each `put` is committed when it returns: a killed process loses nothing that it has stored.

    Parameters
    ----------
    path : path-like
        The file; it and its folder are created if they do not exist.

    Raises
    ------
    StoreError
        The file is not a store, or a newer version of jupyter-mop wrote it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     store.put("vector", "key-1", b"abc")
    ...     store.get_many(["key-1", "key-2"])
    {'key-1': b'abc'}
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        with self._guard():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            self._open()
        except BaseException:
            self._connection.close()
            raise

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those `keys` that are in the store, with one query."""
        requested = json.dumps(list(keys))
        query = "SELECT key, value FROM answers WHERE key IN (SELECT value FROM json_each(?))"
        with self._lock, self._guard():
            return dict(self._connection.execute(query, (requested,)))

    def put(self, kind: Kind, key: str, value: bytes) -> None:
        """Store one value; the first value of a key stays."""
        self.put_many(kind, {key: value})

    def put_many(
        self,
        kind: Kind,
        values: Mapping[str, bytes],
        *,
        also: Sequence[Statement] = (),
        replacing: Collection[str] = (),
    ) -> dict[str, bytes]:
        """Store `values` by key in one transaction, together with the statements in `also`.

        What is stored under the keys in `replacing` is deleted first.

        Returns
        -------
        dict of str to bytes
            Values that another process stored under these keys before; they stay.
        """
        rows = [(key, kind, value) for key, value in values.items()]
        if not rows:
            return {}
        with self._transaction():
            old = [(key,) for key in values if key in replacing]
            self._connection.executemany("DELETE FROM answers WHERE key = ?", old)
            insert = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)"
            n_new = self._connection.executemany(insert, rows).rowcount
            for statement in also:
                self._connection.execute(*statement)
        stored = {} if n_new == len(rows) else self.get_many(values)
        return {key: value for key, value in stored.items() if value != values[key]}

    def write(self, statement: Statement) -> int:
        """Execute one statement in its own transaction; return the ID of the last row."""
        with self._transaction():
            return self._connection.execute(*statement).lastrowid or 0

    def write_all(self, statements: Iterable[Statement]) -> None:
        """Execute several statements in one transaction."""
        with self._transaction():
            for statement in statements:
                self._connection.execute(*statement)

    def read(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return the rows of one query."""
        with self._lock, self._guard():
            return self._connection.execute(*statement).fetchall()

    def counts(self) -> StoreCounts:
        """Return the number of answers of each kind and the size on disk."""
        with self._lock, self._guard():
            rows = self._connection.execute("SELECT kind, count(*) FROM answers GROUP BY kind")
            counts = dict(rows.fetchall())
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        n_bytes = sum(file.stat().st_size for file in files if file.exists())
        return StoreCounts(
            completions=counts.get("completion", 0),
            scores=counts.get("score", 0),
            vectors=counts.get("vector", 0),
            n_bytes=n_bytes,
        )

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> None:
        with self._guard():
            self._check_file()
            self._use_write_ahead_log()
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate()

    def _check_file(self) -> None:
        """Refuse a file that is not a readable store, before anything is written to it."""
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and self._pragma("application_id") != APPLICATION_ID:
            raise StoreError(
                f"The file {self.path} is another program's database.", hint=_CHOOSE_ANOTHER
            )
        version = self._pragma("user_version")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The store {self.path} has schema {version}, and this version of jupyter-mop "
                f"reads schemas up to {len(MIGRATIONS)}.",
                hint="Update with: pip install -U jupyter-mop, or choose another store with "
                "JUPYTER_MOP_STORE.",
            )

    def _use_write_ahead_log(self) -> None:
        """Switch to WAL mode, waiting for other processes: SQLite does not wait here by itself."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _migrate(self) -> None:
        if self._pragma("user_version") == len(MIGRATIONS):
            return
        with self._transaction():
            for statements in MIGRATIONS[self._pragma("user_version") :]:
                for statement in statements:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._guard():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = str(error).lower()
            hint = next((hint for word, hint in _HINTS.items() if word in text), _CHOOSE_ANOTHER)
            raise StoreError(
                f"The store {self.path} cannot be used: {error}.", hint=hint
            ) from error
