from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, NotFittedError


@pytest.fixture
def fitted(mixture: MixtureOfPersonas, frame: pd.DataFrame) -> MixtureOfPersonas:
    frame = frame.assign(w=np.arange(len(frame)) % 3 + 1)
    mixture.template, mixture.rank, mixture.l2 = "What of {topic}?", 3, 0.02
    population = Population.from_frame(frame, context="topic", response="text", weight="w")
    return mixture.fit(population)


def load(path: Path, like: MixtureOfPersonas) -> MixtureOfPersonas:
    return MixtureOfPersonas.load(path, like.backend, like.encoder)


def test_a_saved_mixture_is_loaded(
    fitted: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    assert fitted.save(tmp_path / "mix") == tmp_path / "mix"
    again = load(tmp_path / "mix", fitted)
    np.testing.assert_array_equal(again.gate_.theta, fitted.gate_.theta)
    np.testing.assert_allclose(again.persona_weights(), fitted.persona_weights(), atol=1e-12)
    np.testing.assert_array_equal(
        again.persona_weights(population), fitted.persona_weights(population)
    )
    assert again.personas == fitted.personas
    assert again.exemplars_ == fitted.exemplars_
    assert again.template_ == fitted.template_
    assert (again.n_exemplars, again.rank, again.l2) == (6, 3, 0.02)
    assert again.is_fitted
    pd.testing.assert_frame_equal(again.report_, fitted.report_)


def test_a_loaded_mixture_gives_the_same_results(
    fitted: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    again = load(fitted.save(tmp_path), fitted)
    for weights in ("learned", "uniform", "stated", {"sunny": 0.7}):
        first, second = (m.simulate(30, population, weights=weights) for m in (fitted, again))
        pd.testing.assert_frame_equal(first.frame, second.frame)
    np.testing.assert_allclose(again.log_prob(population), fitted.log_prob(population))
    assert len(again.simulate(10)) == 10
    assert set(again.simulate(50).frame["context"]) == set(population.contexts)


def test_a_loaded_mixture_without_a_fit_is_not_fitted(
    mixture: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    again = load(mixture.initialise(population).save(tmp_path), mixture)
    assert not again.is_fitted
    assert again.simulate(5).provenance["weights"] == "stated"


def test_only_responses_of_exemplars_are_written(
    fitted: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    text = (fitted.save(tmp_path) / "mixture.json").read_text(encoding="utf-8")
    shown = {exemplar.response for exemplar in fitted.exemplars_}
    assert all(response in text for response in shown)
    assert not any(f'"{response}"' in text for response in set(population.responses) - shown)


def test_the_files_are_json_and_arrays_without_pickle(
    fitted: MixtureOfPersonas, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gate.npz", "mixture.json"]
    assert json.loads((tmp_path / "mixture.json").read_text())["version"] == 2
    with np.load(tmp_path / "gate.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype == np.float64 for name in arrays)


def test_an_interrupted_save_can_be_repeated(fitted: MixtureOfPersonas, tmp_path: Path) -> None:
    (tmp_path / "gate.npz.part").write_bytes(b"PK")
    assert load(fitted.save(tmp_path), fitted).is_fitted


def test_saving_again_replaces_the_mixture(
    fitted: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    fitted.initialise(population).save(tmp_path)
    assert not load(tmp_path, fitted).is_fitted


def test_other_files_are_not_overwritten(fitted: MixtureOfPersonas, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("Chapter 1")
    with pytest.raises(DataError, match="not a mixture") as caught:
        fitted.save(tmp_path)
    assert "new folder" in caught.value.hint
    with pytest.raises(DataError, match="is a file"):
        fitted.save(tmp_path / "thesis.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "Chapter 1"


def damage_nothing_there(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


def damage_no_arrays(path: Path) -> None:
    (path / "gate.npz").unlink()


def damage_arrays(path: Path) -> None:
    (path / "gate.npz").write_bytes(b"PK\x03\x04 no arrays")


def damage_json(path: Path) -> None:
    (path / "mixture.json").write_text('{"version": 1, ')


def damage_facts(path: Path) -> None:
    (path / "mixture.json").write_text("{}")


def damage_shape(path: Path) -> None:
    (path / "mixture.json").write_text("[1, 2]")


@pytest.mark.parametrize(
    "damage",
    [
        damage_nothing_there,
        damage_no_arrays,
        damage_arrays,
        damage_json,
        damage_facts,
        damage_shape,
    ],
)
def test_a_folder_without_a_mixture_is_refused(
    fitted: MixtureOfPersonas, tmp_path: Path, damage
) -> None:
    damage(fitted.save(tmp_path))
    with pytest.raises(DataError, match="no readable mixture") as caught:
        load(tmp_path, fitted)
    assert "save" in caught.value.hint


@pytest.mark.parametrize(("version", "hint"), [(99, "pip install -U"), (1, "Fit it again")])
def test_another_version_is_refused(
    fitted: MixtureOfPersonas, tmp_path: Path, version: int, hint: str
) -> None:
    file = fitted.save(tmp_path) / "mixture.json"
    facts = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({"version": version, "digest": "?"}), encoding="utf-8")
    assert facts["version"] == 2
    with pytest.raises(DataError, match="another version") as caught:
        load(tmp_path, fitted)
    assert hint in caught.value.hint


def test_another_model_is_used_with_one_warning(
    fitted: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    other = ToyBackend(fitted.backend.vocabulary, persona_boost=1.0)
    with pytest.warns(UserWarning, match="are used with") as warned:
        again = MixtureOfPersonas.load(tmp_path, other, fitted.encoder)
    assert len(warned) == 1
    assert fitted.backend.fingerprint in str(warned[0].message)
    assert other.fingerprint in str(warned[0].message)
    np.testing.assert_array_equal(
        again.persona_weights(population), fitted.persona_weights(population)
    )
    simulation = again.simulate(20, population)
    assert simulation.provenance["model"] == other.fingerprint
    assert simulation.provenance["weights"] == "learned"


def test_another_encoder_keeps_only_the_overall_weights_and_warns(
    fitted: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    other = ToyEncoder(["other", "words", "sun"])
    with pytest.warns(UserWarning, match="overall persona weights are used") as warned:
        again = MixtureOfPersonas.load(tmp_path, fitted.backend, other)
    assert len(warned) == 1
    assert fitted.encoder.fingerprint in str(warned[0].message)
    assert np.ptp(fitted.persona_weights()) > 0.01
    np.testing.assert_allclose(again.persona_weights(), fitted.persona_weights(), atol=1e-9)
    assert np.ptp(again.persona_weights(population), axis=0).max() < 1e-9
    assert len(again.simulate(10, population)) == 10


def test_the_same_model_and_encoder_give_no_warning(
    fitted: MixtureOfPersonas, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(fitted.save(tmp_path), fitted)


@pytest.mark.parametrize("what", ["personas", "exemplars"])
def test_an_edited_file_is_refused(fitted: MixtureOfPersonas, tmp_path: Path, what: str) -> None:
    file = fitted.save(tmp_path) / "mixture.json"
    facts = json.loads(file.read_text(encoding="utf-8"))
    name = "description" if what == "personas" else "response"
    facts[what][0][name] += "!"
    file.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(DataError, match="edited after the fit") as caught:
        load(tmp_path, fitted)
    assert "fit a new mixture" in caught.value.hint


def test_a_loaded_mixture_explains_and_has_no_intervals(
    fitted: MixtureOfPersonas, tmp_path: Path
) -> None:
    again = load(fitted.save(tmp_path), fitted)
    pool = {exemplar.response for exemplar in fitted.exemplars_}
    assert set(again.explain("sun at dawn").nearest["response"]) <= pool
    with pytest.raises(NotFittedError, match="likelihoods"):
        again.persona_weight_intervals()
