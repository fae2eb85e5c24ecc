from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.survey.reading.anchor_ratings import anchor_statements, rated_shares
from jupyter_mop.errors import DataError

WORDS = ["tea", "milk", "beer"]
ENCODER = ToyEncoder(WORDS)


class Plane:
    """Encodes a text as a direction in the plane, by the angle that it states in degrees."""

    fingerprint = "plane"

    def encode(self, texts, *, on_result=None):  # noqa: ARG002
        angles = np.radians([float(text) for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_the_shares_are_those_of_the_papers_formula() -> None:
    sets = {"low": ["0", "10"], "mid": ["45", "40"], "high": ["90", "80"]}
    found = rated_shares(["30", "90"], sets, Plane())
    expected = np.zeros((2, 3))
    for anchors in ((0, 45, 90), (10, 40, 80)):
        for row, angle in enumerate((30, 90)):
            above = np.cos(np.radians(np.subtract(anchors, angle)))
            above = above - above.min()
            expected[row] += above / above.sum() / 2
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.25, 0.5, 2.0])
def test_a_temperature_sharpens_or_flattens_the_shares(temperature: float) -> None:
    sets = {"low": ["0"], "mid": ["45"], "high": ["90"]}
    plain = rated_shares(["30"], sets, Plane())[0]
    found = rated_shares(["30"], sets, Plane(), temperature=temperature)[0]
    tempered = plain ** (1 / temperature)
    np.testing.assert_allclose(found, tempered / tempered.sum(), atol=1e-6)
    nearest = rated_shares(["30"], sets, Plane(), temperature=0)[0]
    np.testing.assert_allclose(nearest, [0, 1, 0])


def test_a_text_that_is_equally_near_to_all_options_has_equal_shares() -> None:
    sets = {"a": ["0"], "b": ["0"], "c": ["0"]}
    for temperature in (0.0, 1.0):
        found = rated_shares(["30"], sets, Plane(), temperature=temperature)
        np.testing.assert_allclose(found, 1 / 3)


def test_no_texts_have_no_shares() -> None:
    assert rated_shares([], anchor_statements(WORDS), ENCODER).shape == (0, 3)


def test_templates_and_statements_are_the_users_to_edit() -> None:
    statements = anchor_statements(WORDS)
    assert {len(each) for each in statements.values()} == {4}
    statements["beer"][0] = "A pint!"
    assert anchor_statements(WORDS, statements) == statements
    assert anchor_statements(WORDS, "Oh, {option}.")["tea"] == ["Oh, tea."]


@pytest.mark.parametrize(
    ("anchors", "words"),
    [
        ({"tea": "Tea.", "milk": "Milk."}, "for each of the options"),
        ({"tea": "Tea.", "milk": "Milk.", "beer": ""}, "for each of the options"),
        ({"tea": "Tea.", "milk": "Milk.", "beer": "Beer.", "gin": "Gin."}, "got .*gin"),
        ({"tea": ["Tea.", "Cup."], "milk": "Milk.", "beer": "Beer."}, "tea 2, milk 1"),
        ({"tea": "Tea.", "milk": " ", "beer": "Beer."}, "as many anchor statements"),
        ({"tea": "Same.", "milk": "Same.", "beer": "Beer."}, "'Same.'"),
        (["I like it."], "needs {option}"),
        ([], "needs {option}"),
    ],
)
def test_anchors_that_do_not_fit_the_options_are_refused(anchors, words) -> None:
    with pytest.raises(DataError, match=words) as caught:
        anchor_statements(WORDS, anchors)
    assert caught.value.hint
