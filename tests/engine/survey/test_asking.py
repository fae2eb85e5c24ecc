from __future__ import annotations

from dataclasses import replace

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
from jupyter_mop.engine.survey.asking import ask, distinct_contexts
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.learned_weights import _split_scores, learn_weights
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import read_answers, without_missing
from jupyter_mop.errors import DataError, ModelError

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
        assert backend.n_scored == answer.n == 4 * 3 * 3 * 3


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
    assert moved.groups("town") == [("", "everyone"), ("town", "south"), ("town", "north")]
    assert set(moved.frame["group"]) == {"everyone", *moved.context_texts}
    assert set(moved.frame["column"]) == {"", "age, town"}


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
    assert read_answers(records, QUESTION) is None
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


def by_columns(n: int = 600, seed: int = 0) -> Population:
    """Smokers drink rarely: the columns have the same values and other shares."""
    rng = np.random.default_rng(seed)
    smoker = rng.random(n) < 0.3
    drinker = rng.random(n) < np.where(smoker, 0.2, 0.7)
    frame = pd.DataFrame(
        {
            "smoker": np.where(smoker, "Yes", "No"),
            "drinker": np.where(drinker, "Yes", "No"),
            "text": np.where(smoker, "tea", "milk"),
        }
    )
    return Population.from_frame(frame, context=["smoker", "drinker"], response="text")


def test_subgroups_are_pairs_of_column_and_value(backend) -> None:
    records = by_columns()
    question = Question("?", DRINKS, targets={("drinker", "Yes"): [0.1, 0.2, 0.7]})
    answer = ask(question, records, PERSONAS, backend)
    weights = np.array([[1.0, 0, 0] if key[0] == "Yes" else [0, 1.0, 0]
                        for key in answer.subgroups.keys])  # fmt: skip
    answer = answer.reweighted(weights)
    table = answer.by("smoker").query("option == 'tea'").set_index(["column", "group"])
    tea = exact()[0, 0], exact()[1, 0]
    assert table.loc[("smoker", "Yes"), "share"] == pytest.approx(tea[0])
    assert table.loc[("smoker", "No"), "share"] == pytest.approx(tea[1])
    assert table["target"].tolist()[1:] == [0.0, 1.0] or table["target"].tolist()[1:] == [1.0, 0.0]
    real = records.frame
    drinks_tea = (real[real["drinker"] == "No"]["text"] == "tea").mean()
    assert answer.target(("drinker", "No"))[0] == pytest.approx(drinks_tea)
    assert answer.target(("drinker", "Yes")).tolist() == [0.1, 0.2, 0.7]
    assert answer.target(("smoker", "Yes")).tolist() == [1, 0, 0]
    frame = answer.distances("smoker")
    assert set(zip(frame["column"], frame["group"], strict=True)) == {
        ("", "everyone"),
        ("smoker", "Yes"),
        ("smoker", "No"),
    }
    n = int((real["smoker"] == "Yes").sum())
    assert set(frame.query("group == 'Yes'")["n"]) == {n}
    with pytest.raises(DataError, match="'Yes' is more than one subgroup") as caught:
        answer.shares("Yes")
    assert "('smoker', 'Yes')" in str(caught.value)
    assert "'drinker'" in str(caught.value)
    with pytest.raises(DataError, match="no subgroup"):
        answer.shares(("drinker", "Maybe"))
    with pytest.raises(DataError, match="more than one subgroup"):
        ask(Question("?", DRINKS, targets={"Yes": [1, 0, 0]}), records, PERSONAS, backend).target()


def test_a_value_named_everyone_is_not_everyone(backend) -> None:
    frame = pd.DataFrame({"age": ["everyone", "old"] * 10, "text": ["tea", "milk"] * 10})
    records = Population.from_frame(frame, context="age", response="text")
    answer = ask(Question("?", DRINKS), records, PERSONAS, backend)
    table = answer.by("age").query("option == 'tea'")
    assert table["target"].tolist() == [0.5, 1.0, 0.0]
    assert table[["column", "group"]].to_numpy().tolist() == [
        ["", "everyone"],
        ["age", "everyone"],
        ["age", "old"],
    ]
    assert answer.target(("age", "everyone")).tolist() == [1, 0, 0]
    with pytest.raises(DataError, match="'everyone' is more than one subgroup"):
        answer.shares("everyone")


