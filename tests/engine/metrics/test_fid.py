import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from jupyter_mop.engine.metrics.fid import frechet_distance
from jupyter_mop.engine.metrics.kl_cosine import kl_cosine
from jupyter_mop.engine.metrics.mauve import mauve_score
from jupyter_mop.errors import DataError


@pytest.mark.parametrize(("n", "m"), [(80, 120), (200, 60)])
def test_fid_agrees_with_the_matrix_root(n, m):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, 12)) @ rng.normal(size=(12, 12)), 1 + rng.normal(size=(m, 12))
    s1, s2 = np.cov(a.T), np.cov(b.T)
    shift = a.mean(axis=0) - b.mean(axis=0)
    expected = shift @ shift + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_fid_is_exact_where_covariances_lack_rank():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 3)), 2 * rng.normal(size=(15, 3))
    rotation = np.linalg.qr(rng.normal(size=(50, 50)))[0][:3]
    assert frechet_distance(a @ rotation, b @ rotation) == pytest.approx(frechet_distance(a, b))


def test_fid_in_one_dimension_compares_two_normals():
    a, b = np.array([[0.0], [2.0]]), np.array([[5.0], [11.0]])
    expected = (8 - 1) ** 2 + (np.sqrt(18) - np.sqrt(2)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(2, 30), st.integers(1, 20))
def test_fid_is_a_distance(seed, n, m, d):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) >= 0
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), abs=1e-9)
    shuffled = frechet_distance(rng.permutation(a), rng.permutation(b))
    assert frechet_distance(a, b) == pytest.approx(shuffled, abs=1e-9)


def test_fid_grows_with_the_shift():
    rng = np.random.default_rng(0)
    centres = np.random.default_rng(7).normal(size=(4, 16))

    def population(n, shift=0.0):
        rows = centres[rng.integers(4, size=n)] + rng.normal(size=(n, 16)) + shift
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    target = population(200)
    values = [frechet_distance(target, population(200, shift)) for shift in (0, 0.2, 0.4, 0.8)]
    assert values == sorted(values)


@pytest.mark.parametrize("metric", [frechet_distance, mauve_score, kl_cosine])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_every_metric_refuses_unusable_vectors(metric, bad):
    vectors = np.ones((30, 3))
    broken = vectors.copy()
    broken[4, 1] = bad
    with pytest.raises(DataError, match="1 vectors contain NaN"):
        metric(vectors, broken)
    with pytest.raises(DataError, match="dimensions"):
        metric(vectors, np.ones((30, 4)))
