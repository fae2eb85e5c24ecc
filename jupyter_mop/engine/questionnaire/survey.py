"""A survey: several closed questions, and respondents with context, weight and answers."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import (
    column_texts,
    pandas_frame,
    text_columns,
    value_text,
)
from jupyter_mop.engine.metrics.vectors import (
    design_warning,
    effective_sample_size,
    weight_fault,
)
from jupyter_mop.engine.questionnaire.reading.question_lines import escaped
from jupyter_mop.engine.questionnaire.reading.survey_files import Wanted, read_survey_file
from jupyter_mop.engine.survey.answer_matching import read_option
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.reading.rating_scales import scale_order
from jupyter_mop.engine.survey.real_answers import split_names, unread_error
from jupyter_mop.errors import DataError, did_you_mean
from jupyter_mop.rendering import Viewed

MISSING = -1
MAX_OPTIONS, MAX_SHOWN = 26, 8
MIN_OPTIONS = 2

Names = str | Sequence[str]
Questions = Sequence[str] | Mapping[str, "Question | str"]


@dataclass(frozen=True)
class Survey(Viewed):
    """Answers of the same respondents to several closed questions; cells may be missing.

    Create one with `Survey.from_frame` or `Survey.from_file`.

    Attributes
    ----------
    questions : mapping of str to Question
        The Q questions by name. A multiple choice is a yes-no question for each of its options.
    codes : numpy.ndarray of int, shape (n, Q)
        The option that each respondent chose; -1 where the answer is missing.
    contexts : pandas.DataFrame
        The context columns of the n respondents, as texts; the index is their id.
    weights : numpy.ndarray, shape (n,)
        Survey weights with mean 1.
    set_aside : mapping of str to mapping of str to int
        For each question the answers read as missing, with the number of each.
    notes : tuple of str
        What a file has that is not used, one sentence each.

    Examples
    --------
    >>> df = pd.DataFrame({"age": ["young", "old", "old"], "tea": ["yes", "no", None],
    ...                    "milk": ["never", "often", "refused"]})
    >>> Survey.from_frame(df, ["tea", "milk"], context="age", missing="refused")
    Survey(3 respondents, 2 questions: tea, milk; 2 of 6 answers are missing)
    """

    questions: Mapping[str, Question]
    codes: NDArray[np.intp]
    contexts: pd.DataFrame
    weights: NDArray[np.float64]
    set_aside: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        questions: Questions,
        *,
        context: Names = (),
        weight: str | None = None,
        id: str | None = None,  # noqa: A002  the field's word
        missing: Names | Mapping[str, Names] | None = None,
    ) -> Survey:
        """Read a survey from a data frame with one row per respondent.

        Parameters
        ----------
        df : DataFrame
            One row per respondent, one column per question.
        questions : sequence of str or mapping
            Columns of the questions. A mapping gives each column's `Question`, or its text; the
            options are then the answers in the column. Without a mapping the text is the name.
            An ordered categorical column is a scale.
        context : str or sequence of str
            Columns that describe a respondent.
        weight : str, optional
            Column of survey weights.
        id : str, optional
            Column that identifies a respondent; default: the index of the data frame.
        missing : str, sequence of str or mapping, optional
            Answers that count as missing, such as "Refused|Don't know", for all questions or by
            question. They become missing and are counted, as empty cells are missing.

        Raises
        ------
        DataError
            If a column is absent or named twice, a question has no answers or all are one option,
            an answer is none of the options, a weight is negative, or a context is empty.
        """
        df = text_columns(pandas_frame(df))
        columns = _listed(context)
        _check_columns(df, [*_names(questions), *columns, *filter(None, [weight, id])])
        if not len(df):
            raise DataError("The survey has no respondents.", hint="Pass the rows of all people.")
        reader = _ColumnReader(df, _missing_by_question(missing, _names(questions)))
        parts = [reader.read(name, given) for name, given in _pairs(questions)]
        items = [item for part in parts for item in part.items]
        index = df.index if id is None else _ids(df, id)
        return cls(
            {name: question for name, question, _ in items},
            np.stack([codes for _, _, codes in items], axis=1),
            _contexts(df, columns).set_axis(index),
            survey_weights(df, weight),
            {part.name: part.set_aside for part in parts if part.set_aside},
        )

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        questions: Questions | None = None,
        *,
        codebook: object = None,
        answers: object = None,
        **columns: Any,  # noqa: ANN401  those of from_frame
    ) -> Survey:
        """Read a survey from a .sav, .dta or .csv file, or from a Qualtrics .qsf and its answers.

        Labels of values become texts, labels of columns the texts of questions, and values that
        the file declares missing become missing and are counted.

        Parameters
        ----------
        path : str or path
            A file of SPSS (.sav, .zsav, .por), Stata (.dta), Qualtrics (.qsf), or a .csv table.
        questions : sequence of str or mapping, optional
            As in `from_frame`; default for a .qsf: all closed questions that it has.
        codebook : DataFrame, mapping or path, optional
            For a .csv, or to add labels that a file lacks: the text of each code by column, as
            `{"vote": {1: "yes", 2: "no"}}` or as a table with the columns name, code and label.
        answers : DataFrame or path, optional
            The answers to a .qsf: one row per respondent, one column per question.
        **columns
            context, weight, id and missing, as in `from_frame`.

        Raises
        ------
        DataError
            If the file is not what its name says, or a question has codes without labels.
        MissingPackageError
            If pyreadstat is not installed, for the files of SPSS and Stata.
        """
        wanted = _wanted(questions, columns)
        contents = read_survey_file(Path(path), codebook=codebook, answers=answers, wanted=wanted)
        survey = cls.from_frame(contents.frame, contents.questions(questions), **columns)
        found = {name: counts for name, counts in contents.set_aside.items() if counts}
        aside = {
            name: dict(Counter(found.get(name, {})) + Counter(survey.set_aside.get(name, {})))
            for name in dict.fromkeys([*survey.set_aside, *found])
            if name in survey.questions or name in survey.set_aside
        }
        return replace(survey, set_aside=aside, notes=contents.notes)

    def __len__(self) -> int:
        return len(self.codes)

    def __repr__(self) -> str:
        names = ", ".join(list(self.questions)[:MAX_SHOWN])
        more = ", …" if len(self.questions) > MAX_SHOWN else ""
        return (
            f"Survey({len(self):,} respondents, {len(self.questions)} questions: {names}{more}; "
            f"{self.n_missing:,} of {self.codes.size:,} answers are missing)"
        )

    @property
    def names(self) -> list[str]:
        """The names of the Q questions."""
        return list(self.questions)

    @property
    def context(self) -> list[str]:
        """The names of the context columns."""
        return [str(column) for column in self.contexts.columns]

    @property
    def n_missing(self) -> int:
        """The number of missing answers."""
        return int((self.codes == MISSING).sum())

    @cached_property
    def effective_size(self) -> float:
        """The effective number of respondents (Kish) under the survey weights."""
        return effective_sample_size(self.weights)

    def place(self, name: str) -> int:
        """Return the place of a question; raise a DataError for an unknown name."""
        if name not in self.questions:
            raise DataError(
                f"There is no question {name!r} in the survey.",
                hint=f"The questions are: {', '.join(self.names)}.",
            )
        return self.names.index(name)

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Survey:
        """Return the respondents at `rows`, in this order."""
        rows = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            codes=self.codes[rows],
            contexts=self.contexts.iloc[rows],
            weights=self.weights[rows],
        )

    def without(self, name: str) -> Survey:
        """Return the survey without one question."""
        at = self.place(name)
        questions = {n: question for n, question in self.questions.items() if n != name}
        return replace(self, questions=questions, codes=np.delete(self.codes, at, axis=1))

    def frame(self) -> pd.DataFrame:
        """Return the answers as texts with the contexts: one row per respondent."""
        answers = {
            name: categorical(self.codes[:, q], question)
            for q, (name, question) in enumerate(self.questions.items())
        }
        contexts = {str(column): self.contexts[column] for column in self.contexts}
        return pd.DataFrame({**contexts, **answers}, index=self.contexts.index)

    def shares(self, name: str, rows: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return the weighted share of each option among people who answered, shape (A,).

        Parameters
        ----------
        name : str
            A question.
        rows : ndarray of bool, shape (n,), optional
            The respondents; default: all. NaN if none of them answered.
        """
        codes = self.codes[:, self.place(name)]
        answered = (codes != MISSING) & (True if rows is None else rows)
        n_options = len(self.questions[name].options)
        totals = np.bincount(codes[answered], self.weights[answered], n_options)
        with np.errstate(invalid="ignore"):
            return np.asarray(totals / totals.sum())

    def summary(self) -> pd.DataFrame:
        """Return one row per question: question, text, kind, options, n, missing and note."""
        rows = []
        for q, (name, question) in enumerate(self.questions.items()):
            codes = self.codes[:, q]
            counts = np.bincount(codes[codes != MISSING], minlength=len(question.options))
            rows.append(
                {
                    "question": name,
                    "text": question.text.replace("{{", "{").replace("}}", "}"),
                    "kind": question.kind,
                    "options": len(question.options),
                    "n": int(counts.sum()),
                    "missing": int((codes == MISSING).sum()),
                    "note": self._note(name, question, counts),
                }
            )
        return pd.DataFrame(rows)

    def _note(self, name: str, question: Question, counts: NDArray[np.intp]) -> str:
        aside = ", ".join(f"{text} {n:,}" for text, n in self.set_aside.get(name, {}).items())
        never = [o for o, count in zip(question.options, counts, strict=True) if not count]
        found = [f"read as missing: {aside}"] if aside else []
        if never:
            found.append(f"nobody chose {', '.join(never)}")
        return "; ".join(found)


