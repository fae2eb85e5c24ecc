"""Every result has a plot that needs no network, and a table in which text stays text."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from html.parser import HTMLParser

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert
from PIL import Image

from jupyter_mop import Population, Simulation, Study, ToyBackend, ToyEncoder, charts
from jupyter_mop.charts.population import length_bars, shares
from jupyter_mop.charts.style import png
from jupyter_mop.charts.style.plain_text import labels, plain
from jupyter_mop.charts.style.png import VEGA_LITE
from jupyter_mop.charts.style.theme import INK
from jupyter_mop.engine.data.population import are_closed
from jupyter_mop.engine.data.surrogates import has_lone_surrogate
from jupyter_mop.engine.simulation.simulation import COLUMNS
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import NotFittedError

WORDS = ["sun", "rain", "wind", "fog"]
ODDS = {"sun at dawn": [0.7, 0.1, 0.1, 0.1], "rain at dusk": [0.1, 0.7, 0.1, 0.1]}
OLDEST, NEWEST = "5.8", ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</td></table><iframe srcdoc=x>",
    "&lt;b&gt; &amp; \" ' ` \\",
    "\ud800 half an emoji",
    "\x00\x1b[31m\x7f control",
    "\u202eright to left\u202c שלום",
    "\U0001f600" * 60,
    "漢字" * 60,
    "x" * 100_000,
    "x" * 100_001,
    "datum['weight'] {{7 * 7}} ${1} %s",
    "line\nbreak\u2028and\ttab",
    "=SUM(1)",
    "null",
    " real ",
]
TAGS = {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "b", "span"}


class Reader(HTMLParser):
    """The tags, attributes and text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    rng = np.random.default_rng(0)
    topics = list(ODDS) * 200
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(2, 9), p=ODDS[t])) for t in topics]
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    study = Study(ToyBackend(WORDS, length=4), ToyEncoder(WORDS), store=path)
    study.use_personas("sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind.")
    frame = pd.DataFrame({"topic": topics, "text": texts})
    study.use_population(frame, context="topic", response="text")
    study.fit(n_exemplars=6, n_records=80)
    study.simulate("first", 120)
    study.simulate("plain", 120, baseline="plain")
    study.align(by="topic")
    yield study
    study.store.close()


@pytest.fixture(scope="module")
def reweighted(study):
    first = study.simulations["first"]
    weights = np.where(first.frame["persona"] == "sunny", 2.5, 0.4)
    return dataclasses.replace(first, frame=first.frame.assign(weight=weights / weights.mean()))


@pytest.fixture(scope="module")
def closed():
    answers = ["always", "never", "never", "sometimes"] * 20
    frame = pd.DataFrame({"q": "Do you?", "a": answers, "w": np.arange(80) % 4 == 0})
    return Population.from_frame(frame, context="q", response="a", weight="w")


@pytest.fixture(scope="module")
def plots(study, reweighted, closed):
    made = {
        "study": study.plot(),
        "population": study.population.plot(),
        "closed": closed.plot(),
        "mixture": study.mixture.plot(),
        "simulation": study.simulations["first"].plot(),
        "baseline": study.simulations["plain"].plot(),
        "reweighted": reweighted.plot(),
        "alignment": study.alignment.plot(),
        "map": study.alignment.map,
        "by context": study.alignment.by_context.plot(),
        "answer": study.ask(
            Question("At {topic}?", WORDS, targets={"everyone": [0.25] * 4})
        ).plot(),
        "plain answer": study.ask(Question("What?", WORDS), "plain", baseline="plain").plot(),
    }
    bundles = {name: chart._repr_mimebundle_() for name, chart in made.items()}
    return made, bundles


NAMES = ["study", "population", "closed", "mixture", "simulation", "baseline", "reweighted"]
NAMES += ["alignment", "map", "by context", "answer", "plain answer"]


def pixels(picture):
    drawn = Image.open(io.BytesIO(picture)).convert("RGBA")
    paper = Image.new("RGBA", drawn.size, "white")
    return np.asarray(Image.alpha_composite(paper, drawn).convert("RGB")).astype(int)


