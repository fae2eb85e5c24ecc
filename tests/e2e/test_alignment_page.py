"""The exported alignment page in a browser without network: metrics, responses, code."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbconvert import HTMLExporter

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.survey.asking import ask
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.weighting.comparison import compare
from jupyter_mop.engine.weighting.persona_counts import ClosedQuestion
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics
from jupyter_mop.engine.weighting.weight_matching import match
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
from tests.e2e.accessibility import faults, tab_stops

pytestmark = pytest.mark.browser

WORDS = ["sun", "rain", "wind", "snow", "fog", "hail"]
NAMES = ["critic", "fan", "parent", "film student"]
ATTACK = "<img src=x onerror='window.ran=1'><script>window.ran=1</script>"
HOSTILE = [
    ATTACK,
    "</script><svg onload=window.ran=1>",
    "javascript:window.ran=1",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 sun",
    "control \x00\x01\x07\x1b[31m\x7f\u2028 rain",
    "x" * 100_000,
    "{{constructor.constructor('window.ran=1')()}} ${window.ran=1} wind",
]
DRAWN_JS = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
MEASURE_JS = """moves => {
    const waiting = [];
    const own = window.requestAnimationFrame;
    window.requestAnimationFrame = callback => waiting.push(callback);
    const sliders = [...document.querySelectorAll(".mop-alignment input[type=range]")];
    const took = [];
    for (let i = 0; i < moves; i++) {
        const slider = sliders[i % sliders.length];
        const start = performance.now();
        slider.value = 0.02 + 0.3 * Math.abs(Math.sin(i));
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        for (const callback of waiting.splice(0)) callback(performance.now());
        document.body.getBoundingClientRect();
        took.push(performance.now() - start);
    }
    window.requestAnimationFrame = own;
    return took;
}"""

HOVER_JS = """moves => {
    const waiting = [];
    const own = window.requestAnimationFrame;
    window.requestAnimationFrame = callback => waiting.push(callback);
    const marks = document.querySelector(".mop-marks");
    const { left, top, width, height } = marks.getBoundingClientRect();
    const took = [];
    for (let i = 0; i < moves; i++) {
        const start = performance.now();
        const [clientX, clientY] = [left + ((37 * i) % width), top + ((53 * i) % height)];
        marks.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
        for (const callback of waiting.splice(0)) callback(performance.now());
        document.body.getBoundingClientRect();
        took.push(performance.now() - start);
    }
    window.requestAnimationFrame = own;
    return took;
}"""


def random_texts(n, seed, favourite=None):
    rng = np.random.default_rng(seed)
    probabilities = np.ones(len(WORDS))
    if favourite is not None:
        probabilities[favourite % len(WORDS)] = 4
    probabilities /= probabilities.sum()
    return [" ".join(rng.choice(WORDS, rng.integers(2, 10), p=probabilities)) for _ in range(n)]


def comparison_of(names=NAMES, n=240, *, drawn=None, hostile=False, topics=("weather",)):
    drawn = names if drawn is None else drawn
    each = n // len(drawn)
    responses = [text for k in range(len(drawn)) for text in random_texts(each, k + 1, k)]
    real = random_texts(2 * n, 0)
    if hostile:
        real[: len(HOSTILE)] = HOSTILE
        responses[: len(HOSTILE)] = HOSTILE
    frame = pd.DataFrame(
        {
            "context": ATTACK if hostile else np.resize(topics, n),
            "persona": np.repeat(np.array(drawn, dtype=object), each),
            "exemplar": None,
            "response": responses,
            "weight": 1.0,
        }
    )
    facts = {"name": "sky", "personas": {name: f"You are {name}." for name in names}}
    real_frame = pd.DataFrame({"topic": np.resize(topics, 2 * n), "text": real})
    return compare(
        Population.from_frame(real_frame, context="topic", response="text"),
        Simulation(frame, provenance=facts),
        encoder=ToyEncoder(WORDS),
    )


@pytest.fixture(scope="module")
def comparison():
    return comparison_of()


@pytest.fixture
def tab(chromium):
    """Open a page without network; its requests, errors and dialogs are recorded."""
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(
            chromium.new_context(
                viewport={"width": 1280, "height": 1000},
                offline=True,
                permissions=["clipboard-read", "clipboard-write"],
            )
        )
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.requests, page.faults, page.dialogs = [], [], []
        page.on("request", lambda request: page.requests.append(request.url[:40]))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
        yield page
        outside = [url for url in page.requests if not url.startswith(("file:", "blob:"))]
        assert (outside, page.faults, page.dialogs) == ([], [], [])


@pytest.fixture
def show(tab, tmp_path):
    def shown(comparison, **settings):
        path = AlignmentPanel(comparison, **settings).to_html(tmp_path / "panel.html")
        tab.goto(path.as_uri())
        tab.locator(".mop-alignment").wait_for()
        return tab

    return shown


def figures(page):
    page.evaluate(DRAWN_JS)
    cards = page.locator(".mop-card[data-metric]").evaluate_all(
        "cards => cards.map(card => [card.dataset.metric, card.dataset.value])"
    )
    return {name: float(value) for name, value in cards}


def weights(page):
    """Return the weights as drawn, without rounding, from the sliders."""
    page.evaluate(DRAWN_JS)
    sliders = page.locator(".mop-alignment input[type=range]")
    return sliders.evaluate_all("sliders => sliders.map(slider => Number(slider.value))")


def slider(page, name):
    return page.get_by_role("slider", name=f"Weight of {name}", exact=True)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).first.click()


def dot(page, comparison, row):
    """Return the position of a response on the page, from the coordinates in Python."""
    places = comparison.points[["x", "y"]].to_numpy("float32")
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    box = page.locator(".mop-marks").bounding_box()
    x, y = ((places[row] - low) / span).tolist()
    return (
        box["x"] + 14 + x * (box["width"] - 28),
        box["y"] + box["height"] - 14 - y * (box["height"] - 28),
    )


def lonely(comparison):
    """Return the response that is farthest from all others on the map."""
    places = comparison.points[["x", "y"]].to_numpy()
    places = (places - places.min(axis=0)) / np.ptp(places, axis=0)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places)) * 9
    return int(gaps.min(axis=1).argmax())


def test_metrics_in_the_page_equal_pythons(show, comparison):
    page = show(comparison)
    expected = comparison.statistics.metrics([0.25] * 4)
    assert figures(page) == pytest.approx(expected, abs=1e-6)
    assert set(expected) == {"FID", "MAUVE", "KL cosine", "length"}


def test_dragging_a_slider_changes_metrics_as_in_python(show, comparison):
    page = show(comparison)
    before = figures(page)
    track = slider(page, "fan").locator("..").bounding_box()
    at = [track["x"] + 7 + share * (track["width"] - 14) for share in (0.25, 0.6)]
    middle = track["y"] + track["height"] / 2
    page.mouse.move(at[0], middle)
    page.mouse.down()
    page.mouse.move(at[1], middle, steps=10)
    page.mouse.up()
    page.wait_for_timeout(100)
    now = weights(page)
    assert now[1] == pytest.approx(0.6, abs=0.02)
    assert sum(now) == pytest.approx(1, abs=1e-9)
    expected = comparison.statistics.metrics(np.array(now) / sum(now))
    assert figures(page) == pytest.approx(expected, abs=1e-6)
    assert figures(page) != pytest.approx(before, abs=1e-3)
    size = float(page.locator(".mop-alignment").get_attribute("data-size"))
    assert size == pytest.approx(comparison.statistics.effective_sample_size(now), rel=1e-6)
    press(page, "Undo")
    assert weights(page) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("width", [1000, 1400])
def test_metrics_by_context_follow_a_slider_as_in_python(show, tab, artefacts, width):
    tab.set_viewport_size({"width": width, "height": 1000})
    comparison = comparison_of(topics=("sea", "hills"))
    page = show(comparison)
    before = figures(page)
    assert list(before) == ["FID", "MAUVE", "KL cosine", "joint FID", "fidelity", "length"]
    slider(page, "fan").press("PageUp")
    slider(page, "fan").press("PageUp")
    now = np.array(weights(page))
    assert figures(page) == pytest.approx(comparison.statistics.metrics(now), abs=1e-6)
    assert figures(page)["joint FID"] != pytest.approx(before["joint FID"], abs=1e-5)
    floor = comparison.floors_at(now)["fidelity"]
    assert page.locator("[data-metric=fidelity] .mop-floor-text").inner_text() == (
        f"human floor {floor:.3f}"
    )
    cut = page.locator("[data-metric] h4").evaluate_all(
        "heads => heads.filter(head => head.scrollWidth > head.clientWidth).length"
    )
    assert cut == 0
    page.screenshot(path=artefacts / f"alignment-by-context-{width}.png")


def test_keys_numbers_locks_solo_and_mute(show, comparison):
    page = show(comparison, learned=[4, 3, 2, 1])
    press(page, "Learned")
    assert weights(page) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    slider(page, "critic").press("PageUp")
    assert weights(page)[0] == pytest.approx(0.5)
    box = page.get_by_role("spinbutton", name="Weight of fan in percent")
    box.fill("40")
    box.press("Enter")
    assert weights(page)[1] == pytest.approx(0.4)
    assert box.input_value() == "40.0"
    press(page, "Lock fan")
    press(page, "Mute critic")
    assert weights(page)[:2] == pytest.approx([0, 0.4])
    assert slider(page, "critic").is_disabled()
    press(page, "Mute critic")
    press(page, "Solo parent")
    assert weights(page) == pytest.approx([0, 0, 1, 0])
    press(page, "Solo parent")
    assert weights(page)[1] == pytest.approx(0.4)
    press(page, "Lock fan")
    press(page, "Uniform")
    assert weights(page) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("figure", ["FID", "MAUVE", "KL cosine"])
def test_align_finds_what_python_finds(show, comparison, figure):
    page = show(comparison)
    page.get_by_label("Metric to align").select_option(figure)
    press(page, "Align")
    page.wait_for_timeout(100)
    found = match(comparison.statistics, figure, [0.25] * 4)
    assert weights(page) == pytest.approx(found.weights, abs=1e-5)
    assert figures(page)[figure] == pytest.approx(found.after, abs=1e-6)
    text = page.locator(".mop-message").inner_text()
    better = text.removeprefix(f"{figure} better by ").split(" on the responses that chose")[0]
    assert float(better) == pytest.approx(abs(found.after - found.before), abs=1e-3)
    assert text.endswith("; a gain on other responses is smaller")


def test_align_leaves_locked_and_muted_personas(show, comparison):
    page = show(comparison)
    press(page, "Lock critic")
    press(page, "Mute fan")
    press(page, "Align")
    page.wait_for_timeout(100)
    assert weights(page)[:2] == pytest.approx([0.25, 0])
    assert weights(page)[2] != pytest.approx(weights(page)[3], abs=0.01)


def test_hovering_and_clicking_a_point_shows_its_response(show, comparison):
    page = show(comparison)
    row = lonely(comparison)
    point = comparison.points.iloc[row]
    page.mouse.move(*dot(page, comparison, row))
    page.get_by_role("tooltip").wait_for()
    assert point["response"] in page.get_by_role("tooltip").inner_text()
    page.mouse.click(*dot(page, comparison, row))
    card = page.get_by_role("article", name="Response")
    assert card.locator("blockquote").inner_text() == point["response"]
    page.keyboard.press("Escape")
    assert card.is_hidden()


def test_a_listed_response_shows_persona_and_prompt(show, comparison):
    page = show(comparison)
    page.locator(".mop-list .mop-item").first.press("Enter")
    card = page.get_by_role("article", name="Response")
    first = comparison.points[comparison.points["persona"] == "critic"].iloc[0]
    assert card.locator("blockquote").inner_text() == first["response"]
    assert card.locator("dd").all_inner_texts() == ["critic", "weather", first["prompt"]]


def test_search_lists_and_counts_what_it_finds(show, comparison):
    page = show(comparison)
    page.get_by_label("Search the responses").fill("SUN RAIN")
    found = comparison.points["response"].str.contains("sun rain").sum()
    page.get_by_text(f"{found} of 480 responses match").wait_for()
    listed = page.locator(".mop-list .mop-response").all_inner_texts()
    assert len(listed) == min(found, 60)
    assert all("sun rain" in text for text in listed)
    press(page, "Clear")
    assert page.get_by_label("Search the responses").input_value() == ""
    assert page.locator(".mop-list .mop-item").count() == len(NAMES)


def test_a_rectangle_lists_its_responses(show, comparison):
    page = show(comparison)
    box = page.locator(".mop-marks").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=5)
    page.mouse.up()
    page.get_by_text("480 of 480 responses selected; the first 60 are listed").wait_for()


def test_the_map_zooms_and_points_stay_readable(show, comparison):
    page = show(comparison)
    row = lonely(comparison)
    box, (x, y) = page.locator(".mop-marks").bounding_box(), dot(page, comparison, row)
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.mouse.click(x, y)
    card = page.get_by_role("article", name="Response")
    assert card.locator("blockquote").inner_text() == comparison.points["response"][row]
    press(page, "Zoom in")
    assert page.locator(".mop-marks").bounding_box()["width"] == box["width"]
    press(page, "Whole map")
    assert page.get_by_role("button", name="Zoom out").is_disabled()


def test_missing_clusters_are_listed_by_gap(show, comparison):
    page = show(comparison)
    statistics = comparison.statistics
    gap = statistics.target_clusters - np.full(4, 0.25) @ statistics.clusters
    shown = page.locator(".mop-cluster").evaluate_all("all => all.map(c => c.dataset.cluster)")
    assert len(shown) == min(6, (gap > 1e-4).sum())
    assert gap[[int(c) for c in shown]] == pytest.approx(np.sort(gap)[::-1][: len(shown)])
    worst = comparison.points[comparison.points["cluster"] == int(shown[0])]
    real = set(worst.loc[worst["source"] == "real", "response"])
    assert (
        set(page.locator(".mop-cluster").first.locator(".mop-response").all_inner_texts()) <= real
    )
    page.get_by_role("button", name="real ").first.click()
    page.get_by_text(f"{len(worst)} of 480 responses in this cluster").wait_for()


def code_of(page):
    press(page, "Copy as code")
    code = page.get_by_label("Code of these weights").input_value()
    assert page.evaluate("() => navigator.clipboard.readText()") == code
    return code


def test_copied_code_gives_the_weights_back(show, comparison):
    page = show(comparison, weights=[5, 3, 1, 2])
    code = code_of(page)
    start, end = '%mop_reweight sky --weights "', " --as sky_2"
    assert code.startswith(start)
    assert code.endswith(end)
    text = code.removeprefix(start[:-1]).removesuffix(end)
    found = arguments.weights(InteractiveShell.instance(), text)
    assert list(found) == NAMES
    assert list(found.values()) == pytest.approx([5 / 11, 3 / 11, 1 / 11, 2 / 11], abs=1e-4)
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)


def test_names_that_the_magic_cannot_take_are_copied_as_python(show):
    names = ['he said "no"', "a, b", "{x} $y", "back\\slash \u202e\n\U0001f600", ATTACK]
    page = show(comparison_of(names), weights=[5, 4, 3, 2, 1])

    class Study:
        def reweight(self, name, weights, *, kept_as):
            return name, weights, kept_as

    name, found, kept_as = eval(code_of(page), {"study": Study()})  # noqa: S307  that is what is tested
    assert (name, kept_as) == ("sky", "sky_2")
    assert list(found) == names
    assert list(found.values()) == pytest.approx(np.arange(5, 0, -1) / 15, abs=1e-4)


def test_hostile_texts_are_shown_and_never_run(show):
    names = [f"{ATTACK} {k}" for k in range(3)] + ["\u202e" + "n" * 100_000]
    comparison = comparison_of(names, hostile=True)
    page = show(comparison)
    page.evaluate("() => { window.ran = window.ran ?? 0; }")
    for k, text in enumerate(HOSTILE):
        rows = comparison.points.index[comparison.points["response"] == text]
        page.get_by_label("Search the responses").fill(text[:60].replace("\u2028", ""))
        page.wait_for_timeout(200)
        page.mouse.move(*dot(page, comparison, int(rows[-1])))
        page.mouse.click(*dot(page, comparison, int(rows[-1])))
        if k == 0:
            item = page.locator(f".mop-list [data-point='{rows[-1]}']")
            item.click()
            shown = page.get_by_role("article", name="Response").locator("blockquote")
            assert shown.text_content() == text
    press(page, "Align")
    press(page, "Copy as code")
    assert page.evaluate("() => window.ran") == 0
    assert page.locator(".mop-alignment :is(img, script)").count() == 0
    root = page.locator(".mop-alignment")
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_the_panel_says_why_a_weight_cannot_move(show):
    page = show(comparison_of([*NAMES, "ghost"], drawn=NAMES))
    assert slider(page, "ghost").is_disabled()
    page.get_by_text("no draws: simulate with more weight on ghost").wait_for()
    for name in NAMES[:3]:
        press(page, f"Lock {name}")
    page.get_by_text("Only one persona is free").wait_for()
    assert page.get_by_role("button", name="Align", exact=True).is_disabled()
    press(page, "Lock film student")
    page.get_by_text("Every persona that can have weight is locked or muted").wait_for()


def test_the_panel_says_how_many_draws_are_missing(show, comparison):
    page = show(comparison)
    press(page, "Solo fan")
    page.get_by_text("simulate about 40 more of fan").wait_for()


def test_moves_are_timed_from_the_slider_to_the_screen(show, record_property):
    names = [f"persona {k}" for k in range(20)]
    page = show(comparison_of(names, n=1000))
    assert page.locator(".mop-persona").count() == 20
    page.evaluate(MEASURE_JS, 40)
    took = np.array(page.evaluate(MEASURE_JS, 200))
    slow = float(np.percentile(took, 95))
    record_property("slider_to_screen_ms", slow)
    print(f"slider to screen, 20 personas, 2,000 points: median {np.median(took):.1f} ms, "
          f"95th percentile {slow:.1f} ms of 200 moves")  # fmt: skip
    assert len(took) == 200
    assert np.median(took) < 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 380])
def test_photographs(show, comparison, artefacts, scheme, width):
    page = show(comparison, learned=[4, 3, 2, 1])
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 1000})
    slider(page, "fan").press("PageUp")
    page.mouse.move(*dot(page, comparison, lonely(comparison)))
    page.wait_for_timeout(200)
    page.screenshot(path=artefacts / f"alignment-{scheme}-{width}.png", full_page=True)
    root = page.locator(".mop-alignment")
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert page.evaluate("() => document.body.scrollWidth <= window.innerWidth")
    assert faults(page, "html") == []


def test_inaccessible_elements_are_found(show, comparison):
    page = show(comparison)
    page.evaluate(
        "() => document.querySelector('.mop-alignment').append("
        "Object.assign(document.createElement('p'), { textContent: 'faint', style: "
        "'color: #bbb; background: #fff' }), document.createElement('button'))"
    )
    found = [line.split()[0] for line in faults(page, "html")]
    assert sorted(found) == ["button-name", "color-contrast"]


def test_tab_reaches_everything_that_a_mouse_can_use(show, comparison):
    page = show(comparison, learned=[4, 3, 2, 1])
    page.set_viewport_size({"width": 640, "height": 500})  # as at 200 % in 1280 x 1000
    stops = tab_stops(page, ".mop-alignment")
    assert [s for s in stops if not (s["seen"] and (s["name"] or "").strip())] == []
    usable = (
        "button:visible, input:visible, select:visible, summary:visible, [tabindex='0']:visible"
    )
    reached = page.locator(".mop-alignment").locator(usable)
    assert len(stops) == reached.count()
    kinds = {stop["kind"] for stop in stops}
    assert {"range", "number", "search", "select-one", "button"} <= kinds


LAB = """
import numpy as np, pandas as pd
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.weighting.comparison import compare
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics
from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
rng, words = np.random.default_rng(0), ["sun", "rain", "wind", "snow"]
texts = [" ".join(rng.choice(words, rng.integers(2, 9))) for _ in range(450)]
real = pd.DataFrame({"topic": "weather", "text": texts[150:]})
drawn = pd.DataFrame({"context": "weather", "persona": ["critic", "fan", "parent"] * 50,
                      "exemplar": None, "response": texts[:150], "weight": 1.0})
