"""Other persona weights after one of several candidates was selected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.protocols import GenerationRequest, SamplingParams
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.calibration import calibrate
from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
from jupyter_mop.study.study import Study

WORDS = [f"a{i}" for i in range(4)] + [f"b{i}" for i in range(4)] + ["x", "y", "z", "v"]
PERSONAS = "a: You say a0 a1 a2 a3.\nb: You say b0 b1 b2 b3."
SHARE_OF_A = 0.8
AS_IS = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 5}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study of people of whom 80 % are of the kind a, and a simulation with equal weights."""
    model = ToyBackend(WORDS, length=5, persona_boost=1.5, exemplar_boost=0.0)
    rng, personas = np.random.default_rng(0), read_personas(PERSONAS)
    template = PromptTemplate("Say {topic}.")
    requests = [
        GenerationRequest(template.render({"topic": "card"}, persona=personas[k]), 1, i)
        for i, k in enumerate((rng.random(2400) > SHARE_OF_A).astype(int))
    ]
    said = [c.text for c in model.generate(requests, SamplingParams(1.0, 1.0, 5))]
    study = Study(model, ToyEncoder(WORDS), store=tmp_path_factory.mktemp("s") / "s.sqlite")
    study.use_personas(PERSONAS)
    study.use_population(
        pd.DataFrame({"topic": "card", "text": said}), context="topic", response="text"
    )
    study.simulate("equal", 1000, weights="uniform", template="Say {topic}.", **AS_IS)
    yield study
    study.store.close()


def own_words(simulation: Simulation, persona: str) -> float:
    """Return the share of a persona's own words in its responses."""
    rows = simulation.frame[simulation.frame["persona"] == persona]
    shares = [np.mean([word[0] == persona for word in text.split()]) for text in rows["response"]]
    return float(np.average(shares, weights=rows["weight"]))


def test_the_first_candidates_are_the_simulation_with_one_candidate(study: Study) -> None:
    equal = study.simulations["equal"]
    assert equal.provenance["n_candidates"] == 4
    one = study.simulate("one", 1000, weights="uniform", n_candidates=1, **AS_IS)
    pd.testing.assert_frame_equal(equal.first_candidates().frame, one.frame)
    assert one.first_candidates() is one


def test_reweighting_is_exact_after_a_selection(study: Study) -> None:
    equal = study.simulations["equal"]
    heavy = study.reweight("equal", {"a": SHARE_OF_A})
    truth = 4 * np.exp(1.5) / (4 * np.exp(1.5) + 8)  # 0.69
    assert own_words(equal, "b") < truth - 0.03  # people of whom few are b have few b words
    assert own_words(heavy, "b") == pytest.approx(truth, abs=0.015)
    assert heavy.responses == equal.first_candidates().responses
    assert "a=0.800, b=0.200, the first of 4 candidates each" in repr(heavy)


@pytest.mark.parametrize("figure", ["MAUVE", "FID"])
def test_matching_recovers_the_weights_after_a_selection(study: Study, figure: str) -> None:
    found = study.match("equal", figure)
    study.simulate("one", 1000, weights="uniform", n_candidates=1, **AS_IS)
    assert found == study.match("one", figure)
    assert found["a"] == pytest.approx(SHARE_OF_A, abs=0.05)


def test_calibration_uses_the_first_candidates(study: Study) -> None:
    equal = study.simulations["equal"]

    def kind(text: str) -> str:
        return max("ab", key=text.count)

    targets = {"a": 0.6, "b": 0.4}
    found = calibrate(equal, targets, of=kind)
    assert found.weights == calibrate(equal.first_candidates(), targets, of=kind).weights
    heavy = equal.reweight(found)
    is_a = np.array([kind(text) == "a" for text in heavy.responses])
    assert np.average(is_a, weights=heavy.weights) == pytest.approx(0.6, abs=1e-3)


def test_a_file_keeps_the_first_candidates(study: Study, tmp_path: Path) -> None:
    equal = study.simulations["equal"]
    again = Simulation.from_csv(equal.to_csv(tmp_path / "equal.csv"))
    assert again.reweight({"a": 0.8}).responses == equal.first_candidates().responses


def test_without_the_first_candidates_the_size_of_the_effect_is_a_warning(study: Study) -> None:
    equal = study.simulations["equal"]
    without = Simulation(
        equal.frame.drop(columns=["first_response", "first_seed"]), (), equal.provenance
    )
    effect = equal.provenance["selection_effect"]
    assert 0.05 < effect < 0.5
    words = rf"4 candidates .* up to {effect}\. .*--candidates 1"
    with pytest.warns(UserWarning, match=words):
        assert without.reweight({"a": 0.8}).responses == equal.responses
    with pytest.warns(UserWarning, match=words):
        calibrate(without, {"long": 1.0}, of=lambda _: "long")
    study.simulations["without"] = without
    with pytest.warns(UserWarning, match=words):
        study.match("without", "FID")
    del study.simulations["without"]


def test_the_panel_says_that_other_weights_are_approximate(study: Study) -> None:
    panel = AlignmentPanel(study.compare("equal"))
    assert "4 candidates" in panel.notes[0]
    assert not any("candidates" in note for note in AlignmentPanel(study.compare("one")).notes)
