"""The magics that let the personas answer, and those that weight their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from jupyter_mop import config
from jupyter_mop.engine.baselines import BASELINES, N_SHOWN
from jupyter_mop.engine.options import METHODS
from jupyter_mop.notebook import values
from jupyter_mop.notebook.lines import StudyMagics, costing, parsed, run
from jupyter_mop.notebook.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mop.backends.costs import CostEstimate
    from jupyter_mop.engine.answers import PopulationAnswer
    from jupyter_mop.engine.simulation import Simulation
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
    from jupyter_mop.notebook.widgets.weights import WeightsPanel


@magics_class
class SimulationMagics(StudyMagics):
    """What the population would say."""

    @magic_arguments()
    @argument("name", nargs="?", default="simulation", help="name to keep the simulation under")
    @argument("-n", type=int, default=300, help="number of responses")
    @argument("--weights", help="uniform, learned, stated, panel, or NAME=0.4,NAME=0.6 (those "
              "not named share the rest)")  # fmt: skip
    @argument("--baseline", help="prompt in another way, with uniform weights. "
              + " ".join(map(str, BASELINES.values())))  # fmt: skip
    @argument("--shown", dest="n_shown", type=int, default=N_SHOWN, help="exemplars in a prompt of "
              "a baseline that shows several")  # fmt: skip
    @argument("--candidates", dest="n_candidates", type=int, help="responses drawn for each that "
              "is kept, by its odds of being real: so many times the calls; default: "
              f"{config.DEFAULT_CANDIDATES}, of a baseline or an endpoint 1")  # fmt: skip
    @argument("--temperature", type=float, default=config.DEFAULT_TEMPERATURE, help="0: greedy")
    @argument("--top-p", type=float, default=config.DEFAULT_TOP_P, help="nucleus mass")
    @argument("--max-tokens", type=int, help="longest answer; default: room for nine in ten of the "
              f"real ones, {config.DEFAULT_MAX_TOKENS} to {config.MOST_TOKENS}")  # fmt: skip
    @argument("--seed", type=values.seed, default=0, help="seed of contexts and answers")
    @argument("--client", help="the variable of a dask.distributed.Client, whose workers answer")
    @costing
    @line_cell_magic
    @output_can_be_silenced
    def mop_simulate(self, line: str, cell: str | None = None) -> Simulation | CostEstimate:
        """Simulate responses: draw persona and exemplar, build the prompt, let the model answer.

        The cell, if there is one, is the prompt template with {column} names.
        """
        args = dict(vars(parsed(self.mop_simulate, line)))
        with progress(self.shell, self.study) as on_step:
            made: Simulation | CostEstimate = run(
                self.study,
                "simulate",
                args,
                values.unquoted(args.pop("name")),
                template=cell,
                weights=values.weights(self.shell, args.pop("weights")),
                random_state=args.pop("seed"),
                client=values.client(self.shell, args.pop("client")),
                on_step=on_step,
            )
        return made

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
    @costing
    @line_cell_magic
    @output_can_be_silenced
    def mop_ask(self, line: str, cell: str | None = None) -> PopulationAnswer | CostEstimate:
        """Ask a closed question: option probabilities of each persona, weighted.

        The cell is the text of the question with {column} names. With no cell, the answer that is
        kept under the name.
        """
        args = dict(vars(parsed(self.mop_ask, line)))
        name, weights = values.unquoted(args.pop("name")), args.pop("weights")
        if cell is None:
            return self.study.answer(name)
        text = cell.rstrip().removesuffix(";")
        question = values.question(text, *map(args.pop, ("options", "scale", "multiple")))
        with progress(self.shell, self.study) as on_step:
            answer: PopulationAnswer | CostEstimate = run(
                self.study,
                "ask",
                args,
                question,
                name,
                weights=values.weights(self.shell, weights),
                random_state=args.pop("seed"),
                on_step=on_step,
            )
        return answer

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_weights(self, line: str) -> WeightsPanel:
        """Open the weights panel; what it shows is what --weights panel uses."""
        from jupyter_mop.notebook.panels import weights_panel

        parsed(self.mop_weights, line)
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
        args = parsed(self.mop_panel, line)
        name = args.name and values.unquoted(args.name)
        with progress(self.shell, self.study) as on_step:
            panel: AlignmentPanel = self.study.panel(name, random_state=args.seed, on_step=on_step)
        return panel

    @magic_arguments()
    @argument("name", help="a simulation")
    @argument("path", help="a .csv, .parquet or .jsonl file; it is made or replaced")
    @line_magic
    @output_can_be_silenced
    def mop_export(self, line: str) -> Path:
        """Write a simulation to a file, with a data card beside it.

        The card tells the personas, weights, model, seeds, prompt and figures, and holds the
        exemplars, word for word. Simulation.from_csv(path) and its like read it back.
        """
        args = parsed(self.mop_export, line)
        return self.study.export(values.unquoted(args.name), values.path(args.path))

    @magic_arguments()
    @argument("name", help="a simulation of the mixture")
    @argument("--weights", required=True, help="panel or NAME=0.4,NAME=0.6 (those not named share "
              "the rest); learned, uniform or stated change exemplar weights too")  # fmt: skip
    @argument("--as", dest="kept_as", help="keep the result under this name, for %%mop_align")
    @line_magic
    @output_can_be_silenced
    def mop_reweight(self, line: str) -> Simulation:
        """Weight a simulation as other weights would have drawn it, with no model call."""
        args = parsed(self.mop_reweight, line)
        return self.study.reweight(
            values.unquoted(args.name),
            values.weights(self.shell, args.weights) or "panel",
            kept_as=args.kept_as and values.unquoted(args.kept_as),
        )