def test_targets_of_unknown_subgroups_are_reported(backend) -> None:
    question = Question("?", DRINKS, targets={"odl": [1, 0, 0], ("age", "old"): [0, 1, 0]})
    answer = ask(question, population(50), PERSONAS, backend)
    assert answer.target("old").tolist() == [0, 1, 0]
    assert answer.notes == ["Targets of unknown subgroups are not used: odl."]


def test_contexts_with_the_same_text_are_two() -> None:
    rows = [("cook, baker", "Rome", "tea")] * 12 + [("cook", "baker, Rome", "milk")] * 8
    frame = pd.DataFrame(rows, columns=["trade", "town", "text"])
    records = Population.from_frame(frame, context=["trade", "town"], response="text")
    assert len(set(records.contexts)) == 1
    backend = ToyBackend(DRINKS, persona_boost=3.0)
    answer = ask(Question("You are a {trade} of {town}?", DRINKS), records, PERSONAS, backend)
    assert len(answer.contexts) == 2
    assert answer.sizes.tolist() == [0.6, 0.4]
    answer = answer.reweighted(np.array([[1.0, 0, 0], [0, 1.0, 0]]))
    table = answer.by("context").query("option == 'tea'")
    assert table["target"].tolist() == [0.6, 1.0, 0.0]
    assert table["group"].tolist()[1:] == ['"cook, baker", Rome', 'cook, "baker, Rome"']
    assert answer.shares(("context", '"cook, baker", Rome'))[0] == pytest.approx(exact()[0, 0])
    with pytest.raises(DataError, match="more than one subgroup"):
        answer.shares("cook, baker, Rome")
    drawn = answer.draw(400)
    questions = drawn.provenance["questions"]
    assert questions['"cook, baker", Rome'].startswith("You are a cook, baker of Rome?")
    assert set(drawn.context_texts) == {"cook, baker, Rome"}
    by_context = drawn.frame.groupby("context")["persona"].unique()
    assert by_context['"cook, baker", Rome'] == ["a"]
    learned = learn_weights(
        ask(QUESTION_OF_TRADE, records, PERSONAS, backend), records, read_personas(PERSONAS),
        ToyEncoder([*DRINKS, "rome"]),
    )  # fmt: skip
    assert learned.target(("trade", "cook")).tolist() == [0, 1, 0]


QUESTION_OF_TRADE = Question("You are a {trade} of {town}?", DRINKS)


def answered_only(answer, silent: list[tuple[int, int]]):
    """Return an answer in which some pairs of context and persona named no option."""
    answered = np.ones(answer.weights.shape, dtype=bool)
    for pair in silent:
        answered[pair] = False
    probabilities = np.where(answered[..., None], answer.table.probabilities, 1 / 3)
    table = replace(answer.table, probabilities=probabilities, answered=answered, matched=0.9)
    return replace(answer, table=table)


def test_a_persona_that_never_answered_is_left_out_and_its_weight_shared(answer) -> None:
    silent = answered_only(answer, [(c, 1) for c in range(4)])
    silent = silent.reweighted([0.5, 0.3, 0.2])
    assert silent.persona_weights == pytest.approx([5 / 7, 0, 2 / 7])
    assert silent.shares() == pytest.approx(np.array([5, 2]) / 7 @ exact()[[0, 2]])
    assert silent.notes == ["b never named an option and is left out; the others share its weight."]
    assert silent.notes[0] in repr(silent)
    assert silent.notes[0] in silent._repr_html_()
    assert "no answer" in silent._repr_html_()
    drawn = silent.draw(2000)
    assert set(drawn.frame["persona"]) == {"a", "c"}
    assert drawn.names == ["a", "c"]
    assert np.isfinite(drawn.provenance["shares"].to_numpy()).all()
    with pytest.raises(ModelError, match="No persona with weight"):
        silent.reweighted([0, 1, 0])


