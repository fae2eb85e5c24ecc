"""The commands, each in its own process, with the toy model."""

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
from jupyter_mop.engine.mixture import fit_options
from jupyter_mop.errors import DataError
from jupyter_mop.experiments import shift
from jupyter_mop.experiments.__main__ import EXPERIMENTS, chosen, main
from jupyter_mop.experiments.generation import TRIED
from jupyter_mop.experiments.populations import SOURCES

SMALL = ["--quick", "--n", "20", "--set", "n_personas=3", "--set", "n_records=8"]


def command(folder: Path, *arguments: str) -> list[str]:
    here = ["--out", str(folder / "out"), "--store", str(folder / "store.sqlite")]
    toy = [] if "--model" in arguments else ["--model", "toy"]
    return [sys.executable, "-m", "jupyter_mop.experiments", *arguments, *toy, *here]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments), capture_output=True, text=True, timeout=900, check=False
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("all")
    done = run(folder, "all", *SMALL, "--backend", "toy-other")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "subgroups"])
def test_each_experiment_prints_and_saves_its_table(
    everything: tuple[Path, str], name: str
) -> None:
    folder, output = everything
    stem = folder / "out" / f"{name}_rotten_tomatoes"
    assert stem.with_suffix(".txt").read_text() in output
    assert stem.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    facts = json.loads(stem.with_suffix(".json").read_text())
    provenance = facts["provenance"]
    assert provenance["command"].startswith("python -m jupyter_mop.experiments all --quick --n 20")
    assert provenance["recipe"]["n_personas"] == 3
    assert (provenance["n"], provenance["seed"]) == (20, 0)
    assert provenance["model"].startswith("toy:")
    assert "cores" in provenance["hardware"]
    for row in facts["rows"]:
        assert row["low"] <= row["high"]
        assert row["n"] == 20
    methods = {row["method"] for row in facts["rows"]}
    if name in ("generation", "words", "classifier"):
        assert methods == {*TRIED, "mixture, one candidate", "mixture, learned"}
    if name == "ablations":
        assert {"M = 1", "M = 2", "M = 4", "M = 8", "no exemplars"} < methods


def test_the_gate_is_carried_over(everything: tuple[Path, str]) -> None:
    facts = json.loads((everything[0] / "out/transfer_rotten_tomatoes.json").read_text())
    assert facts["provenance"]["second_model"] != facts["provenance"]["model"]


def test_a_second_run_uses_cached_answers(everything: tuple[Path, str]) -> None:
    folder, output = everything
    with Store(folder / "store.sqlite") as store:
        before = store.counts()
    again = run(folder, "generation", *SMALL)
    with Store(folder / "store.sqlite") as store:
        after = store.counts()
    assert (after.completions, after.scores) == (before.completions, before.scores)
    assert again.stdout.split("Saved:")[0] == output.split("Saved:")[0]


