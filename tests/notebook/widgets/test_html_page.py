from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from jupyter_mop.notebook.widgets.html_page import fragment, page

PACKED = re.compile(r'<script type="text/plain" data-mop-packed="(\w+)">([^<]*)</script>')
HOSTILE = '</script><img src=x onerror="window.ran = 1">\u202e\u0000\U0001f600'


def unpacked(text):
    key, packed = PACKED.search(text).groups()
    return key, json.loads(gzip.decompress(base64.b64decode(packed)))


def build(state, static="<b>static</b>"):
    return fragment(script="export default 1;", style=".a{}", state=state, static=static)


def test_state_is_packed_with_its_bytes_apart():
    key, held = unpacked(build({"name": HOSTILE, "a": {"b": b"\x00\xff", "c": [1, None]}}))
    assert held["state"] == {"name": HOSTILE, "a": {"b": None, "c": [1, None]}}
    assert [(path, base64.b64decode(data)) for path, data in held["buffers"]] == [
        (["a", "b"], b"\x00\xff")
    ]
    assert (held["script"], held["style"]) == ("export default 1;", ".a{}")
    assert re.fullmatch(r"[0-9a-f]{12}", key)


def test_the_state_is_never_markup():
    text = build({"name": HOSTILE})
    assert "onerror" not in text
    assert text.count("</script>") == 2


def test_equal_content_gives_equal_bytes_and_other_content_another_key():
    assert build({"a": 1}) == build({"a": 1})
    assert unpacked(build({"a": 1}))[0] != unpacked(build({"a": 2}))[0]


def test_the_static_part_comes_first_and_needs_no_script():
    assert re.match(r'<div data-mop="\w+"><b>static</b></div><script', build({}))


def test_a_page_loads_nothing():
    text = page("<p>x</p>", title="<b>")
    assert "default-src 'none'" in text
    assert "<title>&lt;b&gt;</title>" in text
    for loading in ("http:", "https:", "src=", "@import", "url("):
        assert loading not in text


def test_a_state_that_is_not_json_is_refused():
    with pytest.raises(TypeError):
        build({"a": object()})
