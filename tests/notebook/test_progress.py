from __future__ import annotations

import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.backends.protocols import Completion, TokenScores
from jupyter_mop.notebook.progress import N_LATEST, Controls, Run, Step, one_line


class Clock:
    """Seconds that pass when they are set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(clock: Clock) -> Run:
    return Run(clock=clock)


def ticks(run: Run, step: Step, clock: Clock, values: list[object], *, seconds: float) -> None:
    for value in values:
        clock.now += seconds
        run.tick(step, value)


def test_a_step_counts_answers_tokens_time_and_time_left(run: Run, clock: Clock) -> None:
    step = run.begin("scores", 10)
    assert step.left is None
    ticks(run, step, clock, [TokenScores((-1.0, -2.0))] * 4, seconds=0.5)
    assert (step.done, step.tokens, step.seconds) == (4, 8, 2.0)
    assert step.rate == pytest.approx(2)
    assert step.left == pytest.approx(3)
    assert run.n_tokens == 8


def test_cached_answers_add_no_tokens_and_do_not_raise_the_rate(clock: Clock) -> None:
    values = []
    run = Run(n_cached=lambda value: values.append(value) or 6, clock=clock)
    step = run.begin("draws", 10)
    ticks(run, step, clock, [Completion("sun", 5)] * 6, seconds=0)
    assert (step.cached, step.tokens, step.rate, step.left) == (6, 0, 0, None)
    ticks(run, step, clock, [Completion("sun", 5)] * 2, seconds=2)
    assert (step.done, step.cached, step.tokens) == (8, 6, 10)
    assert step.rate == pytest.approx(0.5)
    assert step.left == pytest.approx(4)
    assert len(values) == 1
    assert run.state()["cached"] == 6


def test_the_rate_is_recent(run: Run, clock: Clock) -> None:
    step = run.begin("draws", 1000)
    ticks(run, step, clock, [None] * 100, seconds=10)
    ticks(run, step, clock, [None] * 300, seconds=0.2)
    assert step.rate == pytest.approx(5, rel=0.1)
    assert step.seconds == pytest.approx(1060)


def test_a_burst_does_not_change_the_rate(run: Run, clock: Clock) -> None:
    step = run.begin("draws", 1000)
    rates = []
    for _ in range(20):
        clock.now += 4
        ticks(run, step, clock, [None] * 16, seconds=0.001)
        rates.append(step.rate)
    assert all(3.9 < rate < 4.1 for rate in rates)


def test_a_pause_does_not_count_as_time(run: Run, clock: Clock) -> None:
    step = run.begin("draws", 10)
    ticks(run, step, clock, [None] * 4, seconds=1)
    with run.paused():
        assert run.status == "paused"
        clock.now += 3600
    assert run.status == "running"
    ticks(run, step, clock, [None] * 4, seconds=1)
    assert step.seconds == pytest.approx(8)
    assert step.rate == pytest.approx(1)


def test_the_latest_responses_are_shown_newest_first(run: Run) -> None:
    step = run.begin("draws", 9)
    for index in range(9):
        run.tick(step, Completion(f"no. {index}", 1))
    assert run.state()["latest"] == [f"no. {index}" for index in range(8, 8 - N_LATEST, -1)]


def test_scores_are_not_shown_as_responses(run: Run) -> None:
    run.tick(run.begin("scores", 1), TokenScores((-1.0,)))
    assert run.state()["latest"] == []


def test_answers_without_text_are_counted_by_reason(run: Run) -> None:
    step = run.begin("a", 3)
    for value in (Completion("", 0, "empty"), Completion("", 0, "content_filter")):
        run.tick(step, value)
    run.tick(step, Completion("fine", 1))
    assert run.state()["failures"] == {"no text in the answer": 1, "content filter": 1}
    assert run.state()["latest"] == ["fine"]
    assert "1 \u00d7 no text in the answer" in run.text()
    assert "1 failed: content filter" in run.html()


def test_failures_are_counted_and_shown_by_reason(run: Run) -> None:
    step = run.begin("draws", 3)
    for reason in ("<b>busy</b>", "late", "late"):
        run.tick(step, OSError(reason))
    assert run.state()["failures"] == {"<b>busy</b>": 1, "late": 2}
    assert "2 \u00d7 late" in run.text()
    assert "1 failed: &lt;b&gt;busy&lt;/b&gt;" in run.html()


def test_a_cost_is_reported_only_if_it_is_known() -> None:
    for cost in (None, 1.5):
        run = Run(cost=lambda cost=cost: cost)
        run.tick(run.begin("draws", 1), Completion("sun", 3))
        assert run.state()["cost"] == cost


def test_a_run_of_cached_answers_has_no_rate(clock: Clock) -> None:
    run = Run(n_cached=lambda _: 3, clock=clock)
    step = run.begin("draws", 3)
    ticks(run, step, clock, [Completion("sun", 5)] * 3, seconds=0.001)
    run.end("done")
    assert run.text().endswith(", 3 cached]")
    assert "draws: 100%" in run.text()
    assert "/s</td>" not in run.html()


def test_an_empty_step_is_reported(run: Run) -> None:
    run.begin("likely components", 0)
    run.end("done")
    assert run.text().startswith("likely components:")
    assert json.loads(json.dumps(run.state()))["steps"][0]["total"] == 0


@given(st.text(), st.text())
def test_any_text_becomes_one_short_valid_line(text: str, more: str) -> None:
    line = one_line(text + 400 * more)
    assert len(line) <= 281
    assert len(line.splitlines()) <= 1
    assert line.encode().decode() == line
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in line)


def test_a_long_line_is_cut() -> None:
    assert one_line("long " * 10_000_000).endswith("\u2026")
    assert one_line("sun \ud800\x00\x1b[2J rain\u2028wind") == "sun [2J rain wind"


def test_a_resume_from_another_thread_ends_the_wait() -> None:
    controls = Controls()
    controls.handle("pause")
    resumed = []

    def resume() -> None:
        resumed.append(True)
        controls.handle("resume")

    threading.Timer(0.3, resume).start()
    controls.wait()
    assert resumed
    assert controls.is_connected


def test_a_cancel_from_another_thread_interrupts_the_main_thread_once() -> None:
    controls = Controls()
    threading.Timer(0.2, controls.handle, ["cancel"]).start()
    with pytest.raises(KeyboardInterrupt):
        time.sleep(60)
    controls.handle("cancel")
    time.sleep(0.1)


def test_requests_after_the_end_are_ignored() -> None:
    controls = Controls()
    controls.close()
    for what in ("pause", "cancel", "hello"):
        controls.handle(what)
    time.sleep(0.1)
    assert not controls.is_paused
    assert not controls.is_connected


def test_unknown_requests_are_ignored() -> None:
    controls = Controls()
    for what in (None, 3, "", "stop", ["cancel"], {"do": "cancel"}):
        controls.handle(what)
    time.sleep(0.1)
    assert not controls.is_paused


def test_the_time_left_is_that_of_all_steps(run: Run, clock: Clock) -> None:
    first = run.begin("scores", 4)
    assert run.state()["left"] is None
    ticks(run, first, clock, [TokenScores((-1.0,))] * 4, seconds=0.5)
    second = run.begin("responses", 10)
    ticks(run, second, clock, [TokenScores((-1.0,))] * 4, seconds=1.0)
    state = run.state()
    assert state["left"] == pytest.approx(6)
    assert state["seconds"] == pytest.approx(6)