def test_a_persona_that_did_not_answer_in_one_context_has_no_weight_there(answer) -> None:
    partly = answered_only(answer, [(0, 1), *((2, k) for k in range(3))]).reweighted(
        [0.5, 0.3, 0.2]
    )
    assert partly.weights[0] == pytest.approx([5 / 7, 0, 2 / 7])
    assert partly.weights[1] == pytest.approx([0.5, 0.3, 0.2])
    assert partly.weights[2].tolist() == [0, 0, 0]
    kept = partly.sizes[[0, 1, 3]] / partly.sizes[[0, 1, 3]].sum()
    each = np.array([[5 / 7, 0, 2 / 7], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    assert partly.shares() == pytest.approx(kept @ each @ exact())
    assert partly.persona_weights.sum() == pytest.approx(1)
    assert partly.persona_weights @ partly.by_draw == pytest.approx(partly.shares())
    assert any("In 4 of 12 pairs" in note for note in partly.notes)
    assert any("of the population is left out" in note for note in partly.notes)
    assert set(partly.draw(500).frame["context"]) == {partly.context_texts[c] for c in (0, 1, 3)}


def test_a_persona_that_never_answered_learns_no_weight(backend) -> None:
    records = population(400)
    silent = answered_only(ask(QUESTION, records, PERSONAS, backend), [(c, 2) for c in range(4)])
    learned = learn_weights(silent, records, read_personas(PERSONAS), ENCODER)
    assert learned.persona_weights[2] == 0
    assert learned.persona_weights[:2].sum() == pytest.approx(1)


def with_missing(n: int = 400, n_missing: int = 8) -> Population:
    frame = population(n).frame.astype(object)
    frame.loc[: n_missing - 1, "text"] = "Refused"
    frame.loc[n_missing, "text"] = "Don't know"
    return Population.from_frame(frame, context=["age", "town"], response="text")


def test_answers_that_are_no_option_are_an_error_or_set_aside_by_name(backend) -> None:
    records = with_missing()
    with pytest.raises(DataError, match="9 of 400 real answers are none of") as caught:
        ask(QUESTION, records, PERSONAS, backend)
    assert "'Refused' (8), \"Don't know\" (1)" in str(caught.value)
    assert "--missing" in caught.value.hint
    options = ElicitationOptions(missing="REFUSED|Dont know")
    answer = ask(QUESTION, records, PERSONAS, backend, options=options)
    assert answer.set_aside == {"REFUSED": 8, "Dont know": 1}
    assert answer.notes == ["9 real answers are set aside: REFUSED 8, Dont know 1."]
    assert len(answer.real) == 391
    rest = records.frame["text"].iloc[9:].value_counts(normalize=True)[DRINKS]
    assert np.allclose(answer.target(), rest)
    with pytest.raises(DataError, match="All 400 answers are set aside"):
        without_missing(records, ["Refused", "Don't know", *DRINKS])


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([1.0, 2.0, 1.0, 1.0], ["1", "2"]),
        (["Yes", "yes ", "NO", "no"], ["yes", "no"]),
        ([True, False, True, True], ["Yes", "No"]),
        ([1, 0, 1, 1], ["yes", "no"]),
        (["cafe\u0301", "thé", "café", "café"], ["café", "the\u0301"]),
    ],
)
def test_codes_spellings_and_booleans_are_read_as_the_options(values, options) -> None:
    frame = pd.DataFrame({"age": "old", "text": values})
    records = Population.from_frame(frame, context="age", response="text")
    read = read_answers(records, Question("?", options))
    expected = {1: 0, 2: 1, 0: 1, "Yes": 0, "yes ": 0, "NO": 1, "no": 1, "thé": 1}
    assert read.responses == [options[expected.get(value, 0)] for value in values]
    words = ToyBackend(["yes", "no"])
    if options == ["yes", "no"]:
        answer = ask(Question("?", options), records, None, words)
        assert answer.target().tolist() in ([0.5, 0.5], [0.75, 0.25])


def test_answers_to_another_question_are_no_real_answers(backend) -> None:
    frame = pd.DataFrame({"age": "old", "text": ["tea", *(f"I say {i}" for i in range(9))]})
    records = Population.from_frame(frame, context="age", response="text")
    answer = ask(QUESTION, records, PERSONAS, backend)
    assert answer.real is None
    assert answer.notes == [
        "Only 1 of 10 responses of the population are options, so they are not compared with."
    ]


def test_an_exclusive_option_is_drawn_alone_and_learned_from_as_a_set() -> None:
    question = Question("Which?", ["tea", "milk", "None of these"], "multiple")
    rng = np.random.default_rng(1)
    none = rng.random(900) < 0.4
    tea = ~none & (rng.random(900) < 0.8)
    milk = ~none & (~tea | (rng.random(900) < 0.5))
    texts = [question.answer_text(np.array(row)) for row in zip(tea, milk, none, strict=True)]
    frame = pd.DataFrame({"age": "old", "text": texts})
    records = Population.from_frame(frame, context="age", response="text")
    answer = ask(question, records, "a: Yes!\nb: No!", ToyBackend(["yes", "no"], persona_boost=2.0))
    assert answer.target() == pytest.approx([tea.mean(), milk.mean(), none.mean()])
    drawn = answer.draw(3000, random_state=3)
    sets = np.array([question.selected_options(text) for text in drawn.responses])
    assert (sets[:, 2] != sets[:, :2].any(axis=1)).all()
    assert np.abs(sets.mean(0) - answer.shares()).max() < 0.03
    learned = learn_weights(answer, records, read_personas("a: Yes!\nb: No!"), ENCODER)
    assert np.isfinite(learned.report["log_lik"]).all()


