"""The `%mop_*` magics: each parses its line, calls one verb of the study, returns its value."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    output_can_be_silenced,
)
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from jupyter_mop import config
from jupyter_mop.engine.clusters import MOST_RECORDS
from jupyter_mop.engine.ladder import LADDER
from jupyter_mop.engine.memorisation import COPIED
from jupyter_mop.engine.options import METHODS
from jupyter_mop.engine.writing import N_DRAWS, N_SHOWN
from jupyter_mop.notebook import completer, display, values
from jupyter_mop.notebook.progress import progress
from jupyter_mop.study import Study

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.alignment import Alignment
    from jupyter_mop.engine.answers import PopulationAnswer
    from jupyter_mop.engine.calibration import Calibration
    from jupyter_mop.engine.diagnosis import Diagnosis
    from jupyter_mop.engine.estimates import Estimates
    from jupyter_mop.engine.explanation import Explanation
    from jupyter_mop.engine.mixture import MixtureOfPersonas
    from jupyter_mop.engine.population import Population
    from jupyter_mop.engine.simulation import Simulation
    from jupyter_mop.engine.synthesis import Synthesis
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
    from jupyter_mop.notebook.widgets.personas import PersonaPanel
    from jupyter_mop.notebook.widgets.weights import WeightsPanel


@magics_class
class MopMagics(Magics):
    """Mixture-of-personas population simulation, verb by verb."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, study: Study | None = None) -> None:
        super().__init__(shell)
        self.study = study or Study()

    @magic_arguments()
    @argument("model", nargs="?", default="local", help="local, or a path to a GGUF file or an "
              "OpenVINO model folder")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_backend(self, line: str) -> pd.Series:
        """Choose and load the language model.

        %mop_backend local loads the embedded one; it is fetched on first use.
        """
        args = _parsed(self.mop_backend, line)
        choice = values.of_variable(self.shell, args.model)
        self.study.use_backend(args.model if choice is None else choice)
        return self.study.status()

    @magic_arguments()
    @argument("source", nargs="?", help="a DataFrame with name and description, a variable with "
              "text or a mapping, or a .txt, .yaml or .csv file; not with a cell")  # fmt: skip
    @argument("--edit", action="store_true", help="open the persona panel: cards to edit")
    @line_cell_magic
    @output_can_be_silenced
    def mop_personas(self, line: str, cell: str | None = None) -> pd.DataFrame | PersonaPanel:
        """Describe the subgroups of the population, one persona a line.

        The cell holds `name: description` or `name [0.4]: description` lines, or YAML.
        """
        from jupyter_mop.notebook.panels import persona_panel

        args = _parsed(self.mop_personas, line)
        if args.edit and cell is None and args.source is None:
            return persona_panel(self.study)
        source = cell if cell is not None else values.variable_or_path(self.shell, args.source)
        personas = self.study.use_personas(source)
        return persona_panel(self.study) if args.edit else values.personas_frame(personas)

    @magic_arguments()
    @argument("-k", type=values.number_or_auto, default="auto", help="number of personas, or auto "
              "to choose it by held-out likelihood: some thousand scores")  # fmt: skip
    @argument("--records", type=int, default=MOST_RECORDS, help="most records to cluster")
    @argument("--draws", type=int, default=N_DRAWS, help="answers for each persona to choose from")
    @argument("--shown", type=int, default=N_SHOWN, help="records in one prompt; a large model "
              "can use more")  # fmt: skip
    @argument("--ladder", type=values.numbers, default=LADDER, help="numbers that auto tries, with "
              "commas")  # fmt: skip
    @argument("--weighted", action="store_true", help="let each persona weigh as much as its group")
    @argument("--seed", type=values.seed, default=0, help="seed of every choice")
    @line_cell_magic
    @output_can_be_silenced
    def mop_synthesize(self, line: str, cell: str | None = None) -> Synthesis:
        """Make personas from the records: cluster them, let the model sum up each group.

        The cell, if there is one, is the prompt template by which auto judges.
        """
        args = _parsed(self.mop_synthesize, line)
        with progress(self.shell, self.study) as on_step:
            return self.study.synthesize(
                args.k,
                weighted=args.weighted,
                n_records=args.records,
                n_draws=args.draws,
                n_shown=args.shown,
                ladder=args.ladder,
                template=cell,
                random_state=args.seed,
                on_step=on_step,
            )

    @magic_arguments()
    @argument("frame", help="the variable of a DataFrame with one row per response")
    @argument("--context", required=True, help="column of the context; several with commas")
    @argument("--response", required=True, help="column of what was said")
    @argument("--weight", help="column of survey weights")
    @argument("--held-out", type=float, default=0.5, help="share that is kept to compare with")
    @argument("--seed", type=values.seed, default=0, help="seed of the split")
    @line_magic
    @output_can_be_silenced
    def mop_population(self, line: str) -> Population:
        """Name the real records: some to learn from, the rest held out to compare with."""
        args = _parsed(self.mop_population, line)
        return self.study.use_population(
            values.frame(self.shell, args.frame),
            context=[name.strip() for name in values.unquoted(args.context).split(",")],
            response=values.unquoted(args.response),
            weight=args.weight and values.unquoted(args.weight),
            held_out=args.held_out,
            random_state=args.seed,
        )

    @magic_arguments()
    @argument(
        "--exemplars",
        type=int,
        default=config.DEFAULT_EXEMPLARS,
        help="size of the exemplar pool (J)",
    )
    @argument(
        "--records", type=int, default=config.DEFAULT_RECORDS, help="most records to learn from"
    )
    @argument(
        "--components",
        type=int,
        default=config.DEFAULT_COMPONENTS,
        help="components asked for each record (M)",
    )
    @argument("--refits", type=int, default=0, help="intervals of the weights, from so many "
              "more fits of the same answers, such as 100")  # fmt: skip
    @argument("--stratify", help="spread exemplars evenly over this context column, or over "
              "cluster (groups of similar responses); default: over the contexts")  # fmt: skip
    @argument("--seed", type=values.seed, default=0, help="seed of every choice")
    @line_cell_magic
    @output_can_be_silenced
    def mop_fit(self, line: str, cell: str | None = None) -> MixtureOfPersonas:
        """Learn the weights of personas and exemplars from what people said.

        The cell, if there is one, is the prompt template with {column} names.
        """
        args = _parsed(self.mop_fit, line)
        with progress(self.shell, self.study) as on_step:
            return self.study.fit(
                cell,
                n_exemplars=args.exemplars,
                n_records=args.records,
                n_components=args.components,
                n_refits=args.refits,
                stratify=args.stratify and values.unquoted(args.stratify),
                random_state=args.seed,
                on_step=on_step,
            )

    @magic_arguments()
    @argument("name", nargs="?", default="simulation", help="name to keep the simulation under")
    @argument("-n", type=int, default=300, help="number of responses")
    @argument("--weights", help="uniform, learned, stated, panel, or NAME=0.4,NAME=0.6 (those "
              "not named share the rest)")  # fmt: skip
    @argument("--baseline", choices=("plain", "personas", "exemplars"),
              help="leave persona or exemplar or both out of the prompts")  # fmt: skip
    @argument("--temperature", type=float, default=config.DEFAULT_TEMPERATURE, help="0: greedy")
    @argument("--top-p", type=float, default=config.DEFAULT_TOP_P, help="nucleus mass")
    @argument("--max-tokens", type=int, default=config.DEFAULT_MAX_TOKENS, help="longest answer")
    @argument("--seed", type=values.seed, default=0, help="seed of contexts and answers")
    @line_cell_magic
    @output_can_be_silenced
    def mop_simulate(self, line: str, cell: str | None = None) -> Simulation:
        """Simulate responses: draw persona and exemplar, build the prompt, let the model answer.

        The cell, if there is one, is the prompt template with {column} names.
        """
        args = dict(vars(_parsed(self.mop_simulate, line)))
        with progress(self.shell, self.study) as on_step:
            return self.study.simulate(
                values.unquoted(args.pop("name")),
                template=cell,
                weights=values.weights(self.shell, args.pop("weights")),
                random_state=args.pop("seed"),
                on_step=on_step,
                **args,
            )

    @magic_arguments()
    @argument("name", nargs="?", default="answer", help="name to keep the answer under")
    @argument("--options", help='the options, such as "yes|no"; default: the answers that the '
              "population gave")  # fmt: skip
    @argument("--scale", action="store_true", help="the options are an ordered scale")
    @argument("--multiple", action="store_true", help="any number of options may be chosen")
    @argument("-n", type=int, default=300, help="answers to draw for the panel, with no model call")
    @argument("--weights", help="learned, uniform, stated, panel, or NAME=0.4,NAME=0.6")
    @argument("--baseline", choices=("plain", "personas"), help="without personas, or with "
              "uniform weights")  # fmt: skip
    @argument("--orders", dest="n_orders", type=int, default=2, help="in how many orders the "
              "options are listed")  # fmt: skip
    @argument("--open", dest="listed", action="store_false", help="do not list the options in the "
              "prompt: a small model then heeds its persona more")  # fmt: skip
    @argument("--by-prior", action="store_true", help="divide by each option's probability where "
              "neither persona nor context is known")  # fmt: skip
    @argument("--by-length", action="store_true", help="score options per token")
    @argument(
        "--method", choices=METHODS, default="auto", help="score the options, or draw answers"
    )
    @argument("--draws", dest="n_draws", type=int, default=20, help="answers drawn for each prompt "
              "where they are drawn")  # fmt: skip
    @argument("--seed", type=values.seed, default=0, help="seed of orders and draws")
    @line_cell_magic
    @output_can_be_silenced
    def mop_ask(self, line: str, cell: str | None = None) -> PopulationAnswer:
        """Ask a closed question: option probabilities of each persona, weighted.

        The cell is the text of the question with {column} names. With no cell, the answer that is
        kept under the name.
        """
        args = dict(vars(_parsed(self.mop_ask, line)))
        name, weights = values.unquoted(args.pop("name")), args.pop("weights")
        if cell is None:
            return self.study.answer(name)
        text = cell.rstrip().removesuffix(";")
        question = values.question(text, *map(args.pop, ("options", "scale", "multiple")))
        with progress(self.shell, self.study) as on_step:
            return self.study.ask(
                question,
                name,
                weights=values.weights(self.shell, weights),
                random_state=args.pop("seed"),
                on_step=on_step,
                **args,
            )

    @magic_arguments()
    @argument("names", nargs="*", help="simulations to compare; default: all")
    @argument("--seed", type=values.seed, default=0, help="seed of halves and bootstrap")
    @line_magic
    @output_can_be_silenced
    def mop_align(self, line: str) -> Alignment:
        """Compare simulations with the held-out records: figures, intervals, human floor."""
        args = _parsed(self.mop_align, line)
        with progress(self.shell, self.study) as on_step:
            names = [values.unquoted(name) for name in args.names]
            return self.study.align(*names, random_state=args.seed, on_step=on_step)

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_weights(self, line: str) -> WeightsPanel:
        """Open the weights panel; what it shows is what --weights panel uses."""
        from jupyter_mop.notebook.panels import weights_panel

        _parsed(self.mop_weights, line)
        return weights_panel(self.study)

    @magic_arguments()
    @argument("name", nargs="?", help="a simulation of the mixture; default: the last one made")
    @argument("--seed", type=values.seed, default=0, help="seed of halves, clusters and pairs")
    @line_magic
    @output_can_be_silenced
    def mop_panel(self, line: str) -> AlignmentPanel:
        """Open the alignment panel: weights to move, figures, map and responses that follow.

        No model is asked. What it shows is what --weights panel uses.
        """
        args = _parsed(self.mop_panel, line)
        name = args.name and values.unquoted(args.name)
        with progress(self.shell, self.study) as on_step:
            panel: AlignmentPanel = self.study.panel(name, random_state=args.seed, on_step=on_step)
        return panel

    @magic_arguments()
    @argument("name", help="a simulation of the mixture")
    @argument("--weights", required=True, help="panel or NAME=0.4,NAME=0.6 (those not named share "
              "the rest); learned, uniform or stated change exemplar weights too")  # fmt: skip
    @argument("--as", dest="kept_as", help="keep the result under this name, for %%mop_align")
    @line_magic
    @output_can_be_silenced
    def mop_reweight(self, line: str) -> Simulation:
        """Weight a simulation as other weights would have drawn it, with no model call."""
        args = _parsed(self.mop_reweight, line)
        return self.study.reweight(
            values.unquoted(args.name),
            values.weights(self.shell, args.weights) or "panel",
            kept_as=args.kept_as and values.unquoted(args.kept_as),
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
        args = _parsed(self.mop_calibrate, line)
        return self.study.calibrate(
            values.unquoted(args.name),
            values.variable(self.shell, args.targets, 'targets = {"yes": 0.4, "no": 0.6}'),
            of=args.of and values.outcome(self.shell, args.of),
            start=values.shares(self.shell, args.start),
            nearest=args.nearest,
        )

    @magic_arguments()
    @argument("name", help="a simulation")
    @argument("--of", default="response", help="column, or variable with a function of a response")
    @argument("--human", help="variable of a DataFrame of human answers, with the context columns")
    @argument("--answer", help="the one answer whose share is wanted")
    @argument("--level", type=float, default=0.9, help="probability that the interval is to hold")
    @line_magic
    @output_can_be_silenced
    def mop_estimate(self, line: str) -> Estimates:
        """Estimate the population's mean or shares from a simulation and a few human answers.

        Without --human the interval is for the simulation only, and says so.
        """
        args = _parsed(self.mop_estimate, line)
        return self.study.estimate(
            values.unquoted(args.name),
            values.outcome(self.shell, args.of),
            human=args.human and values.frame(self.shell, args.human),
            answer=args.answer and values.unquoted(args.answer),
            level=args.level,
        )

    @magic_arguments()
    @argument("name", nargs="?", help="a simulation; default: the last one of the mixture")
    @argument("--copied", type=int, default=COPIED, help="words in a row that make a copy")
    @argument("--seed", type=values.seed, default=0, help="seed of halves, folds and clusters")
    @line_magic
    @output_can_be_silenced
    def mop_diagnose(self, line: str) -> Diagnosis:
        """Look a simulation over: variety, personas, copies, and what is missing."""
        args = _parsed(self.mop_diagnose, line)
        name = args.name and values.unquoted(args.name)
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
        args = _parsed(self.mop_explain, line)
        text = values.unquoted(" ".join(args.context)) if cell is None else cell.strip()
        return self.study.explain(values.context(self.shell, text), n=args.n)

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_status(self, line: str) -> pd.DataFrame:
        """Show what is loaded, fitted, simulated and kept."""
        _parsed(self.mop_status, line)
        return self.study.status().to_frame("")


def _parsed(magic: Callable[..., Any], line: str) -> argparse.Namespace:
    """Read a magic's line; a semicolon at its end, which silences a cell, is no part of it."""
    args: argparse.Namespace = parse_argstring(magic, line.rstrip().removesuffix(";"))
    return args


def register(shell: InteractiveShell) -> None:
    """Add magics, their completions and the display of results to `shell`."""
    magics = MopMagics(shell)
    shell.register_magics(magics)
    completer.register(shell, magics)
    display.register(shell)
