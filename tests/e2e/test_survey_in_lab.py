"""The survey panel in JupyterLab and as a page: sliders, questions and groups, as in Python."""

from __future__ import annotations

import json

import pytest

from tests.e2e.accessibility import faults, tab_stops
from tests.e2e.conftest import guarded_page

pytestmark = pytest.mark.browser

ATTACK = "<img src=x onerror='window.attacked=1'>"
SETUP = f"""
import json
import numpy as np, pandas as pd
from jupyter_mop import Question, Survey, ToyBackend
from jupyter_mop.engine.questionnaire.survey_fit import fit_survey
rng = np.random.default_rng(0)
attack = {ATTACK!r}
words = ["sun", "rain", "wind"]
kind = rng.integers(3, size=300)
age = np.where(rng.random(300) < 0.3 + 0.2 * kind, "old", "young").astype(object)
age[:3] = "unknown"
answers = {{
    name: np.array(words)[np.where(rng.random(300) < odds, kind, rng.integers(3, size=300))]
    for name, odds in (("sky", 0.8), ("sea", 0.6), (attack, 0.4))
}}
people = pd.DataFrame({{"age": age, **answers, "w": rng.uniform(0.5, 2, 300)}})
questions = {{
    "sky": Question("What is the sky at your age, {{age}}?", words),
    "sea": Question("What is the sea?", words),
    attack: Question(attack, words),
}}
survey = Survey.from_frame(people, questions, context="age", weight="w")
fit = fit_survey(survey, "sunny: sun\\nrainy: rain\\nwindy: wind", ToyBackend(words, length=1))
"""
BUILD = "panel = fit.panel()\npanel"
EXPECTED = """
group = {group!r}
found = panel.reweighted
print(json.dumps({{
    "weights": panel.weights,
    "shares": {{name: list(found.shares(name, panel.weights, group)) for name in survey.names}},
    "TV": dict(found.distances(panel.weights, group)[["question", "TV"]].to_numpy()),
}}))
"""


@pytest.fixture(scope="module")
def notebook(lab, shared_page):
    return lab.open(shared_page, [SETUP, BUILD])


@pytest.fixture
def panel(notebook):
    """Build the panel anew, so that each test starts from the class sizes."""
    notebook.run_all()
    root = notebook.page.locator(".mop-survey")
    root.wait_for()
    return root


def python(notebook, group=("", "everyone")):
    return json.loads(notebook.execute(EXPECTED.format(group=group)))


def drag(page, panel, name, end):
    """Drag a slider to a fraction of its line, 16 px being the thumb's width."""
    slider = panel.get_by_role("slider", name=f"Weight of {name}", exact=True)
    slider.scroll_into_view_if_needed()
    track = slider.locator("..").bounding_box()
    start = float(slider.input_value())
    points = [track["x"] + 8 + share * (track["width"] - 16) for share in (start, end)]
    middle = track["y"] + track["height"] / 2
    page.mouse.move(points[0], middle)
    page.mouse.down()
    page.mouse.move(points[1], middle, steps=8)
    page.mouse.up()


def shown(panel):
    """Return the shares of the chosen question, and the distance of every question."""
    texts = panel.locator(".mop-option .mop-number").all_inner_texts()
    shares = [float(text.rstrip("%")) / 100 for text in texts]
    rows = [row.inner_text().split("\n") for row in panel.locator(".mop-question").all()]
    return shares, {row[0]: row[-1] for row in rows}


def assert_as_in_python(panel, expected, question):
    shares, distances = shown(panel)
    assert shares == pytest.approx(expected["shares"][question], abs=0.0005001)
    assert set(distances) == set(expected["TV"])
    for name, text in distances.items():
        assert float(text) == pytest.approx(expected["TV"][name], abs=0.0005001)


def test_a_drag_moves_all_questions_and_python_has_the_same_numbers(notebook, panel):
    page = notebook.page
    before = python(notebook)
    worst = max(before["TV"], key=before["TV"].get)
    assert panel.locator(".mop-question").first.locator(".mop-name").inner_text() == worst
    assert_as_in_python(panel, before, worst)
    drag(page, panel, "sunny", 0.8)
    after = python(notebook)
    assert after["weights"][0] == pytest.approx(0.8, abs=0.02)
    assert all(abs(after["TV"][name] - before["TV"][name]) > 0.01 for name in after["TV"])
    assert_as_in_python(panel, after, worst)
    for question in ("sea", "sky", ATTACK):
        panel.get_by_label("Question", exact=True).select_option(label=question)
        assert_as_in_python(panel, after, question)
    panel.locator(".mop-question", has_text="sky").click()
    assert_as_in_python(panel, after, "sky")
    for age in ("old", "young"):
        panel.get_by_label("Group").select_option(label=f"age: {age}")
        assert_as_in_python(panel, python(notebook, ("age", age)), "sky")
    assert not page.evaluate("() => window.attacked")


