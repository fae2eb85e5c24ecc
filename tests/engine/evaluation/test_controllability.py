from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.evaluation.controllability import controllability
from jupyter_mop.errors import DataError

NAMES = ["a", "b", "c"]


def clouds(gap: float, sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    codes = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    return rng.normal(size=(len(codes), 6)) + gap * np.eye(6)[codes], codes


def test_distant_personas_are_all_recognised() -> None:
    found = controllability(*clouds(20, [30, 20, 10]), NAMES)
    assert found.share == found.high == 1
    assert found.confusion.to_numpy().tolist() == np.eye(3).tolist()
    assert found.chance_high < 0.7 < found.low


def test_equal_personas_are_recognised_by_chance_only() -> None:
    shares = [controllability(*clouds(0, [40, 40, 40], seed), NAMES).share for seed in range(20)]
    found = controllability(*clouds(0, [40, 40, 40]), NAMES)
    assert np.mean(shares) == pytest.approx(1 / 3, abs=0.04)
    assert found.chance == pytest.approx(1 / 3, abs=0.05)
    assert found.chance_low <= found.chance <= found.chance_high


def test_a_response_does_not_help_its_own_centroid() -> None:
    """With as many dimensions as responses, in-sample centroids would fit noise."""
    rng = np.random.default_rng(0)
    noise, codes = rng.normal(size=(60, 400)), np.arange(60) % 3
    centroids = np.stack([noise[codes == k].mean(axis=0) for k in range(3)])
    nearest = ((noise[:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == codes).mean() > 0.95
    assert controllability(noise, codes, NAMES).share < 0.55


def test_two_equal_personas_are_confused() -> None:
    vectors, codes = clouds(20, [40, 40, 40])
    vectors[codes == 1] += 20 * (np.eye(6)[0] - np.eye(6)[1])
    confusion = controllability(vectors, codes, NAMES).confusion
    assert confusion.loc["c", "c"] == 1
    assert confusion.loc["a", "c"] == confusion.loc["b", "c"] == 0
    assert 0.2 < confusion.loc["a", "b"] < 0.8
    assert confusion.sum(axis=1).tolist() == pytest.approx([1, 1, 1])


def test_the_frame_has_each_persona_with_its_interval() -> None:
    frame = controllability(*clouds(1.5, [40, 30, 20]), NAMES).frame
    assert frame["persona"].tolist() == NAMES
    assert frame["n"].tolist() == [40, 30, 20]
    assert (frame["low"] <= frame["share"]).all()
    assert (frame["share"] <= frame["high"]).all()
    assert frame["chance"].between(0, 1).all()


def test_personas_with_few_responses_are_left_out_and_named() -> None:
    found = controllability(*clouds(20, [20, 4, 20]), NAMES)
    assert found.left_out == ("b",)
    assert list(found.confusion) == ["a", "c"]
    assert found.n == 40
    with pytest.raises(DataError, match="two personas with at least 5 responses each, got 1"):
        controllability(*clouds(20, [20, 4]), NAMES[:2])


def test_the_same_seed_gives_the_same_result() -> None:
    data = clouds(0.5, [30, 30, 30])
    first, again = controllability(*data, NAMES), controllability(*data, NAMES)
    assert (first.share, first.chance) == (again.share, again.chance)
