from __future__ import annotations

import pytest

from jupyter_mop.backends.base import SamplingParams
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.sounding import pool, sound
from jupyter_mop.errors import DataError

SUNNY = Persona("sunny", "You say sun.")


class Recording:
    """A backend that keeps the prompts which pass to the real one."""

    def __init__(self, backend):
        self.backend, self.prompts, self.params = backend, [], None
        self.fingerprint, self.can_score, self.can_embed = backend.fingerprint, True, False

    def generate(self, requests, params, *, on_result=None):
        self.prompts += [request.prompt for request in requests]
        self.params = params
        return self.backend.generate(requests, params, on_result=on_result)


@pytest.fixture
def listening(backend):
    return Recording(backend)


def test_each_response_follows_persona_exemplar_and_context(population, listening):
    exemplars = pool(population)
    heard = sound(SUNNY, population, exemplars, listening, template="Say: {topic}", n=5)
    shown = heard.frame["exemplar"].tolist()
    for prompt, context, j in zip(listening.prompts, heard.frame["context"], shown, strict=True):
        turns = [(message.role, message.content) for message in prompt.messages]
        assert turns[0] == ("system", "You say sun.")
        assert turns[2] == ("assistant", exemplars[j].response)
        assert turns[3] == ("user", f"Say: {context}")
    assert set(heard.frame["persona"]) == {"sunny"}
    assert len(heard.responses) == 5


def test_with_no_exemplars_none_is_shown(population, listening):
    heard = sound(SUNNY, population, [], listening)
    assert [m.role for m in listening.prompts[0].messages] == ["system", "user"]
    assert heard.frame["exemplar"].isna().all()


def test_another_seed_gives_other_responses(population, backend):
    exemplars = pool(population)
    first, again, second = (
        sound(SUNNY, population, exemplars, backend, n=20, random_state=seed) for seed in (0, 0, 1)
    )
    assert first.responses == again.responses
    assert first.responses != second.responses


def test_the_parameters_reach_the_model(population, listening):
    params = SamplingParams(0.1, 0.5, 3)
    sound(SUNNY, population, [], listening, params=params)
    assert listening.params == params


def test_a_template_of_other_columns_or_no_responses_are_refused(population, backend):
    with pytest.raises(DataError, match="mood"):
        sound(SUNNY, population, [], backend, template="{mood}")
    with pytest.raises(DataError, match="at least 1"):
        sound(SUNNY, population, [], backend, n=0)
