"""Charts and tables in JupyterLab with the network off, in light and dark, and in exported HTML."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbconvert import HTMLExporter

from tests.e2e.accessibility import faults

pytestmark = pytest.mark.browser

SETUP = """
import dataclasses, numpy as np, pandas as pd
from jupyter_mop import Population, Study, ToyBackend, ToyEncoder
words = ["sun", "rain", "wind", "fog"]
rng = np.random.default_rng(0)
odds = {"dawn, sun": [0.7, 0.1, 0.1, 0.1], "dusk, rain": [0.1, 0.7, 0.1, 0.1]}
topics = list(odds) * 200
texts = [" ".join(rng.choice(words, size=rng.integers(2, 9), p=odds[topic])) for topic in topics]
study = Study(ToyBackend(words, length=4), ToyEncoder(words), store="STORE")
study.use_personas("sunny: You say sun.\\nrainy: You say rain.\\nwindy: You say wind.")
frame = pd.DataFrame({"topic": topics, "text": texts})
study.use_population(frame, context="topic", response="text")
study.fit(n_exemplars=6, n_records=80)
first = study.simulate("first", 120)
weights = np.where(first.frame["persona"] == "sunny", 2.5, 0.4)
reweighted = dataclasses.replace(first, frame=first.frame.assign(weight=weights / weights.mean()))
alignment = study.align();
"""
LIVE = ["study.population.plot()", "study.mixture.plot()", "reweighted.plot()", "alignment.plot()"]
STILL = ["alignment.map"]
TABLES = ["study", "study.population", "reweighted"]
EVIL = """
import jupyter_mop, pandas as pd
from jupyter_mop import Population, Simulation, charts
evil = EVIL_TEXTS
frame = pd.DataFrame({"persona": evil, "weight": 1 / len(evil)})
population = Population.from_frame(
    pd.DataFrame({"topic": evil * 5, "text": evil * 5}), context="topic", response="text"
)
columns = ["context", "persona", "exemplar", "response", "log_prob", "weight", "seed", "draw"]
rows = [[text, text, None, text, 0.0, 1.0 + i, 0, i] for i, text in enumerate(evil)]
simulation = Simulation(pd.DataFrame(rows, columns=columns), (), {"name": evil[0]})
"""
EVIL_TEXTS = [
    "<script>window.ran_evil = 1</script>",
    "<img src=x onerror='window.ran_evil = 1'>",
    "</td></table><iframe srcdoc='<script>parent.ran_evil = 1</script>'>",
    "<a href='javascript:window.ran_evil = 1'>click</a>",
    "\u202eright to left\u202c שלום",
    "\x00\x1b[31mred\x07",
    "\U0001f600" * 40,
    "x" * 100_000,
    "datum['weight'] + {{7 * 7}}",
]


def store(tmp_path_factory):
    return str(tmp_path_factory.mktemp("store") / "store.sqlite")


@pytest.fixture(scope="module")
def notebook(lab, shared_page, tmp_path_factory):
    setup = SETUP.replace("STORE", store(tmp_path_factory))
    opened = lab.open(shared_page, [setup, *LIVE, *STILL, *TABLES])
    opened.run_all()
    return opened


def outputs(notebook, cell):
    return notebook.page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output")


def photographs(notebook, folder, name):
    cells = notebook.page.locator(".jp-CodeCell")
    for i in range(1, cells.count()):
        cells.nth(i).scroll_into_view_if_needed()
        notebook.page.wait_for_timeout(150)
        cells.nth(i).screenshot(path=folder / f"charts-{name}-{i}.png")


@pytest.mark.parametrize("cell", range(1, 1 + len(LIVE)), ids=LIVE)
def test_a_chart_is_drawn_by_lab_and_shows_values_under_the_pointer(notebook, cell):
    chart = outputs(notebook, cell).locator("svg").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box["width"] > 250
    assert box["height"] > 100
    assert "NaN" not in chart.inner_html()
    kind = "symbol" if "alignment" in LIVE[cell - 1] else "rect"
    chart.locator(f".mark-{kind}.role-mark path").first.hover(force=True)
    tip = notebook.page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert any(digit in tip.inner_text() for digit in "0123456789")


def test_ticks_are_drawn_where_weights_have_changed(notebook):
    ticks = outputs(notebook, 3).locator("svg .mark-rect.role-mark path[fill='currentColor']")
    heights = [ticks.nth(i).bounding_box()["height"] for i in range(ticks.count())]
    assert heights == pytest.approx([0.85 * 36] * 3, abs=2)


def test_the_map_is_a_picture_without_texts(notebook):
    output = outputs(notebook, 1 + len(LIVE))
    assert output.locator("img").first.evaluate("node => node.naturalWidth") > 600
    kinds = notebook.page.evaluate(
        "cell => jupyterapp.shell.currentWidget.content.widgets[cell].model.outputs.toJSON()"
        ".flatMap(output => Object.keys(output.data))",
        1 + len(LIVE),
    )
    assert set(kinds) == {"image/png", "text/plain"}


def test_tables_have_squares_in_the_colours_of_the_personas(notebook):
    squares = outputs(notebook, 2 + len(LIVE)).locator("span", has_text="■")
    colours = squares.evaluate_all("nodes => nodes.map(node => getComputedStyle(node).color)")
    assert colours == ["rgb(0, 114, 178)", "rgb(230, 159, 0)", "rgb(0, 158, 115)"]


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_chart_has_the_ink_of_the_page_and_no_background(notebook, theme):
    notebook.set_theme(f"JupyterLab {theme}")
    svg = outputs(notebook, 2).locator("svg").first
    title = svg.locator(".role-title-text text").first
    ink = title.evaluate("node => getComputedStyle(node).fill")
    parts = [int(part) for part in re.findall(r"\d+", ink)[:3]]
    assert [part > 128 for part in parts] == [theme == "Dark"] * 3
    assert svg.locator("> rect[fill='white']").count() == 0
    assert svg.evaluate("node => getComputedStyle(node).backgroundColor") == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_charts_and_tables_are_photographed(notebook, artefacts, theme):
    notebook.set_theme(f"JupyterLab {theme}")
    notebook.run_all()
    photographs(notebook, artefacts, theme.lower())
    # JupyterLab draws pictures with no alternative text, though the output has one.
    assert faults(notebook.page, ".jp-OutputArea", but={"image-alt"}) == []


def test_hostile_text_is_text_in_charts_and_tables(lab, page):
    setup = EVIL.replace("EVIL_TEXTS", ascii(EVIL_TEXTS))
    shown = ["charts.weights_chart(frame)", "population.plot()", "simulation.plot()"]
    notebook = lab.open(page, [setup, *shown, "population", "simulation"])
    notebook.run_all()
    for cell in range(1, 4):
        outputs(notebook, cell).locator("svg").first.wait_for()
    table = outputs(notebook, 5).locator("table")
    assert table.locator("td", has_text=EVIL_TEXTS[0]).count() >= 3
    assert page.locator(".jp-OutputArea-output").locator("script, iframe, a, td img").count() == 0
    assert page.evaluate("() => window.ran_evil") is None


MONEY = r"tea for $5 and cake for $6, or $$7$$ and \(8\)"
MONEY_SETUP = """
from IPython.display import HTML
import pandas as pd
from jupyter_mop import Study, ToyBackend, ToyEncoder
from jupyter_mop.backends.protocols import Completion
from jupyter_mop.notebook.panels import persona_panel, weights_panel
from jupyter_mop.notebook.progress import Controls, Run
from jupyter_mop.notebook.widgets.monitor import RunMonitor
from jupyter_mop.teaching.verdicts import right
words = ["tea", "cake", "rain"]
study = Study(ToyBackend(words, length=9), ToyEncoder(words), store="STORE")
study.use_personas({"guest of $1 or $2": MONEY, "other": "You say rain."})
frame = pd.DataFrame({"topic": [MONEY] * 60, "text": [f"{i} {MONEY}" for i in range(60)]})
study.use_population(frame, context="topic", response="text")
simulation = study.simulate("first", 20)
people = {"guest": MONEY, "other": "You say rain."}
run = Run()
run.tick(run.begin(MONEY, 2), Completion(MONEY, 9))
%load_ext jupyter_mop
get_ipython().magics_manager.registry["MopMagics"].study = study
"""
MONEY_BY_HAND = "HTML(f'<p>{MONEY}</p>')"
MONEY_SHOWN = [
    "study",
    "study.population",
    "simulation",
    "right(MONEY)",
    "persona_panel(study)",
    "study.nearest()",
    "study.nearest().tail(2)",
    "weights_panel(study)",
    "RunMonitor(run, Controls())",
    "%mop_panel first",
    "%mop_personas people",  # last: it replaces the personas of the study
]
MONEY_PANELS = {
    "personas": "for $5 and cake for $6",
    "weights": "guest of $1 or $2",
    "monitor": "for $5 and cake for $6",
    "alignment": "guest of $1 or $2",
}


def test_dollars_in_texts_are_no_formulas(lab, page, tmp_path):
    setup = f"MONEY = {MONEY!r}" + MONEY_SETUP.replace("STORE", str(tmp_path / "store.sqlite"))
    notebook = lab.open(page, [setup, MONEY_BY_HAND, *MONEY_SHOWN, MONEY_BY_HAND])
    notebook.run_all()
    first, *ours, last = (outputs(notebook, cell) for cell in range(1, 3 + len(MONEY_SHOWN)))
    for by_hand in (first, last):  # MathJax is at work, and has been at all between
        by_hand.locator("mjx-container").first.wait_for()
    for name, output in zip(MONEY_SHOWN, ours, strict=True):
        assert output.locator("mjx-container").count() == 0, name
    assert "for $5 and cake for $6" in ours[1].inner_text()
    for nearest in ours[5:7]:
        assert "for $5 and cake for $6" in nearest.inner_text()
    for name, text in MONEY_PANELS.items():
        assert text in page.locator(f".mop-{name}").inner_text()


def test_exported_html_shows_the_charts_from_disk(notebook, page, tmp_path):
    notebook.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    notebook.settle()
    saved = nbformat.read(notebook.path, as_version=4)
    html, _ = HTMLExporter().from_notebook_node(saved)
    path = tmp_path / "exported.html"
    path.write_text(html, encoding="utf-8")
    opened = page.context.browser.new_context(offline=True).new_page()
    opened.goto(path.as_uri(), wait_until="domcontentloaded")
    pictures = opened.locator(".jp-OutputArea-output img")
    assert pictures.count() == len(LIVE) + len(STILL)
    assert faults(opened, ".jp-OutputArea-output") == []
    widths = pictures.evaluate_all("nodes => nodes.map(node => node.naturalWidth)")
    assert min(widths) > 480
    opened.context.close()
