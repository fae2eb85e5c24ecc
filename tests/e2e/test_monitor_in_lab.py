"""The run monitor in JupyterLab: a slow run is watched, held, gone on with and stopped."""

from __future__ import annotations

import json
import re

import nbformat
import pytest

from tests.e2e.accessibility import faults

pytestmark = pytest.mark.browser

HOSTILE = [
    "<img src=x onerror=\"window.ran_markup = 'img'\">",
    "</li></ul><script>window.ran_markup = 'script'</script>",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \U0001f469\u200d\U0001f4bb",
    "a\x1b[31m\x00 b\ud800",
    "long " * 20_000,
    "",
]
SETUP = f"""
import pathlib, time
import pandas as pd
from jupyter_mop import Study, ToyBackend, ToyEncoder
from jupyter_mop.backends.protocols import Completion

%load_ext jupyter_mop

class Slow(ToyBackend):
    texts = None

    def _draw(self, request, params):
        began = time.monotonic()
        while time.monotonic() < began + float(pathlib.Path(PACE).read_text()):
            time.sleep(0.005)
        drawn = super()._draw(request, params)
        if self.texts is None:
            return drawn
        return Completion(self.texts[self.n_generated % len(self.texts)], 4)

words = ["sun", "rain", "wind"]
df = pd.DataFrame({{"topic": "weather", "text": ["sun rain", "rain", "wind wind", "sun"] * 30}})
magics = get_ipython().magics_manager.registry["MopMagics"]
magics.study = study = Study(Slow(words, length=12), ToyEncoder(words), store=STORE)
study.use_personas("a: You say sun.\\nb: You say rain.")
study.use_population(df, context="topic", response="text")
hostile = {json.dumps(HOSTILE)}
"""
START_JS = """async index => {
    const { commands, shell } = jupyterapp, notebook = shell.currentWidget.content;
    notebook.activeCellIndex = index;
    window.ran = false;
    commands.execute("notebook:run-cell").then(() => { window.ran = true; });
}"""
OUTPUTS_JS = """index => jupyterapp.shell.currentWidget.content.widgets[index]
    .model.outputs.toJSON()"""
COMMS_JS = "how => { jupyterapp.serviceManager.kernels.commsOverSubshells = how; }"
RENEWED_JS = """() => {
    const panel = document.querySelector(".mop-monitor");
    return panel && !panel.dataset.first;
}"""
COUNT = "print(study.store.counts().completions)"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("monitor")


@pytest.fixture(scope="module")
def pace(folder):
    """Set the seconds that a response takes, from the next look of the waiting model on."""

    def write(seconds):
        (folder / "next").write_text(str(seconds))
        (folder / "next").replace(folder / "pace")

    return write


@pytest.fixture(scope="module")
def notebook(lab, shared_page, folder):
    """Open a notebook with a slow model that is set up; its second cell is free for a run."""
    setup = SETUP.replace("STORE", repr(str(folder / "store.sqlite")))
    setup = setup.replace("PACE", repr(str(folder / "pace")))
    opened = lab.open(shared_page, [setup, "pass", "1"])
    opened.run_all()
    return opened


@pytest.fixture(autouse=True)
def _ended(notebook, pace):
    pace(0.05)
    yield
    pace(0.005)
    wait_for_end(notebook)


def start(notebook, code):
    """Start `code` in the second cell and return the panel."""
    notebook.page.evaluate(
        "code => jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel"
        ".setSource(code)",
        code,
    )
    notebook.page.evaluate(START_JS, 1)
    panel = notebook.page.locator(".mop-monitor")
    panel.wait_for()
    return panel


def wait_for_end(notebook):
    notebook.page.wait_for_function("() => window.ran === true || window.ran === 'all'")
    notebook.settle()


def outputs(notebook):
    return notebook.page.evaluate(OUTPUTS_JS, 1)


def done(panel):
    return int(panel.get_by_role("progressbar").last.get_attribute("aria-valuenow"))


