"""Colours of a chart that a notebook draws itself: those of the page, so that dark themes work.

A picture cannot know the page that it is on: it has a white background and names every colour.
"""

from __future__ import annotations

from typing import Any

from jupyter_mop.charts.style.theme import GRID, INK

PAGE_INK = "currentColor"
GRID_OPACITY = 0.15
CLEAR = "transparent"


def with_page_colours(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite specification whose ink is that of the page, on no background.

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
        name: _config(part) if name == "config" else _part(name, part)
        for name, part in spec.items()
    }
    return found


def _part(name: str, part: Any) -> Any:  # noqa: ANN401  JSON
    """Return a part of a specification; only marks have ink of their own."""
    if name in ("datasets", "data", "encoding"):
        return part
    if name == "mark" and isinstance(part, dict):
        ink = {key: PAGE_INK for key, value in part.items() if value == INK}
        return {**part, **ink, **({"stroke": CLEAR} if part.get("stroke") == "white" else {})}
    if isinstance(part, dict):
        return {key: _part(key, value) for key, value in part.items()}
    if isinstance(part, list):
        return [_part("", value) for value in part]
    return part


def _config(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found[name] = _config(value)
        else:
            found[name] = {INK: PAGE_INK, GRID: PAGE_INK, "white": CLEAR}.get(value, value)
        if value == GRID:
            found["gridOpacity"] = GRID_OPACITY
    return found
