"""How results are displayed: the engine draws nothing and calls the views registered here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

TYPE_CHECKING = False  # importing typing would take most of the package's import time
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Chart(Protocol):
        """The methods of a plot, whichever library draws it."""

        def to_dict(self) -> dict[str, Any]:
            """Return the chart's specification."""
            ...

        def save(self, fp: str) -> None:
            """Write the chart to a file: PNG, SVG, HTML or JSON by its suffix."""
            ...


_VIEWS: dict[str, Callable[[Any], Any]] = {}


def register(kind: str, view: Callable[[Any], Any]) -> None:
    """Register the function that makes the views of one kind.

    The kinds are "plot", "html", "map", "panel" and "survey panel".

    Examples
    --------
    >>> class Fact(Viewed):
    ...     pass
    >>> before = dict(_VIEWS)
    >>> register("html", lambda value: f"<p>{type(value).__name__}</p>")
    >>> Fact()._repr_html_()
    '<p>Fact</p>'
    >>> _VIEWS.update(before)
    """
    _VIEWS[kind] = view


def view(kind: str, value: object) -> Any:  # noqa: ANN401  a chart, a text or a widget
    """Return the view of one kind of `value`."""
    return _VIEWS[kind](value)


def listed(names: Iterable[object]) -> str:
    """Return the distinct names as a list in a sentence.

    Examples
    --------
    >>> listed(["FID"]), listed(["FID", "MAUVE", "length"])
    ('FID', 'FID, MAUVE and length')
    """
    *first, last = dict.fromkeys(map(str, names))
    return " and ".join(filter(None, [", ".join(first), last]))


class Rendered:
    """A value with a table in notebooks."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(view("html", self))


class Viewed(Rendered):
    """A result with a plot, and a table in notebooks."""

    __slots__ = ()

    def plot(self) -> Chart:
        """Return the chart of this result; `save(path)` writes it, a notebook displays it."""
        chart: Chart = view("plot", self)
        return chart
