from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.mixture import component_selection

N, K, J = 12, 3, 7
CONTEXTS = [f"context {i % 2}" for i in range(N)]
EMPTY = Components.empty()


@pytest.fixture
def excluded() -> np.ndarray:
    return np.random.default_rng(0).random((N, J)) < 0.3


@pytest.fixture
def gate() -> Gate:
    rng = np.random.default_rng(1)
    gate = Gate.start(rng.normal(size=(K, 5)), rng.normal(size=(J, 5)), rank=2)
    return gate.with_theta(rng.normal(size=gate.theta.shape))


def rows(components: Components) -> list[tuple[int, int, int]]:
    return [(int(i), int(k), int(j)) for i, k, j in zip(*components.arrays, strict=True)]


def random_selection(excluded: np.ndarray, size: int, seed: int) -> Components:
    rng = np.random.default_rng(seed)
    return component_selection.random_components(excluded, K, size=size, contexts=CONTEXTS, rng=rng)


def test_all_components_are_all_but_the_excluded(excluded: np.ndarray) -> None:
    expected = [
        (i, k, j) for i in range(N) for k in range(K) for j in range(J) if not excluded[i, j]
    ]
    assert rows(component_selection.all_components(excluded, K)) == expected


@pytest.mark.parametrize("size", [1, 4, 10_000])
def test_random_components_are_allowed_and_sorted(excluded: np.ndarray, size: int) -> None:
    found = rows(random_selection(excluded, size, seed=0))
    allowed = K * (~excluded).sum(1)
    assert len(set(found)) == len(found)
    assert [i for i, _, _ in found] == sorted(i for i, _, _ in found)
    assert not any(excluded[i, j] for i, _, j in found)
    counts = np.bincount([i for i, _, _ in found], minlength=N)
    np.testing.assert_array_equal(counts, np.minimum(size, allowed))


@pytest.mark.parametrize("contexts", [["x"] * 48, [f"context {i}" for i in range(48)]])
def test_records_share_prompts_and_use_all_components(contexts: list[str]) -> None:
    n, rng = 48, np.random.default_rng(0)
    nothing = np.zeros((n, J), bool)
    found = component_selection.random_components(nothing, K, size=7, contexts=contexts, rng=rng)
    uses = Counter((k, j) for _, k, j in rows(found))
    assert set(uses.values()) == {n * 7 // (K * J)}
    assert len(uses) == K * J
    shared = Counter(
        frozenset((k, j) for i, k, j in rows(found) if i == record) for record in range(n)
    )
    assert min(shared.values()) >= 8


def test_records_of_one_context_share_components() -> None:
    contexts = ["x", "y"] * 8
    nothing = np.zeros((16, J), bool)
    rng = np.random.default_rng(0)
    found = rows(
        component_selection.random_components(nothing, K, size=4, contexts=contexts, rng=rng)
    )
    scored = [frozenset((k, j) for i, k, j in found if i == record) for record in range(16)]
    assert len(set(scored[::2])) == len(set(scored[1::2])) == 1
    assert scored[0] != scored[1]


@pytest.mark.parametrize("size", [3, 6, 8])
def test_each_record_has_every_persona_equally_often(size: int) -> None:
    rng = np.random.default_rng(0)
    nothing = np.zeros((40, J), bool)
    found = component_selection.random_components(
        nothing, K, size=size, contexts=["x"] * 40, rng=rng
    )
    counts = np.zeros((40, K), int)
    np.add.at(counts, (found.record, found.persona), 1)
    assert np.ptp(counts, axis=1).max() <= (2 if size % K else 0)


def test_every_component_is_equally_likely(excluded: np.ndarray) -> None:
    draws, size = 2000, 4
    counts = np.zeros((N, K, J))
    for seed in range(draws):
        np.add.at(counts, random_selection(excluded, size, seed).arrays, 1)
    expected = size / (K * (~excluded).sum(1))[:, None, None] * ~excluded[:, None, :]
    spread = np.sqrt(expected * (1 - expected) / draws)
    assert np.all(np.abs(counts / draws - expected) <= 4.5 * spread)


def test_random_components_depend_on_the_seed_only(excluded: np.ndarray) -> None:
    assert (
        rows(random_selection(excluded, 4, 0))
        == rows(random_selection(excluded, 4, 0))
        != rows(random_selection(excluded, 4, 1))
    )


@pytest.mark.parametrize("size", [0, 1, 5, K * J])
def test_top_components_have_the_largest_weights(
    excluded: np.ndarray, gate: Gate, size: int
) -> None:
    contexts = np.random.default_rng(2).normal(size=(N, 5))
    found = rows(component_selection.top_components(excluded, gate, size=size, contexts=contexts))
    pi = np.exp(gate.persona_log_weights(contexts))
    for i in range(N):
        omega = np.exp(gate.exemplar_log_weights(np.tile(contexts[i], (K, 1)), np.arange(K)))
        weight = np.where(excluded[i], -1.0, pi[i][:, None] * omega)
        best = [divmod(int(flat), J) for flat in np.argsort(-weight.ravel())[:size]]
        expected = {(i, k, j) for k, j in best if not excluded[i, j]}
        assert {row for row in found if row[0] == i} == expected


def test_without_is_the_set_difference(excluded: np.ndarray) -> None:
    everything, some = (
        component_selection.all_components(excluded, K),
        random_selection(excluded, 4, 0),
    )
    rest = component_selection.without(everything, some)
    assert set(rows(rest)) == set(rows(everything)) - set(rows(some))
    assert rows(component_selection.without(everything, EMPTY)) == rows(everything)


def test_until_new_returns_components_up_to_the_nth_new_one() -> None:
    listed = Components(
        np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 2, 1]), np.array([5, 4, 3, 2, 1, 0])
    )
    known = Components(np.array([0, 1]), np.array([0, 1]), np.array([5, 0]))
    assert rows(component_selection.until_new(listed, known, n=1)) == [
        (0, 0, 5),
        (0, 1, 4),
        (1, 2, 1),
    ]
    assert (
        rows(component_selection.until_new(listed, known, n=2))
        == rows(listed)[:3] + rows(listed)[4:]
    )
    assert rows(component_selection.until_new(listed, EMPTY, n=0)) == []