target = Population.from_frame(real, context="topic", response="text")
comparison = compare(target, Simulation(drawn, provenance={"name": "sky"}),
                     encoder=ToyEncoder(words))
panel = AlignmentPanel(comparison, learned=[3, 2, 1])
panel
"""


def test_with_a_kernel_python_follows_and_computes_exact_metrics(lab, page, artefacts):
    notebook = lab.open(page, [LAB])
    notebook.run_all()
    page.locator(".mop-alignment").wait_for()
    page.get_by_role("slider", name="Weight of fan").press("PageUp")
    kind = page.locator("[data-metric=FID] .mop-kind")
    kind.filter(has_text="exact [").wait_for()
    text = notebook.execute("print(*panel.weights, panel.exact['metrics']['FID']['value'])")
    numbers = [float(text) for text in text.split()]
    assert numbers[:3] == pytest.approx([0.283, 0.433, 0.283], abs=1e-3)
    shown = page.locator("[data-metric=FID] .mop-value").inner_text()
    assert float(shown) == pytest.approx(numbers[3], abs=1e-3)
    press(page, "Align")
    page.locator(".mop-message", has_text="; on others ").wait_for()
    page.locator(".mop-message", has_not_text="…").wait_for()
    notebook.execute("panel.weights = [1, 1, 2]")
    page.wait_for_function(
        "() => document.querySelector('.mop-alignment input[type=range]').value === '0.25'"
    )
    kind.filter(has_text="fast estimate").wait_for()
    kind.filter(has_text="exact [").wait_for()
    for theme in ("Light", "Dark"):
        notebook.set_theme(f"JupyterLab {theme}")
        page.locator(".mop-alignment").screenshot(path=artefacts / f"alignment-lab-{theme}.png")
        assert faults(page, ".mop-alignment") == []
    notebook.set_theme("JupyterLab Light")


def test_the_panel_is_live_in_nbconverts_page(chromium, comparison, tmp_path):
    bundle, _ = AlignmentPanel(comparison)._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=bundle)
    cell = nbformat.v4.new_code_cell("%mop_panel", outputs=[output])
    html, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    path = tmp_path / "notebook.html"
    path.write_text(html, encoding="utf-8")
    with chromium.new_context(offline=True, java_script_enabled=False) as context:
        still = context.new_page()
        still.goto(path.as_uri(), wait_until="domcontentloaded")
        assert still.get_by_role("cell", name="film student").is_visible()
    with chromium.new_context(offline=True) as context:
        page = context.new_page()
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        slider(page, "fan").press("PageUp")
        expected = comparison.statistics.metrics([0.65 / 3, 0.35, 0.65 / 3, 0.65 / 3])
        assert figures(page) == pytest.approx(expected, abs=1e-6)
        assert page.get_by_role("cell", name="film student").count() == 0


def test_fifty_thousand_points_hover_smoothly(show, comparison):
    points = pd.concat([comparison.points] * 105, ignore_index=True)[:50_000]
    points = points.sort_values("source", kind="stable", ignore_index=True)
    points[["x", "y"]] += np.random.default_rng(0).normal(size=(len(points), 2)) * 0.05
    page = show(replace(comparison, points=points, thinned=(50_000, 60_000)))
    page.get_by_text("The map shows 50,000 of 60,000 responses").wait_for()
    rounds = [np.percentile(page.evaluate(HOVER_JS, 200), 95) for _ in range(3)]
    slow = min(rounds)  # the page's own time: a busy machine only adds to a round
    moves = np.array(page.evaluate(MEASURE_JS, 40))
    print(f"50,000 points: hover, 95th percentile {slow:.1f} ms; "
          f"slider to screen, median {np.median(moves):.0f} ms")  # fmt: skip
    assert slow < 16


def closed(comparison):
    """Return the same personas on a closed question with ordered options."""
    options, rng = ["never", "sometimes", ATTACK, "always"], np.random.default_rng(0)
    vectors = rng.normal(size=(240, 6)), rng.normal(size=(240, 6))
    codes = np.repeat(np.arange(4), 60)
    answers = [options[min(3, k // 60 + rng.integers(0, 2))] for k in range(240)]
    statistics = PersonaStatistics.measure(
        *vectors,
        codes,
        NAMES,
        target_texts=rng.choice(options, 240).tolist(),
        texts=answers,
        question=ClosedQuestion(tuple(options), ordered=True),
    )
    return replace(comparison, statistics=statistics)


def test_closed_answers_are_bars_with_the_real_ones(show, comparison, artefacts):
    closed_comparison = closed(comparison)
    page = show(closed_comparison)
    slider(page, "fan").press("PageUp")
    weights_now = [0.65 / 3, 0.35, 0.65 / 3, 0.65 / 3]
    expected = closed_comparison.statistics.metrics(weights_now)
    shown = figures(page)
    assert list(shown) == ["TV", "JS", "W1"]
    assert shown == pytest.approx({name: expected[name] for name in shown}, abs=1e-6)
    first = page.locator(".mop-cards .mop-card").first
    assert first.locator("h4").inner_text().startswith("Answers")
    assert page.locator(".mop-map, .mop-density, .mop-missing").count() == 0
    bars = page.locator(".mop-answer")
    shares = bars.evaluate_all("all => all.map(bar => Number(bar.dataset.share))")
    assert shares == pytest.approx(
        weights_now @ closed_comparison.statistics.option_shares.personas, abs=1e-9
    )
    assert page.locator(".mop-answer .mop-name").nth(2).inner_text() == ATTACK
    page.screenshot(path=artefacts / "alignment-closed.png", full_page=True)
    assert faults(page, "html") == []


def test_the_exact_shares_of_an_answer_follow_a_slider(show, artefacts):
    texts = np.random.default_rng(0).choice(WORDS[:3], 400, p=[0.3, 0.5, 0.2])
    frame = pd.DataFrame({"hour": ["dawn", "dusk"] * 200, "text": texts})
    people = Population.from_frame(frame, context="hour", response="text")
    personas = "critic: You say rain.\nfan: You say sun.\nparent: You say wind."
    question = Question("What at {hour}?", [*WORDS[:3], "none"])
    answer = ask(question, people, personas, ToyBackend([*WORDS, "none"]))
    comparison = compare(people, answer.draw(200), encoder=ToyEncoder(WORDS))
    page = show(comparison)
    bars = page.locator(".mop-answer")
    bars.first.scroll_into_view_if_needed()
    before = [
        bar.bounding_box()["width"] for bar in page.locator(".mop-answer .mop-simulated").all()
    ]
    track = slider(page, "critic").locator("..").bounding_box()
    middle = track["y"] + track["height"] / 2
    page.mouse.move(track["x"] + 7 + weights(page)[0] * (track["width"] - 14), middle)
    page.mouse.down()
    page.mouse.move(track["x"] + 7 + 0.8 * (track["width"] - 14), middle, steps=8)
    page.mouse.up()
    now = weights(page)
    assert now[0] == pytest.approx(0.8, abs=0.03)
    shares = bars.evaluate_all("all => all.map(bar => Number(bar.dataset.share))")
    assert shares == pytest.approx(answer.reweighted(now).shares(), abs=2e-3)
    after = [
        bar.bounding_box()["width"] for bar in page.locator(".mop-answer .mop-simulated").all()
    ]
    assert (np.sign(np.subtract(after, before))[:3] == [-1, 1, -1]).all()
    assert "exact shares" in page.locator(".mop-answers h4").inner_text()
    real = comparison.statistics.option_shares.target[1]
    text = f"rain: simulated {100 * shares[1]:.1f}%, real {100 * real:.1f}%"
    assert bars.nth(1).get_attribute("aria-label") == text
    page.screenshot(path=artefacts / "alignment-answer.png", full_page=True)
