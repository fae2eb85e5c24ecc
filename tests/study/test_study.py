from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.encoding import sample_rows
from jupyter_mop.engine.metrics.alignment_table import align as measure
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError, ModelError, MopError, NotFittedError, StoreError
from jupyter_mop.study.study import Study

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind."


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=4, p=[0.5, 0.2, 0.2, 0.1])) for _ in range(480)]
    return pd.DataFrame({"topic": ["dawn", "dusk"] * 240, "text": texts})


@pytest.fixture
def empty(tmp_path: Path) -> Study:
    return Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "study.sqlite")


@pytest.fixture
def study(empty: Study, frame: pd.DataFrame) -> Study:
    empty.use_personas(PERSONAS)
    empty.use_population(frame, context="topic", response="text")
    return empty


def toy(study: Study) -> ToyBackend:
    assert isinstance(study.backend.backend, ToyBackend)
    return study.backend.backend


def state(study: Study) -> dict[str, object]:
    """Return what a failed call must not change."""
    names = ("personas", "population", "target", "mixture", "panel_weights", "backend_choice")
    return {name: getattr(study.session, name) for name in names} | {
        "made": dict(study.simulations)
    }


def fails(study: Study, verb: Callable[[], object], kind: type[MopError], *words: str) -> None:
    before, n_calls = state(study), (toy(study).n_scored, toy(study).n_generated)
    with pytest.raises(kind) as caught:
        verb()
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)
    after = state(study)
    assert all(after[name] is before[name] for name in before if name != "made")
    assert after["made"] == before["made"]
    assert (toy(study).n_scored, toy(study).n_generated) == n_calls


def stop_after(n: int) -> Callable[[str, int], Callable[[int, object], None]]:
    """Return an `on_step` that raises KeyboardInterrupt after `n` answers."""
    seen = 0

    def on_step(_what: str, _total: int) -> Callable[[int, object], None]:
        def tick(_index: int, _value: object) -> None:
            nonlocal seen
            seen += 1
            if seen == n:
                raise KeyboardInterrupt

        return tick

    return on_step


def test_a_new_study_is_empty_and_opens_no_file(tmp_path: Path) -> None:
    study = Study(store=tmp_path / "none.sqlite")
    assert (study.personas, study.population, study.mixture) == ([], None, None)
    assert not (tmp_path / "none.sqlite").exists()


def test_the_store_path_comes_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(tmp_path / "here" / "s.sqlite"))
    assert Study(ToyBackend(WORDS)).store.path == tmp_path / "here" / "s.sqlite"


def test_the_main_workflow_from_records_to_metrics(study: Study) -> None:
    study.fit("What of {topic}?", n_exemplars=8, n_records=80, n_components=12)
    study.simulate("learned", 120, temperature=1.0, top_p=1.0)
    study.simulate("wind only", 120, weights={"windy": 1.0}, temperature=1.0, top_p=1.0)
    alignment = study.align()
    assert list(alignment.table.index) == ["learned", "wind only", "two halves of the real"]
    fid = alignment.frame[alignment.frame["figure"] == "FID"].set_index("method")
    assert fid.loc["learned", "value"] < 0.6 * fid.loc["wind only", "value"]
    rows = sample_rows(len(study.target), 240, random_state=0)
    compared = [study.target.responses[i] for i in rows]
    vectors = [ToyEncoder(WORDS).encode(texts) for texts in (
        compared, study.simulations["learned"].responses
    )]  # fmt: skip
    direct = measure(vectors[0], {"learned": vectors[1]})
    one = study.align("learned").frame
    pd.testing.assert_frame_equal(one.head(3), direct)
    assert list(one["figure"][3:]) == ["joint FID", "fidelity"]


