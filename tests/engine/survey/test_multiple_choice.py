from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.survey.multiple_choice import coherent_shares, draw_sets, log_likelihood

N = 40_000


@pytest.mark.parametrize(
    "shares", [[0.6, 0.5, 0.3], [0.8, 0.1, 0.1, 0.2], [0.35, 0.35, 0.3], [0.05, 0.05, 0.95]]
)
def test_an_exclusive_option_is_drawn_alone_and_shares_stay(shares: list[float]) -> None:
    exclusive = len(shares) - 1
    assert coherent_shares(np.array(shares), exclusive) == pytest.approx(shares)
    sets = draw_sets(np.tile(shares, (N, 1)), exclusive, np.random.default_rng(0))
    np.testing.assert_array_equal(sets[:, exclusive], ~sets[:, :exclusive].any(axis=1))
    np.testing.assert_allclose(sets.mean(axis=0), shares, atol=0.01)


def test_without_an_exclusive_option_choices_are_independent() -> None:
    shares = np.array([0.6, 0.5, 0.3])
    sets = draw_sets(np.tile(shares, (N, 1)), None, np.random.default_rng(0))
    np.testing.assert_allclose(sets.mean(axis=0), shares, atol=0.01)
    assert (sets[:, 0] & sets[:, 1]).mean() == pytest.approx(0.3, abs=0.01)
    assert np.exp(log_likelihood(shares, np.array([True, False, True]), None)) == pytest.approx(
        0.6 * 0.5 * 0.3
    )


SHARES = st.lists(st.floats(0.01, 0.99), min_size=3, max_size=5).map(np.array)


@given(SHARES, st.integers(0, 2))
def test_probabilities_of_all_sets_sum_to_one_and_to_the_shares(shares, exclusive: int) -> None:
    coherent = coherent_shares(shares, exclusive)
    size = len(shares)
    sets = [[bool(code >> a & 1) for a in range(size)] for code in range(1, 2**size)]
    sets = [chosen for chosen in sets if not chosen[exclusive] or sum(chosen) == 1]
    each = np.exp([log_likelihood(coherent, np.array(chosen), exclusive) for chosen in sets])
    assert each.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(each @ np.array(sets), coherent, atol=1e-5)


def test_draws_follow_the_probability_of_each_set() -> None:
    shares = coherent_shares(np.array([0.5, 0.3, 0.4, 0.2]), 3)
    sets = draw_sets(np.tile(shares, (N, 1)), 3, np.random.default_rng(1))
    for chosen in ([1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]):
        selected = np.array(chosen, dtype=bool)
        expected = np.exp(log_likelihood(shares, selected, 3))
        assert (sets == selected).all(axis=1).mean() == pytest.approx(expected, abs=0.01)
