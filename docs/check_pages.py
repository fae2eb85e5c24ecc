"""Open the built pages from disk in a real Chromium: python docs/check_pages.py, after `make docs`.

Every request that is not to a file, data or a blob is stopped and reported. Screenshots are written
to build/docs-screenshots.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pictures import browser_fixtures
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build" / "docs"
SHOTS = ROOT / "build" / "docs-screenshots"
PHOTOGRAPHED = [
    "index",
    "magics/index",
    "magics/mop_fit",
    "magics/mop_panel",
    "magics/mop_personas",
    "howto/own-model",
    "find-your-way",
    "method",
    "trust",
    "notebooks/01_quickstart",
    "reference/index",
    "reference/Study",
    "reference/jupyter_mop.engine.metrics.alignment_table",
]
OVERFLOW_JS = "() => document.documentElement.scrollWidth - window.innerWidth"

chromium = browser_fixtures().chromium


@pytest.fixture
def disk(chromium: Any) -> Iterator[Any]:
    """Give a page that may read from disk only; any other request, or an error, fails the test."""
    faults: list[str] = []

    def guard(route: Any) -> None:
        if urlsplit(route.request.url).scheme in {"file", "data", "blob"}:
            route.continue_()
        else:
            faults.append(route.request.url)
            route.abort()

    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.route("**/*", guard)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda m: m.type == "error" and faults.append(f"{page.url}: {m.text}"))
        page.on("websocket", lambda socket: faults.append(socket.url))
        yield page
    assert faults == []


def open_page(page: Any, name: str) -> None:
    """Open a built page from disk."""
    page.goto((PAGES / f"{name}.html").as_uri())


def test_every_page_opens_from_disk_without_outside_requests(disk: Any) -> None:
    """Open every page; the fixture reports requests and errors."""
    files = sorted(PAGES.rglob("*.html"))
    assert len(files) > 100
    for file in files:
        disk.goto(file.as_uri())
        assert disk.title()


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("refits", "magics/mop_fit.html"),
        ("MixtureOfPersonas", "reference/MixtureOfPersonas.html"),
        (
            "effective sample size",
            "reference/jupyter_mop.engine.simulation.importance_weights.html",
        ),
        ("keyring", "howto/own-model.html"),
    ],
)
def test_the_search_works_from_disk(disk: Any, words: str, target: str) -> None:
    """Type into the search field of the start page, press Enter, and follow the result."""
    open_page(disk, "index")
    disk.locator("input[name=q]").first.fill(words)
    disk.locator("input[name=q]").first.press("Enter")
    found = disk.locator(f"#search-results a[href*='{target}']").first
    found.wait_for(timeout=20_000)
    disk.screenshot(path=SHOTS / f"search-{words.split(maxsplit=1)[0]}.png")
    found.click()
    disk.wait_for_url(f"**/{target}*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_pages_fit_wide_and_narrow_screens(disk: Any, scheme: str, width: int) -> None:
    """Take a screenshot of typical pages; none may be wider than the screen."""
    disk.emulate_media(color_scheme=scheme)
    disk.set_viewport_size({"width": width, "height": 900})
    overflow = {}
    for name in PHOTOGRAPHED:
        open_page(disk, name)
        disk.wait_for_timeout(300)
        overflow[name] = disk.evaluate(OVERFLOW_JS)
        disk.screenshot(
            path=SHOTS / f"{name.replace('/', '-')}-{scheme}-{width}.png", full_page=True
        )
    assert {name: by for name, by in overflow.items() if by > 0} == {}


def test_formulas_are_rendered_by_the_browser(disk: Any) -> None:
    """Formulas are MathML and have a height."""
    open_page(disk, "method")
    formulas = disk.locator(".formula math")
    assert formulas.count() > 5
    sizes = formulas.evaluate_all("all => all.map(node => node.getBoundingClientRect().height)")
    assert min(sizes) > 15
    assert disk.locator("text=/\\$\\$|\\\\\\\\frac/").count() == 0


def test_the_panel_on_the_magics_page_works(disk: Any) -> None:
    """Move a slider: the weights follow, without a kernel."""
    open_page(disk, "magics/mop_panel")
    slider = disk.get_by_role("slider").first
    slider.wait_for()
    before = slider.input_value()
    slider.press("PageUp")
    expect(slider).not_to_have_value(before)


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q"]))
