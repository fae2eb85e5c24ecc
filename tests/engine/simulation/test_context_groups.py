from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.simulation.context_groups import ContextGroups, group_draws

TWO = ContextGroups(np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]]))


def random_groups(seed: int, n_groups: int = 4, n_personas: int = 3) -> ContextGroups:
    rng = np.random.default_rng(seed)
    return ContextGroups(
        rng.dirichlet(np.ones(n_groups)), rng.dirichlet(np.ones(n_personas), n_groups)
    )


def test_other_weights_keep_the_contexts_and_move_the_odds_by_one_factor() -> None:
    moved = TWO.with_marginal(np.array([0.8, 0.2]))
    np.testing.assert_allclose(moved.marginal, [0.8, 0.2], atol=1e-9)
    np.testing.assert_allclose(moved.shares.sum(1), [0.5, 0.5])
    np.testing.assert_allclose(moved.weights[:, 0], [0.9921, 0.6079], atol=1e-4)
    odds = moved.weights[:, 0] / moved.weights[:, 1] / (TWO.weights[:, 0] / TWO.weights[:, 1])
    assert odds[0] == pytest.approx(odds[1])


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_a_gate_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(6, 4))
    gate = Gate.start(rng.normal(size=(3, 4)), rng.normal(size=(2, 4)), rank=2)
    gate = gate.with_theta(rng.normal(scale=0.5, size=gate.theta.shape))
    target, sizes = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(6))
    groups = ContextGroups(sizes, np.exp(gate.persona_log_weights(contexts)))
    expected = np.exp(gate.with_marginal(target, contexts, sizes).persona_log_weights(contexts))
    np.testing.assert_allclose(groups.with_marginal(target).weights, expected, atol=1e-7)


def test_a_persona_can_be_switched_off() -> None:
    off = random_groups(0).with_marginal(np.array([0.0, 0.3, 0.7]))
    np.testing.assert_allclose(off.marginal, [0.0, 0.3, 0.7], atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_derivatives_are_those_of_small_steps(seed: int) -> None:
    groups, rng = random_groups(seed), np.random.default_rng(100 + seed)
    value = rng.normal(size=groups.weights.shape)
    start = groups.marginal
    slope = groups.by_marginal(value)
    for k in range(1, 3):
        step = np.zeros(3)
        step[0], step[k] = -1e-6, 1e-6
        change = (
            groups.with_marginal(start + step).shares - groups.with_marginal(start - step).shares
        )
        assert (slope[k] - slope[0]) == pytest.approx(
            (change * value).sum() / 2e-6, rel=1e-3, abs=1e-6
        )


def test_one_group_is_the_mixture_without_contexts() -> None:
    groups = ContextGroups(np.ones(1), np.array([[0.2, 0.3, 0.5]]))
    value = np.array([[1.0, 2.0, 4.0]])
    np.testing.assert_allclose(
        groups.with_marginal(np.array([0.5, 0.25, 0.25])).weights, [[0.5, 0.25, 0.25]]
    )
    np.testing.assert_allclose(np.diff(groups.by_marginal(value)), [1.0, 2.0])


def test_alike_weights_share_a_group_and_many_are_joined() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.dirichlet(np.ones(3), 4), 60, axis=0)
    grouped = group_draws(rows)
    np.testing.assert_allclose(grouped.groups.sizes, np.full(4, 0.25))
    np.testing.assert_allclose(grouped.groups.base[grouped.labels], rows)
    assert len(group_draws(rng.dirichlet(np.ones(3), 2000)).groups.sizes) == 12
    assert len(group_draws(rng.dirichlet(np.ones(40), 2000)).groups.sizes) == 2
    assert len(group_draws(rng.dirichlet(np.ones(3), 29)).groups.sizes) == 1


def test_a_persona_without_weight_has_a_derivative() -> None:
    groups, rng = random_groups(3), np.random.default_rng(0)
    value = rng.normal(size=groups.base.shape)
    start = np.array([0.4, 0.0, 0.6])
    slope = groups.with_marginal(start).by_marginal(value)
    step = np.array([-1e-6, 1e-6, 0.0])
    change = groups.with_marginal(start + step).shares - groups.with_marginal(start).shares
    assert slope[1] - slope[0] == pytest.approx((change * value).sum() / 1e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("base", "wanted", "marginal"),
    [
        ([[1, 0], [0, 1]], [0.5, 0.5], [0.9, 0.1]),
        ([[1, 0, 0], [0, 0.5, 0.5]], [0.2, 0.3, 0.5], [0.9, 0.0375, 0.0625]),
        ([[1, 0, 0], [0, 0.5, 0.5]], [0.0, 0.4, 0.6], [0.9, 0.04, 0.06]),
        ([[0.5, 0.5, 0], [0, 0.5, 0.5]], [0.2, 0.3, 0.5], [0.36, 0.54, 0.1]),
    ],
)
def test_contexts_stay_where_one_persona_answers_some_of_them_alone(
    base: list[list[float]], wanted: list[float], marginal: list[float]
) -> None:
    groups = ContextGroups(np.array([0.9, 0.1]), np.array(base, dtype=float))
    nearest = groups.with_marginal(np.array(wanted))
    np.testing.assert_allclose(nearest.shares.sum(1), [0.9, 0.1])
    np.testing.assert_allclose(nearest.marginal, marginal, atol=1e-6)


def test_weights_that_cannot_be_reached_have_no_derivative() -> None:
    apart = ContextGroups(np.array([0.9, 0.1]), np.eye(2))
    np.testing.assert_allclose(apart.by_marginal(np.array([[1.0, 2.0], [3.0, 4.0]])), 0, atol=1e-5)
    pair = ContextGroups(np.array([0.5, 0.5]), np.array([[1, 0, 0], [0, 0.5, 0.5]]))
    slope = pair.by_marginal(np.array([[7.0, 7.0, 7.0], [0.0, 1.0, 3.0]]))
    assert slope[2] - slope[1] == pytest.approx(2.0, abs=1e-5)
