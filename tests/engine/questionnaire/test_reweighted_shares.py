"""Shares of all questions under other persona weights, against sums over single respondents."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import root

sys.path.insert(0, str(Path(__file__).parents[2] / "coverage"))

from questionnaires import AGES, PERSONAS, Town, town

from jupyter_mop import ToyBackend
from jupyter_mop.engine.questionnaire.associations import two_way
from jupyter_mop.engine.questionnaire.reweighted_shares import ReweightedShares, mean_distance
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit, fit_survey
from jupyter_mop.errors import DataError

TESTS = Path(__file__).parents[2]
MAKER = runpy.run_path(str(TESTS / "cases.py"))


@pytest.fixture(scope="module")
def world() -> Town:
    return town()


@pytest.fixture(scope="module")
def fit(world: Town) -> SurveyFit:
    return fit_survey(world.people(400, seed=1), PERSONAS, world.backend)


@pytest.fixture(scope="module")
def found(fit: SurveyFit) -> ReweightedShares:
    return ReweightedShares.of(fit)


@pytest.fixture(scope="module")
def weighted() -> ReweightedShares:
    """Survey weights that differ, two context columns, a question that depends on one of them."""
    made: ReweightedShares = MAKER["surveyed"](1, context=["age", "place"])
    return made


def by_respondent(found: ReweightedShares, name: str, weights: list[float]) -> pd.DataFrame:
    """Return each respondent's option probabilities by the definition, one person at a time.

    The factors of the personas are found by a root finder, not by proportional fitting.
    """
    factors = factors_by_root(found, weights)
    frame = found.people.contexts
    keys = {tuple(row): m for m, row in enumerate(found.cells.to_numpy())}
    rows = []
    for i in range(len(found.people)):
        m = keys[tuple(frame.iloc[i])] if len(frame.columns) else 0
        raw = [found.base[m, k] * factors[k] for k in range(len(found.names))]
        table = found.tables[name][found.contexts[name][m]]
        rows.append(sum(share / sum(raw) * table[k] for k, share in enumerate(raw)))
    return pd.DataFrame(rows)


def factors_by_root(found: ReweightedShares, weights: list[float]) -> np.ndarray:
    """Return what multiplies each persona's odds in every context so that shares are `weights`."""
    wanted = np.array(weights) / sum(weights)
    used = wanted > 0

    def gap(logs: np.ndarray) -> np.ndarray:
        raw = found.base[:, used] * np.exp(np.append(logs, 0.0))
        return (found.sizes @ (raw / raw.sum(axis=1, keepdims=True)) - wanted[used])[:-1]

    factors = np.zeros(len(wanted))
    start = np.log(wanted[used] / found.class_sizes[used])
    factors[used] = np.exp(np.append(root(gap, start[:-1] - start[-1]).x, 0.0))
    return factors


def test_the_shared_cases_match_the_engine() -> None:
    saved = json.loads(MAKER["FILE"].read_text())["surveys"]
    current = json.loads(json.dumps(MAKER["cases"]()["surveys"], default=MAKER["plain"]))
    for old, new in zip(saved, current, strict=True):
        assert new["overall"] == pytest.approx(old["overall"])
        assert new["data"]["tables"] == pytest.approx(old["data"]["tables"])
        for before, after in zip(old["groups"], new["groups"], strict=True):
            assert np.allclose(before["shares"], after["shares"])
            assert np.allclose(before["distances"], after["distances"], equal_nan=True)


def test_at_the_class_sizes_the_shares_are_the_fits(
    fit: SurveyFit, found: ReweightedShares
) -> None:
    for name in fit.survey.names:
        frame = fit.shares(name, "age").frame
        for group in (("", "everyone"), *(("age", age) for age in AGES)):
            expected = frame.loc[frame["group"] == group[1], "share"]
            assert np.allclose(found.shares(name, found.class_sizes.tolist(), group), expected)


def test_one_persona_alone_answers_by_its_own_table(
    fit: SurveyFit, found: ReweightedShares
) -> None:
    for k in range(4):
        alone = np.eye(4)[k].tolist()
        assert np.allclose(found.shares("drink", alone), fit.item_table("drink")[0, k])


@pytest.mark.parametrize("name", ["tea", "juice"])
@pytest.mark.parametrize("weights", [[0.2, 0.5, 0.3], [2.0, 0.0, 1.0]])
def test_shares_are_weighted_sums_over_respondents(
    weighted: ReweightedShares, name: str, weights: list[float]
) -> None:
    people, rows = weighted.people, by_respondent(weighted, name, weights)
    for column, value in weighted.groups:
        inside = np.ones(60, bool) if not column else (people.contexts[column] == value).to_numpy()
        expected = np.average(rows[inside], axis=0, weights=people.weights[inside])
        assert np.allclose(weighted.shares(name, weights, (column, value)), expected)


def test_contexts_keep_their_shares_and_personas_have_the_weights(
    weighted: ReweightedShares,
) -> None:
    wanted = [0.9, 0.05, 0.05]
    within = weighted.persona_weights(wanted)
    assert np.allclose(within.sum(axis=1), 1)
    assert np.allclose(weighted.sizes @ within, wanted)
    odds = within / weighted.base  # the same factors in every context
    assert np.allclose(odds / odds[:, :1], (odds / odds[:, :1])[0])


def test_without_contexts_the_weights_are_the_personas_shares() -> None:
    found = MAKER["surveyed"](0, context=[])
    assert found.groups == [("", "everyone")]
    assert np.allclose(found.persona_weights([3, 1, 0]), [[0.75, 0.25, 0]])
    expected = 0.75 * found.tables["tea"][0, 0] + 0.25 * found.tables["tea"][0, 1]
    assert np.allclose(found.shares("tea", [3, 1, 0]), expected)


