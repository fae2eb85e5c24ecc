from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.bootstrap_refits import RefittedWeights
from jupyter_mop.engine.gate.structured_terms import ANSWERING_SD
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, NotFittedError

WORDS = ["sun", "rain", "wind", "fog"]


@pytest.fixture
def fitted(mixture: MixtureOfPersonas, population: Population) -> MixtureOfPersonas:
    return mixture.fit(population)


def test_intervals_depend_on_the_seed_and_need_no_model_call(fitted: MixtureOfPersonas) -> None:
    n_scored = fitted.backend.n_scored
    first, again, other = (
        fitted.persona_weight_intervals(20, random_state=seed) for seed in (0, 0, 90)
    )
    assert fitted.backend.n_scored == n_scored
    assert list(first) == ["persona", "weight", "low", "high"]
    assert first.equals(again)
    assert not first.equals(other)
    assert (first["low"] < first["high"]).all()
    assert (first["high"] - first["low"]).max() < 0.8


def test_more_records_give_narrower_intervals(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    twice = population.take([*range(120)] * 4)
    widths = []
    for records in (population, twice):
        mixture.n_records, mixture.l2 = len(records), 0.01
        found = mixture.fit(records).persona_weight_intervals(30)
        widths.append((found["high"] - found["low"]).mean())
    assert widths[1] < 0.8 * widths[0]


def test_a_fit_that_learned_something_has_intervals(fitted: MixtureOfPersonas) -> None:
    frame = fitted.summary()
    assert (frame["low"] < frame["weight"]).all()
    assert (frame["weight"] < frame["high"]).all()
    assert "95 % interval" in fitted._repr_html_()
    few = fitted.persona_weight_intervals(20)
    assert fitted.summary()[["low", "high"]].equals(few[["low", "high"]])
    assert not few[["low", "high"]].equals(frame[["low", "high"]])


def test_initial_weights_that_are_kept_have_no_intervals(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    """A model that answers all prompts alike leaves nothing to learn."""
    mixture.backend = ToyBackend(WORDS, length=4, persona_boost=0.0, exemplar_boost=0.0)
    fitted = mixture.fit(population)
    assert fitted.verdict_.startswith("No weights beat the initial ones")
    assert "low" not in fitted.summary()
    assert "no intervals: these are the initial weights" in fitted._repr_html_()
    candidates = fitted.persona_weight_intervals(20)
    assert (candidates["low"] < candidates["weight"]).all()
    assert "low" not in fitted.summary()


def test_a_coefficient_that_records_tell_nothing_of_has_the_interval_of_its_prior(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    """The prior of exemplars of the same topic: e^3 times likelier, standard deviation .25."""
    mixture.backend = ToyBackend(WORDS, length=4, persona_boost=0.0, exemplar_boost=0.0)
    mixture.by = "likelihood"
    refits = mixture.fit(population).refits_.repeated(40, *mixture.context_vectors)
    low, high = refits.coefficient_intervals.iloc[-1]
    assert (low + high) / 2 == pytest.approx(3, abs=0.01)
    assert (high - low) / 2 == pytest.approx(ANSWERING_SD * 2.02, rel=0.3)


def test_a_new_population_has_no_intervals_of_the_old_one(
    fitted: MixtureOfPersonas, population: Population
) -> None:
    assert "low" not in fitted.initialise(population).summary()


def test_intervals_of_shares_stay_inside_and_are_those_of_student() -> None:
    """On the angular scale: 20 refits reach 2.093 standard errors."""
    noise = np.random.default_rng(0).normal(size=(20, 1))
    angles = 0.1 * (noise - noise.mean()) / noise.std(ddof=1)
    for centre, ends in ((0.8, [0.5907, 1.0093]), (0.3, [0.0907, 0.5093])):
        value, refits = np.sin([centre]) ** 2, np.sin(centre + angles) ** 2
        found = RefittedWeights(value, np.ones(1), refits, noise).weight_intervals
        assert found.to_numpy()[0] == pytest.approx(np.sin(ends) ** 2, abs=1e-4)
    none = RefittedWeights(np.zeros(1), np.ones(1), np.sin(angles.clip(0)) ** 2, noise)
    low, high = none.weight_intervals.to_numpy()[0]
    assert low == 0 < high < 0.1


def test_each_refit_is_reported(fitted: MixtureOfPersonas) -> None:
    seen = []

    def on_step(what: str, total: int):
        seen.append((what, total))
        return lambda index, _value: seen.append(index)

    fitted.persona_weight_intervals(20, on_step=on_step)
    assert seen == [("refits", 20), *range(20)]


def test_too_few_refits_and_a_missing_fit_are_refused(
    fitted: MixtureOfPersonas, population: Population
) -> None:
    with pytest.raises(DataError, match="at least 20 refits for an interval, got 3"):
        fitted.persona_weight_intervals(3)
    with pytest.raises(NotFittedError, match="likelihoods"):
        fitted.initialise(population).persona_weight_intervals(30)


def test_records_of_weight_zero_are_never_drawn(fitted: MixtureOfPersonas) -> None:
    scores = fitted.refits_.scores
    weight = np.where(np.arange(len(scores.weight)) % 2, 1.0, 0.0)
    refits = replace(fitted.refits_, scores=scores.weighted(weight))
    drawn = refits._resampled(np.random.default_rng(0)).weight
    assert drawn.sum() == weight.sum()
    assert (drawn[weight == 0] == 0).all()
