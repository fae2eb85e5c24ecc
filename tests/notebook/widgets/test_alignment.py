from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.survey.asking import ask
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.weighting.comparison import compare
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
from jupyter_mop.notebook.widgets.assets import script
from jupyter_mop.notebook.widgets.wire_format import wire_points, wire_statistics

NAMES = ["critic", "fan", "parent"]
WORDS = ["sun", "rain", "wind", "snow", "fog"]


def random_texts(n, seed, persona=None):
    """Return texts of 2 to 9 words; each persona uses one word more often."""
    rng = np.random.default_rng(seed)
    odds = np.ones(len(WORDS))
    if persona is not None:
        odds[persona] = 4
    probabilities = odds / odds.sum()
    return [" ".join(rng.choice(WORDS, rng.integers(2, 10), p=probabilities)) for _ in range(n)]


def comparison_of(names=tuple(NAMES), drawn=None, n=120):
    drawn = names if drawn is None else drawn
    real = pd.DataFrame({"topic": "weather", "text": random_texts(2 * n, 0)})
    responses = [
        text for k, _ in enumerate(drawn) for text in random_texts(n // len(drawn), k + 1, k)
    ]
    frame = pd.DataFrame(
        {
            "context": "weather",
            "persona": np.repeat(np.array(drawn, dtype=object), n // len(drawn)),
            "exemplar": None,
            "response": responses,
            "weight": 1.0,
        }
    )
    facts = {"name": "sky", "personas": {name: f"You are {name}." for name in names}}
    return compare(
        Population.from_frame(real, context="topic", response="text"),
        Simulation(frame, provenance=facts),
        encoder=ToyEncoder(WORDS),
    )


def with_measured(comparison, **parts):
    return replace(comparison, measured=replace(comparison.measured, **parts))


@pytest.fixture(scope="module")
def comparison():
    return comparison_of()


@pytest.fixture
def panel(comparison):
    return AlignmentPanel(comparison, learned=[1, 3, 4])


def test_it_starts_from_the_simulations_own_weights(comparison, panel):
    assert panel.as_dict() == pytest.approx(dict.fromkeys(NAMES, 1 / 3))
    assert panel.learned == [0.125, 0.375, 0.5]
    assert AlignmentPanel(comparison, weights=[2, 1, 1]).weights == [0.5, 0.25, 0.25]
    moved = with_measured(comparison, simulation=comparison.reweighted([0.5, 0.3, 0.2]))
    assert AlignmentPanel(moved).weights == pytest.approx([0.5, 0.3, 0.2])


def test_the_simulation_follows_the_weights(panel):
    panel.weights = [2, 1, 1]
    frame = panel.simulation().frame
    shares = frame.groupby("persona")["weight"].sum() / frame["weight"].sum()
    assert shares.to_dict() == pytest.approx(panel.as_dict())


@pytest.mark.parametrize("bad", [[1, 1], [1, -1, 1], [0, 0, 0], [1, float("nan"), 1], ["a"], None])
def test_bad_weights_are_refused_and_change_nothing(panel, bad):
    with pytest.raises(DataError):
        panel.weights = bad
    with pytest.raises(DataError):
        panel.set_state({"weights": bad})
    assert panel.weights == pytest.approx([1 / 3] * 3)


def test_an_unknown_keyword_is_refused_with_a_guess(comparison):
    with pytest.raises(DataError, match=r"AlignmentPanel has no argument 'learnt'.*'learned'"):
        AlignmentPanel(comparison, learnt=[1, 1, 1])
    assert AlignmentPanel(comparison, locked=[True, False, False]).locked == [True, False, False]
    assert AlignmentPanel(comparison, name="other").name == "other"


def test_a_persona_without_draws_must_have_weight_zero():
    comparison = comparison_of(("critic", "fan", "ghost"), drawn=("critic", "fan"))
    panel = AlignmentPanel(comparison, learned=[1, 1, 2])
    assert panel.weights == [0.5, 0.5, 0]
    with pytest.raises(DataError, match=r"no draws of 'ghost'.*more weight on 'ghost'"):
        panel.weights = [1, 1, 1]
    with pytest.raises(DataError, match="no draws of 'ghost'"):
        AlignmentPanel(comparison, weights=[1, 1, 1])


def test_a_small_target_is_noted(comparison):
    few = AlignmentPanel(comparison_of(n=30)).notes
    assert [note.split(":")[0] for note in few] == ["The target has 30 real records"]
    assert AlignmentPanel(comparison).notes == []


def test_pooled_contexts_are_noted(comparison):
    pooled = replace(comparison.contexts, note="Joint FID pools contexts.")
    assert AlignmentPanel(with_measured(comparison, contexts=pooled)).notes == [pooled.note]


def test_thinned_points_are_noted(comparison):
    notes = AlignmentPanel(replace(comparison, thinned=(50_000, 90_000))).notes
    assert notes == ["The map shows 50,000 of 90,000 responses; the metrics use all."]


def test_statistics_and_points_are_sent_as_bytes(comparison, panel):
    statistics, points = panel.statistics, panel.points
    sent = np.frombuffer(statistics["cosines"]["pairs"])
    assert np.array_equal(sent, comparison.statistics.pairs.ravel())
    assert statistics["floors"] == comparison.floor.to_dict()
    places = np.frombuffer(points["xy"], "<f4").reshape(-1, 2)
    assert np.allclose(places, comparison.points[["x", "y"]])
    codes = np.frombuffer(points["persona"], "<i2")
    assert [NAMES[k] for k in codes[120:]] == list(comparison.points["persona"][120:])
    assert set(codes[:120]) == {-1}
    assert points["real"] == 120


def test_each_text_is_sent_once_and_whole(comparison, panel):
    texts = json.loads(panel.points["texts"])
    strings = texts["strings"]
    assert len(set(strings)) == len(strings)
    assert [strings[i] for i in texts["response"]] == list(comparison.points["response"])
    prompts = [turns and "\n\n".join(strings[i] for i in turns) for turns in texts["prompt"]]
    drawn = comparison.points["source"] == "simulated"
    assert prompts[120:] == list(comparison.points.loc[drawn, "prompt"])
    assert prompts[:120] == [None] * 120


def test_a_lone_surrogate_does_not_break_the_panel(comparison):
    half = pd.Series("\ud83d", index=comparison.points.index, dtype=object)
    points = comparison.points.assign(response=half)
    texts = json.loads(wire_points(points, NAMES)["texts"])
    assert texts["strings"][texts["response"][0]] == "?"
    assert wire_statistics({"options": "\ud83d"}) == {"options": "?"}


@pytest.mark.filterwarnings("ignore:Only .* responses per side")
def test_exact_metrics_are_computed_once_for_each_weights(panel):
    assert panel.exact == {}
    panel._handle_custom_msg({"type": "release"}, [])
    first = panel.exact
    assert first["weights"] == panel.weights
    assert {"FID", "MAUVE", "KL cosine"} <= set(first["metrics"])
    found = first["metrics"]["FID"]
    assert found["low"] <= found["value"] <= found["high"]
    panel._handle_custom_msg({"type": "release"}, [])
    assert panel.exact is first
    panel.weights = [8, 1, 1]
    panel._handle_custom_msg({"type": "release"}, [])
    assert panel.exact["weights"] == [0.8, 0.1, 0.1]
    assert panel.exact["metrics"] != first["metrics"]
    json.dumps(panel.exact, allow_nan=False)


def test_failing_exact_metrics_are_reported_to_the_panel(comparison):
    vectors = comparison.measured.vectors[:, :2]
    panel = AlignmentPanel(with_measured(comparison, vectors=vectors))
    panel._handle_custom_msg({"type": "release"}, [])
    assert panel.exact["error"].startswith("No exact metrics: ")
    assert panel.exact["weights"] == panel.weights


def test_other_messages_are_ignored(panel):
    panel._handle_custom_msg({"type": "hello"}, [])
    panel._handle_custom_msg({}, [])
    assert panel.exact == {}


def test_the_bundle_has_a_live_view_and_a_static_table():
    panel = AlignmentPanel(comparison_of(("<b>critic</b>", "fan", "parent")), weights=[2, 1, 1])
    data, _ = DisplayFormatter().format(panel)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
    assert data["text/plain"] == "AlignmentPanel(<b>critic</b> 50.0%, fan 25.0%, parent 25.0%)"
    still = data["text/html"]
    assert "<td>&lt;b&gt;critic&lt;/b&gt;</td><td>40</td><td>50.0%</td>" in still
    assert "<b>" not in still
    floor = panel.comparison.floors_at(panel.weights)["MAUVE"]
    value = panel.comparison.statistics.metrics(panel.weights)["MAUVE"]
    assert f"<td>MAUVE</td><td>{value:.3g}</td><td>{floor:.3g}</td>" in still


def test_the_bundle_has_a_sample_of_many_responses(comparison):
    many = pd.concat([comparison.points] * 30).sort_values("source", kind="stable")
    many["response"] = np.random.default_rng(0).bytes(5 * len(many)).hex(" ", 5).split()
    panel = AlignmentPanel(replace(comparison, points=many))
    assert len(panel._repr_mimebundle_()[0]["text/html"]) < len(panel._live_html())
    assert panel.points["real"] == 3600


def test_the_page_is_one_file(panel, tmp_path):
    path = panel.to_html(tmp_path / "panel.html")
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "panel.html"
    assert "<title>sky: alignment</title>" in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_scripts_stay_small():
    assert len(script("alignment").encode()) + len(AlignmentPanel._css.encode()) < 110_000


def words_held(text):
    """Return every string that is packed into a live panel's HTML."""
    packed = re.search(r"data-mop-packed=\"\w+\">([^<]*)</script>", text)[1]
    held = json.loads(gzip.decompress(base64.b64decode(packed)))
    data = {tuple(path): base64.b64decode(value) for path, value in held["buffers"]}
    return set(json.loads(data["points", "texts"])["strings"])


def test_a_saved_notebook_contains_no_real_responses(comparison, panel, tmp_path):
    points = comparison.points
    real = set(points.loc[points["source"] == "real", "response"])
    simulated = set(points.loc[points["source"] == "simulated", "response"])
    saved = words_held(panel._repr_mimebundle_()[0]["text/html"])
    context = set(points["context"])
    assert saved == simulated | context
    assert not saved & (real - simulated)
    assert words_held(panel.to_html(tmp_path / "page.html").read_text("utf-8")) >= real


def test_an_answer_whose_weights_depend_on_the_context_has_a_static_table():
    frame = pd.DataFrame({"who": ["young", "old"] * 60, "drink": ["tea", "milk", "tea"] * 40})
    people = Population.from_frame(frame, context="who", response="drink")
    question = Question("You are {who}. What will you drink?", ["tea", "milk"])
    backend = ToyBackend(["tea", "milk"], persona_boost=2.0)
    by_context = np.array([[0.9, 0.1], [0.2, 0.8]])
    answer = ask(question, people, "a: You say tea.\nb: You say milk.", backend, weights=by_context)
    comparison = compare(people, answer.draw(300), encoder=ToyEncoder(["tea", "milk"]))
    panel = AlignmentPanel(comparison, weights=answer.persona_weights)
    assert comparison.statistics.cells.is_contextual
    html = panel._repr_mimebundle_()[0]["text/html"]
    assert f"{answer.shares()[0]:.1%}" in html


def test_a_note_says_which_weights_the_contexts_allow():
    frame = pd.DataFrame(
        {
            "context": ["dawn"] * 80 + ["dusk"] * 40,
            "persona": ["critic"] * 80 + ["critic", "fan"] * 20,
            "exemplar": None,
            "response": random_texts(120, 1),
            "weight": 1.0,
        }
    )
    real = pd.DataFrame({"topic": "dawn", "text": random_texts(120, 0)})
    facts = {"name": "sky", "personas": dict.fromkeys(("critic", "fan"), "")}
    comparison = compare(
        Population.from_frame(real, context="topic", response="text"),
        Simulation(frame, provenance=facts),
        encoder=ToyEncoder(WORDS),
    )
    notes = AlignmentPanel(comparison).notes
    assert any("critic 67% to 100%, fan 0% to 33% stand for the nearest" in note for note in notes)