@pytest.mark.parametrize("name", NAMES)
def test_a_plot_is_an_altair_chart_of_a_valid_specification(plots, name):
    chart = plots[0][name]
    assert isinstance(chart, alt.TopLevelMixin)
    assert type(chart).__module__ == "jupyter_mop.charts.style.notebook_chart"
    assert chart.to_dict(validate=True)["$schema"].endswith(".json")
    assert type(chart.properties(background="black")) is type(chart)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_output_is_a_picture_that_loads_nothing(plots, name):
    data, metadata = plots[1][name]
    assert set(data) - {VEGA_LITE} == {"text/plain", "image/png"}
    picture = data["image/png"]
    height, width, _ = pixels(picture).shape
    facts = dict(metadata["image/png"])
    assert facts.pop("alt").startswith("Chart")
    assert facts == {"width": width // 2, "height": height // 2}
    assert len(picture) < 100_000
    assert len(np.unique(pixels(picture).reshape(-1, 3), axis=0)) > 10
    assert (VEGA_LITE in data) == (name != "map")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "map"])
def test_a_live_chart_has_the_ink_of_the_page_and_the_picture_its_own(plots, name):
    data, _ = plots[1][name]
    live, picture = data[VEGA_LITE], Image.open(io.BytesIO(data["image/png"])).convert("RGBA")
    assert picture.getpixel((0, 0))[3] == 0
    assert live["config"]["background"] == "transparent"
    assert live["config"]["title"]["color"] == live["config"]["text"]["color"] == "currentColor"
    assert INK not in json.dumps(live["config"])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "map"])
def test_an_older_vega_lite_draws_the_same(plots, name):
    spec = json.dumps(plots[1][name][0][VEGA_LITE])
    drawn = [
        pixels(vl_convert.vegalite_to_png(spec, vl_version=version)) for version in (OLDEST, NEWEST)
    ]
    assert drawn[0].shape == drawn[1].shape
    assert (np.abs(drawn[0] - drawn[1]).max(axis=2) > 32).mean() < 0.001


def test_the_users_own_charts_are_displayed_as_before(plots):
    assert plots
    own = alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x="x:Q")
    assert "text/html" in own._repr_mimebundle_()
    assert alt.renderers.active == "default"
    assert alt.theme.active == "default"


def test_a_large_chart_is_only_a_picture(plots, monkeypatch):
    monkeypatch.setattr(png, "MAX_LIVE_BYTES", 1000)
    data, _ = plots[0]["mixture"]._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png"}


def test_a_study_plots_its_weights_before_an_alignment(study, tmp_path):
    early = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "s.sqlite")
    assert "personas" in early._repr_html_()
    with pytest.raises(NotFittedError):
        early.plot()
    early.use_personas("a: You say sun.\nb: You say rain.")
    assert early.plot().to_dict()["title"]["text"] == "Persona weights"
    early.store.close()
    assert study.plot() is study.alignment.chart


def test_every_table_is_shielded_from_mathematics(study, closed):
    """JupyterLab takes "$5 for tea and $6" for a formula elsewhere."""
    results = [*study.simulations.values(), *study.answers.values(), study.alignment]
    results += [study, study.population, closed, study.mixture, study.explain("sun at dawn")]
    results += [study.alignment.by_context, study.diagnose("first"), study.estimate("first", len)]
    for result in results:
        assert result._repr_html_().startswith('<div class="tex2jax_ignore mathjax_ignore">')
    assert "tex2jax_ignore" in study.nearest().head()._repr_html_()


def test_weights_that_differ_by_context_are_a_heat_map(study):
    spec = study.mixture.plot().to_dict()
    cells = spec["vconcat"][1]
    rows = spec["datasets"][cells["data"]["name"]]
    contexts = {row["context"] for row in rows}
    assert contexts == set(ODDS)
    for context in contexts:
        assert sum(row["weight"] for row in rows if row["context"] == context) == pytest.approx(1)
    row = study.population.contexts.index("sun at dawn")
    expected = study.mixture.persona_weights(study.population.take([row]))[0]
    drawn = [row["weight"] for row in rows if row["context"] == "sun at dawn"]
    assert drawn == pytest.approx(expected)


