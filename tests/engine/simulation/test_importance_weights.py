from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.engine.simulation.importance_weights import (
    importance_weights,
    pareto_smoothed,
    reliability,
    share_weights,
)
from jupyter_mop.errors import DataError

ARVIZ_K = 0.5946372256974015
ARVIZ_LARGEST = [
    *(5.167161079791945, 5.969244965598687, 7.249124156953662, 9.754327414636716),
    18.370904486688886,
]


@given(seed=st.integers(0, 1000), n_personas=st.integers(1, 6), weighted=st.booleans())
def test_share_weights_give_the_shares(seed, n_personas, weighted):
    rng = np.random.default_rng(seed)
    codes = np.r_[np.arange(n_personas), rng.integers(n_personas, size=50)]
    shares = rng.dirichlet(np.ones(n_personas))
    before = rng.uniform(0.1, 2, len(codes)) if weighted else None
    names = [str(k) for k in range(n_personas)]
    weights = share_weights(codes, shares, names, weights=before)
    assert weights.mean() == pytest.approx(1)
    assert np.bincount(codes, weights, n_personas) / weights.sum() == pytest.approx(shares)
    size = effective_sample_size(weights)
    assert 1 <= size <= len(codes) + 1e-9
    if not weighted:
        assert size == pytest.approx(1 / np.sum(shares**2 / np.bincount(codes)))


def test_importance_weights_recover_another_distribution():
    rng = np.random.default_rng(0)
    old, new = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    drawn = rng.choice(3, 40_000, p=old)
    weights = importance_weights(np.log(new)[drawn], np.log(old)[drawn])
    assert np.bincount(drawn, weights) / weights.sum() == pytest.approx(new, abs=0.01)


def test_importance_weights_do_not_overflow():
    weights = importance_weights(np.array([-2000.0, -2001.0]), np.array([-5000.0, -5000.0]))
    assert weights == pytest.approx([2 / (1 + np.exp(-1)), 2 * np.exp(-1) / (1 + np.exp(-1))])


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_the_shape_of_a_pareto_tail_is_found(shape):
    rng = np.random.default_rng(1)
    found = [pareto_smoothed(rng.pareto(1 / shape, size=20_000) + 1)[1] for _ in range(10)]
    assert np.mean(found) == pytest.approx(shape, abs=0.08)


def test_smoothing_agrees_with_arviz():
    """The expected numbers are from ArviZ 0.23.4 on the same weights.

    `arviz.psislw(np.log(w))` with w = np.random.default_rng(7).pareto(2, 400) + 1, whose log
    weights, exponentiated and scaled to mean 1, and k-hat were recorded once.
    """
    weights, k_hat = pareto_smoothed(np.random.default_rng(7).pareto(2, 400) + 1)
    assert k_hat == pytest.approx(ARVIZ_K, abs=1e-6)
    assert np.sort(weights)[-5:] == pytest.approx(ARVIZ_LARGEST, rel=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_smoothing_reduces_the_largest_weights():
    raw = np.random.default_rng(3).pareto(1.2, 500) + 1
    smoothed, _ = pareto_smoothed(raw)
    assert smoothed.max() / smoothed.sum() <= raw.max() / raw.sum() * 1.2
    assert np.sort(smoothed)[:300] / smoothed.min() == pytest.approx(np.sort(raw)[:300] / raw.min())


def test_weights_by_persona_have_no_tail():
    weights = share_weights(np.arange(300) % 3, np.array([0.6, 0.3, 0.1]), ["a", "b", "c"])
    smoothed, k_hat = pareto_smoothed(weights)
    assert np.isnan(k_hat)
    assert smoothed == pytest.approx(weights)


def test_equal_weights_are_trusted():
    found = reliability(np.ones(300), np.arange(300) % 3, ["a", "b", "c"])
    assert found.verdict == "trust"
    assert found.effective_sample_size == pytest.approx(300)
    assert found.largest_weight == pytest.approx(1 / 300)
    assert str(found) == "trust (300 of 300 draws effective, largest weight 0.3%)"


def test_the_advised_number_of_draws_is_enough():
    names, counts = ["a", "b"], np.array([290, 10])
    shares = np.array([0.4, 0.6])
    found = reliability(share_weights(np.repeat([0, 1], counts), shares, names),
                       np.repeat([0, 1], counts), names)  # fmt: skip
    assert found.verdict.startswith("more draws of b needed: about ")
    counts[1] += int(found.verdict.rpartition(" ")[2])
    codes = np.repeat([0, 1], counts)
    assert reliability(share_weights(codes, shares, names), codes, names).verdict == "trust"


def test_a_heavy_tail_is_not_trusted():
    weights = np.random.default_rng(0).pareto(1.2, 20_000) + 1
    found = reliability(weights, np.zeros(len(weights), int), ["a"])
    assert found.pareto_k > 0.7
    assert found.effective_sample_size > 100
    assert found.verdict.startswith("a few draws dominate")


def test_unusable_input_is_refused():
    with pytest.raises(DataError, match="no draws of 'b'"):
        share_weights(np.zeros(5, int), np.array([0.5, 0.5]), ["a", "b"])
    with pytest.raises(DataError, match="same draws"):
        importance_weights(np.zeros(2), np.zeros(3))
    with pytest.raises(DataError, match="no log-probability"):
        importance_weights(np.zeros(2), np.array([0, np.nan]))
    with pytest.raises(DataError, match="none is possible"):
        importance_weights(np.full(2, -np.inf), np.zeros(2))
    with pytest.raises(DataError, match="all 3 are zero"):
        effective_sample_size(np.zeros(3))
