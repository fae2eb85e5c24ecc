"""The page of a report: escaped, self-contained, readable in a browser at any width."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from jupyter_mop import Question, Study
from jupyter_mop.engine.evaluation.answer_baselines import answer_baselines
from jupyter_mop.errors import DataError
from tests.charts.report.people import ATTACK, MONEY, REAL_TEXT, measured_study, people, study_of

MAX_BYTES = 2_000_000


class Page(HTMLParser):
    """The tags, the texts and the addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_data(self, text):
        self.texts.append(text)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Study:
    """A study with a simulation that was compared and diagnosed; two texts in it are hostile."""
    return measured_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Study:
    """A study with an answer that is known to be wrong: people say yes, personas nothing."""
    study = study_of(tmp_path_factory.mktemp("asked"), people(), "again")
    study.ask(
        Question("Will you come again at {topic}?", ["yes", "no"]), "again", weights="uniform"
    )
    return study


def text_of(study: Study, name: str, folder: Path, **options) -> str:
    return study.report(name, folder / "report.html", **options).read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore")
def test_everything_of_people_and_model_is_escaped(measured, tmp_path):
    for with_quotes in (False, True):
        text = text_of(measured, "learned", tmp_path, with_quotes=with_quotes)
        page = Page(text)
        assert not {"script", "img", "iframe", "link"} & set(page.tags)
        assert page.loads == []
        assert ATTACK in "".join(page.texts)
        assert MONEY in "".join(page.texts)
        assert "default-src 'none'" in text
        assert "http" not in re.sub(r"http-equiv", "", text)


def test_real_texts_are_shown_only_with_quotes(measured, tmp_path):
    without = text_of(measured, "learned", tmp_path)
    shown = text_of(measured, "learned", tmp_path, with_quotes=True)
    real = [*(exemplar.response for exemplar in measured.simulations["learned"].exemplars)]
    cells = re.findall(r"<span>([^<]*)</span>|<blockquote[^>]*>([^<]*)", without)
    assert REAL_TEXT in shown
    assert REAL_TEXT not in without
    assert not set(real) & {part for pair in cells for part in pair}
    assert measured.target.responses[0] in shown


def test_a_report_says_what_was_found_and_with_what(measured, tmp_path):
    text = text_of(measured, "learned", tmp_path)
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    assert heads == [
        "People", "Question and model", "Personas and weights", "Closeness to people",
        "What is missing", "Variety, copying and control", "Simulated responses",
        "Cost, seeds and data card", "What did not work",
    ]  # fmt: skip
    assert measured.mixture.verdict_.split(",")[0] in text
    assert "How is it at {topic}?" in text
    assert "seed of the fit" in text
    assert "real against real" in text
    assert "By topic" in text


def test_a_closed_answer_stands_beside_baselines_without_a_model(asked, tmp_path):
    text = text_of(asked, "again", tmp_path)
    for source in ("this answer", "another sample of people", "training records, everyone alike"):
        assert source in text
    assert "topic: dawn" in text
    off = float(re.search(r"again: off by (\d+) points", text)[1])
    known = asked.answers["again"]
    assert off == pytest.approx(100 * abs(known.shares()[0] - known.target()[0]), abs=0.51)
    found = answer_baselines(known, asked.population)
    everyone = found[found["group"] == "everyone"].set_index("source")["value"]
    alike = everyone["training records, everyone alike"]
    assert alike < everyone["this answer"]
    assert "without any model: training records, everyone alike" in text


def test_what_was_not_measured_is_listed_with_its_command(measured, tmp_path):
    measured.simulate("bare", 20)
    text = text_of(measured, "bare", tmp_path)
    assert "run %mop_align bare before the report" in text
    assert "run %mop_diagnose bare before the report" in text
    assert "Closeness to people" not in text


@pytest.mark.filterwarnings("ignore")
def test_results_of_an_earlier_simulation_of_the_same_name_are_not_used(measured, tmp_path):
    measured.simulate("again", 60)
    measured.align("again")
    assert "Closeness to people" in text_of(measured, "again", tmp_path)
    measured.simulate("again", 60, random_state=1)
    assert "Closeness to people" not in text_of(measured, "again", tmp_path)


def test_bad_input_is_one_sentence(measured, tmp_path):
    with pytest.raises(DataError, match=r"no simulation 'learnt'.*Did you mean 'learned'"):
        measured.report("learnt", tmp_path / "report.html")
    with pytest.raises(DataError, match=r"an \.html file, got .*report.pdf"):
        measured.report("learned", tmp_path / "report.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        measured.report("learned", tmp_path / "file" / "report.html")
    assert not list(tmp_path.glob("*.part"))


def test_a_report_of_a_thousand_responses_is_quick_and_small(measured, tmp_path):
    simulation = measured.simulations["learned"]
    many = pd.concat([simulation.frame] * 17, ignore_index=True)
    measured.simulations["many"] = replace(
        simulation, frame=many, provenance={**simulation.provenance, "name": "many"}
    )
    points = pd.concat([measured.alignment.points] * 25).replace("learned", "many")
    alignment = replace(measured.alignment, points=points)
    measured.session.keep_measurement(["many"], alignment)
    begun = time.process_time()
    path = measured.report("many", tmp_path / "report.html")
    assert time.process_time() - begun < 5
    assert path.stat().st_size < MAX_BYTES
