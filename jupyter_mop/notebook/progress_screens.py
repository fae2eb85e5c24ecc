"""Show the progress of a run, and turn an interrupt into one line.

A notebook shows one panel for the run. At the end one line replaces it, or nothing where every
answer was cached; after a stop or a failure, a table of the steps. A saved notebook needs no
widget. A terminal shows a line for each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from tqdm.std import tqdm

from jupyter_mop.backends.protocols import OnStep, Tick
from jupyter_mop.charts.runs_and_costs import progress_line
from jupyter_mop.errors import BatchPending, Interrupted
from jupyter_mop.notebook.progress import Controls, Run, Step

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.study.study import Study

_SCREEN_SECONDS = 0.1
_STATIC_SECONDS = 5.0


class Screen(Protocol):
    """A place that shows a run."""

    def begin(self, step: Step) -> None:
        """Show that a step starts."""

    def show(self) -> None:
        """Show the current state of the run."""

    def close(self) -> None:
        """Show the last state permanently."""


class TerminalLines:
    """A progress bar in the terminal for each step."""

    def __init__(self) -> None:
        self.step: Step | None = None
        self.bar: tqdm[Any] | None = None

    def begin(self, step: Step) -> None:
        """Start a new line."""
        self.close()
        self.step = step
        self.bar = tqdm(desc=step.what, total=step.total, unit="", mininterval=0.2)

    def show(self) -> None:
        """Update the line."""
        if self.bar is not None and self.step is not None:
            self.bar.update(self.step.done - self.bar.n)

    def close(self) -> None:
        """Finish the line."""
        self.show()
        if self.bar is not None:
            self.bar.close()


class NotebookPanel:
    """The run monitor in a notebook's output; the last state replaces it.

    A front end without subshells or widgets never connects. Until one does, the output is
    refreshed every few seconds, static state included, which redraws the widget.
    """

    def __init__(self, shell: InteractiveShell, run: Run, controls: Controls) -> None:
        from IPython.display import display

        from jupyter_mop.notebook.widgets.monitor import RunMonitor

        self.shell, self.run, self.controls = shell, run, controls
        self.widget = RunMonitor(run, controls)
        self.refreshed = run.clock()
        self.handle = display(self._bundle(), raw=True, display_id=True)

    def begin(self, _step: Step) -> None:
        """Show that a step starts."""
        self.show()

    def show(self) -> None:
        """Update the panel."""
        self.widget.show()
        is_due = self.run.clock() - self.refreshed >= _STATIC_SECONDS
        if is_due and not self.controls.is_connected:
            self.refreshed = self.run.clock()
            self.handle.update(self._bundle(), raw=True)

    def close(self) -> None:
        """Replace the panel by its last state."""
        self.controls.close()
        self.widget.show()
        self.handle.update(self._last(), raw=True)
        self.shell.events.register("pre_run_cell", self._close_widget)

    def _close_widget(self, _info: object) -> None:
        """Close the widget after its last messages, which arrive when the cell has ended."""
        self.shell.events.unregister("pre_run_cell", self._close_widget)
        self.widget.close()

    def _last(self) -> dict[str, Any]:
        """Return the end of the run: one line, nothing if all was cached, else what went wrong."""
        if self.run.status != "done" or self.run.failures:
            return self._static()
        line = self.run.summary()
        return {"text/plain": line, "text/html": progress_line(line) if line else ""}

    def _static(self) -> dict[str, Any]:
        return {"text/plain": self.run.text(), "text/html": self.run.html()}

    def _bundle(self) -> dict[str, Any]:
        bundle = self.widget._repr_mimebundle_()
        return (bundle[0] if bundle else {}) | self._static()


@contextmanager
def progress(shell: InteractiveShell, study: Study | None = None) -> Iterator[OnStep]:
    """Yield the `on_step` callback of a run; an interrupt becomes one line with what is cached."""
    run = _new_run(study)
    controls = Controls()
    screens: list[Screen] = []

    def on_step(what: str, total: int) -> Tick:
        step = run.begin(what, total)
        if not screens:
            is_notebook = hasattr(shell, "kernel")
            screens.append(NotebookPanel(shell, run, controls) if is_notebook else TerminalLines())
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
            f"Stopped{where}; finished answers are cached.",
            hint="Run the cell again to continue.",
        ) from None
    except BatchPending:
        run.end("waiting")
        raise
    except BaseException:
        run.end("failed")
        raise
    finally:
        for screen in screens:
            screen.close()


def _new_run(study: Study | None) -> Run:
    """Return a run that reads cache hits and cost from the study's model and encoder, if loaded."""
    loaded = vars(study.session) if study else {}

    def n_cached(value: object) -> int:
        name = "encoder" if isinstance(value, np.ndarray) else "backend"
        return 0 if value is None or name not in loaded else int(loaded[name].n_cached)

    before = loaded["backend"].usage if "backend" in loaded else None

    def cost() -> float | None:
        return loaded["backend"].spent(before) if "backend" in loaded else None

    return Run(n_cached=n_cached, cost=cost)


def _ticker(run: Run, step: Step, controls: Controls, screen: Screen) -> Tick:
    last_shown = step.now

    def tick(_index: int, value: object) -> None:
        nonlocal last_shown
        run.tick(step, value)
        if step.now - last_shown >= _SCREEN_SECONDS:
            last_shown = step.now
            screen.show()
        if controls.is_paused:
            with run.paused():
                screen.show()
                controls.wait()
            screen.show()

    return tick
