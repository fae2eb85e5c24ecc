"""Checks of what is assigned to the traits of a panel of persona weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import traitlets

from jupyter_mop.errors import DataError, did_you_mean

_TOLERANCE = 1e-9


class InvalidTraitError(DataError, traitlets.TraitError):
    """A value that a panel refuses.

    A message from the screen is checked after it is set; for a `TraitError`, and for no other,
    traitlets then restores the previous value.
    """


def as_names(names: Iterable[str]) -> list[str]:
    """Return persona names that are unique and non-empty, or raise an InvalidTraitError.

    Examples
    --------
    >>> as_names(("critic", "fan"))
    ['critic', 'fan']
    """
    listed = [names] if isinstance(names, str) else list(names)
    if not listed or not all(isinstance(name, str) and name.strip() for name in listed):
        raise InvalidTraitError(
            f"`names` must be non-empty strings, got {listed!r}.",
            hint='Pass a list such as ["critic", "fan"].',
        )
    repeated = sorted({name for name in listed if listed.count(name) > 1})
    if repeated:
        raise InvalidTraitError(
            f"`names` must be unique, but {repeated[0]!r} occurs more than once.",
            hint="Give each persona its own name.",
        )
    return listed


def as_weights(trait: str, values: Iterable[float], n: int) -> list[float]:
    """Return `n` weights normalised to sum 1, or raise an InvalidTraitError.

    Weights that sum to 1 already are returned unchanged, to the last bit.

    Examples
    --------
    >>> as_weights("weights", [3, 1], 2)
    [0.75, 0.25]
    """
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise InvalidTraitError(
            f"`{trait}` must be numbers, got {values!r}.", hint="Pass a list of numbers."
        ) from None
    _check_length(trait, numbers, n)
    total = math.fsum(numbers)
    if min(numbers) < 0 or not math.isfinite(total) or total == 0:
        raise InvalidTraitError(
            f"`{trait}` must be finite, at least 0 and not all zero, got {numbers}.",
            hint="They need not sum to 1: they are normalised.",
        )
    if abs(total - 1) <= _TOLERANCE:
        return numbers
    return [number / total for number in numbers]


def as_flags(trait: str, values: Iterable[object], n: int) -> list[bool]:
    """Return `n` booleans, or raise an InvalidTraitError.

    Examples
    --------
    >>> as_flags("locked", [1, 0], 2)
    [True, False]
    """
    flags = [bool(value) for value in values]
    _check_length(trait, flags, n)
    return flags


def refuse_unknown(panel: traitlets.HasTraits, keywords: Iterable[str]) -> None:
    """Raise a DataError for a keyword that is no trait of the panel, with the closest name."""
    known = [name for name in panel.trait_names() if not name.startswith("_")]
    for keyword in keywords:
        if keyword in known:
            continue
        raise DataError(
            f"{type(panel).__name__} has no argument {keyword!r}.",
            hint=did_you_mean(keyword, known) or "Use learned, locked or layout.",
        )


def _check_length(trait: str, values: Sequence[object], n: int) -> None:
    if len(values) != n:
        raise InvalidTraitError(
            f"`{trait}` must have one value per persona ({n}), got {len(values)}.",
            hint="Give them in the order of `names`.",
        )
