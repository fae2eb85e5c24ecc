"""The run monitor: what long work has done, what it costs, and how to hold or stop it."""

from __future__ import annotations

import threading
from typing import Any

import anywidget
import traitlets

from jupyter_mop.notebook.run_state import Controls, Run
from jupyter_mop.notebook.widgets.assets import STATIC, style


class RunMonitor(anywidget.AnyWidget):
    """A panel that shows a run while it goes on; pause and cancel where they can be heard.

    While a cell runs, the kernel's main thread is busy, so a button is heard only where the front
    end sends its messages on a subshell: JupyterLab does since 4.4, with ipykernel 7. The panel
    says hello as it appears and shows its buttons once it is answered; elsewhere it has none, and
    the front end's own interrupt does what cancel does. A paused run waits as long as it takes.

    Parameters
    ----------
    run : Run
        What is shown; `show` brings its latest state to the screen.
    controls : Controls
        What hears the buttons.

    Examples
    --------
    >>> run = Run()
    >>> panel = RunMonitor(run, Controls())
    >>> run.tick(run.begin("scores", 2), None)
    >>> panel.show()
    >>> panel.state["steps"][0]["done"]
    1
    """

    _esm = STATIC / "monitor" / "monitor.js"
    _css = style("monitor")

    state = traitlets.Dict().tag(sync=True)

    def __init__(self, run: Run, controls: Controls) -> None:
        super().__init__(state=run.state())
        self.run, self.controls = run, controls
        self.on_msg(self._heed)
        _let_messages_pass(self.comm)

    def show(self) -> None:
        """Bring the state of the run to the screen."""
        self.state = self.run.state()

    def _heed(self, _widget: object, content: Any, _buffers: object) -> None:  # noqa: ANN401
        """Heed a button; what only the main thread hears comes too late."""
        if threading.current_thread() is threading.main_thread():
            return
        self.controls.hear(content.get("do"))
        self.send({"heard": True})

    def __repr__(self) -> str:
        return self.run.text()


def _let_messages_pass(comm: Any) -> None:  # noqa: ANN401  no type is public
    """Let messages go where the front end sends them.

    ipykernel 7.4 sends them to the thread that last published on the comm, which is the busy one.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, asked: asked  # noqa: SLF001
