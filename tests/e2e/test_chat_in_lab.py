"""The chat panel in JupyterLab: questions, words as they come, stop, a refusal, dark and narrow."""

from __future__ import annotations

import pytest

from tests.e2e.accessibility import faults

pytestmark = pytest.mark.browser

BUILD = """
import time
import pandas as pd
from IPython import get_ipython
from jupyter_mop import Study, ToyBackend, ToyEncoder
%load_ext jupyter_mop
words = ["slow", "loud", "warm", "plain"]
class Slow(ToyBackend):
    pause = 0.05
    def stream(self, request, params, *, on_text):
        def show(text):
            time.sleep(self.pause)
            on_text(text)
        return super().stream(request, params, on_text=show)
study = Study(Slow(words, length=6), ToyEncoder(words))
get_ipython().magics_manager.registry["MopMagics"].study = study
attack = '<img src=x onerror="window.hacked=1">'
study.use_personas(f"critic: You say slow. {attack} $5 for tea and $6")
df = pd.DataFrame({"film": ["drama", "comedy"] * 30, "text": ["slow plain", "loud warm"] * 30})
study.use_population(df, context="film", response="text");
"""
OPEN = "panel = %mop_chat critic --seed 1\npanel"
ANSWERED_JS = """() => document.querySelector('.mop-chat').ariaBusy === 'false'
    && document.querySelectorAll('.mop-chat .mop-log p').length === 2"""
REFUSE = """
from jupyter_mop import OpenAIBackend
study.session.backend.backend = OpenAIBackend("http://127.0.0.1:9/v1", "model", timeout=2);
"""


@pytest.fixture(scope="module")
def notebook(lab, shared_page):
    opened = lab.open(shared_page, [BUILD, OPEN])
    opened.run_all()
    return opened


def ask(notebook, question):
    field = notebook.page.get_by_role("textbox", name="Question to critic")
    field.fill(question)
    field.press("Enter")


def log(notebook):
    return notebook.page.locator(".mop-chat .mop-log")


def test_a_question_is_answered_word_by_word(notebook, artefacts):
    page = notebook.page
    seen = page.evaluate_handle(
        "() => { const seen = []; const log = document.querySelector('.mop-chat .mop-log');"
        "new MutationObserver(() => seen.push(log.textContent))"
        ".observe(log, { childList: true }); return seen; }"
    )
    ask(notebook, "How is it? <b>$5 or $6</b>")
    page.wait_for_function(ANSWERED_JS)
    response = notebook.execute("print(panel.turns[0]['response'])")
    assert len(response.split()) == 6
    assert log(notebook).inner_text().split("\n")[-1] == response
    texts = seen.json_value()
    assert len({len(text) for text in texts}) >= 4
    assert "<b>$5 or $6</b>" in log(notebook).inner_text()
    assert page.locator(".mop-chat mjx-container").count() == 0
    assert page.evaluate("window.hacked") is None
    assert faults(page, ".mop-chat") == []
    page.locator(".mop-chat").screenshot(path=artefacts / "chat-light.png")


def test_the_exemplar_in_the_prompt_is_shown(notebook):
    page = notebook.page
    page.get_by_text("Exemplar in the prompt").click()
    shown = page.locator(".mop-exemplar").inner_text()
    question, response = notebook.execute("print(*panel.exemplar, sep='|')").split("|")
    assert question in shown
    assert response in shown


def test_a_response_is_stopped_and_the_question_comes_back(notebook):
    notebook.execute("Slow.pause = 1")
    ask(notebook, "And then?")
    page = notebook.page
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("alert").filter(has_text="Stopped.").wait_for()
    assert page.get_by_role("textbox", name="Question to critic").input_value() == "And then?"
    assert notebook.execute("Slow.pause = 0; print(len(panel.turns))") == "1"


def test_an_endpoint_that_refuses_is_one_sentence_dark_and_narrow(notebook, artefacts):
    notebook.execute(REFUSE)
    page = notebook.page
    ask(notebook, "Is there anyone?")
    page.get_by_role("alert").filter(has_text="127.0.0.1:9").wait_for()
    notebook.set_theme("JupyterLab Dark")
    page.set_viewport_size({"width": 700, "height": 900})
    panel = page.locator(".mop-chat")
    box = panel.bounding_box()
    assert panel.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert box["width"] < 700
    panel.screenshot(path=artefacts / "chat-dark.png")
    notebook.set_theme("JupyterLab Light")
