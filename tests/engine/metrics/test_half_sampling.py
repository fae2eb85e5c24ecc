import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.metrics.half_sampling import (
    LOGIT,
    ROOT,
    centred_interval,
    half_samples,
    quantile_band,
)


def test_each_sample_splits_the_target_in_half_and_draws_rows_without_replacement():
    for sample in half_samples(10, 15, n_samples=5, size=7, random_state=3):
        assert sorted([*sample.first, *sample.second]) == list(range(20))
        assert len(sample.first) == 10
        assert len(set(sample.simulated)) == 7
        assert max(sample.simulated) < 15


def test_halves_depend_on_the_seed_alone():
    def halves(**settings):
        samples = half_samples(10, n_samples=3, **settings)
        return [sample.first.tolist() for sample in samples]

    first = halves(n_simulated=15, size=7, random_state=3)
    assert first == halves(n_simulated=20, size=2, random_state=3)
    assert first != halves(n_simulated=15, size=7, random_state=4)


def test_spread_over_halves_is_the_sampling_spread_of_the_whole():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=400)
    means = [
        sample[half.first].mean()
        for half in half_samples(200, 1, n_samples=2000, size=1, random_state=0)
    ]
    assert np.std(means) == pytest.approx(sample.std() / np.sqrt(400), rel=0.06)


def test_the_quantile_band_contains_its_share():
    low, high = quantile_band(np.linspace(0, 1, 1001), level=0.9)
    assert (low, high) == pytest.approx((0.05, 0.95))


@given(
    st.floats(0, 1),
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=5), min_size=1, max_size=3),
    st.sampled_from([ROOT, LOGIT]),
)
def test_the_interval_contains_the_value_and_stays_in_range(value, groups, scale):
    low, high = centred_interval(value, groups, level=0.9, scale=scale)
    assert low <= value <= high
    assert low >= 0
    assert scale is ROOT or high <= 1


def test_the_bias_of_the_replicates_does_not_matter():
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
