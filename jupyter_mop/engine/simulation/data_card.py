"""The data card of a simulation: how its responses were made, for people and for machines."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.persona_sources.voices import quoted_texts
from jupyter_mop.engine.data.surrogates import lone_surrogate_error
from jupyter_mop.errors import DataError

VERSION = 1
FORMAT = "jupyter-mop simulation"
_CHECK = "Check both before you share this."
LICENCE = (
    "A language model wrote these responses: its licence and terms apply to them. The exemplars "
    "in the card are texts of real people, under the terms of the records that they come from. "
    f"{_CHECK}"
)
_QUOTED = 'So are the texts that personas quote after "You write like this". '
_ORIGIN = "No person wrote them: a language model did, in the role of the personas below."
_CSV_NOTE = (
    "In a CSV file an apostrophe stands before text that a spreadsheet would run as a formula, "
    "before text that begins with an apostrophe, and for empty text. An empty cell is a missing "
    "value. `Simulation.from_csv` removes the apostrophes again."
)
_JSON_NOTE = (
    "The card for machines, with all provenance, exemplars and tables, is the JSON file beside "
    "this one. Made with jupyter-mop."
)
_PERSONA, _WEIGHT, _TABLES = "persona", "weight", "tables"
_FACTS = (
    "model",
    "weights",
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
    "n_candidates",
    "n_listed",
    "mix",
    "options",
    "refused",
    "finished",
    "served",
    "thinking_tokens",
)
_ESCAPES = {ord(mark): f"\\{mark}" for mark in string.punctuation}


@dataclass(frozen=True)
class DataCard:
    """The metadata of an exported simulation.

    Attributes
    ----------
    provenance : mapping
        Name, personas, model, template, weights, seed and sampling parameters.
    exemplars : sequence of Exemplar
        The exemplar pool.
    columns : mapping of str to str
        The dtype of each column of the file.
    shares : mapping of str to float
        The weighted share of each persona in the responses.
    metrics : list of dict
        Rows of metrics of the simulation, if there are any.
    date : str
        When it was written, in UTC.
    """

    provenance: Mapping[str, Any]
    exemplars: Sequence[Exemplar]
    columns: Mapping[str, str]
    shares: Mapping[str, float] = field(default_factory=dict)
    metrics: Sequence[Mapping[str, Any]] = ()
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def licence(self) -> str:
        """The terms of the responses, and of the real texts in the card."""
        personas = self.provenance.get("personas")
        described = personas.values() if isinstance(personas, Mapping) else ()
        quoted = _QUOTED if any(quoted_texts(str(text)) for text in described) else ""
        return LICENCE.replace(_CHECK, f"{quoted}{_CHECK}")

    def json(self, **file: object) -> bytes:
        """Return the card as JSON, with these facts about the `file` beside it."""
        tables = {k: v for k, v in self.provenance.items() if isinstance(v, pd.DataFrame)}
        facts = {
            "format": FORMAT,
            "version": VERSION,
            "date": self.date,
            "file": file,
            "columns": dict(self.columns),
            "provenance": {k: v for k, v in self.provenance.items() if k not in tables},
            _TABLES: {name: table.to_dict("split") for name, table in tables.items()},
            "persona_shares": dict(self.shares),
            "figures": [dict(row) for row in self.metrics],
            "licence": self.licence,
            "exemplars": [
                {"record": dict(each.record), "response": each.response} for each in self.exemplars
            ],
        }
        return _utf8(json.dumps(facts, ensure_ascii=False, indent=1, default=_plain))

    def markdown(self, name: str, n: int) -> bytes:
        """Return the card as Markdown, for the file `name` with `n` responses."""
        facts = self.provenance
        personas = facts.get("personas", {})
        sections = [
            f"# {_escaped(facts.get('name', 'simulation'))}",
            f"{n:,} responses of a simulated population, in the file {_escaped(name)}. {_ORIGIN}",
            _table(["", ""], [("date", self.date), *((k, facts[k]) for k in _FACTS if k in facts)]),
            "## Personas",
            _table(
                ["persona", "share of the responses", "description"],
                [
                    (who, self.shares.get(who, 0.0) if self.shares else "", personas.get(who, ""))
                    for who in dict.fromkeys([*personas, *self.shares])
                ],
            ),
            f"## Prompt\n\n{_quoted(str(facts['template']))}" if "template" in facts else "",
            _metrics(self.metrics),
            f"## Columns\n\n{_table(['column', 'dtype'], self.columns.items())}",
            _CSV_NOTE,
            f"## Licence\n\n{self.licence}",
            _JSON_NOTE,
        ]
        return _utf8("\n\n".join(filter(None, sections)) + "\n")


def read_card(text: str) -> tuple[DataCard, dict[str, Any]]:
    """Parse a JSON card; return the card and the facts about its file.

    Raises
    ------
    DataError
        For a card of a newer version.
    ValueError, KeyError, TypeError, AttributeError
        For JSON that is not a card.
    """
    facts = json.loads(text)
    if facts["format"] != FORMAT:
        raise ValueError
    if facts["version"] > VERSION:
        raise DataError(
            "The file is from a newer version of jupyter-mop.",
            hint="Update with: pip install -U jupyter-mop",
        )
    tables = {
        str(name): pd.DataFrame(table["data"], table["index"], table["columns"])
        for name, table in facts[_TABLES].items()
    }
    card = DataCard(
        {**facts["provenance"], **tables},
        tuple(Exemplar(each["record"], each["response"]) for each in facts["exemplars"]),
        {str(name): str(kind) for name, kind in facts["columns"].items()},
        facts["persona_shares"],
        facts["figures"],
        facts["date"],
    )
    return card, facts["file"]


def persona_shares(frame: pd.DataFrame) -> dict[str, float]:
    """Return the weighted share of each persona in the responses of `frame`."""
    if _PERSONA not in frame:
        return {}
    weights = frame[_WEIGHT] if _WEIGHT in frame else pd.Series(1.0, frame.index)
    summed = weights.groupby(frame[_PERSONA], sort=False).sum()
    return {str(name): float(share) for name, share in (summed / summed.sum()).items()}


def _metrics(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    return f"## Metrics\n\n{_table(list(rows[0]), [row.values() for row in rows])}"


def _table(head: Sequence[str], rows: Any) -> str:  # noqa: ANN401  any rows of any values
    lines = [[_escaped(cell) for cell in row] for row in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(value: object) -> str:
    """Return a value as one line of text with markup escaped, a number to three digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    line = " ".join(str(value).split())
    return "".join(filter(str.isprintable, line)).translate(_ESCAPES)


def _quoted(text: str) -> str:
    """Return a text as an indented block, in which nothing is markup."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _plain(value: object) -> object:
    """Return a numpy value or a mapping as a type that JSON has."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise DataError(
        f"The provenance holds a {type(value).__name__}, which cannot be written to a card.",
        hint="Use only text, numbers, lists and mappings.",
    )


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise lone_surrogate_error("The provenance or an exemplar of the simulation") from None
