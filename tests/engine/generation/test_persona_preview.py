from __future__ import annotations

import pytest

from jupyter_mop.backends.protocols import SamplingParams
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.generation.options import SimulationOptions
from jupyter_mop.engine.generation.persona_preview import pool, preview
from jupyter_mop.errors import DataError

SUNNY = Persona("sunny", "You say sun.")


class Recording:
    """A backend that keeps the prompts which pass to the real one."""

    def __init__(self, backend):
        self.backend, self.prompts, self.params = backend, [], None
        self.fingerprint = backend.fingerprint

    def generate(self, requests, params, *, on_result=None):
        self.prompts += [request.prompt for request in requests]
        self.params = params
        return self.backend.generate(requests, params, on_result=on_result)


@pytest.fixture
def listening(backend):
    return Recording(backend)


def test_each_response_follows_persona_exemplar_and_context(population, listening):
    exemplars = pool(population)
    heard = preview(
        SUNNY,
        population,
        exemplars,
        listening,
        template="Say: {topic}",
        options=SimulationOptions(n=5),
    )
    shown = heard.frame["exemplar"].tolist()
    for prompt, context, j in zip(listening.prompts, heard.frame["context"], shown, strict=True):
        turns = [(message.role, message.content) for message in prompt.messages]
        assert turns[0] == ("system", "You say sun.")
        assert turns[2] == ("assistant", exemplars[j].response)
        assert turns[3] == ("user", f"Say: {context}")
    assert set(heard.frame["persona"]) == {"sunny"}
    assert len(heard.responses) == 5


def test_with_no_exemplars_none_is_shown(population, listening):
    heard = preview(SUNNY, population, [], listening)
    assert [m.role for m in listening.prompts[0].messages] == ["system", "user"]
    assert heard.frame["exemplar"].isna().all()


def test_another_seed_gives_other_responses(population, backend):
    exemplars = pool(population)
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


def test_the_parameters_reach_the_model(population, listening):
    params = SamplingParams(0.1, 0.5, 3)
    preview(
        SUNNY,
        population,
        [],
        listening,
        options=SimulationOptions(
            n=2, temperature=params.temperature, top_p=params.top_p, max_tokens=params.max_tokens
        ),
    )
    assert listening.params == params


def test_a_template_of_other_columns_or_no_responses_are_refused(population, backend):
    with pytest.raises(DataError, match="mood"):
        preview(SUNNY, population, [], backend, template="{mood}")
    with pytest.raises(DataError, match="at least 1"):
        preview(SUNNY, population, [], backend, options=SimulationOptions(n=0))
