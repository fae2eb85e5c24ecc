from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import charts
from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment, align
from jupyter_mop.engine.metrics import alignment_table
from jupyter_mop.engine.simulation.simulation import COLUMNS, Simulation
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog"]
EVIL = "<script>alert('x')</script>"


def texts(n: int, odds: list[float], seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=4, p=odds)) for _ in range(n)]


REAL = texts(240, [0.5, 0.2, 0.2, 0.1], seed=0)
CLOSE = texts(120, [0.5, 0.2, 0.2, 0.1], seed=1)
FAR = texts(120, [0.1, 0.1, 0.1, 0.7], seed=2)


def simulation(responses: list[str]) -> Simulation:
    rows = [
        ["dawn", ["a", "b"][i % 2], 0, text, -1.0, 1.0, 5, i] for i, text in enumerate(responses)
    ]
    return Simulation(pd.DataFrame(rows, columns=list(COLUMNS)))


def population(responses: list[str]) -> Population:
    frame = pd.DataFrame({"topic": "dawn", "text": responses})
    return Population.from_frame(frame, context="topic", response="text")


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    methods = {"close": simulation(CLOSE), "far": FAR}
    return align(population(REAL), methods, encoder=ToyEncoder(WORDS))


def test_the_metrics_are_those_of_the_vectors(alignment: Alignment) -> None:
    encoder = ToyEncoder(WORDS)
    vectors = {"close": encoder.encode(CLOSE), "far": encoder.encode(FAR)}
    expected = alignment_table.align(encoder.encode(REAL), vectors)
    pd.testing.assert_frame_equal(alignment.frame, expected)


def test_a_close_method_is_better_than_a_far_one(alignment: Alignment) -> None:
    frame = alignment.frame.set_index(["figure", "method"])
    for metric in ("FID", "KL cosine"):
        assert frame.loc[(metric, "close"), "high"] < frame.loc[(metric, "far"), "low"]
    assert frame.loc[("MAUVE", "close"), "low"] > frame.loc[("MAUVE", "far"), "high"]
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()


def test_texts_simulations_and_populations_are_all_accepted(alignment: Alignment) -> None:
    again = align(REAL, {"close": CLOSE, "far": population(FAR)}, encoder=ToyEncoder(WORDS))
    pd.testing.assert_frame_equal(again.frame, alignment.frame)


def test_the_table_has_a_row_per_method_and_the_floor_last(alignment: Alignment) -> None:
    table = alignment.table
    assert list(table.index) == ["close", "far", "two halves of the real"]
    assert list(table) == ["FID ↓", "MAUVE ↑", "KL cosine ↓"]
    row = alignment.frame.set_index(["method", "figure"]).loc[("far", "FID")]
    assert table.loc["far", "FID ↓"] == f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    floor = table.loc["two halves of the real", "FID ↓"]
    assert floor == f"{row['floor']:.3f} [{row['floor_low']:.3f}, {row['floor_high']:.3f}]"


def test_methods_keep_their_order() -> None:
    methods = {"z": CLOSE, "a": FAR, "m": CLOSE}
    table = align(REAL, methods, encoder=ToyEncoder(WORDS)).table
    assert list(table.index)[:3] == ["z", "a", "m"]


def test_the_points_are_real_and_simulated_responses(alignment: Alignment) -> None:
    points = alignment.points
    counts = points["source"].value_counts()
    assert counts.to_dict() == {"real": 120, "close": 120, "far": 120}
    assert list(points.loc[points["source"] == "close", "response"]) == CLOSE
    assert set(points.loc[points["source"] == "close", "persona"]) == {"a", "b"}
    assert points.loc[points["source"] != "close", "persona"].isna().all()
    assert np.isfinite(points[["x", "y"]].to_numpy(dtype=float)).all()


def test_the_charts_are_rendered_as_png(alignment: Alignment) -> None:
    for chart in (alignment.chart, alignment.map):
        assert charts.png(chart).startswith(b"\x89PNG")


