"""What the panels of persona weights keep: names, weights, flags; and what they refuse."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence, Sized
from typing import Any, cast

import traitlets

from jupyter_mop.errors import DataError

_ROUNDING = 1e-9


def as_names(names: Iterable[str]) -> list[str]:
    """Return persona names that are texts, not empty and each one once, or raise a DataError."""
    listed = [names] if isinstance(names, str) else list(names)
    if not listed or not all(isinstance(name, str) and name.strip() for name in listed):
        raise DataError(
            f"Persona names must be texts that are not empty, got {listed!r}.",
            hint='Pass a list such as ["critic", "fan"].',
        )
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise DataError(
            f"Persona names must differ, {twice[0]!r} comes more than once.",
            hint="Give each persona its own name.",
        )
    return listed


def _check_length(what: str, values: Sequence[object], n: int) -> None:
    if len(values) != n:
        raise DataError(
            f"{what.capitalize()} must have one value per persona ({n}), got {len(values)}.",
            hint=f"Pass {what} in the order of `names`.",
        )


def as_simplex(what: str, values: Iterable[float], n: int) -> list[float]:
    """Return `n` weights that sum to 1, unchanged where they do already, or raise a DataError."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise DataError(
            f"{what.capitalize()} must be numbers, got {values!r}.", hint="Pass a list of numbers."
        ) from None
    _check_length(what, numbers, n)
    total = math.fsum(numbers)
    if min(numbers) < 0 or not math.isfinite(total) or total == 0:
        raise DataError(
            f"{what.capitalize()} must be finite, not negative and not all zero, got {numbers}.",
            hint="They need not sum to 1: they are normalised.",
        )
    if abs(total - 1) <= _ROUNDING:
        return numbers
    return [number / total for number in numbers]


def _names_of(panel: traitlets.HasTraits) -> list[str]:
    return list(cast("Any", panel).names) if panel.trait_has_value("names") else []


class Names(traitlets.TraitType[list[str], Iterable[str]]):
    """The names of a panel's personas, which stay as they are."""

    def validate(self, obj: traitlets.HasTraits, value: Iterable[str]) -> list[str]:
        """Return the value as the panel keeps it, or raise a DataError."""
        names = as_names(value)
        if _names_of(obj) not in ([], names):
            raise DataError(
                "The names of a panel cannot change after it is built.",
                hint="Build a new panel.",
            )
        return names


class Simplex(traitlets.TraitType[list[float], Iterable[float]]):
    """One weight a persona, together 1."""

    def validate(self, obj: traitlets.HasTraits, value: Iterable[float]) -> list[float]:
        """Return the value as the panel keeps it, or raise a DataError."""
        return as_simplex(str(self.name), value, len(_names_of(obj)))


class OptionalSimplex(traitlets.TraitType[list[float], Iterable[float] | None]):
    """One weight a persona, together 1, or none at all."""

    def validate(self, obj: traitlets.HasTraits, value: Iterable[float] | None) -> list[float]:
        """Return the value as the panel keeps it, or raise a DataError."""
        if value is None or (isinstance(value, Sized) and len(value) == 0):
            return []
        return as_simplex(str(self.name), value, len(_names_of(obj)))


class Flags(traitlets.TraitType[list[bool], Iterable[bool]]):
    """One yes or no a persona."""

    def validate(self, obj: traitlets.HasTraits, value: Iterable[bool]) -> list[bool]:
        """Return the value as the panel keeps it, or raise a DataError."""
        flags = [bool(flag) for flag in value]
        _check_length(str(self.name), flags, len(_names_of(obj)))
        return flags


def refuse_unknown(panel: traitlets.HasTraits, keywords: Iterable[str]) -> None:
    """Raise a DataError for the first of `keywords` that is no trait of the panel, with a guess."""
    known = [name for name in panel.trait_names() if not name.startswith("_")]
    for keyword in keywords:
        if keyword in known:
            continue
        near = difflib.get_close_matches(keyword, known, n=1)
        raise DataError(
            f"{type(panel).__name__} has no argument {keyword!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else "It takes learned, locked, layout.",
        )