def categorical(codes: NDArray[np.intp], question: Question) -> pd.Categorical:
    """Return answers as texts, from the codes of the options; -1 is missing.

    Examples
    --------
    >>> list(categorical(np.array([1, 0]), Question("Tea?", ["yes", "no"])))
    ['no', 'yes']
    """
    dtype = pd.CategoricalDtype(list(question.options), ordered=question.is_ordered)
    return pd.Categorical.from_codes(codes.tolist(), dtype=dtype)


@dataclass(frozen=True)
class _Part:
    """A column as questions: one, or one for each option of a multiple choice."""

    name: str
    items: list[tuple[str, Question, NDArray[np.intp]]]
    set_aside: dict[str, int]


@dataclass(frozen=True)
class _ColumnReader:
    """Reads the columns of a data frame as questions with answers."""

    df: pd.DataFrame
    missing: Mapping[str, list[str]]

    def read(self, name: str, given: Question | str | None) -> _Part:
        """Read one column; raise a DataError for answers that cannot be used."""
        texts = column_texts(self.df[name])
        is_empty = self.df[name].isna().to_numpy() | (np.array(texts, dtype=object) == "")
        names = self.missing[name]
        aside = {text: read_option(text, names) for text in set(texts)} if names else {}
        counts: Counter[str] = Counter()
        answers: list[str | None] = []
        for text, empty in zip(texts, is_empty, strict=True):
            a = None if empty else aside.get(text)
            if a is not None:
                counts[names[a]] += 1
            answers.append(None if empty or a is not None else text)
        if not any(answer is not None for answer in answers):
            raise DataError(
                f"The question {name!r} has no answers.",
                hint="Leave it out of the survey, and predict it from the others after the fit.",
            )
        question = given if isinstance(given, Question) else self._question(name, given, answers)
        return _Part(name, _items(name, question, answers), dict(counts))

    def _question(self, name: str, text: str | None, answers: Sequence[str | None]) -> Question:
        options = self._options(name, answers)
        if len(options) > MAX_OPTIONS:
            shown = ", ".join(map(repr, options[:3]))
            raise DataError(
                f"The question {name!r} has {len(options)} different answers, such as {shown}.",
                hint="Use a closed question, or cut numbers into groups: pd.cut(df[name], 4).",
            )
        if len(options) < MIN_OPTIONS:
            raise _one_option(name, len([a for a in answers if a is not None]), options[0])
        is_ordered = bool(getattr(self.df[name].dtype, "ordered", False))
        is_scale = is_ordered or scale_order(options) == options
        return Question(text or escaped(name), options, "scale" if is_scale else "single")

    def _options(self, name: str, answers: Sequence[str | None]) -> list[str]:
        """Return the options: the categories, or the distinct answers, one spelling of each.

        The answers of a verbal rating scale are in its order.
        """
        categories = getattr(self.df[name].dtype, "categories", None)
        counts = Counter(answer for answer in answers if answer is not None)
        if categories is not None:
            texts = [value_text(category) for category in categories]
            return [text for text in texts if read_option(text, self.missing[name]) is None]
        kept: list[str] = []
        for text, _ in counts.most_common():
            if read_option(text, kept) is None:
                kept.append(text)
        return scale_order(kept) or sorted(kept, key=_natural)


