"""What every magic starts from: the study that it asks, and its line, parsed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from IPython.core.magic_arguments import argument, parse_argstring

from jupyter_mop.study.study import Study

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class StudyMagics(Magics):
    """Magics that share one study."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, study: Study | None = None) -> None:
        super().__init__(shell)
        self.study = study or Study()


def costing(magic: Callable[..., Any]) -> Callable[..., Any]:
    """Give a magic the options --dry-run and --budget."""
    dry_run = argument("--dry-run", action="store_true", help="only say what it would cost: calls, "
                       "tokens, money, time; no model is asked")  # fmt: skip
    budget = argument("--budget", type=float, help="stop before more US dollars are spent")
    marked: Callable[..., Any] = dry_run(budget(magic))
    return marked


def run(study: Study, verb: str, options: dict[str, Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401
    """Run a verb with its `options`, or only plan it, or within a budget, as two of them say."""
    dry_run, budget = options.pop("dry_run"), options.pop("budget")
    if dry_run:
        return study.plan(verb, *args, **options, **more)
    with nullcontext() if budget is None else study.within(budget):
        return getattr(study, verb)(*args, **options, **more)


def parsed(magic: Callable[..., Any], line: str) -> argparse.Namespace:
    """Read a magic's line; a semicolon at its end, which silences a cell, is no part of it."""
    args: argparse.Namespace = parse_argstring(magic, line.rstrip().removesuffix(";"))
    return args
