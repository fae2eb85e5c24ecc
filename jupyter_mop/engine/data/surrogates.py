"""Lone surrogates: half of a character that no file can hold."""

from __future__ import annotations

import re

from jupyter_mop.errors import DataError

_HALF = re.compile("[\ud800-\udfff]")


def has_half_a_character(text: str) -> bool:
    r"""Return whether a text holds a lone surrogate.

    Examples
    --------
    >>> has_half_a_character("\ud83d"), has_half_a_character("\U0001f600")
    (True, False)
    """
    return _HALF.search(text) is not None


def half_a_character(where: str) -> DataError:
    """Return the error for a lone surrogate, which comes of text cut or decoded wrongly."""
    return DataError(
        f"{where} holds half a character (a lone surrogate), which no file can hold.",
        hint='Repair the text: text.encode("utf-8", "replace").decode().',
    )
