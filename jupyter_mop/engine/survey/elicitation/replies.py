"""Replies of a model: how long they may be, which can be read, and what they count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import REFUSED, Completion
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable, frequent_examples
from jupyter_mop.engine.survey.elicitation.requests import Elicitation

Array = NDArray[np.float64]

_TOKENS_PER_WORD, _EXTRA_TOKENS = 3, 12


def reply_limit(options: Sequence[str]) -> int:
    """Return how many tokens a reply may have: enough for the longest option and a few words.

    A word of ASCII letters has about one token and a half, other letters have up to one per byte.

    Examples
    --------
    >>> reply_limit(["yes", "no"]), reply_limit(["同意", "不同意"])
    (15, 57)
    """
    if all(option.isascii() for option in options):
        n_words = max(len(option.split()) for option in options)
        return n_words * _TOKENS_PER_WORD + _EXTRA_TOKENS
    return max(len(option.encode()) for option in options) + 4 * _EXTRA_TOKENS


def is_readable(completion: Completion) -> bool:
    """Return whether a reply has a text that is no refusal."""
    return bool(completion.text.strip()) and completion.finish_reason not in REFUSED


def unmatched_replies(
    completions: Sequence[Completion], is_read: NDArray[np.bool_]
) -> tuple[str, ...]:
    """Return up to three of the most frequent replies that could not be read."""
    pairs = zip(completions, is_read, strict=True)
    return frequent_examples(completion.text for completion, did in pairs if not did)


def counted_table(
    asked: Elicitation, method: str, counts: Array, completions: Sequence[Completion]
) -> OptionTable:
    """Return the table of replies that count for options, (n, A), one more spread evenly."""
    n_options = counts.shape[1]
    by_draw = counts.reshape(
        -1, len(asked.records), len(asked.personas), asked.options.n_draws, n_options
    )
    totals = by_draw.sum((0, 3))
    smoothed = totals + 1 / n_options
    return OptionTable(
        smoothed / smoothed.sum(-1, keepdims=True),
        method,
        len(completions),
        float(counts.sum() / len(completions)),
        totals.sum(-1) > 0,
        unmatched_replies(completions, counts.sum(axis=1) > 0),
    )