def test_repeating_a_study_gives_the_same_results_from_the_cache(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    backend, encoder, runs = ToyBackend(WORDS), ToyEncoder(WORDS), []
    for _ in range(2):
        study = Study(backend, encoder, store=tmp_path / "study.sqlite")
        study.use_personas(PERSONAS)
        study.use_population(frame, context="topic", response="text")
        study.fit(n_exemplars=8, n_records=40, n_components=8)
        study.simulate("a", 100)
        alignment = study.align("a")
        counts = (backend.n_scored, backend.n_generated, encoder.n_encoded)
        runs.append((study.weights(), study.simulations["a"].responses, counts, alignment.frame))
        study.store.close()
    assert runs[0][:3] == runs[1][:3]
    pd.testing.assert_frame_equal(runs[0][3], runs[1][3])


def test_an_interrupted_fit_continues_where_it_stopped(study: Study, tmp_path: Path) -> None:
    options = {"n_exemplars": 8, "n_records": 40, "n_components": 8, "by": "likelihood"}
    reference = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "other.sqlite")
    reference.personas, reference.population = study.personas, study.population
    expected = reference.fit(**options).gate_.theta
    half = toy(reference).n_scored // 2
    with pytest.raises(KeyboardInterrupt):
        study.fit(on_step=stop_after(half), **options)
    assert study.mixture is None
    done = study.store.counts().scores
    assert 0 < done <= half
    np.testing.assert_array_equal(study.fit(**options).gate_.theta, expected)
    assert toy(study).n_scored == toy(reference).n_scored
    assert study.store.counts().scores == toy(reference).n_scored


def test_an_interrupted_simulation_continues_in_a_new_study(
    study: Study, frame: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        study.simulate("a", 100, n_candidates=1, on_step=stop_after(37))
    assert study.simulations == {}
    assert study.store.counts().completions == 37
    study.store.close()
    later = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "study.sqlite")
    later.use_personas(PERSONAS)
    later.use_population(frame, context="topic", response="text")
    assert len(later.simulate("a", 100, n_candidates=1)) == 100
    assert toy(later).n_generated == 63


def test_population_and_target_share_no_record(empty: Study, frame: pd.DataFrame) -> None:
    frame = frame.assign(text=[f"s{i}" for i in range(480)])
    empty.use_population(frame, context="topic", response="text", held_out=0.25)
    assert (len(empty.population), len(empty.target)) == (360, 120)
    assert set(empty.population.responses).isdisjoint(empty.target.responses)


def test_contexts_are_simulated_from_the_held_out_records(study: Study) -> None:
    study.target = study.target.take(np.flatnonzero([c == "dusk" for c in study.target.contexts]))
    assert set(study.simulate("a", 50).frame["context"]) == {"dusk"}


def test_before_a_fit_the_stated_weights_are_used(study: Study) -> None:
    study.use_personas("sunny [0.8]: You say sun.\nrainy: You say rain.")
    assert study.weights() == pytest.approx({"sunny": 0.8, "rainy": 0.2})
    simulation = study.simulate("a", 1000)
    assert simulation.provenance["weights"] == "stated"
    assert (simulation.frame["persona"] == "sunny").mean() == pytest.approx(0.8, abs=0.05)


def test_after_a_fit_the_learned_weights_are_used(study: Study) -> None:
    mixture = study.fit(n_exemplars=4, n_records=60)
    assert study.weights() == dict(
        zip(mixture.names, mixture.persona_weights().tolist(), strict=True)
    )
    assert study.simulate("a", 20).provenance["weights"] == "learned"


def test_a_simulation_can_use_the_panel_weights(study: Study) -> None:
    study.panel_weights = {"sunny": 0.0, "rainy": 1.0, "windy": 0.0}
    simulation = study.simulate("a", 30, weights="panel")
    assert set(simulation.frame["persona"]) == {"rainy"}
    assert "rainy=1.000" in simulation.provenance["weights"]


def test_new_personas_discard_the_mixture_and_the_panel_weights(study: Study) -> None:
    study.fit(n_exemplars=4, n_records=20)
    study.panel_weights = study.weights()
    study.use_personas("foggy: You say fog.")
    assert (study.mixture, study.panel_weights) == (None, None)
    assert study.weights() == {"foggy": 1.0}
    assert set(study.simulate("a", 10).frame["persona"]) == {"foggy"}
    fails(study, lambda: study.simulate("b", weights="panel"), NotFittedError, "mop_weights")


@pytest.mark.parametrize("verb", ["population", "backend"])
def test_a_new_population_or_model_discards_the_mixture(
    study: Study, frame: pd.DataFrame, verb: str
) -> None:
    study.fit(n_exemplars=4, n_records=20)
    if verb == "population":
        study.use_population(frame, context="topic", response="text", random_state=1)
    else:
        study.use_backend(ToyBackend(WORDS, length=2))
    assert study.mixture is None
    assert study.status()["weights"] == "not learned"


