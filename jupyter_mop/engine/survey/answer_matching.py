"""Options told apart by the first token of a reply, where a model tells how likely that is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import FirstTokens

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


def match_option(text: str, options: Sequence[str]) -> int | None:
    """Return which option a drawn answer names, or None where it names none, or two.

    Case, punctuation and white space do not count. An answer that is an option or begins with one
    names it, the longest of them; else it names the only option that it holds, if there is one.

    Examples
    --------
    >>> [match_option(text, ["tea", "iced tea"]) for text in ["Tea!", "Iced tea, please", "milk"]]
    [0, 1, None]
    """
    said = f" {_folded(text)} "
    names = [f" {_folded(option)} " for option in options]
    first = [a for a, name in enumerate(names) if said.startswith(name)]
    if first:
        return max(first, key=lambda a: len(names[a]))
    held = [a for a, name in enumerate(names) if name in said]
    whole = [a for a in held if not any(names[a] in names[b] for b in held if b != a)]
    return whole[0] if len(whole) == 1 else None


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
