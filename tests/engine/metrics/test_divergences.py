import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from jupyter_mop.engine.metrics import kl_cosine as kl_cosine_module
from jupyter_mop.engine.metrics.divergences import kl_divergence
from jupyter_mop.engine.metrics.kl_cosine import cosine_histogram, kl_cosine
from jupyter_mop.errors import DataError

BINS = np.linspace(-1, 1, 51)
COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=4).map(np.array)


def cloud(n, *, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return np.array([2.0, 0, 0, 0, 0]) + spread * rng.normal(size=(n, 5))


def test_cosines_of_all_pairs_are_counted():
    rows = cloud(60)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = [a @ b for i, a in enumerate(rows) for b in rows[i + 1 :]]
    assert np.array_equal(cosine_histogram(rows, BINS), np.histogram(cosines, BINS)[0])


def test_blocks_make_no_difference(monkeypatch):
    whole = cosine_histogram(cloud(60), BINS)
    monkeypatch.setattr(kl_cosine_module, "BLOCK", 7)
    assert np.array_equal(whole, cosine_histogram(cloud(60), BINS))
    assert whole.sum() == 60 * 59 / 2


def test_copies_fall_into_the_last_bin():
    assert cosine_histogram(np.full((10, 3), 0.1), BINS)[-1] == 45


def test_many_vectors_are_sampled_by_pairs():
    rows = cloud(5001)
    shares = cosine_histogram(rows, BINS, random_state=1) / kl_cosine_module.SAMPLED_PAIRS
    exact = cosine_histogram(rows[:5000], BINS)
    assert np.abs(shares - exact / exact.sum()).max() < 0.002
    again = cosine_histogram(rows, BINS, random_state=1) / kl_cosine_module.SAMPLED_PAIRS
    assert np.array_equal(shares, again)


@given(COUNTS, COUNTS)
def test_divergence_is_that_of_the_smoothed_histograms(p, q):
    assert kl_divergence(p, q) == pytest.approx(entropy(p + 0.5, q + 0.5), abs=1e-12)
    assert kl_divergence(p, q) >= 0
    assert kl_divergence(p, p) == 0


@pytest.mark.parametrize(
    ("p", "q"),
    [([1, 2], [1, 2, 3]), ([1, -2], [1, 2]), ([1, np.nan], [1, 2]), ([[1, 2]], [[1, 2]])],
)
def test_unusable_histograms_are_refused(p, q):
    with pytest.raises(DataError):
        kl_divergence(np.array(p), np.array(q))


def test_empty_histograms_are_refused_without_smoothing():
    with pytest.raises(DataError, match="only zeros"):
        kl_divergence(np.zeros(3), np.ones(3), smoothing=0.0)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_order_makes_no_difference(seed):
    rng = np.random.default_rng(seed)
    a, b = cloud(40, seed=1), cloud(40, spread=0.5, seed=2)
    assert kl_cosine(a, b) == pytest.approx(kl_cosine(rng.permutation(a), rng.permutation(b)))


def test_less_diverse_responses_are_further_away():
    target = cloud(300, seed=0)
    values = [kl_cosine(target, cloud(300, spread=s, seed=1)) for s in (1.0, 0.7, 0.4, 0.2)]
    assert values == sorted(values)
    assert values[0] < 0.02
    assert values[-1] > 1


def test_lengths_of_vectors_make_no_difference():
    a, b = cloud(40, seed=1), cloud(40, spread=0.5, seed=2)
    assert kl_cosine(a, b) == pytest.approx(kl_cosine(3 * a, 5 * b))