def test_equal_weights_in_all_contexts_are_no_heat_map(study):
    uniform = study.mixture.__class__(study.personas, study.backend, study.encoder)
    chart = uniform.initialise(study.population).plot()
    assert isinstance(chart, alt.LayerChart)


def test_only_the_most_frequent_contexts_are_drawn():
    many = pd.DataFrame({"topic": [f"{i:02} sun" for i in range(40)], "text": "sun"})
    population = Population.from_frame(many, context="topic", response="text")
    rows = list(population.plot().to_dict()["datasets"].values())[0]  # noqa: RUF015
    assert len(rows) == 12
    assert rows[-1]["name"] == "(29 others)"
    assert rows[-1]["count"] == 29


def test_a_reweighted_simulation_shows_both_shares_and_its_effective_sample_size(study, reweighted):
    spec = reweighted.plot().to_dict()
    rows = spec["datasets"][spec["vconcat"][0]["data"]["name"]]
    frame = reweighted.frame
    for row in rows:
        mask = frame["persona"] == row["persona"]
        assert row["weight"] == pytest.approx(frame.loc[mask, "weight"].sum() / 120)
        assert row["start"] == pytest.approx(mask.mean())
    effective = frame["weight"].sum() ** 2 / (frame["weight"] ** 2).sum()
    assert f"effective sample size {effective:.0f} of 120" in " ".join(spec["title"]["subtitle"])
    assert ">weight</th>" in reweighted._repr_html_()
    assert ">weight</th>" not in study.simulations["first"]._repr_html_()


def test_a_persona_keeps_its_colour_in_every_chart_and_table(study):
    expected = dict(zip(["sunny", "rainy", "windy"], charts.PERSONA_COLOURS, strict=False))
    weights = study.mixture.plot().to_dict()["vconcat"][0]["layer"][0]["encoding"]["color"]
    map_ = study.alignment.map.to_dict()["concat"][0]["encoding"]["color"]
    for scale in (weights["scale"], map_["scale"]):
        colours = dict(zip(scale["domain"], scale["range"], strict=True))
        assert {name: colours[name] for name in expected} == expected
    for html in (study._repr_html_(), study.simulations["first"]._repr_html_()):
        for name, colour in expected.items():
            assert f'<span style="color: {colour}">&#9632;</span>&nbsp;{name}' in html


def test_a_population_shows_how_many_records_are_held_out(study):
    n = len(study.target)
    assert study.population.n_held_out == n
    assert f"; {n:,} more are held out</p>" in study.population._repr_html_()
    assert "held out" not in study.population.take([0, 1])._repr_html_()


def test_the_likelihoods_of_a_fit_are_in_words_with_intervals(study):
    shown = study.mixture._repr_html_()
    assert "log-likelihood (nats per token)" in shown
    assert "gain over equal weights" in shown
    assert "gain_low" not in shown


def test_the_subtitle_of_an_answer_is_whole(study):
    answer = study.ask(Question("Weather?", WORDS[:2]), "whole")
    long = dataclasses.replace(answer, set_aside={f"answer {i}": 1 for i in range(20)})
    assert long.plot().to_dict()["title"]["subtitle"][-1].endswith("answer 19 1.")


def test_closed_answers_are_bars_of_weighted_shares(closed):
    rows = next(iter(closed.plot().to_dict()["datasets"].values()))
    assert [row["name"] for row in rows] == ["always", "never", "sometimes"]
    assert [row["share"] for row in rows] == [1, 0, 0]
    assert [row["count"] for row in rows] == [20, 40, 20]
    assert "3 distinct answers" in closed._repr_html_()


