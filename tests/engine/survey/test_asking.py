from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.answer_distances import distances
from jupyter_mop.engine.survey.asking import answers_with, ask, distinct_contexts
from jupyter_mop.engine.survey.learned_weights import learn_weights
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError

DRINKS = ["tea", "milk", "beer"]
PERSONAS = "a: Tea for you.\nb: Milk, please.\nc: Beer!"
QUESTION = Question("You are {age}. What will you drink?", DRINKS)
ODDS = {"young": [0.2, 0.2, 0.6], "old": [0.6, 0.25, 0.15]}
ENCODER = ToyEncoder([*DRINKS, "young", "old"])


def population(n: int = 800, seed: int = 0, odds=ODDS) -> Population:
    rng = np.random.default_rng(seed)
    ages = rng.choice(list(odds), n)
    towns = rng.choice(["north", "south"], n)
    texts = [rng.choice(DRINKS, p=odds[age]) for age in ages]
    frame = pd.DataFrame({"age": ages, "town": towns, "text": texts})
    return Population.from_frame(frame, context=["age", "town"], response="text")


@pytest.fixture
def backend() -> ToyBackend:
    return ToyBackend(DRINKS, persona_boost=3.0)


@pytest.fixture
def answer(backend):
    return ask(QUESTION, population(), PERSONAS, backend, weights={"a": 0.5, "b": 0.3, "c": 0.2})


def exact(boost: float = 3.0) -> np.ndarray:
    table = np.ones((3, 3)) + np.eye(3) * (np.exp(boost) - 1)
    return table / table.sum(1, keepdims=True)


def test_the_answer_is_the_weighted_sum_of_personas(answer) -> None:
    expected = np.array([0.5, 0.3, 0.2]) @ exact()
    assert np.allclose(answer.shares(), expected)
    assert np.allclose(answer.by_context, expected)
    assert np.allclose(answer.by_persona, exact())
    assert np.allclose(answer.persona_weights, [0.5, 0.3, 0.2])
    assert answer.sizes.sum() == pytest.approx(1)


def test_the_number_of_prompts_depends_on_contexts_only(backend) -> None:
    for n in (100, 1000):
        backend.n_scored = 0
        answer = ask(QUESTION, population(n), PERSONAS, backend)
        assert backend.n_scored == answer.n == 4 * 3 * 2 * 3


def test_subgroups_are_weighted_means_of_their_contexts(answer) -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    moved = answer.reweighted(weights)
    old = [i for i, text in enumerate(moved.context_texts) if text.startswith("old")]
    expected = np.average(moved.by_context[old], axis=0, weights=moved.sizes[old])
    assert np.allclose(moved.shares("old"), expected)
    north = moved.context_texts.index("old, north")
    assert np.allclose(moved.shares("old, north"), weights[north] @ exact())
    real = moved.real.frame
    counts = real[real["age"] == "old"]["text"].value_counts(normalize=True)
    assert np.allclose(moved.target("old"), counts[DRINKS])
    assert moved.groups("town")[0] == "everyone"
    assert set(moved.frame["group"]) == {"everyone", *moved.context_texts}


@pytest.mark.parametrize("kind", ["uniform", "stated"])
def test_weights_by_name(backend, kind) -> None:
    personas = "a [0.7]: Tea for you.\nb: Milk, please.\nc: Beer!"
    answer = ask(QUESTION, population(), personas, backend, weights=kind)
    expected = {"uniform": [1 / 3] * 3, "stated": [0.7, 0.15, 0.15]}[kind]
    assert np.allclose(answer.persona_weights, expected)
    assert kind in repr(answer)


def test_without_personas_the_question_is_plain(backend) -> None:
    answer = ask(QUESTION, population(), None, backend)
    assert np.allclose(answer.shares(), 1 / 3)
    assert answer.is_plain
    assert answer.draw(20).frame["persona"].isna().all()


def test_learned_weights_follow_the_context_with_no_model_call(backend) -> None:
    train, test = population(1500).split(0.5)
    uniform_train = ask(QUESTION, train, PERSONAS, backend)
    before = backend.n_scored
    learn_weights(uniform_train, train, read_personas(PERSONAS), ENCODER)
    assert backend.n_scored == before
    uniform = ask(QUESTION, test, PERSONAS, backend)
    reweighted = learn_weights(
        uniform_train, train, read_personas(PERSONAS), ENCODER, target=uniform
    )
    for age, odds in ODDS.items():
        assert np.abs(reweighted.shares(age) - odds).max() < 0.07
    tv = [a.distances("age").query("figure == 'TV'")["value"].mean() for a in (uniform, reweighted)]
    assert tv[1] < 0.5 * tv[0]
    gain = reweighted.report.set_index("model").loc["learned mixture", "gain_low"]
    assert gain > 0
    assert list(reweighted.report.columns)[:2] == ["model", "log_lik"]


def test_learned_weights_are_near_the_maximum_of_the_likelihood(backend) -> None:
    odds = {"young": [0.5, 0.3, 0.2], "old": [0.5, 0.3, 0.2]}
    records = population(3000, odds=odds)
    learned = learn_weights(
        ask(QUESTION, records, PERSONAS, backend), records, read_personas(PERSONAS), ENCODER
    )
    counts = records.frame["text"].value_counts()[DRINKS].to_numpy()

    def loss(logits):
        weights = np.exp(logits) / np.exp(logits).sum()
        return -counts @ np.log(weights @ exact()) / counts.sum()

    best = minimize(loss, np.zeros(3)).x
    assert np.abs(learned.persona_weights - np.exp(best) / np.exp(best).sum()).max() < 0.05