def test_choices_with_another_separator() -> None:
    question = Question("Which?", ["wine", "gin"], "multiple", separator=";")
    frame = pd.DataFrame({"age": "old", "text": ["wine; gin"] * 30 + ["gin"] * 10})
    records = Population.from_frame(frame, context="age", response="text")
    answer = ask(question, records, None, ToyBackend(["yes", "no"]))
    assert answer.target().tolist() == [0.75, 1.0]
    assert set(answer.draw(50).responses) <= {"", "wine", "gin", "wine;gin"}


def test_answers_to_two_questions_share_respondents_but_no_random_numbers() -> None:
    """Two latent kinds of people: phi is .64 over all, and 0 within a persona."""
    words = ["yes", "no"]
    backend = ToyBackend(words, persona_boost=np.log(9))
    frame = pd.DataFrame({"age": "old", "text": words * 20})
    records = Population.from_frame(frame, context="age", response="text")
    personas = "u: You say yes.\nv: You say no."
    for seed in (0, 1):
        first, second = (
            ask(Question(text, words), records, personas, backend).draw(4000, random_state=seed)
            for text in ("Is it?", "Would you?")
        )
        persona, given = first.frame["persona"], [first.responses, second.responses]
        assert (persona == second.frame["persona"]).all()
        yes = [pd.Series(responses) == "yes" for responses in given]
        assert np.corrcoef(*yes)[0, 1] == pytest.approx(0.64, abs=0.05)
        for name in ("u", "v"):
            assert abs(np.corrcoef(yes[0][persona == name], yes[1][persona == name])[0, 1]) < 0.08


def test_a_subgroup_of_weight_zero_is_left_out_and_refused_by_name() -> None:
    rows = {"age": ["old"] * 20 + ["young"] * 20 + ["child"] * 20, "text": ["yes", "no"] * 30}
    frame = pd.DataFrame({**rows, "w": [1.0] * 40 + [0.0] * 20})
    records = Population.from_frame(frame, context="age", response="text", weight="w")
    model = ToyBackend(["yes", "no"])
    answer = ask(Question("Well?", ["yes", "no"]), records, "a: You say yes.", model)
    assert set(answer.by("age")["group"]) == {"everyone", "old", "young"}
    with pytest.raises(DataError, match=r"Everyone in \('age', 'child'\) has a survey weight"):
        answer.shares(("age", "child"))
    with pytest.raises(DataError, match="weights of zero or more"):
        answer.reweighted([1e308])


def test_few_effective_answers_of_a_subgroup_have_no_interval(backend) -> None:
    frame = pd.DataFrame({"age": ["young"] * 40 + ["old"] * 4, "text": "tea"})
    frame.loc[::2, "text"] = "milk"
    people = Population.from_frame(frame, context="age", response="text")
    found = ask(QUESTION, people, PERSONAS, backend).distances("age").set_index("group")
    assert found.loc["old", ["low", "high", "floor"]].isna().all(axis=None)
    assert found.loc["young", ["low", "high", "floor"]].notna().all(axis=None)
    assert (found.loc["old", "n"] == 4).all()


def test_rows_of_a_respondent_stay_in_one_part_of_the_fit(backend) -> None:
    frame = population(200).frame.assign(person=np.arange(200) // 5)
    people = Population.from_frame(frame, context=["age", "town"], response="text", group="person")
    answer = ask(QUESTION, people, PERSONAS, backend)
    assert answer.real.group == "person"
    sizes = [len(side.weight) for side in _split_scores(answer, people, ENCODER, 0)]
    assert sum(sizes) == 200
    assert all(size % 5 == 0 for size in sizes)
    assert abs(sizes[0] - 50) <= 5


def test_learned_weights_do_not_depend_on_the_order_of_the_rows(backend) -> None:
    people = population(300)
    weights = []
    for rows in (np.arange(300), np.arange(300)[::-1]):
        turned = people.take(rows)
        answer = ask(QUESTION, turned, PERSONAS, backend)
        learned = learn_weights(answer, turned, read_personas(PERSONAS), ENCODER)
        weights.append(learned.weights[np.argsort(learned.context_texts)])
    np.testing.assert_allclose(*weights, atol=1e-6)
