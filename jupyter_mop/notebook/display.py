"""How results look in a notebook: tables and still pictures, with no script and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.alignment import Alignment
    from jupyter_mop.engine.mixture import MixtureOfPersonas


def show_alignment(alignment: Alignment) -> None:
    """Show the table, then chart and map as pictures."""
    from jupyter_mop import charts

    _show(alignment, charts.png(alignment.chart), charts.png(alignment.map))


def show_mixture(mixture: MixtureOfPersonas) -> None:
    """Show the weights and the held-out likelihoods, then the learned weights as a picture."""
    from jupyter_mop import charts

    drawn = [charts.png(charts.weights_chart(mixture.summary()))] if mixture.is_fitted else []
    _show(mixture, *drawn)


def register(shell: InteractiveShell) -> None:
    """Show alignments and mixtures with their pictures wherever a cell ends in one."""
    assert shell.display_formatter is not None  # noqa: S101  every shell has one
    formatter = shell.display_formatter.ipython_display_formatter
    formatter.for_type_by_name("jupyter_mop.alignment", "Alignment", show_alignment)
    formatter.for_type_by_name("jupyter_mop.engine.mixture", "MixtureOfPersonas", show_mixture)


def _show(value: Alignment | MixtureOfPersonas, *pictures: bytes) -> None:
    from IPython.display import Image, display

    display({"text/plain": repr(value), "text/html": value._repr_html_()}, raw=True)
    for picture in pictures:
        display(Image(picture, retina=True))
