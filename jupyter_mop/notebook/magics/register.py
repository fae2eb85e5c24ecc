"""The `%mop_*` magics: each parses its line and returns what one method of the study returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mop.notebook import display
from jupyter_mop.notebook.magics import completion
from jupyter_mop.notebook.magics.ask import AskMagics
from jupyter_mop.notebook.magics.evaluate import EvaluateMagics
from jupyter_mop.notebook.magics.overview import HINT, OverviewMagics, help_text
from jupyter_mop.notebook.magics.runs import RunMagics
from jupyter_mop.notebook.magics.setup import SetupMagics
from jupyter_mop.notebook.magics.simulate import SimulateMagics
from jupyter_mop.notebook.magics.survey import SurveyMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_GROUPS = (
    *(OverviewMagics, SetupMagics, SimulateMagics, AskMagics, SurveyMagics),
    *(EvaluateMagics, RunMagics),
)


class MopMagics(*_GROUPS):  # type: ignore[misc]
    """All `%mop_*` magics, with one study."""

    magics = {  # noqa: RUF012  IPython's own attribute
        kind: {name: method for group in _GROUPS for name, method in group.magics[kind].items()}
        for kind in ("line", "cell")
    }


OverviewMagics.mop.__doc__ = help_text(MopMagics)
for _name in {name for table in MopMagics.magics.values() for name in table.values()}:
    setattr(MopMagics, _name, display.warnings_as_notes(getattr(MopMagics, _name)))


def register(shell: InteractiveShell) -> None:
    """Add the magics, their completion and the display of results to `shell`.

    `%reload_ext jupyter_mop` keeps the study.
    """
    before = shell.magics_manager.registry.get(MopMagics.__name__)
    magics = MopMagics(shell, before and before.study)
    shell.register_magics(magics)
    if before is not None:
        magics.origins = before.origins
    else:
        shell.events.register("pre_run_cell", magics.origins.begin_cell)
        completion.register(shell, magics)
        print(HINT)  # noqa: T201  the first line for those who open no documentation
    display.register(shell)
