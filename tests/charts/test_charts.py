import json
import struct

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import charts
from jupyter_mop.charts.style.chart_parts import titled
from jupyter_mop.engine.metrics.alignment_table import align
from jupyter_mop.errors import DataError

METHODS = ["plain prompt", "uniform mixture", "learned mixture"]


@pytest.fixture(scope="module")
def metrics():
    rng = np.random.default_rng(0)
    methods = {name: rng.normal(i / 4, 1, (120, 6)) for i, name in enumerate(METHODS)}
    return align(rng.normal(size=(240, 6)), methods, n_boot=20, n_splits=2)


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    parts = [pd.DataFrame({"source": ["real"] * 300, "persona": None, "response": "r"})]
    for name in METHODS:
        persona = [None if name == METHODS[0] else f"persona {i % 3}" for i in range(300)]
        parts.append(pd.DataFrame({"source": name, "persona": persona, "response": "<b>s</b>"}))
    frame = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    return frame.assign(x=rng.normal(size=len(frame)), y=rng.normal(size=len(frame)))


@pytest.fixture
def weights():
    return pd.DataFrame({"persona": ["critic", "fan", "parent"], "weight": [0.6, 0.3, 0.1]})


@pytest.fixture
def likelihoods():
    models = ["best single persona", "uniform mixture", "learned mixture"]
    values = np.array([-4.8, -4.7, -4.6])
    return pd.DataFrame(
        {"model": models, "log_lik_per_token": values, "low": values - 0.1, "high": values + 0.1}
    )


def size(picture):
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", picture[16:24])


def columns(spec):
    """Return the panels of an alignment chart, one below the other."""
    return list(spec["vconcat"])


def test_alignment_has_a_column_per_metric_and_a_row_per_method(metrics):
    spec = charts.alignment_chart(metrics).to_dict()
    titles = [column["layer"][3]["encoding"]["x"]["title"] for column in columns(spec)]
    assert titles == ["FID (lower is better)", "MAUVE (higher is better)", titles[2]]
    assert titles[2] == "KL cosine (lower is better)"
    for column in columns(spec):
        sorts = [
            e["sort"] for e in (x["encoding"].get("y", {}) for x in column["layer"]) if "sort" in e
        ]
        assert sorts
        assert all(order == METHODS for order in sorts)
    assert "120 simulated against 120 real" in spec["title"]["subtitle"][0]
    given = charts.alignment_chart(metrics, subtitle="Bars: intervals.").to_dict()
    assert given["title"]["subtitle"] == "Bars: intervals."


def test_every_metric_shows_its_own_human_floor(metrics):
    spec = charts.alignment_chart(metrics).to_dict()
    for column, name in zip(columns(spec), ["FID", "MAUVE", "KL cosine"], strict=True):
        rule = next(x for x in column["layer"] if "strokeDash" in x["mark"])
        rows = spec["datasets"][rule["data"]["name"]]
        expected = metrics.loc[metrics["figure"] == name, "floor"].iloc[0]
        assert [row[rule["encoding"]["x"]["field"]] for row in rows] == [expected]
        assert any(x["mark"].get("text") == "human floor" for x in column["layer"])


def test_map_has_a_panel_per_method_with_the_real_responses_behind(points):
    spec = charts.response_map(points).to_dict()
    assert [panel["title"]["text"] for panel in spec["concat"]] == METHODS
    for panel, name in zip(spec["concat"], METHODS, strict=True):
        sources = [row["source"] for row in spec["datasets"][panel["data"]["name"]]]
        assert sources == ["real"] * 300 + [name] * 300


def test_map_has_the_same_persona_colours_in_every_panel_and_grey_real_responses(points):
    spec = charts.response_map(points).to_dict()
    scales = [panel["encoding"]["color"]["scale"] for panel in spec["concat"]]
    assert all(scale == scales[0] for scale in scales)
    colours = dict(zip(scales[0]["domain"], scales[0]["range"], strict=True))
    assert set(colours) == {"real responses", "no persona", "persona 0", "persona 1", "persona 2"}
    assert colours["real responses"] == charts.GREY
    assert len(set(colours.values())) == 5


def test_map_gives_the_most_frequent_personas_their_colours_and_the_others_grey(points):
    simulated = points["source"] != "real"
    points.loc[simulated, "persona"] = [f"p{i % 16:02}" for i in range(simulated.sum())]
    points.loc[points["persona"].isin(["p03", "p05"]) & (points.index % 7 > 1), "persona"] = "p00"
    names = [f"p{i:02}" for i in range(16)]
    scale = charts.response_map(points, names).to_dict()["concat"][0]["encoding"]["color"]["scale"]
    colours = dict(zip(scale["domain"], scale["range"], strict=True))
    assert set(names) - set(colours) == {"p03", "p05"}
    assert len(colours) == 16
    assert colours["other personas"] not in charts.persona_colours(names)
    expected = dict(zip(names, charts.persona_colours(names), strict=True))
    assert all(colours[name] == expected[name] for name in set(names) & set(colours))


