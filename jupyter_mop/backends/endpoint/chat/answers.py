"""Read a chat completion: the answer, without the thinking that a reasoning model writes first.

Thinking arrives in a field of its own (`reasoning_content`, `reasoning`), in parts of a list, in
`<think>` blocks of the text, or not at all: then only its tokens are reported, or the answer is
empty because thinking used up the output limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from jupyter_mop.backends.cost.token_counts import CHARACTERS_PER_TOKEN, reported_tokens
from jupyter_mop.backends.endpoint.error_messages import EmptyError, MalformedError, NoRoomError
from jupyter_mop.backends.protocols import Completion, FirstTokens

Json = dict[str, Any]

_NAMES = "think|thinking|thought|reasoning|seed:think"
_TAG = re.compile(rf"[<\[](?:(?<=<)(/?)(?i:{_NAMES})>|(?<=\[)(/?)THINK\])")
_BEGINS = re.compile(rf"\s*(?:<(?:{_NAMES}|$)|\[THINK\])", re.IGNORECASE)
_FIELDS = ("reasoning_content", "reasoning")
_THINKING_PARTS = frozenset({"thinking", "reasoning"})


class Answer(NamedTuple):
    """An answer and the thinking before it; `text` is None if the server sent no content."""

    text: str | None
    thinking: str


def split_thinking(text: str) -> Answer:
    """Return a text without its thinking, and the thinking.

    A block that is not closed reaches to the end. A block whose beginning is missing, because the
    chat template wrote it, begins with the text.

    Examples
    --------
    >>> split_thinking("<think>They could say no.</think> Yes")
    Answer(text='Yes', thinking='They could say no.')
    >>> split_thinking("They could say no.</think>Yes").text
    'Yes'
    >>> split_thinking("<think>They could say").text
    ''
    """
    if "<" not in text and "[" not in text:
        return Answer(text, "")
    parts: dict[bool, list[str]] = {True: [], False: []}  # by whether they are thinking
    is_thinking, start, has_tag = False, 0, False
    for tag in _TAG.finditer(text):
        has_tag, is_end = True, bool(tag[1] or tag[2])
        parts[is_thinking].append(text[start : tag.start()])
        if is_end and not is_thinking:  # its beginning is in the chat template
            parts = {True: [*parts[True], *parts[False]], False: []}
        is_thinking, start = not is_end, tag.end()
    if not has_tag:
        return Answer(text, "")
    parts[is_thinking].append(text[start:])
    thinking = "\n".join(filter(None, (part.strip() for part in parts[True])))
    return Answer("".join(parts[False]).strip(), thinking)


def read_message(message: Mapping[str, Any]) -> Answer:
    """Return the answer and the thinking of a message, wherever the server puts them.

    Raises
    ------
    MalformedError
        The content is neither text nor a list of parts.

    Examples
    --------
    >>> parts = [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Yes"}]
    >>> read_message({"content": parts})
    Answer(text='Yes', thinking='Hm')
    >>> read_message({"content": None, "reasoning_content": "Hm"})
    Answer(text=None, thinking='Hm')
    """
    content = message["content"]
    if isinstance(content, str):
        answer = split_thinking(content)
    elif content is None:
        answer = Answer(None, "")
    elif isinstance(content, list):
        answer = _joined_parts(content)
    else:
        raise MalformedError("content that is not text")
    beside = next((_plain_text(message[name]) for name in _FIELDS if message.get(name)), "")
    return answer._replace(thinking=f"{beside}\n{answer.thinking}".strip()) if beside else answer


def completion(answer: Json) -> Completion:
    """Read a chat completion; the text of a refusal is the model's own.

    Raises
    ------
    NoRoomError
        The answer is empty because the output limit was reached.
    EmptyError
        The answer is empty for no such reason.
    MalformedError
        The response has another shape.
    """
    choice = answer["choices"][0]
    message, reason = choice["message"], str(choice.get("finish_reason") or "stop")
    if message.get("refusal"):
        refusal = _without_surrogates(str(message["refusal"]))
        n_tokens = _counts(answer, refusal, "")[0]
        return Completion(refusal, n_tokens, "refusal", served=_served(answer))
    text, thinking = read_message(message)
    n_tokens, n_thinking = _counts(answer, text or "", thinking)
    if (text is None or not text.strip()) and reason != "content_filter":
        if reason == "length":
            raise NoRoomError(n_tokens, thought=text is None or bool(n_thinking) or not text)
        raise EmptyError("only thinking and no answer" if thinking else "an answer without text")
    return Completion(
        _without_surrogates(text or ""), n_tokens, reason, n_thinking, _served(answer)
    )


def completions(answer: Json) -> list[Completion | None]:
    """Read the responses of a call that asked for several; None for one that is no answer.

    The output tokens, which servers report for all of them, are divided by the lengths.

    Examples
    --------
    >>> choices = [{"message": {"content": text}} for text in ("sun and rain", "fog", "")]
    >>> usage = {"prompt_tokens": 9, "completion_tokens": 8}
    >>> found = completions({"choices": choices, "usage": usage})
    >>> [done and (done.text, done.n_tokens) for done in found]
    [('sun and rain', 6), ('fog', 2), None]
    """
    found = [_choice(answer, choice) for choice in answer["choices"]]
    reported = reported_tokens(answer.get("usage"))
    estimated = sum(done.n_tokens for done in found if done)
    if not reported or reported[1] is None or not estimated:
        return found
    ratio, hidden = reported[1] / estimated, _counts(answer, "", "")[1] / len(found)
    return [
        done
        and replace(
            done,
            n_tokens=round(ratio * done.n_tokens),
            n_thinking=round(ratio * done.n_thinking) or round(hidden),
        )
        for done in found
    ]


def _choice(answer: Json, choice: Json) -> Completion | None:
    """Return one of several responses, its tokens estimated; None if it is no answer."""
    if choice.get("finish_reason") == "error":
        return None
    try:
        return completion({**answer, "choices": [choice], "usage": None})
    except (EmptyError, NoRoomError):
        return None


def first_tokens(answer: Json) -> FirstTokens | None:
    """Read the most likely first tokens of an answer; None if they begin its thinking."""
    choice = answer["choices"][0]
    top: list[dict[str, Any]] = choice["logprobs"]["content"][0]["top_logprobs"]
    pairs = [(str(token["token"]), float(token["logprob"])) for token in top]
    tokens, log_probs = zip(*pairs, strict=True)
    likeliest = tokens[log_probs.index(max(log_probs))]
    if _BEGINS.match(likeliest) or read_message(choice["message"]).thinking:
        return None
    return FirstTokens(tokens, log_probs)


def _served(answer: Json) -> str:
    """Return the model that the server names; "" if none."""
    name = answer.get("model")
    return _without_surrogates(name) if isinstance(name, str) else ""


def _counts(answer: Json, text: str, thinking: str) -> tuple[int, int]:
    """Return the output tokens and how many of them are thinking; estimated if not reported."""
    usage = answer.get("usage")
    reported = reported_tokens(usage)
    if not reported or reported[1] is None:
        counts = [round(len(part) / CHARACTERS_PER_TOKEN) for part in (text, thinking)]
        return sum(counts), counts[1]
    n_tokens = reported[1]
    details = usage.get("completion_tokens_details")  # type: ignore[union-attr]
    hidden = details.get("reasoning_tokens") if isinstance(details, dict) else None
    if type(hidden) is int and hidden > 0:
        return n_tokens, min(hidden, n_tokens)
    n_characters = len(text) + len(thinking)
    return n_tokens, round(n_tokens * len(thinking) / n_characters) if thinking else 0


def _joined_parts(parts: Sequence[Any]) -> Answer:
    """Join the parts of an answer: text, and thinking apart from it."""
    thinking = [_plain_text(part) for part in parts if _part_type(part) in _THINKING_PARTS]
    text = [_plain_text(part) for part in parts if _part_type(part) not in _THINKING_PARTS]
    answer = split_thinking("".join(text))
    return answer._replace(thinking="\n".join(filter(None, [*thinking, answer.thinking])))


def _part_type(part: object) -> str:
    return str(part.get("type")) if isinstance(part, dict) else "text"


def _plain_text(value: object) -> str:
    """Return the text in a part, which may hold parts itself."""
    if isinstance(value, list):
        return "".join(map(_plain_text, value))
    if isinstance(value, dict):
        names = ("text", "thinking", "reasoning", "content", "summary")
        return next((_plain_text(value[name]) for name in names if value.get(name)), "")
    return value if isinstance(value, str) else ""


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which tables and files cannot hold, by a question mark."""
    return text.encode("utf-8", "replace").decode()
