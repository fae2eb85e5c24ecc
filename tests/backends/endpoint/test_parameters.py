"""Parameters that a model refuses are found by the probe, or learned once, and left out."""

from __future__ import annotations

import pytest
from personalities import (
    alternating,
    claude,
    completion,
    failing_template,
    gpt_5,
    no_system,
    refusal,
    without,
)
from scripted_server import Reply, ScriptedServer

from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.errors import ModelError

PARAMS = SamplingParams(max_tokens=8)
PERSONA, QUESTION = Message("system", "You sing."), Message("user", "Well?")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def asked(n: int, *messages: Message) -> list[GenerationRequest]:
    prompt = Prompt(messages or (PERSONA, QUESTION))
    return [GenerationRequest(prompt, seed=7, draw=i) for i in range(n)]


def sent(scripted: ScriptedServer, answer, n: int = 3, **options) -> tuple[OpenAIBackend, list]:
    """Return a backend that met this server, and the bodies of its requests after the probe."""
    scripted.default = answer
    backend = OpenAIBackend(scripted.url, "scripted", **options)
    n_probed = (backend.capabilities, len(scripted.seen))[1]
    backend.generate(asked(n), PARAMS)
    return backend, [seen.body for seen in scripted.seen[n_probed:]]


def test_what_is_taken_is_sent(scripted):
    backend, bodies = sent(scripted, completion)
    assert len(bodies) == 3
    taken = {"temperature", "top_p", "seed", "top_k", "min_p", "max_tokens", "model", "messages"}
    assert set(bodies[0]) == taken
    assert backend.capabilities.left_out == ()
    assert backend.facts == {}
    assert backend.fingerprint.count(":") == 4  # openai, host and port, model, template


@pytest.mark.parametrize(
    ("answer", "left_out", "in_fingerprint"),
    [
        (gpt_5, {"temperature", "top_p", "top_k", "min_p"}, ":without-temperature-top_p"),
        (claude, {"top_p", "min_p"}, ":without-top_p"),
        (without("seed"), {"seed"}, ""),
        (without("top_k", words="{}: Extra inputs are not permitted"), {"top_k"}, ""),
        (without("temperature", "top_p"), {"temperature", "top_p"}, ":without-temperature-top_p"),
    ],
)
def test_what_is_refused_is_left_out(scripted, answer, left_out, in_fingerprint):
    backend, bodies = sent(scripted, answer)
    assert len(bodies) == 3  # none is refused
    assert not left_out & set(bodies[0])
    found = backend.capabilities
    assert set(found.left_out) == left_out
    assert backend.facts["refused"] == list(found.left_out)
    assert backend.fingerprint.endswith(in_fingerprint or "-" + backend.fingerprint[-8:])
    assert "without" in backend.fingerprint or not in_fingerprint
    for name in left_out & {names.TEMPERATURE, names.TOP_P}:
        assert not found.can(name)
        assert f"{name}  " in repr(found)
        assert "refused, left out: " in found.seen(name)
        assert backend.facts[name] == "not sent"


def test_the_seed_is_refused_with_the_servers_words(scripted):
    backend, _ = sent(scripted, without("seed"))
    assert "Unrecognized request argument supplied: seed" in backend.capabilities.seen(names.SEEDS)
    backend, _ = sent(scripted, without("top_k"))
    note = backend.capabilities.seen(names.ALL_TOKENS)
    assert note.startswith("the server's min_p is switched off; top_k is refused: Unrec")


def test_a_refusal_that_names_nothing_is_tried_parameter_by_parameter(scripted):
    def vague(body):
        wrong = {"temperature", "seed"} & set(body)
        return refusal("Bad request") if wrong else completion(body)

    backend, bodies = sent(scripted, vague)
    assert set(backend.capabilities.left_out) == {"temperature", "seed"}
    assert len(bodies) == 3


