"""The state of a run as plain counts and texts, and the controls that pause or cancel it."""

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
from jupyter_mop.charts.style.html_table import literal

N_LATEST = 5
NO_TEXT = {
    "empty": "no text in the answer",
    "content_filter": "content filter",
    "malformed": "no list of responses in the answer",
}
_MAX_LINE_LENGTH = 280
_N_MARKS = 30
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


def one_line(text: str) -> str:
    r"""Return `text` as one printable line, cut to a maximum length.

    Examples
    --------
    >>> one_line("sun\x1b[31m\n  rain")
    'sun [31m rain'
    """
    line = " ".join(_UNPRINTABLE.sub(" ", text[: 8 * _MAX_LINE_LENGTH]).split())
    return line if len(line) <= _MAX_LINE_LENGTH else f"{line[:_MAX_LINE_LENGTH]}\u2026"


def duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> [duration(x) for x in (0.2, 7, 151, 7260)]
    ['under 1 s', '7 s', '2 min 31 s', '2 h 1 min']
    """
    whole = round(seconds)
    if whole < 1:
        return "under 1 s"
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


@dataclass
class Step:
    """One step of a run: `done` of `total` answers, the first `cached` of them from the store.

    The rate counts computed answers only, over the last 30 seconds or 30 answers, whichever is
    longer.
    """

    what: str
    total: int
    began: float
    now: float
    done: int = 0
    cached: int = 0
    tokens: int = 0
    has_texts: bool = False
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_N_MARKS))

    @property
    def seconds(self) -> float:
        """Time from the start to the latest answer, without pauses."""
        return self.now - self.began

    @property
    def rate(self) -> float:
        """Recently computed answers per second; 0 if not known yet."""
        since, done = self.marks[0]
        return (self.done - self.cached - done) / (self.now - since) if self.now > since else 0.0

    @property
    def mean_rate(self) -> float:
        """Computed answers per second since the start; 0 if no time has passed."""
        return (self.done - self.cached) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to the end at this rate; None if the rate is not known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    def mark(self) -> None:
        """Remember the progress for the rate, at most once a second."""
        if self.now - self.marks[-1][0] >= 1:
            self.marks.append((self.now, self.done - self.cached))

    def shift(self, seconds: float) -> None:
        """Move the times by a pause, so that it does not count."""
        self.began, self.now = self.began + seconds, self.now + seconds
        self.marks = deque(((at + seconds, n) for at, n in self.marks), maxlen=_N_MARKS)

    def as_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON for the panel."""
        names = ("what", "total", "done", "cached", "tokens", "seconds", "rate", "left")
        return {name: getattr(self, name) for name in names}


