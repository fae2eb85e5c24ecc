from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.manager import start_new_kernel

from jupyter_mop.errors import Interrupted
from jupyter_mop.notebook.progress import DisplayBar, progress

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
df = pd.DataFrame({"topic": "weather", "said": ["sun rain", "rain", "wind wind", "sun"] * 30})
magics = get_ipython().magics_manager.registry["MopMagics"]
magics.study = study = Study(Slow(words), ToyEncoder(words))
study.use_personas("a: You say sun.\\nb: You say rain.")
study.use_population(df, context="topic", response="said");
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


def test_an_interrupt_counts_in_the_step_that_was_running(shell: InteractiveShell) -> None:
    assert "after 1 of 7" in stopped(shell, ("draws", 3, 3), ("scores", 7, 1)).message


def test_an_interrupt_before_any_step_counts_nothing(shell: InteractiveShell) -> None:
    assert stopped(shell).message == "Stopped; what is finished is kept."


def test_another_error_goes_through(shell: InteractiveShell) -> None:
    with pytest.raises(ZeroDivisionError), progress(shell):
        raise ZeroDivisionError


@pytest.mark.usefixtures("shell")
def test_a_bar_in_a_notebook_is_plain_text_in_one_place() -> None:
    with capture_output() as captured:
        bar = DisplayBar(desc="draws", total=4, unit="", mininterval=0)
        for _ in range(4):
            bar.update()
        bar.close()
    assert all(set(output.data) == {"text/plain"} for output in captured.outputs)
    last = captured.outputs[-1].data["text/plain"]
    assert re.search(r"draws: 100%.* 4/4 \[.*<.*/s\]", last)
    assert len(last) <= 80


@pytest.mark.usefixtures("shell")
def test_a_notebook_gets_the_bar_for_notebooks(shell: InteractiveShell) -> None:
    notebook = SimpleNamespace(kernel=None)
    with capture_output() as captured, progress(notebook) as on_step:
        on_step("draws", 1)(0, None)
    assert captured.outputs
    assert captured.stderr == ""
    assert not hasattr(shell, "kernel")


class Kernel:
    """A real kernel: run a cell, interrupt it, look at what it put out."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.manager, self.client = start_new_kernel(env={**os.environ, "PYTHONPATH": path})
        self.outputs: list[dict] = []

    def start(self, code: str) -> str:
        self.outputs.clear()
        return self.client.execute(code)

    def read(self, timeout: float) -> str:
        message = self.client.get_iopub_msg(timeout=timeout)
        self.outputs.append(message)
        if message["msg_type"] == "status":
            return message["content"]["execution_state"]
        return message["msg_type"]

    def finish(self) -> list[dict]:
        while self.read(timeout=60) != "idle":
            pass
        return self.outputs

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


def bars(kernel: Kernel) -> list[str]:
    shown = kernel.of_type("update_display_data")
    return [content["data"]["text/plain"] for content in shown if content["data"]["text/plain"]]


def test_an_interrupt_stops_within_two_seconds_and_the_cell_goes_on_later(kernel: Kernel) -> None:
    kernel.run(SLOW)
    assert kernel.of_type("error") == []
    kernel.start(SIMULATE)
    deadline = time.monotonic() + 30
    while len(bars(kernel)) < 4 and time.monotonic() < deadline:
        kernel.read(timeout=30)
    kernel.manager.interrupt_kernel()
    interrupted = time.monotonic()
    kernel.finish()
    assert time.monotonic() - interrupted < 2
    (error,) = kernel.of_type("error")
    assert error["ename"] == "Interrupted"
    assert len(error["traceback"]) == 2
    done = int(re.search(r"Stopped after (\d+) of 100", error["traceback"][0])[1])
    assert 0 < done < 100
    assert int(kernel.printed("print(study.store.counts().completions)")) in (done, done + 1)
    assert kernel.printed("print(study.simulations)") == "{}"

    kernel.run(SIMULATE)
    assert kernel.of_type("error") == []
    assert re.search(r"slow: 100%.* 100/100 \[", bars(kernel)[-1])
    result = kernel.of_type("execute_result")[0]["data"]["text/plain"]
    assert result.startswith("Simulation('slow', 100 responses")
    assert kernel.printed("print(study.store.counts().completions)") == "100"
    assert int(kernel.printed("print(study.backend.backend.n_generated)")) <= 101
    with pytest.raises(Empty):
        kernel.client.get_iopub_msg(timeout=0.2)


def test_an_error_is_one_short_red_block(kernel: Kernel) -> None:
    kernel.run("%load_ext jupyter_mop\n%mop_population df --context topic --response said")
    (error,) = kernel.of_type("error")
    assert error["ename"] == "DataError"
    assert len(error["traceback"]) == 2
    assert all(line.startswith("\x1b[31m") for line in error["traceback"])
    assert "'df'" in error["traceback"][0]
