"""The magics that list what was run, and do again what did not finish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from jupyter_mop.notebook.magics.base import StudyMagics, parsed
from jupyter_mop.notebook.progress import progress

if TYPE_CHECKING:
    from jupyter_mop.backends.store.run_history import Runs


@magics_class
class RunMagics(StudyMagics):
    """What was run on this store, by this notebook and by others."""

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_runs(self, line: str) -> Runs:
        """List the runs of the store: state, books, model; `.frame` has their provenance too.

        Requested = finished + failed + cancelled; kept are those finished ones that were there
        before. An interrupted run's kernel is gone.
        """
        parsed(self.mop_runs, line)
        return self.study.runs()

    @magic_arguments()
    @argument("run", nargs="?", type=int, help="its number in %%mop_runs; default: the last that "
              "did not finish")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_resume(self, line: str) -> Any:  # noqa: ANN401  what the verb returns
        """Do a run again with what it was given: what it finished is kept, the rest is asked.

        In a new kernel, run the cells with the personas and the records before.
        """
        args = parsed(self.mop_resume, line)
        with progress(self.shell, self.study) as on_step:
            return self.study.resume(args.run, on_step=on_step)
