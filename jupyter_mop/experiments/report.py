"""Results as aligned text, CSV, JSON and pictures, each with what it was made by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mop.errors import DataError

if TYPE_CHECKING:
    from jupyter_mop.charts.style.theme import AnyChart


@dataclass(frozen=True)
class Result:
    """What one experiment found of one population.

    Attributes
    ----------
    name, data : str
        The experiment and the population.
    frame : pandas.DataFrame
        method, figure, value, low, high, floor, floor_low, floor_high, n and better.
    floor_name : str
        What the row of the floor is called.
    notes : sequence of str
        Lines below the table.
    gains : pandas.DataFrame or None
        Differences in per cent from the best baseline; see `Figures.gains`.
    chart : altair chart or None
    provenance : mapping
    """

    name: str
    data: str
    frame: pd.DataFrame
    floor_name: str
    notes: Sequence[str] = ()
    gains: pd.DataFrame | None = None
    chart: AnyChart | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """Return the tables and notes as plain aligned text."""
        parts = [f"{self.name}, {self.data}", table(self.frame, self.floor_name)]
        if self.gains is not None:
            parts.append(gains_table(self.gains))
        return "\n\n".join([*parts, "\n".join(self.notes)]) + "\n"

    def table(self) -> pd.DataFrame:
        """Return one row per method, "value [low, high]" of each figure, the floor last."""
        return wide(self.frame, self.floor_name)

    def save(self, out: Path) -> list[Path]:
        """Write CSV, JSON, text and PNG to the folder `out`; return the files."""
        stem = f"{self.name}_{self.data}"
        files = [out / f"{stem}.csv", out / f"{stem}.json", out / f"{stem}.txt"]
        self.frame.to_csv(files[0], index=False)
        facts = {
            "name": self.name,
            "data": self.data,
            "floor_name": self.floor_name,
            "provenance": dict(self.provenance),
            "notes": list(self.notes),
            "rows": self.frame.to_dict("records"),
            "gains": [] if self.gains is None else self.gains.to_dict("records"),
        }
        files[1].write_text(json.dumps(facts, indent=1, default=str), encoding="utf-8")
        files[2].write_text(self.text(), encoding="utf-8")
        if self.chart is not None:
            from jupyter_mop.charts.style.png import png

            files.append(out / f"{stem}.png")
            files[-1].write_bytes(png(self.chart))
        return files


def read_result(file: Path) -> Result:
    """Return the result that `Result.save` wrote to a JSON file; the chart is not kept.

    Raises
    ------
    DataError
        If the file is no such result.
    """
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        parts = {part: facts[part] for part in ("name", "data", "floor_name", "notes")}
        frame, gains = pd.DataFrame(facts["rows"]), pd.DataFrame(facts["gains"])
        made_by = dict(facts["provenance"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"The file {file} holds no result of an experiment.",
            hint="Give the JSON file that python -m jupyter_mop.experiments NAME saved.",
        ) from error
    kept = None if gains.empty else gains
    return Result(**parts, frame=frame, gains=kept, provenance=made_by)


def wide(frame: pd.DataFrame, floor_name: str) -> pd.DataFrame:
    """Return one row per method, "value [low, high]" of each figure, the floor last."""
    rows: dict[str, dict[str, str]] = {}
    for row in frame.to_dict("records"):
        column = f"{row['figure']} {'↓' if row['better'] == 'lower' else '↑'}"
        rows.setdefault(row["method"], {})[column] = _cell(row["value"], row["low"], row["high"])
    first = frame[frame["method"] == frame["method"].iloc[0]].to_dict("records")
    made = pd.DataFrame(rows).T
    made.loc[floor_name] = [
        _cell(row["floor"], row["floor_low"], row["floor_high"]) for row in first
    ]
    return made


def table(frame: pd.DataFrame, floor_name: str) -> str:
    r"""Return one row per method, "value [low, high]" of each figure, the floor last.

    Examples
    --------
    >>> row = dict(method="plain", figure="F1", value=0.5, low=0.4, high=0.6, better="higher")
    >>> row |= dict(floor=0.9, floor_low=0.85, floor_high=0.95)
    >>> print(table(pd.DataFrame([row]), "real records"))
                                  F1 ↑
    plain         0.500 [0.400, 0.600]
    real records  0.900 [0.850, 0.950]
    """
    return wide(frame, floor_name).to_string()


def gains_table(gains: pd.DataFrame) -> str:
    """Return each difference in per cent on a line of its own."""
    lines = [
        f"{row.method} against the best baseline, {row.against}: {row.figure} "
        f"{row.difference:+.0f} % [{row.low:+.0f}, {row.high:+.0f}], {row.verdict}"
        for row in gains.itertuples()
    ]
    return "\n".join(lines)


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