def test_a_union_is_distinct_and_sorted_by_record(excluded: np.ndarray) -> None:
    one, other = random_selection(excluded, 4, 0), random_selection(excluded, 4, 1)
    both = rows(component_selection.union(one, other))
    assert sorted(both) == sorted({*rows(one), *rows(other)})
    assert [i for i, _, _ in both] == sorted(i for i, _, _ in both)


def estimate(excluded: np.ndarray, top: Components, values: np.ndarray, seed: int) -> np.ndarray:
    """Estimate each record's sum of `values` (n, K, J) over its allowed components."""
    sampled = random_selection(excluded, 4, seed)
    scored = component_selection.union(sampled, top)
    log_multiplicity = component_selection.log_multiplicity(
        scored,
        top,
        n_allowed=K * (~excluded).sum(1),
        n_sampled=np.bincount(sampled.record, minlength=N),
    )
    terms = values[scored.arrays] * np.exp(log_multiplicity)
    return np.bincount(scored.record, terms, minlength=N)


@pytest.mark.parametrize("n_top", [0, 3])
def test_the_truncated_sum_is_unbiased(excluded: np.ndarray, gate: Gate, n_top: int) -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(size=(N, K, J))
    values[:, 0] *= 5
    contexts = rng.normal(size=(N, 5))
    top = (
        component_selection.top_components(excluded, gate, size=n_top, contexts=contexts)
        if n_top
        else EMPTY
    )
    exact = (values * ~excluded[:, None, :]).sum((1, 2))
    draws = np.array([estimate(excluded, top, values, seed) for seed in range(3000)])
    error = (draws.mean(0) - exact) / (draws.std(0) / np.sqrt(len(draws)))
    assert np.abs(error).max() < 4.5
    assert np.abs(draws.mean(0) / exact - 1).max() < 0.05


def test_complete_components_represent_themselves(excluded: np.ndarray) -> None:
    everything = component_selection.all_components(excluded, K)
    allowed = K * (~excluded).sum(1)
    multiplicity = component_selection.log_multiplicity(
        everything, EMPTY, n_allowed=allowed, n_sampled=allowed
    )
    np.testing.assert_array_equal(multiplicity, np.zeros(len(everything)))