def test_a_new_model_generates_the_responses(study: Study) -> None:
    study.simulate("long", 10)
    study.use_backend(ToyBackend(WORDS, length=2))
    assert {len(r.split()) for r in study.simulate("short", 10).responses} == {2}
    assert {len(r.split()) for r in study.simulations["long"].responses} == {4}


def test_a_simulation_of_the_same_name_is_replaced(study: Study) -> None:
    study.simulate("a", 10)
    study.simulate("b", 10)
    study.simulate("a", 20, random_state=1)
    assert {name: len(made) for name, made in study.simulations.items()} == {"a": 20, "b": 10}


@pytest.mark.parametrize(
    ("baseline", "missing"),
    [("plain", ["persona", "exemplar"]), ("personas", ["exemplar"]), ("exemplars", ["persona"])],
)
def test_a_baseline_leaves_out_persona_or_exemplar(
    study: Study, baseline: str, missing: list[str]
) -> None:
    frame = study.simulate("a", 20, baseline=baseline).frame
    for column in ("persona", "exemplar"):
        assert frame[column].isna().all() == (column in missing)


def test_a_template_applies_to_one_simulation_and_the_fits_to_the_others(study: Study) -> None:
    study.fit("Fit {topic}?", n_exemplars=4, n_records=20)
    assert study.simulate("a", 5, template="Own {topic}?").provenance["template"] == "Own {topic}?"
    assert study.simulate("b", 5).provenance["template"] == "Fit {topic}?"


def test_the_status_counts_what_is_there(study: Study) -> None:
    assert study.status()["model"] == "not loaded yet"
    study.fit(n_exemplars=4, n_records=20)
    study.simulate("a", 7)
    status = study.status()
    assert status["personas"] == "sunny, rainy, windy"
    assert status["population"].startswith("Population(239 records")  # equal texts together
    assert (status["held out"], status["weights"]) == (241, "learned")
    assert status["simulations"] == "a (7)"
    assert status["model"].startswith("toy:")
    assert "7 responses" in status["cached"]
    assert f"{toy(study).n_scored} scores" in status["cached"]
    assert status["store"] == str(study.store.path)


def test_a_method_called_too_early_names_the_missing_step(
    empty: Study, frame: pd.DataFrame
) -> None:
    fails(empty, empty.fit, NotFittedError, "no population yet", "%mop_population")
    fails(empty, empty.simulate, NotFittedError, "no population yet")
    fails(empty, empty.weights, NotFittedError, "no personas yet", "%%mop_personas")
    fails(empty, empty.align, MopError)
    empty.use_population(frame, context="topic", response="text")
    fails(empty, empty.fit, NotFittedError, "no personas yet")
    fails(empty, empty.simulate, NotFittedError, "no personas yet")
    fails(empty, empty.align, DataError, "no simulation")


def test_bad_input_changes_nothing(study: Study, frame: pd.DataFrame) -> None:
    study.fit("What of {topic}?", n_exemplars=4, n_records=20)
    study.simulate("a", 10)
    study.panel_weights = study.weights()
    columns = {"context": "topic", "response": "text"}
    for personas in ("", "sunny:", "a: x\na: y", "a [-1]: x\nb: y", "a [0]: x"):
        fails(study, lambda text=personas: study.use_personas(text), DataError)
    for change in (
        {"context": "subject"},
        {"response": "answer"},
        {"weight": "heft"},
        {"held_out": 0.0},
        {"held_out": 1.0},
    ):
        options = {**columns, **change}
        fails(study, lambda o=options: study.use_population(frame, **o), DataError)
    for bad in (frame.head(0), frame.assign(text=None), frame.assign(text="")):
        fails(study, lambda df=bad: study.use_population(df, **columns), DataError)
    fails(study, lambda: study.fit("What of {genre}?"), DataError, "genre")
    fails(study, lambda: study.fit("What of {}?"), DataError, "{{")
    fails(study, lambda: study.fit(n_records=0), DataError, "n_records")
    for options in (
        {"template": "{genre}"},
        {"weights": "best"},
        {"weights": {"nobody": 1.0}},
        {"weights": {"sunny": -1.0}},
        {"baseline": "none"},
        {"n": 0},
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"max_tokens": 0},
    ):
        fails(study, lambda o=options: study.simulate("a", **o), DataError)
    fails(study, lambda: study.align("b"), DataError, "'b'", "'a'")


