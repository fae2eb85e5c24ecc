"""Progress bars with rate and time left, and what happens at an interrupt."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm.std import tqdm

from jupyter_mop.engine.learning import OnStep, Tick
from jupyter_mop.errors import Interrupted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class DisplayBar(tqdm):  # type: ignore[type-arg]  # generic in its stubs only
    """A tqdm bar that lives in a notebook's output as plain text and stays there when done."""

    monitor_interval = 0

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  tqdm's own
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)
        super().__init__(file=io.StringIO(), ncols=80, ascii=False, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:  # noqa: ARG002
        """Show the bar in its place."""
        self.handle.update({"text/plain": str(self) if msg is None else msg}, raw=True)


@contextmanager
def progress(shell: InteractiveShell) -> Iterator[OnStep]:
    """Yield what makes a bar for each step; an interrupt becomes one line: what is kept."""
    bars: list[tqdm[Any]] = []
    kind = DisplayBar if hasattr(shell, "kernel") else tqdm

    def on_step(what: str, total: int) -> Tick:
        _close(bars)
        bar = kind(desc=what, total=total, unit="", mininterval=0.2)
        bars.append(bar)

        def tick(_index: int, _value: object) -> None:
            bar.update()

        return tick

    try:
        yield on_step
    except KeyboardInterrupt:
        where = f" after {bars[-1].n} of {bars[-1].total}" if bars else ""
        raise Interrupted(
            f"Stopped{where}; what is finished is kept.",
            hint="Run the cell again to go on from there.",
        ) from None
    finally:
        _close(bars)


def _close(bars: list[tqdm[Any]]) -> None:
    for bar in bars:
        bar.close()
