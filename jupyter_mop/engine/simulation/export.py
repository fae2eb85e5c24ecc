"""A simulation as files: CSV, Parquet or JSON lines, each with a data card beside it."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.simulation.csv_cells import Cell, cells, column, guarded, unguarded
from jupyter_mop.engine.simulation.data_card import LICENCE, Card, persona_shares, read_card
from jupyter_mop.errors import DataError, missing

if TYPE_CHECKING:
    from datasets import Dataset

Columns = Mapping[str, Sequence[Any]]
CARDS = (".card.json", ".card.md")


class Exported:
    """What a simulation can be written to, and read back from, with all its provenance."""

    frame: pd.DataFrame
    exemplars: Sequence[Exemplar]
    provenance: Mapping[str, Any]

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a frame of one's own, to change at will."""
        return self.frame.copy()

    def to_csv(self, path: str | Path, *, figures: pd.DataFrame | None = None) -> Path:
        """Write the rows as CSV, with a data card beside it; `from_csv` reads them back.

        An apostrophe is put before text that a spreadsheet would run as a formula.

        Parameters
        ----------
        path : str or path
            The file, replaced if it is there. The card is in `path`.card.md and .card.json: the
            personas, weights, model, seeds, prompt template and exemplars.
        figures : DataFrame, optional
            What was measured of it, for the card, such as the frame of an alignment.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        DataError
            For text that no file can hold, and where the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from jupyter_mop.engine.simulation.simulation import Simulation
        >>> made = Simulation(pd.DataFrame({"response": ["=1+1", "fine"]}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = made.to_csv(f"{folder}/made.csv")
        ...     print(path.read_text())
        ...     Simulation.from_csv(path).responses
        response
        '=1+1
        fine
        <BLANKLINE>
        ['=1+1', 'fine']
        """
        return self._write(path, _write_csv, figures)

    def to_parquet(self, path: str | Path, *, figures: pd.DataFrame | None = None) -> Path:
        """Write the rows as Parquet, as `to_csv` does; needs the extra `export`."""
        return self._write(path, _write_parquet, figures)

    def to_jsonl(self, path: str | Path, *, figures: pd.DataFrame | None = None) -> Path:
        """Write the rows as JSON lines, as `to_csv` does."""
        return self._write(path, _write_jsonl, figures)

    def to_datasets(self) -> Dataset:
        """Return the rows as a Hugging Face dataset, with the data card as its description.

        Raises
        ------
        MissingPackageError
            Where the package `datasets` is not installed.
        """
        try:
            from datasets import Dataset, DatasetInfo
        except ImportError:
            raise missing("datasets", "datasets") from None
        rows, card = self._parts(None)
        described = card.markdown("of this dataset", len(self.frame)).decode()
        info = DatasetInfo(description=described, license=LICENCE)
        return Dataset.from_dict(dict(rows), info=info)

    @classmethod
    def from_csv(cls, path: str | Path) -> Self:
        """Read what `to_csv` wrote, with the card beside it.

        Raises
        ------
        DataError
            Where the file or its card is missing, or the file was changed since.
        """
        return cls._read(path, _read_csv)

    @classmethod
    def from_parquet(cls, path: str | Path) -> Self:
        """Read what `to_parquet` wrote, as `from_csv` does."""
        return cls._read(path, _read_parquet)

    @classmethod
    def from_jsonl(cls, path: str | Path) -> Self:
        """Read what `to_jsonl` wrote, as `from_csv` does."""
        return cls._read(path, _read_jsonl)

    def _parts(self, figures: pd.DataFrame | None) -> tuple[Columns, Card]:
        """Return the columns as cells, and the card."""
        names = [str(name) for name in self.frame.columns]
        if len(set(names)) < len(names):
            raise DataError("Two columns of the simulation have one name.", hint="Rename one.")
        rows = {name: cells(self.frame.iloc[:, at]) for at, name in enumerate(names)}
        kinds = [str(kind) for kind in self.frame.dtypes]
        card = Card(
            self.provenance,
            self.exemplars,
            dict(zip(names, kinds, strict=True)),
            persona_shares(self.frame),
            () if figures is None else _records(figures),
        )
        return rows, card

    def _write(
        self, path: str | Path, write: Callable[[Path, Columns], None], figures: pd.DataFrame | None
    ) -> Path:
        """Write file and cards under other names first; the file itself takes its name last."""
        path, n = Path(path), len(self.frame)
        rows, card = self._parts(figures)
        files = [*cards_of(path), path]
        parts = [file.with_name(f"{file.name}.part") for file in files]
        with _written(path, parts):
            write(parts[-1], rows)
            facts = {"name": path.name, "rows": n, "sha256": _digest(parts[-1])}
            parts[0].write_bytes(card.json(**facts))
            parts[1].write_bytes(card.markdown(path.name, n))
            for part, file in zip(parts, files, strict=True):
                part.replace(file)
        return path

    @classmethod
    def _read(cls, path: str | Path, read: Callable[[Path], Columns]) -> Self:
        path = Path(path)
        with _readable(path):
            card, facts = read_card(cards_of(path)[0].read_text(encoding="utf-8"))
            digest, expected = _digest(path), facts["sha256"]
        if digest != expected:
            raise DataError(
                f"{str(path)!r} was changed since it was written: its card is of another content.",
                hint="Write it anew, or read the rows alone with pandas.",
            )
        with _readable(path):
            rows = read(path)
            columns = [
                column(rows.get(name, ()), name, kind) for name, kind in card.columns.items()
            ]
            frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(0))
        kind: Any = cls  # the simulation that this is a part of
        made: Self = kind(frame, card.exemplars, card.provenance)
        return made


