from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.survey.calibrated.mixture import (
    Design,
    Strengths,
    _Objective,
    fit,
    log_prob,
    standardised,
    tables,
)
from jupyter_mop.engine.survey.calibrated.records import Records
from jupyter_mop.engine.survey.calibrated.references import log_scores, references
from jupyter_mop.engine.survey.calibrated.strengths import learn

ROWS, COLUMNS, OPTIONS = 3, 4, 3
CONTEXTS = [(i, j) for i in range(ROWS) for j in range(COLUMNS)]
LOOSE = Strengths(column=10.0, cell=10.0)


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


def world(seed: int, *, knows: bool) -> tuple[Design, np.ndarray]:
    """Return a design and the true shares by context, (C, A).

    The model's log-probabilities are twice too sure and have habits of their own; if it `knows`
    nothing, they have no relation to the truth either.
    """
    rng = np.random.default_rng(seed)
    persona = rng.normal(0, 1, (1, 2, OPTIONS))
    true = rng.normal(0, 0.8, (len(CONTEXTS), 1, OPTIONS)) + persona
    said = true if knows else rng.normal(0, 1, true.shape)
    probabilities = softmax(2 * said + rng.normal(0, 1.5, OPTIONS))
    shares = softmax(true + rng.normal(0, 0.5, OPTIONS))
    return design(probabilities), np.einsum("k,cka->ca", [0.7, 0.3], shares)


def design(probabilities: np.ndarray, *, is_multiple: bool = False) -> Design:
    indicators = np.array(
        [[i == r for r in range(ROWS)] + [j == c for c in range(COLUMNS)] for i, j in CONTEXTS]
    ).astype(float)
    shape = probabilities.shape[:2]
    return Design(
        standardised(probabilities, is_multiple=is_multiple),
        indicators,
        np.eye(len(CONTEXTS)),
        indicators,
        np.random.default_rng(1).normal(size=shape),
        np.ones(shape, dtype=bool),
        is_multiple,
    )


def people(shares: np.ndarray, n: int, seed: int) -> Records:
    rng = np.random.default_rng([seed, 5])
    context = rng.integers(len(CONTEXTS), size=n)
    chosen = [rng.choice(OPTIONS, p=shares[c] / shares[c].sum()) for c in context]
    return Records(context, np.eye(OPTIONS)[chosen], np.ones(n), np.arange(n))


@pytest.mark.parametrize("is_multiple", [False, True])
def test_the_gradient_is_that_of_the_likelihood(is_multiple: bool) -> None:
    rng = np.random.default_rng(0)
    given = design(rng.dirichlet(np.ones(3), (12, 2)), is_multiple=is_multiple)
    given.answered[3, 1] = False
    records = people(np.ones((12, 3)), 40, 0)
    if is_multiple:
        records = replace(records, selected=(rng.random((40, 3)) < 0.4).astype(float))
    objective = _Objective(given, records.collapsed())
    theta = rng.normal(0, 0.5, given.slices["cosine"].stop)
    numeric = approx_fprime(theta, lambda values: objective(values)[0], 1e-6)
    np.testing.assert_allclose(objective(theta)[1], numeric, atol=1e-3)
    assert objective(theta)[0] == pytest.approx(-log_prob(given, theta, records).sum())


def test_without_offsets_and_slope_it_gives_the_training_shares() -> None:
    given, shares = world(0, knows=True)
    records = people(shares, 300, 0)
    weights, options = tables(given, fit(given, records, Strengths()))
    np.testing.assert_allclose(
        np.einsum("ck,cka->ca", weights, options), np.tile(records.shares(), (12, 1)), atol=2e-3
    )


def test_with_free_offsets_it_gives_the_shares_of_each_cell() -> None:
    given, shares = world(0, knows=True)
    records = people(shares, 3000, 0)
    weights, options = tables(given, fit(given, records, LOOSE))
    sizes, chosen = records.totals(12)
    found = np.einsum("ck,cka->ca", weights, options)
    np.testing.assert_allclose(found, chosen / sizes[:, None], atol=0.01)


