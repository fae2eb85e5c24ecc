"""A report in a browser without network: at any width, light and dark, and on paper."""

from __future__ import annotations

import re

import pytest

from tests.charts.report.people import measured_study

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]

WIDTHS = (1400, 1000, 420)
COLOURS_JS = """() => [document.body, document.documentElement]
    .map(node => getComputedStyle(node)).flatMap(style => [style.color, style.backgroundColor])"""
WIDEST_JS = """() => Math.max(...[...document.querySelectorAll("section, svg, table, p")]
    .map(node => node.getBoundingClientRect().right))"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    study = measured_study(folder, is_fitted=False)
    path = study.report("learned", folder / "report.html", with_quotes=True)
    return path.read_text(encoding="utf-8")


def lightness(colour: str) -> float:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_readable_at_any_width_and_runs_no_script(page, report, artefacts, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_content(report)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(WIDEST_JS) <= width
        page.screenshot(path=artefacts / f"report-{scheme}-{width}.png", full_page=True)
    ink, _, _, paper = page.evaluate(COLOURS_JS)
    assert (lightness(ink) > lightness(paper)) == (scheme == "dark")
    assert page.evaluate("window.ran") is None


def test_a_report_is_printed_in_black_on_white(page, report, artefacts):
    page.emulate_media(color_scheme="dark", media="print")
    page.set_content(report)
    ink, _, _, paper = page.evaluate(COLOURS_JS)
    assert (lightness(ink), lightness(paper)) == (0, 255)
    printed = page.pdf(path=artefacts / "report.pdf", format="A4")
    assert printed.startswith(b"%PDF")
