from __future__ import annotations

import pytest

from jupyter_mop.backends.endpoint.error_messages import MalformedError
from jupyter_mop.backends.endpoint.prompt_logprobs import (
    DIALECTS,
    ECHO,
    PROMPT_LOGPROBS,
    read,
    request,
)

TEXT = "Say yes or no"
TOKENS = ["Say", " yes", " or", " no"]
VALUES = [None, -1.0, -2.0, -3.0]


def echoed(text=TEXT, tokens=(*TOKENS, "!"), values=(*VALUES, -9.0), shift=0, n=4):
    starts = [len("".join(tokens[:i])) + shift * (i > 0) for i in range(len(tokens))]
    lists = {"tokens": [*tokens], "text_offset": starts, "token_logprobs": [*values]}
    choice = {"text": f"{text}!", "logprobs": lists}
    return {"choices": [choice], "usage": {"prompt_tokens": n}}


def listed(values=VALUES, tokens=TOKENS):
    rows = [
        value and {"7": {"logprob": value, "decoded_token": token}}
        for value, token in zip(values, tokens, strict=True)
    ]
    return {"choices": [{"text": "!", "prompt_logprobs": rows}]}


@pytest.mark.parametrize(("dialect", "answer"), [(ECHO, echoed()), (PROMPT_LOGPROBS, listed())])
def test_both_dialects_give_the_same_result(dialect, answer):
    found = read(dialect, answer, TEXT)
    assert found.tokens == tuple(TOKENS)
    assert found.offsets == (0, 3, 7, 10)
    assert found.after(7, TEXT).log_probs == (-2.0, -3.0)
    assert found.after(3, TEXT).total == -6
    assert found.after(8, TEXT) is None
    assert found.after(0, TEXT) is None


WRONG = {
    "only what was generated": {
        "choices": [{"text": "!", "logprobs": {"content": []}}],
        "usage": {"prompt_tokens": 4},
    },
    "the text, and the generated token's value": echoed(tokens=["!"], values=[-1.0]),
    "a value is missing": echoed(values=[None, -1.0, None, -3.0, -9.0]),
    "a value is positive": echoed(values=[None, -1.0, 0.5, -3.0, -9.0]),
    "a value is not a number": echoed(values=[None, -1.0, "x", -3.0, -9.0]),
    "a value is infinite": echoed(values=[None, -1.0, float("-inf"), -3.0, -9.0]),
    "other tokens": echoed(tokens=["Say", " no", " or", " yes", "!"]),
    "tokens in the tokenizer's notation": echoed(tokens=["Say", "Ġyes", "Ġor", "Ġno", "!"]),
    "one token too few": echoed(n=3),
    "one token too many": echoed(n=5),
}


@pytest.mark.parametrize("what", WRONG)
def test_values_that_are_not_of_the_text_are_refused(what):
    with pytest.raises(MalformedError):
        read(ECHO, WRONG[what], TEXT)


def test_several_tokens_at_one_position_are_refused():
    answer = listed()
    answer["choices"][0]["prompt_logprobs"][2]["8"] = {"logprob": -1, "decoded_token": "x"}
    with pytest.raises(MalformedError):
        read(PROMPT_LOGPROBS, answer, TEXT)


def test_shifted_offsets_are_not_trusted():
    assert read(ECHO, echoed(shift=3), TEXT).after(10, TEXT) is None


def test_tokens_inside_a_character_are_allowed_if_the_rest_matches():
    text, tokens = "Say 🙂 no", ["Say", " \ufffd", "\ufffd", " no", "!"]
    found = read(ECHO, echoed(text, tokens), text)
    assert found.after(3, text).n_tokens == 3
    assert found.after(5, text) is None


def test_a_request_generates_one_token():
    for dialect in DIALECTS:
        body = request(dialect, "m", TEXT)
        assert (body["prompt"], body["max_tokens"]) == (TEXT, 1)