def test_a_refusal_in_use_is_learned_once(scripted):
    backend, _ = sent(scripted, completion, in_flight=1)
    scripted.default = claude
    before = len(scripted.seen)
    assert len(backend.generate(asked(20), PARAMS)) == 20
    bodies = [seen.body for seen in scripted.seen[before:]]
    assert len(bodies) == 22  # top_p and min_p were refused once each
    assert not {"top_p", "min_p"} & set(bodies[-1])
    assert set(backend.facts["refused"]) == {"top_p", "min_p"}


def test_concurrent_refusals_are_learned_by_all_calls(scripted):
    backend, _ = sent(scripted, completion)
    scripted.default = lambda body: gpt_5(body)._replace(seconds=0.05)
    before = len(scripted.seen)
    assert len(backend.generate(asked(40), PARAMS)) == 40
    bodies = [seen.body for seen in scripted.seen[before:]]
    refused = [body for body in bodies if "max_tokens" in body]
    assert len(refused) <= defaults.IN_FLIGHT  # those that had begun
    assert not {"max_tokens", "temperature"} & set(bodies[-1])


def test_a_refusal_of_a_stated_field_is_an_error_in_the_servers_words(scripted):
    def strict(body):
        if "reasoning_effort" in body:
            return refusal("Unsupported value: 'reasoning_effort' does not support 'huge'")
        return completion(body)

    scripted.default = strict
    backend = OpenAIBackend(scripted.url, "scripted", reasoning_effort="huge")
    with pytest.raises(ModelError, match="does not support 'huge'") as caught:
        _ = backend.capabilities
    assert "--reasoning-effort" in caught.value.hint


def test_a_server_that_refuses_everything_is_not_asked_for_ever(scripted):
    scripted.default = refusal("temperature top_p seed top_k min_p max_tokens system alternate")
    with pytest.raises(ModelError, match="refused"):
        _ = OpenAIBackend(scripted.url, "scripted").capabilities
    assert len(scripted.seen) < 30


@pytest.mark.parametrize("answer", [no_system, failing_template])
def test_without_a_system_role_the_persona_begins_the_question(scripted, answer):
    backend, bodies = sent(scripted, answer)
    assert bodies[0]["messages"] == [{"role": "user", "content": "You sing.\n\nWell?"}]
    assert "personas begin the question" in backend.capabilities.seen(names.CHAT)
    assert backend.fingerprint.endswith(":no-system-role")
    exemplar = [Message("user", "How?"), Message("assistant", "La."), QUESTION]
    backend.generate(asked(1, PERSONA, *exemplar), PARAMS)
    assert [turn["content"] for turn in scripted.seen[-1].body["messages"]] == [
        "You sing.\n\nHow?",
        "La.",
        "Well?",
    ]


def test_consecutive_messages_of_one_role_are_joined_where_they_are_refused(scripted):
    backend, bodies = sent(scripted, alternating)
    assert len(bodies) == 3
    n_before = len(scripted.seen)
    (found,) = backend.generate(asked(1, PERSONA, QUESTION, Message("user", "And?")), PARAMS)
    assert found.text
    assert len(scripted.seen) == n_before + 2
    last = scripted.seen[-1].body["messages"]
    assert [turn["role"] for turn in last] == ["system", "user"]
    assert last[-1]["content"] == "Well?\n\nAnd?"


def test_a_limit_parameter_that_is_refused_later_is_exchanged(scripted):
    backend, _ = sent(scripted, completion)
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    scripted.script = [refusal(message, param="max_tokens")]
    backend.generate(asked(1), PARAMS)
    assert scripted.seen[-1].body["max_completion_tokens"] == 8
    back = "Unrecognized request argument supplied: max_completion_tokens"
    scripted.script = [Reply(400, {"error": {"message": back}})]
    backend.generate(asked(1), PARAMS)
    assert scripted.seen[-1].body["max_tokens"] == 8


def test_refusals_are_learned_with_an_api_key_too(scripted):
    backend, _ = sent(scripted, gpt_5, api_key="sk-secret")
    assert {"temperature", "top_p"} <= set(backend.capabilities.left_out)
    assert backend.capabilities.limit_parameter == "max_completion_tokens"
