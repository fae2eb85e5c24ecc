"""The weights panel in JupyterLab: mouse, keyboard, buttons, and what Python then sees."""

from __future__ import annotations

import json
import sys

import pytest

from tests.e2e.accessibility import faults, tab_stops

pytestmark = pytest.mark.browser

BUILD = """
from jupyter_mop.notebook.widgets.weights import WeightsPanel
panel = WeightsPanel(
    ["critic", "fan", "parent", "film student"], [4, 3, 2, 1], learned=[1, 1, 1, 5]
)
panel
"""
WHERE_JS = """() => {
    const notebook = jupyterapp.shell.currentWidget.content;
    return [notebook.activeCellIndex, notebook.mode];
}"""
ASK = "import json; print(json.dumps(panel.weights))"


@pytest.fixture(scope="module")
def notebook(lab, shared_page):
    return lab.open(shared_page, [BUILD, "panel.weights"])


@pytest.fixture
def panel(notebook):
    """Build the panel anew, so that each test starts from the same weights and no history."""
    notebook.run_all()
    notebook.page.locator(".mop-weights").wait_for()
    return notebook


def python_weights(notebook):
    return json.loads(notebook.execute(ASK))


def slider(notebook, name):
    return notebook.page.get_by_role("slider", name=f"Weight of {name}")


def press(notebook, name):
    notebook.page.get_by_role("button", name=name, exact=True).first.click()


def drag(notebook, name, start, end):
    """Drag a slider from one fraction of its line to another, 16 px being the thumb's width."""
    track = slider(notebook, name).locator("..").bounding_box()
    points = [track["x"] + 8 + share * (track["width"] - 16) for share in (start, end)]
    middle = track["y"] + track["height"] / 2
    mouse = notebook.page.mouse
    mouse.move(points[0], middle)
    mouse.down()
    mouse.move(points[1], middle, steps=12)
    mouse.up()


def test_the_kernel_is_this_interpreter(panel):
    assert panel.execute("import sys; print(sys.executable)") == sys.executable


def test_dragging_a_slider_moves_the_weights_in_python(panel):
    assert python_weights(panel) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    drag(panel, "critic", 0.4, 0.7)
    weights = python_weights(panel)
    assert weights[0] == pytest.approx(0.7, abs=0.02)
    assert sum(weights) == pytest.approx(1)
    rest = 1 - weights[0]
    assert weights[1:] == pytest.approx([rest * 3 / 6, rest * 2 / 6, rest / 6])


def test_dragging_to_the_end_and_back_keeps_proportions(panel):
    drag(panel, "critic", 0.4, 1.2)
    assert python_weights(panel) == [1, 0, 0, 0]
    press(panel, "Undo")
    track = slider(panel, "critic").locator("..").bounding_box()
    at = [track["x"] + 8 + share * (track["width"] - 16) for share in (0.4, 1, 0.4)]
    mouse, middle = panel.page.mouse, track["y"] + track["height"] / 2
    mouse.move(at[0], middle)
    mouse.down()
    mouse.move(at[1], middle, steps=8)
    mouse.move(at[2], middle, steps=8)
    mouse.up()
    assert python_weights(panel) == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.01)


def test_keys_move_by_one_and_ten_percent(panel):
    critic = slider(panel, "critic")
    critic.focus()
    for key in ("ArrowUp", "ArrowRight", "PageUp", "ArrowDown"):
        critic.press(key)
    assert critic.get_attribute("aria-valuetext") == "51.0%"
    assert critic.evaluate("node => node === document.activeElement")
    assert python_weights(panel)[0] == pytest.approx(0.51)
    critic.press("Home")
    assert python_weights(panel) == pytest.approx([0, 1 / 2, 1 / 3, 1 / 6])
    critic.press("End")
    assert python_weights(panel) == [1, 0, 0, 0]


def test_no_key_is_lost_to_the_kernels_echo(panel):
    critic = slider(panel, "critic")
    critic.focus()
    for i in range(30):
        critic.press("ArrowUp")
        panel.page.wait_for_timeout(i)  # the echo of one key meets the next at some of these
    assert python_weights(panel)[0] == pytest.approx(0.7)


def test_keys_in_the_panel_do_not_reach_the_notebook(panel):
    lock, fan = panel.page.get_by_role("button", name="Lock critic"), slider(panel, "fan")
    panel.page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    for key, pressed in (("Enter", "true"), (" ", "false")):
        lock.press(key)
        assert lock.get_attribute("aria-pressed") == pressed
    for control in (lock, fan):
        for key in ("ArrowDown", "Home"):
            control.press(key)
            assert control.evaluate("node => node === document.activeElement")
            assert panel.page.evaluate(WHERE_JS) == [0, "command"]


