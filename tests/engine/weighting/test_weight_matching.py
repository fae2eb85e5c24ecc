from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

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
