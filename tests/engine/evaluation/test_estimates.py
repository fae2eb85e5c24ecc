from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.estimates import Estimates, estimate
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError

GROUPS = np.array([0.1, 0.25, 0.3, 0.35])
P_HUMAN = np.array([0.05, 0.2, 0.4, 0.75])


def simulate(contexts: list[str], answers: list[object], weight: object = 1.0) -> Simulation:
    return Simulation(pd.DataFrame({"context": contexts, "response": answers, "weight": weight}))


def people(contexts: list[str], answers: list[object], **columns: object) -> Population:
    frame = pd.DataFrame({"who": contexts, "answer": answers, **columns})
    weight = "w" if "w" in columns else None
    return Population.from_frame(frame, context="who", response="answer", weight=weight)


def names(codes: np.ndarray) -> list[str]:
    return [f"group {code}" for code in codes]


class Toy:
    """A toy model that answers yes or no with exact shares by group, far from the humans'."""

    def __init__(self) -> None:
        model = ToyBackend(["yes", "no"], length=1, context_boost=1.5)
        self.pool = []
        for group in range(4):
            prompt = Prompt((Message("user", ["no", "maybe", "yes no", "yes"][group]),))
            requests = [GenerationRequest(prompt, seed=group, draw=i) for i in range(2000)]
            drawn = model.generate(requests, SamplingParams(temperature=1.0, top_p=1.0))
            self.pool.append([completion.text for completion in drawn])

    def draw(self, codes: np.ndarray, rng: np.random.Generator) -> list[str]:
        return [self.pool[code][rng.integers(2000)] for code in codes]


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Toy()


def covered(run: Callable[[np.random.Generator], Estimates], truth: float) -> dict[str, float]:
    """Return how often intervals cover the truth in 1,000 replications, and their widths."""
    frames = [run(np.random.default_rng([7, i])).frame for i in range(1000)]
    frame = pd.concat(frames)
    both = (frame["low"] <= truth) & (truth <= frame["high"])
    alone = (frame["human_low"] <= truth) & (truth <= frame["human_high"])
    return {
        "both": float(both.mean()),
        "human": float(alone.mean()),
        "width": float((frame["high"] - frame["low"]).mean()),
        "human_width": float((frame["human_high"] - frame["human_low"]).mean()),
        "bias": float(frame["value"].mean() - truth),
        "simulated": float(frame["simulated"].mean()),
    }


def test_intervals_of_a_share_cover_the_truth(toy: Toy) -> None:
    def run(rng: np.random.Generator) -> Estimates:
        codes, drawn = rng.choice(4, 80, p=GROUPS), rng.choice(4, 400, p=GROUPS)
        answers = np.where(rng.random(80) < P_HUMAN[codes], "yes", "no")
        simulation = simulate(names(drawn), list(toy.draw(drawn, rng)))
        return estimate(simulation, human=people(names(codes), list(answers)), answer="yes")

    truth = float(GROUPS @ P_HUMAN)
    found = covered(run, truth)
    assert 0.87 <= found["both"] <= 0.93
    assert abs(found["bias"]) < 0.01
    assert abs(found["simulated"] - truth) > 0.02
    assert found["width"] < 0.93 * found["human_width"]


def test_intervals_of_a_mean_cover_the_truth_with_few_contexts_and_weights() -> None:
    def run(rng: np.random.Generator) -> Estimates:
        records = rng.choice(4, 120, p=GROUPS)
        codes, drawn = rng.choice(4, 50, p=GROUPS), rng.choice(records, 500)
        answers = 10 * P_HUMAN[codes] + rng.exponential(2, 50)
        simulation = simulate(
            names(drawn),
            list(5 * P_HUMAN[drawn] + rng.normal(size=500)),
            rng.uniform(0.5, 1.5, 500),
        )
        return estimate(simulation, human=people(names(codes), list(answers)), n_contexts=120)

    truth = float(GROUPS @ (10 * P_HUMAN) + 2)
    found = covered(run, truth)
    assert 0.87 <= found["both"] <= 0.93
    assert abs(found["bias"]) < 0.03
    assert found["simulated"] < 4
    assert found["width"] < 0.85 * found["human_width"]


