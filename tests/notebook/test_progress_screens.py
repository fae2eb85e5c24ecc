from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from ipywidgets.widgets.widget import _instances
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from jupyter_mop.errors import Interrupted
from jupyter_mop.notebook.progress_screens import progress
from jupyter_mop.notebook.widgets.monitor import RunMonitor

ROOT = Path(__file__).parents[2]
SLOW = """
import time
import numpy as np, pandas as pd
from jupyter_mop import Study, ToyBackend, ToyEncoder

%load_ext jupyter_mop

class Slow(ToyBackend):
    def _draw(self, request, params):
        time.sleep(0.04)
        return super()._draw(request, params)

words = ["sun", "rain", "wind"]
df = pd.DataFrame({"topic": "weather", "text": ["sun rain", "rain", "wind wind", "sun"] * 30})
magics = get_ipython().magics_manager.registry["MopMagics"]
magics.study = study = Study(Slow(words), ToyEncoder(words))
study.use_personas("a: You say sun.\\nb: You say rain.")
study.use_population(df, context="topic", response="text");
"""
SIMULATE = "%%mop_simulate slow -n 100\nWhat of the {topic}?"


def test_each_step_has_a_bar_of_its_own(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress(shell) as on_step:
        for what in ("scores", "draws"):
            tick = on_step(what, 3)
            for index in range(3):
                tick(index, None)
    shown = capsys.readouterr().err
    for what in ("scores", "draws"):
        assert re.search(rf"{what}: 100%.* 3/3 \[", shown)


def stopped(shell: InteractiveShell, *steps: tuple[str, int, int]) -> Interrupted:
    """Return what an interrupt becomes after steps of (what, total, finished)."""

    def work() -> None:
        with progress(shell) as on_step:
            for what, total, finished in steps:
                tick = on_step(what, total)
                for index in range(finished):
                    tick(index, None)
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        work()
    return caught.value


def test_an_interrupt_becomes_one_line_with_counts(shell: InteractiveShell) -> None:
    error = stopped(shell, ("draws", 10, 2))
    assert error.message.startswith("Stopped after 2 of 10")
    assert "again" in error.hint
    assert error.__suppress_context__
    assert len(error._render_traceback_()) == 2


def test_an_interrupt_reports_the_current_step(shell: InteractiveShell) -> None:
    assert "after 1 of 7" in stopped(shell, ("draws", 3, 3), ("scores", 7, 1)).message


def test_an_interrupt_before_any_step_counts_nothing(shell: InteractiveShell) -> None:
    assert stopped(shell).message == "Stopped; finished answers are cached."


def test_other_errors_are_raised(shell: InteractiveShell) -> None:
    with pytest.raises(ZeroDivisionError), progress(shell):
        raise ZeroDivisionError


WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def notebook(shell: InteractiveShell) -> SimpleNamespace:
    """Return a shell that has a kernel, unlike a terminal's."""
    return SimpleNamespace(kernel=None, events=shell.events)


def run_shown(notebook: SimpleNamespace, *steps: tuple[str, int]) -> list[dict[str, str]]:
    """Return what a notebook is shown, in order, of steps of (what, total) that all finish."""
    with capture_output() as captured, progress(notebook) as on_step:
        for what, total in steps:
            tick = on_step(what, total)
            for index in range(total):
                tick(index, None)
    assert captured.stderr == ""
    return [output.data for output in captured.outputs]


def test_a_notebook_shows_one_panel_and_then_one_line_without_a_widget(
    notebook: SimpleNamespace,
) -> None:
    first, *_, last = run_shown(notebook, ("draws", 4), ("metrics", 2))
    assert set(first) == {WIDGET, "text/plain", "text/html"}
    assert set(last) == {"text/plain", "text/html"}
    assert last["text/plain"] == "4 draws, 2 metrics in under 1 s"
    assert ">4 draws, 2 metrics in under 1 s</p>" in last["text/html"]
    assert "<table" not in last["text/html"]


def test_names_are_text_in_the_last_state(notebook: SimpleNamespace) -> None:
    last = run_shown(notebook, ("<img src=x onerror=alert(1)>\x1b[31m\nnext", 1))[-1]
    assert "&lt;img src=x onerror=alert(1)&gt; [31m next" in last["text/html"]
    assert "<img" not in last["text/html"]
    assert "\x1b" not in last["text/plain"]
    assert "\n" not in last["text/plain"]


def test_the_last_state_shows_that_a_run_stopped_or_failed(notebook: SimpleNamespace) -> None:
    for error, ending in ((KeyboardInterrupt, "stopped"), (ZeroDivisionError, "failed")):
        expected = contextlib.suppress(Interrupted, ZeroDivisionError)
        with capture_output() as captured, expected, progress(notebook) as on_step:
            on_step("draws", 3)(0, None)
            raise error
        last = captured.outputs[-1].data
        assert "1/3" in last["text/plain"]
        assert last["text/plain"].splitlines()[-1] == ending.capitalize()
        assert f">{ending}</td>" in last["text/html"]


def test_the_widget_is_closed_when_the_next_cell_runs(
    shell: InteractiveShell, notebook: SimpleNamespace
) -> None:
    model_id = run_shown(notebook, ("draws", 1))[0][WIDGET]["model_id"]
    assert model_id in _instances
    shell.run_cell("1")
    assert model_id not in _instances
    shell.run_cell("2")


def test_the_panel_is_updated_at_most_ten_times_a_second(notebook: SimpleNamespace) -> None:
    updates = []
    with capture_output(), progress(notebook) as on_step:
        tick = on_step("draws", 10**9)
        *_, panel = (  # the newest: another test may have left one that runs
            w
            for w in _instances.values()
            if isinstance(w, RunMonitor) and w.state["status"] == "running"
        )
        panel.observe(lambda _: updates.append(1), "state")
        end = time.monotonic() + 1.05
        while time.monotonic() < end:
            tick(0, None)
    assert 5 <= len(updates) <= 11


def test_a_run_without_steps_shows_nothing(notebook: SimpleNamespace) -> None:
    assert run_shown(notebook) == []


class Kernel:
    """A real kernel: run a cell, interrupt it, look at what it put out."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.manager, self.client = start_new_kernel(env={**os.environ, "PYTHONPATH": path})
        self.outputs: list[dict] = []
        self.cell = ""

    def start(self, code: str) -> None:
        self.outputs.clear()
        self.cell = self.client.execute(code)

    def read(self, timeout: float) -> str:
        message = self.client.get_iopub_msg(timeout=timeout)
        self.outputs.append(message)
        if message["msg_type"] == "status" and message["parent_header"]["msg_id"] == self.cell:
            return message["content"]["execution_state"]
        return message["msg_type"]

    def finish(self) -> list[dict]:
        while self.read(timeout=60) != "idle":
            pass
        return self.outputs

    def until(self, is_so: Callable[[], object]) -> None:
        """Read what the running cell puts out until `is_so`."""
        deadline = time.monotonic() + 30
        while not is_so() and time.monotonic() < deadline:
            self.read(timeout=30)
        assert is_so()

    def is_quiet(self, *, seconds: float) -> bool:
        """Whether the panel shows nothing new for so long."""
        n = len(self.of_type("comm_msg"))
        with contextlib.suppress(Empty):
            while True:
                self.read(timeout=seconds)
        return len(self.of_type("comm_msg")) == n

    def new_subshell(self) -> str:
        self.client.control_channel.send(self.client.session.msg("create_subshell_request"))
        return self.client.get_control_msg(timeout=30)["content"]["subshell_id"]

    def press(self, what: str, subshell: str | None) -> None:
        """Send what the panel sends, on a subshell or not."""
        comm = self.of_type("comm_msg")[-1]["comm_id"]
        data = {"method": "custom", "content": {"do": what}}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def answers(self) -> list[dict]:
        """Return what the panel was answered."""
        sent = [content["data"] for content in self.of_type("comm_msg")]
        return [data["content"] for data in sent if data["method"] == "custom"]

    def run(self, code: str) -> list[dict]:
        self.start(code)
        return self.finish()

    def of_type(self, kind: str) -> list[dict]:
        return [m["content"] for m in self.outputs if m["msg_type"] == kind]

    def printed(self, code: str) -> str:
        self.run(code)
        return "".join(content["text"] for content in self.of_type("stream")).strip()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


def states(kernel: Kernel) -> list[dict]:
    """Return each state of the run that was sent to the panel."""
    sent = [content["data"].get("state", {}) for content in kernel.of_type("comm_msg")]
    return [state["state"] for state in sent if "state" in state]


def start_and_wait(kernel: Kernel, code: str, *, done: int) -> None:
    """Start `code`; return when the panel has shown so many answers."""
    kernel.start(code)
    kernel.until(lambda: states(kernel) and states(kernel)[-1]["steps"][-1]["done"] >= done)


def test_an_interrupt_stops_the_run_and_the_cell_can_continue(kernel: Kernel) -> None:
    kernel.run(SLOW)
    assert kernel.of_type("error") == []
    start_and_wait(kernel, SIMULATE, done=4)
    kernel.manager.interrupt_kernel()
    done = check_stopped(kernel)

    kernel.run(SIMULATE)
    assert kernel.of_type("error") == []
    last = kernel.of_type("update_display_data")[-1]["data"]
    line = re.fullmatch(r"100 responses in (.*), (\d+) from cache", last["text/plain"])
    assert int(line[2]) in (done, done + 1)
    assert WIDGET not in last
    result = kernel.of_type("execute_result")[0]["data"]["text/plain"]
    assert result.startswith("Simulation('slow', 100 responses")
    assert kernel.printed("print(study.store.counts().completions)") == "100"
    assert int(kernel.printed("print(study.backend.backend.n_generated)")) <= 101
    with pytest.raises(Empty):
        kernel.client.get_iopub_msg(timeout=0.2)


def check_stopped(kernel: Kernel) -> int:
    """Check that the cell ended with one line and its answers are cached; return how many."""
    kernel.finish()
    (error,) = kernel.of_type("error")
    assert error["ename"] == "Interrupted"
    assert len(error["traceback"]) == 2
    done = int(re.search(r"Stopped after (\d+) of 100", error["traceback"][0])[1])
    assert 0 < done < 100
    assert kernel.of_type("update_display_data")[-1]["data"]["text/plain"].endswith("Stopped")
    assert int(kernel.printed("print(study.store.counts().completions)")) in (done, done + 1)
    assert kernel.printed("print(study.simulations)") == "{}"
    return done


def test_buttons_work_on_a_subshell_while_the_cell_runs(kernel: Kernel) -> None:
    kernel.run(SLOW)
    subshell = kernel.new_subshell()
    start_and_wait(kernel, SIMULATE, done=2)
    kernel.press("hello", subshell)
    kernel.until(lambda: {"connected": True} in kernel.answers())
    kernel.press("pause", subshell)
    kernel.until(lambda: states(kernel)[-1]["status"] == "paused")
    held = states(kernel)[-1]["steps"][0]["done"]
    assert kernel.is_quiet(seconds=0.5)
    kernel.press("resume", subshell)
    kernel.until(lambda: states(kernel)[-1]["steps"][0]["done"] >= held + 3)
    assert states(kernel)[-1]["status"] == "running"
    kernel.press("pause", subshell)
    kernel.until(lambda: states(kernel)[-1]["status"] == "paused")
    kernel.press("cancel", subshell)
    check_stopped(kernel)


def test_without_a_subshell_requests_are_ignored_even_after_the_run(kernel: Kernel) -> None:
    kernel.run(SLOW)
    start_and_wait(kernel, SIMULATE.replace("100", "40"), done=2)
    for what in ("hello", "pause", "cancel"):
        kernel.press(what, None)
    kernel.finish()
    assert kernel.of_type("error") == []
    assert kernel.answers() == []
    assert kernel.printed("print(len(study.simulations['slow']))") == "40"


def executed(*cells: str) -> nbformat.NotebookNode:
    """Return a notebook of these cells, run with no front end."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    return NotebookClient(notebook, store_widget_state=False, timeout=120).execute()


def test_an_executed_notebook_shows_the_run_without_a_widget() -> None:
    fit = "%mop_fit --exemplars 4 --records 20 --by likelihood"
    notebook = executed(SLOW.replace("0.04", "0"), fit, SIMULATE, SIMULATE, *["%mop_align"] * 2)
    shown = [cell.outputs[0].data for cell in notebook.cells[1:]]
    assert all(set(data) == {"text/plain", "text/html"} for data in shown)
    fitted, simulated, again, aligned, later = [data["text/plain"] for data in shown]
    assert again == shown[2]["text/html"] == ""  # all 100 responses are cached
    assert re.search(r"\d+ component scores.* in .* s", fitted)
    assert re.fullmatch(r"100 responses in .* s", simulated)
    assert re.search(r"embeddings, 4 metrics in .* s, 60 from cache", aligned)
    n = re.match(r"(\d+) embeddings, 4 metrics in", later)[1]
    assert later.endswith(f", {n} from cache")
    assert "widgets" not in notebook.metadata
    page, _ = HTMLExporter(require_js_url="", mathjax_url="").from_notebook_node(notebook)
    assert page.count("100 responses in") == 1


def test_an_error_is_one_short_red_block(kernel: Kernel) -> None:
    kernel.run("%load_ext jupyter_mop\n%mop_population df --context topic --response text")
    (error,) = kernel.of_type("error")
    assert error["ename"] == "DataError"
    assert len(error["traceback"]) == 2
    assert all(line.startswith("\x1b[31m") for line in error["traceback"])
    assert "'df'" in error["traceback"][0]
