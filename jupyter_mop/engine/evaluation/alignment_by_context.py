"""Alignment by context: metrics within each subgroup, their size-weighted mean, the worst group.

Within a subgroup, real and simulated responses are compared as in `metrics.alignment_table`, with
interval and human floor at the subgroup's own size. The mean over subgroups is weighted by their
shares of the people. Subgroups are independent samples, so that the squared distances of its ends
from the mean are the weighted sums of those of the subgroups (MOVER; Zou and Donner 2008,
Statistics in Medicine 27).

Fidelity of a subgroup is the share of its responses that one classifier, trained on the people of
all subgroups, recognises as its own. Its mean has an interval of its own, since all subgroups share
the classifier.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import OnStep
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.diversity import BETWEEN, DISPERSION
from jupyter_mop.engine.metrics import alignment_table
from jupyter_mop.engine.metrics.fidelity import FIDELITY, weighted_fidelity, with_codes
from jupyter_mop.engine.metrics.split_half import METRICS
from jupyter_mop.engine.metrics.vectors import Indices, Vectors, checked_weights
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.context_codes import (
    ContextCodes,
    checked_columns,
    labels_by,
    without_contexts,
)
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

GROUP_METRICS = (*METRICS, DISPERSION)
MIN_REAL = 2 * alignment_table.MIN_PER_SIDE
MIN_SIMULATED = alignment_table.MIN_PER_SIDE
MEAN = "mean over groups"
MAX_NAMED = 4  # subgroups in a sentence
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class AlignmentByContext(Viewed):
    """Metrics of each method within each subgroup, and their means.

    Attributes
    ----------
    by : tuple of str
        The context columns.
    frame : pandas.DataFrame
        One row per method, subgroup and metric: `method`, `group`, `share` (of the people),
        `figure` (the metric), `value`, `low`, `high`, `floor`, `floor_low`, `floor_high`, `n`,
        `better`, `ess`; see `alignment_table.align`.
    summary : pandas.DataFrame
        One row per method and metric, with the columns of the value and the floor, and `worst`: the
        subgroup that is farthest on the wrong side of its floor. All are means over the subgroups
        but the last one, the dispersion ratio between them, which has no worst subgroup.
    notes : tuple of str
        Subgroups that are pooled or left out, one sentence each.
    """

    by: tuple[str, ...]
    frame: pd.DataFrame
    summary: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The summary as text, one row per method and metric."""
        text = [
            [_cell(*row[:3]), _cell(*row[3:])]
            for row in self.summary[
                ["value", "low", "high", "floor", "floor_low", "floor_high"]
            ].to_numpy()
        ]
        found = pd.DataFrame(text, columns=["value", "human floor"])
        heads = self.summary[["method", "figure", "worst"]].rename(columns={"figure": "metric"})
        return pd.concat([heads[["method", "metric"]], found, heads[["worst"]]], axis=1)

    @property
    def cells(self) -> pd.DataFrame:
        """The cells of a heat map: rows of subgroups and of their means, with the column `level`.

        It is 0 for values within chance of their floor, or on its right side, and 1 for the one
        farthest on its wrong side, for each metric.
        """
        means = self.summary[self.summary["worst"] != ""].assign(group=MEAN)
        frame = pd.concat([self.frame, means], ignore_index=True)
        gap = excess(frame).where(is_off_floor(frame), 0.0)
        largest = gap.groupby(frame["figure"]).transform("max")
        return frame.assign(level=gap / largest.where(largest > 0, 1.0))

    def verdict(self, method: str) -> str:
        """Return in which subgroups a method clearly differs from people, the worst first."""
        frame = self.frame[self.frame["method"] == method]
        off = frame[is_off_floor(frame)]
        n, columns = frame["group"].nunique(), ", ".join(self.by)
        if off.empty:
            return f"By {columns}, no subgroup of {n} clearly differs from people."
        n_metrics = frame["figure"].nunique()
        figures = off.groupby("group", sort=False)["figure"].agg(
            lambda names: ", ".join(names) if len(names) < n_metrics else "every metric"
        )
        worst = off["group"].value_counts(sort=True).index
        named = [f"{group} ({figures[group]})" for group in worst[:MAX_NAMED]]
        more = [f"and {len(worst) - MAX_NAMED} more"] if len(worst) > MAX_NAMED else []
        return (
            f"By {columns}, {len(worst)} of {n} subgroups clearly differ from people: "
            f"{'; '.join([*named, *more])}."
        )

    def __repr__(self) -> str:
        verdicts = [f"{name}: {self.verdict(name)}" for name in dict.fromkeys(self.frame["method"])]
        return "\n".join([*verdicts, self.table.to_string(index=False), *self.notes])