def test_a_failed_simulation_does_not_keep_its_template(study: Study) -> None:
    fails(study, lambda: study.simulate("a", 5, template="Own {topic}?", weights="best"), DataError)
    assert study.simulate("a", 5).provenance["template"] == "{topic}"


def test_an_object_that_is_no_model_is_refused(study: Study) -> None:
    fails(study, lambda: study.use_backend(pd.DataFrame()), ModelError, "DataFrame")
    assert len(study.simulate("a", 5)) == 5


def test_a_missing_model_file_is_refused(study: Study, tmp_path: Path) -> None:
    pytest.importorskip("openvino_genai")
    fails(study, lambda: study.use_backend(tmp_path / "no.gguf"), MopError, "no.gguf")
    assert len(study.simulate("a", 5)) == 5


def test_an_unreadable_store_raises_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_text("no database at all, just a lot of words " * 20)
    with pytest.raises(StoreError) as caught:
        Study(ToyBackend(WORDS), store=tmp_path / "s.sqlite").status()
    assert "JUPYTER_MOP_STORE" in caught.value.hint


def test_a_simulation_is_reweighted_by_shares_with_no_model_call(study: Study) -> None:
    study.simulate("first", n=120, weights="uniform")
    n_calls = toy(study).n_generated
    heavy = study.reweight("first", {"rainy": 0.8})
    shares = heavy.frame.groupby("persona")["weight"].sum() / 120
    assert shares.to_dict() == pytest.approx({"sunny": 0.1, "rainy": 0.8, "windy": 0.1})
    assert heavy.responses == study.simulations["first"].first_candidates().responses
    assert toy(study).n_generated == n_calls
    assert list(study.simulations) == ["first"]


def test_reweighting_to_the_weights_it_was_drawn_with_changes_nothing(study: Study) -> None:
    study.fit(n_exemplars=6, n_records=60)
    study.simulate("first", n=100, weights="learned")
    assert study.reweight("first", "learned").weights == pytest.approx(np.ones(100))


def test_uniform_draws_reweight_to_learned_weights(study: Study) -> None:
    study.fit(n_exemplars=6, n_records=120)
    study.simulate("uniform", n=3000, weights="uniform")
    shares = study.reweight("uniform", "learned").frame.groupby("persona")["weight"].sum() / 3000
    assert shares.to_dict() == pytest.approx(study.weights(), abs=0.05)


@pytest.mark.filterwarnings("ignore:Only .* responses per side")
def test_a_reweighted_simulation_can_be_named_and_aligned(study: Study) -> None:
    study.simulate("first", n=120)
    reweighted = study.reweight("first", {"sunny": 0.6}, kept_as="sunnier")
    assert (reweighted.name, study.simulations["sunnier"]) == ("sunnier", reweighted)
    frame = study.align("first", "sunnier").frame
    ess = frame.groupby("method", sort=False)["ess"].first()
    n = frame["n"].iloc[0]
    assert ess["first"] == pytest.approx(n)
    assert ess["sunnier"] < n


def test_impossible_reweighting_is_refused(study: Study) -> None:
    study.simulate("first", n=40)
    study.simulate("plain", n=40, baseline="plain")
    fails(study, lambda: study.reweight("fist", {"sunny": 1}), DataError, "fist")
    fails(study, lambda: study.reweight("first", {"stormy": 1}), DataError, "stormy")
    fails(study, lambda: study.reweight("first", "panel"), NotFittedError, "panel")
    fails(study, lambda: study.reweight("plain", {"sunny": 1}), DataError, "no persona")
    fails(study, lambda: study.reweight("plain", "uniform"), DataError, "without a persona")
    study.use_personas(PERSONAS)
    fails(study, lambda: study.reweight("first", "uniform"), NotFittedError, "no longer exists")


def test_a_mixture_with_other_exemplars_cannot_reweight(study: Study) -> None:
    study.simulate("first", n=40)
    study.fit(n_exemplars=6, n_records=60)
    fails(study, lambda: study.reweight("first", "uniform"), DataError, "other exemplars")


