"""The `%mop_*` magics: each parses its line, calls one verb of the study, returns its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mop.notebook import display
from jupyter_mop.notebook.magics import completion
from jupyter_mop.notebook.magics.ask import AskMagics
from jupyter_mop.notebook.magics.evaluate import EvaluateMagics
from jupyter_mop.notebook.magics.runs import RunMagics
from jupyter_mop.notebook.magics.setup import SetupMagics
from jupyter_mop.notebook.magics.simulate import SimulateMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


_ROOMS = (SetupMagics, SimulateMagics, AskMagics, EvaluateMagics, RunMagics)


class MopMagics(*_ROOMS):  # type: ignore[misc]
    """Mixture-of-personas population simulation, verb by verb."""

    magics = {  # noqa: RUF012  IPython's own attribute
        kind: {name: method for room in _ROOMS for name, method in room.magics[kind].items()}
        for kind in ("line", "cell")
    }


def register(shell: InteractiveShell) -> None:
    """Add magics, their completions and the display of results to `shell`."""
    magics = MopMagics(shell)
    shell.register_magics(magics)
    completion.register(shell, magics)
    display.register(shell)
