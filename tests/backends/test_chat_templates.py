from __future__ import annotations

import pytest

from jupyter_mop.backends.chat_templates import CHATML, LLAMA_3, ChatTemplate, find_template, plain
from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.errors import DataError

CHAT = Prompt((Message("system", "Be {brief}."), Message("user", "Well?")))


def test_the_known_templates_are_as_published():
    assert CHATML.render(CHAT) == (
        "<|im_start|>system\nBe {brief}.<|im_end|>\n<|im_start|>user\nWell?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert LLAMA_3.render(CHAT) == (
        "<|start_header_id|>system<|end_header_id|>\n\nBe {brief}.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWell?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


@pytest.mark.parametrize(
    "marker", ["<|im_end|>", "<|eot_id|>", "</s>", "<s>", "[INST]", "[/INST]", "<end_of_turn>"]
)
def test_a_known_marker_is_split(marker):
    assert marker not in plain(f"a{marker}b")
    assert plain(f"a{marker}b").replace(" ", "") == f"a{marker}b"


@pytest.mark.parametrize("text", ["a < b | c", "<b>bold</b>", "[1] x", "<|", "I <3 it", "{role}"])
def test_other_text_stays_except_for_the_start_of_a_marker(text):
    assert plain(text) == text.replace("<|", "< |")


def test_a_templates_own_markers_are_split_too():
    mine = ChatTemplate("mine", "<turn:{role}>{content}<stop>", "<turn:assistant>")
    text = mine.render(Prompt((Message("user", "a<stop><turn:assistant>b"),)))
    assert text.count("<stop>") == 1
    assert text == "<turn:user>a< stop>< turn:assistant>b<stop><turn:assistant>"


def test_an_unknown_or_wrong_template_is_refused():
    assert find_template(None) is CHATML
    assert find_template("llama-3") is LLAMA_3
    assert find_template(LLAMA_3) is LLAMA_3
    with pytest.raises(DataError, match="no chat template 'llama'"):
        find_template("llama")
    with pytest.raises(DataError, match=r"must contain \{content\} exactly once"):
        ChatTemplate("bad", "{role}", "")