def test_the_panel_shows_the_last_simulation_of_the_mixture(study: Study) -> None:
    fails(study, study.panel, NotFittedError, "no simulation of the mixture")
    study.simulate("first", n=120)
    study.simulate("plain", n=40, baseline="plain")
    panel = study.panel()
    assert panel.simulation().name == "first"
    panel.weights = [0.5, 0.25, 0.25]
    assert study.panel_weights == {"sunny": 0.5, "rainy": 0.25, "windy": 0.25}
    reweighted = study.reweight("first", "panel")
    assert reweighted.weights == pytest.approx(panel.simulation().weights)
    study.use_personas("only: You say sun.")
    panel.weights = [0.25, 0.5, 0.25]
    assert study.panel_weights is None


def test_synthesised_personas_replace_the_previous_ones(study: Study) -> None:
    study.fit(n_exemplars=4, n_records=20)
    made = study.synthesize(2, n_draws=1)
    assert study.personas == made.personas
    assert study.mixture is None
    n_calls = toy(study).n_generated
    again = study.synthesize(2, n_draws=1, weighted=True)
    assert toy(study).n_generated == n_calls
    assert study.personas == again.weighted
    assert list(study.weights().values()) == pytest.approx(list(again.frame["share"]))


def test_a_failed_synthesis_leaves_the_study_as_it_was(study: Study, empty: Study) -> None:
    fails(study, lambda: study.synthesize(0), DataError, "whole number", "auto")
    fails(study, lambda: study.synthesize(10_000), DataError, "`k` is 10000")
    fails(study, lambda: study.synthesize("auto", ladder=[4]), DataError, "ladder", "two numbers")
    empty.population = None
    fails(empty, lambda: empty.synthesize(2), NotFittedError, "no population")


@pytest.fixture
def survey(tmp_path: Path) -> Study:
    """Return a study of one-word answers: mostly sun at dawn, mostly rain at dusk."""
    rng = np.random.default_rng(0)
    topics = ["dawn", "dusk"] * 300
    odds = {"dawn": [0.7, 0.2, 0.1], "dusk": [0.2, 0.7, 0.1]}
    texts = [rng.choice(WORDS[:3], p=odds[topic]) for topic in topics]
    study = Study(
        ToyBackend(WORDS, length=1), ToyEncoder([*WORDS, "dawn", "dusk"]), store=tmp_path / "s"
    )
    study.use_personas(PERSONAS)
    frame = pd.DataFrame({"topic": topics, "text": texts})
    study.use_population(frame, context="topic", response="text")
    return study


def test_answer_weights_are_learned_from_a_closed_population(survey: Study) -> None:
    answer = survey.ask("What of {topic}?", "sky")
    assert answer.weights_label == "learned"
    assert answer.options == ("rain", "sun", "wind")
    assert toy(survey).n_scored == 2 * (3 + 1) * 3 * 3  # the personas, and plain prompting
    assert answer.calibration is not None
    plain = survey.ask("What of {topic}?", "plain", baseline="plain")
    personas = survey.ask("What of {topic}?", "personas", baseline="personas")
    worst = {}
    for made in (answer, plain, personas):
        frame = made.distances("topic").query("figure == 'TV'")
        worst[made.name] = frame["value"].max()
    assert worst["sky"] < 0.5 * worst["plain"]
    assert worst["sky"] < 0.5 * worst["personas"]
    assert list(survey.answers) == list(survey.simulations) == ["sky", "plain", "personas"]


def test_an_uncalibrated_answer_has_the_model_s_own_options(survey: Study) -> None:
    answer = survey.ask("What of {topic}?", "sky", calibrated=False)
    assert answer.calibration is None
    assert answer.weights_label == "learned"
    personas = survey.ask("What of {topic}?", "personas", baseline="personas")
    assert (answer.table.probabilities == personas.table.probabilities).all()
    assert survey.ask("What of {topic}?", "even", weights="uniform").calibration is None


def test_repeating_a_question_calls_no_model(survey: Study) -> None:
    first = survey.ask("What of {topic}?")
    n_calls = toy(survey).n_scored
    again = survey.ask("What of {topic}?")
    assert toy(survey).n_scored == n_calls
    assert (again.by_context == first.by_context).all()


