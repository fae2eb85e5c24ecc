from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.held_out import LEARNED, SINGLE, UNIFORM, held_out_report

N, K, J = 40, 3, 4
COLUMNS = [
    "model", "log_lik_per_token", "low", "high", "gain", "gain_low", "gain_high"
]  # fmt: skip
TOKENS = np.arange(N) % 5 + 1


def start() -> Gate:
    return Gate.start(np.eye(6)[:K], np.eye(6)[:J], rank=2)


def scores(log_lik: np.ndarray) -> ComponentScores:
    """Return scores in which component (i, k, j) has the log-likelihood `log_lik[i, k]`."""
    excluded = np.zeros((N, J), bool)
    components = Components(*np.nonzero(np.ones((N, K, J))))
    values = log_lik[components.record, components.persona]
    vectors = np.tile(np.eye(6)[0], (N, 1))
    return ComponentScores(vectors, components, values, excluded, np.ones(N))


def report(held_out: ComponentScores, fit=None, **more) -> pd.DataFrame:
    fit = fit or (lambda stop: start().fit(held_out, stop))
    frame = held_out_report(start(), fit, held_out, n_tokens=TOKENS, **more)
    return frame.set_index("model")


def structured(seed: int = 0) -> ComponentScores:
    rng = np.random.default_rng(seed)
    log_lik = rng.normal(-20, 0.5, size=(N, K))
    who = rng.choice(K, size=N, p=[0.6, 0.25, 0.15])
    log_lik[np.arange(N), who] += 6
    return scores(log_lik)


def test_columns_and_models() -> None:
    frame = report(structured()).reset_index()
    assert list(frame) == COLUMNS
    assert list(frame["model"]) == [SINGLE, UNIFORM, LEARNED]


def test_learning_improves_the_likelihood_of_structured_data() -> None:
    frame = report(structured())
    assert frame.loc[LEARNED, "gain_low"] > 0
    assert frame.loc[SINGLE, "gain_high"] < 0


def test_intervals_contain_their_values_and_the_uniform_gain_is_zero() -> None:
    frame = report(structured())
    for name, low, high in (
        ("log_lik_per_token", "low", "high"),
        ("gain", "gain_low", "gain_high"),
    ):
        assert (frame[low] <= frame[name]).all()
        assert (frame[name] <= frame[high]).all()
    assert (frame.loc[UNIFORM, ["gain", "gain_low", "gain_high"]] == 0).all()


def test_the_uniform_value_is_the_log_likelihood_per_token() -> None:
    held_out = structured()
    log_lik = held_out.log_lik.reshape(N, K, J)
    exact = np.logaddexp.reduce(log_lik.reshape(N, -1), axis=1) - np.log(K * J)
    found = report(held_out).loc[UNIFORM, "log_lik_per_token"]
    assert found == pytest.approx(exact.sum() / TOKENS.sum())


def halves(held_out: ComponentScores, seed: int = 0) -> list[np.ndarray]:
    """Return the records that choose in each half; their weights serve as labels."""
    labelled, seen = replace(held_out, weight=np.arange(N) + 1.0), []

    def fit(stop: ComponentScores) -> Gate:
        seen.append(stop.weight.astype(int) - 1)
        return start()

    report(labelled, fit, random_state=seed)
    return seen


def test_the_two_halves_are_disjoint_and_depend_on_the_seed() -> None:
    first, second = halves(structured())
    assert sorted([*first, *second]) == list(range(N))
    assert abs(len(first) - len(second)) <= 1
    assert list(first) == list(halves(structured())[0]) != list(halves(structured(), seed=1)[0])


def test_no_record_evaluates_its_own_choice() -> None:
    """Each half favours its own persona, so a choice for the other half is a bad one."""
    first, second = halves(scores(np.zeros((N, K))))
    log_lik = np.full((N, K), -50.0)
    log_lik[first, 0] = log_lik[second, 1] = -10.0
    held_out = scores(log_lik)

    def fit(stop: ComponentScores) -> Gate:
        favoured = int(stop.log_lik.reshape(-1, K, J)[0, :, 0].argmax())
        b = np.full(K, -np.inf)
        b[favoured] = 0.0
        return replace(start(), b=b)

    frame = report(held_out, fit)
    worst = -50.0 * N / TOKENS.sum()
    assert frame.loc[LEARNED, "log_lik_per_token"] == pytest.approx(worst)
    assert frame.loc[SINGLE, "log_lik_per_token"] == pytest.approx(worst)


def test_the_intervals_depend_on_the_seed() -> None:
    first, again, other = (report(structured(), random_state=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert first.loc[UNIFORM, "low"] != other.loc[UNIFORM, "low"]


def test_a_survey_weight_counts_as_that_many_records() -> None:
    held_out = structured()
    weight = np.arange(N) % 3 + 1.0
    found = report(replace(held_out, weight=weight)).loc[UNIFORM, "log_lik_per_token"]
    log_prob = start().log_prob(held_out)
    exact = np.repeat(log_prob, weight.astype(int)).sum() / (weight * TOKENS).sum()
    assert found == pytest.approx(exact)
