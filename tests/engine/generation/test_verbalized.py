"""Verbalized sampling: lists are read in many forms, and responses drawn by their probabilities."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalities import completion
from scripted_server import Reply, ScriptedServer

from jupyter_mop import OpenAIBackend, Study, ToyEncoder
from jupyter_mop.engine.generation.verbalized import N_TRIES, instructions, parse_list
from jupyter_mop.errors import ModelError

SHARES = {"sun": 0.5, "rain": 0.3, "wind": 0.15, "<b>$fog$</b>": 0.05}
PAIRS = [("sun", 0.75), ("fog", 0.25)]
TAGS = """<response><text>sun</text><probability>0.6</probability></response>
<response><text> fog </text> <PROBABILITY>.2</PROBABILITY></response>"""
ITEMS = [{"text": "sun", "probability": 0.6}, {"text": "fog", "probability": 0.2}]


def lists(body: dict) -> bool:
    return "probability" in str(body["messages"][-1]["content"])


def says(text: str, body: dict) -> Reply:
    """Answer with this text where a list is asked for."""
    reply = completion(body)
    if lists(body):
        reply.body["choices"] = [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        ]
    return reply


LIST = json.dumps({"responses": [{"text": t, "probability": p} for t, p in SHARES.items()]})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.default = lambda body: says(LIST, body)
    yield server
    server.close()


@pytest.fixture
def study(server: ScriptedServer, tmp_path: Path) -> Iterator[Study]:
    """A study of 400 contexts with real responses, which asks the scripted server."""
    study = Study(
        OpenAIBackend(server.url, "scripted"),
        ToyEncoder(["sun", "rain"]),
        store=tmp_path / "s.sqlite",
    )
    study.use_personas("sunny: You say sun.\nrainy: You say rain.")
    topics = [f"day {i}" for i in range(400)]
    frame = pd.DataFrame({"topic": topics, "text": [["sun", "rain"][i % 2] for i in range(400)]})
    study.use_population(frame, context="topic", response="text")
    _ = study.backend.capabilities
    server.seen.clear()
    yield study
    study.store.close()


def asked(server: ScriptedServer) -> list[dict]:
    return [seen.body for seen in server.seen if "messages" in seen.body]


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"responses": ITEMS}),
        f"Sure!\n```json\n{json.dumps(ITEMS, indent=1)}\n```",
        json.dumps({"responses": [*ITEMS, {"text": "rain", "probability": 0.4}]})[:-25],
        '{"text": "sun", "probability": "60%"}\n{"response": "fog", "p": "20 %"}',
        TAGS,
        "1. sun (0.6)\n2. **fog** (probability: 0.2)",
        '- "sun" (60%)\n- fog (p=20%).',
        json.dumps([*ITEMS, {"text": "", "probability": 1}, {"text": "hail", "probability": -1}]),
        json.dumps([*ITEMS, {"text": "x", "probability": True}, {"text": "y", "p": "likely"}]),
    ],
)
def test_a_list_is_read_in_any_of_its_forms(answer: str) -> None:
    assert [text for text, _ in parse_list(answer)] == ["sun", "fog"]
    assert [share for _, share in parse_list(answer)] == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    "answer", ["", "sun", "1. sun\n2. fog", '{"text": "sun", "p": 1}', "{" * 99]
)
def test_what_is_no_list_of_several_gives_nothing(answer: str) -> None:
    assert parse_list(answer) == []


@given(st.text(alphabet='{}[]":,.()0159%-<>/textprobabily \n'))
def test_any_text_is_read_without_an_error(answer: str) -> None:
    found = parse_list(answer)
    assert not found or sum(share for _, share in found) == pytest.approx(1)


def test_responses_follow_the_probabilities_that_the_model_states(
    study: Study, server: ScriptedServer
) -> None:
    simulation = study.simulate("v", 400, baseline="verbalized")
    n_contexts = simulation.frame["context"].nunique()
    assert n_contexts <= len(asked(server)) < 400  # draws of one context share a call
    counts = Counter(simulation.responses)
    for text, share in SHARES.items():
        assert counts[text] / 400 == pytest.approx(share, abs=4 * (share / 400) ** 0.5)
    assert simulation.provenance["n_listed"] == 5
    assert simulation.turns(0)[-1][1].endswith(instructions(5))
    assert "<b>" not in simulation._repr_html_()
    n_asked = len(asked(server))
    assert study.simulate("again", 400, baseline="verbalized").responses == simulation.responses
    assert len(asked(server)) == n_asked


def test_draws_that_share_a_call_are_each_in_proportion(
    study: Study, server: ScriptedServer
) -> None:
    frame = pd.DataFrame({"topic": ["day"] * 40, "text": ["sun", "rain"] * 20})
    study.use_population(frame, context="topic", response="text")
    simulation = study.simulate("v", 200, baseline="verbalized")
    assert len(asked(server)) == 40
    for start in range(0, 200, 5):
        counts = Counter(simulation.responses[start : start + 5])
        assert {counts["sun"], counts["rain"]} <= {1, 2, 3}
    assert Counter(simulation.responses)["<b>$fog$</b>"] == pytest.approx(10, abs=9)


def test_candidates_of_a_draw_are_listed_in_one_call(study: Study, server: ScriptedServer) -> None:
    study.simulate("v", 30, n_candidates=4, verbalized=True, weights="uniform")
    assert len(asked(server)) <= 30
    assert all(body["max_tokens"] > 4 * 48 for body in asked(server))
    plan = study.plan("simulate", n=60, n_candidates=4, verbalized=True, random_state=3)
    assert 50 < plan.calls <= 60
    alone = study.plan("simulate", n=60, random_state=4)
    assert plan.tokens_out / plan.calls > alone.tokens_out / alone.calls
    first = study.simulations["v"].frame["first_response"]
    assert Counter(first)["sun"] > Counter(first)["wind"]


def test_an_endpoint_has_several_candidates_by_default_if_one_call_lists_them(
    study: Study,
) -> None:
    frame = pd.DataFrame({"topic": "dawn", "text": [f"sun {i}" for i in range(160)]})
    study.use_population(frame, context="topic", response="text")
    simulation = study.simulate("v", 30, verbalized=True, weights="uniform")
    assert simulation.provenance["n_candidates"] == 4


def test_answers_that_are_no_lists_are_asked_for_again_then_counted(
    study: Study, server: ScriptedServer
) -> None:
    def reply(body: dict) -> Reply:
        is_bad = any(f"day {i}7" in body["messages"][-1]["content"] for i in range(40))
        return says("I would say sun." if is_bad else LIST, body)

    server.default = reply
    with pytest.warns(UserWarning, match=r"answers are no list .* 'I would say sun\.'"):
        simulation = study.simulate("v", 100, baseline="verbalized")
    n_bad = simulation.provenance["finished"]["malformed"]
    assert 0 < n_bad < 34
    assert simulation.responses.count("") == n_bad
    seeds = [
        b["seed"] for b in asked(server) if f"{b['messages'][-1]['content'][:7]}".endswith("7")
    ]
    assert len(seeds) == len(set(seeds))
    assert f"{n_bad} malformed" in simulation._repr_html_()


def test_a_model_that_cannot_list_is_told_so(study: Study, server: ScriptedServer) -> None:
    server.default = lambda body: says("Sun & <i>rain</i>.", body)
    with pytest.raises(ModelError, match="answers are no list of responses") as caught:
        study.simulate("v", 40, baseline="verbalized")
    assert "JSON" in caught.value.hint
    assert f"{N_TRIES} attempts" in caught.value.message
    assert "v" not in study.simulations


def test_a_filtered_answer_is_no_malformed_one(study: Study, server: ScriptedServer) -> None:
    def reply(body: dict) -> Reply:
        found = says(LIST, body)
        if "day 1" in body["messages"][-1]["content"] and lists(body):
            found.body["choices"][0] |= {"finish_reason": "content_filter"}
            found.body["choices"][0]["message"]["content"] = ""
        return found

    server.default = reply
    finished = study.simulate("v", 60, baseline="verbalized").provenance["finished"]
    assert finished.keys() == {"stop", "content_filter"}
