from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.component_scores import Components
from jupyter_mop.engine.generation.description_odds import fitted_logit
from jupyter_mop.engine.generation.sample_ratios import SampleRatios
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "a: You say sun.\nb: You say rain."


def mixture(seed: int, **boosts: float) -> tuple[MixtureOfPersonas, Population]:
    """Return a mixture with an exemplar pool: two contexts, each with its own word."""
    texts = ["wind wind sun", "fog fog rain"] * 20
    frame = pd.DataFrame({"place": ["sea", "hill"] * 20, "text": texts})
    frame["text"] += [f" {WORDS[i % 4]}" * (i % 3) for i in range(40)]
    people = Population.from_frame(frame, context="place", response="text")
    backend = ToyBackend(WORDS, length=6, **boosts)
    made = MixtureOfPersonas(PERSONAS, backend, ToyEncoder(WORDS), random_state=seed)
    return made.initialise(people), people


def learned(seed: int, n: int = 400, **boosts: float) -> tuple[SampleRatios, MixtureOfPersonas]:
    made, people = mixture(seed, **boosts)
    pilot = made.simulate(
        n, people, weights="uniform", n_candidates=1, temperature=1.0, top_p=1.0, random_state=seed
    )
    return SampleRatios.learned(pilot, made.personas, made.encoder, made.gate_.terms, people), made


@pytest.mark.parametrize("seed", range(3))
def test_ratios_of_personas_are_those_of_the_model(seed: int) -> None:
    """The toy's likelihoods are known: each 'sun' makes persona a likelier by `persona_boost`."""
    ratios, _ = learned(seed, 1500, persona_boost=1.0, exemplar_boost=0.0)
    responses = ["sun sun sun rain wind fog", "rain rain rain sun wind fog", "wind fog fog wind"]
    components = Components(np.repeat(np.arange(3), 2), np.tile([0, 1], 3), np.zeros(6, np.intp))
    found = ratios.log_lik(responses, components).reshape(3, 2)
    np.testing.assert_allclose(found[:, 0] - found[:, 1], [2, -2, 0], atol=1.0)


def test_a_response_is_likelier_from_an_exemplar_that_it_resembles() -> None:
    ratios, made = learned(0, persona_boost=0.0, exemplar_boost=1.5)
    own = [i for i, e in enumerate(made.exemplars_) if e.record["place"] == "sea"]
    other = [i for i, e in enumerate(made.exemplars_) if e.record["place"] == "hill"]
    pool = np.array([*own, *other])
    components = Components(np.zeros(len(pool), np.intp), np.zeros(len(pool), np.intp), pool)
    found = ratios.log_lik(["wind wind wind sun"], components)
    assert found[: len(own)].mean() > found[len(own) :].mean() + 0.5


def test_where_components_answer_alike_ratios_are_near_zero() -> None:
    for seed in range(5):
        ratios, made = learned(seed, 200, persona_boost=0.0, exemplar_boost=0.0)
        n = len(made.exemplars_)
        components = Components(
            np.zeros(2 * n, np.intp), np.repeat([0, 1], n), np.tile(np.arange(n), 2)
        )
        assert np.ptp(ratios.log_lik(["sun rain wind"], components)) < 0.7


def test_the_slope_of_a_conditional_logit_is_found() -> None:
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, size=(2000, 12))
    shown = (3 * cosines + rng.gumbel(size=cosines.shape)).argmax(1)
    equal = np.full(12, -np.log(12))
    zeros = np.zeros_like(cosines)
    assert fitted_logit(cosines, zeros, equal, shown)[0] == pytest.approx(3, abs=0.25)
    assert fitted_logit(cosines, 3 * cosines, equal, shown)[0] == pytest.approx(0, abs=0.25)


def test_an_exemplar_that_resembles_everything_has_not_given_everything() -> None:
    """Each response is like its own exemplar; the first exemplar is like all of them too."""
    rng = np.random.default_rng(0)
    shown, share = np.repeat(np.arange(8), 100), np.full(8, 1 / 8)
    cosines = rng.normal(0, 0.02, size=(800, 8)) + 0.5 * (shown[:, None] == np.arange(8))
    cosines[:, 0] += 0.4
    slope, log_norm = fitted_logit(cosines, np.zeros((800, 8)), np.log(share), shown)
    for norm, first in ((log_norm, share[0]), (np.zeros(8), 0.4)):
        odds = np.exp(slope * cosines - norm)
        found = (odds / odds.sum(axis=1, keepdims=True)).mean(axis=0)
        assert found[0] == pytest.approx(first, abs=0.01 if norm is log_norm else 0.2)


def test_too_few_responses_are_one_clear_sentence() -> None:
    made, people = mixture(0)
    pilot = made.simulate(30, people, weights="uniform", n_candidates=1)
    frame = pilot.frame.assign(response=["sun"] * 19 + [" "] * 11)
    silent = Simulation(frame, pilot.exemplars, pilot.provenance)
    with pytest.raises(DataError, match="Only 19 of 30 simulated responses are not empty"):
        SampleRatios.learned(
            silent, read_personas(PERSONAS), made.encoder, made.gate_.terms, people
        )


@pytest.mark.parametrize("seed", range(2))
def test_ratios_follow_the_likelihoods_of_the_model(seed: int) -> None:
    """Persona and exemplar raise words together, so that their effects do not add up.

    The toy's vectors do not tell the length of a text, and these are half as long as the draws.
    """
    boosts = {"persona_boost": 2.0, "exemplar_boost": 1.0}
    ratios, made = learned(seed, 1500, **boosts)
    _, people = mixture(seed, **boosts)
    some = people.take(range(20))
    n_exemplars = len(made.exemplars_)
    triples = np.meshgrid(np.arange(20), np.arange(2), np.arange(n_exemplars), indexing="ij")
    components = Components(*(indices.ravel() for indices in triples))
    exact = made._scorer(None).ask("components", some, components).log_lik.reshape(20, -1)
    found = ratios.log_lik(some.responses, components).reshape(20, -1)
    exact, found = (values - values.mean(1, keepdims=True) for values in (exact, found))
    slope = (exact * found).sum() / (exact**2).sum()
    correlation = np.corrcoef(exact.ravel(), found.ravel())[0, 1]
    assert correlation > 0.8
    assert 0.5 < slope < 2.0
