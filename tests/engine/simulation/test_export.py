"""Exports read back equal, are written whole or not at all, and contain no formulas."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.export import cards_of
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError, MissingPackageError

FORMATS = ("csv", "parquet", "jsonl")
FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "'=1", "'", "''", ""),
    *('=HYPERLINK("http://x","y")', "=cmd|' /C calc'!A0", "\ufeff=1", "＝1+1"),  # noqa: RUF001
    *(
        '"',
        '""',
        "a,b",
        "a\r\nb",
        "a\rb",
        "a\nb",
        "NA",
        "null",
        "None",
        "nan",
        "\x00",
        "x" * 200_000,
    ),
    *("\u2028", "😀", "1", "1.0", "True", "<script>alert(1)</script>", "<|im_end|>"),
]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def make(texts: list[str], **facts: object) -> Simulation:
    n = len(texts)
    frame = pd.DataFrame(
        {
            "context": texts,
            "persona": pd.Series([None if i % 2 else t for i, t in enumerate(texts)], dtype=object),
            "exemplar": pd.array([None if i % 2 else 2**60 + i for i in range(n)], dtype="Int64"),
            "response": texts,
            "log_prob": [[-0.1, np.nan, -np.inf, 1e-320][i % 4] for i in range(n)],
            "weight": np.linspace(0.1, 1, n),
            "seed": np.arange(n) + 2**62,
            "draw": np.arange(n),
        }
    ).astype({"context": object, "log_prob": float})
    pool = tuple(Exemplar({"topic": text}, text) for text in texts)
    return Simulation(
        frame, pool, {"name": "first", "questions": dict.fromkeys(texts, "?"), **facts}
    )


def round_trip(simulation: Simulation, path: Path) -> Simulation:
    file_format = path.suffix[1:]
    getattr(simulation, f"to_{file_format}")(path)
    return getattr(Simulation, f"from_{file_format}")(path)


def assert_equal(found: Simulation, expected: Simulation) -> None:
    assert_frame_equal(found.frame, expected.frame, check_exact=True)
    assert found.exemplars == expected.exemplars
    assert found.provenance == expected.provenance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=25)
@given(texts=st.lists(ANY_TEXT, max_size=4))
def test_any_text_is_read_back(folder: Path, kind: str, texts: list[str]) -> None:
    assert_equal(round_trip(make(texts), folder / f"any.{kind}"), make(texts))


@pytest.mark.parametrize("kind", FORMATS)
def test_formulas_quotes_and_line_breaks_are_read_back(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    assert_equal(round_trip(make(FORMULAS), path), make(FORMULAS))
    assert {file.name for file in tmp_path.iterdir()} == {
        path.name,
        *(c.name for c in cards_of(path)),
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_a_simulation_of_each_baseline_is_read_back(
    tmp_path: Path, mixture: MixtureOfPersonas, population: Population, kind: str
) -> None:
    mixture.initialise(population)
    for baseline in (None, "plain", "fewshot", "attributes"):
        simulation = mixture.simulate(12, population, baseline=baseline, name="it")
        found = round_trip(simulation, tmp_path / f"a.{kind}")
        assert_equal(found, simulation)
        assert [found.turns(i) for i in range(12)] == [simulation.turns(i) for i in range(12)]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_table_in_the_provenance_is_read_back(tmp_path: Path, kind: str) -> None:
    table = pd.DataFrame([[0.25, 0.75]], ["a"], ["yes", "no"])
    found = round_trip(make(["yes"], shares=table), tmp_path / f"a.{kind}")
    assert_frame_equal(found.provenance["shares"], table)


def test_a_csv_file_contains_no_formula(tmp_path: Path) -> None:
    simulation = make(FORMULAS)
    simulation.frame["=evil()"] = "=1"
    with simulation.to_csv(tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        texts = [row[name] for name in row if name not in ("log_prob", "weight", "seed", "draw")]
        assert not [cell for cell in (*row, *texts) if cell.lstrip()[:1] in tuple("=+-@\t\r")]
    assert "'=evil()" in rows[0]
    assert Simulation.from_csv(tmp_path / "a.csv").frame["=evil()"].tolist() == ["=1"] * len(rows)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("where", ["frame", "exemplars", "provenance"])
def test_a_lone_surrogate_is_refused_and_nothing_is_written(
    tmp_path: Path, kind: str, where: str
) -> None:
    simulation = make(["fine"])
    bad = "half \ud83d"
    if where == "frame":
        simulation.frame["response"] = pd.Series([bad], dtype=object)
    else:
        value = (Exemplar({"a": bad}, "b"),) if where == "exemplars" else {"name": bad}
        simulation = Simulation(simulation.frame, **{where: value})
    with pytest.raises(DataError, match="half of a character") as caught:
        getattr(simulation, f"to_{kind}")(tmp_path / f"a.{kind}")
    assert "replace" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_the_cards_have_provenance_metrics_and_licence(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> [x](javascript:y) |\n# big"
    simulation = make(
        ["a", "b", "a"], personas={"a": evil, "b": "You."}, template=f"Say\n{evil}",
        model="toy", seed=3, temperature=0.9, weights="uniform",
    )  # fmt: skip
    figures = pd.DataFrame({"figure": ["FID"], "value": [0.34159], "low": [np.nan]})
    path = simulation.to_csv(tmp_path / "a.csv", figures=figures)
    card, text = (file.read_text(encoding="utf-8") for file in cards_of(path))
    facts = json.loads(card)
    assert facts["provenance"]["personas"]["a"] == evil
    assert (facts["provenance"]["model"], facts["provenance"]["seed"]) == ("toy", 3)
    assert facts["figures"] == [{"figure": "FID", "value": 0.34159, "low": None}]
    assert facts["file"]["rows"] == 3
    assert facts["persona_shares"] == {"a": 1.0}
    assert "licence" in facts["licence"]
    for fact in ("toy", "0.342", "uniform", "You\\.", "Licence", facts["date"][:4]):
        assert fact in text
    outside = [line for line in text.splitlines() if not line.startswith("    ")]
    assert not [line for line in outside if "<" in line.replace("\\<", "") or "](" in line]
    assert not [line for line in outside if line.startswith("# big")]


def test_the_card_says_that_personas_quote_people(tmp_path: Path) -> None:
    for description, is_voice in (("You write like this: Slow.", True), ("You write.", False)):
        simulation = make(["a"], personas={"a": description})
        path = simulation.to_csv(tmp_path / "a.csv")
        for file in cards_of(path):
            assert ("that personas quote" in file.read_text(encoding="utf-8")) == is_voice


@pytest.mark.parametrize("kind", FORMATS)
def test_a_missing_changed_or_foreign_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    read = getattr(Simulation, f"from_{kind}")
    with pytest.raises(DataError, match="no readable simulation"):
        read(path)
    getattr(make(["a", "b"]), f"to_{kind}")(path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match="changed since it was written"):
        read(path)
    card = cards_of(path)[0]
    card.write_text(card.read_text(encoding="utf-8").replace('"version": 1', '"version": 2'))
    with pytest.raises(DataError, match="newer version"):
        read(path)
    for wrong in ("", "[]", "{}", '{"format": "x"}', "\udcff".encode("utf-8", "surrogateescape")):
        card.write_bytes(wrong if isinstance(wrong, bytes) else wrong.encode())
        with pytest.raises(DataError, match="no readable simulation"):
            read(path)


def test_a_failed_export_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(["old"]).to_csv(tmp_path / "a.csv")
    new = make(["new"])
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(DataError, match="cannot be written: No space"):
        new.to_csv(path)
    monkeypatch.undo()
    assert_equal(Simulation.from_csv(path), make(["old"]))
    assert len(list(tmp_path.iterdir())) == 3


def test_exporting_to_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        make(["a"]).to_csv(tmp_path)
    assert not list(tmp_path.parent.glob("*.part"))


def test_unsupported_values_are_refused(tmp_path: Path) -> None:
    simulation = make(["a"])
    for value in ([object()], pd.to_datetime(["2020-01-01"]), pd.Categorical(["a"]), [3j]):
        odd = Simulation(simulation.frame.assign(odd=value))
        with pytest.raises(DataError, match="'odd' holds"):
            odd.to_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match="provenance holds a set"):
        make(["a"], odd={1}).to_csv(tmp_path / "a.csv")
    twice = pd.concat([simulation.frame, simulation.frame], axis=1)
    with pytest.raises(DataError, match="same name"):
        Simulation(twice).to_csv(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("call", "package", "extra"),
    [("to_parquet", "pyarrow", "export"), ("to_datasets", "datasets", "datasets")],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    to = [tmp_path / "a.parquet"] if call == "to_parquet" else []
    with pytest.raises(MissingPackageError, match=package) as caught:
        getattr(make(["a"]), call)(*to)
    assert f"[{extra}]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_simulation_becomes_a_hugging_face_dataset() -> None:
    pytest.importorskip("datasets")
    simulation = make(FORMULAS, personas={"=1+1": "You add."})
    found = simulation.to_datasets()
    assert found["response"][:] == FORMULAS
    assert found["exemplar"][:2] == [2**60, None]
    assert "You add\\." in found.info.description


def test_to_frame_returns_a_copy() -> None:
    simulation = make(["a"])
    copy = simulation.to_frame()
    copy["response"] = "b"
    assert simulation.responses == ["a"]


@pytest.mark.parametrize("kind", ["polars", "lazy", "arrow"])
def test_frames_of_other_libraries_are_read(kind: str) -> None:
    rows = {"topic": ["tea", "tea", "milk"], "said": ["hot", "mild", "cold"], "w": [1.0, 2.0, 1.0]}
    make = {"polars": pl.DataFrame, "lazy": pl.LazyFrame, "arrow": pa.table}[kind]
    read = Population.from_frame(make(rows), context="topic", response="said", weight="w")
    wanted = Population.from_frame(pd.DataFrame(rows), context="topic", response="said", weight="w")
    pd.testing.assert_frame_equal(read.frame, wanted.frame, check_dtype=False)
    personas = read_personas(make({"name": ["a"], "description": ["You sing."]}))
    assert personas == [Persona("a", "You sing.")]
