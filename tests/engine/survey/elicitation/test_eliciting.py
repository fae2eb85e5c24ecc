from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop import LocalBackend
from jupyter_mop.backends.protocols import Completion, FirstTokens, Prompt, TokenScores
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.survey.elicitation.eliciting import elicit
from jupyter_mop.engine.survey.elicitation.replies import reply_limit
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
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
    """Answers with a sentence, one in four times without an option."""

    def _draw(self, request, params):
        word = super()._draw(request, params).text
        return Completion(f"Oh, {word}, please!" if request.draw % 4 else "I do not know.", 4)


class Says(WithoutScores):
    """Says the same in every reply, or what a function of the request returns."""

    def __init__(self, said):
        super().__init__(["yes", "no"])
        self.said = said if callable(said) else lambda _: said

    def _draw(self, request, params):  # noqa: ARG002
        text = self.said(request)
        return text if isinstance(text, Completion) else Completion(text, 4)


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
def test_probabilities_of_options_are_exact(boost: float) -> None:
    backend = ToyBackend([*DRINKS, "gin"], persona_boost=boost)
    table = elicit(QUESTION, RECORDS, PERSONAS, backend)
    high = np.exp(boost)
    expected = [[high, 1, 1], [1, high, high], [1, 1, 1]]
    expected = np.array(expected) / np.sum(expected, axis=1, keepdims=True)
    assert table.probabilities.shape == (2, 3, 3)
    assert np.allclose(table.probabilities, expected)
    assert (table.method, table.n_asked, table.matched) == ("scored", 3 * 2 * 3 * 3, 1.0)


def test_an_open_question_does_not_list_its_options() -> None:
    shouting = ToyBackend(DRINKS, context_boost=1.0)
    question = Question("Tea, or what will you drink?", DRINKS)
    listed = elicit(question, [{}], [None], shouting)
    open_ = elicit(question, [{}], [None], shouting, options=ElicitationOptions(listed=False))
    assert np.allclose(listed.probabilities, 1 / 3)
    assert np.allclose(open_.probabilities[0, 0], np.array([np.e, 1, 1]) / (np.e + 2))
    assert (listed.n_asked, open_.n_asked) == (9, 3)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("kind", ["single", "scale"])
def test_no_preference_for_the_first_option_is_left(size: int, kind: str) -> None:
    words = [f"w{a}" for a in range(size)]
    question = Question("What?", words, kind)
    found = elicit(question, [{}], [None], FirstListed(words))
    once = elicit(
        question, [{}], [None], FirstListed(words), options=ElicitationOptions(n_orders=1)
    )
    assert once.probabilities.max() == pytest.approx(np.e / (np.e + size - 1))
    assert np.allclose(found.probabilities, 1 / size)
    assert found.n_asked == size * size


@pytest.mark.parametrize("kind", ["single", "scale"])
def test_a_steady_preference_for_early_options_nearly_cancels_beyond_six(kind: str) -> None:
    class Sloping(ToyBackend):
        """Loses a quarter of a nat with each place in the list."""

        def log_probs(self, prompt: Prompt):
            lines = prompt.messages[-1].content.splitlines()
            listed = [line[2:] for line in lines if line.startswith("- ")]
            logits = np.array([-0.25 * listed.index(word) for word in self.vocabulary])
            return logits - np.logaddexp.reduce(logits)

    words = [f"w{a}" for a in range(9)]
    question = Question("What?", words, kind)
    shares = elicit(question, [{}], [None], Sloping(words)).probabilities[0, 0]
    assert np.abs(shares - 1 / 9).sum() / 2 < 0.02


def test_by_prior_divides_by_the_prior_of_each_order() -> None:
    backend = FirstListed(DRINKS, persona_boost=2.0)
    options = ElicitationOptions(n_orders=1, by_prior=True)
    table = elicit(QUESTION, RECORDS, PERSONAS, backend, options=options)
    assert np.allclose(table.probabilities[:, 2], 1 / 3)
    high = np.exp(2)
    assert np.allclose(table.probabilities[:, 0], np.array([high, 1, 1]) / (high + 2))
    assert table.n_asked == (2 * 3 + 1) * 3


def test_by_length_removes_the_disadvantage_of_long_options() -> None:
    question = Question("What?", ["tea", "tea tea tea"])
    plain = elicit(question, [{}], [None], ToyBackend(DRINKS))
    per_token = elicit(
        question, [{}], [None], ToyBackend(DRINKS), options=ElicitationOptions(by_length=True)
    )
    assert plain.probabilities[0, 0, 0] == pytest.approx(0.9)
    assert np.allclose(per_token.probabilities, 0.5)


