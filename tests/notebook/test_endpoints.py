"""Endpoints in a notebook: what they can do as a table, and one block where they cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from personalities import WORDS, gpt_5, only_chat
from scripted_server import Reply, ScriptedServer, chat

from jupyter_mop import OpenAIBackend, Study
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.errors import ModelError, MopError, NotFittedError


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def test_an_endpoint_shows_its_capabilities_and_responds(
    shell: InteractiveShell, ready: Study, server: ScriptedServer
) -> None:
    found = shell.run_line_magic("mop_backend", f"{server.url} --model scripted")
    assert isinstance(found, Capabilities)
    assert "<table>" in found._repr_html_()
    assert "scores of chat responses" in repr(found)
    simulation = shell.run_line_magic("mop_simulate", "a -n 4 --weights uniform")
    assert set(simulation.responses) == {"fine"}
    assert simulation.provenance["finished"] == {"stop": 4}
    assert ready.status()["model"].startswith("openai:127.0.0.1")
    with pytest.raises(ModelError, match="Likelihoods require a model") as caught:
        shell.run_line_magic("mop_fit", "--by likelihood")
    assert "--keep-weights" in caught.value.hint


@pytest.mark.usefixtures("ready")
def test_a_model_that_thinks_is_simulated_and_asked(
    shell: InteractiveShell, server: ScriptedServer
) -> None:
    server.default = only_chat(gpt_5)
    options = '--reasoning-effort low --extra \'{"verbosity": "low"}\' --reasoning-tokens 900'
    found = shell.run_line_magic("mop_backend", f"{server.url} --model scripted {options}")
    assert "Only the default (1) value is supported" in found.seen("temperature")
    assert "left out" in found._repr_html_()
    simulation = shell.run_line_magic("mop_simulate", "a -n 6 --weights uniform --max-tokens 8")
    sent = server.seen[-1].body
    assert (sent["verbosity"], sent["reasoning_effort"]) == ("low", "low")
    assert sent["max_completion_tokens"] == 908
    assert not {"temperature", "top_p", "top_k", "min_p", "max_tokens"} & set(sent)
    assert all(set(text.split()) <= set(WORDS) for text in simulation.responses)
    assert simulation.provenance["temperature"] == "not sent"
    assert set(simulation.provenance["refused"]) == {"temperature", "top_p", "top_k", "min_p"}
    assert simulation.provenance["thinking_tokens"] > 6 * 40
    assert "temperature: not sent" in simulation._repr_html_()
    line = '--options "yes|no" -n 20 --weights uniform'
    answer = shell.run_cell_magic("mop_ask", line, "Rain?")
    assert answer.table.matched == 1
    assert answer.table.method == "sampled"


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("extra", ["'{nothing'", "'[1]'", "7"])
def test_further_fields_that_are_no_json_object_are_one_line(
    shell: InteractiveShell, server: ScriptedServer, extra: str
) -> None:
    with pytest.raises(UsageError, match="--extra"):
        shell.run_line_magic("mop_backend", f"{server.url} --extra {extra}")
    assert not server.seen


def test_empty_and_filtered_answers_are_counted(
    shell: InteractiveShell, ready: Study, server: ScriptedServer
) -> None:
    shell.run_line_magic("mop_backend", f"{server.url} --model scripted")
    ready.backend.backend.endpoint.in_flight = 1
    filtered = Reply(400, {"error": {"message": "filtered", "code": "content_filter"}})
    server.script = [Reply(body=chat(""))] * 3 + [filtered] * 2
    simulation = shell.run_line_magic("mop_simulate", "a -n 9 --weights uniform")
    assert simulation.provenance["finished"] == {"empty": 1, "content_filter": 2, "stop": 6}
    assert "1 empty, 2 filtered" in simulation._repr_html_()
    (run,) = list(ready.runs())[-1:]
    assert (run.requested, run.finished, run.failed, run.cancelled) == (9, 8, 1, 0)


def test_an_alias_that_moves_in_the_middle_of_a_run_is_told(
    shell: InteractiveShell, ready: Study, server: ScriptedServer
) -> None:
    shell.run_line_magic("mop_backend", f"{server.url} --model scripted")
    shell.run_line_magic("mop_simulate", "a -n 4 --weights uniform")
    assert ready.simulations["a"].provenance["served"] == {"scripted": 4}
    assert "answered by" not in ready.runs()._repr_html_()
    server.default = Reply(body=chat("other") | {"model": "scripted-2026"})
    with pytest.warns(UserWarning, match=r"2 models: scripted \(4\), scripted-2026 \(4\)"):
        ready.simulate("b", 8, weights="uniform")  # its first four are those of "a"
    simulation = ready.simulations["b"]
    assert simulation.provenance["served"] == {"scripted": 4, "scripted-2026": 4}
    assert "2 models: scripted, scripted-2026" in simulation._repr_html_()
    shown = shell.run_line_magic("mop_runs", "")
    assert "2 models" in repr(shown)
    assert "answered by scripted (4), scripted-2026 (4)" in shown._repr_html_()


def test_learned_weights_are_kept_for_an_endpoint(
    shell: InteractiveShell, ready: Study, server: ScriptedServer
) -> None:
    with pytest.raises(NotFittedError):
        shell.run_line_magic("mop_backend", f"{server.url} --keep-weights")
    shell.run_line_magic("mop_fit", "--exemplars 4 --records 40 --components 4")
    before = ready.mixture.persona_weights().tolist()
    shell.run_line_magic("mop_backend", f"{server.url} --keep-weights")
    assert ready.mixture.persona_weights().tolist() == before
    assert ready.simulate("there", 4).provenance["weights"] == "learned"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("http://127.0.0.1:9/v1", "Cannot reach a server at http://127.0.0.1:9/v1"),
        ("{url} --model gpt", "no model 'gpt'"),
        ("{url} --template chatmul", "no chat template"),
        ("http://", "must begin with http:// or https://"),
        ("{url}/nowhere", "404"),
    ],
)
def test_an_invalid_endpoint_is_one_short_error_and_changes_nothing(
    shell: InteractiveShell, ready: Study, server: ScriptedServer, line: str, message: str
) -> None:
    before = ready.backend
    if "nowhere" in line:
        server.default = Reply(404, {"error": {"message": "File Not Found"}})
    with pytest.raises(MopError, match=message) as caught:
        shell.run_line_magic("mop_backend", line.format(url=server.url))
    assert len(caught.value._render_traceback_()) == 2
    assert ready.backend is before


def test_a_models_name_is_escaped(server: ScriptedServer) -> None:
    server.default = Reply(body=chat() | {"model": "<script>alert(1)</script>"})
    found = OpenAIBackend(server.url, "scripted").capabilities
    assert "<script" not in found._repr_html_()


def test_samples_are_matched_without_likelihoods(shell: InteractiveShell, ready: Study) -> None:
    ready.simulate("u", 240, weights="uniform")
    shares = shell.run_line_magic("mop_match", "u --figure FID")
    assert list(shares) == [persona.name for persona in ready.personas]
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.get) == "sunny"
    shell.user_ns["shares"] = shares
    assert len(shell.run_line_magic("mop_simulate", "m -n 20 --weights shares")) == 20
