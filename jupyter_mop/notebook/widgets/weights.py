"""The weights panel: one slider per persona, together always one whole."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import anywidget

from jupyter_mop.notebook.widgets.assets import script, style
from jupyter_mop.notebook.widgets.traits import (
    Flags,
    Names,
    OptionalSimplex,
    Simplex,
    as_names,
    refuse_unknown,
)

_BAR_CELLS = 20


class WeightsPanel(anywidget.AnyWidget):
    """A panel of sliders that sets the weight of each persona by hand.

    Moving one slider rescales the unlocked others in proportion, so that the weights always
    sum to 1. Locked weights stay where they are. Assigning `weights` or `learned` from Python
    normalises them and moves the sliders; it does not heed locks.

    Where no scripts run, the panel is shown as a table of the weights at the time of display.

    Parameters
    ----------
    names : sequence of str
        Names of the K personas, each one once.
    weights : sequence of float, shape (K,)
        Weights to start from; normalised to sum 1.
    learned : sequence of float, shape (K,), optional
        Learned weights, which are drawn beside the current ones and can be returned to.
    **traits
        Other traits of the widget: `locked` (K booleans), `layout`.

    Raises
    ------
    DataError
        If names are empty or repeated, if weights are of another length than the names, negative,
        not finite or all zero, or if a keyword is not a trait of the panel.

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
    _css = style("weights")

    names = Names().tag(sync=True)
    weights = Simplex().tag(sync=True)
    learned = OptionalSimplex([]).tag(sync=True)
    locked = Flags().tag(sync=True)

    def __init__(
        self,
        names: Sequence[str],
        weights: Sequence[float],
        *,
        learned: Sequence[float] | None = None,
        **traits: object,
    ) -> None:
        refuse_unknown(self, traits)
        listed = as_names(names)
        traits.setdefault("locked", [False] * len(listed))
        super().__init__(names=listed, weights=weights, learned=learned, **traits)

    def as_dict(self) -> dict[str, float]:
        """Return the current weight of each persona by name; the weights sum to 1."""
        return dict(zip(self.names, self.weights, strict=True))

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {weight:.1%}" for name, weight in self.as_dict().items())
        return f"WeightsPanel({shares})"

    def _repr_mimebundle_(
        self, **kwargs: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = self._still_table()
        return bundle

    def _still_table(self) -> str:
        heads = ["persona", "weight", *(["learned"] if self.learned else []), ""]
        columns = [self.weights, *([self.learned] if self.learned else [])]
        head = "".join(f"<th>{name}</th>" for name in heads)
        rows = zip(self.names, zip(*columns, strict=True), strict=True)
        body = "".join(_still_row(name, shares) for name, shares in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _still_row(name: str, shares: Sequence[float]) -> str:
    bar = "\u2588" * round(_BAR_CELLS * shares[0])
    cells = [html.escape(name), *(f"{share:.1%}" for share in shares), bar]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
