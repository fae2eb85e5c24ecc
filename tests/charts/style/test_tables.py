"""What tables share: texts on the left and whole, numbers with three significant digits."""

from __future__ import annotations

import pandas as pd

from jupyter_mop.charts.alignment import alignment_table
from jupyter_mop.charts.style.numbers import interval, number
from jupyter_mop.charts.style.text_frame import TextFrame
from jupyter_mop.engine.evaluation.alignment import Alignment


def test_texts_of_a_table_are_on_the_left_and_whole() -> None:
    long = "word " * 60
    shown = TextFrame({"text": [long, "<td>"]})._repr_html_()
    assert shown is not None
    assert long.strip() in shown
    assert shown.count('<td style="text-align: left') == 2
    assert "&lt;td&gt;" in shown


def test_numbers_have_three_significant_digits() -> None:
    row = {"method": "m", "figure": "FID", "value": 0.0391, "low": 0.01, "high": 0.06, "n": 40}
    row |= {"floor": 0.01, "floor_low": 0.0, "floor_high": 0.02, "better": "lower"}
    assert number(0.039123) == "0.0391"
    assert interval(0.5, 1234.0) == "[0.500, 1,230]"
    shown = alignment_table(Alignment(pd.DataFrame([row]), pd.DataFrame()))
    assert '<th style="text-align: left' in shown
