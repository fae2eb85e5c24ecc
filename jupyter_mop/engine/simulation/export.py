"""Write a simulation as CSV, Parquet or JSON lines with a data card, and read it back."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.simulation.csv_cells import (
    Cell,
    escape_formula,
    from_cells,
    to_cells,
    unescape_formula,
)
from jupyter_mop.engine.simulation.data_card import DataCard, persona_shares, read_card
from jupyter_mop.errors import DataError, missing

if TYPE_CHECKING:
    from datasets import Dataset

    from jupyter_mop.engine.simulation.simulation import Simulation

Columns = Mapping[str, Sequence[Any]]
CARD_SUFFIXES = (".card.json", ".card.md")


class Contents(NamedTuple):
    """What a file and its data card hold: the arguments of a `Simulation`."""

    frame: pd.DataFrame
    exemplars: Sequence[Exemplar]
    provenance: Mapping[str, Any]


def write_simulation(
    simulation: Simulation, path: Path, *, figures: pd.DataFrame | None = None
) -> Path:
    """Write a simulation in the format of the file's suffix: .csv, .parquet or .jsonl.

    Raises
    ------
    DataError
        For another suffix, or a simulation that cannot be written.
    """
    write = {".csv": write_csv, ".parquet": write_parquet, ".jsonl": write_jsonl}.get(
        path.suffix.lower()
    )
    if write is None:
        raise DataError(
            f"Cannot write a simulation to a {path.suffix or 'file without a suffix'}.",
            hint="Name a .csv, .parquet or .jsonl file.",
        )
    return write(simulation, path, figures=figures)


def write_csv(
    simulation: Simulation, path: str | Path, *, figures: pd.DataFrame | None = None
) -> Path:
    """Write a simulation and its data card; see `Simulation.to_csv`."""
    return _write(simulation, path, _write_csv, figures)


def write_parquet(
    simulation: Simulation, path: str | Path, *, figures: pd.DataFrame | None = None
) -> Path:
    """Write a simulation and its data card; see `Simulation.to_parquet`."""
    return _write(simulation, path, _write_parquet, figures)


def write_jsonl(
    simulation: Simulation, path: str | Path, *, figures: pd.DataFrame | None = None
) -> Path:
    """Write a simulation and its data card; see `Simulation.to_jsonl`."""
    return _write(simulation, path, _write_jsonl, figures)


def read_csv(path: str | Path) -> Contents:
    """Read what `write_csv` wrote; see `Simulation.from_csv`."""
    return _read(path, _read_csv)


def read_parquet(path: str | Path) -> Contents:
    """Read what `write_parquet` wrote; see `Simulation.from_parquet`."""
    return _read(path, _read_parquet)


def read_jsonl(path: str | Path) -> Contents:
    """Read what `write_jsonl` wrote; see `Simulation.from_jsonl`."""
    return _read(path, _read_jsonl)


def make_dataset(simulation: Simulation) -> Dataset:
    """Return a simulation as a Hugging Face dataset; see `Simulation.to_datasets`."""
    try:
        from datasets import Dataset, DatasetInfo
    except ImportError:
        raise missing("datasets", "datasets") from None
    columns, card = _columns_and_card(simulation, None)
    description = card.markdown("of this dataset", len(simulation)).decode()
    info = DatasetInfo(description=description, license=card.licence)
    return Dataset.from_dict(dict(columns), info=info)


def cards_of(path: Path) -> list[Path]:
    """Return the paths of the data cards of a file: JSON for machines, Markdown for people."""
    return [path.with_name(path.name + suffix) for suffix in CARD_SUFFIXES]


def _columns_and_card(
    simulation: Simulation, figures: pd.DataFrame | None
) -> tuple[Columns, DataCard]:
    frame = simulation.frame
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise DataError("Two columns of the simulation have the same name.", hint="Rename one.")
    columns = {name: to_cells(frame.iloc[:, at]) for at, name in enumerate(names)}
    dtypes = [str(dtype) for dtype in frame.dtypes]
    card = DataCard(
        simulation.provenance,
        simulation.exemplars,
        dict(zip(names, dtypes, strict=True)),
        persona_shares(frame),
        () if figures is None else _records(figures),
    )
    return columns, card


def _write(
    simulation: Simulation,
    path: str | Path,
    write: Callable[[Path, Columns], None],
    figures: pd.DataFrame | None,
) -> Path:
    """Write file and cards under temporary names, and rename the file itself last."""
    path, n = Path(path), len(simulation)
    columns, card = _columns_and_card(simulation, figures)
    files = [*cards_of(path), path]
    parts = [file.with_name(f"{file.name}.part") for file in files]
    with writable(path, parts):
        write(parts[-1], columns)
        facts = {"name": path.name, "rows": n, "sha256": _digest(parts[-1])}
        parts[0].write_bytes(card.json(**facts))
        parts[1].write_bytes(card.markdown(path.name, n))
        for part, file in zip(parts, files, strict=True):
            part.replace(file)
    return path


def _read(path: str | Path, read: Callable[[Path], Columns]) -> Contents:
    path = Path(path)
    with _readable(path):
        card, facts = read_card(cards_of(path)[0].read_text(encoding="utf-8"))
        digest, expected = _digest(path), facts["sha256"]
    if digest != expected:
        raise DataError(
            f"{str(path)!r} was changed since it was written, so its card does not fit.",
            hint="Export it again, or read the rows alone with pandas.",
        )
    with _readable(path):
        cells = read(path)
        columns = [
            from_cells(cells.get(name, ()), name, dtype) for name, dtype in card.columns.items()
        ]
        frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(0))
    return Contents(frame, card.exemplars, card.provenance)


@contextmanager
def writable(path: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Remove temporary files in any case, and explain an error of the file system."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be written: {error.strerror or error}.",
            hint="Name a file in a folder that you can write to.",
        ) from error
    finally:
        for part in parts:
            with suppress(OSError):  # there is no such folder, or no such file
                part.unlink()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn any error of reading or parsing into one about the file."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(
            f"There is no readable simulation in {str(path)!r} with its card beside it.",
            hint=f"Keep {path.name}{CARD_SUFFIXES[0]} in the same folder as the file.",
        ) from error


def _records(figures: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame of metrics, with None for NaN."""
    known = figures.astype(object).where(figures.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in known.to_dict("records")]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_csv(path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)  # its \r\n makes it quote both of them in a text
        writer.writerow(map(escape_formula, columns))
        writer.writerows([_csv_cell(value) for value in row] for row in _rows(columns))


