"""Declaration of options: name, default, limit and help of each option in one place.

A set of options is a frozen dataclass derived from `Options`, with one `option(...)` per field.
The check of values, the arguments of a magic, its `?` help and completion, the signature and the
docstring of a method, and the run record are made from this declaration.
"""

from __future__ import annotations

import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Real
from typing import Any, ClassVar, Self, TypeVar

from jupyter_mop.errors import DataError, did_you_mean

Documented = TypeVar("Documented", bound=Callable[..., Any])
_KEY = "option"
_PLACEHOLDER = "**options"
_TAB, _DOC_WIDTH = " " * 4, 88


@dataclass(frozen=True)
class Limit:
    """A condition on a value and its description, as in "`top_p` must be DESCRIPTION, got 2".

    Attributes
    ----------
    description : str
        The condition in words.
    holds : callable
        Returns whether a value fulfils the condition.
    """

    description: str
    holds: Callable[[Any], bool]


def at_least(minimum: float) -> Limit:
    """Return the limit for finite numbers of at least `minimum`.

    Examples
    --------
    >>> limit = at_least(1)
    >>> limit.description, limit.holds(1), limit.holds(0.5), limit.holds("2")
    ('at least 1', True, False, False)
    """

    def holds(value: object) -> bool:
        return isinstance(value, Real) and minimum <= float(value) < float("inf")

    return Limit(f"at least {minimum}", holds)


def one_of(names: Sequence[str]) -> Limit:
    """Return the limit for one of several names.

    Examples
    --------
    >>> one_of(["yes", "no"]).description
    'one of yes, no'
    """
    return Limit(f"one of {', '.join(names)}", lambda value: value in names)


@dataclass(frozen=True)
class Option:
    """The declaration of an option besides its name and default.

    Attributes
    ----------
    help : str
        Help text for magics and docstrings.
    kind : str
        The type in a docstring, such as "int" or "str or mapping".
    limit : Limit, optional
        The condition on a value other than None.
    flags : tuple of str
        The argument of the magic, such as ("--top-p",); empty if the magic has no such argument.
    parse : callable, optional
        Converts the text of the argument to a value. None makes the argument a switch, which sets
        the opposite of the default.
    choices : sequence of str
        Values for completion.
    """

    help: str
    kind: str
    limit: Limit | None = None
    flags: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = str
    choices: Sequence[str] = ()


def option(default: Any, **declaration: Any) -> Any:  # noqa: ANN401  the type of the field
    """Return a dataclass field that declares an option; see `Option` for the keywords."""
    return field(default=default, metadata={_KEY: Option(**declaration)})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base class of a set of options; every value is checked against its limit.

    Attributes
    ----------
    noun : str
        What the options belong to, for error messages.

    Examples
    --------
    >>> @dataclass(frozen=True, kw_only=True)
    ... class TeaOptions(Options):
    ...     noun = "tea"
    ...     minutes: int = option(3, kind="int", limit=at_least(1), help="Brewing time.")
    >>> TeaOptions.of({"minutes": 5}).minutes
    5
    """

    noun: ClassVar[str] = "options"

    def __post_init__(self) -> None:
        """Raise a DataError for a value outside its limit."""
        for name, _, declared in declared_options(type(self)):
            value = getattr(self, name)
            if declared.limit and value is not None and not declared.limit.holds(value):
                flag = f" ({declared.flags[0]})" if declared.flags else ""
                raise DataError(
                    f"`{name}`{flag} must be {declared.limit.description}, got {value!r}.",
                    hint=did_you_mean(value, declared.choices) or "Leave it out for the default.",
                )

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return the options with these values by name.

        Raises
        ------
        DataError
            For an unknown name, with the most similar name as a hint, or an invalid value.
        """
        names = [declared.name for declared in fields(cls)]
        unknown = next((name for name in values if name not in names), None)
        if unknown is not None:
            near = difflib.get_close_matches(unknown, names, 1, cutoff=0)[0]
            raise DataError(
                f"Unknown option {unknown!r} for {cls.noun}.", hint=f"Did you mean {near!r}?"
            )
        return cls(**values)

    def facts(self) -> dict[str, Any]:
        """Return all values by name."""
        return {declared.name: getattr(self, declared.name) for declared in fields(self)}


def declared_options(kind: type[Options]) -> Iterator[tuple[str, Any, Option]]:
    """Yield the name, default and declaration of each option of a set."""
    for declared in fields(kind):
        default = None if declared.default is MISSING else declared.default
        yield declared.name, default, _declaration(declared)


def takes_options(
    kind: type[Options], *, exclude: Sequence[str] = ()
) -> Callable[[Documented], Documented]:
    """Add a set of options to the signature and docstring of a function or class.

    The function or class takes `**options` as its last parameter. A line `**options` in the
    Parameters section of its docstring is replaced by the options.

    Parameters
    ----------
    kind : type of Options
        The set of options.
    exclude : sequence of str
        Options that are parameters of the function already.
    """
    declared = [found for found in declared_options(kind) if found[0] not in exclude]

    def document(documented: Documented) -> Documented:
        signature = inspect.signature(documented)
        *own, _ = signature.parameters.values()
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default, _ in declared
        ]
        documented.__signature__ = signature.replace(parameters=[*own, *parameters])  # type: ignore[attr-defined]
        documented.__doc__ = _with_options(documented.__doc__ or "", declared)
        return documented

    return document


def _declaration(declared: Field[Any]) -> Option:
    found: Option = declared.metadata[_KEY]
    return found


def _with_options(doc: str, declared: Sequence[tuple[str, Any, Option]]) -> str:
    """Return a docstring with its line `**options` replaced by the options, equally indented."""
    before, placeholder, after = doc.partition(_PLACEHOLDER)
    if not placeholder:
        return doc
    indent = before.rpartition("\n")[2]
    text = "\n".join(_entry(*found) for found in declared).replace("\n", f"\n{indent}")
    return f"{before}{text}{after}"


def _entry(name: str, default: object, declared: Option) -> str:
    """Return an option as an entry of a numpydoc section."""
    given = "optional" if default is None else f"default {default!r}"
    lines = textwrap.wrap(declared.help, _DOC_WIDTH, initial_indent=_TAB, subsequent_indent=_TAB)
    return "\n".join([f"{name} : {declared.kind}, {given}", *lines])
