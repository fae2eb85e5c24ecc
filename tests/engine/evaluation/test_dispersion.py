"""Dispersion ratios of normal responses, whose variances within and between contexts are known."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.evaluation.diversity import dispersion_between, dispersion_ratio
from jupyter_mop.engine.metrics.fidelity import with_codes
from jupyter_mop.engine.metrics.vectors import WeightedVectors

CENTRES = np.array([[0.0, 0, 0], [4.0, 0, 0], [0, 4.0, 0]])


def side(
    seed: int, *, within: float = 1.0, between: float = 1.0, n: int = 3000
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    return rng.normal(size=(n, 3)) * within + CENTRES[codes] * between, codes


def test_responses_that_vary_half_as_much_have_a_quarter_of_the_variance() -> None:
    (real, _), (flat, _) = side(0, between=0.0), side(1, between=0.0, within=0.5)
    assert dispersion_ratio(WeightedVectors(real), WeightedVectors(flat)) == (
        pytest.approx(0.25, abs=0.02)
    )


def test_contexts_that_matter_half_as_much_have_a_quarter_of_the_variance() -> None:
    """However the contexts are mixed."""
    real = WeightedVectors(with_codes(*side(0)))
    half = WeightedVectors(with_codes(*side(1, between=0.5)))
    assert dispersion_between(real, half) == pytest.approx(0.25, abs=0.03)
    assert dispersion_between(real, real) == 1


def test_a_weight_of_two_equals_two_records() -> None:
    vectors, codes = side(0, n=200)
    weights = np.random.default_rng(0).integers(1, 4, size=200)
    rows = np.repeat(np.arange(200), weights)
    coded = with_codes(vectors, codes)
    other = WeightedVectors(with_codes(*side(1, n=200)))
    weighted = WeightedVectors(coded, weights.astype(float))
    assert dispersion_between(weighted, other) == pytest.approx(
        dispersion_between(WeightedVectors(coded[rows]), other)
    )


def test_responses_that_are_all_the_same_have_a_finite_ratio() -> None:
    same, varied = WeightedVectors(np.ones((50, 3))), WeightedVectors(side(0)[0])
    assert dispersion_ratio(same, same) == 1
    assert dispersion_ratio(same, varied) == 1000
    assert dispersion_ratio(varied, same) == pytest.approx(0, abs=1e-12)
