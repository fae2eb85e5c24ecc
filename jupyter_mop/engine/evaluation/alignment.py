"""Alignment: how close simulated responses are to real ones, as a table, a chart and a map."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import Encoder, OnStep
from jupyter_mop.engine.data.encoding import encode_groups, sample_rows, shown_rows
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment_by_context import (
    AlignmentByContext,
    Subgroups,
    align_by_context,
    is_off_floor,
)
from jupyter_mop.engine.metrics import alignment_table
from jupyter_mop.engine.metrics.split_half import METRICS, Metric, rows_for
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    effective_sample_size,
    project,
)
from jupyter_mop.engine.simulation.simulation import PERSONA, RESPONSE, Simulation
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed, listed, view

if TYPE_CHECKING:
    from jupyter_mop.rendering import Chart

Texts = Population | Simulation | Sequence[str]


@dataclass(frozen=True)
class Alignment(Viewed):
    """Metrics of each method against the real responses, with intervals and human floors.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per method and metric; see `alignment_table.align`.
    points : pandas.DataFrame
        x, y, source, persona and response of the real and simulated responses; where these have
        weights, of a sample drawn by them.
    personas : tuple of str
        All persona names in the study's order, which determines their colours.
    sets : dict or None
        The vectors that were compared, for `differences`.
    notes : tuple of str
        Joint metrics that are left out, and contexts that are pooled; one sentence each.
    joint_sets : tuple of pairs
        Metrics of responses with their contexts, and the vectors that these compare.
    by_context : AlignmentByContext or None
        The metrics within subgroups, where `align` was called with `by`.
    """

    frame: pd.DataFrame
    points: pd.DataFrame
    personas: tuple[str, ...] = ()
    sets: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    notes: tuple[str, ...] = ()
    joint_sets: tuple[tuple[Metric, Sides], ...] = field(default=(), repr=False, compare=False)
    by_context: AlignmentByContext | None = None

    @property
    def verdict(self) -> str:
        """Which method is closest to people on which metrics, in words; a tie is called a tie."""
        figures = self.frame.groupby("figure", sort=False)
        is_one = len(set(self.frame["method"])) == 1
        closest = "" if is_one else f"Closest to people: {_ranking(figures)}. "
        off = is_off_floor(self.frame)
        near = self.frame[~off].groupby("method", sort=False)["figure"].agg(", ".join)
        told = [f"{method} on {names}" for method, names in near.items()]
        if not told:
            names = str(self.frame["method"].iloc[0]) if is_one else "All"
            differs = "differs" if is_one else "differ"
            return f"{closest}{names} clearly {differs} from other real responses on every metric."
        return f"{closest}Cannot be told from other real responses: {'; '.join(told)}."

    def differences(self, against: str, *, n_boot: int = 200, n_splits: int = 20) -> pd.DataFrame:
        """Return each method's metrics minus those of `against`, with intervals and verdicts.

        The differences are paired, see `alignment_table.differences`. This takes as long as the
        alignment did.

        Parameters
        ----------
        against : str
            The reference method.
        n_boot, n_splits : int
            Number of random halves for the intervals, and of splits for the values.

        Raises
        ------
        DataError
            If there is no such method, or no other one.
        """
        if self.sets is None:
            raise DataError(
                "This alignment has no vectors to compare.", hint="Make it again with align(...)."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            frames = [
                alignment_table.differences(
                    **sets, against=against, metrics=metrics, n_boot=n_boot, n_splits=n_splits
                )
                for metrics, sets in self._all_sets(self.sets)
            ]
        return _by_method(frames)

    def _all_sets(self, sets: Mapping[str, Any]) -> list[tuple[tuple[Metric, ...], dict[str, Any]]]:
        """Return the marginal and the joint metrics with the vectors of each."""
        joint = [
            ((metric,), {**sets, "target": sides.target, "simulated": sides.simulated})
            for metric, sides in self.joint_sets
        ]
        return [(METRICS, dict(sets)), *joint]

    @cached_property
    def chart(self) -> Chart:
        """Each method's metrics with their intervals, and the human floor as a line."""
        chart: Chart = view("plot", self)
        return chart

    def plot(self) -> Chart:
        """Return `chart`; see also `map`."""
        return self.chart

    @cached_property
    def map(self) -> Chart:
        """Real and simulated responses in two dimensions, coloured by persona."""
        chart: Chart = view("map", self)
        return chart

    @property
    def table(self) -> pd.DataFrame:
        """The metrics as text, one row per method, the human floor last."""
        return pd.concat([self._method_rows(), self._floor_row()])

    def _method_rows(self) -> pd.DataFrame:
        frame = self.frame.assign(
            text=[_cell(*row) for row in self.frame[["value", "low", "high"]].to_numpy()]
        )
        return self._wide(frame)

    def _floor_row(self) -> pd.DataFrame:
        first = self.frame[self.frame["method"] == self.frame["method"].iloc[0]]
        text = [_cell(*row) for row in first[["floor", "floor_low", "floor_high"]].to_numpy()]
        return self._wide(first.assign(text=text, method="two halves of the real"))

    def _wide(self, frame: pd.DataFrame) -> pd.DataFrame:
        order = list(dict.fromkeys(frame["method"]))
        wide = frame.pivot_table("text", "method", "figure", aggfunc="first").loc[order]
        arrows = {"lower": "↓", "higher": "↑"}
        better = dict(zip(self.frame["figure"], self.frame["better"], strict=True))
        wide = wide[list(better)].rename(columns=lambda name: f"{name} {arrows[better[name]]}")
        return wide.rename_axis(index=None, columns=None)

    def __repr__(self) -> str:
        notes = "".join(f"\n{note}" for note in self.notes)
        groups = "" if self.by_context is None else f"\n\n{self.by_context!r}"
        table = f"{self.table.to_string()}\n({self.n_per_side}; 95 % intervals)"
        return f"{self.verdict}\n{table}{notes}{groups}"

    @property
    def n_per_side(self) -> str:
        """The number of responses per side in words; the effective number where weights count."""
        n = int(self.frame["n"].iloc[0])
        sides = [self.sets["target"], *self.sets["simulated"].values()] if self.sets else []
        effective = "effective " if any(side.weights is not None for side in sides) else ""
        return f"{n} {effective}responses a side"


