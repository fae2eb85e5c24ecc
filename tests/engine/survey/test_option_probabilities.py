from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop import LocalBackend
from jupyter_mop.backends.protocols import Completion, FirstTokens, Prompt, TokenScores
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.survey.answer_matching import match_option
from jupyter_mop.engine.survey.option_probabilities import option_probabilities
from jupyter_mop.engine.survey.options import ElicitationOptions
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError, ModelError

DRINKS = ["tea", "milk", "beer"]
PERSONAS = [Persona("a", "Tea for you."), Persona("b", "Milk, or beer."), None]
QUESTION = Question("{age}: what will you drink?", DRINKS)
RECORDS = [{"age": "young"}, {"age": "old"}]


class WithoutScores(ToyBackend):
    """The toy model without log-probabilities."""

    can_score = False


class FirstListed(ToyBackend):
    """Prefers the first listed option by one nat, as small models do."""

    def log_probs(self, prompt: Prompt):
        first = prompt.messages[-1].content.split("- ", 1)[1].split("\n", 1)[0]
        logits = self._logits(prompt) + np.array([word == first for word in self.vocabulary])
        return logits - np.logaddexp.reduce(logits)


class Chatty(WithoutScores):
    """Answers with a sentence, half of the time without an option."""

    def _draw(self, request, params):
        word = super()._draw(request, params).text
        return Completion(f"Oh, {word}, please!" if request.draw % 2 else "I do not know.", 4)


class FirstTokenModel(WithoutScores):
    """Reports the probabilities of its first word, as endpoints do."""

    can_score_first_tokens = True

    def first_tokens(self, prompts, *, on_result=None):
        found = [FirstTokens(self.vocabulary, tuple(self.log_probs(p))) for p in prompts]
        for index, value in enumerate(found):
            if on_result:
                on_result(index, value)
        return found


class Broken(ToyBackend):
    def score(self, requests, *, on_result=None):  # noqa: ARG002
        return [TokenScores((float("nan"),)) for _ in requests]


@given(boost=st.floats(-3, 3))
def test_option_probabilities_are_exact(boost: float) -> None:
    backend = ToyBackend([*DRINKS, "gin"], persona_boost=boost)
    table = option_probabilities(QUESTION, RECORDS, PERSONAS, backend)
    high = np.exp(boost)
    expected = [[high, 1, 1], [1, high, high], [1, 1, 1]]
    expected = np.array(expected) / np.sum(expected, axis=1, keepdims=True)
    assert table.probabilities.shape == (2, 3, 3)
    assert np.allclose(table.probabilities, expected)
    assert (table.method, table.n_asked, table.matched) == ("scored", 2 * 2 * 3 * 3, 1.0)


def test_an_open_question_does_not_list_its_options() -> None:
    shouting = ToyBackend(DRINKS, context_boost=1.0)
    question = Question("Tea, or what will you drink?", DRINKS)
    listed = option_probabilities(question, [{}], [None], shouting)
    open_ = option_probabilities(
        question, [{}], [None], shouting, options=ElicitationOptions(listed=False)
    )
    assert np.allclose(listed.probabilities, 1 / 3)
    assert np.allclose(open_.probabilities[0, 0], np.array([np.e, 1, 1]) / (np.e + 2))
    assert (listed.n_asked, open_.n_asked) == (6, 3)


def test_orders_are_averaged() -> None:
    backend = FirstListed(DRINKS)
    once = option_probabilities(
        QUESTION, RECORDS, [None], backend, options=ElicitationOptions(n_orders=1)
    )
    thrice = option_probabilities(
        QUESTION, RECORDS, [None], backend, options=ElicitationOptions(n_orders=3)
    )
    assert once.probabilities.max() == pytest.approx(np.e / (np.e + 2))
    assert np.allclose(thrice.probabilities, 1 / 3)


