"""Models that think: their thinking is counted, has room, and is never read as the answer."""

from __future__ import annotations

import pytest
from personalities import completion, endless, gpt_5, n_thoughts, thinking, words_for
from scripted_server import Reply, ScriptedServer, chat

from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.chat.answers import read_message, split_thinking
from jupyter_mop.backends.protocols import (
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
    can_score_first_tokens,
)
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.survey.elicitation.eliciting import elicit
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError, ModelError

pytestmark = pytest.mark.usefixtures("short_waits")

PARAMS = SamplingParams(max_tokens=8)
SHAPES = ["hidden", "reasoning_content", "reasoning", "block", "end of block", "parts"]


def asked(n: int) -> list[GenerationRequest]:
    prompts = (Prompt((Message("user", f"What of sea {i}?"),)) for i in range(n))
    return [GenerationRequest(prompt, seed=7) for prompt in prompts]


def bodies(scripted: ScriptedServer) -> list[dict]:
    return [seen.body for seen in scripted.seen if "messages" in seen.body]


@pytest.mark.parametrize(
    ("text", "answer", "thought"),
    [
        ("<think>They could say no.</think> Yes", "Yes", "They could say no."),
        ("<think>They could say no", "", "They could say no"),
        ("They could say no.</think>\n\nYes", "Yes", "They could say no."),
        ("<THINKING>no</THINKING>Yes", "Yes", "no"),
        ("[THINK]no[/THINK]Yes", "Yes", "no"),
        ("<think>no</think>Yes <think>maybe</think>indeed", "Yes indeed", "no\nmaybe"),
        ("<think>\n\n</think>\n\nYes", "Yes", ""),
        ("I think <b>so</b> [sic].", "I think <b>so</b> [sic].", ""),
        ("[thinking] I liked <i>it</i> [think]", "[thinking] I liked <i>it</i> [think]", ""),
        ("<think>a</think>b</think> Yes", "Yes", "a\nb"),
        (" plain ", " plain ", ""),
    ],
)
def test_thinking_is_split_from_the_answer(text, answer, thought):
    assert split_thinking(text) == (answer, thought)


def test_parts_are_joined_and_thinking_left_out():
    nested = {"type": "thinking", "thinking": [{"type": "text", "text": "no"}]}
    parts = [nested, {"type": "text", "text": "Ye"}, {"type": "text", "text": "s"}]
    assert read_message({"content": parts}) == ("Yes", "no")
    assert read_message({"content": "Yes", "reasoning": "no"}) == ("Yes", "no")
    assert read_message({"content": ["Yes", " indeed"]}).text == "Yes indeed"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answer_of_a_model_that_thinks_is_its_text_alone(scripted, shape):
    scripted.default = thinking(shape)
    backend = OpenAIBackend(scripted.url, "scripted")
    found = backend.generate(asked(6), PARAMS)
    sent = bodies(scripted)[-6:]
    assert sorted(c.text for c in found) == sorted(" ".join(words_for(body)) for body in sent)
    assert {c.finish_reason for c in found} == {"stop"}
    thought = sorted(n_thoughts(body) for body in sent)
    assert sorted(c.n_tokens for c in found) == [n + 3 for n in thought]
    counted = sorted(c.n_thinking for c in found)
    assert counted == pytest.approx(thought, abs=4)  # estimated where the server does not count
    assert backend.capabilities.can(names.THINKING)
    low, high = backend.capabilities.thinking
    assert 36 <= low <= high <= 104
    limit = sent[-1]["max_tokens"] - 8
    assert limit == max(defaults.MIN_THINKING_ROOM, 4 * high)


def test_a_model_that_does_not_think_gets_no_room(scripted):
    scripted.default = completion
    backend = OpenAIBackend(scripted.url, "scripted")
    backend.generate(asked(1), PARAMS)
    assert scripted.seen[-1].body["max_tokens"] == 8
    assert backend.capabilities.thinking is None
    assert not backend.capabilities.can(names.THINKING)


