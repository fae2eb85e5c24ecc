import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from jupyter_mop.engine.metrics.divergences import kl_divergence
from jupyter_mop.errors import DataError

COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=4).map(np.array)


@given(COUNTS, COUNTS)
def test_the_kl_divergence_is_that_of_the_smoothed_histograms(p, q):
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
