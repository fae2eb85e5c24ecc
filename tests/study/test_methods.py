"""Ways to an answer compared by held-out people, and prompts that show other respondents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import Question, Study
from jupyter_mop.backends.protocols import Completion
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.errors import BudgetError, DataError, ModelError
from jupyter_mop.study import weights

WORDS = ["tea", "milk"]
QUESTION = Question("You are {age}. What will you drink?", WORDS)
TRUTH = {"young": 0.15, "old": 0.85}  # share of tea


class Asked(ToyBackend):
    """Samples and states the true shares; its exact probabilities know nothing."""

    n_told = 0

    def _draw(self, request, params):  # noqa: ARG002
        asked = request.prompt.messages[-1].content
        share = TRUTH["young" if "young" in asked else "old"]
        if "Of 100 people" in asked:
            self.n_told += 1
            return Completion(self.told(share), 9)
        rng = np.random.default_rng([request.seed, request.draw])
        return Completion(f"I would like {WORDS[int(rng.random() > share)]}.", 5)

    def told(self, share: float) -> str:
        return f"tea: {share:.0%}\nmilk: {1 - share:.0%}"


class Mute(Asked):
    """Says nothing that can be read, and cannot score."""

    can_score = False

    def _draw(self, request, params):  # noqa: ARG002
        return Completion("No comment; $5 or <b>$6</b>." if request.draw % 2 else " ", 3)


def people(n: int = 400, *, is_flat: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = rng.choice(["young", "old"], n)
    share = np.array([0.5 if is_flat else TRUTH[each] for each in age])
    return pd.DataFrame({"age": age, "drink": np.where(rng.random(n) < share, *WORDS)})


def study_of(tmp_path: Path, backend: ToyBackend, frame: pd.DataFrame | None = None) -> Study:
    encoder = ToyEncoder([*WORDS, "young", "old"])
    study = Study(backend, encoder, store=tmp_path / "store.sqlite")
    study.use_personas("a: You are a guest.\nb: You are another guest.")
    frame = people() if frame is None else frame
    study.use_population(frame, context="age", response="drink")
    return study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_of(tmp_path, Asked(WORDS, persona_boost=0.0))


def test_stated_shares_and_rated_replies_give_the_known_truth(study: Study) -> None:
    for method, tolerance in (("told", 0.001), ("anchors", 0.06)):
        answer = study.ask(QUESTION, method, weights="uniform", method=method, n_draws=100)
        assert answer.method == method
        for age, share in TRUTH.items():
            assert answer.shares(age)[0] == pytest.approx(share, abs=tolerance)
    assert "400 replies rated by anchors" in repr(answer)


@pytest.mark.parametrize("method", ["told", "anchors"])
def test_they_are_calibrated_like_others_and_asked_once(study: Study, method: str) -> None:
    answer = study.ask(QUESTION, method=method)
    assert answer.calibration.slope > 0.1
    rows = answer.calibration.comparison.set_index("answer")
    assert rows.loc["calibrated mixture", "TV_by_subgroup"] < 0.1
    assert study.simulations["answer"].provenance["cost"]["calls"] > 0
    again = study.ask(QUESTION, method=method)
    assert again.cost["calls"] == 0
    np.testing.assert_array_equal(again.shares(), answer.shares())


def test_a_dry_run_counts_what_they_need(study: Study) -> None:
    plan = study.plan("ask", QUESTION, method="told", weights="uniform")
    study.ask(QUESTION, method="told", weights="uniform")
    assert plan.calls == study.backend.backend.n_told == 2 * 2 * 2
    planned = study.plan("ask", QUESTION, method="anchors", weights="uniform", n_draws=5)
    assert planned.calls == 2 * 2 * 5
    assert study.plan("compare_methods", QUESTION, n_draws=5).calls > planned.calls


def test_methods_are_compared_by_held_out_people(study: Study) -> None:
    found = study.compare_methods(QUESTION, calibrated=False, weights="uniform")
    frame = found.frame.set_index("method")
    assert list(frame.index) == ["scored", "sampled", "told", "anchors"]
    assert frame.loc["scored", "TV_by_subgroup"] > 0.3
    assert frame.loc["told", "TV_by_subgroup"] < 0.1
    assert frame.loc["scored", "behind_low"] > 0
    assert set(found.tied) == {"sampled", "told", "anchors"}
    assert found.taken == "told"
    assert frame.loc["told", "requests"] == 8
    assert (frame["unusable"] == 0).all()
    assert "A tie by the log score of 200 held-out people: sampled, told, anchors" in found.verdict
    assert "Take told" in repr(found)
    again = study.compare_methods(QUESTION, calibrated=False, weights="uniform")
    assert (again.frame["calls"].sum(), again.taken) == (0, "told")
    assert again.frame["requests"].tolist() == frame["requests"].tolist()


def test_a_tie_goes_to_the_method_without_replies(study: Study) -> None:
    found = study.compare_methods(QUESTION, n_draws=5)
    assert found.tied == ("scored", "sampled", "told", "anchors")
    assert found.taken == "scored"
    assert "Take scored, the cheapest of these." in found.verdict


def test_a_method_that_no_other_comes_near_is_taken_alone(tmp_path: Path) -> None:
    class Liar(Asked):
        def told(self, share: float) -> str:
            return super().told(1 - share)

        def _draw(self, request, params):
            if "Of 100 people" in request.prompt.messages[-1].content:
                return super()._draw(request, params)
            return Completion("milk", 1)

    model = Liar(WORDS, context_boost=0.0)
    study = study_of(tmp_path, model, people(is_flat=True))
    found = study.compare_methods(QUESTION, calibrated=False, weights="uniform")
    assert (found.taken, found.tied) == ("scored", ("scored",))
    assert "Take scored: the others are clearly behind" in found.verdict


def test_a_method_that_fails_is_shown_with_the_models_words(tmp_path: Path) -> None:
    class Silent(Asked):
        def told(self, share: float) -> str:
            return f"No comment, <b>$5</b> or $6 at {share > 0.5}."

    study = study_of(tmp_path, Silent(WORDS))
    found = study.compare_methods(QUESTION, n_draws=5)
    row = found.frame.set_index("method").loc["told"]
    assert "state no percentages" in row["failure"]
    assert np.isnan(row["TV"])
    assert "told" not in found.answers
    html = found._repr_html_()
    assert "&lt;b&gt;$5" in html
    assert "<b>$5" not in html


def test_no_method_at_all_or_nobody_to_judge_is_an_error(tmp_path: Path, study: Study) -> None:
    with pytest.raises(DataError, match="there are none"):
        study.compare_methods(Question("{age}?", ["coffee", "gin"]))
    mute = study_of(tmp_path / "mute", Mute(WORDS))
    with pytest.raises(ModelError, match=r"sampled: .*told: .*anchors: "):
        mute.compare_methods(QUESTION, n_draws=3)


def test_the_comparison_is_a_run_within_a_budget(study: Study) -> None:
    study.use_backend(study.backend.backend, price_in=1e6, price_out=1e6)
    with pytest.raises(BudgetError), study.within(0.5):
        study.compare_methods(QUESTION)
    assert [run.verb for run in study.runs()] == ["compare_methods"]
    study.use_backend(study.backend.backend, price_in=0, price_out=0)
    assert study.resume().taken in ("sampled", "told", "anchors", "scored")


def test_exemplars_are_training_people_apart_and_the_report_says_whether_they_help(
    tmp_path: Path,
) -> None:
    study = study_of(tmp_path, ToyBackend(WORDS, persona_boost=0.0, exemplar_boost=1.0))
    answer = study.ask(QUESTION, "shown", n_exemplars=3, n_orders=1)
    rows = answer.calibration.comparison.set_index("answer")
    assert "the same without exemplars" in rows.index
    assert "What exemplars add, beside the same without exemplars: " in answer.calibration.added
    assert answer.calibration.n == len(study.population)
    plain = study.ask(QUESTION, "plain")
    before = plain.calibration.comparison.set_index("answer")
    for name, now in (("calibrated mixture", "the same without exemplars"),
                      ("training shares", "training shares")):  # fmt: skip
        assert rows.loc[now, "log_score"] == pytest.approx(before.loc[name, "log_score"], abs=0.01)
    raw = study.ask(QUESTION, "raw", n_exemplars=3, weights="uniform", n_orders=1)
    assert abs(raw.shares("young")[0] - raw.shares("old")[0]) > 0.1


def test_nobody_who_is_shown_is_learned_from(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    ask = weights.ask
    monkeypatch.setattr(
        weights, "ask", lambda question, population, **options: seen.append((population, options))
        or ask(question, population, **options),
    )  # fmt: skip
    weights.answer(study.session, QUESTION, ElicitationOptions(n_exemplars=2, n_orders=1), name="x")
    with_exemplars = [(who, o["exemplars"]) for who, o in seen if o.get("exemplars")]
    n_shown = len(study.population) // 5
    assert [len(who) for who, _ in with_exemplars] == [len(study.population) - n_shown, 200]
    shown = with_exemplars[0][1]([{"age": "young"}, {"age": "old"}])
    assert [[e.record["age"] for e in each] for each in shown] == [["young"] * 2, ["old"] * 2]


def test_exemplars_need_people_who_answered(study: Study) -> None:
    with pytest.raises(DataError, match=r"`n_exemplars` \(--exemplars\) is 2"):
        study.ask(Question("{age}?", ["coffee", "gin"]), n_exemplars=2)
