"""The alignment panel with a kernel, in JupyterLab and in Notebook 7: drag, align, copy, run."""

from __future__ import annotations

import json
import secrets

import nbformat
import numpy as np
import pytest

from tests.e2e.conftest import KERNEL, LabNotebook

pytestmark = pytest.mark.browser

SETUP = """
import numpy as np, pandas as pd
from jupyter_mop import ToyBackend, ToyEncoder
from jupyter_mop.notebook.magics.register import MopMagics
%load_ext jupyter_mop
words = ["sun", "rain", "wind", "snow"]
rng = np.random.default_rng(0)
texts = [" ".join(rng.choice(words, rng.integers(2, 7), p=[.4, .3, .2, .1])) for _ in range(600)]
df = pd.DataFrame({"topic": rng.choice(["dawn", "dusk"], 600), "text": texts})
study = get_ipython().magics_manager.registry["MopMagics"].study
study.use_backend(ToyBackend(words))
study.session.encoder_choice = ToyEncoder(words)
study.use_personas("critic: You say rain.\\nfan: You say sun.\\nparent: You say wind.")
study.use_population(df, context="topic", response="text")
%mop_simulate first -n 240 --weights uniform
"""
OPEN = "panel = %mop_panel first\npanel"
ASK = """import json
print(json.dumps([panel.weights, panel.comparison.statistics.metrics(panel.weights)]))"""


@pytest.fixture(scope="module")
def notebook(lab, shared_page):
    opened = lab.open(shared_page, [SETUP, OPEN])
    opened.run_all()
    opened.page.locator(".mop-alignment").wait_for()
    return opened


def shown(notebook):
    cards = notebook.page.locator(".mop-card[data-metric]").evaluate_all(
        "cards => cards.map(card => [card.dataset.metric, Number(card.dataset.value)])"
    )
    return dict(cards)


def in_python(notebook):
    weights, figures = json.loads(notebook.execute(ASK))
    return weights, figures


def drag(notebook, name, start, end):
    slider = notebook.page.get_by_role("slider", name=f"Weight of {name}", exact=True)
    slider.scroll_into_view_if_needed()
    track = slider.locator("..").bounding_box()
    points = [track["x"] + 7 + share * (track["width"] - 14) for share in (start, end)]
    middle = track["y"] + track["height"] / 2
    mouse = notebook.page.mouse
    mouse.move(points[0], middle)
    mouse.down()
    mouse.move(points[1], middle, steps=12)
    mouse.up()
    notebook.page.wait_for_timeout(300)


def test_a_drag_reaches_python_and_the_metrics_agree(notebook):
    start = in_python(notebook)[0][0]
    drag(notebook, "critic", start, 0.7)
    weights, figures = in_python(notebook)
    assert weights[0] == pytest.approx(0.7, abs=0.03)
    assert shown(notebook) == pytest.approx(figures, abs=1e-6)


def test_exact_metrics_appear_when_the_slider_settles(notebook):
    drag(notebook, "fan", in_python(notebook)[0][1], 0.5)
    card = notebook.page.locator(".mop-card[data-metric=FID]").first
    card.locator(".mop-kind", has_text="fast estimate").wait_for()
    card.locator(".mop-kind", has_text="exact [").wait_for()
    exact = notebook.execute("print(panel.exact['metrics']['FID']['value'])")
    assert float(card.locator(".mop-value").inner_text()) == pytest.approx(float(exact), abs=1e-3)


def test_weights_set_in_python_move_the_panel(notebook):
    notebook.execute("panel.weights = [1, 2, 1]; print()")
    notebook.page.wait_for_timeout(300)
    slider = notebook.page.get_by_role("slider", name="Weight of fan", exact=True)
    assert float(slider.input_value()) == pytest.approx(0.5)
    assert shown(notebook) == pytest.approx(in_python(notebook)[1], abs=1e-6)


def test_no_key_is_lost_to_the_kernels_echo(notebook):
    notebook.execute("panel.weights = [1, 2, 1]; print()")
    slider = notebook.page.get_by_role("slider", name="Weight of critic", exact=True)
    for _ in range(40):
        slider.press("ArrowUp")
        notebook.page.wait_for_timeout(20)
    assert in_python(notebook)[0][0] == pytest.approx(0.65)


def test_align_then_copy_as_code_then_run_it(notebook):
    before = shown(notebook)["MAUVE"]
    notebook.page.get_by_label("Metric to align").select_option("MAUVE")
    notebook.page.get_by_role("button", name="Align", exact=True).click()
    notebook.page.wait_for_timeout(300)
    assert shown(notebook)["MAUVE"] >= before
    notebook.page.get_by_role("button", name="Copy as code").click()
    code = notebook.page.get_by_label("Code of these weights").input_value()
    assert code.startswith("%mop_reweight first --weights")
    assert code.endswith(" --as first_2")
    notebook.execute(f"again = {code}")
    printed = json.loads(notebook.execute("print(json.dumps(again.provenance['weights']))"))
    found = [float(part.split("=")[1]) for part in printed.split(", ")]
    assert found == pytest.approx(in_python(notebook)[0], abs=2e-3)


def test_simulations_use_the_weights_that_the_panel_shows(notebook):
    weights = in_python(notebook)[0]
    printed = notebook.execute("print(json.dumps(list(study.panel_weights.values())))")
    assert json.loads(printed) == pytest.approx(weights)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_screenshots(notebook, artefacts, theme):
    notebook.set_theme(theme)
    notebook.page.wait_for_timeout(500)
    name = theme.rpartition(" ")[2].lower()
    root = notebook.page.locator(".mop-alignment")
    root.screenshot(path=artefacts / f"alignment-lab-{name}.png")
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth")
    notebook.set_theme("JupyterLab Light")


def test_the_panel_works_in_notebook_7(lab, page):
    path = lab.root / f"{secrets.token_hex(4)}.ipynb"
    cells = [nbformat.v4.new_code_cell(code) for code in (SETUP, OPEN)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), path)
    page.goto(f"{lab.url}/notebooks/{path.name}?token={lab.token}")
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext")
    notebook = LabNotebook(page, path)
    notebook.settle()
    notebook.run_all()
    page.locator(".mop-alignment").wait_for()
    drag(notebook, "parent", in_python(notebook)[0][2], 0.8)
    weights, figures = in_python(notebook)
    assert weights[2] == pytest.approx(0.8, abs=0.03)
    assert shown(notebook) == pytest.approx(figures, abs=1e-6)
    assert np.isclose(sum(weights), 1)