def test_a_killed_run_continues_where_it_stopped(
    everything: tuple[Path, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        command(tmp_path, "generation", *SMALL),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for_answers(tmp_path / "store.sqlite", 60)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    with Store(tmp_path / "store.sqlite") as store:
        n_stored = store.counts().completions
    assert n_stored >= 60
    done = run(tmp_path, "generation", *SMALL)
    assert done.returncode == 0, done.stderr
    tables = done.stdout.split("Saved:")[0], everything[1].split("Saved:")[0]
    assert tables[0] == tables[1]


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a child there")
def test_an_interrupted_run_prints_one_sentence(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "generation", *SMALL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_answers(tmp_path / "store.sqlite", 20)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped; finished responses are cached." in error
    assert "Traceback" not in error


def test_results_of_another_model_are_not_overwritten(everything: tuple[Path, str]) -> None:
    folder, _ = everything
    before = {file: file.stat().st_mtime_ns for file in (folder / "out").iterdir()}
    done = run(folder, "generation", *SMALL, "--model", "toy-other")
    assert done.returncode == 1
    assert "are from the model toy:" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["genration"], ["no experiment 'genration'", "Did you mean 'generation'?"]),
        (["generation", "--n", "5"], ["`--n` must be from 20", "got 5"]),
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


def test_a_database_of_another_program_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "store.sqlite").write_text(
        "this is not a store, but it is long enough to be one" * 9
    )
    assert main(command(tmp_path, "generation", *SMALL)[3:]) == 1
    assert "store.sqlite" in capsys.readouterr().err


def test_all_means_every_experiment_that_can_run() -> None:
    films, reviews = SOURCES["films"], SOURCES["rotten_tomatoes"]
    possible = [name for name in EXPERIMENTS if name != "subgroups"]
    assert chosen("all", reviews, with_transfer=True) == possible
    assert "transfer" not in chosen("all", reviews, with_transfer=False)
    assert chosen("all", films, with_transfer=True) == ["generation", "subgroups"]
    with pytest.raises(DataError, match="'everything'"):
        chosen("everything", reviews, with_transfer=False)
    with pytest.raises(DataError, match="words does not use the population films"):
        chosen("words", films, with_transfer=False)


@pytest.mark.parametrize(
    "data",
    ["drug_reviews", *(pytest.param(d, marks=pytest.mark.slow) for d in ("functions", "films"))],
)
def test_hidden_subgroups_are_compared_with_the_learned_weights(data: str, tmp_path: Path) -> None:
    done = run(tmp_path, "subgroups", "--quick", "--n", "20", "--data", data)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / f"out/subgroups_{data}.json").read_text())
    rows = {(row["method"], row["figure"]): row for row in facts["rows"]}
    methods = {method for method, _ in rows}
    learned = {f"learned by {by}, seed {seed}" for by in fit_options.SOURCES for seed in range(3)}
    assert learned < methods
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows.values())
    frame = SOURCES[data].frame()
    shares = frame[SOURCES[data].groups.column].value_counts(normalize=True)
    uniform = 0.5 * (shares - 1 / len(shares)).abs().sum()
    found = rows["uniform weights", "total variation"]["value"]
    assert found == pytest.approx(uniform, abs=0.04)
    known = rows["learned by samples, seed 0", "share right"]
    assert known["floor"] > 1 / len(shares)


@pytest.mark.slow
def test_populations_with_subgroups_are_compared_by_context(tmp_path: Path) -> None:
    few = ["--set", "n_records=16", "--set", "n_candidates=2"]
    done = run(tmp_path, "generation", "--quick", "--n", "80", "--data", "films", *few)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "out/generation_films.json").read_text())
    metrics = {row["figure"] for row in facts["rows"]}
    assert metrics == {"FID", "MAUVE", "KL cosine", "joint FID", "fidelity", "FID by context"}
    methods = {row["method"] for row in facts["rows"]}
    assert {"fewshot-context, resampled", "mixture, uniform", "mixture, learned"} < methods
    assert {gain["against"] for gain in facts["gains"]} & {"mixture, uniform"}
    assert "of the way" in done.stdout


def test_under_shift_no_exemplar_is_of_the_population(everything: tuple[Path, str]) -> None:
    facts = json.loads((everything[0] / "out/shift_rotten_tomatoes.json").read_text())
    assert {row["method"] for row in facts["rows"]} == set(shift.METHODS)
    shares = next(note for note in facts["notes"] if note.startswith("Weight of the exemplars"))
    assert all(source in shares for source in shift.PERSONAS)


@pytest.mark.slow
@pytest.mark.model
def test_the_embedded_model_makes_a_small_table(tmp_path: Path) -> None:
    small = ["--quick", "--n", "20", "--set", "n_records=8", "--set", "n_personas=2"]
    done = run(tmp_path, "generation", *small, "--model", "local")
    assert done.returncode == 0, done.stderr
    assert "two halves of the real" in done.stdout


def _wait_for_answers(store: Path, n: int) -> None:
    """Wait until a store has `n` responses."""
    for _ in range(1200):
        if store.exists():
            with Store(store) as opened:
                if opened.counts().completions >= n:
                    return
        time.sleep(0.05)
    raise AssertionError("the run stored no responses")
