"""The weights panel: one slider per persona; the weights always sum to 1."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_mop.notebook.widgets.assets import script, style
from jupyter_mop.notebook.widgets.base import PersonaWeightsPanel
from jupyter_mop.notebook.widgets.html_page import table

_BAR_LENGTH = 20


class WeightsPanel(PersonaWeightsPanel):
    """The sliders of the alignment panel without a simulation.

    Moving one slider rescales the unlocked others in proportion, so that the weights always
    sum to 1. Locked weights do not move. Assigning `weights` or `learned` in Python normalises
    them and moves the sliders, whether they are locked or not.

    Where no script runs, a table shows the weights at the time of display.

    Parameters
    ----------
    names : sequence of str
        Names of the K personas, without repetition.
    weights : sequence of float, shape (K,)
        Initial weights; normalised to sum 1.
    learned : sequence of float, shape (K,), optional
        Learned weights, drawn beside the current ones; a button returns to them.
    **traits
        Other traits of the widget: `locked`, `muted` (K booleans), `layout`.

    Raises
    ------
    DataError
        If names are empty or repeated, if weights have another length than the names, are
        negative, not finite or all zero, or if a keyword is not a trait of the panel.

    Examples
    --------
    >>> panel = WeightsPanel(["critic", "fan"], [3, 1])
    >>> panel.as_dict()
    {'critic': 0.75, 'fan': 0.25}
    >>> panel.weights = [1, 1]
    >>> panel.as_dict()
    {'critic': 0.5, 'fan': 0.5}
    """

    _esm = script("weights")
    _css = style("weights", "sliders")

    def __init__(
        self,
        names: Sequence[str],
        weights: Sequence[float],
        *,
        learned: Sequence[float] | None = None,
        **traits: object,
    ) -> None:
        super().__init__(names, weights=weights, learned=learned, **traits)

    def _static_html(self) -> str:
        columns = [self.weights, *([self.learned] if self.learned else [])]
        rows = [
            [name, *(f"{share:.1%}" for share in shares), "\u2588" * round(_BAR_LENGTH * shares[0])]
            for name, shares in zip(self.names, zip(*columns, strict=True), strict=True)
        ]
        return table(["persona", "weight", *(["learned"] if self.learned else []), ""], rows)
