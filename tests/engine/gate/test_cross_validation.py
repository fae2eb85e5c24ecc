from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.cross_validation import (
    PENALTIES,
    CrossValidation,
    Penalties,
    cross_validate,
    fit_exemplars,
    fit_stages,
    fit_terms,
    folds,
)
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.structured_terms import OWN_CONTEXT, StructuredTerms

N, K, J, D = 240, 2, 6, 16


def sentences(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return unit vectors with a cosine of about .5, as sentence vectors have."""
    noise = rng.normal(size=(n, D - 1))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return np.c_[np.full(n, 0.5**0.5), 0.5**0.5 * noise]


def world(
    seed: int, shares: list[float], *, own: float = 0.5, boost: float = 12.0
) -> tuple[Gate, ComponentScores, np.ndarray]:
    """Return a start and scores: persona 0 speaks in context c with probability shares[c].

    The speaker is shown an exemplar of its own context with probability `own`, and the component
    that spoke is likelier by `boost` nats.
    """
    rng = np.random.default_rng(seed)
    context = rng.integers(2, size=N)
    levels = np.eye(2)
    vectors = np.hstack([sentences(rng, 2)[context], levels[context]])
    exemplar_context = np.arange(J) % 2
    personas, exemplars = sentences(rng, K), sentences(rng, J)
    terms = StructuredTerms(
        ("topic",),
        (2,),
        levels[exemplar_context],
        personas @ sentences(rng, J).T,
        np.full(J, -np.log(J)),
    )
    start = Gate.start(personas, exemplars, random_state=seed, terms=terms)
    persona = (rng.random(N) > np.array(shares)[context]).astype(int)
    is_own = rng.random(N) < own
    exemplar = 2 * rng.integers(J // 2, size=N) + np.where(is_own, context, 1 - context)
    components = Components(*np.nonzero(np.ones((N, K, J))))
    log_lik = rng.normal(-20, 0.5, size=len(components))
    spoke = (components.persona == persona[components.record]) & (
        components.exemplar == exemplar[components.record]
    )
    log_lik[spoke] += boost
    excluded = np.zeros((N, J), dtype=bool)
    scores = ComponentScores(vectors, components, log_lik, excluded, np.ones(N))
    return start, scores, np.hstack([np.unique(vectors, axis=0)])


@pytest.mark.parametrize("seed", range(3))
def test_weights_by_context_are_found_and_their_gain_is_clear(seed: int) -> None:
    start, scores, contexts = world(seed, [0.9, 0.1])
    found = cross_validate(start, scores, PENALTIES, folds(range(N), random_state=seed))
    assert found.is_gain_clear
    gate = fit_stages(start, scores, found.chosen())
    weights = np.exp(gate.persona_log_weights(contexts))[:, 0]
    truth = np.where(contexts[:, D] == 1, 0.9, 0.1)
    np.testing.assert_allclose(weights, truth, atol=0.12)


def test_the_coefficient_of_the_own_context_is_found_and_else_the_prior_decides() -> None:
    start, scores, _ = world(0, [0.5, 0.5], own=0.9)
    assert fit_terms(start, scores).a[2] == pytest.approx(np.log(9), abs=0.6)
    start, scores, _ = world(0, [0.5, 0.5], own=0.5)
    assert fit_terms(start, scores).a[2] == pytest.approx(0, abs=0.6)
    blind = replace(scores, log_lik=np.full(len(scores.log_lik), -20.0))
    assert fit_terms(start, blind).a[2] == pytest.approx(OWN_CONTEXT)


def test_exemplars_of_the_own_context_are_shown_unless_many_records_say_otherwise() -> None:
    """Likelihood favours no level: a1 falls to 0, and is held near 3 for what is shown."""
    start, scores, _ = world(0, [0.5, 0.5], own=0.5)
    few = fit_stages(start, scores.take(np.arange(60)), Penalties())
    assert 1.5 < few.a[2] < OWN_CONTEXT
    many = replace(ComponentScores.joined([scores] * 20), n_sources=1)
    assert fit_stages(start, many, Penalties()).a[2] < 1.0
    np.testing.assert_array_equal(few.b, fit_terms(start, scores.take(np.arange(60))).b)


def test_where_there_is_nothing_to_learn_no_gain_is_clear() -> None:
    clear = 0
    for seed in range(20):
        start, scores, _ = world(seed, [0.5, 0.5], boost=0.0)
        division = folds(range(N), random_state=seed)
        clear += cross_validate(start, scores, PENALTIES[:3], division).is_gain_clear
    assert clear <= 1


def test_no_record_is_judged_by_a_gate_that_was_fitted_to_it() -> None:
    start, scores, _ = world(1, [0.9, 0.1])
    fold = folds(range(N))
    found = cross_validate(start, scores, PENALTIES[:1], fold)
    here = np.flatnonzero(fold == 0)
    rest = scores.take(np.flatnonzero(fold != 0))
    gate = fit_exemplars(fit_terms(start, rest), rest, None)
    np.testing.assert_allclose(found.log_prob[1, 0, here], gate.log_prob(scores.take(here)))


def test_the_level_of_a_fold_is_chosen_by_the_others() -> None:
    log_prob = np.zeros((3, 1, 4))
    log_prob[1, 0] = [9, 9, 0, 0]
    log_prob[2, 0] = [0, 0, 1, 1]
    levels = (Penalties(), Penalties(0.1))
    found = CrossValidation(log_prob, levels, np.array([0, 0, 1, 1]), np.ones(4))
    assert found.learned.tolist() == [[0, 0, 0, 0]]
    assert found.chosen() == Penalties()


def test_two_sources_count_alike_and_a_record_is_in_one_fold() -> None:
    """The same evidence twice is no more evidence: gain and standard error are those of one."""
    start, scores, _ = world(1, [0.9, 0.1])
    fold = folds(range(N))
    once = cross_validate(start, scores, PENALTIES[:1], fold)
    twice = cross_validate(start, ComponentScores.joined([scores, scores]), PENALTIES[:1], fold)
    assert twice.log_prob.shape == (4, 2, N)
    np.testing.assert_allclose(twice.log_prob[:, 0], twice.log_prob[:, 1], atol=1e-6)
    np.testing.assert_allclose(twice.gain(), once.gain(), atol=1e-4)
    assert twice.gain(0) == pytest.approx(twice.gain(1), abs=1e-6)


def test_smaller_penalties_are_not_tried_once_they_do_not_help() -> None:
    start, scores, _ = world(3, [0.5, 0.5], boost=0.0)
    found = cross_validate(start, scores, PENALTIES, folds(range(N)))
    assert len(found.log_prob) < 2 + 2 * len(PENALTIES)


def test_a_group_is_in_one_fold_and_folds_are_of_equal_size() -> None:
    groups = [f"group {i // 3}" for i in range(120)]
    fold = folds(groups)
    assert all(len(set(fold[i : i + 3])) == 1 for i in range(0, 120, 3))
    assert np.bincount(fold).tolist() == [30] * 4
    assert np.bincount(folds(range(1200))).tolist() == [600] * 2