def test_where_the_model_knows_something_the_answer_is_nearer_than_all_without() -> None:
    better, plain = [], []
    for seed in range(2):
        given, truth = world(seed, knows=True)
        records = people(truth, 120, seed)
        fold = np.arange(120) % 5
        learned = learn(given, records, fold)
        found = np.einsum("ck,cka->ca", *learned.tables())
        others = [ref.shares for ref in references(given, records, fold)]
        others.append(np.einsum("ck,cka->ca", *learned.without_model().tables()))
        distances = [np.mean([total_variation(*p) for p in zip(s, truth, strict=True)])
                     for s in (found, *others)]  # fmt: skip
        better.append(distances[0])
        plain.append(min(distances[1:]))
        assert learned.model_share > 0.9
        assert learned.slope > 0.2
        gain = learned.held_out_log_prob().mean()
        assert gain > learned.without_model().held_out_log_prob().mean() + 0.02
    assert np.mean(better) < 0.7 * np.mean(plain)


def test_where_the_model_knows_nothing_the_answer_is_as_near_as_without_it() -> None:
    ratios, overall = [], []
    for seed in range(3):
        given, truth = world(seed, knows=False)
        records = people(truth, 60, seed)
        learned = learn(given, records, np.arange(60) % 5)
        pairs = [np.einsum("ck,cka->ca", *side.tables())
                 for side in (learned, learned.without_model())]  # fmt: skip
        ratios.append([np.abs(side - truth).sum() for side in pairs])
        overall.append([total_variation(side.mean(0), truth.mean(0)) for side in pairs])
    found, without = np.mean(ratios, axis=0)
    assert found < 1.05 * without
    found, without = np.mean(overall, axis=0)
    assert found < without + 0.005


def test_what_is_learned_without_a_fold_does_not_depend_on_its_answers() -> None:
    given, truth = world(0, knows=True)
    records = people(truth, 60, 0)
    fold = np.arange(60) % 3
    changed = np.where((fold == 0)[:, None], np.eye(3)[0], records.selected)
    first, second = (
        [reference.without_fold[0] for reference in references(given, side, fold)[:1]]
        for side in (records, replace(records, selected=changed))
    )
    np.testing.assert_allclose(first, second)
    members = [learn(given, side, fold).members[0].thetas[0]
               for side in (records, replace(records, selected=changed))]  # fmt: skip
    np.testing.assert_allclose(*members)


def test_survey_weights_count_as_people() -> None:
    given, truth = world(0, knows=True)
    records = people(truth, 80, 0)
    twice = records.take(np.concatenate([np.arange(80), np.arange(40)]))
    weighted = replace(records, weight=np.where(np.arange(80) < 40, 2.0, 1.0))
    strengths = Strengths(column=0.3, cell=0.1, model=1.0, gate=0.3, persona=0.3)
    np.testing.assert_allclose(
        tables(given, fit(given, twice, strengths))[1],
        tables(given, fit(given, weighted, strengths))[1],
        atol=1e-6,
    )
    for pair in zip(
        references(given, twice, np.arange(120) % 80 % 4),
        references(given, weighted, np.arange(80) % 4),
        strict=True,
    ):
        np.testing.assert_allclose(pair[0].shares, pair[1].shares, atol=1e-3)


def test_log_scores_of_options_that_nobody_chose_are_finite() -> None:
    records = people(np.eye(3)[[0] * 12] + 1e-9, 5, 0)
    shares = np.tile([0.0, 0.5, 0.5], (12, 1))
    logs = log_scores(shares, records, is_multiple=False, n=9.0)
    np.testing.assert_allclose(logs, np.log(1 / 30))
    assert np.isfinite(log_scores(shares, records, is_multiple=True, n=9.0)).all()
