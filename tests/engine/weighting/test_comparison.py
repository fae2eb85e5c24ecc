from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import align
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting import comparison as module
from jupyter_mop.engine.weighting.comparison import compare
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "snow"]
NAMES = ("critic", "fan", "parent")


def texts(rng, n, favourite):
    shares = np.full(4, 0.2) + 0.2 * np.eye(4)[favourite]
    return [" ".join(rng.choice(WORDS, rng.integers(2, 8), p=shares)) for _ in range(n)]


def population(n=240, seed=0):
    frame = pd.DataFrame({"topic": "dawn", "text": texts(np.random.default_rng(seed), n, 0)})
    return Population.from_frame(frame, context="topic", response="text")


def simulation(n=120, seed=1, names=NAMES):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % len(names)
    responses = [texts(rng, 1, k)[0] for k in codes]
    frame = pd.DataFrame(
        {
            "context": "dawn",
            "persona": np.array(names)[codes],
            "exemplar": pd.array([0] * n, dtype="Int64"),
            "response": responses,
            "log_prob": -1.0,
            "weight": 1.0,
            "seed": 0,
            "draw": np.arange(n),
        }
    )
    facts = {
        "name": "first",
        "template": "What of {topic}?",
        "personas": {name: f"You are a {name}." for name in names},
        "questions": {"dawn": "What of dawn?"},
    }
    return Simulation(frame, (Exemplar({"topic": "dusk"}, "no sun"),), facts)


@pytest.fixture(scope="module")
def comparison():
    return compare(population(), simulation(), encoder=ToyEncoder(WORDS))


def test_there_is_a_floor_for_each_metric(comparison):
    metrics = comparison.statistics.metrics([0.4, 0.3, 0.3])
    assert list(comparison.floors) == list(metrics)
    assert comparison.floors["FID"] < metrics["FID"]
    assert comparison.floors["MAUVE"] > metrics["MAUVE"]


def test_there_are_equal_numbers_of_real_and_simulated_points(comparison):
    assert comparison.points["source"].value_counts().to_dict() == {"real": 120, "simulated": 120}
    assert comparison.thinned is None


def test_a_point_has_its_persona_exemplar_and_prompt(comparison):
    last = comparison.points.iloc[-1]
    assert last["persona"] == "parent"
    assert last["exemplar"] == "no sun"
    assert last["prompt"] == (
        "system: You are a parent.\n\nuser: What of dusk?\n\nassistant: no sun\n\n"
        "user: What of dawn?"
    )
    assert comparison.points.iloc[0][["persona", "exemplar", "prompt"]].isna().all()


def test_rows_and_clusters_match_the_responses(comparison):
    points = comparison.points[comparison.points["source"] == "simulated"]
    responses = comparison.simulation.responses
    assert [responses[row] for row in points["row"]] == list(points["response"])
    shares = (
        np.bincount(points["cluster"], minlength=len(comparison.statistics.target_clusters)) / 120
    )
    assert shares == pytest.approx(np.full(3, 1 / 3) @ comparison.statistics.clusters)


def by_topic(n, seed, topics, *, shuffled=False):
    """Return contexts and responses that favour their own topic's word."""
    rng = np.random.default_rng(seed)
    of = rng.integers(len(topics), size=n)
    given = rng.permutation(of) if shuffled else of
    return np.array(topics)[of], [texts(rng, 1, k % 4)[0] for k in given]