def test_an_answer_chart_has_the_shares_and_the_known_ones(study):
    question = Question("At {topic}?", WORDS, targets={"everyone": [0.1, 0.2, 0.3, 0.4]})
    answer = study.ask(question, weights="uniform")
    spec = answer.plot().to_dict()
    bars, personas, contexts = (
        spec["datasets"][part.get("data", part["layer"][0].get("data"))["name"]]
        for part in spec["vconcat"]
    )
    assert [row["share"] for row in bars] == pytest.approx(answer.shares())
    assert [row["target"] for row in bars] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert personas[0]["row"] == "sunny (33%)"
    assert [row["share"] for row in personas[:4]] == pytest.approx(answer.by_persona[0])
    assert {row["row"] for row in contexts} == set(ODDS)
    html = answer._repr_html_()
    assert "40.0%" in html
    assert Reader(html).tags <= TAGS


def test_few_short_and_repeated_answers_are_closed():
    assert are_closed(["yes", "no"] * 10)
    assert not are_closed(["yes", "no"])
    assert not are_closed(["y" * 100] * 50)
    assert not are_closed([f"answer {i % 13}" for i in range(500)])


def test_lengths_are_counted_and_the_longest_share_a_bar():
    texts = ["w " * n for n in [2, 2, 3, 5]] * 30 + ["w " * 500]
    rows = next(iter(length_bars(texts).to_dict()["datasets"].values()))
    assert [row["words"] for row in rows] == ["2", "3", "4", "5 or more"]
    assert [row["share"] for row in rows] == pytest.approx([60 / 121, 30 / 121, 0, 31 / 121])


def test_texts_with_the_same_beginning_have_separate_shares():
    frame = shares(["x" * 500 + "a", "x" * 500 + "b"])
    assert frame["share"].tolist() == [0.5, 0.5]
    assert len(set(labels(frame["name"]).values())) == 2


def test_labels_are_short_and_all_different():
    made = labels(HOSTILE)
    assert len(set(made.values())) == len(HOSTILE)
    assert max(map(len, made.values())) <= 42
    assert plain("\x00\ud800a") == "\ufffd\ufffda"


@pytest.fixture(scope="module")
def hostile():
    whole = [text for text in HOSTILE if not has_lone_surrogate(text)]
    n = len(whole)
    frame = pd.DataFrame({"<i>": whole * 3, "text": whole * 3})
    population = Population.from_frame(frame, context="<i>", response="text")
    rows = [[text, text, None, text, 0.0, 1.0 + i, 0, i] for i, text in enumerate(whole)]
    facts = {"name": whole[0], "weights": whole[1], "personas": whole}
    simulation = Simulation(pd.DataFrame(rows, columns=list(COLUMNS)), (), facts)
    long = pd.DataFrame({"context": np.repeat(whole, 2), "persona": whole[:2] * n})
    drawn = [
        population.plot(),
        simulation.plot(),
        charts.weights_chart(pd.DataFrame({"persona": whole, "weight": 1 / n})),
        charts.weights_map(long.assign(weight=0.5)),
        charts.response_map(
            pd.DataFrame({"x": range(n), "y": 0.0, "persona": whole, "response": whole}).assign(
                source=["real"] * 5 + whole[5:8] + [whole[0]] * (n - 8)
            ),
            whole,
        ),
    ]
    return drawn, [population._repr_html_(), simulation._repr_html_()]


@pytest.mark.parametrize("i", range(5))
def test_hostile_text_is_drawn(hostile, i):
    data, _ = hostile[0][i]._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    json.dumps(data.get(VEGA_LITE, {}), ensure_ascii=False).encode()
    assert len(base64.b64encode(data["image/png"])) < 400_000


@pytest.mark.parametrize("i", range(2))
def test_hostile_text_is_text_in_tables(hostile, i):
    html = hostile[1][i]
    read = Reader(html)
    assert read.tags <= TAGS
    assert read.attributes <= {"class", "dir", "style"}
    assert "<script>alert(1)</script>" in read.text
    assert len(html) < 20_000
    html.encode()
