from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.calibration import Calibration, calibrate, nearest_weights
from jupyter_mop.errors import DataError

SHARES = {"young": {"yes": 0.9, "no": 0.1}, "old": {"yes": 0.2, "no": 0.8}}
TABLE = pd.DataFrame(SHARES).T
REGION = pd.DataFrame({"north": [0.5, 0.9, 0.1], "south": [0.5, 0.1, 0.9]}, index=list("abc"))
VOTE = pd.DataFrame({"yes": [0.8, 0.5, 0.2], "no": [0.2, 0.5, 0.8]}, index=list("abc"))


def simulation(weight: float = 1.0, **columns: list[object]) -> Simulation:
    """90 responses of "young" with 81 yes, 60 of "old" with 12, 30 of "new" with 15."""
    rows = [("young", "yes")] * 81 + [("young", "no")] * 9 + [("old", "yes")] * 12
    rows += [("old", "no")] * 48 + [("new", "yes")] * 15 + [("new", "no")] * 15
    frame = pd.DataFrame(rows, columns=["persona", "response"])
    frame = frame.assign(weight=weight, context="q", **columns)
    return Simulation(frame, provenance={"personas": ("young", "old", "new")})


def mixed(reached: pd.DataFrame) -> dict[str, float]:
    return dict(zip(reached["option"], reached["reached"], strict=True))


def test_two_personas_and_two_options_have_one_solution() -> None:
    found = calibrate(TABLE, {"yes": 0.76, "no": 0.24})
    assert dict(found) == pytest.approx({"young": 0.8, "old": 0.2}, abs=1e-4)
    assert mixed(found.frame) == pytest.approx({"yes": 0.76, "no": 0.24}, abs=1e-4)
    assert found.is_reached
    assert "All 2 targets are reached" in repr(found)
    kl = 0.8 * np.log(1.6) + 0.2 * np.log(0.4)
    assert found.divergence == pytest.approx(kl, abs=1e-3)


def test_the_solution_nearest_to_the_start_is_chosen() -> None:
    found = calibrate(VOTE, {"yes": 0.5, "no": 0.5}, start={"a": 0.2, "b": 0.2, "c": 0.6})
    assert mixed(found.frame)["yes"] == pytest.approx(0.5, abs=1e-4)
    direct = minimize(
        lambda t: t * np.log(t / 0.2) * 1 + (1 - 2 * t) * np.log((1 - 2 * t) / 0.2)
        + t * np.log(t / 0.6), 0.3, bounds=[(1e-6, 0.5 - 1e-6)],
    ).x[0]  # fmt: skip
    assert dict(found) == pytest.approx({"a": direct, "b": 1 - 2 * direct, "c": direct}, abs=1e-3)


def test_a_start_that_reaches_the_targets_does_not_change() -> None:
    start = {"a": 0.3, "b": 0.1, "c": 0.6}
    targets = {"yes": 0.3 * 0.8 + 0.1 * 0.5 + 0.6 * 0.2, "no": 0.3 * 0.2 + 0.1 * 0.5 + 0.6 * 0.8}
    found = calibrate(VOTE, targets, start=start)
    assert dict(found) == pytest.approx(start, abs=1e-6)
    assert found.divergence == pytest.approx(0, abs=1e-9)


def test_several_marginals_are_calibrated_at_once() -> None:
    truth = np.array([0.5, 0.2, 0.3])
    targets = {
        "vote": dict(zip(VOTE.columns, truth @ VOTE.to_numpy(), strict=True)),
        "region": pd.Series(truth @ REGION.to_numpy(), index=REGION.columns),
    }
    found = calibrate({"vote": VOTE, "region": REGION.iloc[::-1]}, targets)
    assert list(found.values()) == pytest.approx(truth, abs=1e-3)
    assert found.frame["marginal"].tolist() == ["vote"] * 2 + ["region"] * 2
    assert found.is_reached


def test_a_simulation_is_calibrated_and_reweighted() -> None:
    drawn = simulation()
    found = calibrate(drawn, pd.Series({"yes": 0.4, "no": 0.6}))
    assert found.start == pytest.approx({"young": 0.5, "old": 1 / 3, "new": 1 / 6})
    again = drawn.reweight(found)
    yes = again.weights[[text == "yes" for text in again.responses]].sum() / 180
    assert yes == pytest.approx(0.4, abs=1e-4)