def test_weights_are_learned_from_multiple_choice_answers() -> None:
    question = Question("Which do you like?", ["wine", "gin"], "multiple")
    backend = ToyBackend(["yes", "no"], persona_boost=3.0)
    texts = ["wine|gin"] * 60 + ["wine"] * 2
    frame = pd.DataFrame({"age": "old", "text": texts})
    records = Population.from_frame(frame, context="age", response="text")
    personas = "a: Yes!\nb: No!"
    learned = learn_weights(
        ask(question, records, personas, backend), records, read_personas(personas), ENCODER
    )
    assert learned.persona_weights[0] > 0.9
    assert learned.shares().sum() > 1.5
    assert learned.target().tolist() == pytest.approx([1, 60 / 62])
    assert set(learned.distances()["figure"]) == {"JS", "TV"}
    assert set(learned.draw(50).frame["response"]) <= {"", "wine", "gin", "wine|gin"}


def test_distances_have_interval_and_floor(answer) -> None:
    frame = answer.distances("age").set_index(["group", "figure"])
    expected = distances(QUESTION, answer.target("old"), answer.shares("old"))
    for figure, value in expected.items():
        row = frame.loc[("old", figure)]
        assert row["value"] == pytest.approx(value)
        assert row["low"] <= row["value"] <= row["high"]
        assert 0 < row["floor"] < 0.1
    counts = answer.real.frame["age"].value_counts()
    assert frame.loc[("old", "JS"), "n"] == counts["old"]


def test_a_correct_answer_is_below_its_floor(backend) -> None:
    records = population(2000)
    right = ask(QUESTION, records, PERSONAS, backend)
    shares = right.target()
    weights = np.linalg.solve(exact().T, shares)
    frame = right.reweighted(weights).distances()
    assert (frame["value"] < 1e-6).all()
    assert (frame["floor"] > 1e-4).all()


def test_targets_take_precedence_and_have_no_interval(backend) -> None:
    question = Question(QUESTION.text, DRINKS, "scale", {"everyone": [0.2, 0.3, 0.5]})
    frame = ask(question, population(), PERSONAS, backend).distances()
    assert list(frame["figure"]) == ["JS", "TV", "W1"]
    assert frame[["low", "high", "floor"]].isna().all(axis=None)
    shares = ask(question, population(), PERSONAS, backend).shares()
    assert frame["value"].iloc[1] == pytest.approx(np.abs(shares - [0.2, 0.3, 0.5]).sum() / 2)


def test_survey_weights_count(backend) -> None:
    frame = pd.DataFrame({"age": ["young", "old"], "text": ["beer", "tea"], "w": [3.0, 1.0]})
    records = Population.from_frame(frame, context="age", response="text", weight="w")
    answer = ask(QUESTION, records, PERSONAS, backend)
    assert answer.sizes.tolist() == [0.75, 0.25]
    assert answer.target().tolist() == [0.25, 0, 0.75]


def test_drawn_answers_have_the_expected_shares(answer) -> None:
    drawn = answer.draw(6000, random_state=1)
    shares = drawn.frame["response"].value_counts(normalize=True)[DRINKS]
    assert np.abs(shares - answer.shares()).max() < 0.03
    weights = drawn.frame["persona"].value_counts(normalize=True)[["a", "b", "c"]]
    assert np.abs(weights - answer.persona_weights).max() < 0.03
    assert drawn.names == ["a", "b", "c"]
    assert drawn.frame.equals(answer.draw(6000, random_state=1).frame)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda w: sum(w) > 0.01))
def test_answers_are_linear_in_the_weights(weights) -> None:
    answer = ask(QUESTION, population(50), PERSONAS, ToyBackend(DRINKS, persona_boost=3.0))
    shares = np.array(weights) / sum(weights)
    assert np.allclose(answer.reweighted(weights).shares(), shares @ exact())


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0, 0, 0], [-1, 1, 1], [np.nan, 1, 1]])
def test_invalid_weights_are_refused(answer, weights) -> None:
    with pytest.raises(DataError, match="3 weights of zero or more"):
        answer.reweighted(weights)


def test_unknown_groups_columns_and_weights_are_refused(answer, backend) -> None:
    with pytest.raises(DataError, match="no subgroup 'odl'") as caught:
        answer.shares("odl")
    assert "'old'" in caught.value.hint
    with pytest.raises(DataError, match="no context column 'income'"):
        answer.by("income")
    with pytest.raises(DataError, match="Unknown persona weights 'best'"):
        ask(QUESTION, population(), PERSONAS, backend, weights="best")
    with pytest.raises(DataError, match="`n` must be at least 1, got 0"):
        answer.draw(0)


def test_free_text_has_no_known_answer(backend) -> None:
    frame = pd.DataFrame({"age": ["young", "old"], "text": ["Oh, beer.", "Hm."]})
    records = Population.from_frame(frame, context="age", response="text")
    answer = ask(QUESTION, records, PERSONAS, backend)
    assert not answers_with(records, QUESTION)
    assert answer.target() is None
    with pytest.raises(DataError, match="no known answer"):
        answer.distances()


def test_too_few_records_are_refused(backend) -> None:
    records = population(7)
    with pytest.raises(DataError, match="at least 8 records"):
        learn_weights(
            ask(QUESTION, records, PERSONAS, backend), records, read_personas(PERSONAS), ENCODER
        )


def test_each_distinct_context_occurs_once() -> None:
    records = population(30)
    first = distinct_contexts(records)
    assert [records.contexts[i] for i in first] == list(dict.fromkeys(records.contexts))
