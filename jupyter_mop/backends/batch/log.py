"""Batches recorded in the store: what was sent, before and after each step, and what failed.

A request is in at most one open batch. A killed process leaves a batch without the server's ID: it
is looked for on the server before its requests are sent again.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from jupyter_mop.backends.store.run_record import hold_lock, is_alive, lock_path
from jupyter_mop.backends.store.sqlite_store import Store


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch that is recorded as sent, or as about to be sent.

    Attributes
    ----------
    number : int
        Its number in the store.
    token : str
        A name that the server was given with it.
    file_id : str or None
        The uploaded file; None if no upload has been recorded.
    batch_id : str or None
        The batch on the server; None if no start has been recorded.
    """

    number: int
    token: str
    file_id: str | None
    batch_id: str | None


class BatchLog:
    """The batches of one endpoint in a store.

    Parameters
    ----------
    store : Store
    endpoint : str
        Name of the endpoint.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     log = BatchLog(store, "here")
    ...     with log.sending(["k1", "k2"]) as sent:
    ...         log.record(sent, file_id="file-1")
    ...     log.close(log.open_batches(["k1"])[0], {"k2": "batch_expired"})
    ...     log.open_batches(["k1"]), log.failures(["k1", "k2"])
    ([], {'k2': (1, 'batch_expired')})
    """

    def __init__(self, store: Store, endpoint: str) -> None:
        self._store, self._endpoint = store, endpoint

    def open_batches(self, keys: Collection[str]) -> list[SentBatch]:
        """Return the open batches that have any of these requests, oldest first."""
        query = (
            "SELECT id, lock, file_id, batch_id FROM batches WHERE endpoint = ? AND id IN (SELECT "
            "batch FROM batch_requests WHERE key IN (SELECT value FROM json_each(?))) ORDER BY id"
        )
        rows = self._store.read((query, (self._endpoint, json.dumps(list(keys)))))
        return [SentBatch(*row) for row in rows]

    def keys(self, sent: SentBatch) -> list[str]:
        """Return the keys of a batch's requests."""
        query = "SELECT key FROM batch_requests WHERE batch = ?"
        return [key for (key,) in self._store.read((query, (sent.number,)))]

    def failures(self, keys: Collection[str]) -> dict[str, tuple[int, str]]:
        """Return how often each request failed in a batch, and the words of its last failure."""
        query = (
            "SELECT key, attempts, failure FROM batch_requests WHERE attempts > 0 AND key IN "
            "(SELECT value FROM json_each(?))"
        )
        rows = self._store.read((query, (json.dumps(list(keys)),)))
        return {key: (attempts, failure) for key, attempts, failure in rows}

    @contextmanager
    def sending(self, keys: Sequence[str]) -> Iterator[SentBatch]:
        """Record a batch of these requests and lock it while it is sent."""
        token = uuid.uuid4().hex
        path = lock_path(self._store, token)
        with closing(hold_lock(path)):
            insert = "INSERT INTO batches (endpoint, lock, started) VALUES (?, ?, ?)"
            row = (self._endpoint, token, time.time())
            claim = (
                "INSERT INTO batch_requests (key, batch) SELECT value, (SELECT max(id) FROM "
                "batches) FROM json_each(?) WHERE true ON CONFLICT (key) DO UPDATE SET "
                "batch = excluded.batch"
            )
            self._store.write_all([(insert, row), (claim, (json.dumps(list(keys)),))])
            query = "SELECT id, lock, file_id, batch_id FROM batches WHERE lock = ?"
            yield SentBatch(*self._store.read((query, (token,)))[0])
        with suppress(OSError):
            path.unlink()

    def is_being_sent(self, sent: SentBatch) -> bool:
        """Return whether another process is sending the batch."""
        return is_alive(self._store, sent.token)

    def record(
        self, sent: SentBatch, *, file_id: str | None = None, batch_id: str | None = None
    ) -> None:
        """Record the server's IDs as soon as they are known."""
        changes = "file_id = coalesce(?, file_id), batch_id = coalesce(?, batch_id)"
        update = f"UPDATE batches SET {changes} WHERE id = ?"
        self._store.write((update, (file_id, batch_id, sent.number)))

    def forget(self, sent: SentBatch) -> None:
        """Delete a batch that the server does not have; its requests can be sent again."""
        self._store.write_all(
            [
                ("UPDATE batch_requests SET batch = NULL WHERE batch = ?", (sent.number,)),
                ("DELETE FROM batches WHERE id = ?", (sent.number,)),
            ]
        )

    def close(self, sent: SentBatch, failures: Mapping[str, str]) -> None:
        """Close a batch whose answers are stored; requests in `failures` can be sent again."""
        words = json.dumps(failures)
        answered = (
            "DELETE FROM batch_requests WHERE batch = ? AND key NOT IN "
            "(SELECT key FROM json_each(?))"
        )
        failed = (
            "UPDATE batch_requests SET batch = NULL, attempts = attempts + 1, failure = "
            "(SELECT value FROM json_each(?) AS new WHERE new.key = batch_requests.key) "
            "WHERE batch = ?"
        )
        ended = "UPDATE batches SET ended = ? WHERE id = ?"
        self._store.write_all(
            [
                (answered, (sent.number, words)),
                (failed, (words, sent.number)),
                (ended, (time.time(), sent.number)),
            ]
        )

    def reset(self, keys: Collection[str]) -> None:
        """Forget the failures of requests that are in no batch."""
        delete = (
            "DELETE FROM batch_requests WHERE batch IS NULL AND key IN "
            "(SELECT value FROM json_each(?))"
        )
        self._store.write((delete, (json.dumps(list(keys)),)))