def test_each_option_of_a_multiple_choice_is_a_yes_no_question() -> None:
    backend = ToyBackend(["yes", "no"], context_boost=0.0, persona_boost=np.log(3))
    question = Question("Which do you like?", DRINKS, "multiple")
    table = elicit(question, [{}], [Persona("a", "Yes!"), None], backend)
    assert np.allclose(table.probabilities, [[[0.75] * 3, [0.5] * 3]])
    assert table.n_asked == 3 * 2 * 2 * 2


def test_sampled_probabilities_are_close_to_the_exact_ones() -> None:
    backend = WithoutScores(DRINKS, length=1)
    exact = elicit(QUESTION, RECORDS, PERSONAS, ToyBackend(DRINKS))
    table = elicit(QUESTION, RECORDS, PERSONAS, backend, options=ElicitationOptions(n_draws=600))
    assert table.method == "sampled"
    assert (table.n_asked, table.matched) == (3 * 2 * 3 * 600, 1.0)
    assert np.abs(table.probabilities - exact.probabilities).max() < 0.06
    assert np.allclose(table.probabilities.sum(-1), 1)


def test_replies_without_an_option_are_dropped_and_reported() -> None:
    backend = Chatty(DRINKS, length=1)
    table = elicit(QUESTION, RECORDS, PERSONAS, backend, options=ElicitationOptions(n_draws=300))
    assert table.matched == 0.75
    assert table.unmatched == ("I do not know.",)
    assert table.answered.all()
    exact = elicit(QUESTION, RECORDS, PERSONAS, ToyBackend(DRINKS))
    assert np.abs(table.probabilities - exact.probabilities).max() < 0.08


def test_over_a_third_of_unmatched_replies_is_an_error_that_says_what_was_said() -> None:
    def said(request):
        return "tea" if request.draw % 3 else f"As a language model I cannot, {request.draw % 2}."

    table = elicit(QUESTION, RECORDS, [None], Says(said), options=ElicitationOptions(n_draws=18))
    assert table.matched == pytest.approx(2 / 3)
    with pytest.raises(ModelError, match="43% of the model's replies name none") as caught:
        elicit(QUESTION, RECORDS, [None], Says(said),
                             options=ElicitationOptions(n_draws=7))  # fmt: skip
    assert "'As a language model I cannot, 0.'" in str(caught.value)
    assert caught.value.hint


def test_first_tokens_that_begin_no_option_are_a_warning_and_none_at_all_an_error() -> None:
    backend = FirstTokenModel([*DRINKS, "well", "oh", "hm"])
    with pytest.warns(UserWarning, match="50% of the model's first tokens") as caught:
        table = elicit(QUESTION, RECORDS, [None], backend)
    assert "'well', 'oh', 'hm'" in str(caught[0].message)
    assert "--method sampled" in str(caught[0].message)
    np.testing.assert_allclose(table.probabilities, 1 / 3)
    with pytest.raises(ModelError, match="100% of the model's first tokens"):
        elicit(QUESTION, RECORDS, [None], FirstTokenModel(["well", "oh", "hm"]))


@pytest.mark.parametrize(
    ("options", "said", "expected"),
    [
        (["-2", "-1", "0", "1", "2"], "2", "2"),
        (["C", "C++", "C#"], "C++", "C++"),
        (["👍", "👎"], "👎🏽", "👎"),
        (["<50%", ">50%"], "It is >50%.", ">50%"),
        (["Yes", "No", "Don't know"], "Dont know", "Don't know"),
        (["nicht", "doch", "cafe\u0301"], "café", "cafe\u0301"),
    ],
)
def test_drawn_replies_count_for_the_option_that_they_name(options, said, expected) -> None:
    table = elicit(Question("What?", options), [{}], [None], Says(said))
    n = table.n_asked
    assert table.probabilities[0, 0, options.index(expected)] > n / (n + 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["Agree", "Disagree"], "I do not agree."),
        (["Satisfied", "Unsatisfied"], "Not satisfied"),
        (["Yes", "No"], "No opinion"),
        (["Yes", "No"], Completion("No", 1, "content_filter")),
        (["Yes", "No"], Completion("I must say no.", 1, "refusal")),
    ],
)
def test_a_negation_or_a_refusal_is_no_answer(options, said) -> None:
    with pytest.raises(ModelError, match="100% of the model's replies"):
        elicit(Question("What?", options), [{}], [None], Says(said))