def _csv_cell(value: Cell) -> Cell:
    return escape_formula(value) if isinstance(value, str) else value


def _read_csv(path: Path) -> Columns:
    csv.field_size_limit(max(csv.field_size_limit(), path.stat().st_size))
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, strict=True)
    names = [unescape_formula(name) or "" for name in head]
    return {name: [unescape_formula(row[at]) for row in rows] for at, name in enumerate(names)}


def _write_jsonl(path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in _rows(columns):
            pairs = dict(zip(columns, row, strict=True))
            file.write(json.dumps(pairs, ensure_ascii=False, allow_nan=False) + "\n")


def _read_jsonl(path: Path) -> Columns:
    with path.open(encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file]
    names = rows[0] if rows else ()
    return {name: [row[name] for row in rows] for name in names}


def _write_parquet(path: Path, columns: Columns) -> None:
    with _needs_pyarrow():
        frame = pd.DataFrame({name: pd.Series(v, dtype=object) for name, v in columns.items()})
        frame.to_parquet(path, engine="pyarrow", index=False)


def _read_parquet(path: Path) -> Columns:
    with _needs_pyarrow():
        frame = pd.read_parquet(path, engine="pyarrow", dtype_backend="numpy_nullable")
    return {str(name): list(frame[name]) for name in frame}


@contextmanager
def _needs_pyarrow() -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise missing("pyarrow", "export") from None


def _rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Yield the rows, with infinite numbers as text, since JSON has none."""
    for row in zip(*columns.values(), strict=True):
        yield tuple(str(v) if isinstance(v, float) and math.isinf(v) else v for v in row)
