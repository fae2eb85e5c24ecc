"""How results are shown: the engine draws nothing, and asks whom the package has named for it."""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False  # typing is most of what the import of the package takes
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Chart(Protocol):
        """What a plot can do, whoever draws it."""

        def to_dict(self) -> dict[str, Any]:
            """Return the chart's specification."""
            ...

        def save(self, fp: str) -> None:
            """Write the chart to a file: PNG, SVG, HTML or JSON by its ending."""
            ...


_VIEWS: dict[str, Callable[[Any], Any]] = {}


def register(kind: str, view: Callable[[Any], Any]) -> None:
    """Let `view` answer whenever a result is asked for its `kind`: "plot", "html" or "panel".

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


def view(kind: str, value: object) -> Any:  # noqa: ANN401  a chart, a text, a widget
    """Return the view of this kind of `value`."""
    return _VIEWS[kind](value)


class Viewed:
    """A result with a plot and a rich display."""

    __slots__ = ()

    def plot(self) -> Chart:
        """Draw this; a notebook shows the chart with no network, `save(path)` writes it."""
        chart: Chart = view("plot", self)
        return chart

    def _repr_html_(self) -> str:
        return str(view("html", self))
