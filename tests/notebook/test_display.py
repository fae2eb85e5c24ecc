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


def test_a_comparison_by_context_has_a_heat_map_too(
    shell: InteractiveShell, alignment: Alignment, ready: Study
) -> None:
    assert alignment.by_context is None
    with capture_output() as captured:
        shell.display_formatter.format(ready.align(by="topic"))
    assert "By topic, " in captured.outputs[0].data["text/html"]
    assert len(pictures(captured)) == 3


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


def test_an_alignment_at_the_end_of_a_cell_is_shown(
    shell: InteractiveShell, alignment: Alignment
) -> None:
    shell.user_ns["alignment"] = alignment
    with capture_output() as captured:
        assert shell.run_cell("alignment").success
    assert len(pictures(captured)) == 2


def test_a_fitted_mixture_is_shown_as_tables_and_a_plot(
    shell: InteractiveShell, ready: Study
) -> None:
    shell.user_ns["mixture"] = ready.fit(n_exemplars=4, n_records=40)
    with capture_output() as captured:
        assert shell.run_cell("mixture").success
    assert "learned mixture" in captured.outputs[0].data["text/html"]
    assert len(pictures(captured)) == 1


@pytest.mark.parametrize("code", ["s.plot()", "s.population.plot()", "s.simulate('a', 20).plot()"])
def test_a_plot_at_the_end_of_a_cell_is_a_picture_with_or_without_magics(
    shell: InteractiveShell, ready: Study, code: str
) -> None:
    shell.user_ns["s"] = ready
    for _ in ("with", "without"):
        data, metadata = shell.display_formatter.format(eval(code, shell.user_ns))  # noqa: S307
        assert data["image/png"].startswith(b"\x89PNG")
        assert metadata["image/png"]["width"] > 300
        assert "text/html" not in data
        InteractiveShell.clear_instance()
        shell = InteractiveShell.instance()
        shell.user_ns["s"] = ready


@pytest.mark.parametrize("code", ["s", "s.population", "s.simulate('a', 20)"])
def test_a_result_at_the_end_of_a_cell_is_a_table(
    shell: InteractiveShell, ready: Study, code: str
) -> None:
    shell.user_ns["s"] = ready
    ready.simulate("<script>x</script>", 20)
    data, _ = shell.display_formatter.format(eval(code, shell.user_ns))  # noqa: S307
    assert "<table>" in data["text/html"]
    assert "<script" not in data["text/html"]
