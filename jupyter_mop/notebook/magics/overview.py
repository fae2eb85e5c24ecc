"""The map of the magics: what each is for, in the order of use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop.charts.style.text_frame import TextFrame
from jupyter_mop.notebook.magics.base import StudyMagics, parsed

if TYPE_CHECKING:
    import pandas as pd

GROUPS = {
    "Set up": ["backend", "population", "personas", "synthesize", "fit"],
    "Simulate and ask": ["simulate", "ask", "chat"],
    "Surveys of several questions": [
        *("survey", "shares", "impute", "respondents", "predict"),
        *("fidelity", "design"),
    ],
    "Change the weights": ["weights", "panel", "reweight", "match", "calibrate"],
    "Evaluate": ["align", "composition", "diagnose", "explain", "estimate", "report"],
    "Save and resume": ["save", "load", "export", "runs", "resume", "status"],
}
HINT = "jupyter-mop: %mop shows the magics in the order of use; %mop_fit? explains one."
_FEW = "The usual way: population, personas, fit, simulate, align, diagnose, report."
_WITH_CELL = ("mop_personas", "mop_fit", "mop_ask", "mop_predict")
_HELP = "Options of one: %mop_simulate?"


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of magics in the order of use.

    Examples
    --------
    >>> in_order(["mop_align", "mop_fit", "mop"])
    ['mop', 'mop_fit', 'mop_align']
    """
    order = ["mop", *(f"mop_{verb}" for verbs in GROUPS.values() for verb in verbs)]
    return sorted(names, key=order.index)


def overview(magics: Any) -> pd.DataFrame:  # noqa: ANN401  MopMagics, which imports this
    """Return the map as a table: what it is for, the magic, and its first sentence."""
    rows = [
        (group, percent(f"mop_{verb}"), first_sentence(getattr(magics, f"mop_{verb}")))
        for group, verbs in GROUPS.items()
        for verb in verbs
    ]
    frame = TextFrame(rows, columns=["for", "magic", "what it does"])
    return frame.assign(**{"for": frame["for"].where(~frame["for"].duplicated(), "")})


def help_text(magics: Any) -> str:  # noqa: ANN401
    """Return the map as the text of `%mop?`."""
    lines = [_FEW]
    for group, verbs in GROUPS.items():
        lines += ["", f"{group}:"]
        for verb in verbs:
            name = f"mop_{verb}"
            said = first_sentence(getattr(magics, name))
            lines.append(f"  {percent(name):18} {said}")
    return "\n".join([*lines, "", _HELP])


def percent(name: str) -> str:
    """Return a magic's name with the signs with which it is mostly used."""
    return f"%%{name}" if name in _WITH_CELL else f"%{name}"


def first_sentence(magic: Any) -> str:  # noqa: ANN401
    """Return the first line of a magic's description."""
    return str(magic.parser.description.strip().splitlines()[0])


@magics_class
class OverviewMagics(StudyMagics):
    """Show what there is."""

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop(self, line: str) -> pd.DataFrame:
        """Show the magics in the order of use.

        Example: %mop
        """
        parsed(self.mop, line)
        return overview(self)
