"""The commands, each in a process of its own, on the toy model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.engine.generation.baselines import BASELINES
from jupyter_mop.errors import DataError
from jupyter_mop.experiments.__main__ import EXPERIMENTS, chosen, main

SMALL = ["--quick", "--n", "20", "--set", "n_personas=3", "--set", "n_records=8"]


def command(folder: Path, *arguments: str) -> list[str]:
    here = ["--out", str(folder / "out"), "--store", str(folder / "kept.sqlite")]
    toy = [] if "--model" in arguments else ["--model", "toy"]
    return [sys.executable, "-m", "jupyter_mop.experiments", *arguments, *toy, *here]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments), capture_output=True, text=True, timeout=900, check=False
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("all")
    told = run(folder, "all", *SMALL, "--backend", "toy-other")
    assert told.returncode == 0, told.stderr
    return folder, told.stdout


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_prints_and_saves_its_table(
    everything: tuple[Path, str], name: str
) -> None:
    folder, told = everything
    stem = folder / "out" / f"{name}_rotten_tomatoes"
    assert stem.with_suffix(".txt").read_text() in told
    assert stem.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    facts = json.loads(stem.with_suffix(".json").read_text())
    made = facts["provenance"]
    assert made["command"].startswith("python -m jupyter_mop.experiments all --quick --n 20")
    assert made["recipe"]["n_personas"] == 3
    assert (made["n"], made["seed"]) == (20, 0)
    assert made["model"].startswith("toy:")
    assert "cores" in made["hardware"]
    for row in facts["rows"]:
        assert row["low"] <= row["high"]
        assert row["n"] == 20
    methods = {row["method"] for row in facts["rows"]}
    if name in ("generation", "words", "classifier"):
        assert methods == {*BASELINES, "mixture, one candidate", "mixture, learned"}
    if name == "ablations":
        assert {"M = 1", "M = 2", "M = 4", "M = 8", "no exemplars"} < methods


def test_the_gate_is_carried_over(everything: tuple[Path, str]) -> None:
    facts = json.loads((everything[0] / "out/transfer_rotten_tomatoes.json").read_text())
    assert facts["provenance"]["second_model"] != facts["provenance"]["model"]


def test_again_from_what_is_kept(everything: tuple[Path, str]) -> None:
    folder, told = everything
    with Store(folder / "kept.sqlite") as store:
        before = store.counts()
    again = run(folder, "generation", *SMALL)
    with Store(folder / "kept.sqlite") as store:
        after = store.counts()
    assert (after.completions, after.scores) == (before.completions, before.scores)
    assert again.stdout.split("Saved:")[0] == told.split("Saved:")[0]


def test_a_killed_run_goes_on_where_it_stopped(
    everything: tuple[Path, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        command(tmp_path, "generation", *SMALL),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for_answers(tmp_path / "kept.sqlite", 60)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    with Store(tmp_path / "kept.sqlite") as store:
        kept = store.counts().completions
    assert kept >= 60
    told = run(tmp_path, "generation", *SMALL)
    assert told.returncode == 0, told.stderr
    tables = told.stdout.split("Saved:")[0], everything[1].split("Saved:")[0]
    assert tables[0] == tables[1]


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a child there")
def test_an_interrupted_run_says_so_in_a_sentence(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "generation", *SMALL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_answers(tmp_path / "kept.sqlite", 20)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped; what is finished is kept." in error
    assert "Traceback" not in error


def test_the_results_of_another_model_are_left_alone(everything: tuple[Path, str]) -> None:
    folder, _ = everything
    before = {file: file.stat().st_mtime_ns for file in (folder / "out").iterdir()}
    told = run(folder, "generation", *SMALL, "--model", "toy-other")
    assert told.returncode == 1
    assert "are of the model toy:" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["genration"], ["no experiment 'genration'", "Did you mean 'generation'?"]),
        (["generation", "--n", "5"], ["Figures of 5 responses", "--n from 20"]),
        (["generation", "--set", "temprature=2"], ["no setting 'temprature'"]),
        (["transfer", *SMALL], ["needs a second model", "--backend"]),
        (["generation", "--quick", "--model", "no-such-file.gguf"], ["no-such-file.gguf"]),
    ],
)
def test_bad_input_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    assert main(command(tmp_path, *arguments)[3:]) == 1
    error = capsys.readouterr().err
    assert all(word in error for word in words)
    assert "Traceback" not in error


def test_a_database_of_another_program_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept.sqlite").write_text("this is no store, but it is long enough to be one" * 9)
    assert main(command(tmp_path, "generation", *SMALL)[3:]) == 1
    assert "kept.sqlite" in capsys.readouterr().err


def test_all_is_every_experiment_that_can_be_run() -> None:
    assert chosen("all", with_transfer=True) == list(EXPERIMENTS)
    assert "transfer" not in chosen("all", with_transfer=False)
    with pytest.raises(DataError, match="'everything'"):
        chosen("everything", with_transfer=False)


@pytest.mark.model
def test_the_embedded_model_makes_a_small_table(tmp_path: Path) -> None:
    small = ["--quick", "--n", "20", "--set", "n_records=8", "--set", "n_personas=2"]
    told = run(tmp_path, "generation", *small, "--model", "local")
    assert told.returncode == 0, told.stderr
    assert "two halves of the real" in told.stdout


def _wait_for_answers(store: Path, n: int) -> None:
    """Wait until a store holds so many answers."""
    for _ in range(1200):
        if store.exists():
            with Store(store) as held:
                if held.counts().completions >= n:
                    return
        time.sleep(0.05)
    raise AssertionError("the run kept no answers")
