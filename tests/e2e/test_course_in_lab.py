"""The game of exercise 2 in JupyterLab: a slider is moved, and the score follows."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.browser

EXERCISE = ROOT / "notebooks" / "exercises" / "02_weights.ipynb"


def test_a_slider_moved_by_keyboard_is_scored_and_verdicts_read_in_the_dark_at_twice_the_size(
    lab, page, artefacts
):
    notebook = lab.open(page, EXERCISE)
    notebook.run_all()
    page.locator(".mop-alignment").wait_for()
    before = float(notebook.execute("print(game.score().total_variation)"))
    slider = page.get_by_role("slider", name="Weight of hungry", exact=True)
    slider.focus()
    for _ in range(4):
        slider.press("PageUp")
    notebook.settle()
    weight = float(notebook.execute("print(game.study.panel_weights['hungry'])"))
    after = float(notebook.execute("print(game.score().total_variation)"))
    assert weight > 0.25
    assert after < before
    slider.scroll_into_view_if_needed()
    page.screenshot(path=artefacts / "course_game.png")
    notebook.set_theme("JupyterLab Dark")
    page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
    page.set_viewport_size({"width": 640, "height": 450})  # of 1280 x 900, at 200 %
    verdict = page.get_by_role("status").filter(has_text="2.2 to do:").first
    verdict.scroll_into_view_if_needed()
    ink, shade = verdict.evaluate(
        "box => [getComputedStyle(box).color, getComputedStyle(document.body).backgroundColor]"
    )
    page.screenshot(path=artefacts / "course_verdict_dark.png")
    box = verdict.bounding_box()
    page.set_viewport_size({"width": 1280, "height": 900})
    notebook.set_theme("JupyterLab Light")
    assert box["x"] + box["width"] <= 640
    assert min(channels(ink)) > 180
    assert max(channels(shade)) < 100


def channels(colour):
    """Return red, green and blue of a computed colour."""
    return [int(number) for number in re.findall(r"\d+", colour)[:3]]
