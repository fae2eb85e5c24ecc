"""Joint FID and fidelity: populations whose contexts matter, and simulations with known faults."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment, align
from jupyter_mop.engine.metrics.alignment_table import align as measure
from jupyter_mop.engine.metrics.vectors import WeightedVectors
from jupyter_mop.engine.simulation.simulation import COLUMNS, Simulation
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides

TOPICS = ["price", "room", "food", "staff"]
WORDS = ["cheap", "bed", "soup", "kind", "good", "bad", "stay", "never"]
ODDS = np.array(
    [[0.4 if i == k else 0.05 for i in range(4)] + [0.2, 0.1, 0.1, 0.05] for k in range(4)]
)
ODDS /= ODDS.sum(axis=1, keepdims=True)


def answers(topics: list[str], seed: int) -> list[str]:
    """Reviews in which about half of the words are the topic's own."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=6, p=ODDS[TOPICS.index(topic)])) for topic in topics]


def asked(n: int, seed: int) -> list[str]:
    return list(np.random.default_rng([seed, 9]).choice(TOPICS, n, p=[0.4, 0.3, 0.2, 0.1]))


def people(n: int, seed: int = 0, **columns: object) -> Population:
    topics = asked(n, seed)
    frame = pd.DataFrame({"topic": topics, "text": answers(topics, seed), **columns})
    weight = "weight" if "weight" in columns else None
    return Population.from_frame(frame, context="topic", response="text", weight=weight)


def simulation(contexts: list[str], responses: list[str]) -> Simulation:
    rows = [[c, "a", 0, text, -1.0, 1.0, 5, i] for i, (c, text) in enumerate(
        zip(contexts, responses, strict=True)
    )]  # fmt: skip
    return Simulation(pd.DataFrame(rows, columns=list(COLUMNS)), provenance={"personas": {"a": ""}})


def perfect(n: int, seed: int) -> Simulation:
    topics = asked(n, seed)
    return simulation(topics, answers(topics, seed))


def shuffled(n: int, seed: int) -> Simulation:
    """The right responses, each given to a random context."""
    topics = asked(n, seed)
    return simulation(list(np.random.default_rng(seed).permutation(topics)), answers(topics, seed))


def metric(alignment: Alignment, method: str, name: str) -> pd.Series:
    return alignment.frame.set_index(["method", "figure"]).loc[(method, name)]


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    methods = {"perfect": perfect(200, 1), "shuffled": shuffled(200, 2)}
    return align(people(400), methods, encoder=ToyEncoder(WORDS))


def test_a_shuffled_simulation_is_good_at_the_margin_and_bad_jointly(alignment: Alignment) -> None:
    for name in ("FID", "MAUVE", "KL cosine"):
        row = metric(alignment, "shuffled", name)
        assert row["low"] <= row["floor_high"]
        assert row["high"] >= row["floor_low"]
    joint = metric(alignment, "shuffled", "joint FID")
    assert joint["low"] > 3 * joint["floor_high"]
    fidelity = metric(alignment, "shuffled", "fidelity")
    assert fidelity["low"] < 0.25 < fidelity["high"] < fidelity["floor_low"]
    assert fidelity["floor"] > 0.6


def test_a_perfect_simulation_is_at_the_floor_at_every_seed() -> None:
    gaps = []
    for seed in range(6):
        found = align(people(400, seed), {"it": perfect(200, 50 + seed)}, encoder=ToyEncoder(WORDS))
        rows = [metric(found, "it", name) for name in ("joint FID", "fidelity")]
        for row in rows:
            assert row["low"] <= row["floor_high"]
            assert row["high"] >= row["floor_low"]
        gaps.append([row["value"] / row["floor"] for row in rows])
    assert np.mean(gaps, axis=0) == pytest.approx([1, 1], abs=0.15)


def test_a_perfect_simulation_in_many_dimensions_is_at_the_floor() -> None:
    """Axes that fit the real responses alone would put it far above."""
    ratios = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        codes = [rng.integers(4, size=n) for n in (400, 200)]
        vectors = [rng.normal(size=(len(c), 200)) + 2.0 * np.eye(4, 200)[c] for c in codes]
        labels = [[TOPICS[k] for k in side] for side in codes]
        frame = pd.DataFrame({"topic": labels[0], "text": "x"})
        target = Population.from_frame(frame, context="topic", response="text")
        method = simulation(labels[1], ["x"] * 200)
        contexts = Contexts.of(target, np.arange(400), {"it": method})
        sides = Sides(WeightedVectors(vectors[0]), {"it": WeightedVectors(vectors[1])})
        joint = contexts.joint(sides)
        row = measure(joint.target, joint.simulated, metrics=contexts.metrics[:1], n_boot=4).loc[0]
        ratios.append(row["value"] / row["floor"])
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


def test_the_columns_and_the_floor_are_in_the_default_table(alignment: Alignment) -> None:
    joint = ["joint FID ↓", "fidelity ↑"]
    assert list(alignment.table) == ["FID ↓", "MAUVE ↑", "KL cosine ↓", *joint]
    assert set(alignment.frame["n"]) == {200}
    assert alignment.notes == ()