def _items(
    name: str, question: Question, answers: Sequence[str | None]
) -> list[tuple[str, Question, NDArray[np.intp]]]:
    distinct = Counter(answer for answer in answers if answer is not None)
    found: dict[str, NDArray[np.bool_]] = {}
    unread: dict[str, int] = {}
    for text, count in distinct.items():
        try:
            found[text] = question.selected_options(text)
        except DataError:
            unread[text] = count
    if unread:
        fault = unread_error(unread, sum(distinct.values()), question.options)
        raise DataError(f"Question {name!r}: {fault.message}", hint=fault.hint)
    if question.kind == "multiple":
        return _yes_no_items(name, question, answers, found)
    chosen = {text: int(selected.argmax()) for text, selected in found.items()}
    if len(set(chosen.values())) < MIN_OPTIONS:
        only = question.options[next(iter(chosen.values()))]
        raise _one_option(name, sum(distinct.values()), only)
    codes = [MISSING if answer is None else chosen[answer] for answer in answers]
    return [(name, question, np.array(codes, dtype=np.intp))]


def _yes_no_items(
    name: str,
    question: Question,
    answers: Sequence[str | None],
    found: Mapping[str, NDArray[np.bool_]],
) -> list[tuple[str, Question, NDArray[np.intp]]]:
    """Return a yes-no question for each option of a multiple choice."""
    parts = zip(question.options, question.subquestions, strict=True)
    return [
        (
            f"{name}: {option}",
            part,
            np.array([MISSING if a is None else int(not found[a][i]) for a in answers]),
        )
        for i, (option, part) in enumerate(parts)
    ]


