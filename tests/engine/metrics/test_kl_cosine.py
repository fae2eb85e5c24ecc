import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop.engine.metrics import kl_cosine as kl_cosine_module
from jupyter_mop.engine.metrics.kl_cosine import (
    N_BINS,
    cosine_histogram,
    kl_cosine,
    persona_pair_shares,
)
from jupyter_mop.engine.metrics.vectors import unit


def cloud(n, *, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return np.array([2.0, 0, 0, 0, 0]) + spread * rng.normal(size=(n, 5))


def test_cosines_of_all_pairs_are_counted():
    rows = cloud(60)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = [a @ b for i, a in enumerate(rows) for b in rows[i + 1 :]]
    expected = np.histogram(cosines, np.linspace(-1, 1, N_BINS + 1))[0]
    assert np.array_equal(cosine_histogram(rows), expected)


def test_the_block_size_does_not_matter(monkeypatch):
    whole = cosine_histogram(cloud(60))
    monkeypatch.setattr(kl_cosine_module, "BLOCK", 7)
    assert np.array_equal(whole, cosine_histogram(cloud(60)))
    assert whole.sum() == 60 * 59 / 2


def test_pairs_of_duplicates_are_in_the_last_bin():
    assert cosine_histogram(np.full((10, 3), 0.1))[-1] == 45


def test_pairs_of_many_vectors_are_sampled():
    rows = cloud(5001)
    shares = cosine_histogram(rows, random_state=1) / kl_cosine_module.SAMPLED_PAIRS
    exact = cosine_histogram(rows[:5000])
    assert np.abs(shares - exact / exact.sum()).max() < 0.002
    again = cosine_histogram(rows, random_state=1) / kl_cosine_module.SAMPLED_PAIRS
    assert np.array_equal(shares, again)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_rows_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    a, b = cloud(40, seed=1), cloud(40, spread=0.5, seed=2)
    assert kl_cosine(a, b) == pytest.approx(kl_cosine(rng.permutation(a), rng.permutation(b)))


def test_less_diverse_responses_are_further_away():
    target = cloud(300, seed=0)
    values = [kl_cosine(target, cloud(300, spread=s, seed=1)) for s in (1.0, 0.7, 0.4, 0.2)]
    assert values == sorted(values)
    assert values[0] < 0.02
    assert values[-1] > 1


def test_the_length_of_vectors_does_not_matter():
    a, b = cloud(40, seed=1), cloud(40, spread=0.5, seed=2)
    assert kl_cosine(a, b) == pytest.approx(kl_cosine(3 * a, 5 * b))


def test_sampled_persona_pairs_are_counted_by_the_product_of_their_shares(monkeypatch):
    monkeypatch.setattr(kl_cosine_module, "MAX_ALL_PAIRS", 10)
    monkeypatch.setattr(kl_cosine_module, "SAMPLED_PAIRS", 3000)
    rng = np.random.default_rng(5)
    codes = np.r_[np.arange(3).repeat(3), rng.integers(3, size=60)]
    vectors = rng.normal(size=(3, 6))[codes] + rng.normal(size=(len(codes), 6))
    weights = rng.uniform(0.5, 2, len(codes))
    shares = weights / np.bincount(codes, weights)[codes]
    pairs = persona_pair_shares(vectors, codes, shares, 3, 0)
    rng, rows = np.random.default_rng(0), [np.flatnonzero(codes == k) for k in range(3)]
    for k in range(3):
        for other in range(k + 1):
            i, j = rng.choice(rows[k], 500), rng.choice(rows[other], 500)
            i, j = i[i != j], j[i != j]
            cosines = np.sum(unit(vectors)[i] * unit(vectors)[j], axis=1)
            direct = np.histogram(cosines, N_BINS, (-1, 1), weights=shares[i] * shares[j])[0]
            assert pairs[k, other] == pytest.approx(direct / direct.sum(), abs=1e-9)
