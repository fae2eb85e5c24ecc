from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.metrics.fidelity import (
    ContextClassifier,
    fidelity,
    weighted_fidelity,
    with_codes,
)
from jupyter_mop.engine.metrics.vectors import WeightedVectors

RNG = np.random.default_rng(0)
CODES = RNG.choice(3, 300, p=[0.7, 0.2, 0.1])
VECTORS = RNG.normal(size=(300, 6)) + 3 * np.eye(3, 6)[CODES]
WEIGHTS = RNG.integers(1, 4, size=300)


def test_a_weight_of_two_equals_two_records() -> None:
    rows = np.repeat(np.arange(300), WEIGHTS)
    weighted = ContextClassifier.train(VECTORS, CODES, weights=WEIGHTS.astype(float))
    repeated = ContextClassifier.train(VECTORS[rows], CODES[rows])
    np.testing.assert_allclose(weighted.slopes, repeated.slopes)
    np.testing.assert_allclose(weighted.offsets, repeated.offsets)
    assert weighted.score(VECTORS, CODES, weights=WEIGHTS.astype(float)) == pytest.approx(
        repeated.score(VECTORS[rows], CODES[rows])
    )


def test_the_score_is_that_of_the_bayes_rule() -> None:
    """Two contexts one standard deviation from the middle: Phi(1) = .841."""
    rng = np.random.default_rng(1)
    codes = rng.integers(2, size=20_000)
    vectors = rng.normal(size=(20_000, 3)) + np.outer(2 * codes - 1, [1.0, 0, 0])
    side = WeightedVectors(with_codes(vectors, codes))
    assert fidelity(side.take(np.arange(10_000)), side.take(np.arange(10_000, 20_000))) == (
        pytest.approx(0.841, abs=0.01)
    )


def test_responses_that_ignore_their_context_score_at_chance() -> None:
    """However rare a context is: the majority does not raise the score."""
    shuffled = RNG.permutation(np.repeat(np.arange(3), [2100, 600, 300]))
    other = RNG.normal(size=(3000, 6)) + 3 * np.eye(3, 6)[RNG.permutation(shuffled)]
    scored = fidelity(
        WeightedVectors(with_codes(VECTORS, CODES)), WeightedVectors(with_codes(other, shuffled))
    )
    assert scored == pytest.approx(1 / 3, abs=0.05)


def test_contexts_can_have_weights_in_the_mean() -> None:
    real = WeightedVectors(with_codes(VECTORS, CODES))
    noisy = VECTORS + np.random.default_rng(5).normal(size=VECTORS.shape)
    other = WeightedVectors(with_codes(noisy, CODES), WEIGHTS.astype(float))
    found = ContextClassifier.train(VECTORS, CODES).predict(other.vectors[:, :-1])
    shares = [np.average(found[k == CODES] == k, weights=WEIGHTS[k == CODES]) for k in range(3)]
    for weights, expected in (
        (np.eye(3)[1], shares[1]),
        (np.array([0.7, 0.2, 0.1]), np.dot([0.7, 0.2, 0.1], shares)),
        (None, np.mean(shares)),
    ):
        value = weighted_fidelity("it", weights).value(real, other, 0, 0)
        assert value == pytest.approx(expected)


def test_code_minus_one_is_ignored() -> None:
    classifier = ContextClassifier.train(VECTORS, CODES)
    more = np.vstack([VECTORS, 100 * np.ones((50, 6))])
    codes = np.r_[CODES, np.full(50, -1)]
    again = ContextClassifier.train(more, codes)
    np.testing.assert_allclose(again.slopes, classifier.slopes)
    assert again.score(more, codes) == pytest.approx(classifier.score(VECTORS, CODES))


def test_a_context_that_only_one_side_has() -> None:
    two = CODES < 2
    classifier = ContextClassifier.train(VECTORS[two], CODES[two])
    shares = [np.mean(classifier.predict(VECTORS[k == CODES]) == k) for k in range(3)]
    assert classifier.score(VECTORS, CODES) == pytest.approx(np.mean(shares))
    assert shares[2] == 0
