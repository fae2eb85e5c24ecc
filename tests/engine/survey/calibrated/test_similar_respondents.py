from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mop import Population, ToyEncoder
from jupyter_mop.engine.survey.calibrated.similar_respondents import (
    set_apart,
    similar_respondents,
)
from jupyter_mop.errors import DataError

ENCODER = ToyEncoder(["young", "old", "rich", "poor"])


def population(**columns: object) -> Population:
    frame = pd.DataFrame({"age": ["young", "old"] * 20, "drink": ["tea", "milk"] * 20, **columns})
    group = "person" if "person" in frame else None
    return Population.from_frame(frame, context="age", response="drink", group=group)


def test_rows_of_one_respondent_stay_on_one_side() -> None:
    people = population(person=[i // 4 for i in range(40)])
    others, shown = set_apart(people)
    assert (len(others), len(shown)) == (32, 8)
    assert not set(others.frame["person"]) & set(shown.frame["person"])


def test_one_respondent_has_no_others() -> None:
    with pytest.raises(DataError, match="those of one respondent"):
        set_apart(population(person=1))


def test_the_nearest_contexts_come_last_and_all_are_shown_where_there_are_few() -> None:
    frame = pd.DataFrame(
        {
            "age": ["young", "young", "old", "old"],
            "purse": ["rich", "poor", "rich", "poor"],
            "drink": ["tea", "milk", "tea", "beer"],
        }
    )
    people = Population.from_frame(frame, context=["age", "purse"], response="drink")
    of = similar_respondents(people, 3, ENCODER)
    record = {"age": "old", "purse": "poor"}
    (shown,) = of([record])
    assert [len(shown), shown[-1].record, shown[-1].response] == [3, record, "beer"]
    assert {"age": "young", "purse": "rich"} not in [each.record for each in shown]
    assert len(similar_respondents(people, 9, ENCODER)([record])[0]) == 4


def test_the_order_of_the_rows_makes_no_difference() -> None:
    people = population(n=range(40))
    turned = people.take(range(39, -1, -1))
    records = [{"age": "young"}, {"age": "old"}]
    first, second = (similar_respondents(side, 2, ENCODER)(records) for side in (people, turned))
    assert first == second