def test_a_locked_weight_stays_and_bounds_the_others(panel):
    press(panel, "Lock critic")
    assert slider(panel, "critic").is_disabled()
    assert float(slider(panel, "fan").get_attribute("max")) == pytest.approx(0.6)
    drag(panel, "fan", 0.3, 1)
    assert python_weights(panel) == pytest.approx([0.4, 0.6, 0, 0])
    slider(panel, "fan").press("Home")
    assert python_weights(panel) == pytest.approx([0.4, 0, 0.3, 0.3])
    assert panel.execute("print(panel.locked)") == "[True, False, False, False]"


def test_with_all_others_locked_a_slider_cannot_move(panel):
    for name in ("critic", "fan", "parent"):
        press(panel, f"Lock {name}")
    assert slider(panel, "film student").is_disabled()
    drag(panel, "film student", 0.1, 0.6)
    assert python_weights(panel) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert panel.page.get_by_role("button", name="Uniform").is_disabled()


def test_learned_uniform_undo_and_redo(panel):
    press(panel, "Learned")
    assert python_weights(panel) == pytest.approx([1 / 8, 1 / 8, 1 / 8, 5 / 8])
    press(panel, "Uniform")
    assert python_weights(panel) == pytest.approx([1 / 4] * 4)
    press(panel, "Undo")
    press(panel, "Undo")
    assert python_weights(panel) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    press(panel, "Redo")
    assert python_weights(panel) == pytest.approx([1 / 8, 1 / 8, 1 / 8, 5 / 8])


def test_a_whole_drag_is_one_undo(panel):
    drag(panel, "fan", 0.3, 0.8)
    press(panel, "Undo")
    assert python_weights(panel) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert panel.page.get_by_role("button", name="Undo").is_disabled()


def test_uniform_leaves_locked_weights(panel):
    press(panel, "Lock critic")
    press(panel, "Uniform")
    assert python_weights(panel) == pytest.approx([0.4, 0.2, 0.2, 0.2])


def test_python_moves_the_sliders_and_brings_learned_weights(panel):
    panel.execute("panel.learned = None; panel.weights = [1, 1, 1, 7]")
    assert slider(panel, "film student").get_attribute("aria-valuetext") == "70.0%"
    assert panel.page.get_by_role("button", name="Learned").is_disabled()
    panel.execute("panel.learned = [0, 0, 1, 1]")
    press(panel, "Learned")
    assert python_weights(panel) == pytest.approx([0, 0, 0.5, 0.5])


def test_two_views_of_one_panel_stay_in_step(lab, page):
    notebook = lab.open(page, [BUILD, "panel"])
    notebook.run_all()
    views = page.locator(".mop-weights")
    assert views.count() == 2
    first, second = (views.nth(i).get_by_role("slider", name="Weight of fan") for i in (0, 1))
    first.press("PageUp")
    assert second.get_attribute("aria-valuetext") == "40.0%"
    second.press("ArrowDown")
    assert first.get_attribute("aria-valuetext") == "39.0%"
    views.nth(0).get_by_role("button", name="Undo").click()
    assert second.get_attribute("aria-valuetext") == "40.0%"
    assert python_weights(notebook)[1] == pytest.approx(0.4)


def test_a_name_is_text_and_never_markup(lab, page):
    name = "<img src=x onerror=alert(1)>"
    notebook = lab.open(page, [BUILD, f"WeightsPanel([{name!r}, 'b'], [1, 1])"])
    notebook.run_all()
    assert page.locator(".mop-weights").nth(1).get_by_text(name).is_visible()
    assert page.locator(".mop-weights img").count() == 0


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_photographs(panel, artefacts, theme):
    page = panel.page
    panel.set_theme(f"JupyterLab {theme}")
    press(panel, "Lock critic")
    slider(panel, "fan").press("PageUp")
    page.screenshot(path=artefacts / f"weights-{theme.lower()}.png")
    page.locator(".mop-weights").screenshot(path=artefacts / f"weights-{theme.lower()}-panel.png")
    assert faults(page, ".mop-weights") == []
    panel.set_theme("JupyterLab Light")


@pytest.mark.parametrize(("width", "zoom"), [(400, 1), (1280, 2)])
def test_nothing_overflows_when_narrow_or_zoomed_in(lab, page, artefacts, width, zoom):
    page.set_viewport_size({"width": width // zoom, "height": 900 // zoom})
    panel = lab.open(page, [BUILD])
    panel.run_all()
    page.evaluate("() => jupyterapp.shell.collapseLeft()")
    root = page.locator(".mop-weights")
    root.scroll_into_view_if_needed()
    page.screenshot(path=artefacts / f"weights-{width}px-zoom{zoom}.png")
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert slider(panel, "fan").bounding_box()["width"] > 40
    assert faults(page, ".mop-weights") == []
    stops = tab_stops(page, ".mop-weights")
    assert len(stops) == root.locator("button:visible, input:visible").count()
    assert [stop for stop in stops if not (stop["seen"] and stop["name"])] == []
