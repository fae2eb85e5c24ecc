"""What every magic starts from: the study that it asks, and its line, parsed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from IPython.core.magic_arguments import parse_argstring

from jupyter_mop.study import Study

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class StudyMagics(Magics):
    """Magics that share one study."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, study: Study | None = None) -> None:
        super().__init__(shell)
        self.study = study or Study()


def parsed(magic: Callable[..., Any], line: str) -> argparse.Namespace:
    """Read a magic's line; a semicolon at its end, which silences a cell, is no part of it."""
    args: argparse.Namespace = parse_argstring(magic, line.rstrip().removesuffix(";"))
    return args