def write_simulation(
    simulation: Exported, path: Path, *, figures: pd.DataFrame | None = None
) -> Path:
    """Write a simulation in the format of the file's ending: .csv, .parquet or .jsonl."""
    write = {
        ".csv": simulation.to_csv,
        ".parquet": simulation.to_parquet,
        ".jsonl": simulation.to_jsonl,
    }.get(path.suffix.lower())
    if write is None:
        raise DataError(
            f"A simulation is not written to a {path.suffix or 'file with no ending'}.",
            hint="Name a .csv, .parquet or .jsonl file.",
        )
    return write(path, figures=figures)


def cards_of(path: Path) -> list[Path]:
    """Return where the cards of the file `path` are: for machines, for people."""
    return [path.with_name(path.name + ending) for ending in CARDS]


@contextmanager
def _written(path: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Leave no half-written file behind, and say why none could be written."""
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
            part.unlink(missing_ok=True)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say of whatever cannot be read that it is no simulation."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(
            f"There is no readable simulation in {str(path)!r} with its card beside it.",
            hint=f"Keep {path.name}{CARDS[0]} in the same folder as the file.",
        ) from error


def _records(figures: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame of figures; what is not a number is none."""
    known = figures.astype(object).where(figures.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in known.to_dict("records")]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_csv(path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)  # its \r\n quotes both of them in a text
        writer.writerow(map(guarded, columns))
        writer.writerows([_cell(value) for value in row] for row in _rows(columns))


def _cell(value: Cell) -> Cell:
    return guarded(value) if isinstance(value, str) else value


def _read_csv(path: Path) -> Columns:
    csv.field_size_limit(max(csv.field_size_limit(), path.stat().st_size))
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, strict=True)
    names = [unguarded(name) or "" for name in head]
    return {name: [unguarded(row[at]) for row in rows] for at, name in enumerate(names)}


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
    """Yield the rows, with infinite numbers as text: JSON has none."""
    for row in zip(*columns.values(), strict=True):
        yield tuple(str(v) if isinstance(v, float) and math.isinf(v) else v for v in row)
