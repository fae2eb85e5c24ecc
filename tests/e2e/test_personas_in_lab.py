"""The persona panel in JupyterLab: every edit, its undo, and the result in Python."""

from __future__ import annotations

import json

import pytest

from tests.e2e.accessibility import faults, tab_stops

pytestmark = pytest.mark.browser

BUILD = """
import pandas as pd
from IPython import get_ipython
from jupyter_mop import Persona, Study, ToyBackend, ToyEncoder
%load_ext jupyter_mop
words = ["slow", "loud", "warm", "plain", "bright", "long"]
texts = ["slow, long", "loud, bright", "warm, plain", "bright, warm", "long, loud", "plain"]
df = pd.DataFrame({"film": ["drama", "comedy", "musical"] * 40, "text": texts * 20})
study = Study(ToyBackend(words), ToyEncoder(words))
get_ipython().magics_manager.registry["MopMagics"].study = study
study.use_personas('''
critic [0.5]: You judge films for a living and you call most of them slow or long.
fan: You love what is loud and bright, and you say so.
parent: You watch with children: you want films warm and plain.
''')
study.use_population(df, context="film", response="text")
"""
FIT = "study.fit(n_exemplars=6, n_records=40);"
OPEN = "%mop_personas --edit"
BY_HAND = """
from jupyter_mop.notebook.panels import persona_panel
panel = persona_panel(study)
panel
"""
SLOW = """
import time
class Slow(ToyBackend):
    def generate(self, *requests, **options):
        time.sleep(2)
        return super().generate(*requests, **options)
study.use_backend(Slow(words, length=3));
"""
ASK = "import json; print(json.dumps([[p.name, p.description, p.weight] for p in study.personas]))"
WHERE_JS = """() => {
    const notebook = jupyterapp.shell.currentWidget.content;
    return [notebook.activeCellIndex, notebook.mode];
}"""
PASTE_JS = """async source => {
    const { commands, shell } = jupyterapp, notebook = shell.currentWidget.content;
    notebook.activeCellIndex = notebook.widgets.length - 1;
    await commands.execute("notebook:insert-cell-below");
    notebook.activeCell.model.sharedModel.setSource(source);
    await commands.execute("notebook:run-cell");
    const outputs = notebook.activeCell.model.outputs.toJSON();
    await commands.execute("notebook:delete-cell");
    return outputs.map(output => output.output_type);
}"""
HOSTILE = (
    '<img src=x onerror="window.hacked=1"> <script>window.hacked=1</script> \u202e\U0001f600: [0.4]'
)


@pytest.fixture(scope="module")
def notebook(lab, shared_page):
    return lab.open(shared_page, [BUILD, FIT, OPEN])


@pytest.fixture
def panel(notebook):
    """Build study and panel anew, so that each test starts from the same personas."""
    notebook.run_all()
    notebook.page.locator(".mop-personas .mop-context").first.wait_for()
    return notebook


def personas(notebook):
    return json.loads(notebook.execute(ASK))


def names(notebook):
    return [name for name, *_ in personas(notebook)]


def press(notebook, name):
    notebook.page.get_by_role("button", name=name, exact=True).click()
    notebook.settle()


def field(notebook, name):
    return notebook.page.get_by_role("textbox", name=name, exact=True)


def put(notebook, name, text):
    field(notebook, name).fill(text)
    field(notebook, name).blur()
    notebook.settle()


def card(notebook, name):
    return notebook.page.get_by_role("group", name=name, exact=True)


def test_a_card_shows_weight_and_nearest_records(panel):
    text = card(panel, "critic").inner_text()
    learned = panel.execute("print(f'{study.weights()[\"critic\"]:.1%}')")
    assert f"{learned} learned" in text
    assert "slow, long" in text
    assert "sets the fit aside" in panel.page.locator(".mop-notice").inner_text()


def test_the_learned_weights_can_be_stated(panel):
    learned = json.loads(
        panel.execute("import json; print(json.dumps(list(study.weights().values())))")
    )
    press(panel, "State the learned weights")
    assert [weight for *_, weight in personas(panel)] == pytest.approx(learned, abs=1e-4)
    assert "stated" in card(panel, "critic").inner_text()
    assert not panel.page.get_by_role("button", name="State the learned weights").is_visible()