def test_the_panel_shows_closed_answers(survey: Study) -> None:
    survey.ask("What of {topic}?", "sky", 200)
    comparison = survey.compare("sky")
    answers = comparison.statistics.option_shares
    assert answers is not None
    assert answers.options == ("rain", "sun", "wind")
    weights = comparison.statistics.counts / 200
    assert {"JS", "TV"} <= set(comparison.statistics.metrics(weights)) & set(comparison.floors)
    assert type(survey.panel("sky")).__name__ == "AlignmentPanel"


def test_the_panel_has_the_exact_shares_of_an_answer_at_any_weights(survey: Study) -> None:
    question = Question("What of {topic}?", ["wind", "sun", "rain", "fog"])
    answer = survey.ask(question, "sky", 60)
    assert answer.weights_label == "learned"
    assert np.ptp(answer.weights, axis=0).max() > 0.05
    statistics = survey.compare("sky").statistics
    assert statistics.option_shares is not None
    assert statistics.option_shares.exact
    assert statistics.option_shares.options == answer.options
    assert statistics.option_shares.target[3] == 0
    own = statistics.option_shares.shares(statistics.cells.shares(answer.persona_weights))
    np.testing.assert_allclose(own, answer.shares(), atol=3e-4)  # alike contexts are one group
    drawn = statistics.counts / 60
    shares = statistics.option_shares.shares(statistics.cells.shares(drawn))
    gap = shares - statistics.option_shares.target
    assert statistics.metrics(drawn)["TV"] == pytest.approx(abs(gap).sum() / 2)
    uniform = survey.ask(question, "even", 60, weights="uniform")
    survey.reweight("even", {"rainy": 0.7, "sunny": 0.2}, kept_as="moved")
    moved = survey.compare("moved").statistics.option_shares
    assert moved is not None
    weights = np.array([0.2, 0.7, 0.1])
    expected = uniform.reweighted(weights).shares()
    np.testing.assert_allclose(moved.shares(weights), expected, atol=1e-12)


def with_refusals(study: Study) -> None:
    """Let some of the records have no answer that is an option, in both halves."""
    frame = pd.concat([study.population.frame, study.target.frame], ignore_index=True)
    column = frame.columns[-1]
    frame[column] = frame[column].astype(object)
    frame.loc[[3, 400], column] = "Refused"
    frame.loc[[5], column] = " Sun "
    study.use_population(frame, context="topic", response=column)


def test_answers_set_aside_leave_weights_learned_and_targets_known(survey: Study) -> None:
    with_refusals(survey)
    for question in ("What of {topic}?", Question("What of {topic}?", WORDS[:3])):
        answer = survey.ask(question, "sky", missing="refused")
        assert answer.weights_label == "learned"
        assert answer.target() is not None
        assert answer.set_aside == {"refused": 2}
        assert sorted(answer.options) == ["rain", "sun", "wind"]
        assert "2 real answers are set aside: refused 2." in repr(answer)
        assert "2 real answers are set aside" in answer._repr_html_()
        comparison = survey.compare("sky")
        assert comparison.statistics.option_shares is not None
    with pytest.raises(DataError, match=r"1 of 300 real answers .* 'Refused' \(1\)"):
        survey.ask(Question("What of {topic}?", WORDS[:3]), "sky")


def test_a_run_keeps_the_whole_question(survey: Study) -> None:
    question = Question(
        "What of {topic}?",
        ["rain", "sun", "wind"],
        "scale",
        {("topic", "dawn"): [0.2, 0.7, 0.1]},
        last=["wind"],
    )

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey.ask(question, "sky", missing=["Refused"], on_step=lambda *_: stop)
    answer = survey.resume()
    assert answer.question == question
    assert answer.target(("topic", "dawn")).tolist() == pytest.approx([0.2, 0.7, 0.1])


def test_free_text_has_no_closed_answers_in_the_panel(study: Study) -> None:
    study.simulate("first", 60)
    assert study.compare("first").statistics.option_shares is None


def test_an_answer_with_other_options_uses_the_fitted_weights(study: Study) -> None:
    question = Question("What of {topic}?", ["sun", "rain"])
    assert study.ask(question).weights_label == "stated"
    study.fit(n_exemplars=6, n_records=40)
    answer = study.ask(question)
    assert answer.weights_label == "learned"
    assert study.target is not None
    assert study.mixture is not None
    expected = study.mixture.persona_weights(study.target).mean(axis=0)
    assert answer.persona_weights == pytest.approx(expected)


