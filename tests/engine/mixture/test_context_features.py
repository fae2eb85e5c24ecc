from __future__ import annotations

import numpy as np
import pandas as pd

from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.context_features import ContextFeatures

ENCODER = ToyEncoder(["sea", "sun"])


def features(frame: pd.DataFrame) -> ContextFeatures:
    frame = frame.assign(text="sea")
    context = [column for column in frame if column != "text"]
    return ContextFeatures.of(Population.from_frame(frame, context=context, response="text"))


def test_levels_are_indicators_and_free_text_is_its_vector() -> None:
    many = [f"sea {i}" for i in range(20)]
    found = features(pd.DataFrame({"age": ["young", "old"] * 10, "note": many}))
    assert found.levels == (("young", "old"), ())
    d = len(ENCODER.encode(["sea"])[0])
    assert found.widths(d) == [2, d]
    vector = found.encode(ENCODER, ["old, sun 1"])[0]
    np.testing.assert_allclose(vector[:d], ENCODER.encode(["old, sun 1"])[0])
    assert vector[d : d + 2].tolist() == [0, 1]
    np.testing.assert_allclose(vector[d + 2 :], ENCODER.encode(["sun 1"])[0])


def test_a_level_with_a_comma_and_a_new_combination_are_read() -> None:
    pairs = [("a, b", "x"), ("a", "y"), ("a, b", "x"), ("a", "y")]
    found = features(pd.DataFrame(pairs, columns=["one", "two"]))
    vectors = found.encode(ENCODER, ["a, b, x", "a, y", "a, b, y"])[:, -4:]
    assert vectors.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]]


def test_an_unknown_level_is_zero_and_repeats_share_a_row() -> None:
    found = features(pd.DataFrame({"age": ["young", "old"] * 4}))
    vectors, rows = found.encode_distinct(ENCODER, ["old", "ancient", "old"])
    assert len(vectors) == 2
    assert rows.tolist() == [0, 1, 0]
    assert vectors[:, -2:].tolist() == [[0, 1], [0, 0]]
