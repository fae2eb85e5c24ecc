"""Shapes of servers: content in parts, no token counts, Azure's addresses."""

from __future__ import annotations

import pytest
from personalities import completion, in_parts, no_usage, words_for
from scripted_server import ScriptedServer

from jupyter_mop.backends.cluster import worker
from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.encoder import OpenAIEncoder
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.errors import DataError

PARAMS = SamplingParams(max_tokens=8)
PROMPT = Prompt((Message("user", "What of the sea?"),))
VERSION = "api-version=2024-10-21"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def azure(scripted: ScriptedServer) -> str:
    """Give the address of a deployment on a server."""
    scripted.default = completion
    return f"{scripted.url.removesuffix('/v1')}/openai/deployments/my-gpt"


def test_content_in_parts_is_joined(scripted):
    scripted.default = in_parts
    (found,) = OpenAIBackend(scripted.url, "scripted").generate(
        [GenerationRequest(PROMPT, 3)], PARAMS
    )
    assert found.text == " ".join(words_for(scripted.seen[-1].body))
    assert (found.n_tokens, found.finish_reason) == (3, "stop")


def test_tokens_that_are_not_counted_are_estimated_and_unsure(scripted):
    scripted.default = no_usage
    backend = OpenAIBackend(scripted.url, "scripted")
    _ = backend.capabilities
    before = backend.meter.usage
    (found,) = backend.generate([GenerationRequest(PROMPT, 3)], PARAMS)
    assert found.n_tokens == round(len(found.text) / 4)
    used = backend.meter.usage - before
    assert (used.calls, used.unsure, used.tokens_out) == (1, 1, 8)  # at its upper bound


@pytest.mark.parametrize("end", ["", "/", "/chat/completions"])
def test_an_azure_address_has_its_deployment_and_version(scripted, azure, end):
    backend = OpenAIBackend(f"{azure}{end}?{VERSION}", api_key="sk-azure")
    assert backend.model == "my-gpt"
    (found,) = backend.generate([GenerationRequest(PROMPT, 3)], PARAMS)
    assert found.text
    chats = [seen for seen in scripted.seen if "messages" in seen.body]
    assert {s.path for s in chats} == {f"/openai/deployments/my-gpt/chat/completions?{VERSION}"}
    assert {s.headers.get("api-key") for s in scripted.seen} == {"sk-azure"}
    assert not any("authorization" in s.headers for s in scripted.seen)
    assert "api-version" not in backend.fingerprint


def test_workers_of_a_cluster_open_the_same_address(azure):
    backend = OpenAIBackend(f"{azure}?{VERSION}", "my-gpt")
    opened = worker.recipe_for(backend).open()
    assert opened.endpoint.address == backend.endpoint.address
    encoder = OpenAIEncoder(f"{azure}?{VERSION}")
    assert worker.recipe_for_encoder(encoder).open().endpoint.address == encoder.endpoint.address


@pytest.mark.parametrize("query", ["key=1", f"{VERSION}&key=1", "secret"])
def test_another_query_is_refused(query):
    with pytest.raises(DataError, match="must not contain a user, a password or a query"):
        OpenAIBackend(f"http://127.0.0.1:9/openai/deployments/a?{query}")


def test_an_address_of_one_call_is_cut(scripted):
    backend = OpenAIBackend(f"{scripted.url}/chat/completions", "scripted")
    assert backend.endpoint.base_url == scripted.url
