"""Options told apart by the first token of a reply, where a model tells how likely that is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.base import FirstTokens

_LEAST = 1e-12


def begin_alike(options: Sequence[str]) -> bool:
    """Return whether a first word, or what may be a part of it, could mean several options.

    Examples
    --------
    >>> begin_alike(["yes", "no"]), begin_alike(["very good", "very bad"])
    (False, True)
    """
    words = [(_words(option) or [""])[0] for option in options]
    return any(
        not word or (a != b and other.startswith(word))
        for a, word in enumerate(words)
        for b, other in enumerate(words)
    )


def first_token_shares(
    told: FirstTokens, names: Sequence[str]
) -> tuple[NDArray[np.float64], float]:
    """Return the probability of each option, shape (A,), and how much the tokens gave to any.

    A token counts for the option that it begins, if it begins one only. An option of none of the
    tokens that are told of gets the probability of the least likely one, which it is at most.

    Examples
    --------
    >>> told = FirstTokens(("Yes", " no", "Well"), (-0.7, -1.2, -2.3))
    >>> shares, mass = first_token_shares(told, ["yes", "no"])
    >>> shares.round(3).tolist(), round(mass, 3)
    ([0.622, 0.378], 0.798)
    """
    masses = np.zeros(len(names))
    for token, log_prob in zip(told.tokens, told.log_probs, strict=True):
        begun = [a for a, name in enumerate(names) if _begins(token, name)]
        if len(begun) == 1:
            masses[begun[0]] += np.exp(log_prob)
    named = float(masses.sum())
    masses[masses == 0] = max(np.exp(min(told.log_probs)), _LEAST)
    return masses / masses.sum(), min(named, 1.0)


def _begins(token: str, name: str) -> bool:
    said, words = _words(token), _words(name)
    return bool(said) and bool(words) and words[0].startswith(said[0])


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
