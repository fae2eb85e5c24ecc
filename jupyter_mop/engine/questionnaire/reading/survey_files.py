"""Survey files: SPSS and Stata by pyreadstat, tables with a codebook, Qualtrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.dataframes import pandas_frame, text_columns, value_text
from jupyter_mop.engine.questionnaire.reading.qualtrics import read_qsf
from jupyter_mop.engine.questionnaire.reading.question_lines import escaped
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError, missing

Labels = Mapping[str, Mapping[str, str]]
STATISTICAL = {".sav": "read_sav", ".zsav": "read_sav", ".por": "read_por", ".dta": "read_dta"}
QUALTRICS, TABLE = ".qsf", ".csv"
CODEBOOK = ("name", "code", "label")
MAX_SHOWN = 8


@dataclass(frozen=True)
class Wanted:
    """What is read from a survey file.

    Attributes
    ----------
    columns : list of str or None
        Columns of questions and context; None: all.
    questions : list of str
        Questions whose options are not given, so that their codes need labels.
    missing : mapping of str to sequence of str
        Values of each column that become missing later, and need no label.
    """

    columns: list[str] | None = None
    questions: Sequence[str] = ()
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def includes(self, column: str) -> bool:
        """Return whether a column is read."""
        return self.columns is None or column in self.columns


@dataclass(frozen=True)
class SurveyFile:
    """The columns of a survey file that are used, with labels as texts.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per respondent. Labelled columns are categorical; ordinal ones are ordered.
    texts : mapping of str to str
        The question texts that the file has, by column.
    closed : mapping of str to Question
        The questions that the file defines itself.
    set_aside : mapping of str to mapping of str to int
        The values that the file declares missing, with their number.
    notes : tuple of str
        What the file has that is not used.
    """

    frame: pd.DataFrame
    texts: Mapping[str, str] = field(default_factory=dict)
    closed: Mapping[str, Question] = field(default_factory=dict)
    set_aside: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def questions(
        self, given: Sequence[str] | Mapping[str, Question | str] | None
    ) -> dict[str, Question | str]:
        """Return the questions to read: the given ones, with the texts of the file.

        Raises
        ------
        DataError
            If none are given and the file defines none.
        """
        if given is None:
            if not self.closed:
                raise DataError(
                    "The questions are not named.",
                    hint=f"Name their columns, such as {list(self.frame.columns[:3])}.",
                )
            return dict(self.closed)
        names = [given] if isinstance(given, str) else list(given)
        own = given if isinstance(given, Mapping) else {}
        return {name: own.get(name) or self._own(name) for name in names}

    def _own(self, name: str) -> Question | str:
        return self.closed.get(name) or escaped(self.texts.get(name) or name)


def read_survey_file(
    path: Path, *, codebook: object = None, answers: object = None, wanted: Wanted | None = None
) -> SurveyFile:
    """Read a survey file by its suffix.

    Parameters
    ----------
    path : Path
        A .sav, .zsav, .por, .dta, .csv or .qsf file.
    codebook : DataFrame, mapping or path, optional
        Labels of codes by column.
    answers : DataFrame or path, optional
        The answers to a .qsf.
    wanted : Wanted, optional
        The columns to read; default: all.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be read.
    MissingPackageError
        If pyreadstat is required and not installed.
    """
    suffix = path.suffix.casefold()
    if suffix not in (*STATISTICAL, QUALTRICS, TABLE):
        raise DataError(
            f"Cannot read a survey from {path.name!r}.",
            hint=f"Use a file that ends in {', '.join([*STATISTICAL, TABLE, QUALTRICS])}, or "
            "Survey.from_frame.",
        )
    if not path.is_file():
        raise DataError(f"There is no file {str(path)!r}.", hint="Check its name and folder.")
    labels, wanted = _codebook(codebook), wanted or Wanted()
    if suffix == QUALTRICS:
        return _read_qualtrics(path, answers)
    if suffix == TABLE:
        frame = text_columns(_table(path))
        return _labelled(frame, labels, {}, replace(wanted, questions=()))
    return _read_statistical(path, STATISTICAL[suffix], labels, wanted)


def _read_statistical(path: Path, reader: str, labels: Labels, wanted: Wanted) -> SurveyFile:
    try:
        import pyreadstat
    except ImportError:
        raise missing("pyreadstat", "surveys") from None
    options = {} if reader == "read_por" else {"user_missing": True}
    try:
        frame, meta = getattr(pyreadstat, reader)(str(path), **options)
    except Exception as error:  # noqa: BLE001  pyreadstat raises its own, undocumented classes
        fault = str(error).strip()[:120] or "it is damaged"
        raise DataError(
            f"The file {path.name!r} cannot be read: {fault}.",
            hint="Check that it is the file that its name says.",
        ) from None
    own = {
        column: {value_text(code): str(label) for code, label in pairs.items()}
        for column, pairs in meta.variable_value_labels.items()
    }
    merged = {c: {**own.get(c, {}), **labels.get(c, {})} for c in dict.fromkeys([*own, *labels])}
    ranges = {column: _declared(meta, column) for column in frame.columns}
    ordinal = [c for c, measure in (meta.variable_measure or {}).items() if measure == "ordinal"]
    texts = {c: text for c, text in (meta.column_names_to_labels or {}).items() if text}
    return _labelled(text_columns(frame), merged, ranges, wanted, ordinal=ordinal, texts=texts)


def _declared(meta: Any, column: str) -> list[tuple[object, object]]:  # noqa: ANN401  pyreadstat's
    """Return the ranges of values that a file declares missing in a column."""
    ranges = [(r["lo"], r["hi"]) for r in (meta.missing_ranges or {}).get(column, [])]
    tags = (meta.missing_user_values or {}).get(column, [])
    return [*ranges, *((tag, tag) for tag in tags)]


def _labelled(
    frame: pd.DataFrame,
    labels: Labels,
    ranges: Mapping[str, list[tuple[object, object]]],
    wanted: Wanted,
    *,
    ordinal: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> SurveyFile:
    """Return a file's columns with labels as texts and declared missing values counted."""
    found = frame.copy(deep=False)
    aside: dict[str, dict[str, int]] = {}
    for column in filter(wanted.includes, frame.columns):
        values, pairs = frame[column].astype(object), labels.get(column, {})
        declared = ranges.get(column, [])
        is_aside = np.array([_is_declared(value, declared) for value in values], dtype=bool)
        if is_aside.any():
            names = [pairs.get(value_text(v), value_text(v)) for v in values[is_aside]]
            aside[column] = dict(Counter(names))
            values = values.where(~is_aside, None)
        valid = {c: text for c, text in pairs.items() if not _is_declared(_number(c), declared)}
        needs_labels = column in wanted.questions and not _are_texts(values)
        if valid or needs_labels:
            later = wanted.missing.get(column, ())
            found[column] = _texts(column, values, valid, later, ordered=column in ordinal)
        elif is_aside.any():
            found[column] = values.infer_objects()
    return SurveyFile(found, texts or {}, {}, aside)