def compared(topics, *, n=240):
    """Compare people with two personas, of which the second answers random contexts."""
    asked, responses = by_topic(n, 0, topics)
    real = pd.DataFrame({"topic": asked, "text": responses})
    parts = [by_topic(n // 4, 5 + k, topics, shuffled=k == 1) for k in range(2)]
    frame = pd.DataFrame({
        "context": np.concatenate([contexts for contexts, _ in parts]),
        "persona": np.repeat(["close", "random"], n // 4),
        "exemplar": None,
        "response": [text for _, given in parts for text in given],
        "weight": 1.0,
    })  # fmt: skip
    target = Population.from_frame(real, context="topic", response="text")
    return compare(target, Simulation(frame), encoder=ToyEncoder(WORDS))


TOPICS = ["dawn", "dusk", "noon", "night"]


def test_joint_metrics_see_the_persona_that_answers_the_wrong_context():
    found = compared(TOPICS, n=480)
    assert found.contexts.notes == ()
    close, wrong = (found.statistics.metrics(v) for v in ([1, 0], [0, 1]))
    assert wrong["joint FID"] > 1.5 * close["joint FID"]
    assert wrong["fidelity"] < 0.35 < close["fidelity"]
    assert wrong["FID"] == pytest.approx(close["FID"], abs=0.01)
    floors = found.floors_at([1, 0])
    assert list(floors) == list(close)
    assert close["joint FID"] == pytest.approx(floors["joint FID"], abs=0.025)
    assert close["fidelity"] == pytest.approx(floors["fidelity"], abs=0.1)
    assert floors["fidelity"] == found.floors_at([0.5, 0.5])["fidelity"]
    slopes = found.statistics.contributions([0.5, 0.5])
    assert slopes["joint FID"][0] < 0 < slopes["fidelity"][0]


@pytest.mark.filterwarnings("ignore:Only .* responses per side")
def test_exact_joint_metrics_are_close_to_those_of_the_sums():
    found = compared(TOPICS, n=480)
    exact = found.exact([0.8, 0.2]).set_index("figure")
    assert list(exact.index) == ["FID", "MAUVE", "KL cosine", "joint FID", "fidelity"]
    live = found.statistics.metrics([0.8, 0.2])
    assert exact.loc["joint FID", "value"] == pytest.approx(live["joint FID"], abs=0.03)
    assert exact.loc["fidelity", "value"] == pytest.approx(live["fidelity"], abs=0.06)


def test_many_contexts_are_pooled_and_free_text_is_left_out():
    many = compared([f"topic {i}" for i in range(20)], n=1200)
    assert many.contexts.notes == (
        "Joint FID and fidelity pool all but the 11 most frequent contexts.",
    )
    assert many.statistics.contexts.given.shape == (2, 12)
    free = compared([f"place {i}" for i in range(10_000)])
    assert "joint FID" not in free.statistics.metrics([0.5, 0.5])
    assert free.floors.keys() == free.statistics.metrics([0.5, 0.5]).keys()
    (note,) = free.contexts.notes
    assert note.startswith("There is no joint FID and no fidelity here: there are ")
    assert note.endswith(" different contexts.")


def test_contexts_that_people_do_not_have_are_remarked():
    found = compared(TOPICS)
    frame = found.simulation.frame.assign(context="elsewhere")
    asked, responses = by_topic(240, 0, TOPICS)
    real = pd.DataFrame({"topic": asked, "text": responses})
    target = Population.from_frame(real, context="topic", response="text")
    other = compare(target, Simulation(frame), encoder=ToyEncoder(WORDS))
    assert other.statistics.contexts is None
    assert "fewer than 20 responses of simulation are in contexts" in other.contexts.notes[0]


def test_one_context_allows_no_joint_metric(comparison):
    assert comparison.statistics.contexts is None
    assert comparison.contexts.notes == ()


@pytest.mark.filterwarnings("ignore:Only 60 responses")
def test_exact_metrics_are_those_of_the_weighted_simulation(comparison):
    weights = [0.8, 0.1, 0.1]
    exact = comparison.exact(weights).set_index("figure")
    live = comparison.statistics.metrics(weights)
    assert exact.loc["FID", "value"] == pytest.approx(live["FID"], abs=0.02)
    assert exact.loc["FID", "ess"] == pytest.approx(120 / (3 * (0.64 + 0.02)), rel=0.02)
    assert exact.loc["FID", "n"] == 60
    assert (exact["low"] <= exact["value"]).all()
    even = comparison.exact(np.ones(3) / 3).set_index("figure")
    assert exact.loc["FID", "value"] < even.loc["FID", "value"]


@pytest.mark.filterwarnings("ignore:Only 40 responses")
def test_align_uses_the_weights_of_a_simulation(comparison):
    encoder = ToyEncoder(WORDS)
    weighted = comparison.reweighted([1.0, 0.0, 0.0])
    critics = comparison.simulation.frame.query("persona == 'critic'")
    only = Simulation(critics, (), {"name": "only"})
    both = align(population(240), {"weighted": weighted, "only": only}, encoder=encoder).frame
    values = both.pivot_table(index="figure", columns="method", values="value")
    assert values["weighted"].to_numpy() == pytest.approx(values["only"].to_numpy(), abs=1e-9)


def test_a_comparison_uses_the_weights_of_a_reweighted_simulation():
    heavy = simulation().reweight({"critic": 0.98})
    draws = compare(population(), heavy, encoder=ToyEncoder(WORDS)).statistics
    assert draws.counts.tolist() == [40, 40, 40]
    again = compare(population(), simulation(), encoder=ToyEncoder(WORDS)).statistics
    v = [0.5, 0.3, 0.2]
    assert draws.metrics(v)["FID"] == pytest.approx(again.metrics(v)["FID"])


def test_too_many_points_are_thinned(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 100)
    few = compare(population(), simulation(), encoder=ToyEncoder(WORDS))
    assert (len(few.points), few.thinned) == (100, (100, 240))
    assert few.statistics.counts.sum() == 120


@pytest.mark.parametrize(
    ("target", "drawn", "message"),
    [
        (population(3), simulation(), "at least 20 real responses"),
        (population(), simulation(names=("only",)), "only one persona"),
        (population(), Simulation(simulation().frame.assign(persona=None)), "no persona"),
    ],
)
def test_unusable_comparisons_are_refused(target, drawn, message):
    with pytest.raises(DataError, match=message):
        compare(target, drawn, encoder=ToyEncoder(WORDS))


def test_a_persona_that_was_never_drawn_is_accepted():
    drawn = simulation(names=NAMES[:2])
    facts = {**drawn.provenance, "personas": dict.fromkeys(NAMES, "You.")}
    found = compare(population(), Simulation(drawn.frame, drawn.exemplars, facts),
                    encoder=ToyEncoder(WORDS))  # fmt: skip
    assert found.statistics.counts.tolist() == [60, 60, 0]
    assert np.isfinite(found.statistics.metrics([0.5, 0.5, 0])["FID"])
    with pytest.raises(DataError, match="no draws of 'parent'"):
        found.reweighted([0.4, 0.4, 0.2])