class Run:
    """The state of a run: its steps, their cost and the latest responses.

    Parameters
    ----------
    n_cached : callable, optional
        Given the first value of a step, returns how many of the step's values are cached; these
        come first.
    cost : callable, optional
        Returns the US dollars spent, or None if there is no price.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    status : {"running", "paused", "done", "stopped", "waiting", "failed"}
    steps : list of Step
    latest : deque of str
        The latest responses, newest first.
    retries, failures : Counter
        Count of each reason.

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
        n_cached: Callable[[object], int] = lambda _value: 0,
        cost: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n_cached, self.cost, self.clock = n_cached, cost, clock
        self.status = "running"
        self.steps: list[Step] = []
        self.latest: deque[str] = deque(maxlen=N_LATEST)
        self.retries: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._n_cached = 0

    def begin(self, what: str, total: int) -> Step:
        """Start a step."""
        now = self.clock()
        step = Step(one_line(what), total, now, now)
        step.marks.append((now, 0))
        self.steps.append(step)
        return step

    def tick(self, step: Step, value: object) -> None:
        """Count one answer; a response becomes the latest, an exception counts as a failure."""
        if not step.done:
            self._n_cached = self.n_cached(value)
        step.done += 1
        step.now = self.clock()
        if step.done <= self._n_cached:
            step.cached += 1
        else:
            step.tokens += getattr(value, "n_tokens", 0)
            step.mark()
        text = getattr(value, "text", None)
        reason = NO_TEXT.get(getattr(value, "finish_reason", ""))
        if reason:
            self.failures[reason] += 1
        elif text is not None:
            step.has_texts = True
            self.latest.appendleft(text)
        elif isinstance(value, Exception):
            self.failures[one_line(str(value))] += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Mark the run as paused inside a `with` block; that time does not count."""
        self.status, start = "paused", self.clock()
        yield
        self.status = "running"
        self.steps[-1].shift(self.clock() - start)

    def end(self, status: str) -> None:
        """Set how the run ended: "done", "stopped", "waiting" (for a batch) or "failed"."""
        self.status = status

    @property
    def n_tokens(self) -> int:
        """Tokens of computed answers, without cached ones."""
        return sum(step.tokens for step in self.steps)

    @property
    def left(self) -> float | None:
        """Seconds to the end of the steps that have begun; None if it is not known."""
        open_steps = [step for step in self.steps if step.done < step.total]
        left = [step.left for step in open_steps]
        return None if not left or None in left else float(sum(filter(None, left)))

    def state(self) -> dict[str, Any]:
        """Return the run as plain JSON for the panel."""
        return {
            "status": self.status,
            "seconds": sum(step.seconds for step in self.steps),
            "left": self.left,
            "steps": [step.as_dict() for step in self.steps],
            "tokens": self.n_tokens,
            "cached": sum(step.cached for step in self.steps),
            "cost": self.cost(),
            "retries": dict(self.retries),
            "failures": dict(self.failures),
            "latest": [one_line(text) for text in self.latest],
        }

    def text(self) -> str:
        """Return the steps as lines of text, then failures and a status other than done."""
        ending = [] if self.status in {"done", "running"} else [self.status.capitalize()]
        failures = [f"{n} \u00d7 {reason}" for reason, n in self.failures.items()]
        return "\n".join([*map(_meter, self.steps), *failures, *ending])

    def summary(self) -> str:
        """Return a finished run as one line; "" if the store had every answer.

        Examples
        --------
        >>> run = Run(n_cached=lambda _value: 1)
        >>> step = run.begin("scores", 2)
        >>> run.tick(step, None), run.tick(step, None), run.summary()
        (None, None, '2 scores in under 1 s, 1 from cache')
        """
        counts: Counter[str] = Counter()
        for step in self.steps:
            what = step.what.rpartition(": ")[2]  # without the question's name
            counts["responses" if step.has_texts else what] += step.done
        cached = sum(step.cached for step in self.steps)
        if cached == counts.total():
            return ""
        done = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)
        cost = self.cost()
        facts = [
            f"{done} in {duration(sum(step.seconds for step in self.steps))}",
            f"{cached:,} from cache" if cached else "",
            f"${cost:,.4f}" if cost else "",
        ]
        return ", ".join(filter(None, facts))

    def html(self) -> str:
        """Return the steps as an HTML table without script."""
        notes = [*[""] * (len(self.steps) - 1), self.status]
        return literal(progress_table(map(_row, self.steps, notes), self.failures))


def _notes(step: Step) -> str:
    """Return the text after the rate: tokens and cached answers."""
    tokens = f"{step.tokens} tokens" if step.tokens else ""
    return ", ".join(filter(None, [tokens, f"{step.cached} cached" if step.cached else ""]))


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
        f"{step.cached:,}",
        f"{step.tokens:,}" if step.tokens else "",
        tqdm.format_interval(step.seconds),
        f"{step.mean_rate:,.1f}/s" if step.mean_rate else "",
        note,
    ]


class Controls:
    """Requests to pause, resume or cancel a run, from any thread.

    Examples
    --------
    >>> controls = Controls()
    >>> controls.handle("pause")
    >>> controls.is_paused
    True
    >>> controls.handle("resume")
    >>> controls.wait()
    """

    def __init__(self) -> None:
        self.is_connected = False
        self._running = threading.Event()
        self._running.set()
        self._lock = threading.Lock()
        self._is_over = False

    @property
    def is_paused(self) -> bool:
        """Whether the run must pause."""
        return not self._running.is_set()

    def handle(self, request: object) -> None:
        """Handle "hello", "pause", "resume" or "cancel", unless the run is over."""
        with self._lock:
            if self._is_over:
                return
            self.is_connected = True
            if request == "pause":
                self._running.clear()
            elif request == "resume":
                self._running.set()
            elif request == "cancel":
                self._is_over = True
                interrupt_main()

    def wait(self) -> None:
        """Block until the run may continue; an interrupt gets through on every system."""
        while not self._running.wait(0.1):
            pass

    def close(self) -> None:
        """Ignore all further requests."""
        with self._lock:
            self._is_over = True


def interrupt_main() -> None:
    """Raise a KeyboardInterrupt in the main thread, as interrupting the kernel does."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
