from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop.engine.metrics.divergences import (
    js_divergence,
    total_variation,
    wasserstein_distance,
)
from jupyter_mop.engine.metrics.fid import frechet_distance
from jupyter_mop.engine.metrics.fidelity import fidelity
from jupyter_mop.engine.metrics.kl_cosine import MAX_ALL_PAIRS, N_BINS, SAMPLED_PAIRS, kl_cosine
from jupyter_mop.engine.metrics.mauve import mauve_score
from jupyter_mop.engine.metrics.split_half import WeightedVectors
from jupyter_mop.engine.metrics.vectors import effective_sample_size, principal_components, unit
from jupyter_mop.engine.simulation.importance_weights import share_weights
from jupyter_mop.engine.weighting.context_codes import ContextCodes
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.engine.weighting.persona_counts import ClosedQuestion
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics
from jupyter_mop.errors import DataError

OPTIONS = ["yes", "perhaps", "no"]


def draws(seed, *, n=80, m=60, d=6, n_personas=3, weighted=False):
    """Return random real and simulated responses, each persona around its own centre."""
    rng = np.random.default_rng(seed)
    codes = np.r_[np.arange(n_personas).repeat(3), rng.integers(n_personas, size=m)]
    centres = rng.normal(size=(n_personas, d))
    simulated = centres[codes] + rng.normal(size=(len(codes), d))
    weights = rng.uniform(0.5, 2, len(codes)) if weighted else None
    return rng.normal(size=(n, d)), simulated, codes, weights, rng


def measured(seed, *, closed=False, **options):
    real, simulated, codes, weights, rng = draws(seed, **options)
    if closed:
        texts, real_texts = rng.choice(OPTIONS, len(simulated)), rng.choice(OPTIONS, len(real))
    else:
        texts, real_texts = (
            ["w " * count for count in rng.poisson(6, size)] for size in (len(simulated), len(real))
        )
    names = [f"p{k}" for k in range(codes.max() + 1)]
    found = PersonaStatistics.measure(
        real,
        WeightedVectors(simulated, weights),
        codes,
        names,
        target_texts=[str(text) for text in real_texts],
        texts=[str(text) for text in texts],
        question=ClosedQuestion(tuple(OPTIONS), ordered=True) if closed else None,
    )
    return found, (real, simulated, codes, weights), (list(real_texts), list(texts))


def some_weights(seed, n):
    return np.random.default_rng(seed).dirichlet(np.ones(n))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n_personas=st.integers(1, 6), weighted=st.booleans())
def test_metrics_are_those_of_the_weighted_responses(seed, n_personas, weighted):
    found, (real, simulated, codes, base), _ = measured(
        seed, n_personas=n_personas, weighted=weighted
    )
    v = some_weights(seed, n_personas)
    weights = share_weights(codes, v, found.names, weights=base)
    axes = principal_components(real)[1][:, : found.n_axes]
    metrics = found.metrics(v)
    direct = {
        "FID": frechet_distance(real @ axes, simulated @ axes, weights=weights),
        "MAUVE": mauve_score(real, simulated, weights=weights),
        "KL cosine": kl_cosine(real, simulated, weights=weights),
    }
    assert {name: metrics[name] for name in direct} == pytest.approx(direct, abs=1e-6)
    assert found.effective_sample_size(v) == pytest.approx(effective_sample_size(weights))


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_metrics_of_a_closed_question_are_those_of_the_weighted_responses(seed):
    found, (_, _, codes, _), (real, texts) = measured(seed, closed=True)
    v = some_weights(seed, 3)
    weights = share_weights(codes, v, found.names)
    p = np.array([real.count(option) for option in OPTIONS])
    q = np.array([weights[np.array(texts) == option].sum() for option in OPTIONS])
    metrics = found.metrics(v)
    assert metrics["JS"] == pytest.approx(js_divergence(p, q), abs=1e-6)
    assert metrics["TV"] == pytest.approx(total_variation(p, q), abs=1e-6)
    assert metrics["W1"] == pytest.approx(wasserstein_distance(p, q), abs=1e-6)