def test_stated_room_is_kept_and_too_little_is_an_error_with_what_to_do(scripted, tmp_path):
    scripted.default = gpt_5
    backend = OpenAIBackend(scripted.url, "scripted", reasoning_tokens=20)
    with Store(tmp_path / "s.sqlite") as store:
        cached = CachedBackend(backend, store)
        with pytest.raises(ModelError, match="used all 28 output tokens for thinking") as caught:
            cached.generate(asked(3), PARAMS)
        assert "--reasoning-tokens" in caught.value.hint
        assert "--reasoning-effort" in caught.value.hint
        assert store.counts().completions == 0
    limits = [body.get("max_completion_tokens", 0) for body in bodies(scripted)]
    assert max(limits) == 28


def test_room_grows_where_more_thinking_is_needed_than_was_measured(scripted):
    scripted.default = completion
    backend = OpenAIBackend(scripted.url, "scripted")
    assert backend.capabilities.thinking is None
    scripted.default = lambda body: completion(body, think=700)
    found = backend.generate(asked(1), PARAMS)
    assert (found[0].n_thinking, found[0].finish_reason) == (700, "stop")
    limits = [body["max_tokens"] for body in bodies(scripted)[-3:]]
    assert limits == [8, 520, 1032]
    backend.generate(asked(2), PARAMS)
    assert [body["max_tokens"] for body in bodies(scripted)[-2:]] == [1032, 1032]


def test_thinking_without_end_stops_and_says_so(scripted):
    scripted.default = endless
    backend = OpenAIBackend(scripted.url, "scripted")
    with pytest.raises(ModelError, match="for thinking and gave no answer"):
        backend.generate(asked(1), PARAMS)
    assert bodies(scripted)[-1]["max_tokens"] == defaults.MAX_THINKING_ROOM + 8


def test_white_space_until_the_limit_is_no_thinking(scripted):
    scripted.default = Reply(body=chat("\n \n", "length"))
    backend = OpenAIBackend(scripted.url, "scripted")
    with pytest.raises(ModelError, match="for white space"):
        backend.generate(asked(1), PARAMS)
    assert bodies(scripted)[-1]["max_tokens"] == 8


@pytest.mark.parametrize("shape", ["reasoning_content", "block", "end of block", "parts"])
def test_first_tokens_of_thinking_are_no_probabilities_of_options(scripted, shape):
    scripted.default = thinking(shape)
    backend = OpenAIBackend(scripted.url, "scripted")
    assert not can_score_first_tokens(backend)
    assert "thinking" in backend.capabilities.seen(names.TOKENS)
    question = Question("Sun?", ["yes", "no"])
    personas = [Persona("a", "You like sun."), Persona("b", "You like rain.")]
    table = elicit(question, [{}], personas, backend)
    assert table.method == "sampled"
    assert table.matched == 1


def test_first_tokens_that_become_thinking_later_are_refused(scripted):
    scripted.default = completion
    backend = OpenAIBackend(scripted.url, "scripted")
    assert backend.first_tokens([asked(1)[0].prompt])[0].tokens[0] in {"sun", "rain", "wind", "fog"}
    scripted.default = thinking("reasoning_content")
    with pytest.raises(ModelError, match="begins with its thinking") as caught:
        backend.first_tokens([asked(1)[0].prompt])
    assert "--method sampled" in caught.value.hint


def test_effort_and_further_fields_are_sent_and_change_the_fingerprint(scripted):
    scripted.default = completion
    plain = OpenAIBackend(scripted.url, "scripted")
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    backend = OpenAIBackend(scripted.url, "scripted", reasoning_effort="low", extra=extra)
    backend.generate(asked(1), PARAMS)
    assert scripted.seen[-1].body["reasoning_effort"] == "low"
    assert scripted.seen[-1].body["chat_template_kwargs"] == {"enable_thinking": False}
    assert backend.fingerprint.startswith(plain.fingerprint)
    assert backend.fingerprint != plain.fingerprint
    assert backend.facts["options"] == {"reasoning_effort": "low"} | extra


@pytest.mark.parametrize("extra", ["yes", ["a"], {"messages": []}, {"stream": True}])
def test_fields_that_are_not_further_ones_are_refused(extra):
    with pytest.raises(DataError, match=r"`extra` \(--extra\) must be a JSON object"):
        OpenAIBackend("http://127.0.0.1:9/v1", "any", extra=extra)
