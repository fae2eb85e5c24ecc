from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    OnCompletion,
    SamplingParams,
)
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.generation import component_draws, responses
from jupyter_mop.engine.generation.baselines.baselines import BASELINES
from jupyter_mop.engine.generation.baselines.method import DrawnComponents
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.simulation.simulation import COLUMNS, Simulation
from jupyter_mop.errors import DataError

PERSONAS = read_personas("sunny: You say sun.\nrainy: You say rain.")
POOL = [Exemplar({"topic": "noon"}, "fog fog"), Exemplar({"topic": "night"}, "wind")]
TEMPLATE = PromptTemplate("What of {topic}?")
PARAMS = SamplingParams(temperature=0.9, top_p=0.8, max_tokens=3)


class RecordingBackend(ToyBackend):
    """Records its requests."""

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        self.requests, self.params = list(requests), params
        return super().generate(requests, params, on_result=on_result)


@pytest.fixture
def model() -> RecordingBackend:
    return RecordingBackend(["sun", "rain", "wind", "fog"])


@pytest.fixture
def contexts() -> Population:
    frame = pd.DataFrame({"topic": ["dawn", "dusk", "dawn"], "text": "fog"})
    return Population.from_frame(frame, context="topic", response="text")


def simulate(
    model: ToyBackend, contexts: Population, *, shows: tuple[bool, bool] = (True, True), **more
) -> Simulation:
    drawn = pd.DataFrame({"persona": [0, 1, 1], "exemplar": [1, 0, 1], "log_prob": [-1, -2, -3]})
    on_result, selector = more.pop("on_result", None), more.pop("selector", None)
    return responses.simulate(
        contexts,
        DrawnComponents(drawn, *shows),
        responses.PromptBuilder(PERSONAS, POOL, TEMPLATE),
        model,
        options=SimulationOptions(**{**asdict(PARAMS), "random_state": 4, **more}),
        provenance={"name": "first"},
        selector=selector,
        on_result=on_result,
    )


def test_components_are_drawn_in_proportion_to_their_weights() -> None:
    rng = np.random.default_rng(0)
    gate = Gate.start(rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rank=2)
    gate = gate.with_theta(rng.normal(scale=0.7, size=gate.theta.shape))
    contexts = np.tile(rng.normal(size=4), (40_000, 1))
    drawn = component_draws.draw_components(gate, contexts, random_state=1)
    pi = np.exp(gate.persona_log_weights(contexts[:1])).T
    omega = np.exp(gate.exemplar_log_weights(contexts[:3], np.arange(3)))
    counts = np.bincount(drawn["persona"] * 5 + drawn["exemplar"], minlength=15)
    np.testing.assert_allclose(counts.reshape(3, 5) / len(drawn), pi * omega, atol=0.01)
    exact = np.log(pi * omega)[drawn["persona"], drawn["exemplar"]]
    np.testing.assert_allclose(drawn["log_prob"], exact)


def test_each_single_draw_follows_the_weights() -> None:
    rng = np.random.default_rng(0)
    gate = Gate.start(rng.normal(size=(2, 4)), rng.normal(size=(3, 4)), rank=2)
    gate = gate.with_theta(rng.normal(scale=0.7, size=gate.theta.shape))
    contexts = np.tile(rng.normal(size=4), (5, 1))
    pi = np.exp(gate.persona_log_weights(contexts[:1])).T
    omega = np.exp(gate.exemplar_log_weights(contexts[:2], np.arange(2)))
    draws = [component_draws.draw_components(gate, contexts, random_state=s) for s in range(2000)]
    for row in (0, 4):
        cells = [3 * drawn["persona"][row] + drawn["exemplar"][row] for drawn in draws]
        shares = np.bincount(cells, minlength=6).reshape(2, 3) / len(draws)
        np.testing.assert_allclose(shares, pi * omega, atol=0.05)


def test_draws_are_spread_evenly_and_more_draws_extend_them() -> None:
    gate = Gate.start(np.eye(16), np.eye(1000, 16), rank=2)
    contexts = np.tile(np.eye(16)[0], (1500, 1))
    drawn = component_draws.draw_components(gate, contexts)
    thousand = drawn[:1000]
    assert thousand["exemplar"].nunique() > 950  # independent draws show about 632
    assert thousand["persona"].value_counts().between(59, 66).all()
    pd.testing.assert_frame_equal(component_draws.draw_components(gate, contexts[:1000]), thousand)


