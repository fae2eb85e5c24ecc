"""Colours of a chart in a notebook, which is read in light and in dark themes.

A chart that the notebook draws itself has the ink of the page. A picture cannot know its page: it
has no background, and an ink that can be read on white and on black.
"""

from __future__ import annotations

from typing import Any

from jupyter_mop.charts.style.theme import GRID, INK

PAGE_INK, PICTURE_INK = "currentColor", "#7A7A7A"
GRID_OPACITY = 0.15
CLEAR = "transparent"


def with_page_colours(spec: dict[str, Any], ink: str = PAGE_INK) -> dict[str, Any]:
    """Return a Vega-Lite specification with this ink, by default the page's, on no background.

    Colours that encode data stay, and so does the ink on cells of a heat map.

    Examples
    --------
    >>> spec = {"config": {"background": "white", "title": {"color": "#333333"}}}
    >>> with_page_colours({**spec, "mark": {"type": "rule", "color": "#333333"}})["mark"]
    {'type': 'rule', 'color': 'currentColor'}
    >>> with_page_colours(spec)["config"]
    {'background': 'transparent', 'title': {'color': 'currentColor'}}
    """
    found: dict[str, Any] = {
        name: _config(part, ink) if name == "config" else _part(name, part, ink)
        for name, part in spec.items()
    }
    return found


def _part(name: str, part: Any, ink: str) -> Any:  # noqa: ANN401  JSON
    """Return a part of a specification; only marks have ink of their own."""
    if name in ("datasets", "data", "encoding"):
        return part
    if name == "mark" and isinstance(part, dict):
        inked = {key: ink for key, value in part.items() if value == INK}
        return {**part, **inked, **({"stroke": CLEAR} if part.get("stroke") == "white" else {})}
    if isinstance(part, dict):
        return {key: _part(key, value, ink) for key, value in part.items()}
    if isinstance(part, list):
        return [_part("", value, ink) for value in part]
    return part


def _config(config: dict[str, Any], ink: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found[name] = _config(value, ink)
        else:
            found[name] = {INK: ink, GRID: ink, "white": CLEAR}.get(value, value)
        if value == GRID:
            found["gridOpacity"] = GRID_OPACITY
    return found
