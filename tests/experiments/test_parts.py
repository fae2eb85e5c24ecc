"""The parts of the experiments: data, recipe, metrics, classifier, report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from jupyter_mop import config
from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.engine.evaluation.alignment_by_context import AlignmentByContext
from jupyter_mop.engine.metrics import alignment_table
from jupyter_mop.errors import DataError
from jupyter_mop.experiments import populations, report, settings
from jupyter_mop.experiments.ablations import STRANGERS, strangers
from jupyter_mop.experiments.classifier import f1, f1_interval
from jupyter_mop.experiments.metrics import comparison
from jupyter_mop.experiments.metrics.measurements import Metrics
from jupyter_mop.experiments.settings import Recipe

sentences = st.lists(st.sampled_from(["It is bad.", "Go and see it now!", "Why?", "dull "]))


@how(deadline=None)
@given(sentences.map(" ".join), st.integers(1, 12))
def test_an_opening_has_at_most_the_given_number_of_words(text: str, most: int) -> None:
    cut = populations.opening(text, most)
    assert len(cut.split()) <= most
    assert " ".join(text.split()).startswith(cut)
    assert bool(cut) == bool(text.split())
    assert populations.opening(cut, most) == cut


def test_an_opening_ends_with_a_sentence_if_possible() -> None:
    assert (
        populations.opening("It is bad.<br /><br />It is long. Go.", 6) == "It is bad. It is long."
    )
    assert populations.opening("One two three four. Five.", 3) == "One two three"


@pytest.mark.parametrize("name", populations.SOURCES)
def test_records_of_each_source(name: str) -> None:
    source = populations.SOURCES[name]
    frame = populations.records(source, 50, random_state=1)
    assert len(frame) == min(400, len(source.frame()))
    assert frame[populations.RESPONSE].is_unique
    assert set(frame.columns) == {*source.context, populations.RESPONSE}
    assert all(len(set(frame[name])) > 1 for name in source.context)
    assert all(source.cut(text) == text for text in frame[populations.RESPONSE])
    assert "<br" not in " ".join(frame[populations.RESPONSE])
    pd.testing.assert_frame_equal(frame, populations.records(source, 50, random_state=1))


@pytest.mark.parametrize("name", populations.WITH_GROUPS)
def test_the_question_names_the_subgroup_only_where_it_is_known(name: str) -> None:
    source, groups = populations.SOURCES[name], populations.SOURCES[name].groups
    assert set(source.frame()[groups.column]) == set(groups.personas)
    assert "{" + groups.column + "}" in source.template
    assert "{" + groups.column + "}" not in groups.template


def test_gains_by_context_are_in_percent_of_the_rivals_excess() -> None:
    rows = [
        ("mine", "FID by context", 0.3, 0.2, 0.4, 0.1, "lower"),
        ("other", "FID by context", 0.5, 0.4, 0.6, 0.1, "lower"),
    ]
    names = ["method", "figure", "value", "low", "high", "floor", "better"]
    summary = pd.DataFrame(rows, columns=names).assign(worst="")
    summary["figure"] = "FID"
    by_context = AlignmentByContext(("age",), pd.DataFrame(), summary)
    empty = pd.DataFrame(columns=names)
    found = Alignment(empty, pd.DataFrame(), by_context=by_context)
    gain = comparison.gains(found, "mine", ["other"]).iloc[0]
    assert gain["figure"] == "FID by context excess over the human floor"
    assert gain["difference"] == pytest.approx(-50)
    assert gain["low"] == pytest.approx(-50 - 100 * 0.02**0.5 / 0.4)
    assert gain["verdict"] == "better"


def test_the_share_of_the_way_is_from_the_start_to_people() -> None:
    rows = [("uniform", 0.5, 0.9), ("learned", 0.8, 0.9)]
    frame = pd.DataFrame(rows, columns=["method", "value", "floor"]).assign(figure="fidelity")
    assert "75% of the way" in comparison.share_of_way(
        Alignment(frame, pd.DataFrame()), "learned", "uniform"
    )


@pytest.mark.parametrize("n", [19, 0, -1, 2133, 10**6])
def test_too_few_or_too_many_responses_are_refused(n: int) -> None:
    with pytest.raises(DataError, match="held-out") as caught:
        populations.records(populations.SOURCES["rotten_tomatoes"], n, random_state=0)
    assert "--n" in caught.value.hint


def test_the_recipe_has_the_defaults_of_the_library() -> None:
    recipe = Recipe()
    assert recipe.n_exemplars == config.DEFAULT_EXEMPLARS
    assert recipe.n_components == config.DEFAULT_COMPONENTS
    assert recipe.params.temperature == config.DEFAULT_TEMPERATURE
    assert recipe.params.max_tokens == config.DEFAULT_MAX_TOKENS


def test_the_recipe_can_be_changed() -> None:
    changed = Recipe().changed(["temperature=1", "n_personas=3", "template=Say a={b}."])
    assert (changed.temperature, changed.n_personas) == (1.0, 3)
    assert changed.template == "Say a={b}."


@pytest.mark.parametrize("change", ["temprature=1", "n_personas=few", "n_personas", ""])
def test_an_invalid_change_is_refused(change: str) -> None:
    with pytest.raises(DataError) as caught:
        Recipe().changed([change])
    assert caught.value.hint


@how(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_f1_equals_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    predicted, truth = (np.array(side, dtype=object) for side in zip(*pairs, strict=True))
    expected = f1_score(truth, predicted, average="macro", zero_division=0)
    assert f1(predicted, truth) == pytest.approx(expected)


def test_the_interval_of_f1_contains_it_and_narrows() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array(["a", "b"], dtype=object), 1600)
    predicted = np.where(rng.random(1600) < 0.8, truth, "a").astype(object)
    value, low, high = f1_interval(predicted, truth, n_boot=200)
    assert low < value < high
    few = f1_interval(predicted[:100], truth[:100], n_boot=200)
    assert few[2] - few[1] > 2.5 * (high - low)


@pytest.fixture
def clouds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = {"near": 0.2, "far": 1.0, "farther": 1.5}
    return {name: rng.normal(c, 1, (60, 4)).astype(np.float32) for name, c in centres.items()}


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    target = np.random.default_rng(1).normal(size=(120, 4)).astype(np.float32)
    return Metrics(target, tmp_path / "figures", n_boot=8, seed=3)


def test_metrics_equal_those_of_align_computed_or_cached(
    metrics: Metrics, clouds: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = metrics.table(clouds)
    with pytest.warns(UserWarning, match="60 responses"):
        together = alignment_table.align(metrics.target, clouds, n_boot=8, random_state=3)
    together["method"] = together["method"].astype(object)
    pd.testing.assert_frame_equal(first[together.columns], together, check_dtype=False)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(alignment_table, "align", forbidden)
    pd.testing.assert_frame_equal(metrics.table(clouds), first)
    with pytest.raises(AssertionError, match="computed again"):
        metrics.table({"near": clouds["near"] + 1e-3})


def test_a_partly_written_cache_file_is_not_read(
    metrics: Metrics, clouds: dict[str, np.ndarray]
) -> None:
    metrics.table(clouds)
    parts = [file.suffix for file in metrics.folder.iterdir()]
    assert parts == [".json"] * 3


def test_gains_are_differences_in_percent_of_the_best_rival(
    metrics: Metrics, clouds: dict[str, np.ndarray]
) -> None:
    frame = metrics.table(clouds)
    gains = metrics.gains(frame, clouds, "near", ["far", "farther"]).set_index("figure")
    values = frame.pivot_table("value", "figure", "method")
    floor = frame.loc[frame["figure"] == "FID", "floor"].iloc[0]
    near, far = values.loc["FID", "near"], values.loc["FID", "far"]
    fid = gains.loc["FID excess over the human floor"]
    assert fid["against"] == "far"
    assert fid["difference"] == pytest.approx(100 * (near - far) / (far - floor))
    mauve = values.loc["MAUVE"]
    expected = 100 * (mauve["near"] / mauve["far"] - 1)
    assert gains.loc["MAUVE", "difference"] == pytest.approx(expected)
    assert fid["verdict"] == gains.loc["MAUVE", "verdict"] == "better"
    assert (gains["low"] <= gains["difference"]).all()
    assert (gains["difference"] <= gains["high"]).all()


def test_a_result_is_saved_with_its_provenance(
    metrics: Metrics, clouds: dict[str, np.ndarray], tmp_path: Path
) -> None:
    frame = metrics.table(clouds)
    gains = metrics.gains(frame, clouds, "near", ["far"])
    provenance = {"command": "python", "n": 60}
    result = report.Result("generation", "toy", frame, "floor", ["note"], gains, None, provenance)
    files = {file.suffix: file for file in result.save(tmp_path)}
    pd.testing.assert_frame_equal(pd.read_csv(files[".csv"]), frame, check_dtype=False)
    facts = json.loads(files[".json"].read_text())
    assert facts["provenance"] == provenance
    assert len(facts["rows"]) == 9
    text = files[".txt"].read_text()
    assert "floor" in text.splitlines()[6]
    assert "near against the best baseline, far: MAUVE +" in text
    widths = {len(line) for line in text.splitlines()[2:7]}
    assert len(widths) == 1
    again = report.read_result(files[".json"])
    assert again.text() == result.text()
    assert list(again.table().index) == ["near", "far", "farther", "floor"]
    assert again.provenance == provenance


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": "generation"}'])
def test_another_file_is_not_a_result(tmp_path: Path, content: str) -> None:
    file = tmp_path / "result.json"
    file.write_text(content)
    with pytest.raises(DataError, match="is not the result of an experiment"):
        report.read_result(file)


def test_a_folder_has_the_results_of_one_model(tmp_path: Path) -> None:
    settings.check_folder(tmp_path / "new", "first")
    settings.check_folder(tmp_path / "new", "first")
    with pytest.raises(DataError, match="from the model first, not from second") as caught:
        settings.check_folder(tmp_path / "new", "second")
    assert "--out" in caught.value.hint


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00"])
def test_an_unreadable_folder_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(DataError, match="Cannot save results"):
        settings.check_folder(tmp_path, "first")
    assert (tmp_path / "model.json").read_text() == content
    with pytest.raises(DataError, match="Cannot save results"):
        settings.check_folder(tmp_path / "model.json", "first")


@pytest.mark.parametrize("n", [1, 16, 40])
def test_strangers_are_all_different(n: int) -> None:
    found = strangers(n)
    assert len({p.name for p in found}) == len({p.description for p in found}) == n
    assert found[0].description == STRANGERS[0]