def test_components_depend_on_the_seed_only() -> None:
    gate, contexts = Gate.start(np.eye(4), np.eye(4), rank=2), np.tile(np.eye(4)[0], (30, 1))
    first, again, other = (
        component_draws.draw_components(gate, contexts, random_state=seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_a_persona_of_weight_zero_is_never_drawn() -> None:
    gate, contexts = Gate.start(np.eye(4)[:2], np.eye(4), rank=2), np.tile(np.eye(4)[0], (500, 1))
    gate = gate.with_marginal(np.array([0.0, 1.0]), contexts)
    assert set(component_draws.draw_components(gate, contexts)["persona"]) == {1}


@pytest.mark.parametrize(
    ("shows", "roles"),
    [
        ((True, True), ["system", "user", "assistant", "user"]),
        ((True, False), ["system", "user"]),
        ((False, True), ["user", "assistant", "user"]),
        ((False, False), ["user"]),
    ],
)
def test_hidden_parts_have_no_message_and_no_entry(
    model: RecordingBackend, contexts: Population, shows: tuple[bool, bool], roles: list[str]
) -> None:
    simulation = simulate(model, contexts, shows=shows)
    for request, topic in zip(model.requests, contexts.contexts, strict=True):
        assert [message.role for message in request.prompt.messages] == roles
        assert request.prompt.messages[-1].content == f"What of {topic}?"
    shows_persona, shows_exemplar = "system" in roles, "assistant" in roles
    assert list(simulation.frame["persona"].notna()) == [shows_persona] * 3
    assert list(simulation.frame["exemplar"].notna()) == [shows_exemplar] * 3


def test_each_draw_records_its_component_and_seed(
    model: RecordingBackend, contexts: Population
) -> None:
    simulation = simulate(model, contexts)
    frame = simulation.frame
    assert list(frame) == list(COLUMNS)
    assert list(frame["persona"]) == ["sunny", "rainy", "rainy"]
    assert list(frame["exemplar"]) == [1, 0, 1]
    assert list(frame["log_prob"]) == [-1, -2, -3]
    assert list(frame["draw"]) == [0, 1, 2]
    for i, request in enumerate(model.requests):
        system, _, shown, _ = (message.content for message in request.prompt.messages)
        assert system == f"You say {['sun', 'rain', 'rain'][i]}."
        assert shown == simulation.exemplars[frame["exemplar"][i]].response
        assert (request.seed, request.draw) == (frame["seed"][i], i)
        assert model.generate([request], PARAMS)[0].text == frame["response"][i]


def test_the_provenance_is_complete(model: RecordingBackend, contexts: Population) -> None:
    assert simulate(model, contexts).provenance == {
        "name": "first",
        "template": "What of {topic}?",
        "personas": {"sunny": "You say sun.", "rainy": "You say rain."},
        "questions": {"dawn": "What of dawn?", "dusk": "What of dusk?"},
        "model": model.fingerprint,
        "temperature": 0.9,
        "top_p": 0.8,
        "max_tokens": 3,
        "seed": 4,
        "finished": {"length": 3},
    }
    assert model.params == PARAMS


def test_progress_is_reported_and_responses_depend_on_the_seed(
    model: RecordingBackend, contexts: Population
) -> None:
    seen: list[int] = []
    first = simulate(model, contexts, on_result=lambda at, _: seen.append(at))
    assert seen == [0, 1, 2]
    assert len(set(first.frame["seed"])) == 3
    pd.testing.assert_frame_equal(first.frame, simulate(model, contexts).frame)
    assert set(first.frame["seed"]).isdisjoint(
        simulate(model, contexts, random_state=5).frame["seed"]
    )


@pytest.mark.parametrize("n", [0, -3])
def test_fewer_than_one_response_are_refused(n: int) -> None:
    with pytest.raises(DataError, match=f"at least 1, got {n}") as caught:
        SimulationOptions(n=n)
    assert caught.value.hint


def test_an_unknown_baseline_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="no baseline 'none'") as caught:
        SimulationOptions(baseline="none")
    assert all(name in caught.value.hint for name in BASELINES)
    with pytest.raises(DataError) as caught:
        SimulationOptions(baseline="progem")
    assert "Did you mean 'progen'?" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", float("nan")),
        ("max_tokens", 0),
        ("n_candidates", 0),
        ("n_shown", 0),
    ],
)
def test_invalid_options_are_refused(name: str, value: float) -> None:
    with pytest.raises(DataError, match=f"`{name}`.* must be .*, got {value}") as caught:
        SimulationOptions(**{name: value})
    assert caught.value.hint


def test_an_unknown_option_suggests_a_similar_one() -> None:
    with pytest.raises(DataError, match="Unknown option 'temprature' for a simulation") as caught:
        SimulationOptions.of({"temprature": 1})
    assert caught.value.hint == "Did you mean 'temperature'?"


def test_options_at_their_limits_are_allowed() -> None:
    for baseline in (None, *BASELINES):
        SimulationOptions(n=1, baseline=baseline, temperature=0.0, top_p=1.0, max_tokens=1)