def _are_texts(values: pd.Series) -> bool:
    return any(isinstance(value, str) for value in values)


def _texts(
    column: str,
    values: pd.Series,
    pairs: Mapping[str, str],
    later: Sequence[str],
    *,
    ordered: bool,
) -> pd.Categorical:
    """Return the labels of the codes of a column, in the order of the codes.

    The values `later` need no label: they become missing.
    """
    codes = [None if pd.isna(value) else value_text(value) for value in values]
    options = list(dict.fromkeys([*pairs.values(), *later]))
    unknown = Counter(c for c in codes if c is not None and c not in pairs and c not in options)
    if unknown:
        raise unlabelled_error(column, unknown)
    return pd.Categorical(
        [None if c is None else pairs.get(c, c) for c in codes], options, ordered=ordered
    )


def unlabelled_error(column: str, counts: Mapping[str, int]) -> DataError:
    """Return the error for codes that have no label, with the codes and their number."""
    shown = ", ".join(f"{code} ({n:,})" for code, n in Counter(counts).most_common(MAX_SHOWN))
    more = f" and {len(counts) - MAX_SHOWN} others" if len(counts) > MAX_SHOWN else ""
    first = next(iter(counts))
    return DataError(
        f"The column {column!r} has codes without labels: {shown}{more}.",
        hint=f'Say what they mean: codebook={{"{column}": {{{first}: "..."}}}}; codes that are no '
        f'answers: missing={{"{column}": ["{first}"]}}.',
    )


def _is_declared(value: object, ranges: Sequence[tuple[object, object]]) -> bool:
    for low, high in ranges:
        if value in (low, high):
            return True
        numbers = all(isinstance(v, int | float | np.number) for v in (value, low, high))
        if numbers and low <= value <= high:  # type: ignore[operator]
            return True
    return False


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _codebook(codebook: object) -> Labels:
    """Return the labels of codes by column, from a mapping, a table or a .csv file."""
    if codebook is None:
        return {}
    if isinstance(codebook, str | Path):
        codebook = _table(Path(codebook))
    codebook = pandas_frame(codebook)
    if isinstance(codebook, pd.DataFrame):
        absent = [name for name in CODEBOOK if name not in codebook.columns]
        if absent:
            raise DataError(
                f"The codebook has no column {absent[0]!r}.",
                hint=f"It needs the columns {', '.join(CODEBOOK)}: one row per code.",
            )
        found: dict[str, dict[str, str]] = {}
        for name, code, label in codebook[list(CODEBOOK)].itertuples(index=False):
            found.setdefault(value_text(name), {})[value_text(code)] = value_text(label)
        return found
    if not isinstance(codebook, Mapping) or not all(
        isinstance(v, Mapping) for v in codebook.values()
    ):
        raise DataError(
            "The codebook must be a mapping or a table.",
            hint='Use {"vote": {1: "yes", 2: "no"}}.',
        )
    return {
        value_text(name): {value_text(code): value_text(label) for code, label in pairs.items()}
        for name, pairs in codebook.items()
    }


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(
            f"The table {path.name!r} cannot be read: {str(error).strip()[:120]}.",
            hint="It must be a .csv file in UTF-8, with names in the first line.",
        ) from None


def _read_qualtrics(path: Path, answers: object) -> SurveyFile:
    export = read_qsf(path)
    if answers is None:
        raise DataError(
            f"{path.name!r} has {len(export.questions)} closed questions, but no answers.",
            hint="Export the answers as .csv and pass them: answers='answers.csv'.",
        )
    table = _table(Path(answers)) if isinstance(answers, str | Path) else pandas_frame(answers)
    frame = export.labelled(text_columns(table))
    present = {name: q for name, q in export.questions.items() if name in frame.columns}
    absent = [name for name in export.questions if name not in present]
    if not present:
        raise DataError(
            f"The answers have none of the questions of {path.name!r}: "
            f"{', '.join(list(export.questions)[:MAX_SHOWN])}.",
            hint="Their columns must be named like the questions' export tags.",
        )
    notes = [f"The answers have no column {name!r}; the question is left out." for name in absent]
    return SurveyFile(frame, {}, present, {}, (*export.notes, *notes))
