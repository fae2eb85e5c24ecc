import numpy as np
import pytest

from jupyter_mop.engine.metrics.fid import frechet_distance
from jupyter_mop.engine.metrics.half_sampling import half_samples
from jupyter_mop.engine.metrics.split_half import METRICS, MetricResult, SplitHalf
from jupyter_mop.engine.metrics.vectors import WeightedVectors

FID = METRICS[0]
REAL, SIMULATED = (np.random.default_rng(seed).normal(size=(80, 4)) for seed in (0, 1))
HALVES = SplitHalf(WeightedVectors(REAL), n=40, n_boot=20, n_splits=3, level=0.9, random_state=5)


def test_a_metric_result_is_frozen():
    result = MetricResult("FID", 1.0, 0.9, 1.1, 0.5, 0.4, 0.6, 100, "lower", 100.0)
    with pytest.raises(AttributeError):
        result.value = 2.0


def test_the_floor_compares_the_two_halves_of_each_split():
    splits = half_samples(40, 40, n_samples=3, size=40, random_state=5)
    expected = [frechet_distance(REAL[s.first], REAL[s.second]) for s in splits]
    assert HALVES.floor(FID) == expected


def test_the_value_is_the_mean_over_the_same_halves():
    splits = half_samples(40, 80, n_samples=3, size=40, random_state=5)
    expected = np.mean([frechet_distance(REAL[s.first], SIMULATED[s.simulated]) for s in splits])
    result = HALVES.result(FID, WeightedVectors(SIMULATED), HALVES.floor(FID))
    assert result.value == pytest.approx(expected)
    assert result.floor == pytest.approx(np.mean(HALVES.floor(FID)))
    assert (result.n, result.ess, result.better) == (40, 40.0, "lower")


def test_weights_lower_the_effective_sample_size():
    weights = np.r_[np.ones(40), np.full(40, 1e-9)]
    simulated = WeightedVectors(SIMULATED, weights)
    assert simulated.efficiency == pytest.approx(0.5)
    assert simulated.take(np.arange(40)).efficiency == pytest.approx(1.0)


def test_a_method_does_not_differ_from_itself():
    simulated = WeightedVectors(SIMULATED)
    assert HALVES.difference(FID, simulated, simulated) == (0.0, 0.0, 0.0)
