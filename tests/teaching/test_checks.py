"""Right answers are right, and wrong ones get an explanation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.cost.estimate import CostEstimate, Step
from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.protocols import Completion
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError
from jupyter_mop.teaching import (
    canteen_cards,
    canteen_study,
    check,
    survey_answers,
    survey_study,
)
from jupyter_mop.teaching.canteen import PERSONAS, SHARES
from jupyter_mop.teaching.student_survey import QUESTION
from jupyter_mop.teaching.verdicts import QUESTIONS, Verdict

DRAWN = ["a"] * 6 + ["b"] * 2
WANTED = {"a": 0.25, "b": 0.75}
WEIGHTS = [1 / 3] * 6 + [3.0] * 2
TABLE = [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7]]
SHARE = [0.5, 0.3, 0.2]


def says(number: str, answer: object, words: str, **given: object) -> None:
    verdict = check(number, answer, **given)
    assert verdict.state == ("right" if words.startswith("right") else "not yet"), verdict
    assert words.removeprefix("right: ") in verdict.text


def drawn() -> Simulation:
    rows = {"persona": DRAWN, "response": DRAWN, "weight": 1.0}
    return Simulation(pd.DataFrame(rows), (), {"personas": {"a": "", "b": ""}})


def test_every_chapter_asks_three_questions_or_more():
    n_questions = {"1": 3, "2": 4, "3": 3, "4": 5, "5": 3, "6": 3}
    numbers = [f"{chapter}.{k + 1}" for chapter, n in n_questions.items() for k in range(n)]
    assert sorted(QUESTIONS) == numbers


@pytest.mark.parametrize("number", sorted(QUESTIONS))
@pytest.mark.parametrize("nothing", [..., None])
def test_a_missing_answer_is_told_what_is_expected(number, nothing):
    verdict = check(number, nothing)
    assert (verdict.state, verdict.is_right) == ("to do", False)
    assert QUESTIONS[number].expected in verdict.text


@pytest.mark.parametrize("number", sorted(QUESTIONS))
@pytest.mark.parametrize("odd", [object(), "<b>", {}, [[]], float("nan"), lambda: 1 / 0])
def test_an_odd_answer_raises_no_error_and_is_not_right(number, odd):
    verdict = check(number, odd)
    assert verdict.state == "not yet"
    assert verdict.text


def test_an_unknown_question_suggests_a_similar_one():
    with pytest.raises(DataError, match=r"Did you mean '2\.1'"):
        check("2.11", 1)


def test_a_verdict_is_escaped_in_html():
    html = Verdict("not yet", "<script>x</script>", "1.1")._repr_html_()
    assert "<script>" not in html
    assert "1.1 not yet:" in html


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"context": "meal", "response": "card"}, "right: 20 training records"),
        ({"context": "card", "response": "meal"}, "Here the meal is the response"),
        ({"context": ["meal", "row"], "response": "card"}, "a context of its own"),
        ({"context": ["meal", "card"], "response": "card"}, "would contain its answer"),
        ({"context": "meal", "response": "row"}, "guests write the card"),
        ({"context": "meal", "response": "card", "held_out": 0.1}, "10% of the records"),
    ],
)
def test_records(columns, words):
    frame = canteen_cards(n=40).reset_index(names="row")
    says("1.1", canteen_study(frame).use_population(frame, **columns), words, frame=frame)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (PERSONAS, "right: Every kind of guest is there"),
        (PERSONAS + "also: You pay a cheap price.", "right: Every kind of guest is there. One"),
        ("a: portion plate\nb: price pay\nc: queue wait", "writes about vegan, local and organic"),
        (
            "a: portion plate price pay\nb: queue wait\nc: local vegan",
            "has the words of hungry and",
        ),
        (PERSONAS + "odd: You like it here.", "'odd' has at most one word"),
        ("no colon here", "cannot be read"),
    ],
)
def test_guests(answer, words):
    says("1.2", answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"plain": False, "equal": True}, "right: Only for plain"),
        ({"plain": np.False_, "equal": np.True_}, "right: Only for plain"),
        ({"plain": True, "equal": True}, "They do not overlap"),
        ({"plain": False, "equal": False}, "They overlap"),
        ({"plain": False}, "True or False for 'equal' too"),
    ],
)
def test_level(answer, words):
    class Aligned:
        frame = pd.DataFrame(
            {
                "method": ["plain", "equal"],
                "figure": "MAUVE",
                "low": [0.3, 0.8],
                "high": [0.5, 0.92],
                "floor_low": 0.9,
                "floor_high": 0.99,
            }
        )

    says("1.3", answer, words, alignment=Aligned)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (WEIGHTS, "right: New share over old share"),
        (np.multiply(WEIGHTS, 5), "right: The proportions are right"),
        ([0.25] * 6 + [0.75] * 2, "divide by the share that was drawn"),
        ([3.0] * 6 + [1 / 3] * 2, "upside down"),
        ([1.0] * 8, "All weights are equal"),
        ([-1.0] * 8, "zero or more"),
        ([1.0] * 6 + [2.0] * 2, "the weight of one response of 'b'"),
        ([1.0] * 7, "must have 8 numbers, got 7"),
    ],
)
def test_importance(answer, words):
    says("2.1", answer, words, simulation=drawn(), shares=WANTED)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (8**2 / (6 / 9 + 18), "right: 8 weighted responses are worth 3"),
        (8, "the number of responses"),
        (6 / 9 + 18, "the sum of the squares"),
        (1 / (6 / 9 + 18), "Yours have mean 1"),
        (8 / (6 / 9 + 18), "Square the sum in the numerator"),
        (80, "between 1"),
        (5, "The square of the sum"),
        ([1, 2], "must be one number"),
    ],
)
def test_effective(answer, words):
    says("2.2", answer, words, weights=WEIGHTS)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (SHARE @ np.array(TABLE), "right: The weighted sum of the personas' answers"),
        (np.mean(TABLE, axis=0), "answer for equal weights"),
        (TABLE[0], "the largest group alone"),
        (np.array(TABLE) @ SHARE, "You weighted the columns"),
        ([0.1, 0.1, 0.1], "yours sum to 0.30"),
        ([0.2, 0.2, 0.6], "the first weight times the first row"),
    ],
)
def test_mixed(answer, words):
    says("4.1", answer, words, weights=SHARE, table=TABLE)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.3, "right: Of 100 answers, 30"),
        (0.6, "twice the total variation"),
        (0.0, "differences cancel"),
        (0.14, "You used squares"),
        (0.14**0.5, "You used squares"),
        (0.45, "Half the sum"),
    ],
)
def test_distance(answer, words):
    says("4.2", answer, words, predicted=[0.6, 0.3, 0.1], real=[0.3, 0.4, 0.3])


def test_believable():
    study = survey_study(survey_answers(random_state=10))
    answered = study.ask(QUESTION, "saturdays", weights="learned")
    rows = answered.distances("year").query("figure == 'TV'").set_index("group")
    expected = set(rows.index[rows["value"] <= rows["floor"]])
    assert "everyone" in expected
    assert "evening student" not in expected
    given = {"answered": answered, "by": "year"}
    says("4.3", expected, "right: But look at evening student", **given)
    says("4.3", [], "One more group is at or below its floor", **given)
    says("4.3", ["evening student"], "another sample of people would be closer", **given)
    says("4.3", ["teachers"], "not among the groups", **given)


def test_groups_whose_weight_is_off():
    three = "\n".join(line for line in PERSONAS.strip().splitlines() if "vegan" not in line)
    shares = {"hungry": 0.4, "thrifty": 0.2, "green": 0.25, "hurried": 0.15}
    cards = canteen_cards(shares, random_state=1, signed=True)
    study = canteen_study(cards, three)
    study.fit("Write a card about {meal}.")
    given = {"composition": study.composition("guest")}
    rows = given["composition"].frame.set_index("group")
    expected = [g for g, row in rows.iterrows() if not row["low"] <= row["true"] <= row["high"]]
    assert "green" in expected
    assert len(expected) < len(rows)
    says("2.4", expected, "right: No persona stands for 'green'", **given)
    says("2.4", list(rows.index), "the learned weight may be right", **given)
    says("2.4", [], "One more is outside", **given)
    says("2.4", "teachers", "The groups are", **given)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["training shares", "plain prompting"], "right: It does not beat 'regression"),
        (["training shares"], "look at 'plain prompting'"),
        (["training shares", "regression on the context"], "its interval is -0.010 to +0.020"),
        (["magic"], "The answers are training shares"),
    ],
)
def test_beaten(answer, words):
    names = ["calibrated mixture", "training shares", "regression on the context"]
    rows = {
        "answer": [*names, "plain prompting"],
        "log_score_low": [0, 0.1, -0.01, 0.2],
        "log_score_high": [0, 0.2, 0.02, 0.3],
    }
    says("4.4", answer, words, comparison=pd.DataFrame(rows))


CLUES = np.array([[0.5, 0.1, 0.2], [0.3, 0.8, 0.1], [0.2, 0.1, 0.7]])
JOINT = CLUES.prod(axis=1)
LIKELIHOOD = CLUES[:, 1:].prod(axis=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (JOINT / JOINT.sum() @ TABLE, "right: The likeliest persona has 50%"),
        (JOINT @ TABLE, "Divide the products"),
        (CLUES[:, 0] @ TABLE, "the answer of everybody"),
        (LIKELIHOOD / LIKELIHOOD.sum() @ TABLE, "You left out the first column"),
        (TABLE[1], "the likeliest persona"),
        ([0.2, 0.2, 0.6], "Multiply the columns"),
    ],
)
def test_imputed(answer, words):
    says("4.5", answer, words, clues=CLUES, table=np.array(TABLE))


def halves(said, rng, *, n=50, against=50, factor=0.5):
    order = rng.permutation(said)
    first, second = order[:n], order[-against:]
    return factor * sum(abs((first == w).mean() - (second == w).mean()) for w in set(said))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (halves, "right: About 0.08"),
        (lambda said, rng: halves(said, rng, factor=1.0), "twice the floor"),
        (lambda said, rng: halves(said, rng, against=100), "not with everybody"),
        (lambda said, rng: halves(said, rng, n=100, against=100), "contain the same people"),
        (lambda said, _rng: halves(said, np.random.default_rng(0)), "the same every time"),
        (lambda said, rng: halves(said, rng, n=25, against=25), "times the floor"),
        (lambda _said, _rng: 0.1, "the floor is 0"),
        (0.08, "Pass the function itself"),
    ],
)
def test_floor(answer, words):
    says("5.1", answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            ["fewshot"],
            "right: This table cannot distinguish the mixture with one candidate from fewshot",
        ),
        ([], "they overlap"),
        (["fewshot", "plain"], "they do not overlap"),
        ("magic", "not among the methods"),
    ],
)
def test_level_with(answer, words):
    frame = pd.DataFrame(
        {
            "method": ["plain", "fewshot", "mixture, one candidate"],
            "figure": "MAUVE",
            "low": [0.2, 0.5, 0.6],
            "high": [0.3, 0.7, 0.8],
        }
    )
    says("5.2", answer, words, frame=frame)


def test_gain():
    gains = np.random.default_rng(0).normal(0.1, 0.5, 400)
    error = gains.std() / 20
    low, high = gains.mean() - 1.96 * error, gains.mean() + 1.96 * error
    says("5.3", (low, high), "right: ", gains=gains)
    assert "without zero" in check("5.3", (low, high), gains=gains).text
    says("5.3", (high, low), "above the upper end", gains=gains)
    says("5.3", np.quantile(gains, [0.025, 0.975]), "the spread of single cards", gains=gains)
    says("5.3", (low + 1, high + 1), "is outside this interval", gains=gains)
    says("5.3", (low + error, high - error), "too narrow for 95 %", gains=gains)
    shifted = gains - gains.mean()
    assert "including zero" in check("5.3", (-1.96 * error, 1.96 * error), gains=shifted).text


class Parrot:
    """Answers with one word of its persona; each fault is switched on by name."""

    fingerprint = "parrot"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.n_asked = 0
        if fault == "scores":
            self.score = lambda requests, *, on_result=None: []  # noqa: ARG005
        if fault == "nameless":
            self.fingerprint = None

    def generate(self, requests, params, *, on_result=None):  # noqa: ARG002
        answers = []
        for index, request in enumerate(requests):
            self.n_asked += 1
            words = request.prompt.messages[0].content.lower().replace(".", "").replace("!", "")
            seeds = {"forgets": [self.n_asked], "deaf": [request.seed]}
            seed = seeds.get(self.fault, [request.seed, request.draw])
            word = str(np.random.default_rng(seed).choice(words.split()))
            word = "squawk" if self.fault == "squawks" else word
            answers.append(word if self.fault == "texts" else Completion(word, 1))
            if on_result and self.fault != "silent":
                on_result(index, answers[-1])
        return answers[:-1] if self.fault == "short" else answers


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("", "right: A model in a few lines"),
        ("scores", "has a method `score`"),
        ("nameless", "no fingerprint"),
        ("texts", "one Completion per request"),
        ("squawks", "it answered 'squawk'"),
        ("forgets", "answered differently"),
        ("deaf", "use request.draw"),
        ("silent", "on_result was not called"),
        ("short", "12 requests, but 11 responses"),
    ],
)
def test_parrot(fault, words):
    says("6.1", Parrot(fault), words)


def test_a_class_is_not_a_model():
    says("6.1", Parrot, "call it, as in Parrot()")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"hungry": 0.38, "thrifty": 0.33, "green": 0.02, "hurried": 0.27}, "right: 0.10 away"),
        (dict.fromkeys(SHARES, 0.25), "equal weights, from which the match starts"),
        (SHARES, "the truth itself"),
        ({"green": 0.7}, "away from the truth. Simulate"),
        ({"critic": 1.0}, "There is no persona 'critic'"),
    ],
)
def test_matched(answer, words):
    says("6.2", answer, words, learned=SHARES)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.0035, "right: $0.0035 for 100 calls"),
        (0.002, "the input tokens alone"),
        (0.0015, "the output tokens alone"),
        (3.5, "a factor of 1,000"),
        (0.000035, "the cost of one call"),
        (0.01225, "swapped"),
        (1.0, "Input tokens times their price"),
    ],
)
def test_dollars(answer, words):
    step = Step("responses", 100, 100, 0, 20_000, 2_500, 6_400, 1.0, is_known=True)
    plan = CostEstimate("simulate", (step,), Price(0.1, 0.6, "stated"), "a guess")
    says("6.3", answer, words, plan=plan)
