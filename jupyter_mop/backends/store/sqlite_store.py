"""One SQLite file that remembers every answer of a model under the hash of what was asked."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
)
Statement = tuple[str, tuple[object, ...]]

_CHOOSE_ANOTHER = "Move the file away or choose another one with JUPYTER_MOP_STORE."
_HINTS = {
    "full": "Make room on the disk and run it again: what is finished is kept.",
    "disk i/o": "Make room on the disk and run it again: what is finished is kept.",
    "locked": "Close the program that holds it and run it again: what is finished is kept.",
    "readonly": "Make the file and its folder writable, or choose another with JUPYTER_MOP_STORE.",
}


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How many answers a store holds, and its size on disk in bytes."""

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
    """Answers by content hash in one SQLite file, shared safely by threads and processes.

    Each `put` is committed when it returns: a killed process loses nothing that was put.

    Parameters
    ----------
    path : path-like
        The file; it and its folder are created where they do not exist.

    Raises
    ------
    StoreError
        If the file is no store, or a newer version of jupyter-mop wrote it.

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
        """Return the values of those `keys` that the store holds, in one query."""
        wanted = json.dumps(list(keys))
        query = "SELECT key, value FROM answers WHERE key IN (SELECT value FROM json_each(?))"
        with self._lock, self._guard():
            return dict(self._connection.execute(query, (wanted,)))

    def put(self, kind: Kind, key: str, value: bytes) -> None:
        """Keep one value; a key that is there already keeps its first value."""
        self.put_many(kind, {key: value})

    def put_many(
        self, kind: Kind, values: Mapping[str, bytes], *, also: Sequence[Statement] = ()
    ) -> dict[str, bytes]:
        """Keep all `values` (from key to bytes) in one transaction, with what is `also` written.

        Returns
        -------
        dict of str to bytes
            What was there before under one of the keys, and stays: another process was first.
        """
        rows = [(key, kind, value) for key, value in values.items()]
        if not rows:
            return {}
        with self._transaction():
            insert = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)"
            n_new = self._connection.executemany(insert, rows).rowcount
            for statement in also:
                self._connection.execute(*statement)
        held = {} if n_new == len(rows) else self.get_many(values)
        return {key: value for key, value in held.items() if value != values[key]}

    def write(self, statement: Statement) -> int:
        """Carry out one statement in a transaction of its own; return the last row's number."""
        with self._transaction():
            return self._connection.execute(*statement).lastrowid or 0

    def read(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return the rows of one query."""
        with self._lock, self._guard():
            return self._connection.execute(*statement).fetchall()

    def counts(self) -> StoreCounts:
        """Return how much the store holds."""
        with self._lock, self._guard():
            rows = self._connection.execute("SELECT kind, count(*) FROM answers GROUP BY kind")
            held = dict(rows.fetchall())
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        n_bytes = sum(file.stat().st_size for file in files if file.exists())
        return StoreCounts(
            completions=held.get("completion", 0),
            scores=held.get("score", 0),
            vectors=held.get("vector", 0),
            n_bytes=n_bytes,
        )

    def close(self) -> None:
        """Close the file; the store cannot be used after it."""
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
            self._refuse_what_is_not_ours()
            self._use_write_ahead_log()
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate()

    def _refuse_what_is_not_ours(self) -> None:
        """Look before the first write, so that a foreign file stays as it is."""
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and self._pragma("application_id") != APPLICATION_ID:
            raise StoreError(
                f"The file {self.path} is a database of another program.", hint=_CHOOSE_ANOTHER
            )
        version = self._pragma("user_version")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The store {self.path} has schema {version}, "
                f"this jupyter-mop reads up to {len(MIGRATIONS)}.",
                hint="Update with: pip install -U jupyter-mop, or set JUPYTER_MOP_STORE.",
            )

    def _use_write_ahead_log(self) -> None:
        """Switch modes; SQLite does not wait by itself while another process does the same."""
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
            said = str(error).lower()
            hint = next((hint for word, hint in _HINTS.items() if word in said), _CHOOSE_ANOTHER)
            raise StoreError(
                f"The store {self.path} cannot be used: {error}.", hint=hint
            ) from error
