"""People in other contexts than the simulation's: found, and mended by post-stratification."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from poststratified_estimates import study

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.context_shares import ContextShares
from jupyter_mop.engine.evaluation.estimates import estimate
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError


def halves() -> Simulation:
    rows = {"context": ["young", "old"] * 200, "response": ["yes", "no"] * 200, "weight": 1.0}
    return Simulation(pd.DataFrame(rows))


def people(n_young: int, n_old: int, **columns: object) -> Population:
    ages = ["young"] * n_young + ["old"] * n_old
    said = ["yes", "no", "no", "no", "no"] * n_young + ["yes", "yes", "yes", "no", "no"] * n_old
    answers = said[:n_young] + said[-n_old:]
    frame = pd.DataFrame({"age": ages, "said": answers, **columns})
    weight = "w" if columns else None
    return Population.from_frame(frame, context="age", response="said", weight=weight)


def test_people_in_other_contexts_are_a_warning_and_not_valid() -> None:
    with pytest.warns(UserWarning, match=r"'young' has 80% .* and 50% .*--poststratify"):
        found = estimate(halves(), human=people(80, 20), answer="yes")
    assert not found.is_valid
    assert "Not valid for the population" in found.note
    assert "has 80% of the human answers" in found._repr_html_()


def test_a_random_sample_and_right_survey_weights_are_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert estimate(halves(), human=people(55, 45), answer="yes").is_valid
        weighted = people(80, 20, w=[0.5] * 80 + [2.0] * 20)
        assert estimate(halves(), human=weighted, answer="yes").is_valid


def test_random_samples_are_seldom_a_warning() -> None:
    shares = np.array([0.02, 0.03, 0.15, 0.3, 0.5])
    rng, found = np.random.default_rng(0), []
    for _ in range(1000):
        drawn, asked = rng.choice(5, 300, p=shares), rng.choice(5, 60, p=shares)
        known = np.bincount(drawn, minlength=5) / 300
        found.append(ContextShares(tuple("abcde"), known, 300, asked, np.ones(60)).difference())
    assert np.mean([bool(text) for text in found]) < 0.02


def test_contexts_that_occur_once_each_are_not_compared() -> None:
    names, known = tuple(map(str, range(100))), np.full(100, 0.01)
    shares = ContextShares(names, known, 100, np.arange(50), np.ones(50))
    assert shares.difference() == ""


def test_post_stratification_weights_contexts_as_in_the_simulation() -> None:
    found = estimate(halves(), human=people(80, 20), answer="yes", poststratify=True)
    row = found.frame.iloc[0]
    assert row["human"] == pytest.approx(0.28)
    assert row["value"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.6)
    assert row["low"] < 0.4 < row["high"]
    assert (row["power"], found.is_valid, found.is_post_stratified) == (0, True, True)
    assert 50 < row["worth"] < 80
    assert "post-stratified" in found.note


def test_survey_weights_count_within_a_context() -> None:
    weights = [4.0, 1.0, 1.0, 1.0, 1.0] * 16 + [1.0] * 20
    human = people(80, 20, w=weights)
    row = estimate(halves(), human=human, answer="yes", poststratify=True).frame.iloc[0]
    assert row["value"] == pytest.approx(0.5 * 0.5 + 0.5 * 0.6)


def test_a_context_with_few_people_is_named() -> None:
    human = people(80, 20).take([*range(80), 80])
    with pytest.raises(DataError, match=r"at least 2 .* 1 of 2 .* 'old', which is 50.0%"):
        estimate(halves(), human=human, answer="yes", poststratify=True)


@pytest.mark.parametrize("share_young", [0.8, 0.95])
@pytest.mark.parametrize("n", [100, 400])
def test_post_stratified_intervals_cover_the_truth(share_young: float, n: int) -> None:
    found = study(200, n, share_young)
    assert 0.91 <= found["covers"] <= 0.99
    assert found["value"] == pytest.approx(0.4, abs=0.02)
    assert found["refused"] < 0.08


def test_without_it_they_do_not_and_every_one_has_a_warning() -> None:
    found = study(100, 400, 0.8, poststratify=False)
    assert found["covers"] < 0.3
    assert found["warned"] == 1
    assert study(100, 100, 0.5, poststratify=False)["warned"] < 0.05


def test_post_stratified_means_cover_the_truth() -> None:
    assert 0.91 <= study(200, 400, 0.8, is_mean=True)["covers"] <= 0.99
