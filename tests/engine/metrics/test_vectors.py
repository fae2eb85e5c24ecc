import numpy as np
import pytest
from sklearn.decomposition import PCA

from jupyter_mop.engine.metrics.vectors import (
    checked,
    checked_pair,
    principal_components,
    project,
    reduced,
    unit,
)
from jupyter_mop.errors import DataError

RNG = np.random.default_rng(0)
CLOUD = RNG.normal(size=(200, 6)) * [5.0, 3.0, 1.0, 0.5, 0.2, 0.1]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((3, 0)), "shape"),
        (np.zeros((2, 2, 2)), "shape"),
        (np.zeros((1, 3)), "at least 2"),
        (np.array([[np.nan, 1], [0, 1]]), "1 vectors contain NaN"),
        (np.array([[np.inf, 1], [0, np.nan]]), "2 vectors contain NaN"),
    ],
)
def test_unusable_vectors_are_refused_with_a_hint(vectors, message):
    with pytest.raises(DataError, match=message) as caught:
        checked(vectors)
    assert caught.value.hint


def test_different_widths_are_refused():
    with pytest.raises(DataError, match="3 dimensions and simulated 4"):
        checked_pair(np.zeros((2, 3)), np.zeros((2, 4)))


def test_unit_rows_have_length_one_and_zero_rows_are_refused():
    assert np.allclose(np.linalg.norm(unit(CLOUD), axis=1), 1)
    with pytest.raises(DataError, match="length zero"):
        unit(np.array([[1.0, 0.0], [0.0, 0.0]]))


def test_principal_components_agree_with_sklearn():
    shares, axes = principal_components(CLOUD)
    reference = PCA().fit(CLOUD)
    assert np.allclose(shares, reference.explained_variance_ratio_)
    assert np.allclose(np.abs((axes * reference.components_.T).sum(axis=0)), 1)


@pytest.mark.parametrize("explained", [0.5, 0.9, 0.99])
def test_reduced_uses_the_fewest_axes_that_suffice(explained):
    shares, _ = principal_components(CLOUD)
    n_axes = reduced(CLOUD, explained=explained).shape[1]
    assert shares[:n_axes].sum() >= explained
    assert shares[: n_axes - 1].sum() < explained


def test_identical_rows_reduce_to_a_point():
    assert np.allclose(reduced(np.ones((5, 3)), explained=0.9), 0)


def test_the_projection_has_the_target_first_and_centred():
    points = project(CLOUD, CLOUD[:3] + 1.0)
    assert points.shape == (203, 2)
    assert np.allclose(points[:200].mean(axis=0), 0)
    assert points[:200].std(axis=0)[0] > points[:200].std(axis=0)[1] > CLOUD[:, 2].std()


def test_the_target_alone_defines_the_plane():
    alone = project(CLOUD, CLOUD[:1])[:200]
    assert np.array_equal(alone, project(CLOUD, 100 * CLOUD[:50])[:200])


@pytest.mark.parametrize("target", [np.ones((2, 3)), np.ones((5, 1))])
def test_the_projection_needs_three_points_and_two_dimensions(target):
    with pytest.raises(DataError, match="plane"):
        project(target, target)
