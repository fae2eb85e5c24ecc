from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from jupyter_mop.engine.metrics.vectors import WeightedVectors
from jupyter_mop.engine.simulation.context_groups import ContextGroups, GroupedDraws
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.comparison import Measured
from jupyter_mop.engine.weighting.matched_weights import held_out_gain, matched_weights
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics
from jupyter_mop.engine.weighting.weight_matching import match
from jupyter_mop.errors import DataError

TESTS = Path(__file__).parents[2]
MAKER = runpy.run_path(str(TESTS / "cases.py"))


@pytest.fixture(scope="module")
def statistics():
    return MAKER["statistics"](0, 4, closed=False)


def test_the_shared_cases_match_the_engine():
    saved = json.loads(MAKER["FILE"].read_text())
    current = json.loads(json.dumps(MAKER["cases"](), default=MAKER["plain"]))
    for old, new in zip(saved["figures"], current["figures"], strict=True):
        for name, expected in old["expected"].items():
            assert new["expected"][name]["value"] == pytest.approx(expected["value"], abs=1e-6)
            assert new["expected"][name]["gradient"] == pytest.approx(
                expected["gradient"], rel=1e-6, abs=1e-6
            )
    for old, new in zip(saved["matching"], current["matching"], strict=True):
        assert new["weights"] == pytest.approx(old["weights"], abs=1e-6)


@pytest.mark.parametrize("metric", ["FID", "MAUVE", "KL cosine"])
def test_a_match_is_close_to_the_best_of_another_optimiser(statistics, metric):
    start = np.full(4, 0.25)
    found = match(statistics, metric, start, entropy=0.0)
    sign = -1 if metric == "MAUVE" else 1
    assert sign * found.after < sign * found.before

    def loss(logits):
        shares = np.exp(logits - logits.max())
        return sign * statistics.metrics(shares / shares.sum())[metric]

    best = min(
        minimize(loss, begin, method="Nelder-Mead", options={"maxiter": 2000}).fun
        for begin in (np.zeros(4), np.array([1.0, 0, 0, 0]), np.array([0, 0, 1.0, 0]))
    )
    assert sign * found.after == pytest.approx(best, abs=0.01)


