"""The magics that let the personas answer, and those that weight their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from jupyter_mop.engine.generation.options import SimulationOptions
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.arguments import option_arguments, option_values
from jupyter_mop.notebook.magics.base import StudyMagics, costing, parsed, run
from jupyter_mop.notebook.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mop.backends.cost.estimate import CostEstimate
    from jupyter_mop.engine.simulation.simulation import Simulation
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
    from jupyter_mop.notebook.widgets.weights import WeightsPanel


@magics_class
class SimulateMagics(StudyMagics):
    """What the population would say."""

    @magic_arguments()
    @argument("name", nargs="?", default="simulation", help="name of the simulation")
    @option_arguments(SimulationOptions)
    @argument("--client", help="the variable of a dask.distributed.Client, whose workers answer")
    @costing
    @line_cell_magic
    @output_can_be_silenced
    def mop_simulate(self, line: str, cell: str | None = None) -> Simulation | CostEstimate:
        """Simulate responses: draw persona and exemplar, build the prompt, let the model answer.

        The cell, if there is one, is the prompt template with {column} names.

        Example: %%mop_simulate learned -n 300 --weights critic=0.4,fan=0.6
        """
        args = dict(vars(parsed(self.mop_simulate, line)))
        with progress(self.shell, self.study) as on_step:
            made: Simulation | CostEstimate = run(
                self.study,
                "simulate",
                args,
                arguments.unquoted(args.pop("name")),
                template=cell,
                client=arguments.client(self.shell, args.pop("client")),
                on_step=on_step,
                **option_values(self.shell, SimulationOptions, args),
            )
        return made

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
    @argument("--seed", type=arguments.seed, default=0, help="seed of halves, clusters and pairs")
    @line_magic
    @output_can_be_silenced
    def mop_panel(self, line: str) -> AlignmentPanel:
        """Open the alignment panel: weights to move, figures, map and responses that follow.

        No model is asked. What it shows is what --weights panel uses.
        """
        args = parsed(self.mop_panel, line)
        name = args.name and arguments.unquoted(args.name)
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
        return self.study.export(arguments.unquoted(args.name), arguments.path(args.path))

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
            arguments.unquoted(args.name),
            arguments.weights(self.shell, args.weights) or "panel",
            kept_as=args.kept_as and arguments.unquoted(args.kept_as),
        )