def wait_until(notebook, is_so, *, seconds=20):
    for _ in range(20 * seconds):
        if is_so():
            return
        notebook.page.wait_for_timeout(50)
    pytest.fail("It did not come to be.")


def button(panel, name):
    return panel.get_by_role("button", name=name)


def test_a_run_shows_its_progress_and_responses(notebook, pace):
    pace(0.2)
    panel = start(notebook, "%%mop_simulate moving -n 60\nWhat of the {topic}?")
    seen, latest = set(), set()
    while panel.is_visible() and (len(seen) < 6 or len(latest) < 4):
        seen.add(done(panel))
        latest.add(panel.get_by_role("listitem").last.inner_text())
        notebook.page.wait_for_timeout(150)
    assert len(seen) >= 6
    assert len(latest) > 3
    assert panel.get_by_text(re.compile(r"\d+ of 60")).count() == 1
    assert panel.get_by_text(re.compile(r"\d per second . \d+ s left")).count() == 1
    assert panel.locator(".mop-latest li").count() == 5
    pace(0.01)
    wait_for_end(notebook)
    panel.wait_for(state="detached")
    shown, result = outputs(notebook)
    assert set(shown["data"]) == {"text/plain", "text/html"}
    assert re.fullmatch(r"60 responses in \d+ s", "".join(shown["data"]["text/plain"]).strip())
    assert "60 responses" in "".join(result["data"]["text/plain"])


def test_pause_and_resume(notebook, pace):
    pace(0.2)
    panel = start(notebook, "%%mop_simulate held -n 80 --seed 1\nWhat of the {topic}?")
    wait_until(notebook, lambda: done(panel) >= 1)
    button(panel, "Pause").click()
    panel.get_by_role("status").get_by_text("Paused").wait_for()
    held = done(panel)
    assert 0 < held < 80
    notebook.page.wait_for_timeout(600)
    assert done(panel) == held
    button(panel, "Resume").press("Enter")
    panel.get_by_role("status").get_by_text("Running").wait_for()
    wait_until(notebook, lambda: not panel.is_visible() or done(panel) > held)
    pace(0.01)
    wait_for_end(notebook)
    assert notebook.execute("print(len(study.simulations['held']))") == "80"


@pytest.mark.parametrize("paused", [False, True])
def test_cancel_keeps_finished_answers_and_shows_one_line(notebook, pace, paused):
    before = int(notebook.execute(COUNT))
    name = f"cancelled{int(paused)}"
    code = f"%%mop_simulate {name} -n 400 --seed {5 + paused}\nWhat of the {{topic}}?"
    panel = start(notebook, code)
    wait_until(notebook, lambda: done(panel) >= 5)
    if paused:
        button(panel, "Pause").click()
        button(panel, "Resume").wait_for()
    button(panel, "Cancel").click()
    wait_for_end(notebook)
    shown, error = outputs(notebook)
    assert error["ename"] == "Interrupted"
    assert len(error["traceback"]) == 2
    finished = int(re.search(r"Stopped after (\d+) of 400", error["traceback"][0])[1])
    assert 5 <= finished < 400
    assert set(shown["data"]) == {"text/plain", "text/html"}
    assert "stopped" in "".join(shown["data"]["text/html"])
    panel.wait_for(state="detached")
    assert int(notebook.execute(COUNT)) - before in (finished, finished + 1)
    assert notebook.execute(f"print({name!r} in study.simulations)") == "False"
    panel = start(notebook, code)
    panel.get_by_text("cached").wait_for()
    pace(0.005)
    wait_for_end(notebook)
    last = "".join(outputs(notebook)[0]["data"]["text/plain"])
    assert int(re.search(r"(\d+) from cache", last)[1]) in (finished, finished + 1)


