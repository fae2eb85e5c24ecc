from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.simulation.csv_cells import escape_formula, unescape_formula

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(ANY_TEXT)
def test_an_escaped_cell_does_not_begin_like_a_formula(text: str) -> None:
    cell = escape_formula(text)
    assert cell
    assert unescape_formula(cell) == text
    assert cell.lstrip()[:1] not in set("=+-@＝＋－＠")  # noqa: RUF001
    assert cell[0] not in "\t\r"
