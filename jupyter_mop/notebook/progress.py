"""What long work shows while it goes on, and what happens at an interrupt.

A notebook gets one panel for the run, and its last state as text and table in its place when the
run ends, so that a saved notebook says what was done and needs no widget. A terminal gets a line
for each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from tqdm.std import tqdm

from jupyter_mop.backends.protocols import OnStep, Tick
from jupyter_mop.errors import Interrupted
from jupyter_mop.notebook.run_state import Controls, Run, Step

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.study.study import Study

_SCREEN_SECONDS = 0.1
_STILL_SECONDS = 5.0


class Screen(Protocol):
    """Where a run is seen."""

    def begin(self, step: Step) -> None:
        """Show that a step begins."""

    def show(self) -> None:
        """Show the run as it is now."""

    def close(self) -> None:
        """Show the last state, which stays."""


class Lines:
    """A line of a terminal for each step."""

    def __init__(self) -> None:
        self.step: Step | None = None
        self.bar: tqdm[Any] | None = None

    def begin(self, step: Step) -> None:
        """Begin a line, below the finished one."""
        self.close()
        self.step = step
        self.bar = tqdm(desc=step.what, total=step.total, unit="", mininterval=0.2)

    def show(self) -> None:
        """Bring the line to where the step is."""
        if self.bar is not None and self.step is not None:
            self.bar.update(self.step.done - self.bar.n)

    def close(self) -> None:
        """Leave the line as it is."""
        self.show()
        if self.bar is not None:
            self.bar.close()


class Panel:
    """The monitor in a notebook's output, which its last state replaces.

    Until the front end has said hello, which one without subshells or widgets never does, the
    still state is renewed too, now and then: the widget is drawn anew each time.
    """

    def __init__(self, shell: InteractiveShell, run: Run, controls: Controls) -> None:
        from IPython.display import display

        from jupyter_mop.notebook.widgets.monitor import RunMonitor

        self.shell, self.run, self.controls = shell, run, controls
        self.widget = RunMonitor(run, controls)
        self.renewed = run.clock()
        self.handle = display(self._bundle(), raw=True, display_id=True)

    def begin(self, _step: Step) -> None:
        """Show that a step begins."""
        self.show()

    def show(self) -> None:
        """Bring the panel to where the run is."""
        self.widget.show()
        if not self.controls.is_heard and self.run.clock() - self.renewed >= _STILL_SECONDS:
            self.renewed = self.run.clock()
            self.handle.update(self._bundle(), raw=True)

    def close(self) -> None:
        """Put the last state in the panel's place."""
        self.controls.close()
        self.widget.show()
        self.handle.update(self._still(), raw=True)
        self.shell.events.register("pre_run_cell", self._forget)

    def _forget(self, _info: object) -> None:
        """Close the widget when its last messages, which waited for the cell's end, have come."""
        self.shell.events.unregister("pre_run_cell", self._forget)
        self.widget.close()

    def _still(self) -> dict[str, Any]:
        return {"text/plain": self.run.text(), "text/html": self.run.html()}

    def _bundle(self) -> dict[str, Any]:
        shown = self.widget._repr_mimebundle_()
        return (shown[0] if shown else {}) | self._still()


@contextmanager
def progress(shell: InteractiveShell, study: Study | None = None) -> Iterator[OnStep]:
    """Yield what begins each step of a run; an interrupt becomes one line: what is kept."""
    run = _new_run(study)
    controls = Controls()
    screens: list[Screen] = []

    def on_step(what: str, total: int) -> Tick:
        step = run.begin(what, total)
        if not screens:
            is_notebook = hasattr(shell, "kernel")
            screens.append(Panel(shell, run, controls) if is_notebook else Lines())
        screens[0].begin(step)
        return _ticker(run, step, controls, screens[0])

    try:
        yield on_step
        controls.close()
        run.end("done")
    except KeyboardInterrupt:
        run.end("stopped")
        where = f" after {run.steps[-1].done} of {run.steps[-1].total}" if run.steps else ""
        raise Interrupted(
            f"Stopped{where}; what is finished is kept.",
            hint="Run the cell again to go on from there.",
        ) from None
    except BaseException:
        run.end("failed")
        raise
    finally:
        for screen in screens:
            screen.close()


def _new_run(study: Study | None) -> Run:
    """Return a run that reads what the study's model and encoder say, once they are loaded."""
    parts = vars(study.session) if study else {}

    def n_kept(value: object) -> int:
        name = "encoder" if isinstance(value, np.ndarray) else "backend"
        return 0 if value is None or name not in parts else int(parts[name].n_cached)

    before = parts["backend"].usage if "backend" in parts else None

    def cost() -> float | None:
        return parts["backend"].spent(before) if "backend" in parts else None

    return Run(n_kept=n_kept, cost=cost)


def _ticker(run: Run, step: Step, controls: Controls, screen: Screen) -> Tick:
    shown = step.now

    def tick(_index: int, value: object) -> None:
        nonlocal shown
        run.tick(step, value)
        if step.now - shown >= _SCREEN_SECONDS:
            shown = step.now
            screen.show()
        if controls.is_paused:
            with run.paused():
                screen.show()
                controls.wait()
            screen.show()

    return tick