def test_without_human_answers_the_interval_is_about_the_simulation_only(toy: Toy) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.choice(4, 400, p=GROUPS)
    found = estimate(simulate(names(drawn), list(toy.draw(drawn, rng))), answer="yes")
    assert not found.is_valid
    assert found.n_human == 0
    assert "not valid for the real population" in repr(found)
    row = found.frame.iloc[0]
    assert row["value"] == row["simulated"]
    assert np.isnan(row["human"])
    assert not row["low"] <= GROUPS @ P_HUMAN <= row["high"]


def test_one_context_for_all_gives_the_human_mean() -> None:
    human = people(["q"] * 20, ["yes"] * 5 + ["no"] * 15)
    found = estimate(simulate(["q"] * 50, ["yes"] * 50), human=human)
    row = found.frame.set_index("option").loc["yes"]
    assert (row["value"], row["power"], row["simulated"]) == (0.25, 0.0, 1.0)
    assert (row["low"], row["high"]) == (row["human_low"], row["human_high"])
    assert row["worth"] == pytest.approx(20)
    assert found.is_valid


def test_a_prediction_is_the_weighted_mean_of_its_context() -> None:
    simulation = simulate(["a", "a", "b", "b"] * 10, [1, 0, 1, 0] * 10, [3.0, 1.0, 1.0, 3.0] * 10)
    human = people(["a", "b"] * 10, [1, 0] * 10)
    row = estimate(simulation, human=human).frame.iloc[0]
    assert row["option"] == "share"
    assert row["simulated"] == pytest.approx(0.5)
    assert row["value"] == pytest.approx(0.5)
    assert row["power"] == 1.0
    skewed = estimate(simulation, human=people(["a"] * 5 + ["b"] * 15, [1] * 5 + [0] * 15))
    assert skewed.frame.iloc[0]["value"] > 0.25


def test_survey_weights_are_used() -> None:
    human = people(["q"] * 20, ["yes"] * 5 + ["no"] * 15, w=[3.0] * 5 + [1.0] * 15)
    row = estimate(simulate(["q"] * 9, ["no"] * 9), human=human, answer="yes").frame.iloc[0]
    assert row["value"] == pytest.approx(0.5)
    assert row["worth"] < 20


def test_every_option_of_either_side_has_a_row() -> None:
    found = estimate(
        simulate(["q"] * 9, ["c"] * 8 + ["b"]), human=people(["q"] * 20, ["a", "b"] * 10)
    )
    assert found.frame["option"].tolist() == ["a", "b", "c"]
    last = found.frame.iloc[2]
    assert last["value"] == last["low"] == 0
    assert 0 < last["high"] < 0.2


def test_a_function_of_a_response_is_applied_to_both_sides() -> None:
    simulation = simulate(["q"] * 12, ["one two", "one"] * 6)
    human = people(["q"] * 12, ["one two three"] * 6 + ["one"] * 6)
    found = estimate(simulation, lambda text: len(text.split()), human=human)
    assert found.frame.iloc[0]["option"] == "mean"
    assert found.frame.iloc[0][["value", "simulated"]].tolist() == pytest.approx([2.0, 1.5])
    assert estimate(simulation, lambda text: "two" in text).frame.iloc[0]["option"] == "share"


VOTE = Question("Vote?", ["yes", "no"])


