"""Tables of runs, of what they cost, of their progress, and of what an endpoint can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from jupyter_mop.charts.style.html_table import LEFT, literal, table
from jupyter_mop.charts.style.numbers import number

if TYPE_CHECKING:
    from jupyter_mop.backends.cost.estimate import CostEstimate
    from jupyter_mop.backends.endpoint.capabilities import Capabilities
    from jupyter_mop.backends.store.run_history import Runs, StoredRun

RUN_HEADS = (
    *("run", "state", "call", "started", "requested", "cached"),
    *("finished", "failed", "cancelled", "seconds", "cost (USD)", "model"),
)
COST_HEADS = ("step", "calls", "cached", "tokens in", "tokens out", "tokens out, at most", "time")
PROGRESS_LINE = "font-variant-numeric: tabular-nums"
PROGRESS_HEADS = ("step", "done", "cached", "tokens", "time", "rate", "")


def runs_table(runs: Runs) -> str:
    """Return the latest runs, one per row."""
    if not runs:
        return "<p>No runs yet.</p>"
    notes = "".join(f"<p>{escape(line)}</p>" for line in runs.notes)
    return notes + table(RUN_HEADS, map(_run_cells, runs.latest))


def cost_table(estimate: CostEstimate) -> str:
    """Return the calls and tokens of each step of a dry run, and what they would cost."""
    rows = [
        (s.what, s.calls, s.hits, s.tokens_in, s.tokens_out, s.max_out, s.duration)
        for s in estimate.steps
    ]
    if len(rows) != 1:
        e = estimate
        total = (e.calls, e.hits, e.tokens_in, e.tokens_out, e.max_out, e.duration)
        rows.append(("total", *total))
    cells = [[_count(value) for value in row] for row in rows]
    facts = "<br>".join(f"{name}: {escape(fact)}" for name, fact in estimate.facts.items())
    return (
        f"<p>Dry run of {escape(estimate.verb)}: no calls were made.</p>"
        f"{table(COST_HEADS, cells, style='text-align: left; padding: 2px 8px', is_quoted=False)}"
        f"<p>{facts}</p>"
    )


def capabilities_table(capabilities: Capabilities) -> str:
    """Return what was tried at an endpoint, whether it works, and what was seen."""
    left = f'style="{LEFT}"'
    rows = "".join(
        f"<tr><td {left}>{escape(finding.what)}</td><td {left}>{finding.outcome}</td>"
        f"<td {left} dir='auto'>{escape(finding.seen)}</td></tr>"
        for finding in capabilities.findings
    )
    head = f"{escape(capabilities.endpoint)}, model {escape(capabilities.model)}"
    return f"<p>{head}</p><table><tbody>{rows}</tbody></table>"


def progress_table(rows: Iterable[Sequence[str]], failures: Mapping[str, int]) -> str:
    """Return the steps of a run as a table that needs no script, and why requests failed.

    Parameters
    ----------
    rows : iterable of sequences of str
        Plain text for each of `PROGRESS_HEADS`.
    failures : mapping of str to int
        How often each reason occurred.

    Examples
    --------
    >>> progress_table([["scores", "3 of 9", "1", "", "00:02", "1.0/s", ""]], {"busy": 2})[-21:]
    '<p>2 failed: busy</p>'
    """
    cells = ([escape(text) for text in row] for row in rows)
    reasons = "".join(f"<p>{n} failed: {escape(why)}</p>" for why, n in failures.items())
    return table(PROGRESS_HEADS, cells, style="text-align: left", is_quoted=False) + reasons


def progress_line(text: str) -> str:
    """Return the line of a finished run.

    Examples
    --------
    >>> "9 <b>scores</b>" in progress_line("9 <b>scores</b>")
    False
    """
    style = f"{PROGRESS_LINE}; opacity: 0.75; margin: 0"
    return literal(f'<p style="{style}" dir="auto">{escape(text)}</p>')


def _run_cells(run: StoredRun) -> list[str]:
    counts = [run.requested, run.kept, run.finished, run.failed, run.cancelled]
    texts = [
        *(str(run.run), run.state, run.what),
        f"{run.started_at:%Y-%m-%d %H:%M:%S}",
        *(f"{count:,}" for count in counts),
        "" if run.seconds is None else number(run.seconds),
        "" if run.usd is None else f"{run.usd:.4f}",
        run.models,
    ]
    return [escape(text) for text in texts]


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
