"""The runs that a store knows of, as a list: how each ended, and what it asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jupyter_mop.backends.store.run_record import is_alive
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Rendered

if TYPE_CHECKING:
    import pandas as pd

RUNNING, INTERRUPTED, FINISHED = "running", "interrupted", "finished"
COLUMNS = (
    *("run", "state", "what", "started", "requested", "kept"),
    *("finished", "failed", "cancelled", "seconds", "usd", "model"),
)
_SHOWN = 20
_LONGEST = 60


@dataclass(frozen=True)
class StoredRun:
    """What a store knows of a run: requested = finished + failed + cancelled, once it is over.

    Attributes
    ----------
    run : int
        Its number.
    verb : str
        "fit", "simulate", "ask" or "synthesize".
    arguments : mapping
        What the verb was given.
    state : str
        "running", "finished", "failed", "cancelled" (stopped by the user) or "interrupted" (its
        process is gone).
    started : float
        Seconds since 1970 by the clock on the wall, which may be wrong.
    seconds : float or None
        How long it took, or had taken at the last answer.
    requested, kept, finished, failed, cancelled : int
        Different answers of the language model that were wanted; those that the store had from
        before, which count as finished too; those that are there; the one whose failure ended the
        run; and those not asked then.
    model : str or None
        The model's fingerprint; None where it was not asked.
    facts : mapping
        What it stood on; the provenance of its result; its error.
    """

    run: int
    verb: str
    arguments: Mapping[str, Any]
    state: str
    started: float
    seconds: float | None
    requested: int
    kept: int
    finished: int
    failed: int
    cancelled: int
    model: str | None
    facts: Mapping[str, Any]

    @property
    def usd(self) -> float | None:
        """US dollars that it spent; None where nothing costs, nobody knows, or it was killed."""
        return self.facts.get("usd")

    @property
    def started_at(self) -> datetime:
        """When it started, in local time."""
        return datetime.fromtimestamp(self.started).astimezone()

    @property
    def is_over(self) -> bool:
        """Whether nobody is at it."""
        return self.state != RUNNING

    @property
    def what(self) -> str:
        """The verb with what it was given, on one line."""
        told = {name: value for name, value in self.arguments.items() if value is not None}
        given = ", ".join(f"{name}={_short(value)}" for name, value in told.items())
        return f"{self.verb}({given})"


@dataclass(frozen=True, repr=False)
class Runs(Rendered, Sequence[StoredRun]):
    """Runs in the order in which they began; `frame` has one row for each.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.store.run_record import Books
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     Books(store, "fit", {"n_records": 40}).end("finished")
    ...     read_runs(store)
    1  finished  fit(n_records=40): 0 requested = 0 finished + 0 failed + 0 cancelled
    """

    runs: tuple[StoredRun, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return run, state, what, started, the counts, seconds, usd, model and facts."""
        import pandas as pd

        rows = [{**asdict(run), "what": run.what, "usd": run.usd} for run in self.runs]
        frame = pd.DataFrame(rows, columns=[*COLUMNS, "verb", "arguments", "facts"])
        return frame.assign(started=[datetime.fromtimestamp(t).astimezone() for t in frame.started])

    def find(self, number: int | None = None) -> StoredRun:
        """Return the run of this number, or else the last that did not finish, then or later."""
        if number is not None:
            for run in self.runs:
                if run.run == number:
                    return run
            raise DataError(f"There is no run {number}.", hint="Look them up with %mop_runs.")
        done: list[object] = []
        for run in reversed(self.runs):
            if run.state == FINISHED:
                done.append((run.verb, run.arguments))
            elif run.is_over and (run.verb, run.arguments) not in done:
                return run
        raise DataError(
            "There is no run to resume: all are finished.", hint="Name one: %mop_resume 3."
        )

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401  a run, or several
        return self.runs[index]

    def __iter__(self) -> Iterator[StoredRun]:
        return iter(self.runs)

    def __repr__(self) -> str:
        lines = [
            f"{r.run}  {r.state}  {r.what}: {r.requested} requested = {r.finished} finished + "
            f"{r.failed} failed + {r.cancelled} cancelled"
            for r in self.latest
        ]
        return "\n".join([*self.notes, *lines]) or "No runs yet."

    @property
    def latest(self) -> tuple[StoredRun, ...]:
        """The latest runs, which are displayed."""
        return self.runs[-_SHOWN:]

    @property
    def notes(self) -> list[str]:
        """Where the runs are that are not displayed."""
        n_more = len(self.runs) - _SHOWN
        return [f"{n_more} earlier runs are in `frame`."] if n_more > 0 else []


def read_runs(store: Store) -> Runs:
    """Return all runs of `store`; one whose process is gone is interrupted, not running."""
    going = store.read(("SELECT id, lock FROM runs WHERE state = ?", (RUNNING,)))
    dead = {number for number, token in going if not is_alive(store, token)}
    names = ", ".join(field.name for field in fields(StoredRun)).replace("run,", "id,", 1)
    rows = store.read((f"SELECT {names} FROM runs ORDER BY id", ()))
    return Runs(tuple(_run(row, dead) for row in rows))


def _run(row: Sequence[Any], dead: set[int]) -> StoredRun:
    facts = dict(zip((field.name for field in fields(StoredRun)), row, strict=True))
    facts["arguments"], facts["facts"] = json.loads(facts["arguments"]), json.loads(facts["facts"])
    if facts["state"] == RUNNING and facts["run"] in dead:
        left = facts["requested"] - facts["finished"] - facts["failed"]
        facts |= {"state": INTERRUPTED, "cancelled": left}
    return StoredRun(**facts)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\u2026"
