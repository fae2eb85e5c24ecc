"""Two other ways to option probabilities: stated percentages, and replies rated by anchors."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop import LocalBackend
from jupyter_mop.backends.openvino.encoder import MiniLMEncoder
from jupyter_mop.backends.protocols import Completion
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.survey.elicitation.eliciting import elicit
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions, supported_methods
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError, ModelError

DRINKS = ["tea", "milk", "beer"]
PERSONAS = [Persona("a", "You are a."), Persona("b", "You are b.")]
TRUTH = {
    ("young", "a"): [0.2, 0.3, 0.5],
    ("young", "b"): [0.1, 0.1, 0.8],
    ("old", "a"): [0.7, 0.2, 0.1],
    ("old", "b"): [0.4, 0.4, 0.2],
}
QUESTION = Question("{age}: what will you drink?", DRINKS)
RECORDS = [{"age": "young"}, {"age": "old"}]
EXPECTED = np.array([[TRUTH[age, name] for name in "ab"] for age in ("young", "old")])
TOLD, ANCHORS = (ElicitationOptions(method=method) for method in ("told", "anchors"))
ENCODER = ToyEncoder([*DRINKS, "wine"])


class Scripted(ToyBackend):
    """Replies with what a function of the request says."""

    can_score = False

    def __init__(self, said) -> None:
        super().__init__(["yes", "no"])
        self.said, self.requests = said, []

    def _draw(self, request, params):
        self.requests.append((request, params))
        text = self.said(request)
        return text if isinstance(text, Completion) else Completion(text, 4)


def truth(request) -> list[float]:
    """Return the true shares of the persona and the context that a request is about."""
    system, question = request.prompt.messages[0].content, request.prompt.messages[-1].content
    return TRUTH[question.split(":")[0], system[-2]]


def states_the_truth(request) -> str:
    """State the true shares in the order in which the options are listed."""
    lines = request.prompt.messages[-1].content.splitlines()
    listed = [line[2:] for line in lines if line.startswith("- ")]
    shares = dict(zip(DRINKS, truth(request), strict=True))
    return "\n".join(f"- {drink}: {100 * shares[drink]:.0f}%" for drink in listed)


def says_the_truth(request) -> str:
    """Answer with a sentence, by the true shares."""
    rng = np.random.default_rng([request.seed, request.draw])
    return f"Well, I would take {rng.choice(DRINKS, p=truth(request))}, thank you."


def ask(said, options=TOLD, question=QUESTION, **settings):
    backend = Scripted(said)
    found = elicit(
        question, RECORDS, PERSONAS, backend, options=options, encoder=ENCODER, **settings
    )
    return found, backend


def test_shares_that_the_model_states_are_recovered() -> None:
    table, backend = ask(states_the_truth)
    np.testing.assert_allclose(table.probabilities, EXPECTED)
    assert (table.method, table.n_asked, table.matched) == ("told", 3 * 2 * 2, 1.0)
    request, params = backend.requests[0]
    assert params.temperature == 0
    assert "Of 100 people like you" in request.prompt.messages[-1].content
    assert "Answer with one" not in request.prompt.messages[-1].content


def test_a_share_of_nothing_is_half_a_percent_at_least() -> None:
    table, _ = ask(lambda _: "tea: 100%")
    assert table.probabilities.min() == pytest.approx(0.005 / 1.01)


def test_a_reply_without_percentages_does_not_count_and_is_shown() -> None:
    def said(request):
        lines = request.prompt.messages[-1].content.splitlines()
        return "It depends <b>." if lines[2] == "- tea" else states_the_truth(request)

    table, _ = ask(said)
    np.testing.assert_allclose(table.probabilities, EXPECTED)
    assert table.matched == pytest.approx(2 / 3)
    assert table.unmatched == ("It depends <b>.",)


@pytest.mark.parametrize(
    "said", ["I cannot say.", Completion("tea: 60%, milk: 40%", 9, "refusal"), "tea: 20%"]
)
def test_a_model_that_states_nothing_is_an_error_with_its_words(said) -> None:
    with pytest.raises(ModelError, match="100% of the model's replies state no perc") as caught:
        ask(lambda _: said)
    words = said.text if isinstance(said, Completion) else said
    assert words in str(caught.value)
    assert "--method sampled" in caught.value.hint


def test_a_persona_that_states_nothing_has_no_answer() -> None:
    def said(request):
        is_b = request.prompt.messages[0].content.endswith("b.")
        return "Hm." if is_b and "old" in request.prompt.messages[1].content else "tea: 100%"

    assert ask(said)[0].answered.tolist() == [[True, True], [True, False]]


def test_each_option_of_a_multiple_choice_gets_its_share() -> None:
    shares = {"tea": 70, "milk": 40, "beer": 5}

    def said(request):
        part = request.prompt.messages[-1].content.split("answer: ")[1].split("?")[0]
        return f"Yes: {shares[part]}%, No: {100 - shares[part]}%"

    question = Question("{age}: which?", DRINKS, "multiple")
    table, _ = ask(said, question=question)
    np.testing.assert_allclose(table.probabilities, np.full((2, 2, 3), [0.7, 0.4, 0.05]))


def test_replies_in_the_models_own_words_recover_the_shares() -> None:
    options = ElicitationOptions(method="anchors", n_draws=400)
    table, backend = ask(says_the_truth, options)
    assert np.abs(table.probabilities - EXPECTED).max() < 0.06
    assert (table.method, table.n_asked, table.matched) == ("anchors", 2 * 2 * 400, 1.0)
    content = backend.requests[0][0].prompt.messages[-1].content
    assert content.startswith("young: what will you drink?\nAnswer in one or two sentences")
    assert "- tea" not in content


def test_anchors_of_ones_own_say_what_an_answer_means() -> None:
    anchors = {"tea": ["Wine!"], "milk": ["Milk."], "beer": ["Beer."]}
    table, _ = ask(lambda _: "A glass of wine.", ElicitationOptions(method="anchors",
                   anchors=anchors, n_draws=9))  # fmt: skip
    np.testing.assert_allclose(table.probabilities[..., 0], (9 + 1 / 3) / 10)
    with pytest.raises(DataError, match="for each of the options"):
        ask(says_the_truth, ElicitationOptions(method="anchors", anchors={"tea": "Tea."}))


def test_a_temperature_gives_all_of_a_reply_to_the_nearest_option() -> None:
    both = "Tea, tea or milk."
    soft, _ = ask(lambda _: both, ANCHORS)
    sharp, _ = ask(lambda _: both, ElicitationOptions(method="anchors", anchor_temperature=0))
    assert 0.6 < soft.probabilities[0, 0, 0] < 0.7
    assert sharp.probabilities[0, 0, 0] > 0.95


def test_refusals_and_empty_replies_are_not_rated() -> None:
    def said(request):
        if request.draw % 4 == 0:
            return Completion("I must refuse.", 3, "refusal")
        return "Tea." if request.draw % 4 else ""

    table, _ = ask(said, ANCHORS)
    assert table.matched == pytest.approx(0.75)
    assert table.unmatched == ("I must refuse.",)
    with pytest.raises(ModelError, match="100% of the model's replies have no text"):
        ask(lambda _: " ", ANCHORS)


def test_anchors_need_an_encoder() -> None:
    with pytest.raises(DataError, match="needs an encoder"):
        elicit(QUESTION, RECORDS, PERSONAS, Scripted(lambda _: "tea"),
                             options=ANCHORS)  # fmt: skip


def test_every_model_supports_them() -> None:
    assert supported_methods(Scripted(str)) == ["sampled", "told", "anchors"]
    assert supported_methods(ToyBackend(DRINKS)) == ["scored", "sampled", "told", "anchors"]


@pytest.mark.parametrize("method", ["scored", "sampled", "told", "anchors"])
def test_exemplars_are_earlier_turns_of_the_prompt(method: str) -> None:
    backend = Scripted(lambda _: "tea: 100%")
    if method == "scored":
        backend = ToyBackend(DRINKS, exemplar_boost=1.0)
    shown = [[Exemplar({"age": "young"}, "beer")], [Exemplar({"age": "old"}, "tea")] * 2]
    table = elicit(
        QUESTION,
        RECORDS,
        [None],
        backend,
        options=ElicitationOptions(method=method, n_orders=1, n_draws=1),
        encoder=ENCODER,
        exemplars=shown,
    )
    if method == "scored":
        odds = np.exp([[0, 0, 1], [2, 0, 0]])
        np.testing.assert_allclose(
            table.probabilities[:, 0], odds / odds.sum(axis=1, keepdims=True)
        )
        return
    turns = [m.content for m in backend.requests[-1][0].prompt.messages]
    assert [turns[1], turns[3]] == ["tea", "tea"]
    assert turns[0].startswith("old: what will you drink?")
    assert "Of 100 people" not in turns[0]


def test_exemplars_of_a_multiple_choice_say_yes_or_no() -> None:
    question = Question("{age}: which?", DRINKS, "multiple")
    shown = [[Exemplar({"age": "old"}, "tea|beer")]] * 2
    model = ToyBackend(["yes", "no"], exemplar_boost=np.log(3))
    table = elicit(question, RECORDS, [None], model, exemplars=shown)
    np.testing.assert_allclose(table.probabilities[0, 0], [0.75, 0.25, 0.75])


@pytest.mark.model
def test_the_embedded_model_answers_in_its_own_words_and_those_are_shown_for_percentages() -> None:
    question, backend = Question("Do you like to read books?", ["Yes", "No"]), LocalBackend()
    options = ElicitationOptions(method="anchors", n_draws=3)
    table = elicit(question, [{}], [None], backend, options=options, encoder=MiniLMEncoder())
    np.testing.assert_allclose(table.probabilities.sum(-1), 1)
    assert table.matched == 1
    with pytest.raises(ModelError, match=r"100% .* state no percentages") as caught:
        elicit(question, [{}], [None], backend, options=TOLD)
    assert "it says '" in str(caught.value)
