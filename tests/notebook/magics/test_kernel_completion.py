"""Completion as JupyterLab gets it: the kernel's `complete_request`."""

from __future__ import annotations

import pytest
from jupyter_client.manager import KernelManager

BUILD = """
%load_ext jupyter_mop
import pandas as pd
from jupyter_mop import Study, ToyBackend, ToyEncoder
words = ["sun", "rain"]
study = Study(ToyBackend(words), ToyEncoder(words))
get_ipython().magics_manager.registry["MopMagics"].study = study
study.use_personas("sunny: You say sun.\\nrainy day: You say rain.")
df = pd.DataFrame({"topic": ["dawn", "dusk"] * 30, "text": ["sun", "rain"] * 30})
df["Age, in years"] = 3
study.use_population(df, context="topic", response="text")
study.simulate("first", 5); study.simulate("second", 5)
study.answers["vote"] = None
"""


@pytest.fixture(scope="module")
def client():
    manager = KernelManager(transport="ipc")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    reply = client.execute_interactive(BUILD, timeout=60, output_hook=lambda _: None)
    assert reply["content"]["status"] == "ok", reply["content"]
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def complete(client, text):
    """Return what is replaced, and by what."""
    found = client.complete(text, len(text), reply=True, timeout=20)["content"]
    return text[found["cursor_start"] : found["cursor_end"]], found["matches"]


def test_options_are_ours_only_and_in_the_order_of_the_help(client):
    typed, options = complete(client, "%mop_simulate a --")
    assert typed == "--"
    assert options[:3] == ["--weights", "--baseline", "--shown"]
    assert options.index("--replace") < options.index("--dry-run") < options.index("--budget")
    assert not [option for option in options if "_" in option]
    assert complete(client, "sims = %mop_simulate a --te") == ("--te", ["--temperature"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%mop_align ", ["first", "second", "--by", "--seed", "--client"]),
        ("%%mop_simulate a --weights ", [
            *("uniform", "learned", "stated", "panel"), "sunny=", "rainy day="]),
        ("%mop_simulate a --weights sunny=0.4,rai", ["sunny=0.4,rainy day="]),
        ("%%mop_simulate a --baseline pl", ["plain"]),
        ("%mop_population df --context ", ["topic", "text", '"Age, in years"']),
        ("%mop_population df --context topic,te", ["topic,text"]),
        ('%mop_population df --context "Ag', ['"Age, in years"']),
        ("%mop_population d", ["df"]),
        ("%mop_report fi", ["first"]),
        ("%mop_chat sun", ["sunny"]),
        ("%mop_ask vo", ["vote"]),
        ("%mop_resume x", ["x"]),
        ("%%mop_fit\nHow is it at {to", ["{topic}"]),
        ("%%mop_ask\nsky: At {to", ["{topic}"]),
        ("%%mop_ask\nsky: At dawn? | s", ["s"]),
        ("%%mop_personas\nsunny: pri", ["pri"]),
    ],
)  # fmt: skip
def test_values_and_names_are_ours_only(client, text, expected):
    typed, matches = complete(client, text)
    assert matches == expected
    assert text.endswith(typed)


def test_magics_are_in_the_order_of_use(client):
    _, matches = complete(client, "%mop_")
    assert matches[:5] == [
        *("%mop_backend", "%mop_population", "%mop_personas"), "%mop_synthesize", "%mop_fit",
    ]  # fmt: skip
    _, cells = complete(client, "%%mop_")
    assert cells[:5] == [
        *("%%mop_personas", "%%mop_synthesize", "%%mop_fit", "%%mop_simulate", "%%mop_ask"),
    ]
    assert cells[-1] == "%%mop_explain"


def test_other_code_is_completed_as_before(client):
    assert (
        "pd.DataFrame" in complete(client, "pd.DataFr")[1]
        or "DataFrame" in complete(client, "pd.DataFr")[1]
    )
    assert "%timeit" in complete(client, "%timei")[1]


def test_a_warning_is_a_note_without_a_path(client):
    shown = []
    code = """import pandas as pd
people = pd.DataFrame({"topic": ["dawn"] * 60, "text": ["sun", "rain"] * 30})
is_sunny = lambda text: "sun" in text
many = study.simulate("many", 100)
%mop_estimate many --of is_sunny --human people"""
    client.execute_interactive(code, timeout=60, output_hook=shown.append)
    assert not [message for message in shown if message["msg_type"] == "stream"]
    texts = [message["content"].get("data", {}).get("text/plain", "") for message in shown]
    assert any(text.startswith("Note: The human answers are no random sample") for text in texts)
