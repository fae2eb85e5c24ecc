from __future__ import annotations

import json
import threading
import time

import pandas as pd
import pytest

from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.panels import chat_panel
from jupyter_mop.study.study import Study

WORDS = ["sun", "rain", "wind", "fog"]


class SlowBackend(ToyBackend):
    """Waits before each response until it is released."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.released = threading.Event()

    def generate(self, *arguments, **options):
        assert self.released.wait(10)
        return super().generate(*arguments, **options)


class WholeBackend:
    """A model that gives its responses whole."""

    def __init__(self, toy):
        self.toy, self.fingerprint = toy, f"whole:{toy.fingerprint}"

    def generate(self, *arguments, **options):
        return self.toy.generate(*arguments, **options)


@pytest.fixture
def study(tmp_path):
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "store.sqlite")
    study.use_personas("sunny: You say sun.\nrainy: You say rain <b>.")
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 30, "text": ["sun rain", "fog wind"] * 30})
    study.use_population(frame, context="topic", response="text")
    yield study
    study.store.close()


def send(panel, do, **rest):
    """Send what a view sends."""
    content = {"do": do, **rest}
    panel._handle_msg(
        {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    )


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_response_follows_persona_exemplar_and_earlier_turns(study):
    panel = chat_panel(study, "rainy")
    panel.ask(" How is it? ")
    panel.ask("And now?")
    assert [turn["question"] for turn in panel.turns] == ["How is it?", "And now?"]
    prompt = panel.conversation.prompt("Next?")
    assert [m.role for m in prompt.messages] == ["system", *["user", "assistant"] * 3, "user"]
    assert prompt.messages[0].content == "You say rain <b>."
    assert [prompt.messages[1].content, prompt.messages[2].content] == panel.exemplar
    assert prompt.messages[4].content == panel.turns[0]["response"]
    assert panel.exemplar[1] in ("sun rain", "fog wind")


def test_the_same_questions_get_the_same_responses_from_the_cache(study):
    first, again = chat_panel(study, "sunny"), chat_panel(study, "sunny")
    first.ask("How is it?")
    before = study.backend.backend.n_generated
    again.ask("How is it?")
    assert again.turns == first.turns
    assert study.backend.backend.n_generated == before
    other = chat_panel(study, "sunny", random_state=7)
    other.ask("How is it?")
    assert study.backend.backend.n_generated == before + 1


def test_a_model_that_streams_shows_its_words_as_they_come(study):
    panel = chat_panel(study, "sunny")
    seen = []
    panel.observe(lambda change: seen.append(change["new"]), "partial")
    panel.ask("How is it?")
    words = panel.turns[0]["response"].split()
    assert len(words) > 1
    assert seen == [*(" ".join(words[: n + 1]) for n in range(len(words))), ""]


def test_a_model_that_does_not_stream_gives_the_same_response(study):
    panel = chat_panel(study, "sunny")
    panel.ask("How is it?")
    study.use_backend(WholeBackend(ToyBackend(WORDS)))
    whole = chat_panel(study, "sunny")
    seen = []
    whole.observe(lambda change: seen.append(change["new"]), "partial")
    whole.ask("How is it?")
    assert whole.turns == panel.turns
    assert seen == [whole.turns[0]["response"], ""]


@pytest.mark.parametrize("streams", [True, False])
def test_a_response_can_be_stopped_and_asked_again(study, streams):
    slow = SlowBackend(WORDS)
    study.use_backend(slow if streams else WholeBackend(slow))
    panel = chat_panel(study, "sunny")
    send(panel, "ask", text="How is it?")
    wait_for(lambda: panel.question)
    assert panel.busy
    send(panel, "ask", text="Too soon?")
    send(panel, "stop")
    assert not panel.busy
    assert (panel.problem, panel.question) == ("Stopped. Ask again to continue.", "How is it?")
    slow.released.set()
    send(panel, "ask", text="How is it?")
    wait_for(lambda: not panel.busy)
    assert [turn["question"] for turn in panel.turns] == ["How is it?"]
    assert (panel.problem, panel.partial) == ("", "")


def test_an_endpoint_that_refuses_is_one_sentence_in_the_panel(study):
    panel = chat_panel(study, "sunny")
    study.session.backend.backend = OpenAIBackend("http://127.0.0.1:9/v1", "model", timeout=2)
    panel.ask("How is it?")
    assert "127.0.0.1:9" in panel.problem
    assert "\n" not in panel.problem
    assert (panel.turns, panel.busy) == ([], False)


def test_an_empty_question_and_an_unknown_persona_are_refused(study):
    panel = chat_panel(study, "sunny")
    panel.ask("  ")
    assert panel.problem.startswith("The question is empty.")
    with pytest.raises(DataError, match="sunnny"):
        chat_panel(study, "sunnny")


def test_a_new_conversation_has_another_exemplar_and_no_turns(study):
    panel = chat_panel(study, "sunny")
    panel.ask("How is it?")
    exemplars = {tuple(panel.exemplar)}
    for _ in range(6):
        send(panel, "restart")
        exemplars.add(tuple(panel.exemplar))
    assert panel.turns == []
    assert len(exemplars) > 1


def test_without_records_there_is_no_exemplar(tmp_path):
    study = Study(ToyBackend(WORDS), store=tmp_path / "other.sqlite")
    study.use_personas("sunny: You say sun.")
    panel = chat_panel(study, "sunny")
    panel.ask("How is it?")
    assert panel.exemplar == []
    assert len(panel.turns) == 1
    study.store.close()


def test_the_exemplar_follows_the_learned_weights(study):
    study.fit(n_exemplars=2, n_records=40)
    weights = study.mixture.exemplar_weights(study.population, "sunny").mean(axis=0)
    drawn = [chat_panel(study, "sunny", random_state=i).exemplar[1] for i in range(60)]
    first = study.mixture.exemplars_[0].response
    assert sum(text == first for text in drawn) / 60 == pytest.approx(weights[0], abs=0.2)


def test_the_transcript_is_exported_and_its_still_twin_is_escaped(study):
    panel = chat_panel(study, "rainy")
    panel.ask("Is <i>it</i> $5 or $6?")
    facts = json.loads(panel.transcript)
    assert facts["persona"]["name"] == "rainy"
    assert facts["turns"] == panel.turns
    assert facts["exemplar"] == panel.exemplar
    assert facts["model"] == study.backend.fingerprint
    still = panel._repr_mimebundle_()[0]["text/html"]
    assert "Is &lt;i&gt;it&lt;/i&gt; $5 or $6?" in still
    assert "rain &lt;b&gt;." in still
    assert "tex2jax_ignore" in still
    assert panel.conversation.frame["question"].tolist() == ["Is <i>it</i> $5 or $6?"]
    assert repr(panel).startswith("Conversation('rainy', 1 questions)")