def test_the_start_is_the_simulations_own_weights() -> None:
    drawn = simulation().reweight({"young": 0.1, "old": 0.1, "new": 0.8})
    found = calibrate(drawn, {"yes": 0.09 + 0.02 + 0.4, "no": 0.01 + 0.08 + 0.4})
    assert dict(found) == pytest.approx({"young": 0.1, "old": 0.1, "new": 0.8}, abs=1e-4)


def test_targets_can_be_columns_and_functions_of_a_response() -> None:
    drawn = simulation(age=[20.0] * 90 + [70.0] * 60 + [20.0] * 30)
    by_age = calibrate(drawn, {"age": {20: 0.5, 70: 0.5}})
    assert by_age["old"] == pytest.approx(0.5, abs=1e-4)
    long = calibrate(drawn, {False: 0.6, True: 0.4}, of=lambda text: len(text) == 3)
    assert dict(long) == pytest.approx(dict(calibrate(drawn, {"yes": 0.4, "no": 0.6})), abs=1e-6)
    both = {"age": {20: 0.4, 70: 0.6}, "is_long": {True: 0.45, False: 0.55}}
    found = calibrate(drawn, both, of={"is_long": lambda text: len(text) == 3})
    assert found["old"] == pytest.approx(0.6, abs=1e-3)
    assert found.is_reached


def test_a_persona_without_responses_or_start_gets_no_weight() -> None:
    frame = simulation().frame
    drawn = Simulation(frame, provenance={"personas": ("young", "old", "new", "none")})
    assert calibrate(drawn, {"yes": 0.4, "no": 0.6})["none"] == 0
    start = {"young": 0.5, "old": 0.5, "new": 0, "none": 0}
    found = calibrate(drawn, {"yes": 0.4, "no": 0.6}, start=start)
    assert found["new"] == 0
    assert found["young"] == pytest.approx(0.2 / 0.7, abs=1e-4)


def test_a_target_at_the_edge_is_reached_by_one_persona() -> None:
    found = calibrate(TABLE, {"yes": 0.9, "no": 0.1})
    assert found.is_reached
    assert found["young"] > 0.998


def test_unreachable_targets_report_the_largest_gap() -> None:
    with pytest.raises(DataError, match="No persona weights reach") as caught:
        calibrate(TABLE, {"yes": 0.97, "no": 0.03})
    assert "reaches 0.900, 0.070 below its target of 0.970" in str(caught.value)
    nearest = calibrate(TABLE, {"yes": 0.97, "no": 0.03}, nearest=True)
    assert nearest["young"] == pytest.approx(1)
    assert not nearest.is_reached
    assert "Not all targets are reached" in repr(nearest)