def test_a_persona_that_never_answers_has_no_answer() -> None:
    def said(request):
        return "Hm." if request.prompt.messages[0].content.startswith("Tea") else "milk"

    personas = [*PERSONAS[:2], Persona("c", "Beer."), None]
    table = elicit(QUESTION, RECORDS, personas, Says(said))
    assert table.answered.tolist() == [[False, True, True, True]] * 2

    class Silent(FirstTokenModel):
        def first_tokens(self, prompts, *, on_result=None):
            found = super().first_tokens(prompts, on_result=on_result)
            silent = FirstTokens(("Hm", "Oh"), (-0.7, -0.7))
            return [
                silent if prompt.messages[0].content.startswith("Tea") else value
                for prompt, value in zip(prompts, found, strict=True)
            ]

    table = elicit(QUESTION, RECORDS, personas, Silent(DRINKS))
    assert table.answered.tolist() == [[False, True, True, True]] * 2


def test_replies_to_different_prompts_do_not_share_random_numbers() -> None:
    records = [{"age": str(age)} for age in range(100)]
    question = Question("{age}: tea or milk?", DRINKS[:2])
    options = ElicitationOptions(n_draws=10, n_orders=1)
    shares = [
        elicit(
            question, records, [None], WithoutScores(DRINKS[:2], length=1),
            options=replace(options, random_state=seed),
        ).probabilities[:, 0, 0].mean()
        for seed in range(8)
    ]  # fmt: skip
    assert np.std(shares) < 3 * np.sqrt(0.25 / 1000)


@pytest.mark.parametrize(
    ("options", "least"),
    [
        (["yes", "no"], 15),
        (["very satisfied indeed", "no"], 21),
        (["同意", "不同意"], 40),
        (["நன்று", "தீது"], 60),
    ],
)
def test_a_reply_is_long_enough_for_every_script(options, least) -> None:
    limit = reply_limit(options)
    assert limit == least if all(map(str.isascii, options)) else limit >= least


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("method", "guessed", "one of auto, scored, first-token, sampled, told, anchors"),
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
        elicit(QUESTION, RECORDS, PERSONAS, backend, options=options)
    assert caught.value.hint


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(DataError, match=r"\{age\}, which is not a context column"):
        elicit(QUESTION, [{"income": "low"}], PERSONAS, ToyBackend(DRINKS))


@pytest.mark.model
def test_the_embedded_model_takes_the_side_of_its_persona() -> None:
    sides = [
        Persona("left", "You are a loyal Democrat. You like what Bill Clinton does as president."),
        Persona("right", "You are a loyal Republican. You trust Bob Dole and want lower taxes."),
    ]
    question = Question("It is 1996. Who do you expect to vote for?", ["Clinton", "Dole"])
    backend, open_ = LocalBackend(), ElicitationOptions(listed=False)
    table = elicit(question, [{}], sides, backend, options=open_)
    assert np.allclose(table.probabilities.sum(-1), 1)
    left, right = table.probabilities[0, :, 0]
    assert left > 0.7
    assert right < 0.3


def test_first_tokens_and_scores_give_equal_probabilities() -> None:
    found = elicit(QUESTION, RECORDS, PERSONAS, FirstTokenModel([*DRINKS, "gin"]))
    scored = elicit(QUESTION, RECORDS, PERSONAS, ToyBackend([*DRINKS, "gin"]))
    np.testing.assert_allclose(found.probabilities, scored.probabilities)
    assert (found.method, found.n_asked) == ("first-token", 3 * 2 * 3)
    assert 0.5 < found.matched < 1


def test_options_with_the_same_beginning_get_letters_by_position() -> None:
    ambiguous = Question("Which?", ["iced tea", "iced milk"])
    backend, seen = FirstTokenModel(["a", "b"], context_boost=0.0), []
    table = elicit(
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
    both = elicit(ambiguous, [{}], [None], backend).probabilities
    np.testing.assert_allclose(both, 0.5)


def test_first_tokens_are_refused_if_the_model_reports_none() -> None:
    with pytest.raises(ModelError, match="first tokens"):
        elicit(
            QUESTION,
            RECORDS,
            PERSONAS,
            WithoutScores(DRINKS),
            options=ElicitationOptions(method="first-token"),
        )


def test_more_options_than_letters_are_refused() -> None:
    many = Question("Which?", [f"the {i}" for i in range(30)])
    with pytest.raises(DataError, match="only 26"):
        elicit(many, [{}], [None], FirstTokenModel(["a", "b"]))
