"""The magics that list the store's runs and resume one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop.notebook.magics.base import StudyMagics, argument, parsed, prints_pending
from jupyter_mop.notebook.progress_screens import progress

if TYPE_CHECKING:
    from jupyter_mop.backends.store.run_history import Runs


@magics_class
class RunMagics(StudyMagics):
    """List and resume runs, those of other notebooks included."""

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_runs(self, line: str) -> Runs:
        """List the runs in the store with their state, counts, cost and model.

        Requested = finished + failed + cancelled; finished answers that were cached are counted
        separately. The kernel of an interrupted run has ended. `.frame` has the provenance too.

        Example: %mop_runs
        """
        parsed(self.mop_runs, line)
        return self.study.runs()

    @magic_arguments()
    @argument("run", nargs="?", type=int, help="Number of the run in %mop_runs. Default: the "
              "latest unfinished run.")  # fmt: skip
    @prints_pending
    @line_magic
    @output_can_be_silenced
    def mop_resume(self, line: str) -> Any:  # noqa: ANN401  what the verb returns
        """Repeat an unfinished run; only its missing answers are computed.

        In a new kernel, first run the cells with the personas and the records.

        Example: %mop_resume 3
        """
        args = parsed(self.mop_resume, line)
        with progress(self.shell, self.study) as on_step:
            return self.study.resume(args.run, on_step=on_step)
