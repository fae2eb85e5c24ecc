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


def texts(n: int, odds: list[float], seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=6, p=odds)) for _ in range(n)]


REAL = texts(150, [0.3, 0.3, 0.1, 0.1, 0.2], 0)


def simulation(responses: list[str], **columns: object) -> Simulation:
    n = len(responses)
    rows = {"context": "q", "persona": (["dry", "wet"] * n)[:n], "exemplar": 0}
    rows["response"] = responses
    frame = pd.DataFrame({**rows, "weight": 1.0, **columns})
    pool = [Exemplar({"topic": "q"}, LONG), Exemplar({"topic": "q"}, "fog")]
    return Simulation(frame, pool, {"name": "mine", "personas": ("dry", "wet")})


def diagnosed(drawn: Simulation, real: list[str] = REAL, **options: int) -> Diagnosis:
    vectors = ENCODER.encode(drawn.responses)
    return diagnose(real, ENCODER.encode(real), drawn, vectors, **options)


def alternating(n: int) -> list[str]:
    dry = texts(n, [0.7, 0.0, 0.2, 0.1, 0.0], 1)
    wet = texts(n, [0.0, 0.7, 0.1, 0.2, 0.0], 2)
    return [text for pair in zip(dry, wet, strict=True) for text in pair]


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return diagnosed(simulation(alternating(60)))


def metric(diagnosis: Diagnosis, name: str) -> pd.Series:
    return diagnosis.frame.set_index("figure").loc[name]


def test_every_metric_has_an_interval_and_a_floor(diagnosis: Diagnosis) -> None:
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


def test_the_floor_uses_equal_numbers_of_real_responses(diagnosis: Diagnosis) -> None:
    assert metric(diagnosis, "distinct-2")["n"] == 120
    same = diagnosed(simulation(REAL))
    for name in ("Vendi score", "distinct-1", "distinct-2"):
        row = metric(same, name)
        assert row["value"] == pytest.approx(row["floor"])
        assert row["low"] == pytest.approx(row["floor_low"])


def test_monotonous_responses_are_less_diverse_than_people() -> None:
    row = metric(diagnosed(simulation(["sun sun sun", "sun rain"] * 60)), "Vendi score")
    assert row["high"] < row["floor_low"]


def test_importance_weights_apply_to_diversity_and_clusters() -> None:
    responses = alternating(60)
    weights = np.array([1.9, 0.1] * 60)
    even, skewed = (diagnosed(simulation(responses, weight=w)) for w in (1.0, weights))
    assert metric(skewed, "Vendi score")["value"] < metric(even, "Vendi score")["value"]
    assert not np.allclose(skewed.missing["simulated"], even.missing["simulated"])


def test_distinct_personas_are_recognised_better_than_chance(diagnosis: Diagnosis) -> None:
    row = metric(diagnosis, "controllability")
    assert row["low"] > row["floor_high"]
    assert list(diagnosis.confusion) == ["dry", "wet"]
    assert diagnosis.confusion.loc["dry", "dry"] > 0.9


def test_a_missing_word_is_a_missing_cluster(diagnosis: Diagnosis) -> None:
    first = diagnosis.missing.iloc[0]
    assert first["verdict"] == "missing"
    assert any("snow" in text for text in first["examples"])


def test_copies_are_counted_and_people_are_the_floor() -> None:
    responses = [*alternating(45), *[f"{LONG} fog"] * 30]
    found = diagnosed(simulation(responses))
    row = metric(found, "copies of its own exemplar")
    assert row["value"] == 30 / 120
    assert row["floor_high"] < row["low"]
    assert (
        metric(diagnosed(simulation(responses), copied=11), "copies of any exemplar")["value"] == 0
    )
    assert "11 words" in diagnosed(simulation(responses), copied=11).notes[0]


def test_a_baseline_has_no_personas_and_no_exemplars() -> None:
    drawn = simulation(alternating(40), persona=None, exemplar=None)
    found = diagnosed(dataclasses.replace(drawn, exemplars=()))
    assert found.controllability is None
    assert found.confusion is None
    assert found.frame["figure"].tolist() == ["Vendi score", "distinct-1", "distinct-2"]
    assert "no two personas" in repr(found)


def test_the_same_seed_gives_the_same_diagnosis(diagnosis: Diagnosis) -> None:
    again = diagnosed(simulation(alternating(60)))
    pd.testing.assert_frame_equal(again.frame, diagnosis.frame)
    pd.testing.assert_frame_equal(again.missing, diagnosis.missing)


def test_too_few_responses_or_vectors_are_refused() -> None:
    with pytest.raises(DataError, match="at least 20"):
        diagnosed(simulation(alternating(5)))
    with pytest.raises(DataError, match="at least 20"):
        diagnosed(simulation(alternating(20)), REAL[:10])
    with pytest.raises(DataError, match="one vector per response"):
        diagnose(REAL, ENCODER.encode(REAL[1:]), simulation(REAL), ENCODER.encode(REAL))
