"""The alignment panel: drag a persona's weight, watch the population and its figures follow."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anywidget
import numpy as np
import traitlets

from jupyter_mop.charts import persona_colours
from jupyter_mop.engine.simulation.simulation import PERSONA, WEIGHT
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.widgets.assets import script, style
from jupyter_mop.notebook.widgets.html_page import fragment, page
from jupyter_mop.notebook.widgets.traits import (
    Flags,
    Names,
    OptionalSimplex,
    Simplex,
    refuse_unknown,
)
from jupyter_mop.notebook.widgets.wire_format import wire_points, wire_statistics

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_mop.engine.simulation.simulation import Simulation
    from jupyter_mop.engine.weighting.comparison import Comparison

_STILL_POINTS = 1000
_FEW_RECORDS = 50
_VIEW = ("names", "weights", "learned", "locked", "muted", "colours", "notes", "name")


class _DrawnSimplex(Simplex):
    """One weight a persona, together 1, and 0 for a persona without any draws."""

    def validate(self, obj: traitlets.HasTraits, value: Iterable[float]) -> list[float]:
        weights = super().validate(obj, value)
        panel = cast("AlignmentPanel", obj)
        counts = panel.comparison.statistics.counts
        for name, weight, count in zip(panel.names, weights, counts, strict=True):
            if weight > 0 and not count:
                raise DataError(
                    f"The simulation has no draws of {name!r}, so its weight must be 0, "
                    f"not {weight:.3g}.",
                    hint=f"Simulate with more weight on {name!r}, or leave it at 0.",
                )
        return weights


class AlignmentPanel(anywidget.AnyWidget):
    """A panel in which persona weights are set by hand and everything that follows is seen.

    Sliders, the figures with their human floors, a map of real and simulated responses and the
    density of their cosines follow each move at once, computed by the panel itself from the
    statistics of each persona's draws: with no model call, and in an exported page with no
    kernel. With a kernel, letting go of a slider asks for the exact figures in all dimensions.

    Parameters
    ----------
    comparison : Comparison
        A simulation against the real responses, from `jupyter_mop.engine.weighting.comparison.compare`.
    weights : sequence of float, shape (K,), optional
        Weights to start from; default: those that the simulation has.
    learned : sequence of float, shape (K,), optional
        Learned weights, which are marked and can be returned to.
    **traits
        Other traits of the widget: `locked`, `muted` (K booleans), `name` (what the copied code
        calls the simulation), `layout`.

    Raises
    ------
    DataError
        If weights are of another length than the personas, negative, not finite, all zero or on
        a persona without any draws, or if a keyword is not a trait of the panel.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> from jupyter_mop.engine.weighting.comparison import compare
    >>> from jupyter_mop.engine.data.population import Population
    >>> from jupyter_mop.engine.simulation.simulation import Simulation
    >>> said = [f"sun {'rain ' * (i % 7)}{'wind ' * (i % 5)}" for i in range(80)]
    >>> real = pd.DataFrame({"topic": "weather", "said": said})
    >>> rows = {"context": "weather", "persona": ["critic", "fan"] * 20, "response": said[:40]}
    >>> comparison = compare(
    ...     Population.from_frame(real, context="topic", response="said"),
    ...     Simulation(pd.DataFrame({**rows, "exemplar": None, "weight": 1.0})),
    ...     encoder=ToyEncoder(["sun", "rain", "wind"]))
    >>> panel = AlignmentPanel(comparison)
    >>> panel.weights = [3, 1]
    >>> panel.as_dict()
    {'critic': 0.75, 'fan': 0.25}
    """

    _esm = script("alignment")
    _css = style("alignment")

    names = Names().tag(sync=True)
    weights = _DrawnSimplex().tag(sync=True)
    learned = OptionalSimplex([]).tag(sync=True)
    locked = Flags().tag(sync=True)
    muted = Flags().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    statistics = traitlets.Dict().tag(sync=True)
    points = traitlets.Dict().tag(sync=True)
    exact = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool(default_value=True).tag(sync=True)

    def __init__(
        self,
        comparison: Comparison,
        *,
        weights: Sequence[float] | None = None,
        learned: Sequence[float] | None = None,
        **traits: object,
    ) -> None:
        refuse_unknown(self, traits)
        self.comparison = comparison
        names = list(comparison.statistics.names)
        none = [False] * len(names)
        super().__init__(
            names=names,
            weights=_own_weights(comparison) if weights is None else weights,
            learned=learned,
            **{"locked": none, "muted": none, "name": comparison.simulation.name} | traits,
            colours=persona_colours(names),
            notes=_notes(comparison),
            statistics=wire_statistics(
                comparison.statistics.to_dict() | {"floors": comparison.floors}
            ),
            points=wire_points(comparison.points, names),
        )
        self.on_msg(self._heard)

    def as_dict(self) -> dict[str, float]:
        """Return the current weight of each persona by name; the weights sum to 1."""
        return dict(zip(self.names, self.weights, strict=True))

    def simulation(self) -> Simulation:
        """Return the simulation reweighted to what the panel shows; no model is called."""
        return self.comparison.reweighted(np.array(self.weights))

    def to_html(self, path: str | Path) -> Path:
        """Write the panel as one HTML file that works from disk: no kernel, no network.

        Everything works there but the exact figures, which only Python computes. The page holds
        the responses, those of real people too; a saved notebook does not hold theirs.
        """
        target = Path(path).expanduser()
        target.write_text(page(self._fragment(), title=f"{self.name}: alignment"), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {weight:.1%}" for name, weight in self.as_dict().items())
        return f"AlignmentPanel({shares})"

    def _heard(self, _panel: object, content: Mapping[str, Any], _buffers: object) -> None:
        if content.get("type") == "release" and self.exact.get("weights") != self.weights:
            self.exact = self._exact_now()

    def _exact_now(self) -> dict[str, Any]:
        weights = list(self.weights)
        try:
            frame = self.comparison.exact(np.array(weights))
        except Exception as error:  # noqa: BLE001  whatever it is, the panel says so
            return {"weights": weights, "error": f"No exact figures: {error}"}
        figures = frame.set_index("figure")[["value", "low", "high"]].to_dict("index")
        return {"weights": weights, "figures": figures}

    def _fragment(self, *, n_points: int | None = None, real_words: bool = True) -> str:
        points, notes = self.comparison.points, list(self.notes)
        if n_points is not None and len(points) > n_points:
            points = points.iloc[np.linspace(0, len(points) - 1, n_points).astype(int)]
            notes.append(f"This picture shows {n_points:,} responses; its figures count all.")
        if not real_words:
            points = _without_real_words(points)
            notes.append(
                "What real people said is not kept in a saved notebook: run the cell to read it, "
                "or write a page with to_html."
            )
        state = {name: getattr(self, name) for name in _VIEW} | {
            "notes": notes,
            "statistics": self.statistics,
            "points": wire_points(points, self.names),
            "exact": {},
            "live": False,
        }
        return fragment(
            script=script("alignment"),
            style=style("alignment"),
            state=state,
            still=self._still(),
        )

    def _repr_mimebundle_(
        self, **kwargs: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = self._fragment(n_points=_STILL_POINTS, real_words=False)
        return bundle

    def _still(self) -> str:
        learned = [f"{share:.1%}" for share in self.learned] or [""] * len(self.names)
        shares = [f"{weight:.1%}" for weight in self.weights]
        counts = [f"{count:,}" for count in self.comparison.statistics.counts]
        floors = self.comparison.floors
        figures = [
            [name, f"{value:.3g}", f"{floors[name]:.3g}" if name in floors else ""]
            for name, value in self.comparison.statistics.metrics(np.array(self.weights)).items()
        ]
        personas = [list(row) for row in zip(self.names, counts, shares, learned, strict=True)]
        return (
            _table(["persona", "draws", "weight", "learned"], personas)
            + _table(["figure", "value", "human floor"], figures)
            + self._answers()
        )

    def _answers(self) -> str:
        answers = self.comparison.statistics.option_shares
        if answers is None:
            return ""
        shares = answers.shares(np.array(self.weights))
        rows = [
            [option, f"{share:.1%}", f"{real:.1%}"]
            for option, share, real in zip(answers.options, shares, answers.target, strict=True)
        ]
        return _table(["option", "share", "real"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _without_real_words(points: pd.DataFrame) -> pd.DataFrame:
    """Leave out what real people said, as responses and as exemplars."""
    said = points["response"].astype(object).where(points["source"] == "simulated", None)
    return points.assign(response=said, exemplar=None, prompt=None)


def _own_weights(comparison: Comparison) -> list[float]:
    frame = comparison.simulation.frame
    shares = frame.groupby(PERSONA)[WEIGHT].sum()
    return [float(shares.get(name, 0.0)) for name in comparison.statistics.names]


def _notes(comparison: Comparison) -> list[str]:
    notes = []
    if comparison.thinned:
        shown, total = comparison.thinned
        notes.append(f"The map shows {shown:,} of {total:,} responses; the figures count all.")
    if comparison.statistics.sampled:
        notes.append("KL cosine rests on a sample of all pairs of responses.")
    real = int((comparison.points["source"] == "real").sum())
    if real < _FEW_RECORDS:
        notes.append(
            f"The target has {real} real records: with so few, figures and floors are mostly "
            "chance. Hold out more records."
        )
    return notes
