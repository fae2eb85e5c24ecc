"""The body of a chat request, with what the model refuses left out or rewritten.

What is refused is found when the endpoint is probed, and learned again from a later refusal: a
gateway may switch to another model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_mop.backends.chat_templates import plain
from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.capabilities import TEMPERATURE, TOP_P, Capabilities
from jupyter_mop.backends.endpoint.error_messages import RefusedError
from jupyter_mop.backends.protocols import Prompt

SEED, N_CHOICES = "seed", "n"
OPTIONAL = (TEMPERATURE, TOP_P, SEED, N_CHOICES, *defaults.ALL_TOKENS)
LIMITS = ("max_tokens", "max_completion_tokens")
_BAD_REQUEST, _UNPROCESSABLE = 400, 422
_NO_ROOM = re.compile(r"could not finish|output limit was reached", re.IGNORECASE)
_NO_SYSTEM = re.compile(
    r"system (?:role|message|prompt|instruction)s?\b[^.]*\b(?:not|n't|un)|"
    r"(?:only|must be|expected)\b[^.]*\buser and assistant roles|developer instruction is not",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"un(?:known|recognized|supported|expected)|not (?:supported|permitted)", re.IGNORECASE
)
_ALTERNATE = re.compile(r"\balternat", re.IGNORECASE)
_PARAGRAPH = "\n\n"


def chat_body(
    found: Capabilities, prompt: Prompt, n_tokens: int, settings: Mapping[str, Any]
) -> dict[str, Any]:
    r"""Return the body of a chat request with an output limit, without what the model refuses.

    Examples
    --------
    >>> from jupyter_mop.backends.protocols import Message
    >>> prompt = Prompt((Message("system", "You sing."), Message("user", "Well?")))
    >>> found = Capabilities("here", "m", (), left_out=("top_p",), system_role=False)
    >>> body = chat_body(found, prompt, 8, {"temperature": 1.0, "top_p": 0.9})
    >>> body["messages"][0]["content"], "top_p" in body
    ('You sing.\n\nWell?', False)
    """
    body = {"model": found.model, "messages": _messages(found, prompt), **settings}
    for name in found.left_out:
        body.pop(name, None)
    body[found.limit_parameter] = n_tokens
    return body


def learned(
    found: Capabilities, refusal: RefusedError, body: Mapping[str, Any]
) -> Capabilities | None:
    """Return the capabilities without what a refusal names; None if it names nothing optional.

    Examples
    --------
    >>> refusal = RefusedError("", reason="temperature and top_p cannot both be given", status=400)
    >>> body = {"messages": [], "temperature": 1, "top_p": 1}
    >>> learned(Capabilities("here", "m", ()), refusal, body).left_out
    ('top_p',)
    """
    words = f"{refusal.parameter} {refusal.reason}"
    roles = [message["role"] for message in body["messages"]]
    if refusal.status not in {_BAD_REQUEST, _UNPROCESSABLE}:  # some templates fail with 500
        return _without_messages(found, words, roles)
    named = [name for name in OPTIONAL if name in body and _names(words, name)]
    if limit := _other_limit(found, words):
        return replace(found, limit_parameter=limit)
    if named:
        out = TOP_P if {TEMPERATURE, TOP_P} <= set(named) else named[0]
        out = refusal.parameter if refusal.parameter in named else out
        return replace(found, left_out=(*found.left_out, out))
    return _without_messages(found, words, roles)


def _other_limit(found: Capabilities, words: str) -> str | None:
    """Return the other parameter for the output limit if a refusal asks for it, or None."""
    other = LIMITS[1 - LIMITS.index(found.limit_parameter)]
    is_newest = found.limit_parameter == LIMITS[1]
    is_unknown = is_newest and _names(words, LIMITS[1]) and _UNKNOWN.search(words)
    return other if is_unknown or (not is_newest and _names(words, other)) else None


def _without_messages(found: Capabilities, words: str, roles: Sequence[str]) -> Capabilities | None:
    """Return the capabilities without the kind of messages that a refusal names, or None."""
    if "system" in roles and found.system_role and _NO_SYSTEM.search(words):
        return replace(found, system_role=False)
    if not found.merges_turns and _ALTERNATE.search(words):
        return replace(found, merges_turns=True)
    return None


def is_no_room(refusal: RefusedError) -> bool:
    """Return whether a request was refused because its limit is too low for the thinking."""
    return bool(_NO_ROOM.search(refusal.reason))


def _names(words: str, parameter: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(parameter)}(?![\w])", words) is not None


def _messages(found: Capabilities, prompt: Prompt) -> list[dict[str, str]]:
    turns = [{"role": turn.role, "content": plain(turn.content)} for turn in prompt.messages]
    if not found.system_role:
        turns = _without_system(turns)
    return _merged(turns) if found.merges_turns else turns


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Move the text of system messages to the beginning of the first user message."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    others = [dict(turn) for turn in turns if turn["role"] != "system"]
    first = next((turn for turn in others if turn["role"] == "user"), None)
    if first is None or first is not others[0]:
        return _merged([{"role": "user", "content": _PARAGRAPH.join(system)}, *others])
    first["content"] = _PARAGRAPH.join([*system, first["content"]])
    return others


def _merged(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Join consecutive messages of one role, and give a system message the first question."""
    merged: list[dict[str, str]] = []
    for turn in turns:
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1]["content"] += _PARAGRAPH + turn["content"]
        else:
            merged.append(dict(turn))
    return merged