def excess(frame: pd.DataFrame) -> pd.Series[float]:
    """Return how far each value is on the wrong side of its human floor; below 0: the right side.

    Ratios that are best near 1 count as the smaller one of r and 1 / r, so that 2 is as bad as 0.5.

    Examples
    --------
    >>> rows = {"value": [0.5, 0.5, 0.5], "floor": [0.2, 0.9, 1.0]}
    >>> excess(pd.DataFrame({**rows, "better": ["lower", "higher", "near 1"]})).round(3).tolist()
    [0.3, 0.4, 0.5]
    """
    value, floor = frame["value"], frame["floor"]
    of_ratios = np.minimum(floor, 1 / floor) - np.minimum(value, 1 / value.clip(lower=TINY))
    lower = (value - floor).where(frame["better"] == "lower", floor - value)
    return lower.where(frame["better"] != "near 1", of_ratios)


def is_off_floor(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return which intervals do not overlap the band of their floor, on the wrong side."""
    apart = (frame["low"] > frame["floor_high"]) | (frame["high"] < frame["floor_low"])
    return apart & (excess(frame) > 0)


@dataclass(frozen=True, eq=False)
class Subgroups:
    """The subgroups by some context columns, and the subgroup of each response.

    Attributes
    ----------
    by : tuple of str
        The context columns.
    codes : ContextCodes
        Small subgroups are pooled.
    """

    by: tuple[str, ...]
    codes: ContextCodes

    @classmethod
    def of(
        cls,
        target: object,
        rows: Indices,
        simulations: Mapping[str, object],
        *,
        by: str | Sequence[str],
        weights: Mapping[str | None, Vectors | None] | None = None,
    ) -> Subgroups:
        """Read the subgroups of the real responses at `rows` and of each simulation.

        Parameters
        ----------
        target, rows, simulations, weights
            As for `Contexts.of`.
        by : str or sequence of str
            Context columns; "context" is all of them.

        Raises
        ------
        DataError
            If responses have no contexts, for an unknown column, or if all responses are of one
            subgroup or all subgroups are too small.
        """
        bare = without_contexts(target, simulations)
        if bare or not isinstance(target, Population):
            raise DataError(
                f"Cannot compare by {by!r}: {', '.join(bare)} have no contexts.",
                hint="Pass a Population and simulations.",
            )
        columns = checked_columns(target.context, by)
        labels = {
            name: labels_by(source, target.context, columns)
            for name, source in simulations.items()
            if isinstance(source, Population | Simulation)
        }
        real = labels_by(target, target.context, columns)
        codes = ContextCodes.of(
            [real[i] for i in rows],
            labels,
            weights=weights,
            min_real=MIN_REAL,
            min_simulated=MIN_SIMULATED,
        )
        _check_groups(codes, ", ".join(columns))
        return cls(tuple(columns), codes)


def align_by_context(
    responses: Sides,
    groups: Subgroups,
    *,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> AlignmentByContext:
    """Compare each method with the people of each subgroup.

    Parameters
    ----------
    responses : Sides
        Vectors of the real responses and of each method, with weights if there are any.
    groups : Subgroups
        The subgroup of each response.
    random_state : int
        Seed of the random halves.
    on_step : callable, optional
        Called with (label, number of subgroups); returns a callback for each subgroup.

    Returns
    -------
    AlignmentByContext

    Examples
    --------
    >>> from jupyter_mop.engine.metrics.vectors import WeightedVectors
    >>> rng = np.random.default_rng(0)
    >>> labels = ["old", "young"] * 60
    >>> codes = ContextCodes.of(labels, {"good": labels[:60]}, min_real=40, min_simulated=20)
    >>> simulated = {"good": WeightedVectors(rng.normal(size=(60, 2)))}
    >>> sides = Sides(WeightedVectors(rng.normal(size=(120, 2))), simulated)
    >>> found = align_by_context(sides, Subgroups(("age",), codes))
    >>> found.frame["group"].unique().tolist()
    ['old', 'young']
    """
    codes = groups.codes
    tick = on_step("metrics by context", len(codes.names)) if on_step else None
    shares = group_shares(responses, codes)
    frames: list[pd.DataFrame] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the notes give the sizes
        fidelity = _fidelity(responses, codes, shares, random_state)
        for g, name in enumerate(codes.names):
            rows = _group_rows(responses, codes, g, random_state)
            own = fidelity[fidelity["group"] == name].assign(n=rows["n"].iloc[0])
            frames.append(pd.concat([rows, own]).assign(group=name, share=shares[g]))
            if tick:
                tick(g, None)
        means = [fidelity[fidelity["group"] == MEAN], _dispersion(responses, codes, random_state)]
    columns = ["method", "group", "share"]
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[columns + [name for name in frame if name not in columns]]
    summary = _summary(frame, pd.concat(means), list(responses.simulated))
    return AlignmentByContext(groups.by, frame, summary, _notes(codes, frame, groups.by))


def _check_groups(codes: ContextCodes, named: str) -> None:
    """Raise a DataError unless there are two subgroups to compare."""
    if codes.n_own == 1 and not codes.pooled:
        raise DataError(
            f"All held-out records have the same {named}: {codes.names[0][:60]!r}.",
            hint="Leave `by` (--by) out, or use other columns.",
        )
    if codes.n_own and len(codes.names) > 1:
        return
    n, names = len(codes.pooled), ", ".join(repr(name[:40]) for name in codes.pooled[:3])
    enough = f"only {codes.names[0][:60]!r} has" if codes.n_own else "none has"
    raise DataError(
        f"The groups by {named} are too small: of {n + codes.n_own}, such as {names}, {enough} "
        f"{MIN_REAL} held-out records and {MIN_SIMULATED} responses of each simulation.",
        hint="Use a column with fewer values, hold out more records or simulate more responses.",
    )


def group_shares(responses: Sides, codes: ContextCodes) -> Vectors:
    """Return the weighted share of the people in each subgroup, shape (G,); they sum to 1."""
    weights = checked_weights(responses.target.weights, len(responses.target))
    used = codes.target >= 0
    mass = np.bincount(codes.target[used], weights[used], len(codes.names))
    return np.asarray(mass / mass.sum())


def _group_rows(
    responses: Sides, codes: ContextCodes, group: int, random_state: int
) -> pd.DataFrame:
    sides = {
        name: side.take(np.flatnonzero(codes.simulated[name] == group))
        for name, side in responses.simulated.items()
    }
    target = responses.target.take(np.flatnonzero(codes.target == group))
    return alignment_table.align(target, sides, metrics=GROUP_METRICS, random_state=random_state)


def _fidelity(
    responses: Sides, codes: ContextCodes, shares: Vectors, random_state: int
) -> pd.DataFrame:
    """Return fidelity in each subgroup, and its mean weighted by the subgroups' shares."""
    coded = Contexts(codes).coded(responses)
    parts = {**dict(zip(codes.names, np.eye(len(shares)), strict=True)), MEAN: shares}
    metrics = [weighted_fidelity(name, weights) for name, weights in parts.items()]
    found = alignment_table.align(
        coded.target, coded.simulated, metrics=metrics, random_state=random_state
    )
    return found.assign(group=found["figure"], figure=FIDELITY.name)


def _dispersion(responses: Sides, codes: ContextCodes, random_state: int) -> pd.DataFrame:
    """Return the dispersion ratio between the subgroups."""
    of_sides = [codes.target, *codes.simulated.values()]
    pairs = zip(responses.all, of_sides, strict=True)
    coded = responses.with_vectors([with_codes(side.vectors, own) for side, own in pairs])
    return alignment_table.align(
        coded.target, coded.simulated, metrics=(BETWEEN,), random_state=random_state
    )


def _summary(frame: pd.DataFrame, means: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """Return the means over subgroups; `means` are those that follow from no subgroup's value."""
    rows: list[dict[str, object]] = []
    for method in methods:
        own = frame[frame["method"] == method]
        for metric in GROUP_METRICS:
            of_groups = own[own["figure"] == metric.name]
            rows.append({"method": method, "figure": metric.name, **_mean(of_groups)})
        found = means[means["method"] == method].drop(columns=["ess", "group"])
        is_fidelity = found["figure"] == FIDELITY.name
        worst = _worst(own[own["figure"] == FIDELITY.name])
        rows += found.assign(worst=np.where(is_fidelity, worst, "")).to_dict("records")  # type: ignore[arg-type]
    return pd.DataFrame(rows)


def _mean(groups: pd.DataFrame) -> dict[str, object]:
    """Return the size-weighted mean of one metric with its interval, floor and worst subgroup."""
    shares = groups["share"].to_numpy()
    found: dict[str, object] = {}
    for name, low, high in (("value", "low", "high"), ("floor", "floor_low", "floor_high")):
        values = groups[name].to_numpy()
        mean = float(shares @ values)
        below, above = (
            float(np.sqrt(np.sum((shares * (groups[end].to_numpy() - values)) ** 2)))
            for end in (low, high)
        )
        found |= {name: mean, low: mean - below, high: mean + above}
    return {
        **found,
        "n": int(groups["n"].sum()),
        "better": groups["better"].iloc[0],
        "worst": _worst(groups),
    }


def _worst(groups: pd.DataFrame) -> str:
    """Return the subgroup that is farthest on the wrong side of its floor."""
    return str(groups["group"].iloc[int(excess(groups).to_numpy().argmax())])


def _notes(codes: ContextCodes, frame: pd.DataFrame, by: tuple[str, ...]) -> tuple[str, ...]:
    sizes = frame.drop_duplicates("group")["n"]
    of_sizes = f"{len(sizes)} groups with {sizes.min():,} to {sizes.max():,} responses a side"
    notes = [f"{of_sizes}; means are weighted by the groups' shares of the people."]
    if codes.pooled:
        names = ", ".join(repr(name[:40]) for name in codes.pooled[:3])
        such = names if len(codes.pooled) <= 3 else f"such as {names}"  # noqa: PLR2004
        done = "left out" if codes.left_out else f"pooled as {codes.names[-1]!r}"
        notes.append(
            f"Groups by {', '.join(by)} with fewer than {MIN_REAL} held-out records or "
            f"{MIN_SIMULATED} simulated responses are {done}: {such}."
        )
    return tuple(notes)


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
