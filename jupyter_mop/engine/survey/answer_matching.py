"""Match the text or the first token of a reply with the options of a question."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import FirstTokens

_MIN_SHARE = 1e-12


def share_first_word(options: Sequence[str]) -> bool:
    """Return whether the first word of a reply, or a part of it, could mean several options.

    Examples
    --------
    >>> share_first_word(["yes", "no"]), share_first_word(["very good", "very bad"])
    (False, True)
    """
    words = [(_words(option) or [""])[0] for option in options]
    return any(
        not word or (a != b and other.startswith(word))
        for a, word in enumerate(words)
        for b, other in enumerate(words)
    )


def first_token_shares(
    tokens: FirstTokens, labels: Sequence[str]
) -> tuple[NDArray[np.float64], float]:
    """Return the share of each option, shape (A,), and the total probability of all options.

    A token counts for an option if it begins the label of this option and of no other. An option
    without such a token gets the smallest reported probability, an upper bound.

    Examples
    --------
    >>> tokens = FirstTokens(("Yes", " no", "Well"), (-0.7, -1.2, -2.3))
    >>> shares, total = first_token_shares(tokens, ["yes", "no"])
    >>> shares.round(3).tolist(), round(total, 3)
    ([0.622, 0.378], 0.798)
    """
    probabilities = np.zeros(len(labels))
    for token, log_prob in zip(tokens.tokens, tokens.log_probs, strict=True):
        begun = [a for a, label in enumerate(labels) if _begins(token, label)]
        if len(begun) == 1:
            probabilities[begun[0]] += np.exp(log_prob)
    total = float(probabilities.sum())
    probabilities[probabilities == 0] = max(np.exp(min(tokens.log_probs)), _MIN_SHARE)
    return probabilities / probabilities.sum(), min(total, 1.0)


def match_option(text: str, options: Sequence[str]) -> int | None:
    """Return the index of the option that a reply names, or None if it names none or several.

    Case, punctuation and white space are ignored. A reply names the longest option that it is or
    begins with, or else the only option that it contains.

    Examples
    --------
    >>> [match_option(text, ["tea", "iced tea"]) for text in ["Tea!", "Iced tea, please", "milk"]]
    [0, 1, None]
    """
    reply = f" {_normalised(text)} "
    names = [f" {_normalised(option)} " for option in options]
    prefixes = [a for a, name in enumerate(names) if reply.startswith(name)]
    if prefixes:
        return max(prefixes, key=lambda a: len(names[a]))
    contained = [a for a, name in enumerate(names) if name in reply]
    whole = [a for a in contained if not any(names[a] in names[b] for b in contained if b != a)]
    return whole[0] if len(whole) == 1 else None


def _begins(token: str, label: str) -> bool:
    beginning, words = _words(token), _words(label)
    return bool(beginning) and bool(words) and words[0].startswith(beginning[0])


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _normalised(text: str) -> str:
    return " ".join(_words(text))
