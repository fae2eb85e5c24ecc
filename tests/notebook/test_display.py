from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output

from jupyter_mop import Alignment, Study


@pytest.fixture
def alignment(ready: Study) -> Alignment:
    ready.simulate("<b>a</b>", 120)
    return ready.align()


def pictures(captured: CapturedIO) -> list[bytes]:
    return [output.data["image/png"] for output in captured.outputs if "image/png" in output.data]


def test_an_alignment_is_a_table_and_two_still_pictures(
    shell: InteractiveShell, alignment: Alignment
) -> None:
    with capture_output() as captured:
        data, _ = shell.display_formatter.format(alignment)
    assert data == {}
    assert len(captured.outputs) == 3
    assert "two halves of the real" in captured.outputs[0].data["text/html"]
    assert len(pictures(captured)) == 2


def test_no_output_holds_a_script_or_an_address(
    shell: InteractiveShell, alignment: Alignment
) -> None:
    with capture_output() as captured:
        shell.display_formatter.format(alignment)
    for output in captured.outputs:
        html = output.data.get("text/html", "")
        assert "<b>a</b>" not in html
        assert "<script" not in html
        assert "http" not in html


def test_a_cell_that_ends_in_an_alignment_shows_it(
    shell: InteractiveShell, alignment: Alignment
) -> None:
    shell.user_ns["alignment"] = alignment
    with capture_output() as captured:
        assert shell.run_cell("alignment").success
    assert len(pictures(captured)) == 2
