"""How an option is declared: once, with its default, its check and its help.

A set of options is a frozen dataclass that derives from `Options`, one `option(...)` for each
field. Everything else is made from the declaration: the check, the argument of a magic, `?` help,
completion, the signature and the docstring of a verb, and the run record.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar

from jupyter_mop.errors import DataError

Verb = TypeVar("Verb", bound=Callable[..., Any])
_DECLARED = "option"


@dataclass(frozen=True)
class Limit:
    """A check of a value and its words: "`top_p` must be WORDS, got ..."."""

    words: str
    holds: Callable[[Any], bool]


def at_least(least: float) -> Limit:
    """Return the limit of values from `least` on."""
    return Limit(f"at least {least}", lambda value: least <= value < float("inf"))


def one_of(names: Sequence[str]) -> Limit:
    """Return the limit of some names."""
    return Limit(f"one of {', '.join(names)}", lambda value: value in names)


@dataclass(frozen=True)
class Option:
    """What a declaration says besides the default.

    Attributes
    ----------
    help : str
        One phrase, for `?` help and docstrings.
    kind : str
        The type as a docstring names it, such as "int" or "str or mapping".
    limit : Limit, optional
        What a value other than None must fulfil.
    flags : tuple of str
        The magic's argument, such as ("--top-p",); none where the magic has no such argument.
    parse : callable, optional
        Text to value, for the magic; None for a switch, which is off where the default is True.
    choices : sequence of str
        Values that completion offers.
    """

    help: str
    kind: str
    limit: Limit | None = None
    flags: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = str
    choices: Sequence[str] = ()


def option(default: Any, **declared: Any) -> Any:  # noqa: ANN401  the field's own type
    """Return a dataclass field for an option; `declared` are the attributes of `Option`."""
    return field(default=default, metadata={_DECLARED: Option(**declared)})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of a set of options; each field is checked when it is set."""

    noun: ClassVar[str] = "options"

    def __post_init__(self) -> None:
        """Refuse a value outside its limit."""
        for declared in fields(self):
            limit, value = describe(declared).limit, getattr(self, declared.name)
            if limit and value is not None and not limit.holds(value):
                flags = describe(declared).flags
                named = f"`{declared.name}`" + (f" ({flags[0]})" if flags else "")
                raise DataError(
                    f"{named} must be {limit.words}, got {value!r}.",
                    hint="Leave it out for the default.",
                )

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return the options with these values, by name.

        Raises
        ------
        DataError
            For a name that is no option; it says the nearest one.
        """
        names = [declared.name for declared in fields(cls)]
        unknown = next((name for name in values if name not in names), None)
        if unknown is not None:
            near = difflib.get_close_matches(unknown, names, 1, cutoff=0)[0]
            raise DataError(f"Unknown option {unknown!r} of {cls.noun}.", hint=f"Try {near!r}.")
        return cls(**values)

    def facts(self) -> dict[str, Any]:
        """Return all values by name."""
        return {declared.name: getattr(self, declared.name) for declared in fields(self)}


def describe(declared: Field[Any]) -> Option:
    """Return what was declared of a field."""
    found: Option = declared.metadata[_DECLARED]
    return found


def declared_options(kind: type[Options]) -> Iterator[tuple[str, Any, Option]]:
    """Yield name, default and declaration of each option of a set."""
    for declared in fields(kind):
        default = None if declared.default is MISSING else declared.default
        yield declared.name, default, describe(declared)


def takes_options(kind: type[Options], *, but: Sequence[str] = ()) -> Callable[[Verb], Verb]:
    """Give a verb that takes `**options` the signature and the docstring of a set of options.

    Parameters
    ----------
    kind : type of Options
        The set.
    but : sequence of str
        Options that the verb has as parameters of its own.
    """

    def document(verb: Verb) -> Verb:
        signature = inspect.signature(verb)
        *own, _ = signature.parameters.values()
        shown = [(n, d, o) for n, d, o in declared_options(kind) if n not in but]
        more = [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d) for n, d, _ in shown
        ]
        verb.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        lines = [f"{n} : {o.kind}, default {d!r}\n    {o.help}" for n, d, o in shown]
        margin = " " * 8
        text = "\n".join(lines).replace("\n", f"\n{margin}")
        verb.__doc__ = (verb.__doc__ or "").replace("**options", text, 1)
        return verb

    return document