def with_contexts(seed, **options):
    """Return statistics with contexts, the joint sides, and those that fidelity compares."""
    found, (real, simulated, codes, base), _ = measured(seed, **options)
    rng = np.random.default_rng([seed, 1])
    labels = rng.integers(3, size=len(real)), rng.integers(-1, 3, size=len(codes))
    contexts = Contexts(ContextCodes(("a", "b", "c"), labels[0], {"": labels[1]}))
    sides = Sides(WeightedVectors(real), {"": WeightedVectors(simulated, base)})
    made = found.with_contexts(sides, contexts, codes)
    return made, contexts.joint(sides), contexts.coded(sides), (codes, base)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), n_personas=st.integers(1, 6), weighted=st.booleans())
def test_joint_metrics_are_those_of_the_weighted_responses(seed, n_personas, weighted):
    found, joint, coded, (codes, base) = with_contexts(
        seed, n_personas=n_personas, weighted=weighted
    )
    v = some_weights(seed, n_personas)
    weights = share_weights(codes, v, found.names, weights=base)
    metrics = found.metrics(v)
    n_axes = len(found.contexts.joint.variances)
    axes = principal_components(joint.target.vectors)[1][:, :n_axes]
    direct = frechet_distance(
        joint.target.vectors @ axes, joint.simulated[""].vectors @ axes, weights=weights
    )
    assert metrics["joint FID"] == pytest.approx(direct, abs=1e-6)
    side = WeightedVectors(coded.simulated[""].vectors, weights)
    assert metrics["fidelity"] == pytest.approx(fidelity(coded.target, side), abs=1e-9)


def test_joint_gradients_agree_with_finite_differences():
    found = with_contexts(1, n_personas=4)[0]
    v, step = np.array([0.4, 0.3, 0.2, 0.1]), 1e-6
    values = found.metrics_and_gradients(v)
    for name in ("joint FID", "fidelity"):
        for k in range(1, 4):
            move = step * (np.eye(4)[k] - np.eye(4)[0])
            up, down = (found.metrics(v + sign * move)[name] for sign in (1, -1))
            slope = values[name].gradient[k] - values[name].gradient[0]
            assert slope == pytest.approx((up - down) / (2 * step), abs=2e-5), name


def test_lengths_are_compared_in_words():
    found, (_, _, codes, _), (real, texts) = measured(3)
    counts = np.array([text.count("w") for text in texts])
    v = np.array([0.2, 0.5, 0.3])
    weights = share_weights(codes, v, found.names)
    bins = np.arange(40)
    q = np.array([weights[counts == b].sum() for b in bins])
    p = np.array([sum(text.count("w") == b for text in real) for b in bins])
    assert found.metrics(v)["length"] == pytest.approx(wasserstein_distance(p, q), abs=1e-9)


@pytest.mark.parametrize("closed", [False, True])
def test_gradients_agree_with_finite_differences(closed):
    found, _, _ = measured(1, n_personas=4, closed=closed)
    v = np.array([0.4, 0.3, 0.2, 0.1])
    step = 1e-6
    for name, value in found.metrics_and_gradients(v).items():
        for k in range(4):
            for other in range(k):
                move = step * (np.eye(4)[k] - np.eye(4)[other])
                up, down = (found.metrics(v + sign * move)[name] for sign in (1, -1))
                slope = value.gradient[k] - value.gradient[other]
                assert slope == pytest.approx((up - down) / (2 * step), abs=2e-5), name


