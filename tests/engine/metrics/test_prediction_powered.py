from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop.engine.metrics.prediction_powered import (
    mean_interval,
    powered_mean,
    share_interval,
)


def sample(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = 40 + 20 * seed
    y = rng.normal(size=n).round(6)
    f = (0.6 * y + rng.normal(size=n)).round(6)
    u = rng.normal(0.2, 1.2, 500).round(6)
    return (y > 0).astype(float) if seed == 2 else y, f, u


@pytest.mark.parametrize(
    ("seed", "value", "error"),
    [
        (0, -0.0812143712826183, 0.11714605721241292),
        (1, 0.015010866198703305, 0.10118883125542452),
        (2, 0.5547876203066034, 0.04995505463387978),
    ],
)
def test_the_mean_agrees_with_the_reference_implementation(
    seed: int, value: float, error: float
) -> None:
    """Recorded from ppi-python 0.2.3 on these samples.

    `ppi_mean_pointestimate(y, f, u)`, and the half width of `ppi_mean_ci(y, f, u, alpha=0.1)` over
    the normal quantile. Only the quantile differs here: Student's, with the degrees of freedom
    left by the mean and the power.
    """
    found = powered_mean(*sample(seed))
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.error == pytest.approx(error, abs=1e-12)


def test_useless_predictions_leave_the_mean_of_the_answers() -> None:
    y = np.array([1.0, 2.0, 3.0, 4.0])
    found = powered_mean(y, np.zeros(4), np.zeros(9))
    assert (found.value, found.power) == (2.5, 0.0)
    assert found.error == pytest.approx(y.std() / 2)
    opposite = powered_mean(y, -y, np.linspace(-4, 0, 9))
    assert opposite.power == 0.0


def test_weights_act_like_duplicates() -> None:
    y, f, u = sample(0)
    twice = powered_mean(np.r_[y, y], np.r_[f, f], u)
    by_weight = powered_mean(
        np.r_[y, y], np.r_[f, f], u, weights=np.full(80, 3.0), unlabelled_weights=np.full(500, 0.1)
    )
    assert by_weight.value == pytest.approx(twice.value)
    assert by_weight.error == pytest.approx(twice.error)
    heavier = powered_mean(y, f, u, weights=np.where(y > 0, 2.0, 1.0))
    assert heavier.value > powered_mean(y, f, u).value
    assert heavier.size < 40


def test_fewer_contexts_than_predictions_widen_the_error() -> None:
    y, f, u = sample(1)
    few, many = powered_mean(y, f, u, n_unlabelled=50), powered_mean(y, f, u)
    assert few.error > many.error
    assert few.power < many.power
    assert powered_mean(y, f, u, n_unlabelled=10_000) == many


@settings(deadline=None)
@given(st.floats(-0.2, 1.2), st.floats(2, 10_000), st.floats(0.5, 0.99))
def test_the_interval_of_a_share_is_within_0_and_1_and_contains_it(
    value: float, size: float, level: float
) -> None:
    low, high = share_interval(value, size, level=level)
    assert 0 <= low <= min(max(value, 0.0), 1.0) <= high <= 1
    assert high > low


def test_a_share_in_the_middle_has_the_interval_of_a_mean() -> None:
    plain = mean_interval(0.5, 0.01, 2500, level=0.9)
    assert share_interval(0.5, 2500, level=0.9) == pytest.approx(plain, abs=1e-4)


def test_equal_answers_still_leave_uncertainty() -> None:
    low, high = share_interval(1.0, 20, level=0.9)
    assert high == 1.0
    assert 0.8 < low < 0.9