def test_rename_edit_split_merge_delete_and_undo_everything(panel):
    before, fitted = personas(panel), panel.execute("print(id(study.mixture))")
    put(panel, "Name of critic", "judge")
    put(panel, "Description of judge", "You judge films.")
    assert personas(panel)[0] == ["judge", "You judge films.", 0.5]
    press(panel, "Split judge")
    assert field(panel, "Name of judge 1").evaluate("node => node === document.activeElement")
    assert personas(panel)[:2] == [[f"judge {i}", "You judge films.", 0.25] for i in (1, 2)]
    press(panel, "Merge judge 2 with another")
    press(panel, "Merge judge 2 with parent")
    merged = personas(panel)[1]
    assert merged[0] == "judge 2 and parent"
    assert merged[1].startswith("You judge films. You watch")
    assert merged[2] == pytest.approx(0.5)
    press(panel, "Delete fan")
    assert names(panel) == ["judge 1", "judge 2 and parent"]
    assert panel.execute("print(study.mixture)") == "None"
    for _ in range(5):
        press(panel, "Undo")
    assert personas(panel) == before
    assert panel.execute("print(id(study.mixture))") == fitted
    assert "learned" in card(panel, "critic").inner_text()
    press(panel, "Redo")
    assert names(panel)[0] == "judge"


def test_add_with_the_keyboard_alone(panel):
    panel.page.get_by_role("button", name="Add persona").focus()
    keys = panel.page.keyboard
    keys.press("Enter")
    keys.type("critic")
    keys.press("Tab")
    keys.type("You are a child.")
    keys.press("Tab")
    keys.press("Enter")
    panel.settle()
    new = card(panel, "New persona")
    assert "already a persona 'critic'" in new.inner_text()
    assert field(panel, "Description of the new persona").input_value() == "You are a child."
    put(panel, "Name of the new persona", "child")
    press(panel, "Add")
    assert personas(panel)[-1][:2] == ["child", "You are a child."]
    assert not new.is_visible()


def test_an_invalid_edit_is_shown_on_its_card_and_can_be_reverted(panel):
    put(panel, "Name of critic", "fan")
    assert "already a persona 'fan'" in card(panel, "critic").inner_text()
    put(panel, "Description of parent", "  ")
    assert "needs a description" in card(panel, "parent").inner_text()
    assert field(panel, "Name of critic").input_value() == "fan"
    assert names(panel) == ["critic", "fan", "parent"]
    field(panel, "Name of critic").press("Escape")
    panel.settle()
    assert field(panel, "Name of critic").input_value() == "critic"
    assert "already" not in card(panel, "critic").inner_text()


def test_a_persona_is_previewed_while_another_is_edited(panel):
    panel.page.get_by_role("button", name="Preview responses: fan").click()
    typing = field(panel, "Description of critic")
    typing.fill("You judge")
    typing.press_sequentially(" and judge", delay=20)
    again = panel.page.get_by_role("button", name="Preview two more: fan")
    again.wait_for()
    assert typing.input_value() == "You judge and judge"
    responses = card(panel, "fan").get_by_role("list", name="Responses of fan").locator("li")
    assert responses.count() == 2
    first = responses.all_inner_texts()
    again.click()
    panel.settle()
    assert responses.all_inner_texts() != first


def test_cards_show_that_a_slow_model_is_generating(panel):
    panel.execute(SLOW)
    for name in ("fan", "parent"):
        panel.page.get_by_role("button", name=f"Preview responses: {name}").click()
    for name in ("fan", "parent"):
        waiting = panel.page.get_by_role("button", name=f"Generating\u2026: {name}")
        assert waiting.is_disabled()
    assert panel.page.get_by_role("button", name="Preview responses: critic").is_enabled()
    field(panel, "Name of critic").fill("judge")
    for name in ("fan", "parent"):
        panel.page.get_by_role("button", name=f"Preview two more: {name}").wait_for()
    field(panel, "Name of critic").blur()
    assert names(panel) == ["judge", "fan", "parent"]


def test_a_failing_model_is_reported_on_the_card(panel):
    panel.execute("study.population, saved = None, study.population")
    press(panel, "Preview responses: fan")
    assert "There is no population yet" in card(panel, "fan").inner_text()
    panel.execute("study.population = saved")
    press(panel, "Preview responses: fan")
    assert "There is no population" not in card(panel, "fan").inner_text()


def test_the_copied_cell_makes_the_same_personas(panel):
    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    put(panel, "Name of fan", "fan: [loud]")
    put(panel, "Description of fan: [loud]", 'You say "loud":\nand bright.')
    expected = personas(panel)
    press(panel, "Copy as cell")
    copied = panel.page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("%%mop_personas\n")
    panel.execute("study.use_personas('a: x')")
    assert "error" not in panel.page.evaluate(PASTE_JS, copied)
    assert personas(panel) == expected


def test_without_a_clipboard_the_cell_is_shown(panel):
    panel.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    press(panel, "Copy as cell")
    assert "critic [0.5]: You judge" in field(panel, "The cell").input_value()


