"""The weights panel: one slider per persona, together always one whole."""

from __future__ import annotations

import difflib
import html
import math
from collections.abc import Iterable, Sequence, Sized
from pathlib import Path
from typing import Any, cast

import anywidget
import traitlets

from jupyter_mop.errors import DataError

_STATIC = Path(__file__).parent / "static"
_ROUNDING = 1e-9
_BAR_CELLS = 20


def _as_names(names: Iterable[str]) -> list[str]:
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


def _as_simplex(what: str, values: Iterable[float], n: int) -> list[float]:
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
    return cast("WeightsPanel", panel).names if panel.trait_has_value("names") else []


class _Names(traitlets.TraitType[list[str], Iterable[str]]):
    def validate(self, obj: traitlets.HasTraits, value: Iterable[str]) -> list[str]:
        names = _as_names(value)
        if _names_of(obj) not in ([], names):
            raise DataError(
                "The names of a panel cannot change after it is built.",
                hint="Build a new WeightsPanel(names, weights).",
            )
        return names


class _Simplex(traitlets.TraitType[list[float], Iterable[float]]):
    def validate(self, obj: traitlets.HasTraits, value: Iterable[float]) -> list[float]:
        return _as_simplex(str(self.name), value, len(_names_of(obj)))


class _OptionalSimplex(traitlets.TraitType[list[float], Iterable[float] | None]):
    def validate(self, obj: traitlets.HasTraits, value: Iterable[float] | None) -> list[float]:
        if value is None or (isinstance(value, Sized) and len(value) == 0):
            return []
        return _as_simplex(str(self.name), value, len(_names_of(obj)))


class _Flags(traitlets.TraitType[list[bool], Iterable[bool]]):
    def validate(self, obj: traitlets.HasTraits, value: Iterable[bool]) -> list[bool]:
        flags = [bool(flag) for flag in value]
        _check_length(str(self.name), flags, len(_names_of(obj)))
        return flags


class WeightsPanel(anywidget.AnyWidget):
    """A panel of sliders that sets the weight of each persona by hand.

    Moving one slider rescales the unlocked others in proportion, so that the weights always
    sum to 1. Locked weights stay where they are. Assigning `weights` or `learned` from Python
    normalises them and moves the sliders; it does not heed locks.

    Where no scripts run, the panel is shown as a table of the weights at the time of display.

    Parameters
    ----------
    names : sequence of str
        Names of the K personas, each one once.
    weights : sequence of float, shape (K,)
        Weights to start from; normalised to sum 1.
    learned : sequence of float, shape (K,), optional
        Learned weights, which are drawn beside the current ones and can be returned to.
    **traits
        Other traits of the widget: `locked` (K booleans), `layout`.

    Raises
    ------
    DataError
        If names are empty or repeated, if weights are of another length than the names, negative,
        not finite or all zero, or if a keyword is not a trait of the panel.

    Examples
    --------
    >>> panel = WeightsPanel(["critic", "fan"], [3, 1])
    >>> panel.as_dict()
    {'critic': 0.75, 'fan': 0.25}
    >>> panel.weights = [1, 1]
    >>> panel.as_dict()
    {'critic': 0.5, 'fan': 0.5}
    """

    _esm = _STATIC / "weights.js"
    _css = _STATIC / "weights.css"

    names = _Names().tag(sync=True)
    weights = _Simplex().tag(sync=True)
    learned = _OptionalSimplex([]).tag(sync=True)
    locked = _Flags().tag(sync=True)

    def __init__(
        self,
        names: Sequence[str],
        weights: Sequence[float],
        *,
        learned: Sequence[float] | None = None,
        **traits: object,
    ) -> None:
        self._refuse_unknown(traits)
        listed = _as_names(names)
        traits.setdefault("locked", [False] * len(listed))
        super().__init__(names=listed, weights=weights, learned=learned, **traits)

    def as_dict(self) -> dict[str, float]:
        """Return the current weight of each persona by name; the weights sum to 1."""
        return dict(zip(self.names, self.weights, strict=True))

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {weight:.1%}" for name, weight in self.as_dict().items())
        return f"WeightsPanel({shares})"

    def _refuse_unknown(self, keywords: Iterable[str]) -> None:
        known = [name for name in self.trait_names() if not name.startswith("_")]
        for keyword in keywords:
            if keyword in known:
                continue
            near = difflib.get_close_matches(keyword, known, n=1)
            raise DataError(
                f"WeightsPanel has no argument {keyword!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else "It takes learned, locked, layout.",
            )

    def _repr_mimebundle_(
        self, **kwargs: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = self._still_table()
        return bundle

    def _still_table(self) -> str:
        heads = ["persona", "weight", *(["learned"] if self.learned else []), ""]
        columns = [self.weights, *([self.learned] if self.learned else [])]
        head = "".join(f"<th>{name}</th>" for name in heads)
        rows = zip(self.names, zip(*columns, strict=True), strict=True)
        body = "".join(_still_row(name, shares) for name, shares in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _still_row(name: str, shares: Sequence[float]) -> str:
    bar = "\u2588" * round(_BAR_CELLS * shares[0])
    cells = [html.escape(name), *(f"{share:.1%}" for share in shares), bar]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
