"""The magic that writes a report to hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.base import StudyMagics, argument, parsed

if TYPE_CHECKING:
    from pathlib import Path


@magics_class
class ReportMagics(StudyMagics):
    """Write reports."""

    @magic_arguments()
    @argument("name", help="A simulation or an answer.")
    @argument("path", help="An .html file; an existing one is replaced.")
    @argument("--with-quotes", action="store_true", help="Show texts of real people: exemplars, "
              "quotations and records.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_report(self, line: str) -> Path:
        """Write a report of a simulation or an answer: one HTML file, to read, print and send.

        It needs no network, and calls no model. It has what was measured before: run %mop_align
        with --by, and %mop_diagnose. What is not there is listed in it.

        Example: %mop_report learned report.html
        """
        args = parsed(self.mop_report, line)
        return self.study.report(
            arguments.unquoted(args.name),
            arguments.path(args.path),
            with_quotes=args.with_quotes,
        )
