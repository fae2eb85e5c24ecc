from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.synthesis.choosing_k import choose_k, one_standard_error
from jupyter_mop.errors import DataError, ModelError

WORDS = ["sun", "rain", "wind", "fog", "hail", "snow"]


class Mute(ToyBackend):
    """A model that gives no log-probabilities of a given text."""

    can_score = False


@pytest.fixture
def population() -> Population:
    """Four kinds of people, each of whom says one word, about as often as another."""
    rng = np.random.default_rng(0)
    said = [" ".join([WORDS[i % 4]] * 6 + list(rng.choice(WORDS, 3))) for i in range(400)]
    frame = pd.DataFrame({"topic": "weather", "said": said})
    return Population.from_frame(frame, context="topic", response="said")


def write(_records: Population, k: int) -> list[Persona]:
    return [Persona(WORDS[i], f"You say {WORDS[i]}.") for i in range(k)]


def test_the_number_of_kinds_of_people_is_found(population: Population) -> None:
    steps = choose_k(
        population, write, ToyBackend(WORDS), ToyEncoder(WORDS), ladder=[6, 2, 4, 4, 1]
    )
    assert steps["k"].tolist() == [1, 2, 4, 6]
    assert steps.loc[steps["chosen"], "k"].tolist() == [4]
    assert (steps["standard_error"] == 0).sum() == 1
    assert (steps["log_lik"] < 0).all()


def test_judges_have_no_part_in_personas_or_fit(population: Population) -> None:
    seen: list[set[str]] = []
    judged: set[str] = set()

    class Watched(ToyBackend):
        def score(self, requests: Sequence, **kwds: object) -> list:
            judged.update(request.response for request in requests)
            return super().score(requests, **kwds)

    def watch(records: Population, k: int) -> list[Persona]:
        seen.append(set(records.responses))
        return write(records, k)

    choose_k(population, watch, Watched(WORDS), ToyEncoder(WORDS), ladder=[1, 2], n_judged=20)
    assert seen[0] == seen[1]
    only_judged = judged - seen[0]
    assert only_judged
    assert set(population.responses) >= seen[0] | only_judged
    assert len(set(population.responses) - seen[0]) <= 20


def test_the_smallest_within_one_paired_standard_error_of_the_best() -> None:
    common = np.random.default_rng(0).normal(-100, 30, size=200)
    noise = np.random.default_rng(1).normal(0, 0.1, size=(4, 200))
    noise -= noise.mean(axis=1, keepdims=True)
    log_prob = common + np.array([[-1.0], [-0.001], [0.0], [-0.5]]) + noise
    steps = one_standard_error([2, 4, 8, 16], log_prob, np.ones(200))
    assert steps.loc[steps["chosen"], "k"].tolist() == [4]
    assert (steps["standard_error"] < 0.02).all()


def test_weights_of_the_records_count() -> None:
    log_prob = np.array([[-1.0, -9.0, -1.1], [-2.0, -2.0, -2.2]])
    light = one_standard_error([1, 2], log_prob, np.array([1.0, 0.0, 1.0]))
    assert light["log_lik"].tolist() == pytest.approx([-1.05, -2.1])
    assert light["chosen"].tolist() == [True, False]


def test_each_step_says_for_how_many_personas(population: Population) -> None:
    told: list[str] = []

    def on_step(what: str, total: int) -> object:
        assert total > 0
        told.append(what)
        return lambda _index, _value: None

    choose_k(population, write, ToyBackend(WORDS), ToyEncoder(WORDS), ladder=[1, 2],
             on_step=on_step)  # fmt: skip
    assert any(what.startswith("k = 1: ") for what in told)
    assert told[-1] == "k = 2: records"


def test_a_model_that_cannot_score_is_told_before_it_writes(population: Population) -> None:
    with pytest.raises(ModelError, match="k cannot be chosen") as caught:
        choose_k(population, pytest.fail, Mute(WORDS), ToyEncoder(WORDS))
    assert "number of personas" in caught.value.hint


@pytest.mark.parametrize("ladder", [[], [4], [0, 3], [2, 2], [500, 2]])
def test_a_ladder_of_one_step_is_one_sentence(population: Population, ladder: list[int]) -> None:
    with pytest.raises(DataError, match="two numbers of personas or more") as caught:
        choose_k(population, write, ToyBackend(WORDS), ToyEncoder(WORDS), ladder=ladder)
    assert caught.value.hint


def test_too_few_records_to_judge_is_one_sentence(population: Population) -> None:
    few = population.take(range(9))
    with pytest.raises(DataError, match="Of 9 records 3 would judge"):
        choose_k(few, write, ToyBackend(WORDS), ToyEncoder(WORDS))
    with pytest.raises(DataError, match="Of 400 records 0 would judge"):
        choose_k(population, write, ToyBackend(WORDS), ToyEncoder(WORDS), n_judged=-1)
