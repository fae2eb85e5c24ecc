"""Metrics within subgroups: simulations whose faults are in one subgroup, or in the contexts."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import charts
from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.population import Population, context_label
from jupyter_mop.engine.evaluation.alignment import Alignment, align
from jupyter_mop.engine.evaluation.alignment_by_context import (
    AlignmentByContext,
    excess,
    is_off_floor,
)
from jupyter_mop.engine.simulation.simulation import COLUMNS, Simulation
from jupyter_mop.engine.weighting.context_codes import context_values
from jupyter_mop.errors import DataError

TOPICS = ["price", "room", "food"]
RATINGS = ["1", "5"]
WORDS = ["cheap", "bed", "soup", "kind", "good", "bad", "stay", "never"]
EVIL = "<script>alert('x')</script>"
METRICS = ["FID", "MAUVE", "KL cosine", "dispersion", "fidelity"]


def odds(topic: str, rating: str) -> np.ndarray:
    weights = np.array([1, 1, 1, 2, 1, 1, 2, 1.0])
    weights[TOPICS.index(topic)] = 8
    weights[4 if rating == "5" else 5] = 6
    return weights / weights.sum()


def asked(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 7])
    topics = rng.choice(TOPICS, n, p=[0.5, 0.3, 0.2])
    return pd.DataFrame({"topic": topics, "rating": rng.choice(RATINGS, n)})


def texts(contexts: pd.DataFrame, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    pairs = contexts[["topic", "rating"]].to_numpy()
    return [" ".join(rng.choice(WORDS, size=6, p=odds(*pair))) for pair in pairs]


def people(n: int = 600, seed: int = 0, weight: np.ndarray | None = None) -> Population:
    frame = asked(n, seed)
    frame = frame.assign(text=texts(frame, seed), w=1.0 if weight is None else weight)
    named = None if weight is None else "w"
    return Population.from_frame(frame, context=["topic", "rating"], response="text", weight=named)


def simulation(contexts: pd.DataFrame, responses: list[str]) -> Simulation:
    labels = [context_label(list(pair)) for pair in contexts.to_numpy()]
    rows = [[label, "a", 0, text, -1.0, 1.0, 5, i] for i, (label, text) in enumerate(
        zip(labels, responses, strict=True)
    )]  # fmt: skip
    return Simulation(pd.DataFrame(rows, columns=list(COLUMNS)), provenance={"personas": {"a": ""}})


def perfect(n: int, seed: int) -> Simulation:
    contexts = asked(n, seed)
    return simulation(contexts, texts(contexts, seed))


def shuffled(n: int, seed: int) -> Simulation:
    contexts = asked(n, seed)
    return simulation(contexts.sample(frac=1, random_state=seed), texts(contexts, seed))


def wrong_on_food(n: int, seed: int) -> Simulation:
    """Perfect, but complaints about the food are all the same."""
    contexts = asked(n, seed)
    given = texts(contexts, seed)
    is_food = contexts["topic"] == "food"
    return simulation(contexts, [
        "never never" if food else text for food, text in zip(is_food, given, strict=True)
    ])  # fmt: skip


def by(alignment: Alignment) -> AlignmentByContext:
    assert alignment.by_context is not None
    return alignment.by_context


def mean(alignment: Alignment, method: str, figure: str) -> pd.Series:
    return by(alignment).summary.set_index(["method", "figure"]).loc[(method, figure)]


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    methods = {
        "perfect": perfect(300, 1),
        "shuffled": shuffled(300, 2),
        "food": wrong_on_food(300, 3),
    }
    return align(people(), methods, by="topic", encoder=ToyEncoder(WORDS))


def test_each_group_is_compared_with_its_own_people(alignment: Alignment) -> None:
    frame = by(alignment).frame
    assert list(frame["group"].unique()) == [g for g in frame["group"].unique() if g in TOPICS]
    assert list(frame["figure"].unique()) == METRICS
    shares = frame.drop_duplicates("group").set_index("group")["share"]
    assert shares.sum() == pytest.approx(1)
    real = people().frame["topic"].value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx(real.to_dict())
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    sizes = frame.drop_duplicates("group").set_index("group")["n"]
    assert sizes["food"] < sizes["price"] <= 150


def test_shuffled_contexts_are_good_at_the_margin_and_bad_by_context(alignment: Alignment) -> None:
    fid = alignment.frame.set_index(["method", "figure"]).loc[("shuffled", "FID")]
    assert fid["low"] <= fid["floor_high"]
    for figure in ("FID", "MAUVE"):
        summary = by(alignment).summary.set_index(["method", "figure"])
        assert is_off_floor(summary.loc[[("shuffled", figure)]]).all()
    between = mean(alignment, "shuffled", "dispersion between")
    assert between["high"] < between["floor_low"]
    assert between["value"] < 0.3


def test_the_group_that_is_wrong_is_the_worst(alignment: Alignment) -> None:
    summary = by(alignment).summary
    found = summary[(summary["method"] == "food") & (summary["worst"] != "")]
    assert set(found["worst"]) == {"food"}
    frame = by(alignment).frame
    rows = frame[(frame["method"] == "food") & (frame["figure"] == "FID")].set_index("group")
    assert is_off_floor(rows).to_dict() == {"price": False, "room": False, "food": True}
    assert mean(alignment, "food", "dispersion")["high"] < 0.95
    dispersion = frame[(frame["method"] == "food") & (frame["figure"] == "dispersion")]
    assert dispersion.set_index("group").loc["food", "value"] < 0.01


def test_fidelity_of_a_group_is_the_share_recognised_as_its_own(alignment: Alignment) -> None:
    frame = by(alignment).frame
    rows = frame[frame["figure"] == "fidelity"].set_index(["method", "group"])
    people = rows.loc["perfect"]
    assert (people["floor"] > 0.55).all()
    assert not is_off_floor(people).any()
    shuffled = rows.loc["shuffled"]
    assert is_off_floor(shuffled).all()
    assert shuffled["value"].mean() == pytest.approx(1 / 3, abs=0.1)
    row = mean(alignment, "shuffled", "fidelity")
    assert row["value"] == pytest.approx(np.average(shuffled["value"], weights=shuffled["share"]))
    assert row["low"] < row["value"] < row["high"] < row["floor_low"]
    sizes = frame.drop_duplicates(["method", "group"]).set_index(["method", "group"])["n"]
    assert rows["n"].to_dict() == sizes.to_dict()


def test_the_mean_is_weighted_by_the_shares_of_the_people(alignment: Alignment) -> None:
    frame = by(alignment).frame
    rows = frame[(frame["method"] == "food") & (frame["figure"] == "FID")]
    row = mean(alignment, "food", "FID")
    assert row["value"] == pytest.approx(np.average(rows["value"], weights=rows["share"]))
    assert row["floor"] == pytest.approx(np.average(rows["floor"], weights=rows["share"]))
    spread = np.sqrt(np.sum((rows["share"] * (rows["high"] - rows["value"])) ** 2))
    assert row["high"] == pytest.approx(row["value"] + spread)


@pytest.mark.slow
def test_a_perfect_simulation_is_at_the_floor_at_every_seed() -> None:
    ratios, n_off = [], 0
    for seed in range(5):
        methods = {"it": perfect(300, 40 + seed)}
        found = align(people(seed=seed), methods, by="topic", encoder=ToyEncoder(WORDS))
        summary = by(found).summary
        n_off += int(is_off_floor(summary).sum())
        ratios.append((summary["value"] / summary["floor"]).to_numpy())
    assert n_off <= 1
    assert np.mean(ratios, axis=0) == pytest.approx(np.ones(6), abs=0.25)


def test_several_columns_are_their_combinations() -> None:
    found = by(align(people(), {"it": perfect(300, 1)}, by=["rating", "topic"],
                     encoder=ToyEncoder(WORDS)))  # fmt: skip
    assert found.by == ("topic", "rating")
    groups = set(found.frame["group"])
    assert {"price, 1", "price, 5", "room, 1", "room, 5"} <= groups
    whole = by(align(people(), {"it": perfect(300, 1)}, by="context", encoder=ToyEncoder(WORDS)))
    pd.testing.assert_frame_equal(whole.frame, found.frame)


def test_small_groups_are_pooled_and_reported() -> None:
    frame = people().frame.copy()
    frame.loc[:29, "topic"], frame.loc[30:59, "topic"] = "parking", "noise"
    target = Population.from_frame(frame, context=["topic", "rating"], response="text")
    contexts = asked(300, 1)
    given = texts(contexts, 1)
    contexts.loc[:14, "topic"], contexts.loc[15:29, "topic"] = "parking", "noise"
    methods = {"it": simulation(contexts, given)}
    found = by(align(target, methods, by="topic", encoder=ToyEncoder(WORDS)))
    assert list(found.frame["group"].unique())[-1] == "other contexts"
    assert found.notes[-1] == (
        "Groups by topic with fewer than 40 held-out records or 20 simulated responses are pooled "
        "as 'other contexts': 'parking', 'noise'."
    )
    row = found.frame[found.frame["group"] == "other contexts"].iloc[0]
    assert row["n"] == 30


def test_survey_weights_count_in_sizes_and_shares() -> None:
    """Half of the people have weight 3: shares follow, and effective sizes shrink."""
    heavy = np.where(asked(600, 0)["topic"] == "food", 3.0, 1.0)
    methods = {"it": perfect(300, 1)}
    found = by(align(people(weight=heavy), methods, by="topic", encoder=ToyEncoder(WORDS)))
    shares = found.frame.drop_duplicates("group").set_index("group")["share"]
    truth = pd.Series(heavy).groupby(people().frame["topic"]).sum() / heavy.sum()
    assert shares.to_dict() == pytest.approx(truth.to_dict(), abs=0.02)
    noisy = np.random.default_rng(0).choice([1.0, 9.0], 600)
    plain = by(align(people(), methods, by="topic", encoder=ToyEncoder(WORDS))).frame
    weighted = by(align(people(weight=noisy), methods, by="topic", encoder=ToyEncoder(WORDS))).frame
    sizes = [side.drop_duplicates("group").set_index("group")["n"] for side in (plain, weighted)]
    assert (sizes[1] < sizes[0]).any()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("colour", ["'colour'", "['topic', 'rating']"]),
        (["topic", "colour"], ["'colour'"]),
        ([], ["no column in `by`"]),
    ],
)
def test_an_unknown_column_is_refused(columns: str | list[str], words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        align(people(100), {"it": perfect(50, 1)}, by=columns, encoder=ToyEncoder(WORDS))
    assert all(word in str(caught.value) for word in words)
    assert caught.value.hint


def test_one_group_only_is_refused() -> None:
    frame = people(200).frame.assign(topic="room")
    target = Population.from_frame(frame, context=["topic", "rating"], response="text")
    with pytest.raises(DataError, match="same topic: 'room'"):
        align(target, {"it": perfect(100, 1)}, by="topic", encoder=ToyEncoder(WORDS))


def test_groups_that_are_all_too_small_are_refused() -> None:
    frame = people(200).frame
    frame = frame.assign(topic=[f"hotel {i}" for i in range(200)])
    target = Population.from_frame(frame, context=["topic", "rating"], response="text")
    contexts = asked(100, 1).assign(topic=[f"hotel {i}" for i in range(100)])
    methods = {"it": simulation(contexts, texts(asked(100, 1), 1))}
    with pytest.raises(DataError, match="too small: of 200, such as 'hotel") as caught:
        align(target, methods, by="topic", encoder=ToyEncoder(WORDS))
    assert "none has 40 held-out records and 20 responses" in str(caught.value)


def test_plain_texts_and_other_contexts_are_refused() -> None:
    with pytest.raises(DataError, match="it have no contexts"):
        align(people(100), {"it": perfect(50, 1).responses}, by="topic", encoder=ToyEncoder(WORDS))
    other = perfect(50, 1)
    other = Simulation(other.frame.assign(context="dawn"), provenance=other.provenance)
    with pytest.raises(DataError, match="'dawn' of a simulation does not have the 2 columns"):
        align(people(100), {"it": other}, by="topic", encoder=ToyEncoder(WORDS))


@pytest.mark.parametrize(
    "values",
    [
        ["old", "north"],
        ["cook, baker", "Rome"],
        ["cook", "baker, Rome", "x"],
        ['"quoted" word', "b"],
        ['a "b"', 'say "hi", then go', ", "],
        ["a,", "b"],
        ["a,b", " c"],
    ],
)
def test_a_context_is_read_back_as_its_values(values: list[str]) -> None:
    assert context_values(context_label(values), len(values)) == values


def test_excess_is_positive_on_the_wrong_side() -> None:
    rows = pd.DataFrame({
        "value": [2.0, 0.5, 0.5, 2.0, 1.0],
        "floor": [1.0, 0.9, 1.0, 1.0, 1.1],
        "better": ["lower", "higher", "near 1", "near 1", "near 1"],
    })  # fmt: skip
    assert excess(rows).round(3).tolist() == [1.0, 0.4, 0.5, 0.5, -0.091]


def test_the_heat_map_is_dark_where_a_group_is_off_its_floor(alignment: Alignment) -> None:
    chart = by(alignment).plot()
    assert charts.png(chart).startswith(b"\x89PNG")
    spec = chart.to_dict()
    assert len(spec["vconcat"]) == 3
    cells = pd.concat([pd.DataFrame(rows) for rows in spec["datasets"].values()])
    assert set(cells["group"]) == {*TOPICS, "mean over groups"}
    level = cells.set_index(["method", "group", "figure"])["level"]
    assert level[("food", "food", "FID")] == 1
    assert level[("perfect", "price", "FID")] == 0
    assert level[("food", "price", "MAUVE")] == 0
    assert level[("shuffled", "price", "FID")] > 0


def test_text_and_html_name_the_worst_group(alignment: Alignment) -> None:
    text, html = repr(alignment), alignment._repr_html_()
    for shown in (text, html):
        assert "mean" in shown or "worst" in shown
        assert "300 responses a side" in shown
    assert "By topic, " in text
    assert "subgroups clearly differ from people" in text
    assert html.count("<table") == 3
    assert "3 groups with" in html


def test_the_verdict_names_the_subgroups_and_the_metrics_on_which_they_differ() -> None:
    rows = pd.DataFrame(
        [("m", g, figure, low, high) for g, figure, low, high in (
            ("day", "FID", 0.1, 0.3),
            ("day", "KL cosine", 0.1, 0.3),
            ("night", "FID", 0.4, 0.6),
            ("night", "KL cosine", 0.5, 0.6),
            ("dusk", "FID", 0.1, 0.3),
            ("dusk", "KL cosine", 0.4, 0.5),
        )],
        columns=["method", "group", "figure", "low", "high"],
    )  # fmt: skip
    rows = rows.assign(
        value=rows["high"], floor=0.1, floor_low=0.0, floor_high=0.2, better="lower", share=0.3, n=9
    )
    found = AlignmentByContext(("time",), rows, rows.assign(worst=""))
    assert found.verdict("m") == (
        "By time, 2 of 3 subgroups clearly differ from people: night (every metric); dusk "
        "(KL cosine)."
    )
    assert ">method<" not in found._repr_html_()
    near = AlignmentByContext(("time",), rows.assign(low=0.1), rows.assign(worst=""))
    assert near.verdict("m") == "By time, no subgroup of 3 clearly differs from people."


def test_the_verdict_by_subgroup_is_shown_and_intervals_stay_on_one_line(
    alignment: Alignment,
) -> None:
    shown = by(alignment)._repr_html_()
    assert ">method<" in shown
    for method in dict.fromkeys(by(alignment).frame["method"]):
        assert f"<b>{method}: {by(alignment).verdict(method)}</b>" in shown
    assert "[" in shown.split("</table>")[0]
    assert not re.search(r"\[[\d.]+, ", shown.split("</table>")[0])


def test_a_group_is_escaped() -> None:
    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(topic=frame["topic"].replace({"food": EVIL}))

    target = Population.from_frame(
        renamed(people(400).frame), context=["topic", "rating"], response="text"
    )
    contexts = asked(200, 1)
    methods = {"it": simulation(renamed(contexts), texts(contexts, 1))}
    found = align(target, methods, by="topic", encoder=ToyEncoder(WORDS))
    assert EVIL in set(by(found).frame["group"])
    assert "<script" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()
    assert charts.png(by(found).plot()).startswith(b"\x89PNG")
