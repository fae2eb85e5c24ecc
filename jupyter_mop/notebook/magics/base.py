"""What every magic starts from: the study it calls, the declaration of its arguments, its line."""

from __future__ import annotations

import argparse
import difflib
import functools
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics
from IPython.core.magic_arguments import argument as ipython_argument
from IPython.core.magic_arguments import parse_argstring

from jupyter_mop.errors import BatchPending
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.origins import Origins
from jupyter_mop.options import Option, Options, declared_options
from jupyter_mop.study.study import Study

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

Magic = TypeVar("Magic", bound=Callable[..., Any])
_METAVARS: dict[object, str] = {int: "N", float: "X", arguments.seed: "N"}


class StudyMagics(Magics):
    """Magics that share one study."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, study: Study | None = None) -> None:
        super().__init__(shell)
        self.study = study or Study()
        self.origins = Origins()


def argument(*flags: str, help: str, **settings: Any) -> Callable[[Magic], Magic]:  # noqa: A002, ANN401
    """Declare an argument of a magic, with the settings of `argparse`.

    The default is added to the help, in which "%" needs no escape.
    """
    default, metavar = settings.get("default"), _METAVARS.get(settings.get("type"))
    if default is not None:
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        help = f"{help} Default: {shown}."  # noqa: A001
    if metavar and flags[0].startswith("-"):
        settings.setdefault("metavar", metavar)
    decorate: Callable[[Magic], Magic]
    decorate = ipython_argument(*flags, help=help.replace("%", "%%"), **settings)
    return decorate


def option_arguments(
    kind: type[Options], *, exclude: Sequence[str] = ()
) -> Callable[[Magic], Magic]:
    """Give a magic an argument for each option of a set that has a flag and is not excluded."""

    def decorate(magic: Magic) -> Magic:
        for name, default, declared in reversed(list(declared_options(kind))):
            if declared.flags and name not in exclude:
                magic = _option_argument(name, default, declared)(magic)
        return magic

    return decorate


def _option_argument(name: str, default: object, declared: Option) -> Callable[[Magic], Magic]:
    if declared.parse is None:
        action = "store_false" if default else "store_true"
        return argument(*declared.flags, dest=name, action=action, help=declared.help)
    return argument(
        *declared.flags, dest=name, type=declared.parse, default=default, help=declared.help
    )


def replace_argument(magic: Magic) -> Magic:
    """Give a magic the argument --replace."""
    text = "Overwrite a result of this name that another cell made."
    return argument("--replace", action="store_true", help=text)(magic)


def cost_arguments(magic: Magic) -> Magic:
    """Give a magic the arguments --dry-run and --budget."""
    dry_run = argument(
        "--dry-run",
        action="store_true",
        help="Estimate calls, tokens, cost and time; call no model.",
    )
    budget = argument(
        "--budget",
        type=float,
        metavar="USD",
        help="Stop before the language model costs more US dollars than this.",
    )
    return dry_run(budget(magic))


def prints_pending(magic: Magic) -> Magic:
    """Let a magic print what is in a batch, and return None then."""

    @functools.wraps(magic)
    def printing(*args: Any, **options: Any) -> Any:  # noqa: ANN401  what the magic returns
        try:
            return magic(*args, **options)
        except BatchPending as pending:
            print(pending)  # noqa: T201
            return None

    return cast("Magic", printing)


def batch_argument(magic: Magic) -> Magic:
    """Give a magic the argument --batch."""
    declare = argument(
        "--batch",
        action="store_true",
        help="Send the requests as a batch, at half the price, where the endpoint has OpenAI's "
        "batch API. %mop_resume collects the answers, within a day.",
    )
    return declare(prints_pending(magic))


def run(study: Study, verb: str, costs: argparse.Namespace, *args: Any, **options: Any) -> Any:  # noqa: ANN401
    """Call a method of the study, or plan it, or limit its cost, as `costs` says.

    Parameters
    ----------
    study : Study
    verb : str
        Name of the method.
    costs : argparse.Namespace
        The parsed `cost_arguments`, dry_run and budget, and batch where it is one.
    *args, **options
        Arguments of the method.
    """
    with ExitStack() as stack:
        if getattr(costs, "batch", False):
            stack.enter_context(study.batched())
        if costs.dry_run:
            return study.plan(verb, *args, **options)
        if costs.budget is not None:
            stack.enter_context(study.within(costs.budget))
        return getattr(study, verb)(*args, **options)


def parsed(magic: Callable[..., Any], line: str) -> argparse.Namespace:
    """Parse a magic's line without the semicolon that silences a cell's output.

    Raises
    ------
    UsageError
        For a line that does not parse; it names the option nearest to a misspelt one.
    """
    text = line.rstrip().removesuffix(";")
    try:
        args: argparse.Namespace = parse_argstring(magic, text)
    except UsageError as error:
        hint = _nearest_option(magic, text) or _usage_hint(magic, str(error))
        raise UsageError(f"{error}{hint}") from None
    return args


def _usage_hint(magic: Callable[..., Any], message: str) -> str:
    """Return how to write several names, or the magic's example, where the message is about it."""
    if message.startswith("unrecognized arguments"):
        return " Join several names with commas, without spaces; put a name with a space in quotes."
    found = re.search(r"^ *Example: (.+)$", magic.__doc__ or "", re.MULTILINE)
    return f". Example: {found[1]}" if found and "are required" in message else ""


def _nearest_option(magic: Callable[..., Any], line: str) -> str:
    """Return the suggestion for the first option of a line that the magic does not have."""
    actions = magic.parser._actions  # type: ignore[attr-defined]  # noqa: SLF001
    known = [option for action in actions for option in action.option_strings]
    for word in line.split():
        typed = word.partition("=")[0]
        if typed.startswith("--") and typed not in known:
            near = difflib.get_close_matches(typed, known, 1)
            return f" Did you mean {near[0]}?" if near else f" The options are {', '.join(known)}."
    return ""
