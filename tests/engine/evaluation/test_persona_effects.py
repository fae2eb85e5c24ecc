"""Whether a persona moves the answers, on known truths."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import Study, ToyBackend, ToyEncoder
from jupyter_mop.charts.diagnosis import diagnosis_table
from jupyter_mop.engine.evaluation.persona_effects import (
    ERROR_RATE,
    MOVES,
    NO_DIFFERENCE,
    TOO_FEW,
    comparison_strata,
    persona_effects,
)
from jupyter_mop.engine.simulation.simulation import Simulation

WORDS = ["sun", "rain", "wind", "fog", "snow", "hail"]
NAMES = ["a", "b", "c", "d"]


def effects(boost: float, seed: int, n: int = 240, personas: str | None = None) -> pd.DataFrame:
    """Diagnose a simulation of four personas of the toy model, which raise one word by `boost`."""
    study = Study(ToyBackend(WORDS, length=6, persona_boost=boost), ToyEncoder(WORDS))
    lines = (f"{name}: You say {word}." for name, word in zip(NAMES, WORDS, strict=False))
    study.use_personas(personas or "\n".join(lines))
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, size=6)) for _ in range(120)]
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 60, "text": texts})
    study.use_population(frame, context="topic", response="text", random_state=seed)
    study.simulate("s", n, weights="uniform", n_candidates=1, random_state=seed)
    return study.diagnose("s", random_state=seed).effects


def test_identical_personas_move_nothing_in_19_of_20_seeds() -> None:
    same = "\n".join(f"{name}: You say sun." for name in NAMES)
    verdicts = [set(effects(1.0, seed, personas=same)["verdict"]) for seed in range(20)]
    assert sum(verdict == {NO_DIFFERENCE} for verdict in verdicts) >= 19


def test_different_personas_are_found() -> None:
    found = [effects(1.0, seed) for seed in range(5)]
    assert all((frame["verdict"] == MOVES).all() for frame in found)
    assert (found[0]["divergence"] > found[0]["floor"]).all()
    clear = effects(2.0, 0)
    assert (clear["above_low"] > 0).all()
    assert (clear["above_low"] < clear["above"]).all()
    assert (clear["above"] < clear["above_high"]).all()


def test_the_one_persona_that_differs_is_named() -> None:
    personas = "\n".join(f"{name}: You say sun." for name in NAMES[:3]) + "\nd: You say fog."
    found = effects(1.5, 0, personas=personas).set_index("persona")
    assert found["divergence"].idxmax() == "d"
    assert found.loc["d", "verdict"] == MOVES


def test_the_error_rate_is_that_of_all_personas_together() -> None:
    rng, strata = np.random.default_rng(0), np.zeros(60, int)
    n_found = 0
    for seed in range(200):
        vectors, codes = rng.normal(size=(60, 3)), rng.integers(6, size=60)
        found = persona_effects(vectors, codes, list("abcdef"), strata, random_state=seed)
        n_found += (found["p"] <= 0.05).any()
    assert n_found / 200 == pytest.approx(0.05, abs=0.035)
    assert ERROR_RATE == 0.01


def test_r_squared_agrees_with_the_sums_of_squares() -> None:
    rng = np.random.default_rng(0)
    vectors, codes = rng.normal(size=(90, 5)), rng.integers(3, size=90)
    vectors[codes == 1] += 0.5
    found = persona_effects(vectors, codes, ["a", "b", "c"], np.zeros(90, int))
    total = ((vectors - vectors.mean(0)) ** 2).sum()
    for k in range(3):
        parts = vectors[codes == k], vectors[codes != k]
        within = sum(((part - part.mean(0)) ** 2).sum() for part in parts)
        assert found["divergence"][k] == pytest.approx(1 - within / total, rel=1e-5)


def test_a_persona_of_other_contexts_is_not_taken_for_another_voice() -> None:
    rng = np.random.default_rng(0)
    strata = rng.integers(2, size=400)
    codes = (rng.random(400) < np.where(strata, 0.9, 0.1)).astype(int)
    vectors = rng.normal(size=(400, 4)) + 3 * strata[:, None]
    by_context = persona_effects(vectors, codes, ["a", "b"], strata)
    assert set(by_context["verdict"]) == {NO_DIFFERENCE}
    blind = persona_effects(vectors, codes, ["a", "b"], np.zeros(400, int))
    assert set(blind["verdict"]) == {MOVES}


def test_a_persona_with_few_comparable_responses_has_no_verdict() -> None:
    rng = np.random.default_rng(0)
    codes = np.r_[np.zeros(50, int), np.ones(50, int), [2] * 4, [3] * 50]
    strata = np.r_[np.zeros(104, int), np.ones(50, int)]  # the last persona is alone there
    vectors = rng.normal(size=(154, 4))
    found = persona_effects(vectors, codes, NAMES, strata)
    assert found["verdict"].tolist() == [NO_DIFFERENCE, NO_DIFFERENCE, TOO_FEW, TOO_FEW]
    assert found["n"].tolist() == [50, 50, 4, 0]
    assert found["divergence"].isna().tolist() == [False, False, True, True]


def test_equal_responses_have_no_difference() -> None:
    found = persona_effects(np.ones((40, 3)), np.arange(40) % 2, ["a", "b"], np.zeros(40, int))
    assert found["divergence"].tolist() == [0, 0]
    assert set(found["verdict"]) == {NO_DIFFERENCE}


def test_strata_are_contexts_or_groups_of_alike_weights() -> None:
    rows = {"persona": ["a", "b"] * 30, "response": "x", "weight": 1.0}
    recurring = Simulation(pd.DataFrame({**rows, "context": ["q", "r", "r"] * 20}))
    assert len(set(comparison_strata(recurring))) == 2
    distinct = Simulation(pd.DataFrame({**rows, "context": [f"q{i}" for i in range(60)]}))
    assert set(comparison_strata(distinct)) == {0}
    weights = {f"q{i}": [0.9, 0.1] if i % 2 else [0.1, 0.9] for i in range(60)}
    known = dataclasses.replace(
        distinct, provenance={"persona_weights": weights, "personas": ["a", "b"]}
    )
    assert len(set(comparison_strata(known))) == 2
    assert len(comparison_strata(Simulation(pd.DataFrame(rows)))) == 60


def test_the_diagnosis_says_it_in_words_and_in_a_table() -> None:
    study = Study(ToyBackend(WORDS, length=6, persona_boost=2.0), ToyEncoder(WORDS))
    evil = "<b>x</b>"
    study.use_personas({"sunny": "You say sun.", evil: "You say rain.", "foggy": "You say fog."})
    frame = pd.DataFrame({"topic": "now", "text": [f"{w} {v}" for w in WORDS for v in WORDS]})
    study.use_population(pd.concat([frame] * 3), context="topic", response="text")
    study.simulate("s", 90, weights={"sunny": 0.49, evil: 0.49}, n_candidates=1)
    diagnosis = study.diagnose("s")
    assert f"Moves answers: sunny, {evil}." in repr(diagnosis)
    assert "Too few responses: foggy." in repr(diagnosis)
    html = diagnosis_table(diagnosis)
    assert "<b>x</b>" not in html
    for words in ("moves answers", "too few responses", "divergence", "above chance", "(floor "):
        assert words in html


def test_records_that_personas_quote_count_as_exemplars() -> None:
    quoted = "sun rain sun rain sun rain sun rain sun fog"
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS))
    study.use_personas({"a": f"You write like this: {quoted}", "b": "You say fog."})
    frame = pd.DataFrame({"topic": "now", "text": [f"{w} {v}" for w in WORDS for v in WORDS]})
    study.use_population(pd.concat([frame] * 3), context="topic", response="text")
    simulation = study.simulate("s", 60, weights="uniform", n_candidates=1)
    by_a = (simulation.frame["persona"] == "a").to_numpy()
    responses = np.where(by_a, quoted, "fog fog")
    study.simulations["s"] = dataclasses.replace(
        simulation, frame=simulation.frame.assign(response=responses)
    )
    found = study.diagnose("s")
    assert found.copies["is_copy"].tolist() == by_a.tolist()
    row = found.frame.set_index("figure").loc["copies of its own exemplar"]
    assert row["value"] == pytest.approx(by_a.mean())
    assert row["floor"] == 0
