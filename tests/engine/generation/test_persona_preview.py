from __future__ import annotations

import pytest

from jupyter_mop.backends.protocols import SamplingParams
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.generation.persona_preview import default_pool, preview
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.errors import DataError

SUNNY = Persona("sunny", "You say sun.")


class Recording:
    """A backend that records the prompts and passes them to another backend."""

    def __init__(self, backend):
        self.backend, self.prompts, self.params = backend, [], None
        self.fingerprint = backend.fingerprint

    def generate(self, requests, params, *, on_result=None):
        self.prompts += [request.prompt for request in requests]
        self.params = params
        return self.backend.generate(requests, params, on_result=on_result)


@pytest.fixture
def recording(backend):
    return Recording(backend)


def test_each_prompt_has_persona_exemplar_and_context(population, recording):
    exemplars = default_pool(population)
    previewed = preview(
        SUNNY,
        population,
        exemplars,
        recording,
        template="Say: {topic}",
        options=SimulationOptions(n=5),
    )
    shown = previewed.frame["exemplar"].tolist()
    for prompt, context, j in zip(
        recording.prompts, previewed.frame["context"], shown, strict=True
    ):
        turns = [(message.role, message.content) for message in prompt.messages]
        assert turns[0] == ("system", "You say sun.")
        assert turns[2] == ("assistant", exemplars[j].response)
        assert turns[3] == ("user", f"Say: {context}")
    assert set(previewed.frame["persona"]) == {"sunny"}
    assert len(previewed.responses) == 5


def test_without_exemplars_none_is_shown(population, recording):
    previewed = preview(SUNNY, population, [], recording)
    assert [m.role for m in recording.prompts[0].messages] == ["system", "user"]
    assert previewed.frame["exemplar"].isna().all()


def test_responses_depend_on_the_seed_only(population, backend):
    exemplars = default_pool(population)
    first, again, second = (
        preview(
            SUNNY,
            population,
            exemplars,
            backend,
            options=SimulationOptions(n=20, random_state=seed),
        )
        for seed in (0, 0, 1)
    )
    assert first.responses == again.responses
    assert first.responses != second.responses


def test_sampling_parameters_reach_the_model(population, recording):
    params = SamplingParams(0.1, 0.5, 3)
    preview(
        SUNNY,
        population,
        [],
        recording,
        options=SimulationOptions(
            n=2, temperature=params.temperature, top_p=params.top_p, max_tokens=params.max_tokens
        ),
    )
    assert recording.params == params


def test_unknown_columns_and_zero_responses_are_refused(population, backend):
    with pytest.raises(DataError, match="mood"):
        preview(SUNNY, population, [], backend, template="{mood}")
    with pytest.raises(DataError, match="at least 1"):
        preview(SUNNY, population, [], backend, options=SimulationOptions(n=0))
