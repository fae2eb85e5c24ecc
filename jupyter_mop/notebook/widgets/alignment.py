"""The alignment panel: move persona weights and see metrics and responses follow."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from jupyter_mop.engine.simulation.simulation import PERSONA, WEIGHT
from jupyter_mop.engine.weighting.matched_weights import held_out_gain
from jupyter_mop.notebook.widgets.assets import script, style
from jupyter_mop.notebook.widgets.base import PersonaWeightsPanel
from jupyter_mop.notebook.widgets.html_page import fragment, page, table
from jupyter_mop.notebook.widgets.traits import (
    InvalidTraitError,
    as_flags,
    as_weights,
    refuse_unknown,
)
from jupyter_mop.notebook.widgets.wire_format import wire_points, wire_statistics

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_mop.engine.simulation.simulation import Simulation
    from jupyter_mop.engine.weighting.comparison import Comparison

_MAX_SAVED_POINTS = 1000
_FEW_RECORDS = 50
ROUNDING = 1e-9
_COPIED_TRAITS = (
    *("names", "weights", "start", "learned", "locked", "muted", "colours", "notes", "name"),
)


class AlignmentPanel(PersonaWeightsPanel):
    """A panel to set persona weights and see how the simulated population changes.

    Metrics with their human floors, a map of real and simulated responses and the density of
    their cosines follow each slider at once. The browser estimates them from statistics of each
    persona's draws, with no model call; an exported page needs no kernel. With a kernel, the exact
    metrics in all dimensions replace the fast estimates when the sliders rest. For a closed
    question the panel shows the answers and their distances.

    Parameters
    ----------
    comparison : Comparison
        A simulation and the real responses, from `jupyter_mop.compare`.
    weights : sequence of float, shape (K,), optional
        Initial weights; default: those of the simulation.
    learned : sequence of float, shape (K,), optional
        Learned weights, which are marked; a button returns to them.
    **traits
        Other traits of the widget: `locked`, `muted` (K booleans), `name` (the simulation's name
        in copied code), `layout`.

    Raises
    ------
    DataError
        If weights have another length than the personas, are negative, not finite, all zero or
        above 0 for a persona without draws, or if a keyword is not a trait of the panel.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> from jupyter_mop.engine.weighting.comparison import compare
    >>> from jupyter_mop.engine.data.population import Population
    >>> from jupyter_mop.engine.simulation.simulation import Simulation
    >>> texts = [f"sun {'rain ' * (i % 7)}{'wind ' * (i % 5)}" for i in range(80)]
    >>> real = pd.DataFrame({"topic": "weather", "text": texts})
    >>> rows = {"context": "weather", "persona": ["critic", "fan"] * 20, "response": texts[:40]}
    >>> comparison = compare(
    ...     Population.from_frame(real, context="topic", response="text"),
    ...     Simulation(pd.DataFrame({**rows, "exemplar": None, "weight": 1.0})),
    ...     encoder=ToyEncoder(["sun", "rain", "wind"]))
    >>> panel = AlignmentPanel(comparison)
    >>> panel.weights = [3, 1]
    >>> panel.as_dict()
    {'critic': 0.75, 'fan': 0.25}
    """

    _esm = script("alignment")
    _css = style("alignment", "sliders")

    name = traitlets.Unicode().tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
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
        statistics = comparison.statistics.to_dict() | {"floors": comparison.floor.to_dict()}
        super().__init__(
            names,
            weights=_simulated_weights(comparison) if weights is None else weights,
            learned=learned,
            **{"name": comparison.simulation.name} | traits,
            notes=_notes(comparison),
            statistics=wire_statistics(statistics),
            points=wire_points(comparison.points, names),
        )
        self.start = list(self.weights)
        self.on_msg(self._handle_message)

    @traitlets.validate("weights")
    def _check_weights(self, proposal: Any) -> list[float]:  # noqa: ANN401
        weights: list[float] = super()._check_weights(proposal)
        counts = self.comparison.statistics.counts
        for name, weight, count in zip(self._names, weights, counts, strict=True):
            if weight > 0 and not count:
                raise InvalidTraitError(
                    f"The simulation has no draws of {name!r}, so its weight must be 0, "
                    f"got {weight:.3g}.",
                    hint=f"Simulate with more weight on {name!r}, or leave it at 0.",
                )
        return weights

    def simulation(self) -> Simulation:
        """Return the simulation reweighted to the current weights, with no model call."""
        return self.comparison.reweighted(np.array(self.weights))

    def to_html(self, path: str | Path) -> Path:
        """Write the panel as one HTML file that works without kernel and network.

        Only the exact metrics are missing, which Python computes. The page contains all
        responses, real people's included; a saved notebook does not contain those.
        """
        target = Path(path).expanduser()
        html = page(self._live_html(), title=f"{self.name}: alignment")
        target.write_text(html, encoding="utf-8")
        return target

    def _handle_message(self, _panel: object, content: Mapping[str, Any], _buffers: object) -> None:
        if content.get("type") == "release" and self.exact.get("weights") != self.weights:
            self.exact = self._exact_metrics()
        elif content.get("type") == "align":
            self.send({"type": "gain"} | self._gain(content))

    def _exact_metrics(self) -> dict[str, Any]:
        """Return the exact metrics at the current weights, and those at the start (`first`)."""
        weights = list(self.weights)
        try:
            first = self.exact.get("first") or self._metrics_at(self.start)
            metrics = first if weights == self.start else self._metrics_at(weights)
        except Exception as error:  # noqa: BLE001  the panel shows any error
            return {"weights": weights, "error": f"No exact metrics: {error}"}
        return {"weights": weights, "metrics": metrics, "first": first}

    def _metrics_at(self, weights: list[float]) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the panel notes the sample size
            frame = self.comparison.exact(np.array(weights))
        columns = ["value", "low", "high", "floor"]
        return {
            str(name): row.to_dict() for name, row in frame.set_index("figure")[columns].iterrows()
        }

    def _gain(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the Align button gains on responses that did not choose the weights."""
        try:
            start, held = as_weights("start", content["start"], len(self._names)), content["held"]
            found = held_out_gain(
                self.comparison.measured,
                content["metric"],
                start,
                held=as_flags("held", held, len(start)),
            )
        except Exception as error:  # noqa: BLE001  the panel shows any error
            return {"error": f"the gain on others is unknown: {error}"}
        if found is None:
            return {"error": "too few responses to judge the gain on others"}
        return {"gain": found.gain, "is_clear": found.is_clear}

    def _live_html(self, *, max_points: int | None = None, with_real_texts: bool = True) -> str:
        points, notes = self.comparison.points, list(self.notes)
        if max_points is not None and len(points) > max_points:
            points = points.iloc[np.linspace(0, len(points) - 1, max_points).astype(int)]
            notes.append(f"The map shows {max_points:,} responses; the metrics use all.")
        if not with_real_texts:
            points = _without_real_texts(points)
            notes.append(
                "A saved notebook does not contain real people's responses: run the cell to read "
                "them, or write a page with to_html."
            )
        state = {name: getattr(self, name) for name in _COPIED_TRAITS} | {
            "notes": notes,
            "statistics": self.statistics,
            "points": wire_points(points, self.names),
            "exact": self.exact if "metrics" in self.exact else {},
            "live": False,
        }
        return fragment(
            script=self._esm,
            style=self._css,
            state=state,
            static=self._static_tables(),
        )

    def _static_html(self) -> str:
        return self._live_html(max_points=_MAX_SAVED_POINTS, with_real_texts=False)

    def _static_tables(self) -> str:
        statistics = self.comparison.statistics
        floors = self.comparison.floors_at(self.weights)
        learned = [f"{share:.1%}" for share in self.learned] or [""] * len(self.names)
        shares = [f"{weight:.1%}" for weight in self.weights]
        counts = [f"{count:,}" for count in statistics.counts]
        metrics = [
            [name, f"{value:.3g}", f"{floors[name]:.3g}" if name in floors else ""]
            for name, value in statistics.metrics(np.array(self.weights)).items()
        ]
        personas = zip(self.names, counts, shares, learned, strict=True)
        return (
            table(["persona", "draws", "weight", "learned"], list(personas))
            + table(["metric", "value", "human floor"], metrics)
            + self._static_answers()
        )

    def _static_answers(self) -> str:
        statistics = self.comparison.statistics
        answers = statistics.option_shares
        if answers is None:
            return ""
        shares = answers.shares(statistics.cells.shares(np.array(self.weights)))
        rows = [
            [option, f"{share:.1%}", f"{real:.1%}"]
            for option, share, real in zip(answers.options, shares, answers.target, strict=True)
        ]
        return table(["option", "share", "real"], rows)


