"""Results as aligned text, CSV, JSON and pictures, with their provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mop.charts.style.png import png
from jupyter_mop.errors import DataError

if TYPE_CHECKING:
    from jupyter_mop.charts.style.theme import AnyChart


@dataclass(frozen=True)
class Result:
    """The result of one experiment on one population.

    Attributes
    ----------
    name : str
        The experiment.
    data : str
        The population.
    frame : pandas.DataFrame
        Columns `method`, `figure` (the metric), `value`, `low`, `high`, `floor`, `floor_low`,
        `floor_high`, `n` and `better`.
    floor_name : str
        Name of the floor's row.
    notes : sequence of str
        Lines below the table.
    gains : pandas.DataFrame or None
        Differences from the best baseline in percent; see `Metrics.gains`.
    chart : altair chart or None
    provenance : mapping
        Command, models, versions, hardware, seed and date.
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
        """Return one row per method with "value [low, high]" of each metric, the floor last."""
        return wide(self.frame, self.floor_name)

    def save(self, out: Path) -> list[Path]:
        """Write CSV, JSON, text and PNG files to the folder `out` and return their paths."""
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
            files.append(out / f"{stem}.png")
            files[-1].write_bytes(png(self.chart))
        return files


def read_result(file: Path) -> Result:
    """Read a result from the JSON file that `Result.save` wrote, without its chart.

    Raises
    ------
    DataError
        If the file is not a saved result.
    """
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        parts = {part: facts[part] for part in ("name", "data", "floor_name", "notes")}
        frame, gains = pd.DataFrame(facts["rows"]), pd.DataFrame(facts["gains"])
        provenance = dict(facts["provenance"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"The file {file} is not the result of an experiment.",
            hint="Pass a JSON file that python -m jupyter_mop.experiments NAME saved.",
        ) from error
    known_gains = None if gains.empty else gains
    return Result(**parts, frame=frame, gains=known_gains, provenance=provenance)


def wide(frame: pd.DataFrame, floor_name: str) -> pd.DataFrame:
    """Return one row per method with "value [low, high]" of each metric, the floor last."""
    rows: dict[str, dict[str, str]] = {}
    for row in frame.to_dict("records"):
        column = f"{row['figure']} {'↓' if row['better'] == 'lower' else '↑'}"
        rows.setdefault(row["method"], {})[column] = _cell(row["value"], row["low"], row["high"])
    first = frame[frame["method"] == frame["method"].iloc[0]].to_dict("records")
    by_method = pd.DataFrame(rows).T
    by_method.loc[floor_name] = [
        _cell(row["floor"], row["floor_low"], row["floor_high"]) for row in first
    ]
    return by_method


def table(frame: pd.DataFrame, floor_name: str) -> str:
    r"""Return `wide` as aligned text.

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
    """Return the differences in percent, one per line."""
    lines = [
        f"{row.method} against the best baseline, {row.against}: {row.figure} "
        f"{row.difference:+.0f} % [{row.low:+.0f}, {row.high:+.0f}], {row.verdict}"
        for row in gains.itertuples()
    ]
    return "\n".join(lines)


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