def test_people_are_weighted_and_few_people_are_left_out(weighted: ReweightedShares) -> None:
    people = weighted.people_shares["tea"]
    for g, (column, value) in enumerate(weighted.groups):
        survey = weighted.people
        inside = np.ones(60, bool) if not column else (survey.contexts[column] == value).to_numpy()
        assert people.n[g] == inside.sum()
        if value == "unknown":
            assert people.n[g] == 2
            assert np.isnan(people.share[g]).all()
            assert np.isnan(people.floor[g])
            continue
        counts = np.bincount(survey.codes[inside, 0], survey.weights[inside], 3)
        assert np.allclose(people.share[g], counts / counts.sum())
        assert (people.low[g] < people.share[g]).all()
        assert (people.share[g] < people.high[g]).all()


def test_at_the_class_sizes_the_two_way_table_is_the_fits(
    fit: SurveyFit, found: ReweightedShares
) -> None:
    expected = two_way(fit, "drink", "place")
    table = found.two_way("drink", "place", found.class_sizes.tolist())
    people = found.people_pairs["drink", "place"]
    assert np.allclose(table.ravel(), expected["share"])
    assert np.allclose(people.share.ravel(), expected["people"])
    assert people.n == expected.attrs["n"]
    assert people.floor == pytest.approx(expected.attrs["floor"], rel=0.15)


def test_the_margins_of_a_two_way_table_are_the_shares(weighted: ReweightedShares) -> None:
    weights = [0.2, 0.5, 0.3]
    table = weighted.two_way("tea", "juice", weights)
    assert np.allclose(table.sum(axis=1), weighted.shares("tea", weights))
    assert np.allclose(table.sum(axis=0), weighted.shares("juice", weights))
    alone = weighted.two_way("tea", "milk", [0, 1, 0])  # one persona: the answers are independent
    assert np.allclose(alone, np.outer(alone.sum(axis=1), alone.sum(axis=0)))


def test_few_people_who_answered_both_are_left_out() -> None:
    answers = pd.DataFrame({"drink": ["tea", "milk"] * 20, "food": [None] * 33 + ["tea"] * 7})
    answers.loc[0, "food"] = "milk"
    answers.loc[answers.index >= 34, "drink"] = None
    survey = Survey.from_frame(answers, ["drink", "food"])
    fitted = fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"]))
    found = ReweightedShares.of(fitted).people_pairs["drink", "food"]
    assert found.n == 2
    assert np.isnan(found.share).all()


def test_distances_are_those_of_the_shares(weighted: ReweightedShares) -> None:
    weights = [0.2, 0.5, 0.3]
    frame = weighted.distances(weights, ("place", "town"))
    g = weighted.groups.index(("place", "town"))
    for row in frame.to_dict("records"):
        people = weighted.people_shares[row["question"]]
        gap = weighted.shares(row["question"], weights, ("place", "town")) - people.share[g]
        assert row["TV"] == pytest.approx(np.abs(gap).sum() / 2)
        assert row["floor"] == people.floor[g]
    assert weighted.distances(weights, ("age", "unknown"))["TV"].isna().all()


def test_the_floor_is_the_mean_distance_of_drawn_answers() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    drawn = np.random.default_rng(0).multinomial(200, shares, 5000) / 200
    mean = (np.abs(drawn - shares).sum(axis=1) / 2).mean()
    assert mean_distance(shares, 200) == pytest.approx(mean, rel=0.03)


def test_a_persona_without_respondents_stays_out() -> None:
    found = MAKER["surveyed"](3, context=["age"], absent=True)
    assert found.absent == ["c"]
    assert found.persona_weights([0.5, 0.5, 0])[:, 2].tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="gives no respondent to 'c'"):
        found.persona_weights([0.5, 0.4, 0.1])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0], r"one value per persona \(3\), got 1"),
        ([1.0, -1.0, 1.0], "negative"),
        ([0.0, 0.0, 0.0], "all 3 are zero"),
        ([1.0, np.nan, 0.0], "not finite"),
    ],
)
def test_bad_weights_are_refused(
    weighted: ReweightedShares, weights: list[float], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        weighted.shares("tea", weights)


def test_unknown_questions_and_groups_are_refused(weighted: ReweightedShares) -> None:
    with pytest.raises(DataError, match="no question 'wine'"):
        weighted.shares("wine", [1, 1, 1])
    for ask in (
        lambda: weighted.shares("tea", [1, 1, 1], ("age", "ancient")),
        lambda: weighted.distances([1, 1, 1], ("age", "ancient")),
    ):
        with pytest.raises(DataError, match=r"no group \('age', 'ancient'\)"):
            ask()


def test_what_a_panel_gets_has_no_row_per_respondent(world: Town) -> None:
    sizes = []
    for n in (100, 800):
        survey = world.people(n, seed=2)
        flat = fit_survey(survey, PERSONAS, world.backend)
        data = ReweightedShares.of(flat).to_dict()
        sizes.append({name: np.size(value) for name, value in data.items()})
    assert sizes[0] == sizes[1]


def test_a_survey_with_one_persona_and_without_contexts() -> None:
    answers = pd.DataFrame({"drink": ["tea", "milk"] * 20})
    survey = Survey.from_frame(answers, ["drink"])
    found = ReweightedShares.of(fit_survey(survey, "a: Tea!", ToyBackend(["tea", "milk"])))
    assert np.allclose(found.shares("drink", [1]), [0.5, 0.5], atol=0.05)
