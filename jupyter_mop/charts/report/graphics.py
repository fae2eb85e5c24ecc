"""Small pictures of a report as SVG: they follow the page's width, its colours and its ink."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_mop.charts.style.theme import BLUE, GREY

if TYPE_CHECKING:
    import pandas as pd

HEIGHT, MIDDLE = 20, 10
MAP_SIZE, MAP_MARGIN = 400, 8


def share_row(
    share: float,
    *,
    low: float = math.nan,
    high: float = math.nan,
    tick: float = math.nan,
    colour: str = BLUE,
    top: float = 1.0,
) -> str:
    """Return a bar for a share, with an interval and a tick at another share where they are known.

    Parameters
    ----------
    share, low, high, tick : float
        Shares between 0 and `top`.
    colour : str
        Colour of the bar.
    top : float
        The share at the right end.

    Examples
    --------
    >>> share_row(0.5).count("<rect"), share_row(0.5, low=0.4, high=0.6, tick=0.3).count("<line")
    (1, 2)
    """
    bar = f'<rect x="0" y="3" width="{_at(share, 0, top)}" height="14" fill="{colour}"/>'
    parts = [bar]
    if not math.isnan(low):
        parts.append(_line(_at(low, 0, top), _at(high, 0, top)))
    if not math.isnan(tick):
        x = _at(tick, 0, top)
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}" class="tick"/>')
    return _row(parts, f"{share:.1%}")


def interval_row(
    value: float, ends: Sequence[float], floor: Sequence[float], span: Sequence[float]
) -> str:
    """Return a dot with its interval over the band of its floor.

    Parameters
    ----------
    value : float
    ends : pair of float
        The interval of the value.
    floor : triple of float
        The floor with the ends of its interval.
    span : pair of float
        Values at the left and the right end.

    Examples
    --------
    >>> interval_row(0.5, (0.4, 0.6), (0.1, 0.0, 0.2), (0.0, 1.0)).count('class="floor"')
    1
    """
    low, high = span
    parts = []
    if not any(map(math.isnan, floor)):
        start, end = (100 * _fraction(x, low, high) for x in floor[1:])
        x, width = _at(floor[0], low, high), max(end - start, 0.5)
        parts += [
            f'<rect x="{start:.1f}%" y="0" width="{width:.1f}%" height="{HEIGHT}" class="floor"/>',
            f'<line x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}" class="dashed"/>',
        ]
    if not any(map(math.isnan, ends)):
        parts.append(_line(_at(ends[0], low, high), _at(ends[1], low, high)))
    dot = f'<circle cx="{_at(value, low, high)}" cy="{MIDDLE}" r="5" fill="{BLUE}"/>'
    return _row([*parts, dot], f"{value:.3g}")


def scatter(points: pd.DataFrame, colours: dict[str, str]) -> str:
    """Return the responses in two dimensions, real ones grey behind those of each persona.

    Parameters
    ----------
    points : DataFrame
        Columns x, y and group; a group without a colour is grey.
    colours : dict of str to str
        Colour of each group, in the order of drawing.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 2.0], "group": ["real", "fan"]})
    >>> scatter(frame, {"real": "#A6A6A6", "fan": "#0072B2"}).count("<circle")
    2
    """
    x, y = (_scaled(points[name]) for name in ("x", "y"))
    parts = []
    for group, colour in colours.items():
        rows = (points["group"] == group).to_numpy()
        dots = "".join(
            f'<circle cx="{a:.1f}" cy="{MAP_SIZE - b:.1f}" r="2.4"/>'
            for a, b in zip(x[rows], y[rows], strict=True)
        )
        parts.append(f'<g fill="{colour or GREY}" fill-opacity="0.7">{dots}</g>')
    return (
        f'<svg class="map" viewBox="0 0 {MAP_SIZE} {MAP_SIZE}" role="img" '
        f'aria-label="Responses in embedding space">{"".join(parts)}</svg>'
    )


def _scaled(values: pd.Series[float]) -> pd.Series[float]:
    low, high = float(values.min()), float(values.max())
    room = MAP_SIZE - 2 * MAP_MARGIN
    return MAP_MARGIN + room * (values.astype(float) - low) / ((high - low) or 1.0)


def _fraction(value: float, low: float, high: float) -> float:
    return min(max((value - low) / ((high - low) or 1.0), 0.0), 1.0)


def _at(value: float, low: float, high: float) -> str:
    return f"{100 * _fraction(value, low, high):.1f}%"


def _line(start: str, end: str) -> str:
    return f'<line x1="{start}" x2="{end}" y1="{MIDDLE}" y2="{MIDDLE}" class="interval"/>'


def _row(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg class="row" height="{HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )
