from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.data.nearest_records import MOST_RECORDS, distinct_records, nearest_records
from jupyter_mop.engine.data.population import Population


def test_the_nearest_are_those_of_the_largest_cosine(population, encoder):
    texts = ["You say sun.", "You say rain and fog."]
    found = nearest_records(texts, population, encoder, n=4)
    records = distinct_records(population)
    cosines = encoder.encode(texts) @ encoder.encode(records.responses).T
    for k in range(2):
        mine = found[found["persona"] == k]
        assert mine["cosine"].to_numpy() == pytest.approx(np.sort(cosines[k])[::-1][:4])
        at = [records.responses.index(response) for response in mine["response"]]
        assert cosines[k][at] == pytest.approx(mine["cosine"].to_numpy())
        assert [records.contexts[i] for i in at] == list(mine["context"])


def test_no_response_comes_twice(population, encoder):
    found = nearest_records(["You say sun."], population, encoder, n=10)
    assert found["response"].is_unique


def test_with_few_records_there_are_few_neighbours(population, encoder):
    two = population.take([0, 1])
    assert len(nearest_records(["sun", "rain", "fog"], two, encoder, n=3)) == 6


def test_of_many_records_a_fixed_part_is_looked_at(encoder):
    df = pd.DataFrame({"topic": "x", "said": [f"number {i}" for i in range(MOST_RECORDS + 50)]})
    population = Population.from_frame(df, context="topic", response="said")
    chosen = distinct_records(population)
    assert len(chosen) == MOST_RECORDS
    assert chosen.responses == distinct_records(population).responses
    assert len(set(chosen.responses)) == MOST_RECORDS
    assert len(nearest_records(["sun"], population, encoder, n=3)) == 3
