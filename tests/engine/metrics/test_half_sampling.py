import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.metrics.half_sampling import (
    LOGIT,
    ROOT,
    centred_interval,
    quantile_band,
    random_draws,
)


def test_draws_split_the_target_in_half_and_take_simulated_rows_once():
    for draw in random_draws(10, 15, n_draws=5, take=7, random_state=3):
        assert sorted([*draw.first, *draw.second]) == list(range(20))
        assert len(draw.first) == 10
        assert len(set(draw.simulated)) == 7
        assert max(draw.simulated) < 15


def test_halves_depend_on_the_seed_alone():
    def halves(**settings):
        draws = random_draws(10, n_draws=3, **settings)
        return [draw.first.tolist() for draw in draws]

    first = halves(n_simulated=15, take=7, random_state=3)
    assert first == halves(n_simulated=20, take=2, random_state=3)
    assert first != halves(n_simulated=15, take=7, random_state=4)


def test_spread_over_halves_is_the_sampling_spread_of_the_whole():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=400)
    means = [
        sample[draw.first].mean()
        for draw in random_draws(200, 1, n_draws=2000, take=1, random_state=0)
    ]
    assert np.std(means) == pytest.approx(sample.std() / np.sqrt(400), rel=0.06)


def test_quantile_band_holds_its_share():
    low, high = quantile_band(np.linspace(0, 1, 1001), level=0.9)
    assert (low, high) == pytest.approx((0.05, 0.95))


@given(
    st.floats(0, 1),
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=5), min_size=1, max_size=3),
    st.sampled_from([ROOT, LOGIT]),
)
def test_interval_holds_the_value_and_stays_in_range(value, groups, scale):
    low, high = centred_interval(value, groups, level=0.9, scale=scale)
    assert low <= value <= high
    assert low >= 0
    assert scale is ROOT or high <= 1


def test_bias_of_the_replicates_makes_no_difference():
    groups = [[0.04, 0.09, 0.16]]
    low, high = centred_interval(0.01, groups, level=1.0, scale=ROOT)
    assert (low, high) == (pytest.approx(0.0), pytest.approx(0.04))


def test_deviations_are_taken_within_groups():
    groups = [[0.25, 0.25], [0.75, 0.75]]
    assert centred_interval(0.5, groups, level=1.0, scale=LOGIT) == pytest.approx((0.5, 0.5))


def test_inflation_widens_the_interval():
    groups = [[0.2, 0.3, 0.4]]
    narrow = centred_interval(0.5, groups, level=1.0, scale=ROOT)
    wide = centred_interval(0.5, groups, level=1.0, scale=ROOT, inflate=2.0)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
