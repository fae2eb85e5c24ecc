"""A study's calibrations, estimates and diagnoses, on the toy backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import Population, Study, ToyBackend, ToyEncoder, charts
from jupyter_mop.errors import DataError, MopError, NotFittedError

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind."
EVIL = "<script>alert('x')</script>"
ODDS = {"dawn": [0.6, 0.2, 0.1, 0.1], "dusk": [0.1, 0.6, 0.2, 0.1]}


def first(text: str) -> str:
    return text.split(maxsplit=1)[0]


def records(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    topics = rng.choice(list(ODDS), n)
    texts = [" ".join(rng.choice(WORDS, size=4, p=ODDS[topic])) for topic in topics]
    return pd.DataFrame({"topic": topics, "text": texts, "w": rng.uniform(0.5, 2, n)})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    path = tmp_path_factory.mktemp("store") / "study.sqlite"
    study = Study(ToyBackend(WORDS, length=4), ToyEncoder(WORDS), store=path)
    study.use_personas(PERSONAS)
    study.use_population(records(240, 0), context="topic", response="text")
    study.simulate("mixed", 120, weights="uniform", temperature=1.0, top_p=1.0)
    study.simulate("plain", 120, baseline="plain", temperature=1.0, top_p=1.0)
    yield study
    study.store.close()


def word_shares(study: Study, name: str) -> dict[str, float]:
    simulation = study.simulations[name]
    words = pd.Series([first(text) for text in simulation.responses])
    shares = pd.Series(simulation.weights).groupby(words).sum() / len(simulation)
    return {str(word): float(share) for word, share in shares.items()}


def test_calibrated_weights_go_into_reweight_and_simulate(study: Study) -> None:
    heavier = study.reweight("mixed", {"sunny": 0.7, "rainy": 0.2, "windy": 0.1})
    words = pd.Series([first(text) for text in heavier.responses])
    targets = pd.Series(heavier.weights).groupby(words).sum() / len(heavier)
    found = study.calibrate("mixed", targets, of=first)
    assert found.is_reached
    assert dict(found) == pytest.approx({"sunny": 0.7, "rainy": 0.2, "windy": 0.1}, abs=0.01)
    reweighted = study.reweight("mixed", found, kept_as="calibrated")
    assert word_shares(study, "calibrated") == pytest.approx(targets.to_dict(), abs=1e-3)
    assert reweighted is study.simulations.pop("calibrated")
    again = study.simulate("again", 60, weights=found)
    assert (again.frame["persona"] == "sunny").mean() > 0.5
    del study.simulations["again"]


def test_a_baseline_has_no_weights_to_calibrate(study: Study) -> None:
    with pytest.raises(DataError, match="no persona"):
        study.calibrate("plain", word_shares(study, "plain"), of=first)


def test_human_answers_are_a_frame_with_the_studys_columns(study: Study) -> None:
    human = records(60, 5)
    found = study.estimate("mixed", first, human=human, answer="sun")
    assert found.is_valid
    row = found.frame.iloc[0]
    mean = float((human["text"].map(first) == "sun").mean())
    assert row["human"] == pytest.approx(mean)
    assert row["low"] < np.mean([ODDS["dawn"][0], ODDS["dusk"][0]]) < row["high"]
    same = study.estimate("mixed", first, human=study.target.take(range(30)), answer="sun")
    assert same.n_human == 30


def test_another_column_and_survey_weights(study: Study) -> None:
    made = study.simulations["mixed"]
    lengths = [len(text) for text in made.responses]
    study.simulations["long"] = type(made)(made.frame.assign(length=lengths), (), made.provenance)
    human = records(40, 6)
    human["length"] = human["text"].str.len()
    found = study.estimate("long", "length", human=human)
    assert found.frame.iloc[0]["human"] == pytest.approx(human["length"].mean())
    del study.simulations["long"]


def test_without_human_answers_an_estimate_is_marked_not_valid(study: Study) -> None:
    found = study.estimate("plain", first)
    for text in (repr(found), found._repr_html_(), str(found.plot().to_dict())):
        assert "not valid for the real population" in text.replace("', '", " ")
    assert found.frame["value"].sum() == pytest.approx(1)


def test_the_last_simulation_of_the_mixture_is_diagnosed(study: Study) -> None:
    found = study.diagnose()
    assert found.name == "mixed"
    assert len(found.copies) == 120
    assert found.confusion.shape == (3, 3)
    assert study.diagnose("plain").confusion is None


def test_human_answers_without_the_studys_weight_column_are_an_error(tmp_path: Path) -> None:
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "w.sqlite")
    study.use_personas(PERSONAS)
    rows = records(200, 3).assign(w=1.0)
    study.use_population(rows, context="topic", response="text", weight="w")
    study.simulate("made", 60, n_candidates=1)
    few = records(40, 4).drop(columns="w")
    unweighted = Population.from_frame(few, context="topic", response="text")
    for human in (few, unweighted):
        with pytest.raises(DataError, match="no weight column 'w'"):
            study.estimate("made", first, human=human, answer="sun")
    assert study.estimate("made", first, human=few.assign(w=2.0), answer="sun").n_human == 40
    study.store.close()


@pytest.mark.filterwarnings("ignore:Only")
def test_paired_differences_of_an_alignment(study: Study) -> None:
    frame = study.align().differences("plain", n_boot=20, n_splits=3)
    assert frame["method"].unique().tolist() == ["mixed"]
    assert frame["figure"].tolist() == ["FID", "MAUVE", "KL cosine", "joint FID", "fidelity"]
    assert frame["verdict"].isin(["better", "worse", "no clear difference"]).all()


@pytest.mark.filterwarnings("ignore:Only")
@pytest.mark.parametrize(
    ("verb", "kind", "words"),
    [
        (lambda s: s.calibrate("mixed", {"sun": 0.5, "rain": 0.2}, of=first), DataError, "sum to"),
        (lambda s: s.calibrate("mixed", {"sun": 1.0}, of=first), DataError, "leaves out"),
        (lambda s: s.calibrate("mixed", {"sun": 0.97, "rain": 0.01, "wind": 0.01, "fog": 0.01},
                               of=first), DataError, "No persona weights"),
        (lambda s: s.calibrate("mixe", {}), DataError, "'mixed'"),
        (lambda s: s.estimate("mixed", human=[1, 2]), DataError, "DataFrame"),
        (lambda s: s.estimate("mixed", first, human=records(40, 1).assign(topic="noon")),
         DataError, "never occur"),
        (lambda s: s.estimate("mixed", "age", human=records(40, 1)), DataError, "'age'"),
        (lambda s: s.diagnose("none"), DataError, "no simulation"),
        (lambda s: s.diagnose("mixed", copied=0), DataError, "`copied` must be at least 1"),
        (lambda s: s.align("mixed").differences("plain"), DataError, "'plain'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    study: Study, verb: Callable[[Study], object], kind: type[MopError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        verb(study)
    assert words in str(caught.value)
    assert caught.value.hint


def test_diagnosis_and_estimate_need_a_simulation(tmp_path: Path) -> None:
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "s.sqlite")
    with pytest.raises(NotFittedError):
        study.diagnose()
    with pytest.raises(DataError):
        study.estimate("a")


def test_each_result_has_a_picture_and_an_escaped_table(study: Study) -> None:
    made = study.simulations["mixed"]
    rows = made.frame.assign(response=[f"{EVIL} {text}" for text in made.responses])
    rows["persona"] = rows["persona"] + EVIL
    rows = rows.drop(columns=["first_response", "first_seed"])
    names = tuple(f"{name}{EVIL}" for name in ("sunny", "rainy", "windy"))
    facts = {**made.provenance, "personas": names, "name": EVIL, "n_candidates": 1}
    study.simulations[EVIL] = type(made)(rows, made.exemplars, facts)

    def kind(text: str) -> str:
        return f"{EVIL}{text.split()[1]}"

    shares = pd.Series([kind(text) for text in rows["response"]]).value_counts(normalize=True)
    human = records(30, 2)
    human["text"] = f"{EVIL} " + human["text"]
    results = [
        study.calibrate(EVIL, shares, of=kind),
        study.estimate(EVIL, kind, human=human),
        study.estimate(EVIL, kind),
        study.diagnose(EVIL),
    ]
    del study.simulations[EVIL]
    for result in results:
        html = result._repr_html_()
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert charts.png(result.plot()).startswith(b"\x89PNG")
        assert result.plot().to_dict(validate=True)