def test_joint_metrics_are_compared_in_pairs(alignment: Alignment) -> None:
    frame = alignment.differences("perfect", n_boot=20, n_splits=3).set_index("figure")
    assert frame.loc["joint FID", "verdict"] == "worse"
    assert frame.loc["fidelity", "verdict"] == "worse"
    assert frame.loc["MAUVE", "verdict"] == "no clear difference"


def test_survey_weights_count_in_the_joint_metrics() -> None:
    """People who answer at random are half of the records, with next to no weight."""
    topics = asked(800, 3)
    is_noise = np.arange(800) % 2 == 0
    given = answers([asked(800, 4)[i] if is_noise[i] else t for i, t in enumerate(topics)], 3)
    frame = pd.DataFrame({"topic": topics, "text": given, "w": np.where(is_noise, 1e-6, 1.0)})
    weighted = Population.from_frame(frame, context="topic", response="text", weight="w")
    plain = Population.from_frame(frame, context="topic", response="text")
    floors = [
        metric(align(side, {"it": perfect(200, 5)}, encoder=ToyEncoder(WORDS)), "it", "fidelity")
        for side in (weighted, plain)
    ]
    assert floors[0]["floor"] > 0.6
    assert floors[1]["floor"] < 0.55
    assert floors[0]["low"] <= floors[0]["floor_high"]


def test_one_context_is_a_note_and_the_marginal_metrics_stay() -> None:
    target = people(100).frame.assign(topic="room")
    target = Population.from_frame(target, context="topic", response="text")
    method = simulation(["room"] * 50, answers(["room"] * 50, 1))
    with pytest.warns(UserWarning, match="50"):
        found = align(target, {"it": method}, encoder=ToyEncoder(WORDS))
    assert len(found.frame) == 3
    assert found.notes == (
        "There is no joint FID and no fidelity: all held-out records have the same context.",
    )
    assert found.notes[0] in repr(found)
    assert found.notes[0] in found._repr_html_()


def test_contexts_all_different_have_a_joint_fid_of_their_vectors_and_no_fidelity() -> None:
    """Questions are free texts; the answers repeat a word of the question, or of another one."""
    rng = np.random.default_rng(0)

    def pairs(n: int, seed: int) -> tuple[list[str], list[str]]:
        topics = asked(n, seed)
        words = answers(topics, seed)
        own = [WORDS[TOPICS.index(topic)] for topic in topics]
        return [f"{w} {w} number {rng.integers(10**9)}" for w in own], words

    questions, texts = pairs(400, 0)
    frame = pd.DataFrame({"question": questions, "text": texts})
    target = Population.from_frame(frame, context="question", response="text")
    right, wrong = pairs(200, 1), pairs(200, 2)
    methods = {"right": simulation(*right), "wrong": simulation(wrong[0][::-1], wrong[1])}
    found = align(target, methods, encoder=ToyEncoder(WORDS))
    assert list(found.frame["figure"]) == ["FID", "MAUVE", "KL cosine", "joint FID"] * 2
    right_row, wrong_row = (metric(found, name, "joint FID") for name in methods)
    assert right_row["low"] <= right_row["floor_high"] < wrong_row["low"]
    assert "There is no fidelity: 400 held-out records have 400 contexts" in found.notes[0]


def test_plain_texts_have_no_contexts_and_say_so() -> None:
    target, method = people(200), perfect(100, 1)
    found = align(target, {"it": method, "texts": method.responses}, encoder=ToyEncoder(WORDS))
    assert set(found.frame["figure"]) == {"FID", "MAUVE", "KL cosine"}
    assert "texts have no contexts" in found.notes[0]


def test_rare_contexts_are_pooled_and_reported() -> None:
    frame = people(400).frame.copy()
    frame.loc[:14, "topic"], frame.loc[15:29, "topic"] = "parking", "noise"
    target = Population.from_frame(frame, context="topic", response="text")
    contexts = Contexts.of(target, np.arange(400), {"it": perfect(200, 1)})
    assert contexts.codes is not None
    assert contexts.codes.names[-1] == "other contexts"
    assert np.sum(contexts.codes.target == len(contexts.codes.names) - 1) == 30
    few = "2 contexts with fewer than 20 held-out records are pooled for the joint metrics"
    assert contexts.notes == (f"{few}: 'parking', 'noise'.",)


def test_a_simulation_of_contexts_that_no_one_has_leaves_fidelity_out() -> None:
    method = simulation(["garden"] * 100, answers(["room"] * 100, 1))
    with_unknown = {"good": perfect(100, 1), "garden": method}
    found = align(people(200), with_unknown, encoder=ToyEncoder(WORDS))
    assert "fidelity" not in set(found.frame["figure"])
    assert "fewer than 20 responses of garden" in found.notes[-1]


def test_importance_weights_of_a_simulation_count() -> None:
    good, bad = perfect(200, 1), shuffled(200, 2)
    frame = pd.concat([good.frame, bad.frame], ignore_index=True)
    mixed = dataclasses.replace(good, frame=frame.assign(weight=np.r_[np.ones(200), np.zeros(200)]))
    found = align(people(400), {"it": mixed, "good": good}, encoder=ToyEncoder(WORDS))
    values = [metric(found, name, "fidelity")["value"] for name in ("it", "good")]
    assert values[0] == pytest.approx(values[1], abs=0.04)
