"""A planted key is sent to the endpoint and is in nothing that a notebook shows or stores."""

from __future__ import annotations

import json
import logging
import pickle

import pytest
from IPython.utils.capture import capture_output
from scripted_server import Reply, ScriptedServer, unique_reply

from jupyter_mop import Study, ToyEncoder
from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.capabilities import Capabilities, Finding

KEY = "sk-planted-51c0ffee"
WORDS = ["sun", "rain", "wind", "fog"]
FAULTS = [
    Reply(401, {"error": {"message": f"bad key {KEY}"}}),
    Reply(500, f"Authorization: Bearer {KEY}"),
    Reply(body=f'{{"choices": "{KEY}'),
]


@pytest.fixture
def server():
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def folder(shell, server, monkeypatch, tmp_path, frame):
    """Return the folder of all files, with a study on an endpoint in the shell."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(defaults, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(defaults, "MAX_WAIT", 0.02)
    backend = OpenAIBackend(server.url, "scripted", in_flight=2)
    found = (Finding("chat", works=True), Finding(names.SCORING, works=True))
    backend.__dict__["capabilities"] = Capabilities(server.url, "scripted", found, dialect="echo")
    magics = shell.magics_manager.registry["MopMagics"]
    magics.study = Study(backend, ToyEncoder(WORDS), store=tmp_path / "store.sqlite")
    magics.study.use_personas("sunny: You say sun.")
    magics.study.use_population(frame, context="topic", response="text")
    yield tmp_path
    magics.study.store.close()


def test_a_planted_key_is_not_shown_or_stored(shell, server, folder, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "aiohttp", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    shell.run_line_magic("config", 'InteractiveShell.xmode = "Verbose"')
    study = shell.magics_manager.registry["MopMagics"].study
    server.default = unique_reply
    with capture_output() as shown:
        for cell in (
            *("%mop_simulate s -n 6", "%mop_status", "%mop_runs", "study.backend"),
            f"%mop_export s {folder}/simulation.csv",
        ):
            shell.user_ns["study"] = study
            assert shell.run_cell(cell).success
        for number, fault in enumerate(FAULTS):
            server.default = fault
            assert not shell.run_cell(f"%mop_simulate s{number} -n {20 + number}").success
            assert not shell.run_cell(f"study.simulate('t', {30 + number})").success
    simulation = next(iter(study.simulations.values()))
    (folder / "provenance.json").write_text(json.dumps(simulation.provenance, default=str))
    study.runs().frame.to_json(folder / "runs.json", date_format="iso", default_handler=str)
    backend = study.backend.backend
    outputs = [shown.stdout, shown.stderr, caplog.text, study.runs()._repr_html_()]
    outputs += [str(output.data) for output in shown.outputs]
    outputs += [repr(study), repr(backend), repr(vars(backend)), repr(vars(backend.endpoint))]
    outputs += [str(pickle.dumps(backend.endpoint._key))]
    files = [file for file in folder.rglob("*") if file.is_file()]
    outputs += [file.read_bytes().decode("latin-1") for file in files]
    assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    assert {file.name for file in files} >= {
        "store.sqlite",
        "simulation.csv",
        "simulation.csv.card.json",
    }
    assert any("Error" in text for text in outputs)
    assert [run.state for run in study.runs()] == ["finished", *["failed"] * 6]
    assert not [text for text in outputs if KEY in text]


@pytest.mark.usefixtures("folder")
def test_a_typed_key_is_sent_and_not_shown(shell, server, monkeypatch):
    monkeypatch.setattr(
        "jupyter_mop.notebook.magics.setup.getpass", lambda _prompt: "sk-typed-unseen"
    )
    server.default = unique_reply
    with capture_output() as shown:
        shell.run_cell(f"%mop_backend {server.url} --model scripted --ask-key")
    assert server.seen[-1].headers["authorization"] == "Bearer sk-typed-unseen"
    assert "sk-typed" not in shown.stdout + shown.stderr + str([o.data for o in shown.outputs])
