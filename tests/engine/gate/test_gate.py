from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop.engine.gate import component_scores as scores_module
from jupyter_mop.engine.gate import gate as gate_module
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.structured_terms import StructuredTerms

N, K, J, D, R = 14, 4, 5, 6, 3
SEEDS = st.integers(0, 2**32 - 1)


def units(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = rng.normal(size=(n, D))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def context_vectors(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return random unit vectors, each with indicators of two columns of two levels."""
    levels = [np.eye(2)[rng.integers(2, size=n)] for _ in range(2)]
    return np.hstack([units(rng, n), *levels])


def random_gate(seed: int, scale: float = 1.0) -> Gate:
    rng = np.random.default_rng(seed)
    personas, exemplars = units(rng, K), units(rng, J)
    terms = StructuredTerms(
        ("age", "place"),
        (2, 2),
        context_vectors(rng, J)[:, D:],
        personas @ units(rng, J).T,
        np.log(rng.dirichlet(np.ones(J))),
    )
    gate = Gate.start(personas, exemplars, rank=R, random_state=seed, terms=terms)
    return gate.with_theta(rng.normal(scale=scale, size=gate.theta.shape))


def random_scores(seed: int, *, truncated: bool = True) -> ComponentScores:
    rng = np.random.default_rng(seed)
    excluded = rng.random((N, J)) < 0.25
    excluded[np.arange(N), rng.integers(J, size=N)] = False
    record, persona, exemplar = np.nonzero(np.repeat(~excluded[:, None], K, axis=1))
    if truncated:  # the first of each record and a random half of the others
        kept = (np.diff(record, prepend=-1) > 0) | (rng.random(len(record)) < 0.5)
        record, persona, exemplar = record[kept], persona[kept], exemplar[kept]
    components = Components(record, persona, exemplar)
    log_lik = rng.normal(-100, 5, size=len(components))
    vectors, weight = context_vectors(rng, N), rng.exponential(size=N)
    return ComponentScores(vectors, components, log_lik, excluded, weight)


def naive_joint(gate: Gate, scores: ComponentScores) -> np.ndarray:
    """Return log(pi Omega p) by loops, minus infinity for components without a score, (n, K, J)."""
    joint = np.full((N, K, J), -np.inf)
    for i, k, j, log_lik in zip(*scores.components.arrays, scores.log_lik, strict=True):
        x = gate.w_x @ scores.contexts[i]
        g = [gate.w_g @ vector for vector in gate.personas]
        a, terms, h = gate.a, gate.terms, scores.contexts[i]
        cosines = np.array([h[:D] @ vector for vector in gate.personas])
        logits = np.array([x @ g[m] for m in range(K)]) + gate.b + a[0] * cosines
        omega = np.array([(gate.w_e @ e) @ (x + g[k]) for e in gate.exemplars])
        omega += a[1] * terms.affinity[k] + terms.log_share
        omega += a[2] * terms.blocks[:, :2] @ h[D : D + 2] + a[3] * terms.blocks[:, 2:] @ h[D + 2 :]
        omega[scores.excluded[i]] = -np.inf
        log_pi = logits[k] - np.logaddexp.reduce(logits)
        joint[i, k, j] = log_pi + omega[j] - np.logaddexp.reduce(omega) + log_lik
    return joint


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, truncated=st.booleans(), l2=st.sampled_from([0.0, 0.01, 1.0]))
def test_the_gradient_is_exact(seed: int, truncated: bool, l2: float) -> None:
    gate, scores = random_gate(seed), random_scores(seed, truncated=truncated)
    theta, gradient = gate.theta, gate.loss_and_gradient(scores, l2=l2)[1]
    rng = np.random.default_rng(seed)
    for _ in range(8):
        step = rng.normal(size=theta.shape)
        step *= 1e-5 / np.linalg.norm(step)
        up, down = (
            gate.with_theta(theta + sign * step).loss_and_gradient(scores, l2=l2)[0]
            for sign in (1, -1)
        )
        assert (up - down) / 2 == pytest.approx(gradient @ step, rel=1e-4, abs=1e-12)


def test_the_gradient_is_exact_in_every_coordinate() -> None:
    gate, scores = random_gate(3), random_scores(3)
    theta, (_, gradient) = gate.theta, gate.loss_and_gradient(scores, l2=0.1)
    numeric = np.empty_like(theta)
    for m in range(len(theta)):
        step = np.zeros_like(theta)
        step[m] = 1e-5
        losses = [
            gate.with_theta(theta + sign * step).loss_and_gradient(scores, l2=0.1)[0]
            for sign in (1, -1)
        ]
        numeric[m] = (losses[0] - losses[1]) / 2e-5
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, truncated=st.booleans())
def test_log_prob_and_responsibilities_equal_naive_sums(seed: int, truncated: bool) -> None:
    gate, scores = random_gate(seed), random_scores(seed, truncated=truncated)
    joint = naive_joint(gate, scores)
    log_prob = np.logaddexp.reduce(joint.reshape(N, -1), axis=1)
    np.testing.assert_allclose(gate.log_prob(scores), log_prob, rtol=1e-10)
    posterior = np.exp(joint - log_prob[:, None, None]).sum(2)
    found = gate.responsibilities(scores)
    np.testing.assert_allclose(found, posterior, atol=1e-10)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)
    weight = scores.weight / scores.weight.sum()
    assert gate.loss(scores) == pytest.approx(-(weight @ log_prob))


def test_the_penalty_excludes_the_offsets() -> None:
    gate, scores = random_gate(0), random_scores(0)
    matrices = np.concatenate([gate.w_x.ravel(), gate.w_g.ravel(), gate.w_e.ravel()])
    plain, penalised = (gate.loss_and_gradient(scores, l2=l2)[0] for l2 in (0.0, 0.5))
    assert penalised - plain == pytest.approx(0.5 * matrices @ matrices)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, keep=st.sets(st.integers(0, N - 1), min_size=1))
def test_taken_scores_equal_those_of_the_records_alone(seed: int, keep: set[int]) -> None:
    gate, scores, rows = random_gate(seed), random_scores(seed), np.array(sorted(keep))
    part = scores.take(rows)
    assert len(part.starts) == len(rows)
    np.testing.assert_allclose(gate.log_prob(part), gate.log_prob(scores)[rows])
    np.testing.assert_allclose(gate.responsibilities(part), gate.responsibilities(scores)[rows])
    np.testing.assert_array_equal(part.weight, scores.weight[rows])


def test_the_start_is_uniform_with_a_gradient_in_every_matrix_but_one() -> None:
    rng = np.random.default_rng(0)
    gate = Gate.start(units(rng, K), units(rng, J), rank=R, random_state=1)
    contexts, personas = units(rng, N), rng.integers(K, size=N)
    np.testing.assert_allclose(np.exp(gate.persona_log_weights(contexts)), 1 / K)
    np.testing.assert_allclose(np.exp(gate.exemplar_log_weights(contexts, personas)), 1 / J)
    scores = replace(random_scores(0), contexts=contexts)
    gradient = gate.loss_and_gradient(scores)[1]
    blocks = np.split(gradient, [R * D, 2 * R * D, 3 * R * D])
    assert [np.abs(block).max() > 1e-3 for block in blocks] == [False, True, True, True]


@settings(deadline=None)
@given(seed=SEEDS, scale=st.floats(0, 30))
def test_weights_sum_to_one(seed: int, scale: float) -> None:
    gate, rng = random_gate(seed, scale), np.random.default_rng(seed)
    contexts, personas = context_vectors(rng, N), rng.integers(K, size=N)
    for log_weights in (
        gate.persona_log_weights(contexts),
        gate.exemplar_log_weights(contexts, personas),
    ):
        assert np.isfinite(log_weights).all()
        np.testing.assert_allclose(np.exp(log_weights).sum(1), 1, atol=1e-12)
    assert gate.persona_weights(contexts).sum() == pytest.approx(1)


def test_exemplar_weights_belong_to_the_given_persona() -> None:
    gate, contexts = random_gate(0), context_vectors(np.random.default_rng(0), 2)
    for k in range(K):
        query = contexts @ gate.w_x.T + gate.w_g @ gate.personas[k]
        logits = query @ (gate.exemplars @ gate.w_e.T).T + gate.terms.log_share
        logits += gate.a[1] * gate.terms.affinity[k]
        logits += contexts[:, D:] @ (gate.terms.blocks * np.repeat(gate.a[2:], 2)).T
        expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        found = np.exp(gate.exemplar_log_weights(contexts, np.full(2, k)))
        np.testing.assert_allclose(found, expected)


def test_theta_round_trips() -> None:
    gate = random_gate(0)
    again = gate.with_theta(gate.theta)
    for name in ("personas", "exemplars", "w_x", "w_g", "w_e", "b", "a"):
        np.testing.assert_array_equal(getattr(again, name), getattr(gate, name))


@settings(max_examples=50, deadline=None)
@given(
    seed=SEEDS,
    target=st.lists(st.floats(0.01, 1), min_size=K, max_size=K),
    weighted=st.booleans(),
)
def test_with_marginal_reaches_its_target(seed: int, target: list[float], weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    gate, contexts = random_gate(seed), context_vectors(rng, N)
    weight = rng.exponential(size=N) if weighted else None
    wanted = np.array(target) / sum(target)
    moved = gate.with_marginal(wanted, contexts, weight)
    np.testing.assert_allclose(moved.persona_weights(contexts, weight), wanted, atol=1e-9)
    for name in ("w_x", "w_g", "w_e"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(gate, name))


def test_the_own_marginal_changes_nothing() -> None:
    gate, contexts = random_gate(1), context_vectors(np.random.default_rng(1), N)
    moved = gate.with_marginal(gate.persona_weights(contexts), contexts)
    np.testing.assert_array_equal(moved.b, gate.b)


def test_weight_zero_excludes_a_persona_until_it_is_changed() -> None:
    gate, contexts = random_gate(2), context_vectors(np.random.default_rng(2), N)
    target = np.array([0.5, 0.0, 0.3, 0.2])
    off = gate.with_marginal(target, contexts)
    assert (np.exp(off.persona_log_weights(contexts))[:, 1] == 0).all()
    np.testing.assert_allclose(off.persona_weights(contexts), target, atol=1e-9)
    back = off.with_marginal(np.full(K, 1 / K), contexts)
    np.testing.assert_allclose(back.persona_weights(contexts), 1 / K, atol=1e-9)


def test_one_persona_can_have_all_the_weight() -> None:
    gate, contexts = random_gate(2), context_vectors(np.random.default_rng(2), N)
    target = np.eye(K)[2]
    alone = gate.with_marginal(target, contexts)
    np.testing.assert_allclose(alone.persona_weights(contexts), target, atol=1e-12)
    scores = random_scores(0, truncated=False)
    np.testing.assert_allclose(alone.responsibilities(scores)[:, 2], 1)


def test_a_fit_ends_where_the_gradient_vanishes() -> None:
    gate, scores = random_gate(0, scale=0.1), random_scores(0)
    losses: list[float] = []
    fitted = gate.fit(scores, l2=0.01, on_iteration=lambda _, loss: losses.append(loss))
    loss, gradient = fitted.loss_and_gradient(scores, l2=0.01)
    assert loss < gate.loss_and_gradient(scores, l2=0.01)[0]
    assert np.abs(gradient).max() < 1e-3
    assert losses == sorted(losses, reverse=True)


def test_a_validated_fit_is_never_worse_than_its_start() -> None:
    for seed in range(5):
        start, train, validation = random_gate(seed, 0.1), random_scores(seed), random_scores(99)
        fitted = start.fit(train, validation, l2=0.0, patience=3)
        before, after = (g.loss_and_gradient(validation)[0] for g in (start, fitted))
        assert after <= before


def test_a_fit_stops_after_patience_iterations_without_gain() -> None:
    start, train, validation = random_gate(0, 0.1), random_scores(0), random_scores(99)
    losses: list[float] = []
    start.fit(train, validation, l2=0.0, patience=4, on_iteration=lambda _, v: losses.append(v))
    first = start.loss_and_gradient(validation)[0]
    best = int(np.argmin([first, *losses]))
    assert len(losses) == best + 4


def test_records_of_weight_zero_do_not_count() -> None:
    start, scores = random_gate(0, 0.1), random_scores(0)
    half = np.where(np.arange(N) < N // 2, 1.0, 0.0)
    weighted = start.fit(replace(scores, weight=half))
    alone = start.fit(replace(scores.take(np.arange(N // 2)), weight=half[: N // 2]))
    np.testing.assert_allclose(weighted.theta, alone.theta, atol=1e-6)


def test_a_better_exemplar_gets_more_weight() -> None:
    rng = np.random.default_rng(0)
    start = Gate.start(np.eye(D)[:K], np.eye(D)[:J], rank=R)
    excluded = np.zeros((N, J), bool)
    components = Components(*np.nonzero(np.ones((N, K, J))))
    log_lik = np.where(components.exemplar == 3, -10.0, -13.0)
    scores = ComponentScores(units(rng, N), components, log_lik, excluded, np.ones(N))
    fitted = start.fit(scores, l2=0.001)
    weights = np.exp(fitted.exemplar_log_weights(scores.contexts, np.zeros(N, np.intp)))
    assert (weights.argmax(1) == 3).all()
    assert weights[:, 3].mean() > 0.5


def test_components_have_a_length() -> None:
    assert len(Components(*np.ones((3, 7), np.intp))) == 7


@pytest.mark.parametrize("truncated", [True, False])
def test_blocks_in_single_precision_give_the_same(
    monkeypatch: pytest.MonkeyPatch, truncated: bool
) -> None:
    gate, scores = random_gate(4), random_scores(4, truncated=truncated)
    exact, gradient = gate.loss_and_gradient(scores)
    log_prob, shares = gate.log_prob(scores), gate.responsibilities(scores)
    monkeypatch.setattr(scores_module, "MAX_DENSE_CELLS", 0)
    monkeypatch.setattr(scores_module, "BLOCK_ROWS", 3)
    monkeypatch.setattr(gate_module, "MAX_DENSE_CELLS", 0)
    cut = replace(scores)
    assert len(cut.blocks) == 5
    loss, found = gate.loss_and_gradient(cut)
    assert loss == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(found, gradient, atol=1e-5)
    np.testing.assert_allclose(gate.log_prob(cut), log_prob, rtol=1e-6)
    np.testing.assert_allclose(gate.responsibilities(cut), shares, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_log_prob_of_each_persona_is_the_naive_sum(seed: int) -> None:
    gate, scores = random_gate(seed), random_scores(seed)
    joint = naive_joint(gate, scores)
    exact = np.logaddexp.reduce(joint, axis=2) - gate.persona_log_weights(scores.contexts)
    np.testing.assert_allclose(gate.persona_log_prob(scores), exact, rtol=1e-10)


def test_validation_sets_share_the_iterates() -> None:
    start, train = random_gate(0, 0.1), random_scores(0)
    validations = [random_scores(seed) for seed in (97, 98, 99)]
    path = start.lbfgs_path(train, l2=0.01)
    for validation in validations:
        shared, alone = path.best(validation), start.fit(train, validation, l2=0.01)
        assert shared.loss(validation) == pytest.approx(alone.loss(validation), abs=0.02)
        assert shared.loss(validation) <= start.loss(validation)
    shared_again = path.best(validations[0])
    np.testing.assert_array_equal(shared_again.theta, path.best(validations[0]).theta)


def test_other_weights_share_the_blocks() -> None:
    gate, scores = random_gate(0), random_scores(0)
    weight = np.arange(N) % 3 + 1.0
    found, exact = scores.weighted(weight), replace(scores, weight=weight)
    assert found.blocks is scores.blocks
    assert gate.loss(found) == gate.loss(exact)
