from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.generation.candidate_selection import Kept, Resampler
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind"]
NOON, NIGHT = {"topic": "noon"}, {"topic": "night"}


def resampler(real, *, seed=0):
    return Resampler(real, ToyEncoder(WORDS), seed)


def shares(texts):
    return pd.Series(texts).value_counts(normalize=True)


def test_what_is_kept_has_the_shares_of_the_real_responses() -> None:
    """The model says sun and rain equally often; people say sun four times in five."""
    rng = np.random.default_rng(0)
    real = [Exemplar(NOON, text) for text in rng.choice(["sun", "rain"], 2000, p=[0.8, 0.2])]
    drawn = rng.choice(["sun", "rain"], (2000, 8))
    kept = resampler(real).choose([NOON] * 2000, drawn.tolist())
    texts = drawn[np.arange(2000), kept.chosen]
    assert shares(texts)["sun"] == pytest.approx(0.8, abs=0.03)


def test_a_model_that_speaks_like_people_is_left_as_it_is() -> None:
    rng = np.random.default_rng(1)
    real = [Exemplar(NOON, text) for text in rng.choice(WORDS, 1500, p=[0.5, 0.3, 0.2])]
    drawn = rng.choice(WORDS, (1500, 4), p=[0.5, 0.3, 0.2])
    kept = resampler(real).choose([NOON] * 1500, drawn.tolist())
    assert np.bincount(kept.chosen) / 1500 == pytest.approx(0.25, abs=0.04)
    assert kept.facts["effective_candidates"] > 3.9


def test_what_suits_one_context_is_not_kept_in_another() -> None:
    real = [Exemplar(NOON, "sun"), Exemplar(NIGHT, "rain")] * 200
    drawn = [["sun", "rain"]] * 400
    kept = resampler(real).choose([NOON, NIGHT] * 200, drawn)
    assert kept.chosen[::2].mean() < 0.2
    assert kept.chosen[1::2].mean() > 0.8


def test_an_empty_candidate_is_kept_only_where_all_are_empty() -> None:
    real = [Exemplar(NOON, "sun")] * 40
    kept = resampler(real).choose([NOON] * 40, [["", "rain", " "]] * 39 + [["", "", ""]])
    assert set(kept.chosen[:-1]) == {1}
    assert np.isfinite(kept.log_odds[-1]).all()


def test_too_few_draws_or_real_responses_are_kept_at_random() -> None:
    few = [Exemplar(NOON, "sun")] * 19
    for real, n in ((few, 40), (few * 2, 19)):
        kept = resampler(real).choose([NOON] * n, [["sun", "rain"]] * n)
        assert (kept.log_odds == 0).all()


def test_the_same_seed_keeps_the_same() -> None:
    rng = np.random.default_rng(2)
    real = [Exemplar(NOON, text) for text in rng.choice(WORDS, 100)]
    drawn = rng.choice(WORDS, (60, 3)).tolist()
    first, again, other = (
        resampler(real, seed=seed).choose([NOON] * 60, drawn).chosen for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_the_effective_number_of_candidates_is_kishs() -> None:
    kept = Kept(np.array([0, 1]), np.log([[1.0, 1.0], [1e-12, 1.0]]))
    assert kept.facts == {"n_candidates": 2, "effective_candidates": 1.5}


@pytest.fixture(scope="module")
def mixture() -> MixtureOfPersonas:
    rng = np.random.default_rng(3)
    said = [" ".join(words) for words in rng.choice(WORDS, (240, 3), p=[0.7, 0.2, 0.1])]
    frame = pd.DataFrame({"topic": "noon", "said": [f"{s} {i}" for i, s in enumerate(said)]})
    population = Population.from_frame(frame, context="topic", response="said")
    personas = "sunny: You say sun.\nrainy: You say rain."
    mixture = MixtureOfPersonas(personas, ToyBackend(WORDS), ToyEncoder(WORDS))
    return mixture.initialise(population)


def test_the_mixture_draws_several_candidates_and_baselines_one(mixture) -> None:
    assert mixture.simulate(200).provenance["n_candidates"] == 4
    assert mixture.simulate(200).provenance["finished"] == {"stop": 800}
    assert "n_candidates" not in mixture.simulate(200, baseline="plain").provenance
    assert "n_candidates" not in mixture.simulate(19).provenance


def test_resampling_changes_what_is_said_not_who_says_it(mixture) -> None:
    one, four = mixture.simulate(200, n_candidates=1), mixture.simulate(200)
    who = ["persona", "exemplar", "log_prob", "draw"]
    pd.testing.assert_frame_equal(one.frame[who], four.frame[who])
    same = one.frame["seed"] == four.frame["seed"]
    assert 0 < same.mean() < 1
    assert (one.frame["response"] == four.frame["response"])[same].all()
    assert sum(text.count("sun") for text in four.responses) > sum(
        text.count("sun") for text in one.responses
    )


def test_a_baseline_can_be_resampled_too_round_by_round(mixture) -> None:
    for baseline in ("fewshot", "progen"):
        made = mixture.simulate(120, baseline=baseline, n_candidates=2)
        assert len(made) == 120
        assert made.provenance["n_candidates"] == 2


def test_no_candidate_is_a_clear_error(mixture) -> None:
    with pytest.raises(DataError, match="at least 1, got 0"):
        mixture.simulate(30, n_candidates=0)
