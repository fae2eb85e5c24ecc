"""The magics that evaluate a simulation and draw conclusions from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS
from jupyter_mop.engine.survey.real_answers import split_names
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.base import StudyMagics, argument, parsed
from jupyter_mop.notebook.progress_screens import progress

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mop.engine.evaluation.alignment import Alignment
    from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
    from jupyter_mop.engine.evaluation.estimates import Estimates
    from jupyter_mop.engine.mixture.composition import Composition
    from jupyter_mop.engine.mixture.explanation import Explanation
    from jupyter_mop.engine.weighting.calibration import Calibration
    from jupyter_mop.engine.weighting.matched_weights import MatchedWeights


@magics_class
class EvaluateMagics(StudyMagics):
    """Evaluate a simulation, estimate from it and explain it."""

    @magic_arguments()
    @argument("names", nargs="*", help="Simulations to compare. Default: all.")
    @argument("--by", help="Context columns, such as rating,condition: also compare within each "
              "subgroup. 'context' is all columns.")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="Seed of half samples and bootstrap.")
    @argument("--client", help="Variable with a dask.distributed.Client, whose workers encode the "
              "responses.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_align(self, line: str) -> Alignment:
        """Compare simulations with the held-out records: metrics, intervals and human floor.

        Joint FID and fidelity compare responses together with their contexts. With --by, metrics
        within subgroups are added: their mean, and the subgroup that is farthest from the people.

        Example: %mop_align learned plain --by rating
        """
        args = parsed(self.mop_align, line)
        with progress(self.shell, self.study) as on_step:
            names = [arguments.unquoted(name) for name in args.names]
            client = arguments.client(self.shell, args.client)
            known = self.study.population
            return self.study.align(
                *names,
                by=args.by and (arguments.columns(known.frame, args.by) if known else args.by),
                random_state=args.seed,
                client=client,
                on_step=on_step,
            )

    @magic_arguments()
    @argument("name", nargs="?", help="A simulation of the mixture. Default: the latest.")
    @argument("--figure", default="MAUVE", help="The metric: FID, MAUVE, 'KL cosine' or length; "
              "'joint FID' or fidelity where contexts recur; for answers JS, TV, W1.")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="Seed of half samples, clusters and "
              "sampled pairs.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_match(self, line: str) -> MatchedWeights:
        """Find the persona weights at which one metric of a simulation is best.

        For models that report no likelihoods. No model is called. Assign the result to a variable,
        as in shares = %mop_match even, and use it as --weights shares.

        Example: %mop_match even --figure FID
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
    @argument("name", help="A simulation of the mixture.")
    @argument("--targets", required=True, help="Variable with the known share of each option, or "
              "with the shares of each column's options.")  # fmt: skip
    @argument("--of", help="Column, or variable with a function of a response. Default: response.")
    @argument("--start", help="Weights to stay close to: NAME=0.4,NAME=0.6 or a variable. "
              "Default: those of the simulation.")  # fmt: skip
    @argument("--nearest", action="store_true", help="If no weights reach the targets, return the "
              "closest.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_calibrate(self, line: str) -> Calibration:
        """Find the persona weights that give known shares.

        Assign the result to a variable, as in shares = %mop_calibrate ..., and use it as
        --weights shares.

        Example: %mop_calibrate learned --targets census --of answer
        """
        args = parsed(self.mop_calibrate, line)
        return self.study.calibrate(
            arguments.unquoted(args.name),
            arguments.variable(self.shell, args.targets, 'targets = {"yes": 0.4, "no": 0.6}'),
            of=args.of and arguments.outcome(self.shell, args.of),
            start=arguments.shares(self.shell, args.start),
            nearest=args.nearest,
        )

    @magic_arguments()
    @argument("name", help="A simulation.")
    @argument("--of", default="response", help="Column, or variable with a function of a response.")
    @argument("--human", help="Variable with a DataFrame of human answers that has the context "
              "columns.")  # fmt: skip
    @argument("--answer", help="The single answer whose share to estimate. Default: all.")
    @argument("--level", type=float, default=0.9, help="Coverage probability of the interval.")
    @argument("--missing", type=split_names, help="Human answers to set aside, such as "
              "\"Refused|Don't know\".")  # fmt: skip
    @argument("--poststratify", action="store_true", help="Weight the human answers so that their "
              "contexts have the shares of the simulation.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_estimate(self, line: str) -> Estimates:
        """Estimate the population's mean or shares from a simulation and a few human answers.

        Without --human the interval is valid for the simulation only, and says so. If people's
        contexts differ from the simulation's, a warning says so: use --poststratify, or survey
        weights.

        Example: %mop_estimate learned --of stars --human sample
        """
        args = parsed(self.mop_estimate, line)
        return self.study.estimate(
            arguments.unquoted(args.name),
            arguments.outcome(self.shell, args.of),
            human=args.human and arguments.frame(self.shell, args.human),
            answer=args.answer and arguments.unquoted(args.answer),
            level=args.level,
            missing=args.missing,
            poststratify=args.poststratify,
        )

    @magic_arguments()
    @argument("name", nargs="?", help="A simulation. Default: the latest of the mixture.")
    @argument("--copied", type=int, default=MIN_COPY_WORDS, help="Number of consecutive words "
              "shared with an exemplar that make a response a copy.")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="Seed of half samples, folds and "
              "clusters.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_diagnose(self, line: str) -> Diagnosis:
        """Check a simulation's diversity, controllability, copying and missing clusters.

        A row for each persona says whether it moves the answers.

        Example: %mop_diagnose learned
        """
        args = parsed(self.mop_diagnose, line)
        name = args.name and arguments.unquoted(args.name)
        with progress(self.shell, self.study) as on_step:
            return self.study.diagnose(
                name, copied=args.copied, random_state=args.seed, on_step=on_step
            )

    @magic_arguments()
    @argument("--by", required=True, help="Column of the population's data frame, or variable "
              "with a Series in its order: the true group of each record.")  # fmt: skip
    @argument("--match", help="The persona of each group: GROUP=PERSONA,GROUP=PERSONA, or a "
              "variable with a dict. Default: equal names, else by agreement.")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="Seed of the bootstrap.")
    @line_magic
    @output_can_be_silenced
    def mop_composition(self, line: str) -> Composition:
        """Compare learned persona weights with the true shares of groups that were hidden.

        Example: %mop_composition --by condition --match "acne=skin,pain=back"
        """
        args = parsed(self.mop_composition, line)
        return self.study.composition(
            arguments.column_or_values(self.shell, args.by),
            match=arguments.pairs(self.shell, args.match),
            random_state=args.seed,
        )

    @magic_arguments()
    @argument("context", nargs="*", help="A context as text, or a variable with one.")
    @argument("-n", type=int, default=5, help="Largest number of exemplars and of records.")
    @line_cell_magic
    @output_can_be_silenced
    def mop_explain(self, line: str, cell: str | None = None) -> Explanation:
        """Show the persona weights, exemplars and nearest records of a context.

        The context can also be the cell.

        Example: %mop_explain positive -n 3
        """
        args = parsed(self.mop_explain, line)
        text = arguments.unquoted(" ".join(args.context)) if cell is None else cell.strip()
        return self.study.explain(arguments.context(self.shell, text), n=args.n)

    @magic_arguments()
    @argument("name", help="A simulation or an answer.")
    @argument("path", help="An .html file; an existing one is replaced.")
    @argument("--with-quotes", action="store_true", help="Show texts of real people: exemplars, "
              "quotations and records.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_report(self, line: str) -> Path:
        """Write a report of a simulation or an answer: one HTML file, to read, print and send.

        It needs no network and calls no model. It shows what was measured before, so run %mop_align
        with --by and %mop_diagnose first. What was not measured is listed in it.

        Example: %mop_report learned report.html
        """
        args = parsed(self.mop_report, line)
        return self.study.report(
            arguments.unquoted(args.name),
            arguments.path(args.path),
            with_quotes=args.with_quotes,
        )