def test_by_prior_divides_by_the_prior_of_each_order() -> None:
    backend = FirstListed(DRINKS, persona_boost=2.0)
    options = ElicitationOptions(n_orders=1, by_prior=True)
    table = option_probabilities(QUESTION, RECORDS, PERSONAS, backend, options=options)
    assert np.allclose(table.probabilities[:, 2], 1 / 3)
    high = np.exp(2)
    assert np.allclose(table.probabilities[:, 0], np.array([high, 1, 1]) / (high + 2))
    assert table.n_asked == (2 * 3 + 1) * 3


def test_by_length_removes_the_disadvantage_of_long_options() -> None:
    question = Question("What?", ["tea", "tea tea tea"])
    plain = option_probabilities(question, [{}], [None], ToyBackend(DRINKS))
    per_token = option_probabilities(
        question, [{}], [None], ToyBackend(DRINKS), options=ElicitationOptions(by_length=True)
    )
    assert plain.probabilities[0, 0, 0] == pytest.approx(0.9)
    assert np.allclose(per_token.probabilities, 0.5)


def test_each_option_of_a_multiple_choice_is_a_yes_no_question() -> None:
    backend = ToyBackend(["yes", "no"], context_boost=0.0, persona_boost=np.log(3))
    question = Question("Which do you like?", DRINKS, "multiple")
    table = option_probabilities(question, [{}], [Persona("a", "Yes!"), None], backend)
    assert np.allclose(table.probabilities, [[[0.75] * 3, [0.5] * 3]])
    assert table.n_asked == 3 * 2 * 2 * 2


def test_sampled_probabilities_are_close_to_the_exact_ones() -> None:
    backend = WithoutScores(DRINKS, length=1)
    exact = option_probabilities(QUESTION, RECORDS, PERSONAS, ToyBackend(DRINKS))
    table = option_probabilities(
        QUESTION, RECORDS, PERSONAS, backend, options=ElicitationOptions(n_draws=600)
    )
    assert table.method == "sampled"
    assert (table.n_asked, table.matched) == (2 * 2 * 3 * 600, 1.0)
    assert np.abs(table.probabilities - exact.probabilities).max() < 0.06
    assert np.allclose(table.probabilities.sum(-1), 1)


def test_replies_without_an_option_are_dropped_and_reported() -> None:
    backend = Chatty(DRINKS, length=1)
    table = option_probabilities(
        QUESTION, RECORDS, PERSONAS, backend, options=ElicitationOptions(n_draws=300)
    )
    assert table.matched == 0.5
    exact = option_probabilities(QUESTION, RECORDS, PERSONAS, ToyBackend(DRINKS))
    assert np.abs(table.probabilities - exact.probabilities).max() < 0.08


def test_a_component_without_matches_is_uniform() -> None:
    backend = WithoutScores(["perhaps", "never"], length=1)
    table = option_probabilities(QUESTION, RECORDS, [None], backend)
    assert table.matched == 0
    assert np.allclose(table.probabilities, 1 / 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tea", 0),
        ("TEA.", 0),
        ("Iced tea, of course", 1),
        ("I would say: iced tea", 1),
        ("milk or iced tea", 2),
        ("Perhaps milk, perhaps tea", None),
        ("teapot", None),
        ("", None),
    ],
)
def test_a_reply_matches_the_option_it_names(text, expected) -> None:
    assert match_option(text, ["tea", "iced tea", "milk"]) == expected


WORDS = st.lists(st.text("abc", min_size=1), min_size=1, max_size=3).map(" ".join)


@given(st.lists(WORDS, min_size=2, unique=True))
def test_an_option_matches_itself(options) -> None:
    assert [match_option(f" {option.upper()}!", options) for option in options] == list(
        range(len(options))
    )


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("method", "guessed", "one of auto, scored, first-token, sampled"),
        ("baseline", "fewshot", "one of plain, personas"),
        ("n_draws", 0, "at least 1"),
        ("n_orders", 0, "at least 1"),
        ("n", 0, "at least 1"),
    ],
)
def test_an_invalid_option_is_refused(name, value, limit) -> None:
    with pytest.raises(DataError, match=f"`{name}`.* must be {limit}, got {value!r}"):
        ElicitationOptions(**{name: value})


