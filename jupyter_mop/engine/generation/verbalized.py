"""Verbalized sampling: one call lists several responses, each with its probability.

Zhang et al. (2025), arXiv 2510.01171: a tuned model asked for one response gives the most typical
one again and again; asked for a distribution of responses, it gives more of what it knows. Here
the responses of a list are drawn by the probabilities that the model states.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from jupyter_mop.backends.protocols import (
    REFUSED,
    Backend,
    Completion,
    GenerationRequest,
    OnCompletion,
    Prompt,
    SamplingParams,
)
from jupyter_mop.errors import ModelError

N_LISTED = 5
N_TRIES = 2
MAX_MALFORMED_PARTS = 3  # at most one of so many answers may be no list
MALFORMED = "malformed"
_TOKENS_PER_ITEM = 24  # of the form around a listed response
_MIN_ITEMS = 2
_MAX_SEED = 2**31 - 1
_NO_ANSWER = (*REFUSED, "empty")
_NAMES = ("text", "response"), ("probability", "prob", "p")
_TAGGED = re.compile(
    r"<text>(.*?)</text>\s*<probability>(.*?)</probability>", re.DOTALL | re.IGNORECASE
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.):])\s*(.+)$", re.MULTILINE)
_ENDING = re.compile(
    r"\s*\((?:p(?:rob(?:ability)?)?\s*[=:]?\s*)?(\d*\.?\d+\s*%?)\)\W*$", re.IGNORECASE
)


def instructions(n: int) -> str:
    """Return the text below a question that asks for a list of `n` responses."""
    return (
        f"List {n} different responses, each with the probability that it is given. Draw them at "
        "random from all possible responses, unlikely ones too. Write only JSON of this form: "
        '{"responses": [{"text": "...", "probability": 0.0}]}'
    )


def generate(
    backend: Backend,
    requests: Sequence[GenerationRequest],
    params: SamplingParams,
    *,
    n_listed: int,
    on_result: OnCompletion | None = None,
) -> list[Completion]:
    """Return a response for each request: up to `n_listed` of one prompt share a call.

    The prompts contain `instructions`. The responses of a list are drawn by their probabilities, by
    systematic sampling (each is drawn in proportion to its probability, rounded up or down). An
    answer that is no list of responses is asked for again once.

    Parameters
    ----------
    backend : Backend
        The language model.
    requests : sequence of GenerationRequest
    params : SamplingParams
        `max_tokens` is the limit of one response.
    n_listed : int
        Responses in a list.
    on_result : callable, optional
        Called with (index, completion) for each request, as its list arrives.

    Returns
    -------
    list of Completion
        In the order of the requests; the `finish_reason` of one without a list is "malformed".

    Raises
    ------
    ModelError
        More than a third of the answers are no lists.
    """
    larger = replace(params, max_tokens=n_listed * (params.max_tokens + _TOKENS_PER_ITEM))
    calls = _calls(requests, n_listed)
    lists = _Lists(requests, on_result, _is_dry_run(backend, n_listed))
    left, answers = calls, list[Completion]()
    for attempt in range(N_TRIES):
        sent = [_attempt(requests[call[0]], attempt) for call in left]
        answers = backend.generate(sent, larger, on_result=partial(lists.read, left))
        kept = [position for position, call in enumerate(left) if call[0] not in lists.found]
        left, answers = [left[i] for i in kept], [answers[i] for i in kept]
        if not left:
            break
    _tell(len(left), len(calls), answers)
    for call in left:
        lists.report(call, [Completion("", 0, MALFORMED)] * len(call))
    return [lists.found[index] for index in range(len(requests))]


@dataclass
class _Lists:
    """The responses so far, by the index of their request."""

    requests: Sequence[GenerationRequest]
    on_result: OnCompletion | None
    is_dry_run: bool
    found: dict[int, Completion] = field(default_factory=dict)

    def read(self, calls: Sequence[list[int]], position: int, answer: Completion) -> None:
        """Report the responses of the call at `position`, if its answer is a list."""
        call = calls[position]
        if self.is_dry_run or answer.finish_reason in _NO_ANSWER:
            self.report(call, [answer] * len(call))
        elif items := parse_list(answer.text):
            self.report(call, _drawn(answer, items, [self.requests[index] for index in call]))

    def report(self, call: Sequence[int], completions: Sequence[Completion]) -> None:
        for index, completion in zip(call, completions, strict=True):
            self.found[index] = completion
            if self.on_result:
                self.on_result(index, completion)


def _is_dry_run(backend: Backend, n_listed: int) -> bool:
    """Return whether answers are placeholders; a dry run learns how many responses one lists."""
    is_dry_run = bool(getattr(backend, "is_dry_run", False))
    if is_dry_run:
        vars(backend)["n_listed"] = n_listed
    return is_dry_run


def parse_list(answer: str) -> list[tuple[str, float]]:
    r"""Return the responses in an answer with their probabilities, which sum to 1.

    The list is JSON, also inside other text or cut off; or tags `<text>` and `<probability>`; or
    lines that end with a probability in brackets. Fewer than two responses are no list: the result
    is empty.

    Examples
    --------
    >>> parse_list('Sure! [{"text": "sun", "probability": "30%"}, {"text": "fog", "p": 10}, {"te')
    [('sun', 0.75), ('fog', 0.25)]
    >>> parse_list("<text>sun</text><probability>0.5</probability>")
    []
    >>> parse_list("1. sun (0.75)\n2. fog (probability: 0.25)")
    [('sun', 0.75), ('fog', 0.25)]
    """
    ways = (_json_items, _TAGGED.findall, _line_items)
    for way in ways:
        pairs = [(str(text).strip(), _number(share)) for text, share in way(answer)]
        items = [(text, share) for text, share in pairs if text and share > 0]
        if len(items) >= _MIN_ITEMS:
            total = math.fsum(share for _, share in items)
            return [(text, share / total) for text, share in items]
    return []


def _calls(requests: Sequence[GenerationRequest], n_listed: int) -> list[list[int]]:
    """Return the indices of the requests that share a call, in order."""
    by_prompt: dict[Prompt, list[int]] = {}
    for index, request in enumerate(requests):
        by_prompt.setdefault(request.prompt, []).append(index)
    return [
        indices[start : start + n_listed]
        for indices in by_prompt.values()
        for start in range(0, len(indices), n_listed)
    ]


def _attempt(request: GenerationRequest, attempt: int) -> GenerationRequest:
    return replace(request, seed=(request.seed + attempt) % _MAX_SEED)


def _drawn(
    answer: Completion, items: Sequence[tuple[str, float]], requests: Sequence[GenerationRequest]
) -> list[Completion]:
    """Return the responses to the requests that share an answer, and its tokens in equal parts."""
    n = len(requests)
    rng = np.random.default_rng([requests[0].seed, requests[0].draw, 7])
    ends = np.cumsum([share for _, share in items])
    drawn = np.searchsorted(ends, (rng.random() + np.arange(n)) / n).clip(max=len(items) - 1)
    texts = [items[i][0] for i in rng.permutation(drawn)]
    first = replace(answer, text=texts[0], n_tokens=answer.n_tokens // n, finish_reason="stop")
    return [first, *(replace(first, text=text, n_thinking=0) for text in texts[1:])]


def _tell(n_malformed: int, n_calls: int, malformed: Sequence[Completion]) -> None:
    """Warn of answers that are no lists; raise a ModelError if they are more than a third."""
    if not n_malformed:
        return
    message = (
        f"{n_malformed:,} of {n_calls:,} answers are no list of responses with probabilities, each "
        f"in {N_TRIES} attempts. One begins {' '.join(malformed[0].text.split())[:60]!r}."
    )
    if n_malformed > n_calls / MAX_MALFORMED_PARTS:
        raise ModelError(
            message,
            hint="Verbalized sampling needs a model that can write JSON. Use a larger one, or "
            "another --baseline, and leave out --verbalized.",
        )
    warnings.warn(f"{message} Their responses are empty.", stacklevel=4)


def _json_items(text: str) -> list[tuple[object, object]]:
    """Return the pairs in all JSON objects of a text; an object that is cut off is skipped."""
    decoder, items, position = json.JSONDecoder(), list[tuple[object, object]](), 0
    while (start := text.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            position = start + 1
        else:
            items += _pairs(value)
    return items


def _pairs(value: object) -> list[tuple[object, object]]:
    if isinstance(value, list):
        return [pair for item in value for pair in _pairs(item)]
    if not isinstance(value, dict):
        return []
    text, share = (next((value[n] for n in names if n in value), None) for names in _NAMES)
    if isinstance(text, str) and share is not None:
        return [(text, share)]
    return _pairs(list(value.values()))


def _line_items(text: str) -> list[tuple[object, object]]:
    lines = [match[1] for match in _BULLET.finditer(text)]
    found = [(line, ending) for line in lines if (ending := _ENDING.search(line))]
    return [(line[: ending.start()].strip(' *"'), ending[1]) for line, ending in found]


def _number(value: object) -> float:
    """Return a stated probability on any scale; 0 if it is none."""
    if isinstance(value, bool):
        return 0.0
    try:
        number = float(str(value).strip().rstrip("% "))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
