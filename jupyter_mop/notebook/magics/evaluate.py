"""The magics that tell what a simulation is worth and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS
from jupyter_mop.engine.survey.real_answers import split_names
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.base import StudyMagics, parsed
from jupyter_mop.notebook.progress import progress

if TYPE_CHECKING:
    from jupyter_mop.engine.evaluation.alignment import Alignment
    from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
    from jupyter_mop.engine.evaluation.estimates import Estimates
    from jupyter_mop.engine.mixture.explanation import Explanation
    from jupyter_mop.engine.weighting.calibration import Calibration


@magics_class
class EvaluateMagics(StudyMagics):
    """How near it is, what it lets one conclude, and why it says so."""

    @magic_arguments()
    @argument("names", nargs="*", help="simulations to compare; default: all")
    @argument("--seed", type=arguments.seed, default=0, help="seed of halves and bootstrap")
    @argument("--client", help="the variable of a dask.distributed.Client, whose workers encode")
    @line_magic
    @output_can_be_silenced
    def mop_align(self, line: str) -> Alignment:
        """Compare simulations with the held-out records: figures, intervals, human floor."""
        args = parsed(self.mop_align, line)
        with progress(self.shell, self.study) as on_step:
            names = [arguments.unquoted(name) for name in args.names]
            client = arguments.client(self.shell, args.client)
            return self.study.align(*names, random_state=args.seed, client=client, on_step=on_step)

    @magic_arguments()
    @argument("name", nargs="?", help="a simulation of the mixture; default: the last one")
    @argument("--figure", default="MAUVE", help="FID, MAUVE, 'KL cosine' or length, or a distance "
              "of answers")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="seed of the statistics")
    @line_magic
    @output_can_be_silenced
    def mop_match(self, line: str) -> dict[str, float]:
        """Fit persona weights by matching samples, for models that give no likelihoods.

        shares = %mop_match NAME finds them; --weights shares uses them.
        """
        args = parsed(self.mop_match, line)
        with progress(self.shell, self.study) as on_step:
            return self.study.match(
                args.name and arguments.unquoted(args.name),
                arguments.unquoted(args.figure),
                random_state=args.seed,
                on_step=on_step,
            )

    @magic_arguments()
    @argument("name", help="a simulation of the mixture")
    @argument("--targets", required=True, help="variable with the known share of each option, or "
              "of each column its options' shares")  # fmt: skip
    @argument("--of", help="column, or variable with a function of a response; default: response")
    @argument("--start", help="weights to stay near, as in NAME=0.4,NAME=0.6 or a variable; "
              "default: those of the simulation")  # fmt: skip
    @argument("--nearest", action="store_true", help="the nearest weights, if none reach them")
    @line_magic
    @output_can_be_silenced
    def mop_calibrate(self, line: str) -> Calibration:
        """Find the persona weights that give known shares; assign them for --weights."""
        args = parsed(self.mop_calibrate, line)
        return self.study.calibrate(
            arguments.unquoted(args.name),
            arguments.variable(self.shell, args.targets, 'targets = {"yes": 0.4, "no": 0.6}'),
            of=args.of and arguments.outcome(self.shell, args.of),
            start=arguments.shares(self.shell, args.start),
            nearest=args.nearest,
        )

    @magic_arguments()
    @argument("name", help="a simulation")
    @argument("--of", default="response", help="column, or variable with a function of a response")
    @argument("--human", help="variable of a DataFrame of human answers, with the context columns")
    @argument("--answer", help="the one answer whose share is wanted")
    @argument("--level", type=float, default=0.9, help="probability that the interval is to hold")
    @argument("--missing", type=split_names, help="human answers to set aside, such as "
              "\"Refused|Don't know\"")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_estimate(self, line: str) -> Estimates:
        """Estimate the population's mean or shares from a simulation and a few human answers.

        Without --human the interval is for the simulation only, and says so.
        """
        args = parsed(self.mop_estimate, line)
        return self.study.estimate(
            arguments.unquoted(args.name),
            arguments.outcome(self.shell, args.of),
            human=args.human and arguments.frame(self.shell, args.human),
            answer=args.answer and arguments.unquoted(args.answer),
            level=args.level,
            missing=args.missing,
        )

    @magic_arguments()
    @argument("name", nargs="?", help="a simulation; default: the last one of the mixture")
    @argument("--copied", type=int, default=MIN_COPY_WORDS, help="words in a row that make a copy")
    @argument("--seed", type=arguments.seed, default=0, help="seed of halves, folds and clusters")
    @line_magic
    @output_can_be_silenced
    def mop_diagnose(self, line: str) -> Diagnosis:
        """Look a simulation over: variety, personas, copies, and what is missing."""
        args = parsed(self.mop_diagnose, line)
        name = args.name and arguments.unquoted(args.name)
        with progress(self.shell, self.study) as on_step:
            return self.study.diagnose(
                name, copied=args.copied, random_state=args.seed, on_step=on_step
            )

    @magic_arguments()
    @argument("context", nargs="*", help="a context as text, or the variable of one")
    @argument("-n", type=int, default=5, help="most exemplars and most records")
    @line_cell_magic
    @output_can_be_silenced
    def mop_explain(self, line: str, cell: str | None = None) -> Explanation:
        """Show who answers a context, what they are shown, and the nearest records.

        The context may also be the cell.
        """
        args = parsed(self.mop_explain, line)
        text = arguments.unquoted(" ".join(args.context)) if cell is None else cell.strip()
        return self.study.explain(arguments.context(self.shell, text), n=args.n)