@pytest.mark.parametrize(
    ("options", "backend", "error", "words"),
    [
        (
            ElicitationOptions(method="scored"),
            WithoutScores(DRINKS),
            ModelError,
            "does not report log-prob",
        ),
        (ElicitationOptions(), Broken(DRINKS), ModelError, "not finite"),
    ],
)
def test_unsupported_methods_and_invalid_scores_are_refused(options, backend, error, words) -> None:
    with pytest.raises(error, match=words) as caught:
        option_probabilities(QUESTION, RECORDS, PERSONAS, backend, options=options)
    assert caught.value.hint


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(DataError, match=r"\{age\}, which is not a context column"):
        option_probabilities(QUESTION, [{"income": "low"}], PERSONAS, ToyBackend(DRINKS))


@pytest.mark.model
def test_the_embedded_model_takes_the_side_of_its_persona() -> None:
    sides = [
        Persona("left", "You are a loyal Democrat. You like what Bill Clinton does as president."),
        Persona("right", "You are a loyal Republican. You trust Bob Dole and want lower taxes."),
    ]
    question = Question("It is 1996. Who do you expect to vote for?", ["Clinton", "Dole"])
    backend, open_ = LocalBackend(), ElicitationOptions(listed=False)
    table = option_probabilities(question, [{}], sides, backend, options=open_)
    assert np.allclose(table.probabilities.sum(-1), 1)
    left, right = table.probabilities[0, :, 0]
    assert left > 0.7
    assert right < 0.3


def test_first_tokens_and_scores_give_equal_probabilities() -> None:
    found = option_probabilities(QUESTION, RECORDS, PERSONAS, FirstTokenModel([*DRINKS, "gin"]))
    scored = option_probabilities(QUESTION, RECORDS, PERSONAS, ToyBackend([*DRINKS, "gin"]))
    np.testing.assert_allclose(found.probabilities, scored.probabilities)
    assert (found.method, found.n_asked) == ("first-token", 2 * 2 * 3)
    assert 0.5 < found.matched < 1


def test_options_with_the_same_beginning_get_letters_by_position() -> None:
    ambiguous = Question("Which?", ["iced tea", "iced milk"])
    backend, seen = FirstTokenModel(["a", "b"], context_boost=0.0), []
    table = option_probabilities(
        ambiguous,
        [{}],
        [Persona("x", "Say a."), Persona("y", "Say b.")],
        backend,
        options=ElicitationOptions(n_orders=1),
        on_step=lambda *step: seen.append(step) or (lambda *_: None),
    )
    order = ambiguous.option_orders(1)[0]
    favoured = table.probabilities[0].argmax(-1).tolist()
    assert favoured == [int(order[0]), int(order[1])]
    assert seen == [("first tokens", 2)]
    text = ambiguous.template(order, lettered=True).text
    assert f"A. {ambiguous.options[order[0]]}" in text
    assert "letter" in text
    both = option_probabilities(ambiguous, [{}], [None], backend).probabilities
    np.testing.assert_allclose(both, 0.5)


def test_first_tokens_are_refused_if_the_model_reports_none() -> None:
    with pytest.raises(ModelError, match="first tokens"):
        option_probabilities(
            QUESTION,
            RECORDS,
            PERSONAS,
            WithoutScores(DRINKS),
            options=ElicitationOptions(method="first-token"),
        )


def test_more_options_than_letters_are_refused() -> None:
    many = Question("Which?", [f"the {i}" for i in range(30)])
    with pytest.raises(DataError, match="only 26"):
        option_probabilities(many, [{}], [None], FirstTokenModel(["a", "b"]))
