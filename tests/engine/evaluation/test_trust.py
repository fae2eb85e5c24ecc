from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.trust import answer_in_short
from jupyter_mop.engine.survey.asking import ask
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question

QUESTION = Question("Drink?", ["tea", "milk"])


def asked(drinks: list[str], personas: str, **weights: float) -> PopulationAnswer:
    frame = pd.DataFrame({"age": ["old", "young"] * (len(drinks) // 2), "drink": drinks})
    people = Population.from_frame(frame, context="age", response="drink")
    toy = ToyBackend(QUESTION.options)
    return ask(QUESTION, people, personas, toy, weights=weights or "uniform")


def test_an_answer_of_personas_that_answer_alike_and_wrongly_is_not_to_be_used() -> None:
    said = answer_in_short(asked(["tea"] * 98 + ["milk"] * 2, "a: Hello.\nb: Hi."))
    assert said.startswith(
        "Do not use: personas answer alike (spread 0 points); off by 48 points, another sample of "
        "people by 1 point; worst subgroup: age: "
    )


def test_personas_that_differ_are_not_said_to_answer_alike() -> None:
    said = answer_in_short(asked(["tea"] * 98 + ["milk"] * 2, "a: tea.\nb: milk.", a=0.2, b=0.8))
    assert said.startswith("Do not use: off by ")


def test_an_answer_as_near_as_people_says_so_and_names_its_worst_subgroup() -> None:
    said = answer_in_short(asked(["tea", "tea", "milk", "milk"] * 50, "a: Hello."))
    assert said.startswith("Off by 0 points overall; another sample of people by ")
    assert "worst subgroup: age: " in said


@pytest.mark.parametrize("drinks", [["wine", "beer"] * 20])
def test_without_real_answers_nothing_is_claimed(drinks: list[str]) -> None:
    assert answer_in_short(asked(drinks, "a: Hello.")).startswith("No real answers are known")