def asked(question: Question, contexts: list[str], answers: list[object]) -> Simulation:
    made = simulate(contexts, answers)
    return made.with_facts(question=question.facts())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (["YES", "no"], "yes"),
        ([1, 0], "yes"),
        ([1.0, 0.0], "YES"),
        ([True, False], "yes"),
        (["Yes ", "No."], "1"),
        (["y", "n"], "yes"),
    ],
)
def test_human_answers_are_read_as_the_simulated_ones(
    known: bool, given: list, answer: str
) -> None:
    answers = ["yes"] * 30 + ["no"] * 20
    simulation = asked(VOTE, ["q"] * 50, answers) if known else simulate(["q"] * 50, answers)
    human = people(["q"] * 40, [given[0]] * 16 + [given[1]] * 24)
    row = estimate(simulation, human=human, answer=answer).frame.iloc[0]
    assert row["option"] == "yes"
    assert (row["human"], row["simulated"]) == pytest.approx((0.4, 0.6))
    assert row["low"] < 0.4 < row["high"]
    frame = estimate(simulation, human=human).frame
    assert frame["option"].tolist() == ["yes", "no"]
    assert frame["human"].tolist() == pytest.approx([0.4, 0.6])


@pytest.mark.parametrize("known", [True, False])
def test_human_answers_that_cannot_be_read_are_an_error_with_their_values(known: bool) -> None:
    answers = ["yes"] * 30 + ["no"] * 20
    simulation = asked(VOTE, ["q"] * 50, answers) if known else simulate(["q"] * 50, answers)
    human = people(["q"] * 40, ["oui"] * 16 + ["no"] * 24)
    with pytest.raises(DataError, match=r"16 of 40 .* none of .*'oui' \(16\)"):
        estimate(simulation, human=human, answer="yes")
    with pytest.raises(DataError, match=r"40 of 40 .*'oui' \(20\), 'non' \(20\)"):
        estimate(simulation, human=people(["q"] * 40, ["oui", "non"] * 20))


def test_human_answers_are_set_aside_by_name() -> None:
    simulation = asked(VOTE, ["q"] * 50, ["yes"] * 30 + ["no"] * 20)
    human = people(["q"] * 40, ["yes"] * 16 + ["no"] * 20 + ["Refused"] * 3 + ["DK"])
    with pytest.raises(DataError, match=r"4 of 40 .*'Refused' \(3\), 'DK' \(1\)"):
        estimate(simulation, human=human)
    found = estimate(simulation, human=human, answer="yes", missing="refused|DK")
    assert (found.n_human, found.set_aside) == (36, {"refused": 3, "DK": 1})
    assert found.frame.iloc[0]["human"] == pytest.approx(16 / 36)
    assert "Set aside: refused 3, DK 1." in found.note


def test_each_option_of_a_multiple_choice_has_its_share() -> None:
    question = Question("Which?", ["tea", "milk", "None"], "multiple", separator=";")
    simulation = asked(question, ["q"] * 40, ["tea;milk", "tea", "None", "milk"] * 10)
    human = people(["q"] * 20, ["Tea; milk", "None"] * 10)
    frame = estimate(simulation, human=human).frame.set_index("option")
    assert frame["simulated"].to_dict() == pytest.approx({"tea": 0.5, "milk": 0.5, "None": 0.25})
    assert frame["human"].to_dict() == pytest.approx({"tea": 0.5, "milk": 0.5, "None": 0.5})


def test_an_option_that_nobody_gave_has_an_upper_bound() -> None:
    question = Question("Vote?", ["yes", "no", "unsure"])
    simulation = asked(question, ["q"] * 40, ["yes", "no"] * 20)
    row = estimate(simulation, human=people(["q"] * 30, ["yes", "no"] * 15), answer="unsure")
    assert row.frame.iloc[0][["value", "low"]].tolist() == [0, 0]
    assert 0 < row.frame.iloc[0]["high"] < 0.15


