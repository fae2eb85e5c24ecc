from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.errors import DataError

PERSONAS = [Persona("critic", "You review films, and actors.", 0.4), Persona("NA", "You love.")]
COMMA = 'Name,Description,Weight\ncritic,"You review films, and actors.",0.4\nNA,You love.,\n'
SEMICOLON = "name;description;weight\ncritic;You review films, and actors.;0,4\nNA;You love.\n"
TAB = "name\tdescription\tweight\ncritic\tYou review films, and actors.\t0.4\nNA\tYou love.\t\n"
LINES = "critic [0.4]: You review films,\n  and actors.\nNA: You love.\n"
YAML = "critic [0.4]: You review films, and actors.\nNA:\n  description: You love.\n"
JSON = (
    '[{"name": "critic", "description": "You review films, and actors.", "weight": 0.4},\n'
    ' {"name": "NA", "description": "You love.", "weight": null}]'
)
JSONL = (
    '{"name": "critic", "description": "You review films, and actors.", "weight": 0.4}\n'
    '{"name": "NA", "description": "You love."}\n'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", COMMA),
        ("P.CSV", COMMA),
        ("p.csv", SEMICOLON),
        ("p.csv", SEMICOLON.replace("\n", "\r\n")),
        ("p.tsv", TAB),
        ("p.txt", LINES),
        ("p.md", LINES),
        ("p.YAML", YAML),
        ("p.json", JSON),
        ("p.jsonl", JSONL),
    ],
)
def test_every_file_is_read_with_and_without_a_byte_order_mark(
    tmp_path: Path, name: str, text: str, encoding: str
) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    assert read_personas(path) == PERSONAS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "name,description\na,one\u2028two\nb,x\n"),
        (
            "p.jsonl",
            '{"name": "a", "description": "one\u2028two"}\n{"name": "b", "description": "x"}',
        ),
    ],
)
def test_a_line_separator_in_a_text_ends_no_row(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_personas(path) == [Persona("a", "one\u2028two"), Persona("b", "x")]


@pytest.mark.parametrize(
    ("name", "content", "words", "hint"),
    [
        ("p.xlsx", b"PK", "a .xlsx file", "pd.read_excel"),
        ("p.parquet", b"PAR1", "a .parquet file", "pd.read_parquet"),
        ("p.json.gz", b"\x1f\x8b", "a .gz file", "Unpack"),
        ("p.csv", b"", "it is empty", "header"),
        ("p.csv", b"name,description\ncritic,You review, and rate\n", "3 cells", "quotes"),
        ("p.csv", "name,description\ncritic,dür".encode("latin-1"), "utf-8", "UTF-8"),
        ("p.csv", b"text,share\nx,1\n", "['text', 'share']", "Rename"),
        ("p.json", b'{"a": "x", "a": "y"}', "'a' occurs more than once", "Rename"),
        ("p.json", b'[{"name": "a"', "not valid JSON", "description"),
        ("p.jsonl", b'{"persona": "A nurse."}\n{"persona"\n', "not valid JSON", "description"),
        ("p.csv", b"name,description,weight,Weight\na,x,1,2\n", "'weight'", "Rename"),
        ("p.yaml", b"just text", "'just text'", "Pass text"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, words: str, hint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_personas(path)
    assert words in caught.value.message
    assert hint in caught.value.hint
