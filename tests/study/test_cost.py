"""Cost of a run: estimated before, limited by a budget, reported after."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from personalities import completion
from scripted_server import Reply, ScriptedServer, chat

from jupyter_mop import OpenAIBackend, Question, Study, ToyBackend, ToyEncoder, config
from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.backends.store.dry_run import PlannedBackend
from jupyter_mop.errors import BudgetError, DataError, ModelError

WORDS = ["sun", "rain", "wind", "fog"]
SMALL = {"n_exemplars": 20, "n_records": 24, "n_components": 8}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    distinct = [" ".join(words) for words in product(WORDS, repeat=4)]
    texts = [distinct[i] for i in rng.permutation(len(distinct))[:160]]
    return pd.DataFrame({"topic": ["dawn", "dusk"] * 80, "text": texts})


@pytest.fixture
def study(frame: pd.DataFrame, tmp_path: Path) -> Iterator[Study]:
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "own.sqlite")
    study.use_personas("sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind.")
    study.use_population(frame, context="topic", response="text")
    yield study
    study.store.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def n_asked(study: Study) -> int:
    toy = study.backend.backend
    assert isinstance(toy, ToyBackend)
    return toy.n_generated + toy.n_scored


def n_cached(study: Study) -> int:
    counts = study.store.counts()
    return counts.completions + counts.scores + counts.vectors


@pytest.mark.parametrize("baseline", [None, "plain", "fewshot", "progen", "picle", "attributes"])
def test_a_plan_counts_calls_without_a_model_call_or_a_cache_write(
    study: Study, baseline: str | None
) -> None:
    options = {"n": 24, "baseline": baseline}
    plan = study.plan("simulate", **options)
    assert (n_asked(study), n_cached(study), study.encoder.encoder.n_encoded) == (0, 0, 0)
    assert (study.simulations, study.mixture) == ({}, None)
    cost = study.simulate("x", **options).provenance["cost"]
    assert cost["calls"] == n_asked(study)
    assert cost["calls"] <= plan.max_calls
    assert cost["tokens_out"] <= plan.max_out
    if baseline != "attributes":  # there the model decides how often it is asked
        assert plan.calls == cost["calls"]
        assert plan.tokens_in == pytest.approx(cost["tokens_in"], rel=0.3)
    again = study.plan("simulate", **options)
    assert (again.calls, again.usd, again.seconds) == (0, 0, 0)
    assert again.hits == cost["calls"] + cost["cache_hits"]


def test_a_plan_of_a_fit_is_exact(study: Study) -> None:
    plan = study.plan("fit", **SMALL)
    assert (n_asked(study), n_cached(study), study.mixture) == (0, 0, None)
    assert [step.is_known for step in plan.steps] == [True]
    assert "depend on answers" not in repr(plan)
    cost = study.fit(**SMALL).cost_
    assert plan.calls == plan.max_calls == cost["calls"]
    assert plan.tokens_in == pytest.approx(cost["tokens_in"], rel=0.1)
    assert cost == pytest.approx(cost | {"usd": 0, "tokens_out": 0})
    again = study.plan("fit", **SMALL)
    assert (again.calls, again.hits) == (0, cost["calls"] + cost["cache_hits"])
    assert study.fit(**SMALL).cost_["calls"] == 0


def test_cached_answers_are_planned_as_hits(study: Study) -> None:
    study.simulate("a", 10, weights="uniform", random_state=3)
    longer = study.plan("simulate", n=10, weights="uniform", random_state=3)
    assert (longer.calls, longer.hits) == (0, 10)
    other = study.plan("simulate", n=10, weights="uniform", random_state=4)
    assert (other.calls, other.hits) == (10, 0)
    assert other.seconds is not None
    assert other.seconds > 0


def test_a_plan_in_blocks_does_not_depend_on_answers(study: Study) -> None:
    plan = study.plan("simulate", n=10_001, weights="uniform", n_candidates=1)
    assert plan.calls == 10_001
    assert "depend on answers" not in repr(plan)
    assert "depend on answers" in repr(study.plan("simulate", n=40, baseline="progen"))


def test_an_answer_is_planned_and_reports_its_cost(study: Study) -> None:
    question = Question("At {topic}?", WORDS)
    plan = study.plan("ask", question, weights="uniform")
    assert n_asked(study) == n_cached(study) == 0
    answer = study.ask(question, weights="uniform")
    assert answer.cost["calls"] == plan.calls == n_asked(study)
    assert answer.cost["tokens_in"] == plan.tokens_in
    assert study.simulations["answer"].provenance["cost"] == answer.cost


def test_planning_an_unknown_method_is_refused(study: Study) -> None:
    for verb in ("simulat", "_twin", "personas"):
        with pytest.raises(DataError, match="name of a method"):
            study.plan(verb)


def test_a_run_stays_within_its_budget_and_can_be_continued(study: Study) -> None:
    study.use_backend(ToyBackend(WORDS), price_in=1e4, price_out=1e5)
    plan = study.plan("simulate", n=40, n_candidates=1, max_tokens=8, weights="uniform")
    assert 0 < plan.usd < plan.max_usd
    budget = plan.usd / 2
    with study.within(budget), pytest.raises(BudgetError) as caught:
        study.simulate("x", 40, n_candidates=1, max_tokens=8, weights="uniform")
    done = n_asked(study)
    assert 0 < done < 40
    assert f"{done} of 40 responses are finished" in caught.value.message
    spent = study.backend.price.of(study.backend.usage.tokens_in, study.backend.usage.tokens_out)
    assert 0.7 * budget < spent <= budget
    assert study.store.counts().completions == done
    assert (
        study.plan("simulate", n=40, n_candidates=1, max_tokens=8, weights="uniform").calls
        == 40 - done
    )
    cost = study.simulate("x", 40, n_candidates=1, max_tokens=8, weights="uniform").provenance[
        "cost"
    ]
    assert (cost["calls"], cost["cache_hits"], n_asked(study)) == (40 - done, done, 40)
    assert cost["usd"] == pytest.approx(plan.usd - spent)


def test_runs_report_their_cost_and_a_budget_cancels_a_run(study: Study) -> None:
    study.simulate("free", 4)
    study.use_backend(ToyBackend(WORDS), price_in=1e4, price_out=1e5)
    budget = study.plan("simulate", n=40, n_candidates=1, max_tokens=8, weights="uniform").usd / 2
    with study.within(budget), pytest.raises(BudgetError):
        study.simulate("x", 40, n_candidates=1, max_tokens=8, weights="uniform")
    rest = study.resume()
    free, stopped, resumed = study.runs()
    assert (free.usd, free.state) == (None, "finished")
    assert (stopped.state, stopped.failed) == ("cancelled", 0)
    assert stopped.requested == stopped.finished + stopped.cancelled == 40
    assert 0.7 * budget < stopped.usd <= budget
    assert (resumed.state, resumed.kept) == ("finished", stopped.finished)
    assert resumed.usd == pytest.approx(rest.provenance["cost"]["usd"])
    assert study.runs().frame["usd"].to_list()[1:] == [stopped.usd, resumed.usd]
    assert f"{resumed.usd:.4f}" in study.runs()._repr_html_()


@pytest.mark.parametrize("method", ["sampled", "first-token"])
def test_placeholders_of_a_dry_run_are_no_unmatched_replies(
    study: Study, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(ToyBackend, "can_score_first_tokens", True, raising=False)
    monkeypatch.setattr(ToyBackend, "first_tokens", lambda *_: [], raising=False)
    question = Question("At {topic}?", WORDS)
    plan = study.plan("ask", question, weights="uniform", method=method)
    assert plan.calls > 0
    assert study.backend.backend.n_generated == 0


def test_a_budget_is_a_number_and_needs_a_price(study: Study, server: ScriptedServer) -> None:
    for usd in (-1, float("nan"), float("inf")):
        with pytest.raises(DataError), study.within(usd):
            pass
    with study.within(0):
        assert len(study.simulate("free", 5)) == 5
    study.use_backend(OpenAIBackend(server.url, "scripted"))
    with pytest.raises(ModelError, match="price table of 20") as caught, study.within(5):
        pass
    assert "--price-in" in caught.value.hint


def test_the_cost_of_an_unknown_model_is_unknown(study: Study, server: ScriptedServer) -> None:
    study.use_backend(OpenAIBackend(server.url, "scripted"))
    before = len(server.seen)
    plan = study.plan("simulate", n=12, weights="uniform")
    assert len(server.seen) == before
    assert (plan.calls, plan.usd, plan.max_usd) == (12, None, None)
    assert "unknown: the price table of 20" in repr(plan)
    assert "--price-in 0.15 --price-out 0.60" in repr(plan)
    assert "an estimate" in plan.counted
    cost = study.simulate("x", 12, weights="uniform").provenance["cost"]
    assert cost["usd"] is None
    assert (cost["calls"], cost["tokens_in"], cost["tokens_out"]) == (12, 12 * 9, 12 * 3)
    assert "cost: unknown" in study.simulations["x"]._repr_html_()


def test_input_that_the_server_has_cached_costs_less(
    study: Study, server: ScriptedServer, tmp_path: Path
) -> None:
    def reply(body: dict) -> Reply:
        answer = completion(body)
        details = {"prompt_tokens_details": {"cached_tokens": 80}}
        answer.body["usage"] |= {"prompt_tokens": 100} | details
        return answer

    server.default = reply
    host = server.url.split("/")[2]
    own = tmp_path / "prices.csv"
    own.write_text(f"host,model,usd_in,usd_cached,usd_out\n{host},scripted,1e6,1e5,1e6\n")
    with config.settings(prices=own):
        study.use_backend(OpenAIBackend(server.url, "scripted"))
        cost = study.simulate("x", 5, weights="uniform").provenance["cost"]
        assert (cost["tokens_in"], cost["tokens_cached"]) == (500, 400)
        assert cost["usd"] == study.runs()[-1].usd == pytest.approx(100 + 40 + cost["tokens_out"])
        plan = study.plan("simulate", n=10, weights="uniform", random_state=5)
        assert plan.tokens_cached == round(0.8 * plan.tokens_in) > 0
        assert plan.usd == pytest.approx(0.28 * plan.tokens_in + plan.tokens_out, rel=0.02)
        assert "cached  " in repr(plan)


def test_a_plan_counts_the_hidden_tokens_of_a_model_that_thinks(
    study: Study, server: ScriptedServer
) -> None:
    server.default = lambda body: completion(body, think=300)
    backend = OpenAIBackend(server.url, "scripted")
    study.use_backend(backend, price_in=1.0, price_out=10.0)
    options = {"n": 12, "weights": "uniform", "max_tokens": 8}
    plan = study.plan("simulate", **options)
    assert plan.max_out == 12 * (8 + 1200)  # four times what the probe saw
    assert plan.tokens_out == pytest.approx(12 * 304, rel=0.02)
    assert "300 tokens of thinking a response, at most 1,200" in repr(plan)
    made = study.simulate("x", **options)
    assert made.provenance["thinking_tokens"] == 12 * 300
    assert made.provenance["cost"]["tokens_out"] == 12 * 303
    server.default = lambda body: completion(body, think=100)
    study.simulate("y", **options, random_state=2)
    later = study.plan("simulate", **options, random_state=3)
    assert later.tokens_out == pytest.approx(12 * 203, rel=0.02)  # the mean of what was seen
    assert "200 tokens of thinking a response" in repr(later)
    with study.within(0.012), pytest.raises(BudgetError):  # the room counts until it is unused
        study.simulate("z", **options, random_state=4)


def test_a_plan_does_not_probe_an_endpoint(
    study: Study, server: ScriptedServer, tmp_path: Path
) -> None:
    lazy = Study(
        OpenAIBackend(server.url, "scripted"), ToyEncoder(WORDS), store=tmp_path / "b.sqlite"
    )
    lazy.personas, lazy.population, lazy.target = study.personas, study.population, study.target
    assert lazy.plan("simulate", n=5).calls == 5
    with pytest.raises(ModelError, match="has not been probed"):
        lazy.plan("fit", **SMALL)
    assert not [seen for seen in server.seen if seen.path.endswith("completions")]
    lazy.store.close()


def test_concurrent_calls_to_a_server_stay_within_a_budget(
    study: Study, server: ScriptedServer
) -> None:
    study.use_backend(OpenAIBackend(server.url, "scripted"), price_in=1e3, price_out=1e4)
    server.default = Reply(body=chat(), seconds=0.01)
    probed, each = len(server.seen), (9 * 1e3 + 3 * 1e4) / 1e6
    budget = 30 * each
    with study.within(budget), pytest.raises(BudgetError, match="of 200 responses are finished"):
        study.simulate("x", 200, max_tokens=8, weights="uniform")
    made = len(server.seen) - probed
    assert made * each <= budget
    assert study.store.counts().completions == made
    assert made > 10
    cost = study.simulate("x", 20, max_tokens=8, weights="uniform").provenance["cost"]
    assert cost["usd"] == pytest.approx(cost["calls"] * each)


def test_an_answer_without_usage_counts_at_its_maximum_and_a_refusal_does_not(
    study: Study, server: ScriptedServer
) -> None:
    study.use_backend(OpenAIBackend(server.url, "scripted"), price_in=1, price_out=1)
    silent = {name: value for name, value in chat().items() if name != "usage"}
    overdone = Reply(429, {"error": {"message": "slow down"}}, {"retry-after": "0"})
    server.script = [overdone, Reply(body=silent)]
    cost = study.simulate("x", 2, max_tokens=50, weights="uniform").provenance["cost"]
    assert (cost["calls"], cost["unsure"], cost["tokens_out"]) == (2, 1, 53)
    assert cost["tokens_in"] > 9 + 64


def test_token_counts_are_calibrated_by_the_server(study: Study, server: ScriptedServer) -> None:
    study.use_backend(OpenAIBackend(server.url, "scripted"))
    server.default = Reply(body=chat() | {"usage": {"prompt_tokens": 90, "completion_tokens": 3}})
    study.simulate("x", 30, weights="uniform")
    plan = study.plan("simulate", n=30, weights="uniform", random_state=5)
    assert "measured from the server" in plan.counted
    assert plan.tokens_in == pytest.approx(30 * 90, rel=0.5)
    assert plan.tokens_out == 90


def test_an_estimate_is_an_html_table(study: Study) -> None:
    plan = study.plan("simulate", n=24, baseline="picle")
    assert isinstance(plan, CostEstimate)
    html = plan._repr_html_()
    assert html.count("<tr>") == 4
    assert "total" in html
    assert "the model&#x27;s own tokeniser" in html
    assert "<script" not in html


def test_a_dry_run_without_typical_answers_plans_the_longest(study: Study) -> None:
    planned = PlannedBackend(study.backend)
    request = GenerationRequest(Prompt((Message("user", "Well?"),)), 0)
    planned.generate([request], SamplingParams(max_tokens=7))
    assert planned.estimate("it").tokens_out == planned.estimate("it").max_out == 7


def test_candidates_are_planned_and_an_endpoint_uses_one(
    study: Study, server: ScriptedServer
) -> None:
    frame = pd.DataFrame({"topic": "dawn", "text": [f"sun {i}" for i in range(160)]})
    study.use_population(frame, context="topic", response="text")
    assert study.plan("simulate", n=24, weights="uniform").calls == 96
    study.use_backend(OpenAIBackend(server.url, "scripted"))
    assert study.plan("simulate", n=24, weights="uniform").calls == 24
    assert study.plan("simulate", n=24, n_candidates=2, weights="uniform").calls == 48