def test_contradictory_targets_are_refused() -> None:
    drawn = simulation()
    targets = {"response": {"yes": 0.4, "no": 0.6}, "is_yes": {True: 0.5, False: 0.5}}
    with pytest.raises(DataError, match="contradict each other"):
        calibrate(drawn, targets, of={"is_yes": lambda text: text == "yes"})
    halfway = calibrate(drawn, targets, of={"is_yes": lambda text: text == "yes"}, nearest=True)
    assert halfway.frame["reached"].iloc[0] == pytest.approx(0.45, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: calibrate(TABLE, {"yes": 0.5, "no": 0.4}), "sum to 0.9, not to 1"),
        (lambda: calibrate(TABLE, {"yes": 40, "no": 60}), "Divide percentages by 100"),
        (lambda: calibrate(TABLE, {"yes": -0.2, "no": 1.2}), "zero or more"),
        (lambda: calibrate(TABLE, {"yes": np.nan, "no": 1.0}), "zero or more"),
        (lambda: calibrate(TABLE, {"yes": "many", "no": 1.0}), "zero or more"),
        (lambda: calibrate(TABLE, {"yes": True and 1.0}), "leaves out 'no'"),
        (lambda: calibrate(TABLE, {}), "mapping or Series of shares"),
        (lambda: calibrate(TABLE, [0.5, 0.5]), "mapping or Series of shares"),
        (lambda: calibrate(TABLE, pd.Series([0.5, 0.5], ["yes", "yes"])), "'yes' twice"),
        (lambda: calibrate(TABLE, {1: 0.5, "1": 0.5}), "'1' twice"),
        (lambda: calibrate(TABLE, {"yes": 0.5, "noo": 0.5}), "Did you mean 'no'"),
        (lambda: calibrate(TABLE, {"yes": 0.5, "no": 0.5}, penalty=0), "`penalty` must be"),
        (lambda: calibrate(TABLE * 2, {"yes": 0.5, "no": 0.5}), "sum to 1 for each persona"),
        (lambda: calibrate({"vote": VOTE, "age": TABLE}, {"vote": {"yes": 0.5, "no": 0.5},
                            "age": {"yes": 0.5, "no": 0.5}}), "one row per "),
        (lambda: calibrate({"vote": VOTE}, {"age": {"yes": 0.5, "no": 0.5}}), "'age'"),
        (lambda: calibrate(TABLE, {"yes": 0.5, "no": 0.5}, start={"young": 1, "odd": 0}), "'odd'"),
        (lambda: calibrate(simulation(), {"age": {"yes": 1.0}}), "no column 'age'"),
        (lambda: calibrate(simulation(), {"a": {"b": 1.0}}, of="response"),
         "`of` must be a mapping or left out"),
        (lambda: calibrate(simulation(), {"yes": 1.0}, of={"a": len}),
         "Give each function a target"),
        (lambda: calibrate(simulation(n=range(180)), {"n": {1: 1.0}}), "too many"),
        (lambda: calibrate(simulation(n=[None] * 180), {"n": {1: 1.0}}), "missing"),
    ],
)  # fmt: skip
def test_unusable_targets_are_refused_with_a_hint(
    call: Callable[[], Calibration], words: str
) -> None:
    with pytest.raises(DataError) as caught:
        call()
    assert words in str(caught.value)
    assert caught.value.hint


def test_rounded_shares_are_normalised() -> None:
    thirds = pd.DataFrame(np.eye(3), index=list("abc"), columns=list("xyz"))
    found = calibrate(thirds, {"x": 0.333, "y": 0.333, "z": 0.333})
    assert list(found.values()) == pytest.approx([1 / 3] * 3, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(2, 5), st.integers(0, 10_000))
def test_reachable_targets_are_reached_by_weights_no_further_than_the_truth(
    n_personas: int, n_options: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(n_options), n_personas)
    truth, start = rng.dirichlet(np.ones(n_personas)), rng.dirichlet(np.full(n_personas, 2.0))
    found = nearest_weights(table - truth @ table, start)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert np.abs(found @ table - truth @ table).max() < 1e-3
    assert kl(found, start) <= kl(truth, start) + 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 4), st.integers(0, 10_000))
def test_a_general_solver_finds_no_better_weights(
    n_personas: int, n_options: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    gaps = rng.dirichlet(np.ones(n_options), n_personas) - rng.dirichlet(np.ones(n_options))
    start, penalty = rng.dirichlet(np.full(n_personas, 2.0)), 100.0

    def loss(v: np.ndarray) -> float:
        return kl(v, start) + penalty / 2 * float(((v @ gaps) ** 2).sum())

    general = minimize(
        loss, start, method="SLSQP", bounds=[(0, 1)] * n_personas,
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1}, options={"ftol": 1e-12},
    )  # fmt: skip
    assert loss(nearest_weights(gaps, start, penalty=penalty)) <= general.fun + 1e-6


def kl(v: np.ndarray, start: np.ndarray) -> float:
    return float(np.sum(v * np.log(np.maximum(v, 1e-300) / start)))


def test_two_hundred_personas_can_be_calibrated() -> None:
    rng = np.random.default_rng(0)
    names = [f"p{k}" for k in range(200)]
    table = pd.DataFrame(rng.dirichlet(np.full(20, 0.3), 200), index=names)
    target = rng.dirichlet(np.full(200, 1.0)) @ table.to_numpy()
    found = calibrate(table, pd.Series(target))
    assert found.is_reached
    assert len(found) == 200
