"""Lone surrogates: characters that cannot be written to a file."""

from __future__ import annotations

import re

from jupyter_mop.errors import DataError

_SURROGATE = re.compile("[\ud800-\udfff]")


def has_lone_surrogate(text: str) -> bool:
    r"""Return whether a text contains a lone surrogate.

    Examples
    --------
    >>> has_lone_surrogate("\ud83d"), has_lone_surrogate("\U0001f600")
    (True, False)
    """
    return _SURROGATE.search(text) is not None


def lone_surrogate_error(where: str) -> DataError:
    """Return the error for a lone surrogate, which text cut or decoded wrongly contains."""
    return DataError(
        f"{where} contains a lone surrogate (half of a character), which cannot be written to a "
        "file.",
        hint='Repair the text: text.encode("utf-8", "replace").decode().',
    )
