"""Accessibility of a page: violations that axe-core finds, and the Tab stops."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

GRAVE = {"serious", "critical"}
STEPS_JS = """() => {
    const at = document.activeElement;
    if (!at || at === document.body) return null;
    const style = getComputedStyle(at);
    return {
        name: at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText,
        kind: at.getAttribute("role") || at.type || at.tagName.toLowerCase(),
        seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
    };
}"""


def faults(page, selector, *, but=()):
    """Return the serious and critical violations below `selector`, a line for each element.

    Rules named in `but` are the host's, not ours.
    """
    found = Axe().run(page, context=selector).response["violations"]
    return [
        f"{fault['id']} ({fault['impact']}): {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in GRAVE and fault["id"] not in but
        for node in fault["nodes"]
    ]


def tab_stops(page, selector):
    """Return the Tab stops inside `selector`, in order."""
    page.locator(selector).first.evaluate(
        "node => { node.setAttribute('tabindex', '-1'); node.focus(); }"
    )
    stops = []
    for _ in range(200):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "selector => Boolean(document.activeElement.closest(selector))", selector
        )
        if not inside:
            return stops
        stop = page.evaluate(STEPS_JS)
        stops.append(stop | {"seen": stop["seen"] or is_marked(page)})
    raise AssertionError(stops)


def is_marked(page):
    """Return whether the focused element looks different without focus, as a slider does."""
    at = page.evaluate_handle("() => document.activeElement").as_element()
    focused = at.screenshot(animations="disabled")
    at.evaluate("node => node.blur()")
    plain = at.screenshot(animations="disabled")
    at.focus()
    return plain != focused