def _without_real_texts(points: pd.DataFrame) -> pd.DataFrame:
    """Remove real people's responses, which can also be exemplars."""
    simulated = points["response"].astype(object).where(points["source"] == "simulated", None)
    return points.assign(response=simulated, exemplar=None, prompt=None)


def _simulated_weights(comparison: Comparison) -> list[float]:
    """Return each persona's weight in the simulation."""
    frame = comparison.simulation.frame
    shares = frame.groupby(PERSONA)[WEIGHT].sum()
    return [float(shares.get(name, 0.0)) for name in comparison.statistics.names]


def _limits(comparison: Comparison) -> list[str]:
    """Return a note if some persona weights cannot be reached in the contexts of the draws."""
    low, high = comparison.statistics.cells.limits
    spans = zip(comparison.statistics.names, low, high, strict=True)
    limited = [f"{name} {a:.0%} to {b:.0%}" for name, a, b in spans if a > 0 or b < 1 - ROUNDING]
    if not limited:
        return []
    spans_text = ", ".join(limited)
    note = (
        "Some personas answer contexts alone, or none of some contexts. Weights outside of "
        f"{spans_text} stand for the nearest inside. Simulate with equal weights for others."
    )
    return [note]


def _notes(comparison: Comparison) -> list[str]:
    """Return what limits the panel's accuracy, as sentences."""
    notes = [note] if (note := comparison.simulation.selection_note) else []
    notes.extend(comparison.contexts.notes)
    if comparison.thinned:
        shown, total = comparison.thinned
        notes.append(f"The map shows {shown:,} of {total:,} responses; the metrics use all.")
    if comparison.statistics.sampled:
        notes.append("KL cosine uses a sample of all pairs of responses.")
    notes += _limits(comparison)
    n_real, kind = round(comparison.statistics.target_size), "real"
    if comparison.target.weights is not None:
        kind = "effective real"
        notes.append(
            f"Survey weights count on the real side, where {n_real:,} responses of equal weight "
            "would be as precise. Its dots on the map are a sample drawn by weight."
        )
    if n_real < _FEW_RECORDS:
        notes.append(
            f"The target has {n_real} {kind} records: with so few, metrics and human floors are "
            "mostly noise. Hold out more records."
        )
    return notes
