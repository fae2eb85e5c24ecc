"""Subgroups are listed in an order that a reader expects."""

from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mop.engine.survey.subgroups import EVERYONE, Subgroups


@pytest.mark.parametrize(
    ("found", "listed"),
    [
        (["18-34", "65+", "35-64", "9"], ["9", "18-34", "35-64", "65+"]),
        (["south", "north"], ["south", "north"]),
        (["65+", "unknown", "18-34"], ["65+", "unknown", "18-34"]),
    ],
)
def test_groups_that_begin_with_a_number_are_in_its_order(found, listed):
    groups = Subgroups(pd.DataFrame({"age": found})).by("age")
    assert groups == [EVERYONE, *(("age", value) for value in listed)]
