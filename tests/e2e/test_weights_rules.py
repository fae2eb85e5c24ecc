"""The rules of the simplex in weights.js, run by a real browser without a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

import jupyter_mop.notebook.widgets

pytestmark = pytest.mark.browser

SOURCE = Path(jupyter_mop.notebook.widgets.__file__).parent / "static" / "weights.js"
CALL_JS = """async ([source, name, values]) => {
    const module = await import("data:text/javascript," + encodeURIComponent(source));
    return module[name](...values);
}"""


@pytest.fixture
def call(shared_page):
    source = SOURCE.read_text(encoding="utf-8")
    return lambda name, *values: shared_page.evaluate(CALL_JS, [source, name, values])


def test_the_rest_keeps_its_proportions(call):
    moved = call("move", [0.4, 0.3, 0.2, 0.1], [False] * 4, 0, 0.7)
    assert moved == pytest.approx([0.7, 0.15, 0.1, 0.05])


def test_a_rest_of_zeros_shares_equally(call):
    assert call("move", [1, 0, 0], [False] * 3, 0, 0.4) == pytest.approx([0.4, 0.3, 0.3])


def test_the_shape_at_the_start_of_a_drag_comes_back(call):
    moved = call("move", [1, 0, 0], [False] * 3, 0, 0.4, [0.4, 0.5, 0.1])
    assert moved == pytest.approx([0.4, 0.5, 0.1])


def test_locked_weights_stay_and_bound_the_others(call):
    weights, locked = [0.4, 0.3, 0.2, 0.1], [True, False, False, True]
    assert call("reach", weights, locked, 1) == pytest.approx(0.5)
    assert call("move", weights, locked, 1, 0.9) == pytest.approx([0.4, 0.5, 0, 0.1])
    assert call("move", weights, locked, 1, -1) == pytest.approx([0.4, 0, 0.5, 0.1])
    assert call("move", weights, locked, 0, 0.9) == weights


@pytest.mark.parametrize("n", [1, 3])
def test_nothing_moves_when_all_others_are_locked(call, n):
    weights, locked = [1 / n] * n, [False] + [True] * (n - 1)
    assert not call("movable", locked, 0)
    assert call("move", weights, locked, 0, 0.1) == weights


def test_many_moves_stay_on_the_simplex(call):
    weights = [1 / 100] * 100
    locked = [index % 7 == 0 for index in range(100)]
    for index in range(1, 100, 3):
        weights = call("move", weights, locked, index, (37 * index % 100) / 100)
        assert sum(weights) == pytest.approx(1, abs=1e-12)
        assert min(weights) >= 0
    assert weights[::7] == [1 / 100] * 15
