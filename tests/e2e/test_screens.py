"""What a new user sees, in JupyterLab at three widths, light and dark: no text or number is cut."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

SETUP = """
import numpy as np, pandas as pd
from jupyter_mop import Study, ToyBackend, ToyEncoder
%load_ext jupyter_mop
words = ["sun", "rain", "wind", "fog"]
rng = np.random.default_rng(0)
odds = {"dawn, by the sea": [0.7, 0.1, 0.1, 0.1], "dusk, in the hills": [0.1, 0.7, 0.1, 0.1]}
times = list(odds) * 200
texts = [" ".join(rng.choice(words, size=rng.integers(2, 9), p=odds[time])) for time in times]
study = Study(ToyBackend(words, length=4), ToyEncoder(words), store="STORE")
get_ipython().magics_manager.registry["MopMagics"].study = study
study.use_personas(
    "commuter who is late every day [0.5]: You say sun.\\n"
    "guest [0.2]: You say rain.\\n"
    "student of meteorology in the third year [0.3]: You say wind."
)
frame = pd.DataFrame({"time": times, "comment": texts})
study.use_population(frame, context="time", response="comment")
study.fit(n_exemplars=6, n_records=80)
study.simulate("with the personas", 120)
study.simulate("plain", 120, baseline="plain")
riders = pd.DataFrame({"age": ["young", "old"] * 100, "answer": rng.choice(
    ["very satisfied", "satisfied", "neither", "dissatisfied", "very dissatisfied"], 200)})
scale = ["very", "satisfied", "neither", "dissatisfied"]
survey = Study(ToyBackend([*words, *scale]), ToyEncoder(words), store="STORE")
survey.use_personas(study.personas)
survey.use_population(riders, context="age", response="answer")
from jupyter_mop import Question
options = ["very satisfied", "satisfied", "neither", "dissatisfied", "very dissatisfied"]
asked = survey.ask(Question("How is it at your age, {age}?", options, kind="scale"), "how")
from jupyter_mop import Survey
riders["would you ride again"] = rng.choice(["satisfied", "neither"], 200)
riders.loc[:2, "age"] = "of an age that they did not want to tell"
texts = {"answer": Question("How is it on the bus to work in the morning?", options, kind="scale"),
         "would you ride again": Question("Would you ride again?", ["satisfied", "neither"])}
ridden = survey.survey(Survey.from_frame(riders, texts, context="age"))
"""
MONITOR = """
from jupyter_mop.notebook.progress import Controls, Run
from jupyter_mop.notebook.widgets.monitor import RunMonitor
from jupyter_mop.backends.protocols import Completion
now = [0.0]
run = Run(cost=lambda: 0.0123, clock=lambda: now[0])
for what, total, done in [("scores of 80 records under 24 components", 2400, 2400),
                          ("responses", 1200, 431)]:
    step = run.begin(what, total)
    for _ in range(done):
        now[0] += 0.1
        run.tick(step, Completion("The bus was late again, and nobody told us why.", 12))
run.failures["overloaded (HTTP 503): the service is busy, please try again in a moment"] = 3
RunMonitor(run, Controls())
"""
CELLS = {
    "panel": '%mop_panel "with the personas"',
    "answer": 'survey.panel("how")',
    "weights": "%mop_weights",
    "alignment": "%mop_align --by time",
    "monitor": MONITOR,
    "survey": "ridden.panel()",
}
PANELS = ".mop-alignment, .mop-weights, .mop-monitor, .mop-survey"
WIDTHS = (1400, 1000, 420)
HEIGHT = 2600
CUT_JS = """root => [root, ...root.querySelectorAll("*")].filter(node =>
    node.clientWidth && node.scrollWidth > node.clientWidth + 1 && node.innerText
    && !["auto", "scroll"].includes(getComputedStyle(node).overflowX)
).map(node => `${node.className}: ${node.innerText.slice(0, 60)}`)"""
CUT_BELOW_JS = """() => [...document.querySelectorAll(".mop-figures")]
    .filter(node => node.scrollHeight > node.clientHeight + 1).map(node => node.innerText)"""


@pytest.fixture(scope="module")
def notebook(lab, shared_page, tmp_path_factory):
    store = tmp_path_factory.mktemp("store") / "store.sqlite"
    shared_page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    opened = lab.open(shared_page, [SETUP.replace("STORE", str(store)), *CELLS.values()])
    opened.run_all()
    return opened


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_screens(notebook, artefacts, width, theme):
    page = notebook.page
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate(f"() => jupyterapp.shell.{'collapse' if width < 700 else 'expand'}Left()")
    notebook.set_theme(f"JupyterLab {theme}")
    for i, name in enumerate(CELLS, start=1):
        output = page.locator(".jp-CodeCell").nth(i).locator(".jp-OutputArea")
        output.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        output.screenshot(path=artefacts / f"screen-{name}-{width}-{theme.lower()}.png")
    for root in page.locator(PANELS).all():
        assert root.evaluate(CUT_JS) == []
    assert page.evaluate(CUT_BELOW_JS) == []
    charts = page.locator(".jp-CodeCell").nth(4).locator(".jp-OutputArea-output:has(svg, img)")
    widths = charts.evaluate_all("all => all.map(each => [each.scrollWidth, each.clientWidth])")
    assert [pair for pair in widths if pair[0] > pair[1] + 1] == []


def test_the_metrics_stay_in_view_while_a_slider_moves_in_a_narrow_cell(notebook):
    page = notebook.page
    page.set_viewport_size({"width": 420, "height": 900})
    page.evaluate("() => jupyterapp.shell.collapseLeft()")
    panel = page.locator(".mop-alignment").first
    slider = panel.get_by_role("slider").first
    slider.scroll_into_view_if_needed()
    slider.press("PageUp")
    rows, cards = (
        panel.locator(".mop-rows").bounding_box(),
        panel.locator(".mop-cards").bounding_box(),
    )
    assert cards["y"] < rows["y"]
    assert rows["y"] + rows["height"] - cards["y"] < 900
    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
