from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.survey.asking import ask
from jupyter_mop.engine.survey.calibrated.calibration import calibrate
from jupyter_mop.engine.survey.calibrated.comparison import (
    CALIBRATED,
    PLAIN,
    UNCALIBRATED,
    WITHOUT_MODEL,
    Judged,
    added,
    best_without_model,
    compare,
    gain_text,
)
from jupyter_mop.engine.survey.calibrated.records import Records, folds
from jupyter_mop.engine.survey.calibrated.references import CELLS, REGRESSION, SHARES
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError

DRINKS = ["tea", "milk", "beer"]
PERSONAS = "a: Tea for you.\nb: Tea, please.\nc: Tea!"  # all alike: no weights can mend that
QUESTION = Question("You are {age}. What will you drink?", DRINKS)
ODDS = {"young": [0.1, 0.2, 0.7], "old": [0.3, 0.6, 0.1]}
ENCODER = ToyEncoder([*DRINKS, "young", "old"])
ANSWERS = [CALIBRATED, WITHOUT_MODEL, SHARES, CELLS, REGRESSION, PLAIN, UNCALIBRATED]


def population(n: int, seed: int = 0, **columns: object) -> Population:
    rng = np.random.default_rng(seed)
    ages = rng.choice(list(ODDS), n)
    texts = [rng.choice(DRINKS, p=ODDS[age]) for age in ages]
    frame = pd.DataFrame({"age": ages, "town": rng.choice(["north", "south"], n), "text": texts})
    frame = frame.assign(**columns)
    names = {name: name for name in ("group", "weight") if name in columns}
    return Population.from_frame(frame, context=["age", "town"], response="text", **names)


def asked(people: Population, question: Question = QUESTION, words: list[str] | None = None):
    backend = ToyBackend(words or DRINKS, persona_boost=3.0)
    known = ask(question, people, PERSONAS, backend, weights="uniform")
    return known, ask(question, people, None, backend)


@pytest.fixture(scope="module")
def calibrated():
    train, target = asked(population(400)), asked(population(1500, seed=1))
    return calibrate(*train, read_personas(PERSONAS), ENCODER, target=target)


def test_personas_that_all_answer_alike_are_calibrated(calibrated) -> None:
    table = calibrated.calibration.comparison.set_index("answer")
    assert list(table.index) == ANSWERS
    assert table.loc[UNCALIBRATED, "TV"] > 0.6
    assert table.loc[CALIBRATED, "TV"] < table.loc[SHARES, "TV"] + 0.01
    assert table.loc[CALIBRATED, "TV_by_subgroup"] < 1.1 * table.loc[REGRESSION, "TV_by_subgroup"]
    for age, odds in ODDS.items():
        assert total_variation(calibrated.shares(age), np.array(odds)) < 0.1
    distances = calibrated.distances().set_index("figure")["value"]
    assert distances["TV"] == pytest.approx(table.loc[CALIBRATED, "TV"])
    assert calibrated.weights_label == "learned"
    assert "; calibrated, weights: learned" in repr(calibrated)


def test_the_sentence_says_that_a_model_that_knows_nothing_adds_nothing(calibrated) -> None:
    said = calibrated.calibration.added
    assert said.startswith("What the model adds to 400 real answers, beside ")
    assert ": nothing. " in said
    assert said in repr(calibrated)
    row = best_without_model(calibrated.calibration.comparison)
    assert f"{gain_text(row, 'TV_by_subgroup')} by subgroup." in said


def test_an_answer_without_calibration_is_named_so() -> None:
    answer, _ = asked(population(50))
    assert answer.calibration is None
    assert "; uncalibrated, weights: uniform" in repr(answer)


def test_other_weights_keep_the_calibration_and_lose_its_judgement(calibrated) -> None:
    moved = calibrated.reweighted([1.0, 0.0, 0.0])
    assert moved.calibration is not None
    assert moved.table is calibrated.table
    said = calibrated.calibration.added
    assert calibrated.report is calibrated.calibration.comparison
    assert said not in repr(moved)
    assert SHARES in calibrated._repr_html_()
    assert SHARES not in moved._repr_html_()


def test_without_held_out_people_each_fold_is_judged_by_what_others_taught() -> None:
    people = population(200)
    answer = calibrate(*asked(people), read_personas(PERSONAS), ENCODER)
    assert answer.calibration.is_cross_fitted
    table = answer.calibration.comparison.set_index("answer")
    assert table.loc[CALIBRATED, "TV"] > answer.distances().set_index("figure")["value"]["TV"]
    assert table.loc[SHARES, "log_score_low"] > 0
    assert table.loc[CALIBRATED, ["log_score_gain", "TV_gain"]].abs().max() == 0