def test_hostile_responses_are_shown_as_text(notebook, pace):
    notebook.execute("study.backend.backend.texts = hostile")
    pace(0.4)
    panel = start(notebook, "%%mop_simulate <i>hostile</i> -n 8 --seed 9\nWhat of the {topic}?")
    wait_until(notebook, lambda: done(panel) >= 5)
    pace(5)
    wait_until(notebook, lambda: done(panel) >= 6)
    button(panel, "Pause").click()
    pace(0.1)
    button(panel, "Resume").wait_for()
    texts = panel.locator(".mop-latest li").all_text_contents()
    assert len(texts) == 5
    assert any("\u05e9\u05dc\u05d5\u05dd" in text for text in texts)
    assert any(text.startswith("long long") and len(text) < 300 for text in texts)
    assert any("<" in text and "window.ran_markup" in text for text in texts)
    assert panel.locator(".mop-what").text_content() == "<i>hostile</i>"
    assert panel.locator("img, script, .mop-what i").count() == 0
    box = panel.bounding_box()
    assert all(li.bounding_box()["height"] < 90 for li in panel.locator(".mop-latest li").all())
    assert box["width"] <= 900
    button(panel, "Resume").click()
    wait_for_end(notebook)
    assert notebook.page.evaluate("() => window.ran_markup") is None
    shown = notebook.page.locator(".jp-RenderedHTMLCommon table").filter(
        has_text="8\u00a0of\u00a08"
    )
    assert shown.get_by_text("<i>hostile</i>").count() == 1
    notebook.execute("study.backend.backend.texts = None")


def test_without_messages_there_are_no_buttons_and_no_late_output(notebook, pace):
    pace(0.2)
    notebook.page.evaluate(COMMS_JS, "disabled")
    panel = start(notebook, "%%mop_simulate mute -n 200 --seed 13\nWhat of the {topic}?")
    panel.evaluate("element => { element.dataset.first = 'yes'; }")
    seen = set()
    while panel.is_visible() and len(seen) < 4:
        assert panel.get_by_role("button").count() == 0
        seen.add(done(panel))
        notebook.page.wait_for_timeout(300)
    assert len(seen) == 4
    notebook.page.wait_for_function(RENEWED_JS)
    assert panel.count() == 1
    assert done(panel) > max(seen)
    pace(0.01)
    wait_for_end(notebook)
    assert notebook.execute("print('nothing else')") == "nothing else"
    notebook.page.evaluate(COMMS_JS, "perCommTarget")


def test_a_saved_notebook_shows_the_run_without_a_widget(notebook):
    start(notebook, "%%mop_simulate saved -n 30 --seed 11\nWhat of the {topic}?")
    wait_for_end(notebook)
    notebook.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    saved = nbformat.read(notebook.path, as_version=4)
    assert "widgets" not in saved.metadata
    kinds = {kind for output in saved.cells[1].outputs for kind in output.get("data", {})}
    assert WIDGET not in kinds
    assert "30 responses in" in saved.cells[1].outputs[0]["data"]["text/plain"]
    notebook.page.evaluate(START_JS, 1)
    wait_for_end(notebook)
    assert outputs(notebook)[0]["data"]["text/html"] in ("", [], [""])
    shown = notebook.page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea-output").first
    assert shown.bounding_box()["height"] < 12


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_screenshots(notebook, artefacts, pace, theme):
    notebook.set_theme(f"JupyterLab {theme}")
    seed = 20 + len(theme)
    notebook.execute(f"study.simulate('s', 30, random_state={seed}, template='Of {{topic}}?')")
    panel = start(notebook, f"%%mop_simulate 'night talk' -n 120 --seed {seed}\nOf {{topic}}?")
    wait_until(notebook, lambda: done(panel) >= 70)
    pace(0.5)
    panel.screenshot(path=artefacts / f"monitor-{theme.lower()}.png")
    button(panel, "Pause").click()
    button(panel, "Resume").wait_for()
    notebook.page.screenshot(path=artefacts / f"monitor-paused-{theme.lower()}.png")
    assert faults(notebook.page, ".mop-monitor") == []
    pace(0.01)
    button(panel, "Resume").click()
    wait_for_end(notebook)
    notebook.page.screenshot(path=artefacts / f"monitor-ended-{theme.lower()}.png")
    notebook.set_theme("JupyterLab Light")
