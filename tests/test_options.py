"""Options are declared once: limits, unknown names, and what is made from the declaration."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import pytest

from jupyter_mop import OpenAIBackend, Study
from jupyter_mop.backends.endpoint.chat.model_options import ModelOptions
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.mixture.fit_options import FitOptions
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.synthesis.synthesis import synthesize_personas
from jupyter_mop.engine.synthesis.synthesis_options import SynthesisOptions
from jupyter_mop.errors import DataError
from jupyter_mop.options import (
    Limit,
    Options,
    at_least,
    declared_options,
    one_of,
    option,
    takes_options,
)

SETS = (ModelOptions, SimulationOptions, ElicitationOptions, FitOptions, SynthesisOptions)


@dataclass(frozen=True, kw_only=True)
class TeaOptions(Options):
    noun: ClassVar[str] = "tea"

    minutes: int = option(
        3, kind="int", flags=("--minutes",), parse=int, limit=at_least(1), help="Brewing time."
    )
    kind: str = option(
        "green", kind="str", limit=one_of(["green", "black"]), choices=["green"], help="The kind."
    )
    sugar: float | None = option(
        None,
        kind="float",
        limit=Limit("above 0 and at most 1", lambda value: 0 < value <= 1),
        help="Spoons per cup.",
    )


@pytest.mark.parametrize("value", [1, 1.5, np.int64(2), np.float32(1.0), 10**30])
def test_at_least_holds_for_numbers_from_the_minimum(value: float) -> None:
    assert at_least(1).holds(value)


@pytest.mark.parametrize(
    "value", [0, 0.999, -1, float("nan"), float("inf"), "2", None, [1], np.array([1, 2])]
)
def test_at_least_does_not_hold_for_other_values(value: object) -> None:
    assert not at_least(1).holds(value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"minutes": 0}, "`minutes` (--minutes) must be at least 1, got 0."),
        ({"minutes": "2"}, "`minutes` (--minutes) must be at least 1, got '2'."),
        ({"kind": "blue"}, "`kind` must be one of green, black, got 'blue'."),
        ({"sugar": 1.1}, "`sugar` must be above 0 and at most 1, got 1.1."),
    ],
)
def test_a_value_outside_its_limit_is_refused(values: dict[str, Any], message: str) -> None:
    for make in (TeaOptions.of, lambda v: TeaOptions(**v)):
        with pytest.raises(DataError) as caught:
            make(values)
        assert caught.value.message == message
        assert caught.value.hint


def test_none_is_not_checked() -> None:
    assert TeaOptions(sugar=None, minutes=None).facts() == {
        "minutes": None,
        "kind": "green",
        "sugar": None,
    }


@pytest.mark.parametrize(("wrong", "near"), [("minute", "minutes"), ("suger", "sugar")])
def test_an_unknown_option_suggests_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(DataError, match=f"Unknown option '{wrong}' for tea") as caught:
        TeaOptions.of({"kind": "black", wrong: 1})
    assert caught.value.hint == f"Did you mean {near!r}?"


def test_options_are_immutable_and_given_by_name() -> None:
    with pytest.raises(AttributeError):
        TeaOptions().minutes = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        TeaOptions(4)  # type: ignore[misc]


@pytest.mark.parametrize("kind", [TeaOptions, *SETS])
def test_every_option_is_declared_with_help_and_a_valid_default(kind: type[Options]) -> None:
    found = list(declared_options(kind))
    assert [name for name, *_ in found] == [declared.name for declared in fields(kind)]
    for name, default, declared in found:
        assert declared.help.endswith((".", ")")), name
        assert declared.kind
        assert default is None or declared.limit is None or declared.limit.holds(default)
        assert all(flag.startswith("-") for flag in declared.flags)
        assert declared.parse is not None or isinstance(default, bool)
    kind()


@takes_options(TeaOptions, exclude=["kind"])
def brew(cups: int, *, kind: str = "green", **options: Any) -> TeaOptions:
    """Brew tea.

    Parameters
    ----------
    cups : int
        Number of cups.
    **options

    Returns
    -------
    TeaOptions
    """
    assert cups
    return TeaOptions.of({"kind": kind, **options})


@takes_options(TeaOptions)
class Pot:
    """A pot.

    Parameters
    ----------
    **options
    """

    def __init__(self, **options: Any) -> None:
        self.options = TeaOptions.of(options)


def test_the_signature_shows_the_options_with_their_defaults() -> None:
    assert str(inspect.signature(brew)).startswith(
        "(cups: 'int', *, kind: 'str' = 'green', minutes=3, sugar=None)"
    )
    assert list(inspect.signature(Pot).parameters) == ["minutes", "kind", "sugar"]
    assert (brew(1, minutes=4), Pot(minutes=4).options) == (TeaOptions(minutes=4),) * 2


def test_the_docstring_lists_the_options_in_place_of_the_placeholder() -> None:
    lines = (inspect.getdoc(brew) or "").splitlines()
    start = lines.index("minutes : int, default 3")
    assert lines[start - 1] == "    Number of cups."
    assert lines[start : start + 5] == [
        "minutes : int, default 3",
        "    Brewing time.",
        "sugar : float, optional",
        "    Spoons per cup.",
        "",
    ]
    assert "**options" not in "".join(lines)
    assert "kind : str" not in "".join(lines)
    assert "kind : str, default 'green'\n    The kind." in (inspect.getdoc(Pot) or "")


def test_a_docstring_without_the_placeholder_is_not_changed() -> None:
    def plain(**options: Any) -> None:
        """Do nothing."""

    assert takes_options(TeaOptions)(plain).__doc__ == "Do nothing."


@pytest.mark.parametrize(
    ("documented", "kind"),
    [
        (OpenAIBackend, ModelOptions),
        (Study.simulate, SimulationOptions),
        (Study.ask, ElicitationOptions),
        (MixtureOfPersonas.simulate, SimulationOptions),
        (MixtureOfPersonas, FitOptions),
        (synthesize_personas, SynthesisOptions),
    ],
)
def test_the_public_functions_show_all_their_options(documented: Any, kind: type[Options]) -> None:
    parameters, doc = inspect.signature(documented).parameters, inspect.getdoc(documented) or ""
    for name, default, _ in declared_options(kind):
        assert parameters[name].default == default
        assert f"\n{name} : " in doc
    assert "**options" not in doc
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
