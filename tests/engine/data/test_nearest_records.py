from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.data.nearest_records import MAX_RECORDS, distinct_records, nearest_records
from jupyter_mop.engine.data.population import Population


def test_the_nearest_records_have_the_largest_cosines(population, encoder):
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


def test_each_response_occurs_once(population, encoder):
    found = nearest_records(["You say sun."], population, encoder, n=10)
    assert found["response"].is_unique


def test_few_records_give_few_neighbours(population, encoder):
    two = population.take([0, 1])
    assert len(nearest_records(["sun", "rain", "fog"], two, encoder, n=3)) == 6


def test_a_fixed_sample_of_many_records_is_used(encoder):
    df = pd.DataFrame({"topic": "x", "text": [f"number {i}" for i in range(MAX_RECORDS + 50)]})
    population = Population.from_frame(df, context="topic", response="text")
    chosen = distinct_records(population)
    assert len(chosen) == MAX_RECORDS
    assert chosen.responses == distinct_records(population).responses
    assert len(set(chosen.responses)) == MAX_RECORDS
    assert len(nearest_records(["sun"], population, encoder, n=3)) == 3
