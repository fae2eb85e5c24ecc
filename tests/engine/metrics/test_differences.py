from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.metrics.alignment_table import align, differences
from jupyter_mop.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:Only")
SMALL = {"n_boot": 40, "n_splits": 4}


def cloud(n: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, 6))


REAL = cloud(200, 0, 0)
METHODS = {"near": cloud(100, 0, 1), "far": cloud(100, 1, 2), "also far": cloud(100, 1, 3)}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return differences(REAL, METHODS, against="far", **SMALL)


def test_a_difference_is_that_of_the_figures(frame: pd.DataFrame) -> None:
    values = align(REAL, METHODS, **SMALL).set_index(["method", "figure"])["value"]
    for row in frame.itertuples():
        expected = values[row.method, row.figure] - values["far", row.figure]
        assert row.difference == pytest.approx(expected)
        assert row.low <= row.difference <= row.high
    assert frame["method"].drop_duplicates().tolist() == ["near", "also far"]
    assert set(frame["against"]) == {"far"}


def test_the_verdict_knows_which_way_is_better(frame: pd.DataFrame) -> None:
    verdicts = frame.set_index(["method", "figure"])["verdict"]
    assert set(verdicts["near"]) == {"better"}
    assert (frame["difference"][frame["figure"] == "MAUVE"].iloc[0]) > 0
    turned = differences(REAL, METHODS, against="near", **SMALL)
    assert set(turned["verdict"]) == {"worse"}


def test_what_both_share_cancels() -> None:
    same = {"one": METHODS["far"], "two": METHODS["far"]}
    frame = differences(REAL, same, against="one", **SMALL)
    assert (frame[["difference", "low", "high"]] == 0).all(axis=None)
    assert set(frame["verdict"]) == {"no clear difference"}
    made = METHODS["far"]
    nearly = {"one": made, "two": made + 0.02}
    paired = differences(REAL, nearly, against="one", **SMALL).set_index("figure").loc["FID"]
    alone = align(REAL, nearly, **SMALL).set_index(["method", "figure"]).loc[("one", "FID")]
    assert paired["high"] - paired["low"] < 0.2 * (alone["high"] - alone["low"])
    assert paired["verdict"] == "worse"


def test_methods_that_are_alike_are_seldom_called_different() -> None:
    verdicts = Counter(
        differences(
            cloud(120, 0, 3 * i), {"a": cloud(60, 0.5, 3 * i + 1), "b": cloud(60, 0.5, 3 * i + 2)},
            against="a", random_state=i, **SMALL,
        ).set_index("figure")["verdict"]["FID"]
        for i in range(12)
    )  # fmt: skip
    assert verdicts["no clear difference"] >= 9


def test_weights_count() -> None:
    first = np.r_[np.ones(50), np.zeros(50)]
    mixed = {"mixed": np.r_[cloud(50, 0, 4), cloud(50, 3, 5)], "near": METHODS["near"][:50]}
    frame = differences(REAL, mixed, against="near", **SMALL)
    weighted = differences(REAL, mixed, against="near", weights={"mixed": first}, **SMALL)
    assert set(frame["verdict"]) == {"worse"}
    assert weighted["difference"].abs().iloc[0] < 0.2 * frame["difference"].abs().iloc[0]


def test_the_seed_decides_and_each_figure_is_announced(frame: pd.DataFrame) -> None:
    seen: list[tuple[int, int]] = []
    again = differences(
        REAL, METHODS, against="far", on_result=lambda *step: seen.append(step), **SMALL
    )
    pd.testing.assert_frame_equal(again, frame)
    assert seen == [(i, 6) for i in range(1, 7)]


@pytest.mark.parametrize(
    ("methods", "against", "words"),
    [
        (METHODS, "plain", "no method 'plain'"),
        ({"near": REAL}, "near", "nothing to compare"),
        ({"near": REAL[:5], "far": REAL}, "near", "per side"),
    ],
)
def test_what_cannot_be_compared_says_why(methods: dict, against: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        differences(REAL, methods, against=against, **SMALL)
    assert words in str(caught.value)
    assert caught.value.hint
