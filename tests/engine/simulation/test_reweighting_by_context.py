"""Reweighting a contextual mixture: the contexts stay, and the result is a new simulation's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import MixtureOfPersonas, Population, Simulation, calibrate
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.weighting.comparison import compare
from jupyter_mop.errors import DataError

WORDS = ["young", "old", "tea", "milk", "x", "y"]
AS_IS = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 4, "n_candidates": 1}


@pytest.fixture(scope="module")
def mixture() -> MixtureOfPersonas:
    """Persona a answers nine in ten of the young and one in ten of the old."""
    df = pd.DataFrame({"who": ["young", "old"] * 300, "said": ["tea", "milk"] * 300})
    population = Population.from_frame(df, context="who", response="said")
    backend = ToyBackend(WORDS, length=1, persona_boost=4.0, exemplar_boost=0.0, context_boost=0.0)
    personas = "a: You say tea.\nb: You say milk."
    made = MixtureOfPersonas(
        personas, backend, ToyEncoder(WORDS), template="You are {who}?", n_exemplars=2
    ).initialise(population)
    gate, half = made.gate_, np.log(9) / 2
    w_x, w_g = np.zeros_like(gate.w_x), np.zeros_like(gate.w_g)
    w_x[0, :2], w_g[0, 2:4] = [1, -1], [half, -half]
    made.gate_ = replace(gate, w_x=w_x, w_g=w_g)
    made.report_ = pd.DataFrame()
    return made


@pytest.fixture(scope="module")
def simulation(mixture: MixtureOfPersonas) -> Simulation:
    return mixture.simulate(4000, weights="learned", random_state=1, **AS_IS)


def share(simulation: Simulation, column: str, value: str, *, among: str | None = None) -> float:
    frame, weights = simulation.frame, simulation.weights
    chosen = np.ones(len(frame), bool) if among is None else (frame["context"] == among).to_numpy()
    found = (frame[column] == value).to_numpy()
    return float(weights[found & chosen].sum() / weights[chosen].sum())


@pytest.mark.parametrize(("wanted", "young", "old"), [(0.8, 0.9921, 0.6079), (0.2, 0.3921, 0.0079)])
def test_the_contexts_stay_and_the_odds_move_by_one_factor(
    simulation: Simulation, wanted: float, young: float, old: float
) -> None:
    moved = simulation.reweight({"a": wanted})
    before = share(simulation, "context", "young")
    assert share(moved, "persona", "a") == pytest.approx(wanted, abs=1e-6)
    assert share(moved, "context", "young") == pytest.approx(before, abs=1e-9)
    assert before == pytest.approx(0.5, abs=0.02)
    assert share(moved, "persona", "a", among="young") == pytest.approx(young, abs=0.004)
    assert share(moved, "persona", "a", among="old") == pytest.approx(old, abs=0.02)


def test_it_reads_like_a_new_simulation_with_these_weights(
    mixture: MixtureOfPersonas, simulation: Simulation
) -> None:
    moved = simulation.reweight({"a": 0.8})
    anew = mixture.simulate(4000, weights={"a": 0.8}, random_state=2, **AS_IS)
    for among in (None, "young", "old"):
        ours, theirs = (share(s, "response", "tea", among=among) for s in (moved, anew))
        assert ours == pytest.approx(theirs, abs=0.03)


def test_a_simulation_of_no_known_weights_counts_its_draws() -> None:
    rng = np.random.default_rng(0)
    context = rng.choice(["young", "old"], 1000)
    is_a = rng.random(1000) < np.where(context == "young", 0.9, 0.1)
    rows = {"context": context, "persona": np.where(is_a, "a", "b"), "response": "yes"}
    made = Simulation(pd.DataFrame({**rows, "exemplar": None, "weight": 1.0}))
    moved = made.reweight({"a": 0.8})
    assert share(moved, "context", "young") == pytest.approx(share(made, "context", "young"))
    assert share(moved, "persona", "a") == pytest.approx(0.8, abs=1e-6)


def test_a_share_that_the_contexts_do_not_allow_is_refused() -> None:
    rows = {"context": ["young"] * 100 + ["old"] * 100, "persona": ["a"] * 100 + ["b"] * 100}
    made = Simulation(pd.DataFrame({**rows, "response": "x", "exemplar": None, "weight": 1.0}))
    with pytest.raises(DataError, match=r"share of 0\.800 cannot be reached for 'a'") as caught:
        made.reweight({"a": 0.8})
    assert "Simulate" in caught.value.hint


def test_the_panel_and_the_reweighted_simulation_agree(
    mixture: MixtureOfPersonas, simulation: Simulation
) -> None:
    target = mixture.population_
    comparison = compare(target, simulation, encoder=mixture.encoder)
    statistics = comparison.statistics
    assert statistics.cells.is_contextual
    cells = statistics.cells.shares(np.array([0.8, 0.2]))
    moved = comparison.reweighted([0.8, 0.2])
    counted = np.bincount(statistics.labels, moved.weights, statistics.clusters.shape[1])
    np.testing.assert_allclose(cells @ statistics.clusters, counted / counted.sum(), atol=1e-9)
    step = np.array([1e-5, -1e-5])
    for name, slope in statistics.gradients([0.8, 0.2]).items():
        ends = [statistics.metrics(np.array([0.8, 0.2]) + sign * step)[name] for sign in (1, -1)]
        assert slope @ step == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-2, abs=1e-9)


@pytest.mark.parametrize("wanted", [0.7, 0.3])
def test_calibrated_weights_reach_the_target_in_a_new_simulation(
    mixture: MixtureOfPersonas, simulation: Simulation, wanted: float
) -> None:
    targets = {"tea": wanted, "milk": 1 - wanted}
    words = simulation.responses
    of = {"drink": lambda text: "tea" if "tea" in text else "milk"}
    found = calibrate(simulation, {"drink": targets}, of=of)
    assert found.is_reached
    moved = simulation.reweight(found)
    weights = moved.weights / moved.weights.sum()
    assert weights @ [word == "tea" for word in words] == pytest.approx(wanted, abs=1e-3)
    anew = mixture.simulate(4000, weights=dict(found), random_state=9, **AS_IS)
    assert np.mean([text == "tea" for text in anew.responses]) == pytest.approx(wanted, abs=0.025)
