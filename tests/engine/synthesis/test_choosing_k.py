from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.synthesis.choosing_k import choose_k, one_standard_error
from jupyter_mop.engine.synthesis.synthesis_options import SynthesisOptions
from jupyter_mop.errors import DataError, ModelError

WORDS = ["sun", "rain", "wind", "fog", "hail", "snow"]


class WithoutScores(ToyBackend):
    """A model without log-probabilities of a given text."""

    can_score = False


@pytest.fixture
def population() -> Population:
    """Four equally frequent kinds of people, each with one frequent word."""
    rng = np.random.default_rng(0)
    texts = [" ".join([WORDS[i % 4]] * 6 + list(rng.choice(WORDS, 3))) for i in range(400)]
    frame = pd.DataFrame({"topic": "weather", "text": texts})
    return Population.from_frame(frame, context="topic", response="text")


def write(_records: Population, k: int) -> list[Persona]:
    return [Persona(WORDS[i], f"You say {WORDS[i]}.") for i in range(k)]


def choose(population, write=write, backend=None, *, on_step=None, **options):
    model, encoder = backend or ToyBackend(WORDS), ToyEncoder(WORDS)
    chosen = SynthesisOptions(**options)
    return choose_k(population, write, model, encoder, options=chosen, on_step=on_step)


def test_the_true_number_of_personas_is_chosen(population: Population) -> None:
    steps = choose(population, ladder=[6, 2, 4, 4, 1])
    assert steps["k"].tolist() == [1, 2, 4, 6]
    assert steps.loc[steps["chosen"], "k"].tolist() == [4]
    assert (steps["standard_error"] == 0).sum() == 1
    assert (steps["log_lik"] < 0).all()


def test_held_out_records_are_not_used_for_personas_or_fit(population: Population) -> None:
    seen: list[set[str]] = []
    scored: set[str] = set()

    class Watched(ToyBackend):
        def score(self, requests: Sequence, **kwds: object) -> list:
            scored.update(request.response for request in requests)
            return super().score(requests, **kwds)

    def watch(records: Population, k: int) -> list[Persona]:
        seen.append(set(records.responses))
        return write(records, k)

    choose(population, watch, Watched(WORDS), ladder=[1, 2], n_judged=20)
    assert seen[0] == seen[1]
    only_scored = scored - seen[0]
    assert only_scored
    assert set(population.responses) >= seen[0] | only_scored
    assert len(set(population.responses) - seen[0]) <= 20


def test_the_smallest_within_one_paired_standard_error_is_chosen() -> None:
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


def test_each_step_reports_the_number_of_personas(population: Population) -> None:
    reported: list[str] = []

    def on_step(what: str, total: int) -> object:
        assert total > 0
        reported.append(what)
        return lambda _index, _value: None

    choose(population, on_step=on_step, ladder=[1, 2])
    assert any(what.startswith("k = 1: ") for what in reported)
    assert reported[-1] == "k = 2: records"


def test_a_model_that_cannot_score_is_refused_before_writing(population: Population) -> None:
    with pytest.raises(ModelError, match="Choosing k requires a model") as caught:
        choose(population, pytest.fail, WithoutScores(WORDS))
    assert "number of personas" in caught.value.hint


@pytest.mark.parametrize("ladder", [[], [4], [0, 3], [2, 2], [500, 2]])
def test_a_ladder_with_fewer_than_two_numbers_is_refused(
    population: Population, ladder: list[int]
) -> None:
    with pytest.raises(DataError, match="`ladder` must have at least two numbers") as caught:
        choose(population, ladder=ladder)
    assert caught.value.hint


def test_too_few_held_out_records_are_refused(population: Population) -> None:
    few = population.take(range(9))
    with pytest.raises(DataError, match="at least 4 held-out records, got 3 of 9"):
        choose(few)
    with pytest.raises(DataError, match="at least 4 held-out records, got 3 of 400"):
        choose(population, n_judged=3)
    with pytest.raises(DataError, match="`n_judged` must be at least 1, got -1"):
        choose(population, n_judged=-1)
