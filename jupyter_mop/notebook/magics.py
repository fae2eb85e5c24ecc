"""The `%mop_*` magics: each parses its line, calls one verb of the study, returns its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mop.notebook import completer, display
from jupyter_mop.notebook.inference import InferenceMagics
from jupyter_mop.notebook.resuming import ResumingMagics
from jupyter_mop.notebook.setup import SetupMagics
from jupyter_mop.notebook.simulation import SimulationMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class MopMagics(SetupMagics, SimulationMagics, InferenceMagics, ResumingMagics):
    """Mixture-of-personas population simulation, verb by verb."""

    magics = {  # noqa: RUF012  IPython's own attribute
        kind: SetupMagics.magics[kind]
        | SimulationMagics.magics[kind]
        | InferenceMagics.magics[kind]
        | ResumingMagics.magics[kind]
        for kind in ("line", "cell")
    }


def register(shell: InteractiveShell) -> None:
    """Add magics, their completions and the display of results to `shell`."""
    magics = MopMagics(shell)
    shell.register_magics(magics)
    completer.register(shell, magics)
    display.register(shell)
