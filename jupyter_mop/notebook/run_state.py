"""What a run has done so far, as plain counts and texts; and what is asked of it meanwhile."""

from __future__ import annotations

import _thread
import re
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tqdm.std import tqdm

from jupyter_mop.charts.runs_and_costs import progress_table

N_LATEST = 5
_LONGEST = 280
_MARKS = 30
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


def one_line(text: str) -> str:
    r"""Return `text` as one line that any screen can show, cut where it is very long.

    Examples
    --------
    >>> one_line("sun\x1b[31m\n  rain")
    'sun [31m rain'
    """
    line = " ".join(_UNSHOWABLE.sub(" ", text[: 8 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}\u2026"


@dataclass
class Step:
    """One part of a run: so many of so many, of which the first `kept` cost nothing.

    Its rate is that of answers that had to be computed, over the last half minute or thirty
    answers, whichever is longer.
    """

    what: str
    total: int
    began: float
    now: float
    done: int = 0
    kept: int = 0
    tokens: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_MARKS))

    @property
    def seconds(self) -> float:
        """Time from the beginning to the latest answer, pauses left out."""
        return self.now - self.began

    @property
    def rate(self) -> float:
        """Answers computed per second of late; 0 where none is known yet."""
        since, done = self.marks[0]
        return (self.done - self.kept - done) / (self.now - since) if self.now > since else 0.0

    @property
    def mean_rate(self) -> float:
        """Answers computed per second so far; 0 where none was or no time has passed."""
        return (self.done - self.kept) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to the end at this rate; None where the rate is not known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    def mark(self) -> None:
        """Remember, once a second at most, how far the step had come."""
        if self.now - self.marks[-1][0] >= 1:
            self.marks.append((self.now, self.done - self.kept))

    def shift(self, seconds: float) -> None:
        """Take a pause out of the times."""
        self.began, self.now = self.began + seconds, self.now + seconds
        self.marks = deque(((at + seconds, n) for at, n in self.marks), maxlen=_MARKS)

    def as_dict(self) -> dict[str, Any]:
        """Return what a panel shows of the step."""
        names = ("what", "total", "done", "kept", "tokens", "seconds", "rate", "left")
        return {name: getattr(self, name) for name in names}


class Run:
    """The state of a run: its steps, what they cost and the latest responses.

    Parameters
    ----------
    n_kept : callable, optional
        Given the first value of a step, returns how many of its values, the first ones, were
        kept from before.
    cost : callable, optional
        Returns the US dollars spent, or None where nobody knows or nothing costs.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    status : {"running", "paused", "done", "stopped", "failed"}
    steps : list of Step
    latest : deque of str
        The last responses, newest first.
    retries, failures : Counter
        How often each reason came.

    Examples
    --------
    >>> run = Run()
    >>> step = run.begin("scores", 2)
    >>> for _ in range(2):
    ...     run.tick(step, None)
    >>> run.end("done")
    >>> run.state()["steps"][0]["done"]
    2
    """

    def __init__(
        self,
        *,
        n_kept: Callable[[object], int] = lambda _value: 0,
        cost: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n_kept, self.cost, self.clock = n_kept, cost, clock
        self.status = "running"
        self.steps: list[Step] = []
        self.latest: deque[str] = deque(maxlen=N_LATEST)
        self.retries: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._n_kept = 0

    def begin(self, what: str, total: int) -> Step:
        """Begin a step."""
        now = self.clock()
        step = Step(one_line(what), total, now, now)
        step.marks.append((now, 0))
        self.steps.append(step)
        return step

    def tick(self, step: Step, value: object) -> None:
        """Count one answer; a response is shown, an exception is a failure."""
        if not step.done:
            self._n_kept = self.n_kept(value)
        step.done += 1
        step.now = self.clock()
        if step.done <= self._n_kept:
            step.kept += 1
        else:
            step.tokens += getattr(value, "n_tokens", 0)
            step.mark()
        text = getattr(value, "text", None)
        if text is not None:
            self.latest.appendleft(text)
        elif isinstance(value, Exception):
            self.failures[one_line(str(value))] += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stand still meanwhile: the time does not count."""
        self.status, began = "paused", self.clock()
        yield
        self.status = "running"
        self.steps[-1].shift(self.clock() - began)

    def end(self, status: str) -> None:
        """Keep how the run ended."""
        self.status = status

    @property
    def n_tokens(self) -> int:
        """Tokens computed, those of kept answers left out."""
        return sum(step.tokens for step in self.steps)

    def state(self) -> dict[str, Any]:
        """Return everything that a panel shows, as plain JSON."""
        return {
            "status": self.status,
            "steps": [step.as_dict() for step in self.steps],
            "tokens": self.n_tokens,
            "kept": sum(step.kept for step in self.steps),
            "cost": self.cost(),
            "retries": dict(self.retries),
            "failures": dict(self.failures),
            "latest": [one_line(text) for text in self.latest],
        }

    def text(self) -> str:
        """Return the steps as lines of text, the last one saying how it ended where not well."""
        ending = [] if self.status in {"done", "running"} else [self.status.capitalize()]
        troubles = [f"{n} \u00d7 {reason}" for reason, n in self.failures.items()]
        return "\n".join([*map(_meter, self.steps), *troubles, *ending])

    def html(self) -> str:
        """Return the steps as a table that needs no script and no style."""
        notes = [*[""] * (len(self.steps) - 1), self.status]
        return progress_table(map(_row, self.steps, notes), self.failures)


def _notes(step: Step) -> str:
    """Return what a line of text says after the rate."""
    tokens = f"{step.tokens} tokens" if step.tokens else ""
    return ", ".join(filter(None, [tokens, f"{step.kept} kept" if step.kept else ""]))


def _meter(step: Step) -> str:
    return tqdm.format_meter(
        step.done,
        step.total,
        max(step.seconds, 1e-9),
        ncols=80,
        prefix=step.what,
        unit="",
        rate=step.mean_rate or None,
        postfix=_notes(step),
    )


def _row(step: Step, note: str) -> list[str]:
    return [
        step.what,
        f"{step.done:,} of {step.total:,}".replace(" ", "\u00a0"),
        f"{step.kept:,}",
        f"{step.tokens:,}" if step.tokens else "",
        tqdm.format_interval(step.seconds),
        f"{step.mean_rate:,.1f}/s" if step.mean_rate else "",
        note,
    ]


class Controls:
    """What a screen asks of a run, from any thread: to pause, to go on, to stop.

    Examples
    --------
    >>> controls = Controls()
    >>> controls.hear("pause")
    >>> controls.is_paused
    True
    >>> controls.hear("resume")
    >>> controls.wait()
    """

    def __init__(self) -> None:
        self.is_heard = False
        self._going = threading.Event()
        self._going.set()
        self._lock = threading.Lock()
        self._is_over = False

    @property
    def is_paused(self) -> bool:
        """Whether the run is to stand still."""
        return not self._going.is_set()

    def hear(self, what: object) -> None:
        """Heed "hello", "pause", "resume" or "cancel", unless the run is over."""
        with self._lock:
            if self._is_over:
                return
            self.is_heard = True
            if what == "pause":
                self._going.clear()
            elif what == "resume":
                self._going.set()
            elif what == "cancel":
                self._is_over = True
                interrupt_main()

    def wait(self) -> None:
        """Block until the run may go on; an interrupt gets through on every system."""
        while not self._going.wait(0.1):
            pass

    def close(self) -> None:
        """Heed nothing from here on."""
        with self._lock:
            self._is_over = True


def interrupt_main() -> None:
    """Do what the interrupt of a kernel does: a KeyboardInterrupt in the main thread."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
