from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis, diagnose
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog", "snow"]
ENCODER = ToyEncoder(WORDS)
LONG = "sun rain sun rain sun rain sun rain sun"


def said(n: int, odds: list[float], seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=6, p=odds)) for _ in range(n)]


REAL = said(150, [0.3, 0.3, 0.1, 0.1, 0.2], 0)


def simulation(texts: list[str], **columns: object) -> Simulation:
    n = len(texts)
    rows = {"context": "q", "persona": (["dry", "wet"] * n)[:n], "exemplar": 0, "response": texts}
    frame = pd.DataFrame({**rows, "weight": 1.0, **columns})
    pool = [Exemplar({"topic": "q"}, LONG), Exemplar({"topic": "q"}, "fog")]
    return Simulation(frame, pool, {"name": "mine", "personas": ("dry", "wet")})


def looked_over(made: Simulation, real: list[str] = REAL, **options: int) -> Diagnosis:
    vectors = ENCODER.encode(made.responses)
    return diagnose(real, ENCODER.encode(real), made, vectors, **options)


def alternating(n: int) -> list[str]:
    dry = said(n, [0.7, 0.0, 0.2, 0.1, 0.0], 1)
    wet = said(n, [0.0, 0.7, 0.1, 0.2, 0.0], 2)
    return [text for pair in zip(dry, wet, strict=True) for text in pair]


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return looked_over(simulation(alternating(60)))


def figure(diagnosis: Diagnosis, name: str) -> pd.Series:
    return diagnosis.frame.set_index("figure").loc[name]


def test_every_figure_has_an_interval_and_a_floor(diagnosis: Diagnosis) -> None:
    frame = diagnosis.frame
    assert frame["figure"].tolist() == [
        "Vendi score", "distinct-1", "distinct-2", "controllability",
        "copies of its own exemplar", "copies of any exemplar",
    ]  # fmt: skip
    for side in (["low", "value", "high"], ["floor_low", "floor", "floor_high"]):
        values = frame[side].to_numpy(dtype=float)
        assert np.isfinite(values).all()
        assert (np.diff(values, axis=1) >= 0).all()
    assert set(frame["against"]) == {"real responses", "chance"}


def test_the_floor_is_measured_on_as_many_real_responses(diagnosis: Diagnosis) -> None:
    assert figure(diagnosis, "distinct-2")["n"] == 120
    same = looked_over(simulation(REAL))
    for name in ("Vendi score", "distinct-1", "distinct-2"):
        row = figure(same, name)
        assert row["value"] == pytest.approx(row["floor"])
        assert row["low"] == pytest.approx(row["floor_low"])


def test_what_is_monotonous_is_less_diverse_than_people() -> None:
    row = figure(looked_over(simulation(["sun sun sun", "sun rain"] * 60)), "Vendi score")
    assert row["high"] < row["floor_low"]


def test_importance_weights_count_for_variety_and_clusters() -> None:
    texts = alternating(60)
    weights = np.array([1.9, 0.1] * 60)
    even, skewed = (looked_over(simulation(texts, weight=w)) for w in (1.0, weights))
    assert figure(skewed, "Vendi score")["value"] < figure(even, "Vendi score")["value"]
    assert not np.allclose(skewed.missing["simulated"], even.missing["simulated"])


def test_personas_that_do_what_they_say_beat_chance(diagnosis: Diagnosis) -> None:
    row = figure(diagnosis, "controllability")
    assert row["low"] > row["floor_high"]
    assert list(diagnosis.confusion) == ["dry", "wet"]
    assert diagnosis.confusion.loc["dry", "dry"] > 0.9


def test_snow_is_missing(diagnosis: Diagnosis) -> None:
    first = diagnosis.missing.iloc[0]
    assert first["verdict"] == "missing"
    assert any("snow" in text for text in first["examples"])


def test_copies_are_found_and_people_are_their_floor() -> None:
    texts = [*alternating(45), *[f"{LONG} fog"] * 30]
    found = looked_over(simulation(texts))
    row = figure(found, "copies of its own exemplar")
    assert row["value"] == 30 / 120
    assert row["floor_high"] < row["low"]
    assert figure(looked_over(simulation(texts), copied=11), "copies of any exemplar")["value"] == 0
    assert "11 words" in looked_over(simulation(texts), copied=11).notes[0]


def test_a_baseline_has_no_personas_and_no_exemplars() -> None:
    made = simulation(alternating(40), persona=None, exemplar=None)
    found = looked_over(dataclasses.replace(made, exemplars=()))
    assert found.controllability is None
    assert found.confusion is None
    assert found.frame["figure"].tolist() == ["Vendi score", "distinct-1", "distinct-2"]
    assert "no two personas" in repr(found)


def test_the_seed_decides(diagnosis: Diagnosis) -> None:
    again = looked_over(simulation(alternating(60)))
    pd.testing.assert_frame_equal(again.frame, diagnosis.frame)
    pd.testing.assert_frame_equal(again.missing, diagnosis.missing)


def test_too_few_responses_or_vectors_that_do_not_fit_say_so() -> None:
    with pytest.raises(DataError, match="At least 20"):
        looked_over(simulation(alternating(5)))
    with pytest.raises(DataError, match="At least 20"):
        looked_over(simulation(alternating(20)), REAL[:10])
    with pytest.raises(DataError, match="vectors came"):
        diagnose(REAL, ENCODER.encode(REAL[1:]), simulation(REAL), ENCODER.encode(REAL))
