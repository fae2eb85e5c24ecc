"""Questionnaires of Qualtrics (.qsf): closed questions, their options and order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd

from jupyter_mop.engine.data.dataframes import value_text
from jupyter_mop.engine.questionnaire.reading.question_lines import escaped
from jupyter_mop.engine.survey.answer_matching import read_option
from jupyter_mop.engine.survey.question import SEPARATOR, Question
from jupyter_mop.errors import DataError

IMPORT_ID = "ImportId"
MULTIPLE = ("MAVR", "MAHR", "MACOL", "MSB")
LOGIC = {
    "DisplayLogic": "display logic",
    "InPageDisplayLogic": "display logic",
    "SkipLogic": "skip logic",
    "DynamicChoices": "choices carried from another question",
}
FLOW = {"Branch": "branches", "BlockRandomizer": "randomizers", "EndSurvey": "early ends",
        "Quota": "quotas"}  # fmt: skip
_PIPED = re.compile(r"\$\{[^}]*\}")
_HEADER_ROWS = 3


@dataclass(frozen=True)
class QualtricsSurvey:
    """The closed questions of a .qsf file.

    Attributes
    ----------
    questions : dict of str to Question
        By export tag; a row of a matrix is a question of its own.
    recodes : dict of str to dict of str to str
        The option that each exported code means, by question.
    notes : tuple of str
        What the file has that is not used: other kinds of questions, logic, randomization.
    """

    questions: dict[str, Question]
    recodes: dict[str, dict[str, str]]
    notes: tuple[str, ...]

    def labelled(self, answers: pd.DataFrame) -> pd.DataFrame:
        """Return exported answers with options as texts, without the extra header rows."""
        head = answers.head(_HEADER_ROWS).astype(str)
        extra = [i for i, row in enumerate(head.to_numpy()) if any(IMPORT_ID in v for v in row)]
        frame = answers.iloc[extra[0] + 1 :] if extra else answers
        frame = frame.reset_index(drop=True).copy(deep=False)
        for name, question in self.questions.items():
            if name not in frame and question.kind == "multiple":
                frame = self._gathered(frame, name)
            if name in frame:
                cells = [self._text(name, question, value) for value in frame[name]]
                frame[name] = pd.Series(cells, frame.index, dtype=object)
        return frame

    def _text(self, name: str, question: Question, value: object) -> str | None:
        if value is None or pd.isna(value) or value == "":  # type: ignore[call-overload]
            return None
        text, codes = value_text(value), self.recodes[name]
        is_option = read_option(text, question.options) is not None
        if question.kind != "multiple" or text in codes or is_option:
            return codes.get(text, text)
        parts = [part.strip() for part in text.split(",")]
        return SEPARATOR.join(codes.get(part, part) for part in parts if part)

    def _gathered(self, frame: pd.DataFrame, name: str) -> pd.DataFrame:
        """Return the frame with one column for a multiple choice that is exported as several."""
        columns = {f"{name}_{code}": option for code, option in self.recodes[name].items()}
        columns = {column: option for column, option in columns.items() if column in frame}
        if not columns:
            return frame
        there = frame[list(columns)].notna().to_numpy()
        names = list(columns.values())
        texts = [
            SEPARATOR.join(option for option, is_in in zip(names, row, strict=True) if is_in)
            or None
            for row in there
        ]
        gathered = frame.copy(deep=False)
        gathered[name] = pd.Series(texts, frame.index, dtype=object)
        return gathered


def read_qsf(path: Path) -> QualtricsSurvey:
    """Read the closed questions of a .qsf file.

    Raises
    ------
    DataError
        If the file is not a Qualtrics survey, or has no closed question.
    """
    try:
        survey = json.loads(path.read_text(encoding="utf-8-sig"))
        elements = survey["SurveyElements"]
        payloads = [e.get("Payload") for e in elements if e.get("Element") == "SQ"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"{path.name!r} is not a Qualtrics survey: it has no SurveyElements.",
            hint="Export it in Qualtrics by Tools, Import/Export, Export survey.",
        ) from None
    questions: dict[str, Question] = {}
    recodes: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for payload in filter(None, payloads):
        notes += _logic(payload)
        try:
            found = list(_questions(payload))
        except (DataError, KeyError, AttributeError) as error:
            notes.append(f"{_tag(payload)} is left out: {error}")
            continue
        if not found:
            kind = f"{payload.get('QuestionType')}/{payload.get('Selector')}"
            notes.append(f"{_tag(payload)} is no closed question ({kind}) and is left out.")
        for name, question, codes in found:
            if name in questions:
                raise DataError(
                    f"Two questions of {path.name!r} are named {name!r}.",
                    hint="Give each an export tag of its own.",
                )
            questions[name], recodes[name] = question, codes
    if not questions:
        raise DataError(f"{path.name!r} has no closed questions.", hint="Export another survey.")
    return QualtricsSurvey(questions, recodes, (*notes, *_flow(elements)))


def _questions(payload: Mapping[str, Any]) -> Iterator[tuple[str, Question, dict[str, str]]]:
    """Yield name, question and recodes: one, or one for each row of a matrix."""
    kind, selector = payload.get("QuestionType"), payload.get("Selector")
    text, tag = _plain(payload["QuestionText"]), _tag(payload)
    if kind == "MC":
        options = _choices(payload["Choices"], payload.get("ChoiceOrder"))
        question = Question(
            escaped(text), list(options.values()), "multiple" if selector in MULTIPLE else "single"
        )
        yield tag, question, _recodes(options, payload)
    elif (
        kind == "Matrix" and selector == "Likert" and payload.get("SubSelector") != "MultipleAnswer"
    ):
        options = _choices(payload["Answers"], payload.get("AnswerOrder"))
        tags = payload.get("ChoiceDataExportTags") or {}
        for code, row in _choices(payload["Choices"], payload.get("ChoiceOrder")).items():
            name = tags.get(code) if isinstance(tags, Mapping) else None
            question = Question(f"{escaped(text)} {escaped(row)}", list(options.values()), "scale")
            yield name or f"{tag}_{code}", question, _recodes(options, payload)


def _choices(choices: Any, order: Any) -> dict[str, str]:  # noqa: ANN401  JSON
    """Return the texts of choices by code, in the order in which they are shown."""
    pairs = (
        {str(code + 1): choice for code, choice in enumerate(choices)}
        if isinstance(choices, list)
        else {str(code): choice for code, choice in choices.items()}
    )
    codes = [str(code) for code in order or pairs if str(code) in pairs]
    return {code: _plain(pairs[code]["Display"]) for code in codes}


def _recodes(options: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, str]:
    recodes = payload.get("RecodeValues") or {}
    return {str(recodes.get(code, code)): text for code, text in options.items()}


def _tag(payload: Mapping[str, Any]) -> str:
    return str(payload.get("DataExportTag") or payload.get("QuestionID"))


def _logic(payload: Mapping[str, Any]) -> Iterator[str]:
    tag = _tag(payload)
    for key, words in LOGIC.items():
        if payload.get(key):
            yield (
                f"{tag} has {words}, which is not applied: people who did not see it have no "
                "answer."
            )
    if (payload.get("Randomization") or {}) and payload["Randomization"].get("Type") != "None":
        yield f"{tag} had its options in random order; here they are in the order of the file."
    if _PIPED.search(str(payload.get("QuestionText"))):
        yield f"{tag} has piped text, which stands in the question as it is."


def _flow(elements: list[Mapping[str, Any]]) -> Iterator[str]:
    text = json.dumps([e.get("Payload") for e in elements if e.get("Element") == "FL"])
    for kind, words in FLOW.items():
        n = text.count(f'"Type": "{kind}"')
        if n:
            yield f"The survey flow has {n} {words}, which are not applied."


class _Text(HTMLParser):
    """Collects the text of marked-up questions."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        """Add a text."""
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  HTMLParser's own
        """Separate the texts before and after an element."""
        self.parts.append(" ")


def _plain(text: object) -> str:
    parser = _Text()
    parser.feed(str(text))
    parser.close()
    return " ".join("".join(parser.parts).split())
