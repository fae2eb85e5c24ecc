from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.bootstrap_refits import _resampled
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, NotFittedError


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


def test_summary_and_table_show_intervals_until_the_next_fit(
    fitted: MixtureOfPersonas, population: Population
) -> None:
    assert "low" not in fitted.summary()
    fitted.persona_weight_intervals(20)
    assert {"low", "high"} <= set(fitted.summary())
    assert "95 % interval" in fitted._repr_html_()
    assert "low" not in fitted.fit(population).summary()


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
    drawn = _resampled(scores.weighted(weight), np.random.default_rng(0), 1).weight
    assert drawn.sum() == weight.sum()
    assert (drawn[weight == 0] == 0).all()