def test_the_penalty_pulls_to_the_start(statistics):
    start = np.array([0.7, 0.1, 0.1, 0.1])
    gaps = [
        np.abs(match(statistics, "FID", start, entropy=strength).weights - start).sum()
        for strength in (0.0, 1.0, 100.0)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.05


def test_held_weights_do_not_change(statistics):
    held = [True, False, False, True]
    found = match(statistics, "MAUVE", [0.4, 0.3, 0.2, 0.1], held=held)
    assert found.weights[[0, 3]] == pytest.approx([0.4, 0.1], abs=1e-12)
    assert found.weights.sum() == pytest.approx(1)


def test_a_weight_of_zero_can_grow(statistics):
    best = match(statistics, "FID", [0.25] * 4, entropy=0.0).weights
    start = np.eye(4)[best.argmin()]
    assert match(statistics, "FID", start, entropy=0.0).weights[best.argmax()] > 0.1


def test_too_few_free_weights_and_unknown_metrics_are_refused(statistics):
    with pytest.raises(DataError, match="at least two personas whose weight may change, got 1"):
        match(statistics, "FID", [0.25] * 4, held=[True, True, True, False])
    with pytest.raises(DataError, match="There is no metric 'BLEU'"):
        match(statistics, "BLEU", [0.25] * 4)


def apart(labels: np.ndarray, codes: np.ndarray, n_personas: int) -> PersonaStatistics:
    """Measure draws of personas in groups of contexts, where each has its own few."""
    rng = np.random.default_rng(0)
    centres = 2.0 * np.eye(n_personas, 5)
    words = ["one two"] * 60
    base = np.zeros((labels.max() + 1, n_personas))
    np.add.at(base, (labels, codes), 1.0)
    sizes = base.sum(1) / base.sum()
    return PersonaStatistics.measure(
        centres[0] + rng.normal(size=(60, 5)),
        centres[codes] + rng.normal(size=(len(codes), 5)),
        codes,
        [f"p{k}" for k in range(n_personas)],
        target_texts=words,
        texts=words[:1] * len(codes),
        draws=GroupedDraws(labels, ContextGroups(sizes, base / base.sum(1, keepdims=True))),
    )


def test_weights_that_cannot_move_are_an_error_that_names_them():
    codes = np.repeat([0, 1], [54, 6])
    with pytest.raises(DataError, match=r"p0 0\.900, p1 0\.100 can be reached") as caught:
        matched_weights(apart(codes, codes, 2), "FID")
    assert "uniform" in caught.value.hint


def test_the_best_weights_within_reach_are_returned_and_their_limit_is_told():
    labels, codes = np.repeat([0, 1], [30, 30]), np.r_[np.repeat([0, 1], 15), np.repeat([1, 2], 15)]
    statistics = apart(labels, codes, 3)
    low, high = statistics.cells.groups.limits
    assert (low.tolist(), high.tolist()) == ([0, 0, 0], [0.5, 1.0, 0.5])
    found = matched_weights(statistics, "FID")
    assert "can be reached: p0 0." in found.verdict
    assert found["p0"] == pytest.approx(0.5, abs=0.01)
    shares = np.array(list(found.values()))
    assert statistics.cells.reached(shares) == pytest.approx(shares, abs=1e-4)


@pytest.mark.slow
def test_a_persona_that_answers_some_contexts_alone_keeps_its_share():
    statistics = MAKER["statistics"](7, 3, closed=False, contextual=True, alone=True)
    found = matched_weights(statistics, "FID")
    assert "p0 0.500" in found.verdict
    shares = np.array(list(found.values()))
    assert statistics.cells.reached(shares) == pytest.approx(shares, abs=1e-4)
    trials = np.random.default_rng(0).dirichlet(np.ones(2), 50) / 2
    best = min(statistics.metrics([0.5, *pair])["FID"] for pair in trials)
    assert statistics.metrics(shares)["FID"] == pytest.approx(best, abs=0.02)


def measured_of(n, seed, spread):
    """Return real responses near persona 0, whose distance to persona 1 is `spread`."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 2
    frame = pd.DataFrame({"persona": np.array(["near", "far"])[codes], "response": "one two"})
    return Measured(
        target=WeightedVectors(rng.normal(size=(2 * n, 4))),
        target_texts=["one two"] * (2 * n),
        simulation=Simulation(frame.assign(exemplar=None, weight=1.0)),
        vectors=rng.normal(size=(n, 4)) + spread * codes[:, None],
        codes=codes,
    )


def test_a_real_gain_is_clear_on_responses_that_did_not_choose_the_weights():
    found = held_out_gain(measured_of(120, 0, 3.0), "FID", [0.5, 0.5])
    assert found.is_clear
    assert found.n_halves == 6
    assert found.gain == pytest.approx(found.before - found.after)
    assert found.low <= found.gain <= found.high


def test_a_gain_by_chance_alone_is_not_clear():
    gains = [held_out_gain(measured_of(120, seed, 0.0), "FID", [0.5, 0.5]) for seed in range(5)]
    assert sum(gain.is_clear for gain in gains) <= 1


def test_too_few_responses_have_no_held_out_gain():
    assert held_out_gain(measured_of(8, 0, 3.0), "FID", [0.5, 0.5]) is None


@pytest.mark.parametrize(
    ("spread", "start"), [(3.0, "FID is better by"), (0.0, "No clear gain on")]
)
def test_the_verdict_is_about_responses_that_did_not_choose_the_weights(spread, start):
    measured = measured_of(120, 1, spread)
    statistics = measured.statistics(np.arange(120), np.arange(120))
    found = matched_weights(statistics, "FID", measured)
    assert found.verdict.startswith(start)
    assert "other" in found.verdict
    assert repr(found).startswith(found.verdict)
    assert found == dict(found)


def test_few_responses_are_told_in_the_verdict():
    statistics = measured_of(120, 1, 3.0).statistics(np.arange(120), np.arange(120))
    verdict = matched_weights(statistics, "FID", measured_of(8, 0, 3.0)).verdict
    assert verdict.endswith("too few responses to judge them on others.")
