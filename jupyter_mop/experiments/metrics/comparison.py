"""Comparison of simulations with held-out records, by context too, and gains over rivals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.fidelity import FIDELITY
from jupyter_mop.experiments.metrics.measurements import badness

if TYPE_CHECKING:
    from jupyter_mop.backends.protocols import Encoder, OnVectors
    from jupyter_mop.engine.evaluation.alignment import Alignment

BY_CONTEXT = "FID by context"
WITH_EXCESS = ("FID", "joint FID", BY_CONTEXT)


@dataclass(frozen=True)
class OpeningEncoder:
    """An encoder of the compared part of each text, which `cut` returns."""

    cut: Callable[[str], str]
    encoder: Encoder

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self.encoder.fingerprint

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return the vectors of the compared part of each text, shape `(n, d)`."""
        return self.encoder.encode([self.cut(text) for text in texts], on_result=on_result)


def with_contexts(found: Alignment) -> pd.DataFrame:
    """Return the metrics of each method, and the size-weighted mean of FID over contexts."""
    if found.by_context is None:
        return found.frame
    summary = found.by_context.summary
    rows = summary[summary["figure"] == "FID"].assign(figure=BY_CONTEXT)
    columns = [name for name in found.frame if name in rows]
    return pd.concat([found.frame, rows[columns]], ignore_index=True)


def gains(found: Alignment, method: str, rivals: Sequence[str]) -> pd.DataFrame:
    """Return the difference of a method from the best rival on each metric, in percent.

    FID is compared by its excess over the human floor. Differences are paired, but for FID by
    context, whose interval treats the two methods as independent.
    """
    frame = with_contexts(found)
    paired: dict[str, pd.DataFrame] = {}
    rows: list[dict[str, Any]] = []
    for figure, part in frame.groupby("figure", sort=False):
        known = {row["method"]: row for row in part.to_dict("records")}
        best = min((known[name] for name in rivals), key=badness)
        rival = str(best["method"])
        if figure == BY_CONTEXT:
            ends = _independent(known[method], best)
        else:
            if rival not in paired:
                paired[rival] = found.differences(rival)
            ends = _paired(paired[rival], method, str(figure))
        base = best["value"] - (best["floor"] if figure in WITH_EXCESS else 0.0)
        rows.append(_gain(method, rival, str(figure), ends, base))
    return pd.DataFrame(rows)


def share_of_way(found: Alignment, method: str, start: str) -> str:
    """Return which share of the way from `start` to people a method's fidelity goes."""
    rows = found.frame[found.frame["figure"] == FIDELITY.name].to_dict("records")
    known = {row["method"]: row for row in rows}
    first, last = float(known[start]["value"]), float(known[method]["value"])
    floor = float(known[method]["floor"])
    return (
        f"Fidelity of {method} {last:.3f}, {start} {first:.3f}, people {floor:.3f}: "
        f"{(last - first) / (floor - first):.0%} of the way."
    )


def _gain(
    method: str, rival: str, figure: str, ends: Mapping[str, float], base: float
) -> dict[str, Any]:
    excess = " excess over the human floor" if figure in WITH_EXCESS else ""
    percent = {part: 100 * ends[part] / base for part in ("difference", "low", "high")}
    verdict = _verdict(ends["low"], ends["high"], is_lower_better=_is_lower_better(figure))
    named = {"method": method, "against": rival, "figure": f"{figure}{excess}"}
    return {**named, **percent, "verdict": verdict}


def _paired(differences: pd.DataFrame, method: str, figure: str) -> dict[str, float]:
    is_row = (differences["method"] == method) & (differences["figure"] == figure)
    row = differences[is_row].iloc[0]
    return {part: float(row[part]) for part in ("difference", "low", "high")}


def _independent(mine: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[str, float]:
    """Return the difference of two values with the interval of independent ones (MOVER)."""
    value = mine["value"] - other["value"]
    below = np.hypot(mine["value"] - mine["low"], other["high"] - other["value"])
    above = np.hypot(mine["high"] - mine["value"], other["value"] - other["low"])
    return {"difference": value, "low": value - below, "high": value + above}


def _verdict(low: float, high: float, *, is_lower_better: bool) -> str:
    if low <= 0 <= high:
        return "no clear difference"
    return "better" if (high < 0) == is_lower_better else "worse"


def _is_lower_better(figure: str) -> bool:
    return figure not in ("MAUVE", FIDELITY.name)