def test_text_and_html_report_the_number_of_responses(alignment: Alignment) -> None:
    for text in (repr(alignment), alignment._repr_html_()):
        assert "120 responses a side; 95 % intervals" in text
        assert "two halves of the real" in text


def test_a_name_is_escaped() -> None:
    html = align(REAL, {EVIL: CLOSE}, encoder=ToyEncoder(WORDS))._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_seed_is_reproducible_and_each_text_is_encoded_once() -> None:
    encoder = ToyEncoder(WORDS)
    first = align(REAL, {"far": FAR}, encoder=encoder, random_state=1).frame
    assert encoder.n_encoded == 360
    pd.testing.assert_frame_equal(
        first, align(REAL, {"far": FAR}, encoder=encoder, random_state=1).frame
    )
    assert not first.equals(align(REAL, {"far": FAR}, encoder=encoder, random_state=2).frame)


def test_each_step_reports_its_total() -> None:
    steps: dict[str, list[int]] = {}

    def on_step(label: str, total: int) -> Callable[[int, object], None]:
        steps[label] = [total, 0]

        def tick(_index: int, _value: object) -> None:
            steps[label][1] += 1

        return tick

    align(REAL, {"close": CLOSE, "far": FAR}, encoder=ToyEncoder(WORDS), on_step=on_step)
    assert list(steps) == ["embeddings", "metrics"]
    assert all(total == seen for total, seen in steps.values())


@pytest.mark.parametrize(
    ("target", "methods"),
    [
        (REAL, {}),
        (REAL, {"few": CLOSE[:5]}),
        (REAL, {"none": []}),
        ([], {"close": CLOSE}),
        (REAL[:10], {"close": CLOSE}),
        (REAL, {"close": [*CLOSE, None]}),
        (REAL, {"close": [*CLOSE, float("nan")]}),
        ([*REAL, None], {"close": CLOSE}),
    ],
)
def test_unusable_responses_are_refused_with_a_hint(target: list[str], methods: dict) -> None:
    with pytest.raises(DataError) as caught:
        align(target, methods, encoder=ToyEncoder(WORDS))
    assert caught.value.hint


def test_few_responses_are_compared_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="50"):
        align(REAL, {"few": CLOSE[:50]}, encoder=ToyEncoder(WORDS))


def _rows(*rows: tuple[str, str, float, float, float]) -> Alignment:
    """Return an alignment whose floors are .1 [0, .2] for FID and .9 [.8, 1] for MAUVE."""
    floors = {"FID": (0.1, 0.0, 0.2, "lower"), "MAUVE": (0.9, 0.8, 1.0, "higher")}
    names = ["method", "figure", "value", "low", "high", "floor", "floor_low", "floor_high"]
    frame = pd.DataFrame([(*row, *floors[row[1]], 50) for row in rows])
    return Alignment(frame.set_axis([*names, "better", "n"], axis=1), pd.DataFrame())


def test_the_verdict_names_the_closest_method_and_calls_a_tie_a_tie() -> None:
    found = _rows(
        ("plain", "FID", 0.9, 0.8, 1.0),
        ("mixed", "FID", 0.4, 0.3, 0.5),
        ("plain", "MAUVE", 0.6, 0.4, 0.75),
        ("mixed", "MAUVE", 0.7, 0.5, 0.85),
    )
    assert found.verdict == (
        "Closest to people: mixed on FID; plain and mixed (a tie) on MAUVE. "
        "Cannot be told from other real responses: mixed on MAUVE."
    )
    assert repr(found).startswith(found.verdict)
    assert f"><p><b>{found.verdict}</b></p><table" in found._repr_html_()


def test_the_verdict_of_one_method_compares_it_with_people_alone() -> None:
    far = "plain clearly differs from other real responses on every metric."
    assert _rows(("plain", "FID", 0.9, 0.8, 1.0)).verdict == far
    assert _rows(("plain", "FID", 0.15, 0.1, 0.2)).verdict == (
        "Cannot be told from other real responses: plain on FID."
    )
