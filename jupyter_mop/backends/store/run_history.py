"""The runs recorded in a store: how each ended and how many answers it requested."""

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
_N_LATEST = 20
_MAX_ARGUMENT_LENGTH = 60


@dataclass(frozen=True)
class StoredRun:
    """One run recorded in a store; when it is over, requested = finished + failed + cancelled.

    Attributes
    ----------
    run : int
        Number of the run, from 1.
    verb : str
        "fit", "simulate", "ask" or "synthesize".
    arguments : mapping
        The verb's arguments.
    state : str
        "running", "finished", "failed", "cancelled" (stopped by the user), "waiting" (for a batch)
        or "interrupted" (its process ended).
    started : float
        Start in seconds since 1970, by the system clock.
    seconds : float or None
        Duration, or the time until the last finished answer.
    requested : int
        Distinct answers requested from the language model.
    kept : int
        Requested answers that were cached before; they count as finished.
    finished : int
        Requested answers that are in the store.
    failed : int
        Requests whose failure ended the run.
    cancelled : int
        Requests that were neither finished nor failed when the run ended.
    model : str or None
        Fingerprint of the model; None if nothing was requested.
    facts : mapping
        Digests of the run's inputs, the provenance of its result, its cost and its error.
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
        """US dollars spent; None if free, if no price is known or if the run was killed."""
        return self.facts.get("usd")

    @property
    def served(self) -> Mapping[str, int]:
        """Number of answers by the model that the endpoint named, cached ones included."""
        served: Mapping[str, int] = self.facts.get("served", {})
        return served

    @property
    def models(self) -> str:
        """The model's fingerprint, and the models that answered if they are others or several."""
        others = len(self.served) > 1 or any(name not in (self.model or "") for name in self.served)
        answered = ", ".join(f"{name} ({n:,})" for name, n in self.served.items())
        return f"{self.model or ''}{f', answered by {answered}' if others else ''}"

    @property
    def started_at(self) -> datetime:
        """The start in local time."""
        return datetime.fromtimestamp(self.started).astimezone()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.state != RUNNING

    @property
    def what(self) -> str:
        """The call on one line: the verb with its arguments, long ones shortened."""
        given = {name: value for name, value in self.arguments.items() if value is not None}
        arguments = ", ".join(f"{name}={_short(value)}" for name, value in given.items())
        return f"{self.verb}({arguments})"


@dataclass(frozen=True, repr=False)
class Runs(Rendered, Sequence[StoredRun]):
    """The runs of a store in the order of their start; `frame` has one row for each.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.store.run_record import RunRecord
    >>> with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
    ...     RunRecord(store, "fit", {"n_records": 40}).end("finished")
    ...     read_runs(store)
    1  finished  fit(n_records=40): 0 requested = 0 finished + 0 failed + 0 cancelled
    """

    runs: tuple[StoredRun, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run: run, state, what, started, the counts, seconds, usd, model and facts."""
        import pandas as pd

        rows = [{**asdict(run), "what": run.what, "usd": run.usd} for run in self.runs]
        frame = pd.DataFrame(rows, columns=[*COLUMNS, "verb", "arguments", "facts"])
        return frame.assign(started=[datetime.fromtimestamp(t).astimezone() for t in frame.started])

    def find(self, number: int | None = None) -> StoredRun:
        """Return the run with this number, or the last one that was never finished.

        Raises
        ------
        DataError
            There is no such run.
        """
        if number is not None:
            for run in self.runs:
                if run.run == number:
                    return run
            raise DataError(f"There is no run {number}.", hint="List the runs with %mop_runs.")
        finished: list[object] = []
        for run in reversed(self.runs):
            if run.state == FINISHED:
                finished.append((run.verb, run.arguments))
            elif run.is_over and (run.verb, run.arguments) not in finished:
                return run
        raise DataError(
            "There is no run to resume: all are finished.", hint="Give its number: %mop_resume 3."
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
            f"{f'; {len(r.served)} models: {r.models}' if len(r.served) > 1 else ''}"
            for r in self.latest
        ]
        return "\n".join([*self.notes, *lines]) or "No runs yet."

    @property
    def latest(self) -> tuple[StoredRun, ...]:
        """The latest runs, which are displayed, the newest first."""
        return self.runs[: -_N_LATEST - 1 : -1]

    @property
    def notes(self) -> list[str]:
        """A note on the runs that are not displayed."""
        n_more = len(self.runs) - _N_LATEST
        return [f"{n_more:,} earlier runs are in `frame`."] if n_more > 0 else []


def read_runs(store: Store) -> Runs:
    """Return all runs of `store`; a run whose process ended early is "interrupted"."""
    running = store.read(("SELECT id, lock FROM runs WHERE state = ?", (RUNNING,)))
    dead = {number for number, token in running if not is_alive(store, token)}
    names = ", ".join(field.name for field in fields(StoredRun)).replace("run,", "id,", 1)
    rows = store.read((f"SELECT {names} FROM runs ORDER BY id", ()))
    return Runs(tuple(_run(row, dead) for row in rows))


def _run(row: Sequence[Any], dead: set[int]) -> StoredRun:
    facts = dict(zip((field.name for field in fields(StoredRun)), row, strict=True))
    facts["arguments"], facts["facts"] = json.loads(facts["arguments"]), json.loads(facts["facts"])
    if facts["state"] == RUNNING and facts["run"] in dead:
        n_cancelled = facts["requested"] - facts["finished"] - facts["failed"]
        facts |= {"state": INTERRUPTED, "cancelled": n_cancelled}
    return StoredRun(**facts)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_ARGUMENT_LENGTH else f"{text[:_MAX_ARGUMENT_LENGTH]}\u2026"
