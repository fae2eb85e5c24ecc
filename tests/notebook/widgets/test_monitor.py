from __future__ import annotations

import json
import threading

import pytest

from jupyter_mop.backends.protocols import Completion
from jupyter_mop.notebook.progress import Controls, Run
from jupyter_mop.notebook.widgets.monitor import RunMonitor


@pytest.fixture
def panel():
    run = Run()
    run.begin("draws", 3)
    return RunMonitor(run, Controls())


def in_thread(call, *args):
    thread = threading.Thread(target=call, args=args)
    thread.start()
    thread.join()


def press(panel, what):
    """Do what a message from the screen does, on the thread that calls."""
    panel._handle_custom_msg({"do": what}, [])


def test_the_state_is_updated_by_show(panel):
    assert panel.state["steps"][0]["done"] == 0
    panel.run.tick(panel.run.steps[0], Completion("sun", 4))
    assert panel.state["steps"][0]["done"] == 0
    panel.show()
    assert panel.state["steps"][0]["done"] == 1
    assert panel.state["tokens"] == 4
    assert panel.state["latest"] == ["sun"]


def test_synced_state_is_plain_json(panel):
    panel.run.tick(panel.run.steps[0], Completion("\ud800\x00<b>\u202e", 4))
    panel.show()
    state = panel.get_state(["state"])["state"]
    assert json.loads(json.dumps(state)) == state
    assert json.dumps(state, ensure_ascii=False).encode()
    assert set(state) == {
        *("status", "seconds", "left", "steps", "tokens", "cached", "cost", "retries"),
        *("failures", "latest"),
    }


def test_requests_on_another_thread_are_handled_and_answered(panel):
    sent = []
    panel.send = sent.append
    in_thread(press, panel, "pause")
    assert panel.controls.is_paused
    in_thread(press, panel, "resume")
    assert not panel.controls.is_paused
    assert sent == [{"connected": True}] * 2


def test_requests_on_the_main_thread_are_ignored(panel):
    sent = []
    panel.send = sent.append
    for what in ("hello", "pause", "cancel"):
        press(panel, what)
    assert not panel.controls.is_paused
    assert not panel.controls.is_connected
    assert sent == []


def test_the_screen_changes_nothing_in_python(panel):
    before = panel.run.state()
    panel.set_state({"state": {"status": "done", "steps": []}})
    panel.show()
    assert panel.state == before


def test_its_text_is_that_of_the_run(panel):
    assert repr(panel).startswith("draws:   0%")
