"""The magics that simulate responses, and those that reweight and export simulations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.base import (
    StudyMagics,
    argument,
    batch_argument,
    cost_arguments,
    option_arguments,
    parsed,
    replace_argument,
    run,
)
from jupyter_mop.notebook.progress_screens import progress

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mop.backends.cost.estimate import CostEstimate
    from jupyter_mop.engine.simulation.simulation import Simulation
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
    from jupyter_mop.notebook.widgets.weights import WeightsPanel


@magics_class
class SimulateMagics(StudyMagics):
    """Simulate responses, reweight them and write them to files."""

    @magic_arguments()
    @argument("name", nargs="?", default="simulation", help="Name of the simulation.")
    @option_arguments(SimulationOptions)
    @argument("--client", help="Variable with a dask.distributed.Client, whose workers generate "
              "the responses.")  # fmt: skip
    @replace_argument
    @batch_argument
    @cost_arguments
    @line_cell_magic
    @output_can_be_silenced
    def mop_simulate(self, line: str, cell: str | None = None) -> Simulation | CostEstimate:
        """Simulate responses: for each, draw a persona and an exemplar, then ask the model.

        The cell, if there is one, is the prompt template with {column} names of the context.

        Example: %%mop_simulate learned -n 300 --weights critic=0.4,fan=0.6
        """
        args = parsed(self.mop_simulate, line)
        name = arguments.unquoted(args.name)
        with (
            self.origins.overwriting([name], self.study.simulations, args),
            progress(self.shell, self.study) as on_step,
        ):
            simulation: Simulation | CostEstimate = run(
                self.study,
                "simulate",
                args,
                name,
                template=cell,
                client=arguments.client(self.shell, args.client),
                on_step=on_step,
                **arguments.option_values(self.shell, SimulationOptions, args),
            )
        return simulation

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_weights(self, line: str) -> WeightsPanel:
        """Open a panel of sliders for the persona weights.

        --weights panel uses the weights that it shows.

        Example: %mop_weights
        """
        from jupyter_mop.notebook.panels import weights_panel

        parsed(self.mop_weights, line)
        return weights_panel(self.study)

    @magic_arguments()
    @argument("name", nargs="?", help="A simulation of the mixture. Default: the latest.")
    @argument("--seed", type=arguments.seed, default=0, help="Seed of half samples, clusters and "
              "sampled pairs.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_panel(self, line: str) -> AlignmentPanel:
        """Open the alignment panel: move persona weights and see metrics and responses follow.

        No model is called. --weights panel uses the weights that it shows.

        Example: %mop_panel learned
        """
        args = parsed(self.mop_panel, line)
        name = args.name and arguments.unquoted(args.name)
        with progress(self.shell, self.study) as on_step:
            panel: AlignmentPanel = self.study.panel(name, random_state=args.seed, on_step=on_step)
        return panel

    @magic_arguments()
    @argument("name", help="A simulation.")
    @argument("path", help="A .csv, .parquet or .jsonl file; an existing one is replaced.")
    @line_magic
    @output_can_be_silenced
    def mop_export(self, line: str) -> Path:
        """Write a simulation to a file, with a data card beside it.

        The card lists personas, weights, model, seeds, prompt and metrics, and contains the
        exemplars, which are real responses. Simulation.from_csv(path) reads a .csv file back.

        Example: %mop_export learned responses.csv
        """
        args = parsed(self.mop_export, line)
        return self.study.export(arguments.unquoted(args.name), arguments.path(args.path))

    @magic_arguments()
    @argument("name", help="A simulation of the mixture.")
    @argument("--weights", required=True, help="Persona weights: panel, a variable, or "
              "NAME=0.4,NAME=0.6, with the rest shared by the other personas. learned, uniform or "
              "stated change exemplar weights too.")  # fmt: skip
    @argument("--as", dest="kept_as", metavar="NAME", help="Name of the result, for %mop_align.")
    @replace_argument
    @line_magic
    @output_can_be_silenced
    def mop_reweight(self, line: str) -> Simulation:
        """Reweight a simulation to other persona weights, with no model call.

        Example: %mop_reweight learned --weights critic=0.6 --as critical
        """
        args = parsed(self.mop_reweight, line)
        kept_as = args.kept_as and arguments.unquoted(args.kept_as)
        with self.origins.overwriting([kept_as] if kept_as else [], self.study.simulations, args):
            return self.study.reweight(
                arguments.unquoted(args.name),
                arguments.weights(self.shell, args.weights) or "panel",
                kept_as=kept_as,
            )
