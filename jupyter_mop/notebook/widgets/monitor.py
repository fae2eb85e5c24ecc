"""The run monitor: progress and cost of a run, with buttons to pause and cancel it."""

from __future__ import annotations

import threading
from typing import Any

import anywidget
import traitlets

from jupyter_mop.notebook.progress import Controls, Run
from jupyter_mop.notebook.widgets.assets import script, style


class RunMonitor(anywidget.AnyWidget):
    """A panel that shows a run, with pause and cancel buttons where the front end supports them.

    The kernel's main thread is busy while a cell runs, so a button works only in a front end that
    sends its messages on a subshell: JupyterLab 4.4 or later with ipykernel 7. The panel sends
    "hello" when it appears and shows its buttons after a reply; elsewhere it has none, and the
    front end's own interrupt cancels the run. A paused run waits until it is resumed.

    Parameters
    ----------
    run : Run
        The run to show; `show` sends its current state to the screen.
    controls : Controls
        Receives the buttons' requests.

    Examples
    --------
    >>> run = Run()
    >>> panel = RunMonitor(run, Controls())
    >>> run.tick(run.begin("scores", 2), None)
    >>> panel.show()
    >>> panel.state["steps"][0]["done"]
    1
    """

    _esm = script("monitor")
    _css = style("monitor")

    state = traitlets.Dict().tag(sync=True)

    def __init__(self, run: Run, controls: Controls) -> None:
        super().__init__(state=run.state())
        self.run, self.controls = run, controls
        self.on_msg(self._handle_message)
        _reply_on_subshells(self.comm)

    def show(self) -> None:
        """Send the current state of the run to the screen."""
        self.state = self.run.state()

    def _handle_message(self, _widget: object, content: Any, _buffers: object) -> None:  # noqa: ANN401
        """Handle a button's request; one that reaches the main thread is too late."""
        if threading.current_thread() is threading.main_thread():
            return
        self.controls.handle(content.get("do"))
        self.send({"connected": True})

    def __repr__(self) -> str:
        return self.run.text()


def _reply_on_subshells(comm: Any) -> None:  # noqa: ANN401  no type is public
    """Handle each message on the subshell that the front end sent it to.

    ipykernel 7.4 uses the thread that last published on the comm, which is the busy one.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, requested: requested  # noqa: SLF001
