"""How results look in a notebook: tables and still pictures, with no script and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.alignment import Alignment


def show_alignment(alignment: Alignment) -> None:
    """Show the table, then chart and map as pictures."""
    from IPython.display import HTML, Image, display

    from jupyter_mop import charts

    display(HTML(alignment._repr_html_()), metadata={})
    display(Image(charts.png(alignment.chart)))
    display(Image(charts.png(alignment.map)))


def register(shell: InteractiveShell) -> None:
    """Show an Alignment with its pictures wherever a cell ends in one."""
    assert shell.display_formatter is not None  # noqa: S101  every shell has one
    formatter = shell.display_formatter.ipython_display_formatter
    formatter.for_type_by_name("jupyter_mop.alignment", "Alignment", show_alignment)
