"""The magic that asks a closed question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_cell_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from jupyter_mop.engine.survey.options import ElicitationOptions
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.arguments import option_arguments, option_values
from jupyter_mop.notebook.magics.base import StudyMagics, costing, parsed, run
from jupyter_mop.notebook.progress import progress

if TYPE_CHECKING:
    from jupyter_mop.backends.cost.estimate import CostEstimate
    from jupyter_mop.engine.survey.population_answer import PopulationAnswer

QUESTION_ARGUMENTS = ("options", "scale", "multiple", "last", "exclusive", "separator")


@magics_class
class AskMagics(StudyMagics):
    """How the population would answer a closed question."""

    @magic_arguments()
    @argument("name", nargs="?", default="answer", help="name of the answer")
    @argument("--options", help='the options, such as "yes|no"; default: the answers that the '
              "population gave")  # fmt: skip
    @argument("--scale", action="store_true", help="the options are an ordered scale")
    @argument("--multiple", action="store_true", help="any number of options may be chosen")
    @argument("--last", help="options that stay at the end of every list and are no points of a "
              "scale, such as \"Other|Don't know\"")  # fmt: skip
    @argument("--exclusive", help='the option of a multiple choice that is chosen alone; default: '
              'one such as "None of these"')  # fmt: skip
    @argument("--separator", help="what stands between the choices in the population's answers to "
              "a multiple choice; default: |")  # fmt: skip
    @option_arguments(ElicitationOptions)
    @costing
    @line_cell_magic
    @output_can_be_silenced
    def mop_ask(self, line: str, cell: str | None = None) -> PopulationAnswer | CostEstimate:
        """Ask a closed question: option probabilities of each persona, weighted.

        The cell is the text of the question with {column} names. With no cell, return the answer
        that is kept under the name.

        Example: %%mop_ask vote --options "Clinton|Dole|Perot" with the question below it
        """
        args = dict(vars(parsed(self.mop_ask, line)))
        name = arguments.unquoted(args.pop("name"))
        if cell is None:
            return self.study.answer(name)
        text = cell.rstrip().removesuffix(";")
        question = arguments.question(text, **{name: args.pop(name) for name in QUESTION_ARGUMENTS})
        with progress(self.shell, self.study) as on_step:
            answer: PopulationAnswer | CostEstimate = run(
                self.study,
                "ask",
                args,
                question,
                name,
                on_step=on_step,
                **option_values(self.shell, ElicitationOptions, args),
            )
        return answer
