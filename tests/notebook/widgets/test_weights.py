from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

from jupyter_mop.errors import DataError
from jupyter_mop.notebook.widgets.assets import STATIC
from jupyter_mop.notebook.widgets.weights import WeightsPanel

NAMES = ["critic", "fan", "parent"]


@pytest.fixture
def panel():
    return WeightsPanel(NAMES, [2, 1, 1], learned=[1, 3, 4])


def test_weights_are_normalised_on_construction(panel):
    assert panel.as_dict() == {"critic": 0.5, "fan": 0.25, "parent": 0.25}
    assert panel.learned == [0.125, 0.375, 0.5]
    assert panel.locked == [False, False, False]


def test_weights_are_normalised_on_assignment(panel):
    panel.weights = np.array([1.0, 1.0, 2.0])
    assert panel.weights == [0.25, 0.25, 0.5]
    panel.learned = np.array([0.0, 0.0, 9.0])
    assert panel.learned == [0, 0, 1]
    panel.learned = None
    assert panel.learned == []


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40))
def test_weights_always_sum_to_one(values):
    panel = WeightsPanel([f"p{i}" for i in range(len(values))], values)
    assert sum(panel.weights) == pytest.approx(1, abs=1e-12)
    assert np.allclose(np.array(panel.weights) * sum(values), values)


def test_normalised_weights_from_the_screen_are_not_changed(panel):
    sent = [0.1 + 0.2, 0.7 - 1e-13, 0.0]
    panel.set_state({"weights": sent})
    assert panel.weights == sent


def test_synced_state_is_plain_json(panel):
    state = panel.get_state(["names", "weights", "learned", "locked"])
    assert json.loads(json.dumps(state)) == {
        "names": NAMES,
        "weights": [0.5, 0.25, 0.25],
        "learned": [0.125, 0.375, 0.5],
        "locked": [False, False, False],
    }


@pytest.mark.parametrize(
    "bad",
    [
        [1, 1],
        [1, 1, 1, 1],
        [],
        [1, -0.1, 1],
        [0, 0, 0],
        [1, float("nan"), 1],
        [float("nan"), 1, 1],
        [1, float("inf"), 1],
        ["a", "b", "c"],
        None,
        0.5,
    ],
)
def test_bad_weights_are_refused_and_change_nothing(panel, bad):
    with pytest.raises(DataError):
        WeightsPanel(NAMES, bad)
    with pytest.raises(DataError):
        panel.weights = bad
    with pytest.raises(DataError):
        panel.set_state({"weights": bad})
    assert panel.weights == [0.5, 0.25, 0.25]


def test_bad_learned_weights_are_refused(panel):
    for bad in ([1, 1], [0, 0, 0], [1, -1, 1], 0.5):
        with pytest.raises(DataError):
            panel.learned = bad
    assert panel.learned == [0.125, 0.375, 0.5]


@pytest.mark.parametrize("bad", [[], ["a", "a"], ["a", ""], ["a", "  "], ["a", 3], "ab"])
def test_bad_names_are_refused(bad):
    with pytest.raises(DataError):
        WeightsPanel(bad, [1, 1])


def test_names_are_fixed(panel):
    with pytest.raises(DataError, match="cannot change"):
        panel.names = ["a", "b", "c"]
    assert panel.names == NAMES


def test_locks_have_one_flag_per_persona(panel):
    panel.locked = [True, False, False]
    with pytest.raises(DataError, match="one value per persona"):
        panel.locked = [True]
    assert panel.locked == [True, False, False]
    assert WeightsPanel(["a", "b"], [1, 1], locked=[True, False]).locked == [True, False]


def test_an_unknown_keyword_is_refused_with_a_guess():
    with pytest.raises(DataError, match="Did you mean 'learned'"):
        WeightsPanel(NAMES, [1, 1, 1], learnt=[1, 1, 1])
    with pytest.raises(DataError, match="no argument 'qqq'"):
        WeightsPanel(NAMES, [1, 1, 1], qqq=1)
    assert WeightsPanel(NAMES, [1, 1, 1], layout={"width": "20em"}).layout.width == "20em"


def test_the_bundle_has_a_live_view_and_a_static_table():
    panel = WeightsPanel(["<b>critic</b>", "fan"], [3, 1], learned=[1, 1])
    data, _ = DisplayFormatter().format(panel)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
    assert data["text/plain"] == "WeightsPanel(<b>critic</b> 75.0%, fan 25.0%)"
    assert "<td>&lt;b&gt;critic&lt;/b&gt;</td><td>75.0%</td><td>50.0%</td>" in data["text/html"]
    assert "<b>" not in data["text/html"]


def test_the_static_table_has_no_learned_column_without_learned_weights():
    still = WeightsPanel(["a", "b"], [1, 1])._repr_mimebundle_()[0]["text/html"]
    assert "learned" not in still
    assert still.count("<td>") == 6


@pytest.mark.parametrize(("name", "limit"), [("weights.js", 10_000), ("weights.css", 4_000)])
def test_the_scripts_stay_small(name, limit):
    text = (STATIC / "weights" / name).read_text(encoding="utf-8")
    assert len(text.encode()) < limit
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "innerHTML" not in text