def test_contributions_are_the_effect_of_raising_one_persona():
    found, _, _ = measured(2)
    v, step = np.array([0.5, 0.3, 0.2]), 1e-5
    raised = v * (1 - (v[1] + step)) / (1 - v[1])
    raised[1] = v[1] + step
    now, then = found.metrics(v), found.metrics(raised)
    for name, slopes in found.contributions(v).items():
        assert slopes[1] == pytest.approx((then[name] - now[name]) / step, abs=1e-3)


def test_sampled_pairs_are_flagged_and_close_to_all_pairs():
    rng = np.random.default_rng(0)
    simulated = rng.normal(size=(MAX_ALL_PAIRS + 400, 4)) + 0.5
    codes = np.arange(len(simulated)) % 3
    real = rng.normal(size=(50, 4))
    texts = ["a"] * len(simulated)
    found = PersonaStatistics.measure(
        real, simulated, codes, ["a", "b", "c"], target_texts=texts[:50], texts=texts
    )
    assert found.sampled
    first = unit(simulated)[codes == 0] @ unit(simulated)[codes == 1].T
    every = np.histogram(first, N_BINS, (-1, 1))[0] / first.size
    assert np.abs(found.pairs[0, 1] - every).sum() / 2 < 0.02
    assert not measured(0)[0].sampled


def test_the_number_of_pairs_is_limited_for_many_responses():
    found, _, _ = measured(0)
    few = found.metrics_and_gradients([0.4, 0.3, 0.3])["KL cosine"].value
    object.__setattr__(found, "inverse_sizes", found.inverse_sizes / 1e6)
    assert found.metrics_and_gradients([0.4, 0.3, 0.3])["KL cosine"].value != few
    assert SAMPLED_PAIRS == 1_000_000


def test_the_dictionary_has_flat_arrays():
    found, _, _ = measured(0, closed=True)
    facts = found.to_dict()
    assert facts["space"]["moments"].shape == (3 * found.n_axes * (found.n_axes + 1) // 2,)
    assert facts["contexts"] is None
    assert facts["cosines"]["pairs"].shape == (9 * N_BINS,)
    plain = json.dumps(facts, default=lambda array: array.tolist())
    assert json.loads(plain)["answers"]["options"] == OPTIONS


def test_a_persona_without_responses_cannot_have_a_weight():
    real, simulated, _, _, _ = draws(0, n_personas=2)
    texts = ["a"] * 80
    found = PersonaStatistics.measure(
        real, simulated, np.zeros(66, int), ["a", "b"], target_texts=texts, texts=texts[:66]
    )
    assert found.metrics([1, 0])["MAUVE"] > 0
    with pytest.raises(DataError, match="no draws of 'b'"):
        found.metrics([0.5, 0.5])


def test_metrics_of_one_response_are_undefined():
    real, simulated, _, _, _ = draws(0)
    codes = np.r_[0, np.ones(len(simulated) - 1, int)]
    texts = ["a"] * 80
    found = PersonaStatistics.measure(
        real, simulated, codes, ["a", "b"], target_texts=texts, texts=texts[: len(simulated)]
    )
    assert np.isnan(found.metrics([1, 0])["FID"])
    assert np.isnan(found.metrics([1, 0])["KL cosine"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.ones((3, 6)), "target_texts": ["a"] * 3}, "at least 10 real responses"),
        ({"texts": ["a"]}, "one vector, persona and text"),
        ({"simulated": np.ones((66, 5))}, "dimensions"),
        ({"question": ClosedQuestion(("b",))}, "none of the options"),
        ({"simulated": WeightedVectors(np.ones((66, 6)), -np.ones(66))}, "not negative"),
    ],
)
def test_unusable_input_is_refused(change, message):
    real, simulated, codes, _, _ = draws(0, n_personas=2)
    arguments = {
        "target": real,
        "simulated": simulated,
        "codes": codes,
        "names": ["a", "b"],
        "target_texts": ["a"] * 80,
        "texts": ["a"] * 66,
    }
    with pytest.raises(DataError, match=message):
        PersonaStatistics.measure(**(arguments | change))
