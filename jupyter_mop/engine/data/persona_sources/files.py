"""Files of personas, by their suffix."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pandas as pd

from jupyter_mop.engine.data.persona_sources.json_text import read_json
from jupyter_mop.engine.data.persona_sources.lines import read_text
from jupyter_mop.engine.data.persona_sources.yaml_text import read_yaml
from jupyter_mop.errors import DataError

SEPARATORS = (",", ";", "\t")
_TABLES = (".csv", ".tsv", ".tab")
_FRAMES = {
    ".xlsx": "read_excel",
    ".xls": "read_excel",
    ".ods": "read_excel",
    ".parquet": "read_parquet",
    ".feather": "read_feather",
    ".sav": "read_spss",
    ".dta": "read_stata",
}
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst")


def read_file(path: Path) -> object:
    """Return the personas in a file, as a data frame or as `read_text` does.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be read.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"There is no personas file {str(path)!r}.", hint="Check the path.")
    if suffix in _FRAMES:
        raise _unreadable(path, f"pass the data frame pd.{_FRAMES[suffix]}({str(path)!r})")
    if suffix in _PACKED:
        raise _unreadable(path, "unpack it first")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, "save it as UTF-8 text, YAML, JSON or CSV", str(error)) from error
    if suffix in _TABLES:
        return _table(path, text)
    if suffix in (".json", ".jsonl", ".ndjson"):
        return read_json(text)
    return read_yaml(text) if suffix in (".yaml", ".yml") else read_text(text)


def _unreadable(path: Path, remedy: str, reason: str = "") -> DataError:
    because = f": {reason}" if reason else f", a {path.suffix} file"
    return DataError(
        f"Cannot read the personas file {str(path)!r}{because}.",
        hint=f"{remedy[0].upper()}{remedy[1:]}.",
    )


def _table(path: Path, text: str) -> pd.DataFrame:
    """Return a table of texts; the most frequent separator of its header separates its cells."""
    header = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    try:
        rows = [row for row in csv.reader(StringIO(text, newline=""), delimiter=separator,
                                          strict=True) if any(map(str.strip, row))]  # fmt: skip
    except csv.Error as error:
        raise _unreadable(path, "check its quotes", str(error)) from error
    if not rows:
        raise _unreadable(path, "write a header and one row per persona", "it is empty")
    columns = [name.strip() for name in rows[0]]
    for row in rows[1:]:
        if len(row) > len(columns):
            raise _unreadable(
                path,
                f"put texts that contain {separator!r} in quotes",
                f"a row has {len(row)} cells, but the header has {len(columns)}: {row}",
            )
    cells = [[*row, *[""] * (len(columns) - len(row))] for row in rows[1:]]
    if separator == ";":  # as spreadsheets write where the decimal mark is a comma
        cells = [
            [cell.replace(",", ".") if name.casefold() == "weight" else cell
             for name, cell in zip(columns, row, strict=True)] for row in cells
        ]  # fmt: skip
    return pd.DataFrame(cells, columns=columns)