def test_keys_in_the_panel_do_not_reach_the_notebook(panel):
    name = field(panel, "Name of critic")
    name.focus()
    where = panel.page.evaluate(WHERE_JS)
    for key in ("a", "d", "d", "k", "Enter", "ArrowUp", "Shift+Enter"):
        panel.page.keyboard.press(key)
        assert panel.page.evaluate(WHERE_JS) == where
    name.wait_for(state="detached")  # Escape before that would take the new name back
    field(panel, "Name of criticaddk").press("Escape")
    assert panel.page.evaluate(WHERE_JS) == where
    merge = panel.page.get_by_role("button", name="Merge parent with another")
    merge.press("Enter")
    assert panel.page.get_by_role("button", name="Merge parent with fan").is_visible()
    panel.page.get_by_role("button", name="Cancel merge").press("Escape")
    assert merge.is_visible()
    assert panel.page.evaluate(WHERE_JS) == where


def test_personas_changed_in_another_cell_are_not_overwritten(panel):
    panel.execute("study.use_personas('a: You say slow.\\nb: You say loud.')")
    press(panel, "Delete critic")
    assert names(panel) == ["a", "b"]
    assert "outside this panel" in panel.page.locator(".mop-notice").inner_text()
    assert card(panel, "a").is_visible()


def test_two_views_of_one_panel_stay_in_step(lab, page):
    notebook = lab.open(page, [BUILD, BY_HAND, "panel"])
    notebook.run_all()
    views = page.locator(".mop-personas")
    assert views.count() == 2
    views.nth(0).get_by_role("button", name="Split fan").click()
    views.nth(1).get_by_role("group", name="fan 2", exact=True).wait_for()
    notebook.execute("panel.personas = {'solo': 'You say plain.'}")
    assert [views.nth(i).locator(".mop-card:not(.mop-new)").count() for i in (0, 1)] == [1, 1]


def test_names_texts_and_responses_are_text_and_never_markup(lab, page):
    study = f"""
hostile = {HOSTILE!r}
study.use_personas([Persona(hostile, hostile), Persona("b", "x " * 50_000)])
real = df.assign(text=hostile + " " + df["text"], film=hostile)
study.use_population(real, context="film", response="text")
"""
    notebook = lab.open(page, [BUILD, study, OPEN])
    notebook.run_all()
    shown = page.locator(".mop-personas")
    shown.locator(".mop-context").first.wait_for()
    assert shown.get_by_role("textbox", name=f"Name of {HOSTILE}").input_value() == HOSTILE
    shown.get_by_role("button", name=f"Preview responses: {HOSTILE}").click()
    shown.get_by_role("button", name=f"Preview two more: {HOSTILE}").wait_for()
    assert HOSTILE in shown.locator(".mop-context").first.text_content()
    shown.get_by_role("button", name=f"Split {HOSTILE}", exact=True).click()
    shown.get_by_role("group", name=f"{HOSTILE} 2").wait_for()
    assert shown.locator("img, script").count() == 0
    assert page.evaluate("() => window.hacked") is None
    assert shown.evaluate("node => node.scrollWidth <= node.clientWidth")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_photographs(panel, artefacts, theme):
    page = panel.page
    panel.set_theme(f"JupyterLab {theme}")
    press(panel, "Preview responses: fan")
    put(panel, "Name of parent", "fan")
    shown = page.locator(".mop-personas")
    shown.screenshot(path=artefacts / f"personas-{theme.lower()}-panel.png")
    press(panel, "Split critic")
    press(panel, "Merge critic 1 with another")
    page.get_by_role("button", name="Add persona").click()
    shown.screenshot(path=artefacts / f"personas-{theme.lower()}-merge.png")
    page.screenshot(path=artefacts / f"personas-{theme.lower()}.png")
    assert faults(page, ".mop-personas") == []
    panel.set_theme("JupyterLab Light")


def test_nothing_overflows_when_narrow(lab, page, artefacts):
    page.set_viewport_size({"width": 420, "height": 900})
    panel = lab.open(page, [BUILD, OPEN])
    panel.run_all()
    page.evaluate("() => jupyterapp.shell.collapseLeft()")
    page.locator(".mop-context").first.wait_for()
    root = page.locator(".mop-personas")
    root.scroll_into_view_if_needed()
    page.screenshot(path=artefacts / "personas-420px.png")
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert field(panel, "Description of fan").bounding_box()["width"] > 150
    assert faults(page, ".mop-personas") == []
    stops = tab_stops(page, ".mop-personas")
    usable = "button:visible, input:visible, textarea:visible, select:visible, summary:visible"
    assert len(stops) == root.locator(usable).count()
    assert [stop for stop in stops if not (stop["seen"] and stop["name"])] == []