def test_the_sliders_are_the_shares_of_the_personas_over_all_contexts(notebook, panel):
    drag(notebook.page, panel, "windy", 0.9)
    within = "found = panel.reweighted; print(json.dumps([panel.weights, list(found.sizes @ found.persona_weights(panel.weights))]))"  # fmt: skip  # noqa: E501
    wanted, reached = json.loads(notebook.execute(within))
    assert reached == pytest.approx(wanted, abs=1e-6)
    assert panel.locator(".mop-overall").inner_text() == ""


def test_the_two_way_table_is_as_in_python(notebook, panel):
    drag(notebook.page, panel, "sunny", 0.7)
    panel.get_by_label("Question", exact=True).select_option(label="sea")
    panel.get_by_label("Together with").select_option(label="sky")
    code = """
table = panel.reweighted.two_way("sea", "sky", panel.weights)
people = panel.reweighted.people_pairs["sky", "sea"].share.T
print(json.dumps([list(table.ravel()), list(people.ravel())]))
"""
    for kind, expected in zip(("number", "known"), json.loads(notebook.execute(code)), strict=True):
        texts = panel.locator(f".mop-pair td .mop-{kind}").all_inner_texts()
        shares = [float(text.rstrip("%")) / 100 for text in texts]
        assert shares == pytest.approx(expected, abs=0.0005001)
    panel.get_by_label("Question", exact=True).select_option(label="sky")
    assert panel.get_by_label("Together with").input_value() == "1"  # never with itself
    notebook.page.get_by_text("Rows: sky; columns: sea.").wait_for()


def test_undo_restores_and_python_moves_the_sliders(notebook, panel):
    start, _ = shown(panel)
    panel.get_by_role("button", name="Uniform").click()
    assert python(notebook)["weights"] == pytest.approx([1 / 3] * 3)
    assert shown(panel)[0] != start
    panel.get_by_role("button", name="Undo").click()
    assert shown(panel)[0] == start
    notebook.execute("panel.weights = [0, 0, 1]; print()")
    chosen = panel.locator("[aria-pressed=true].mop-question .mop-name").inner_text()
    assert_as_in_python(panel, python(notebook), chosen)


def test_a_group_of_few_people_is_one_sentence(panel):
    panel.get_by_label("Group").select_option(label="age: unknown")
    assert "3 of this group answered this question: too few" in panel.inner_text()
    assert set(shown(panel)[1].values()) == {"too few"}
    assert sum(shown(panel)[0]) == pytest.approx(1, abs=0.002)


def test_one_persona_is_one_sentence(notebook, chromium, tmp_path):
    notebook.run_all()
    path = tmp_path / "one.html"
    one = "fit_survey(survey, 'only: sun', ToyBackend(words, length=1)).panel()"
    notebook.execute(f"{one}.to_html({str(path)!r}); print()")
    with guarded_page(chromium) as page:
        page.set_content(path.read_text(encoding="utf-8"))
        page.get_by_text("There is one persona: its weight is always 100%.").wait_for()
        assert page.get_by_role("slider").is_disabled()
        assert len(shown(page.locator(".mop-survey"))[0]) == 3


def test_the_panel_is_accessible_and_shows_names_as_text(notebook, panel, artefacts):
    page = notebook.page
    assert panel.locator("img").count() == 0
    for theme in ("Dark", "Light"):
        notebook.set_theme(f"JupyterLab {theme}")
        panel.screenshot(path=artefacts / f"survey-{theme}.png")
        assert faults(page, ".mop-survey") == []
    stops = tab_stops(page, ".mop-survey")
    assert all(stop["seen"] for stop in stops)
    assert {"Weight of sunny", "Question", "Group"} <= {stop["name"].strip() for stop in stops}


def test_a_page_without_a_kernel_has_the_same_numbers(notebook, chromium, tmp_path):
    notebook.run_all()
    path = tmp_path / "panel.html"
    notebook.execute(f"panel.to_html({str(path)!r}); print()")
    with guarded_page(chromium) as page:
        page.set_content(path.read_text(encoding="utf-8"))
        alone = page.locator(".mop-survey")
        alone.wait_for()
        alone.get_by_role("slider", name="Weight of rainy").press("End")
        alone.get_by_label("Question", exact=True).select_option(label="sea")
        page.wait_for_timeout(100)
        notebook.execute("panel.weights = [0, 1, 0]; print()")
        assert_as_in_python(alone, python(notebook), "sea")