def _one_option(name: str, n: int, option: str) -> DataError:
    return DataError(
        f"All {n:,} answers to the question {name!r} are {option!r}.",
        hint="Leave it out: there is nothing to learn from it.",
    )


def _natural(text: str) -> tuple[int, float, str]:
    """Return a key that sorts numbers as numbers, before texts."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else [value_text(name) for name in names]


def _names(questions: Questions) -> list[str]:
    return _listed(questions if isinstance(questions, str) else list(questions))


def _pairs(questions: Questions) -> Iterator[tuple[str, Question | str | None]]:
    given = questions if isinstance(questions, Mapping) else {}
    return ((name, given.get(name)) for name in _names(questions))


def _check_columns(df: pd.DataFrame, names: Sequence[str]) -> None:
    absent = next((name for name in names if name not in df.columns), None)
    if absent is not None:
        raise DataError(
            f"There is no column {absent!r} in the survey.",
            hint=f"{did_you_mean(absent, df.columns)} Its columns are: "
            f"{', '.join(map(str, df.columns[:MAX_OPTIONS]))}.".lstrip(),
        )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(
            f"The column {twice!r} is named more than once among questions, context, weight and "
            "id.",
            hint="A question cannot be a context as well; name each column once.",
        )
    if not names:
        raise DataError("The survey has no questions.", hint="Name their columns.")


def _missing_by_question(
    missing: Names | Mapping[str, Names] | None, names: Sequence[str]
) -> dict[str, list[str]]:
    if not isinstance(missing, Mapping):
        return {name: split_names(missing) for name in names}
    absent = next((name for name in missing if name not in names), None)
    if absent is not None:
        raise DataError(
            f"`missing` names {absent!r}, which is not a question.",
            hint=f"The questions are: {', '.join(names)}.",
        )
    return {name: split_names(missing.get(name)) for name in names}


def _ids(df: pd.DataFrame, column: str) -> pd.Index[Any]:
    found: pd.Index[Any] = pd.Index(df[column], name=column)
    if not found.is_unique:
        raise DataError(
            f"The id {found[found.duplicated()][0]!r} in the column {column!r} occurs more than "
            "once.",
            hint="Use one row per respondent.",
        )
    return found


def _contexts(df: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    for column in columns:
        n_empty = int(df[column].isna().sum())
        if n_empty:
            raise DataError(
                f"The context column {column!r} is empty for {n_empty:,} of {len(df):,} "
                "respondents.",
                hint=f'Name it: df[{column!r}] = df[{column!r}].astype(str).replace("nan", '
                '"not stated"), or leave them out.',
            )
    texts = {column: np.array(column_texts(df[column]), dtype=object) for column in columns}
    return pd.DataFrame(texts, index=df.index)


def survey_weights(df: pd.DataFrame, column: str | None) -> NDArray[np.float64]:
    """Return a column of survey weights with mean 1; raise a DataError for a negative one."""
    if column is None:
        return np.ones(len(df))
    values = pd.to_numeric(df[column], errors="coerce").to_numpy(dtype=np.float64)
    fault = weight_fault(values)
    if fault:
        raise DataError(
            f"The weight column {column!r} must contain numbers of zero or more: {fault}.",
            hint=f"Check it with df[{column!r}].describe().",
        )
    warning = design_warning(values, "the respondents")
    if warning:
        warnings.warn(warning, UserWarning, stacklevel=4)
    return np.asarray(values / values.mean())


def _wanted(questions: Questions | None, columns: Mapping[str, Any]) -> Wanted:
    """Return the columns of a file that are used."""
    if questions is None:
        return Wanted()
    names, context = _names(questions), _listed(columns.get("context") or ())
    given = dict(_pairs(questions))
    unknown = [name for name in names if not isinstance(given[name], Question)]
    missing = _missing_by_question(columns.get("missing"), names)
    return Wanted([*names, *context], unknown, missing)