def test_map_colours_personas_by_their_position_not_by_their_frequency(points):
    names = ["persona 2", "never drawn", "persona 0", "persona 1"]
    scale = charts.response_map(points, names).to_dict()["concat"][0]["encoding"]["color"]["scale"]
    colours = dict(zip(scale["domain"], scale["range"], strict=True))
    assert colours["persona 2"] == charts.PERSONA_COLOURS[0]
    assert colours["persona 0"] == charts.PERSONA_COLOURS[2]
    assert "never drawn" not in colours


def test_the_first_35_colours_are_different():
    colours = charts.persona_colours([f"p{i}" for i in range(35)])
    assert len(set(colours)) == 35
    assert tuple(colours[:7]) == charts.PERSONA_COLOURS
    assert charts.persona_colours(["a"] * 36)[35] == colours[0]


def test_map_of_one_method_and_of_real_responses_only(points):
    one = points[points["source"].isin(["real", METHODS[1]])]
    assert len(charts.response_map(one).concat) == 1
    assert len(charts.response_map(points[points["source"] == "real"]).concat) == 1


def test_map_shows_the_text_as_text(points):
    spec = charts.response_map(points).to_dict()
    tips = [tip["field"] for tip in spec["concat"][0]["encoding"]["tooltip"]]
    assert tips == ["source", "persona", "response"]
    rows = spec["datasets"][spec["concat"][1]["data"]["name"]]
    assert rows[-1]["response"] == "<b>s</b>"


def test_weights_have_ticks_at_the_initial_weights(weights):
    spec = charts.weights_chart(weights).to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert [row["start"] for row in rows] == pytest.approx([1 / 3] * 3)
    assert "uniform" in spec["title"]["subtitle"]
    given = charts.weights_chart(weights.assign(start=[0.5, 0.3, 0.2])).to_dict()
    assert [row["start"] for row in next(iter(given["datasets"].values()))] == [0.5, 0.3, 0.2]
    assert "initial" in given["title"]["subtitle"]


def test_weights_show_their_interval(weights):
    wide = weights.assign(low=weights["weight"] - 0.05, high=weights["weight"] + 0.05)
    marks = [x["mark"]["type"] for x in charts.weights_chart(wide).to_dict()["layer"]]
    assert marks == ["bar", "rule", "tick"]


def test_likelihoods_are_in_order_on_an_axis_without_zero(likelihoods):
    spec = charts.likelihood_chart(likelihoods).to_dict()
    assert spec["layer"][0]["encoding"]["y"]["sort"] == likelihoods["model"].tolist()
    assert spec["layer"][0]["encoding"]["x"]["scale"]["zero"] is False


def test_pictures_are_small_and_sharp(metrics, points, weights, likelihoods):
    for chart in (
        charts.alignment_chart(metrics),
        charts.response_map(points),
        charts.weights_chart(weights),
        charts.likelihood_chart(likelihoods),
    ):
        picture = charts.png(chart)
        width, height = size(picture)
        half_width, half_height = size(charts.png(chart, scale=1))
        assert (width, height) == pytest.approx((2 * half_width, 2 * half_height), abs=2)
        assert min(width, height) > 300
        assert len(picture) < 100_000


def test_a_picture_has_no_limit_on_rows(points):
    many = pd.concat([points] * 5, ignore_index=True)
    assert size(charts.png(charts.response_map(many)))


def test_odd_names_are_drawn_as_text(weights):
    odd = weights.assign(persona=["<script>", "datum.x['a']", 'say "hi" \\'])
    assert size(charts.png(charts.weights_chart(odd)))


@pytest.mark.parametrize(
    "draw",
    [charts.alignment_chart, charts.response_map, charts.weights_chart, charts.likelihood_chart],
)
def test_missing_columns_and_empty_frames_are_refused(draw, metrics, points, weights, likelihoods):
    with pytest.raises(DataError, match="missing"):
        draw(pd.DataFrame({"other": [1]}))
    frames = [metrics, points, weights, likelihoods]
    empty = pd.concat([frame.head(0) for frame in frames], axis=1)
    with pytest.raises(DataError, match="no rows"):
        draw(empty.loc[:, ~empty.columns.duplicated()])


def test_the_ladder_marks_the_chosen_number_and_the_best():
    values = [-9.0, -8.2, -8.1]
    frame = pd.DataFrame({"k": [2, 4, 8], "log_lik": values, "standard_error": [0.2, 0.15, 0.0]})
    chart = charts.ladder_chart(frame.assign(chosen=[False, True, False]))
    layers = chart.to_dict()["layer"]
    data = chart.to_dict()["datasets"]
    rows = [data[layer["data"]["name"]] for layer in layers if "data" in layer]
    assert [[row["k"] for row in part] for part in rows if len(part) == 1] == [[8], [4]]
    assert size(charts.png(chart))[0] > 300
    with pytest.raises(DataError, match="standard_error"):
        charts.ladder_chart(frame.drop(columns="standard_error"))


def test_long_texts_of_a_title_are_wrapped_and_long_names_have_two_lines(weights):
    chart = charts.weights_chart(weights.assign(persona=["a " * 12 + str(i) for i in range(3)]))
    title = titled("What do they say? " * 6, ["one", "All targets are reached. " * 9])
    assert max(map(len, [*title.text, *title.subtitle])) <= 80
    assert title.subtitle[0] == "one"
    axis = chart.to_dict()["layer"][0]["encoding"]["y"]
    assert "split(" in json.dumps(axis or chart.to_dict())