@pytest.mark.parametrize("poststratify", [False, True])
def test_a_rare_answer_that_nobody_gave_at_all_has_an_upper_bound(poststratify: bool) -> None:
    simulation = simulate(["q"] * 40, ["no"] * 40)
    human = people(["q"] * 30, ["no"] * 30)
    found = estimate(simulation, human=human, answer="yes", poststratify=poststratify)
    row = found.frame.iloc[0]
    assert row[["option", "value", "low", "human"]].tolist() == ["yes", 0, 0, 0]
    assert 0.05 < row["high"] < 0.15
    assert row["worth"] == pytest.approx(30)
    assert "Nobody gave the answer 'yes'." in found.note
    assert "Nobody" not in estimate(simulation, human=human, answer="no").note
    alone = estimate(simulation, answer="yes").frame.iloc[0]
    assert (alone["low"], alone["value"]) == (0, 0) < (alone["high"], 1)


def test_the_mean_of_a_scale_of_codes() -> None:
    question = Question("How often?", ["1", "2", "3"], "scale")
    simulation = asked(question, ["q"] * 30, ["1", "2", "3"] * 10)
    row = estimate(simulation, human=people(["q"] * 20, [1.0, 3.0] * 10)).frame.iloc[0]
    assert row["option"] == "mean"
    assert (row["human"], row["simulated"]) == pytest.approx((2.0, 2.0))


def test_contexts_with_the_same_text_are_predicted_apart() -> None:
    rows = {"trade": ["cook, baker", "cook"] * 20, "town": ["Rome", "baker, Rome"] * 20}
    frame = pd.DataFrame({**rows, "answer": ["yes", "no"] * 20})
    human = Population.from_frame(frame, context=["trade", "town"], response="answer")
    simulation = simulate(human.context_labels, ["yes", "no"] * 20)
    row = estimate(simulation, human=human, answer="yes").frame.iloc[0]
    assert row["power"] > 0.4  # the context predicts the answer


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s, h: estimate(s, human=h.take(range(9))), "at least 10 human answers"),
        (lambda s, h: estimate(s, human=h, level=1.0), "`level` must be"),
        (lambda s, h: estimate(s, "age", human=h), "no column 'age'"),
        (lambda _, __: estimate(simulate(["a"] * 60, [f"text {i}" for i in range(60)]),
                                answer="text 99"), "'text 99'"),
        (lambda s, _: estimate(s, poststratify=True), "needs human answers"),
        (lambda _, h: estimate(simulate(["b"] * 9, ["yes"] * 9), human=h), "never occur"),
        (lambda _, h: estimate(simulate(["a", "b"] * 9, ["yes"] * 18, [0.0, 1.0] * 9), human=h),
         "20 of 20 human answers"),
        (lambda _, h: estimate(simulate(["a"] * 60, [f"text {i}" for i in range(60)]), human=h),
         "neither a mean nor shares"),
        (lambda s, _: estimate(s, len, human=people(["a"] * 20, ["four"] * 20)), "same number"),
    ],
)  # fmt: skip
def test_unusable_estimates_are_refused_with_a_hint(
    call: Callable[[Simulation, Population], Estimates], words: str
) -> None:
    simulation = simulate(["a"] * 40, ["yes", "no"] * 20)
    with pytest.raises(DataError) as caught:
        call(simulation, people(["a"] * 20, ["yes", "no"] * 10))
    assert words in str(caught.value)
    assert caught.value.hint


def test_people_of_weight_zero_are_no_human_answers() -> None:
    rows = {"context": ["young", "old"] * 50, "response": ["yes", "no"] * 50, "weight": 1.0}
    made = Simulation(pd.DataFrame(rows))
    people = pd.DataFrame(
        {"age": ["young", "old"] * 20, "vote": "yes", "w": [1.0] * 4 + [0.0] * 36}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = Population.from_frame(people, context="age", response="vote", weight="w")
        enough = people.assign(w=[1.0] * 12 + [0.0] * 28)
        more = Population.from_frame(enough, context="age", response="vote", weight="w")
    with pytest.raises(DataError, match="at least 10 human answers for an interval, got 4"):
        estimate(made, human=few, answer="yes")
    assert estimate(made, human=more, answer="yes").n_human == 12
