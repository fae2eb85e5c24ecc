"""One look for all charts: colours, sizes, and one colour per persona everywhere.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from jupyter_mop.errors import DataError

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    AnyChart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.ConcatChart

BLUE = "#0072B2"
LIGHT_BLUE = "#56B4E9"
PALE = "#BDBDBD"
GREY = "#A6A6A6"
INK = "#333333"
LINE = "#8A8A8A"
GRID = "#E6E6E6"
PERSONA_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
SHADES = (0.0, -0.45, 0.5, -0.7, 0.75)
ROW_HEIGHT = 36
FONT = "sans-serif"
_EDITED: dict[str, int] = {}  # place in the palette of each of the personas that were edited last


def persona_colours(names: Iterable[str]) -> list[str]:
    """Return one colour per persona, by its position; every chart and table uses these.

    Personas that were edited in the panel keep the colours that they had; see `keep_colours`.

    Parameters
    ----------
    names : iterable of str
        All personas in the study's order. From the eighth persona on the seven colours repeat,
        first darker, then lighter; the first 35 colours are all different.

    Examples
    --------
    >>> persona_colours(["critic", "fan"])
    ['#0072B2', '#E69F00']
    """
    size = len(PERSONA_COLOURS)
    return [
        _shaded(PERSONA_COLOURS[k % size], SHADES[k // size % len(SHADES)])
        for k in _places(list(names))
    ]


def keep_colours(before: Sequence[str], after: Sequence[str]) -> None:
    """Let the personas that an edit leaves keep their colours; new ones get those that are free.

    Examples
    --------
    >>> keep_colours(["critic", "fan"], ["fan", "new", "parent"])
    >>> [PERSONA_COLOURS.index(colour) for colour in persona_colours(["fan", "new", "parent"])]
    [1, 0, 2]
    >>> keep_colours(["fan"], [])
    """
    old = dict(zip(before, _places(before), strict=True))
    if len(before) == len(after):  # a new name
        old |= {name: old[was] for was, name in zip(before, after, strict=True) if name not in old}
    kept = {name: old[name] for name in after if name in old}
    free = (place for place in count() if place not in kept.values())
    _EDITED.clear()
    _EDITED.update({name: kept[name] if name in kept else next(free) for name in after})


def _places(names: Sequence[str]) -> list[int]:
    """Return each persona's place in the palette: its position unless it was edited."""
    if all(name in _EDITED for name in names):
        return [_EDITED[name] for name in names]
    return list(range(len(names)))


def check_frame(frame: pd.DataFrame, columns: str) -> None:
    """Raise a DataError if a column is missing or the frame has no rows."""
    needed = columns.split()
    missing = [name for name in needed if name not in frame]
    if missing:
        raise DataError(
            f"The frame has missing columns: {', '.join(missing)}.",
            hint=f"The chart needs {', '.join(needed)}.",
        )
    if frame.empty:
        raise DataError("The frame has no rows to draw.", hint="Pass a frame with a row or more.")


def _shaded(colour: str, shade: float) -> str:
    """Mix `colour` with black (shade below 0) or white (above)."""
    end = 255 if shade > 0 else 0
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = [round(part + abs(shade) * (end - part)) for part in parts]
    return "#" + "".join(f"{part:02X}" for part in mixed)