def test_an_impossible_question_is_refused(study: Study, empty: Study) -> None:
    question = Question("What of {topic}?", ["sun", "rain"])
    fails(study, lambda: study.ask("Sun?"), DataError, "no options")
    fails(study, lambda: study.ask(question, baseline="exemplars"), DataError, "'exemplars'")
    fails(study, lambda: study.ask(question, weights="learned"), NotFittedError, "%mop_fit")
    fails(study, lambda: study.ask(question, weights="panel"), NotFittedError, "%mop_weights")
    fails(study, lambda: study.ask(question, weights={"nobody": 1.0}), DataError, "'nobody'")
    empty.population = None
    fails(empty, lambda: empty.ask(question), NotFittedError, "no population")


def test_a_saved_mixture_simulates_in_another_study_without_its_population(
    study: Study, tmp_path: Path
) -> None:
    study.fit("What of {topic}?", n_exemplars=6, n_records=40)
    assert study.save(tmp_path / "mix") == tmp_path / "mix"
    other = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "other.sqlite")
    other.use_personas("someone: You say fog.")
    other.panel_weights = {"someone": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert other.load(tmp_path / "mix") is other.mixture
    assert (other.personas, other.panel_weights) == (study.personas, None)
    assert other.weights() == pytest.approx(study.weights())
    assert other.population is None
    assert len(other.simulate("here", 20)) == 20
    assert other.explain("dawn").is_known
    fails(other, other.align, NotFittedError, "no population")
    other.target = study.target
    there, here = (s.simulate("first", 60, temperature=1.0, random_state=3) for s in (study, other))
    pd.testing.assert_frame_equal(there.frame, here.frame)


def test_a_loaded_mixture_uses_the_current_model_and_encoder(study: Study, tmp_path: Path) -> None:
    study.fit(n_exemplars=6, n_records=40)
    folder = study.save(tmp_path / "mix")
    other = Study(
        ToyBackend(WORDS, persona_boost=1.0), ToyEncoder(["sun", "other"]), store=tmp_path / "o"
    )
    with pytest.warns(UserWarning, match="were learned with the") as warned:
        other.load(str(folder))
    assert len(warned) == 2
    assert "the encoder toy" in str(warned[0].message)
    assert "the model toy" in str(warned[1].message)
    assert other.weights() == pytest.approx(study.weights())
    made = other.simulate("here", 10)
    assert made.provenance["model"] == other.backend.fingerprint != study.backend.fingerprint


def test_a_failed_save_or_load_changes_nothing(
    study: Study, frame: pd.DataFrame, tmp_path: Path
) -> None:
    fails(study, lambda: study.save(tmp_path / "mix"), NotFittedError, "no mixture to save")
    mixture = study.fit(n_exemplars=6, n_records=40)
    frame.to_csv(tmp_path / "frame.csv")
    fails(study, lambda: study.save(tmp_path), DataError, "not a mixture")
    fails(study, lambda: study.load(tmp_path), DataError, "no readable mixture")
    fails(study, lambda: study.load(tmp_path / "none"), DataError, "no readable mixture")
    file = study.save(tmp_path / "mix") / "mixture.json"
    file.write_text(file.read_text().replace("You say sun.", "You say fog."))
    fails(study, lambda: study.load(tmp_path / "mix"), DataError, "edited after the fit")
    assert study.mixture is mixture


def test_human_answers_and_their_weights_are_found_by_columns_that_are_integers(
    study: Study,
) -> None:
    df = pd.DataFrame({1: ["dawn", "dusk"] * 10, 2: ["sun", "rain"] * 10, 3: [1.0, 2.0] * 10})
    study.use_population(df, context=["1"], response="2", weight="3")
    human = study.session.human_answers(df, "response")
    assert human is not None
    assert (human.context, human.response, human.weight) == (("1",), "2", "3")


def test_a_loaded_mixture_selects_candidates_by_the_records_of_the_study(
    study: Study, tmp_path: Path
) -> None:
    study.fit(n_exemplars=40, n_records=60)
    study.save(tmp_path / "mixture")
    study.load(tmp_path / "mixture")
    assert study.simulate("a", 40).provenance["n_candidates"] == 4
    study.session.population = None
    study.load(tmp_path / "mixture")
    assert "n_candidates" not in study.simulate("b", 40).provenance