def test_the_answer_does_not_depend_on_the_order_of_the_rows() -> None:
    people = population(120)
    found = []
    for side in (people, people.take(np.arange(120)[::-1])):
        answer = calibrate(*asked(side), read_personas(PERSONAS), ENCODER)
        order = np.argsort(answer.context_texts)
        found.append(answer.by_context[order])
    np.testing.assert_allclose(*found, atol=1e-4)


def test_contexts_that_nobody_answered_in_get_the_effects_of_their_columns() -> None:
    frame = population(600).frame
    seen = frame[(frame["age"] == "young") | (frame["town"] == "north")]
    train = Population.from_frame(seen, context=["age", "town"], response="text")
    target = Population.from_frame(frame, context=["age", "town"], response="text")
    answer = calibrate(*asked(train), read_personas(PERSONAS), ENCODER, target=asked(target))
    pairs = (answer.shares("old, south"), train_shares(train))
    near, far = (total_variation(shares, np.array(ODDS["old"])) for shares in pairs)
    assert near < 0.5 * far


def train_shares(people: Population) -> np.ndarray:
    return people.frame["text"].value_counts(normalize=True)[DRINKS].to_numpy()


def test_several_choices_are_calibrated_and_stay_coherent() -> None:
    question = Question("Which?", ["tea", "milk", "None of these"], "multiple")
    rng = np.random.default_rng(0)
    chosen = rng.random((300, 2)) < [0.7, 0.2]
    rows = [question.answer_text(np.array([*row, not row.any()])) for row in chosen]
    frame = pd.DataFrame({"age": rng.choice(["young", "old"], 300), "text": rows})
    people = Population.from_frame(frame, context="age", response="text")
    answer = calibrate(*asked(people, question, ["yes", "no"]), read_personas(PERSONAS), ENCODER)
    assert np.abs(answer.shares() - answer.target()).max() < 0.03
    drawn = [question.selected_options(text) for text in answer.draw(200).responses]
    assert (np.array(drawn)[:, 2] != np.array(drawn)[:, :2].any(axis=1)).all()


def test_a_persona_without_an_answer_has_no_weight() -> None:
    train, plain = asked(population(100))
    answered = np.ones(train.weights.shape, dtype=bool)
    answered[:, 1] = False
    silent = replace(train, table=replace(train.table, answered=answered))
    answer = calibrate(silent, plain, read_personas(PERSONAS), ENCODER)
    assert answer.persona_weights[1] == 0
    assert answer.shares().sum() == pytest.approx(1)


def test_units_stay_in_one_fold_and_too_few_people_are_refused() -> None:
    people = population(60, group=np.arange(60) // 3)
    fold = folds(people)
    assert len({*zip(fold, people.units(), strict=True)}) == 20
    assert np.bincount(fold).tolist() == [12] * 5
    with pytest.raises(DataError, match="at least 8 records"):
        calibrate(*asked(population(7)), read_personas(PERSONAS), ENCODER)


def test_a_resample_without_any_subgroup_gives_numbers() -> None:
    """Everyone of the subgroup is one unit, which some resamples leave out."""
    rng = np.random.default_rng(0)
    context = np.array([0] * 5 + [1] * 12)
    people = Records(context, np.eye(3)[rng.integers(3, size=17)], np.ones(17), context)
    shares = np.full((2, 3), 1 / 3)
    judged = Judged(people, {CALIBRATED: shares, SHARES: shares}, 10.0)
    table = compare([judged], [np.array([True, False])])
    assert table.drop(columns="answer").notna().all(axis=None)


def test_the_interval_of_a_gain_holds_the_true_gain() -> None:
    """The log score of the truth against even shares, over many samples of people."""
    truth, even = np.array([[0.6, 0.3, 0.1]]), np.full((1, 3), 1 / 3)
    expected = float((truth * np.log(truth / even)).sum())
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        chosen = np.eye(3)[rng.choice(3, 80, p=truth[0])]
        people = Records(np.zeros(80, dtype=np.intp), chosen, np.ones(80), np.arange(80))
        judged = Judged(people, {CALIBRATED: truth, SHARES: even}, 1e9)
        row = compare([judged], [np.array([True])], random_state=seed).loc[1]
        inside += row["log_score_low"] <= expected <= row["log_score_high"]
    assert 88 <= inside <= 99
    assert "a clear gain" in added(compare([judged], [np.array([True])]), 80)