def _ranking(figures: Iterable[tuple[Any, pd.DataFrame]]) -> str:
    """Return the methods that are best on each metric; those whose intervals meet are tied."""
    winners: dict[str, list[str]] = {}
    for figure, rows in figures:
        lower = rows["better"].iloc[0] == "lower"
        best = rows.sort_values("value", ascending=lower, kind="stable").iloc[0]
        tied = rows[(rows["low"] <= best["high"]) & (rows["high"] >= best["low"])]["method"]
        names = listed(tied)
        winners.setdefault(f"{names} (a tie)" if len(tied) > 1 else names, []).append(str(figure))
    return "; ".join(f"{names} on {', '.join(of)}" for names, of in winners.items())


def align(
    target: Texts,
    simulations: Mapping[str, Texts],
    *,
    encoder: Encoder,
    by: str | Sequence[str] | None = None,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> Alignment:
    """Measure how close each simulation is to the real responses of `target`.

    Parameters
    ----------
    target : Population or sequence of str
        Held-out real responses; the survey weights of a population count. Twice as many as in
        each simulation are best, since the human floor compares two halves of them.
    simulations : mapping of str to Simulation, Population or sequence of str
        The responses of each method, by name.
    encoder : Encoder
        Encodes texts as unit vectors.
    by : str or sequence of str, optional
        Context columns: also compare within each subgroup that has 40 held-out records and 20
        responses of each simulation. Smaller ones are pooled. "context" is all columns. The joint
        metrics are then about these columns.
    random_state : int
        Seed of the random halves.
    on_step : callable, optional
        Called with (label, total) before each long step; returns a callback for each item.

    Returns
    -------
    Alignment
        FID, MAUVE and KL cosine of the responses; joint FID and fidelity of responses with their
        contexts (see `joint_alignment`), where these recur in the held-out records.

    Raises
    ------
    DataError
        For nothing to compare, too few responses, or a response that is not a string; with `by`,
        for an unknown column, one subgroup only, or too small ones.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> real = [f"sun {'rain ' * (i % 7)}{'wind ' * (i % 5)}" for i in range(400)]
    >>> encoder = ToyEncoder(["sun", "rain", "wind"])
    >>> alignment = align(real, {"bland": ["sun"] * 200}, encoder=encoder)
    >>> alignment.frame["figure"].tolist()
    ['FID', 'MAUVE', 'KL cosine']
    """
    if not simulations:
        raise DataError("There is no simulation to compare.", hint="Simulate first.")
    target = target.counted() if isinstance(target, Population) else target
    texts = {name: _texts(simulation) for name, simulation in simulations.items()}
    responses, weights = _texts(target), _weights(target)
    n = min(map(len, texts.values()))
    if weights is not None:
        n = round(n * len(weights) / effective_sample_size(weights))
    rows = sample_rows(len(responses), 2 * n, random_state=random_state)
    real = [responses[i] for i in rows]
    by_side = {None: None if weights is None else weights[rows]} | _all_weights(simulations)
    groups = None
    if by is not None:
        groups = Subgroups.of(target, rows, simulations, by=by, weights=by_side)
    contexts = Contexts.of(
        target, rows, simulations, by=groups.by if groups else None, weights=by_side
    )
    vectors, of_contexts = _encoded([real, *texts.values()], contexts.texts, encoder, on_step)
    sides = _sides(vectors, simulations, weights, rows)
    joint_sets = contexts.joined(sides, of_contexts)
    sets = {"target": sides.target, "simulated": sides.simulated, "random_state": random_state}
    frame = _measured(sets, joint_sets, on_step)
    found = None
    if groups is not None:
        found = align_by_context(sides, groups, random_state=random_state, on_step=on_step)
    points = _points(real, simulations, sets, int(frame["n"].iloc[0]))
    personas = _personas(simulations)
    return Alignment(frame, points, personas, sets, contexts.notes, joint_sets, found)


def _encoded(
    responses: Sequence[Sequence[str]],
    contexts: Sequence[Sequence[str]],
    encoder: Encoder,
    on_step: OnStep | None,
) -> tuple[list[Vectors], list[Vectors]]:
    """Encode groups of responses, and groups of contexts, each distinct one of a group once."""
    coded = [pd.factorize(np.array(group, dtype=object)) for group in contexts]
    groups = [*responses, *(list(distinct) for _, distinct in coded)]
    vectors = [group.astype(np.float64) for group in encode_groups(groups, encoder, on_step)]
    n = len(responses)
    return vectors[:n], [v[rows] for v, (rows, _) in zip(vectors[n:], coded, strict=True)]


def _sides(
    vectors: Sequence[Vectors],
    simulations: Mapping[str, Texts],
    weights: Vectors | None,
    rows: Indices,
) -> Sides:
    """Return the vectors of the real and the simulated responses with their weights."""
    methods = zip(simulations.items(), vectors[1:], strict=True)
    return Sides(
        _side(vectors[0], None if weights is None else weights[rows]),
        {name: _side(side, _weights(simulation)) for (name, simulation), side in methods},
    )


def _measured(
    sets: Mapping[str, Any],
    joint_sets: Sequence[tuple[Metric, Sides]],
    on_step: OnStep | None,
) -> pd.DataFrame:
    """Return the marginal and the joint metrics of each method."""
    n_metrics = len(sets["simulated"]) * (len(METRICS) + len(joint_sets))
    tick = on_step("metrics", 1 + n_metrics) if on_step else None
    n_done = 0

    def report(_done: int, _total: int) -> None:
        nonlocal n_done
        if tick:
            tick(n_done, None)
        n_done += 1

    frames = [alignment_table.align(**sets, on_result=report)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the sizes are those of the marginal metrics
        for metric, sides in joint_sets:
            vectors = {"target": sides.target, "simulated": sides.simulated}
            frames.append(alignment_table.align(**{**sets, **vectors}, metrics=(metric,)))
            for _ in sides.simulated:
                report(0, 0)
    return _by_method(frames)


def _by_method(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all frames, those of one method together."""
    frame = pd.concat(frames, ignore_index=True)
    order = {name: k for k, name in enumerate(dict.fromkeys(frame["method"]))}
    return frame.sort_values(
        "method", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )


def _weights(source: Texts) -> Vectors | None:
    """Return survey weights of a population or importance weights of a simulation, if any."""
    if isinstance(source, Simulation):
        return source.weights
    return source.weights if isinstance(source, Population) and source.weight else None


def _all_weights(simulations: Mapping[str, Texts]) -> dict[str | None, Vectors | None]:
    return {name: _weights(simulation) for name, simulation in simulations.items()}


def _side(vectors: Vectors, weights: Vectors | None) -> WeightedVectors:
    return WeightedVectors(vectors, None if weights is None or not np.ptp(weights) else weights)


def _texts(source: Texts) -> list[str]:
    texts = source.responses if isinstance(source, Population | Simulation) else list(source)
    if not all(isinstance(text, str) for text in texts):
        raise DataError(
            "Responses must be strings; some are missing or of another type.",
            hint="Drop them: [text for text in texts if isinstance(text, str)].",
        )
    return texts


def _points(
    real: Sequence[str], simulations: Mapping[str, Texts], sets: Mapping[str, Any], n: int
) -> pd.DataFrame:
    """Return the dots of the map; with weights, a sample in which each dot counts the same."""
    target = sets["target"].take(np.arange(min(len(real), rows_for(n, sets["target"]))))
    shown = shown_rows(target, random_state=sets["random_state"])
    sources = [_dots("real", None, [real[i] for i in shown])]
    vectors = [target.vectors[shown]]
    for name, simulation in simulations.items():
        side, responses = sets["simulated"][name], _texts(simulation)
        rows = shown_rows(side, random_state=sets["random_state"])
        personas = None
        if isinstance(simulation, Simulation):
            personas = simulation.frame[PERSONA].to_numpy()[rows]
        sources.append(_dots(name, personas, [responses[i] for i in rows]))
        vectors.append(side.vectors[rows])
    points = pd.concat([source.astype(object) for source in sources], ignore_index=True)
    x, y = project(target, np.concatenate(vectors))[len(target) :].T
    return points.assign(x=x, y=y)


def _dots(source: str, personas: object, responses: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({"source": source, PERSONA: personas, RESPONSE: list(responses)})


def _personas(simulations: Mapping[str, Texts]) -> tuple[str, ...]:
    """Return all persona names, in the order of the first simulation that has them."""
    known = [source.personas for source in simulations.values() if isinstance(source, Simulation)]
    return tuple(dict.fromkeys(name for names in known for name in names))


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
