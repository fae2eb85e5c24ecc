"""The magics that set up a study: model, personas, records, and the weights learned of them."""

from __future__ import annotations

from getpass import getpass
from typing import TYPE_CHECKING

import pandas as pd
from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from jupyter_mop import config
from jupyter_mop.engine.data.clustering import MAX_RECORDS
from jupyter_mop.engine.synthesis.options import LADDER
from jupyter_mop.engine.synthesis.persona_writing import N_DRAWS, N_SHOWN
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.base import StudyMagics, costing, parsed, run
from jupyter_mop.notebook.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mop.backends.cost.estimate import CostEstimate
    from jupyter_mop.backends.endpoint.capabilities import Capabilities
    from jupyter_mop.engine.data.population import Population
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
    from jupyter_mop.engine.synthesis.synthesis import Synthesis
    from jupyter_mop.notebook.widgets.personas import PersonaPanel


@magics_class
class SetupMagics(StudyMagics):
    """Who answers, whom they stand for, and with what weights."""

    @magic_arguments()
    @argument("source", nargs="?", default="local", help="local, a path to a GGUF file or an "
              "OpenVINO model folder, or the http:// address of an endpoint")  # fmt: skip
    @argument("--model", help="the model's name at the endpoint; default: its only one")
    @argument("--template", help="how the endpoint's model reads a chat, for scores: chatml (the "
              "default), llama-3, or a variable with a ChatTemplate")  # fmt: skip
    @argument("--keep-weights", action="store_true", help="carry the learned weights over")
    @argument("--price-in", type=float, help="US dollars for a million tokens in, for %%mop_fit "
              "--dry-run and --budget; default: that of a small table, if it is there")  # fmt: skip
    @argument("--price-out", type=float, help="US dollars for a million tokens out")
    @argument("--ask-key", action="store_true", help="ask for the endpoint's key, unseen")
    @argument("--requests-per-minute", type=float, help="the most calls that the endpoint allows")
    @argument("--tokens-per-minute", type=float, help="the most tokens that it allows")
    @argument("--hedge-after", type=float, metavar="SECONDS", help="make a call that has no answer "
              "by then a second time; the first answer counts, both cost")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_backend(self, line: str) -> pd.Series | Capabilities:
        """Choose and load the language model; of an endpoint, try and show what it can do.

        %mop_backend local loads the embedded one; it is fetched on first use. A key for an
        endpoint is read from the keyring (`keyring set jupyter-mop api.openai.com`) or the
        environment (OPENAI_API_KEY), or asked for with --ask-key; it has no place in a cell.
        """
        args = parsed(self.mop_backend, line)
        used = self.study.use_backend(
            arguments.variable_or_text(self.shell, args.source),
            model=args.model and arguments.unquoted(args.model),
            chat_template=args.template and arguments.variable_or_text(self.shell, args.template),
            keep_weights=args.keep_weights,
            api_key=getpass("Key: ") if args.ask_key else None,
            price_in=args.price_in,
            price_out=args.price_out,
            requests_per_minute=args.requests_per_minute,
            tokens_per_minute=args.tokens_per_minute,
            hedge_after=args.hedge_after,
        )
        return used.capabilities or self.study.status()

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

        args = parsed(self.mop_personas, line)
        if args.edit and cell is None and args.source is None:
            return persona_panel(self.study)
        source = cell if cell is not None else arguments.variable_or_path(self.shell, args.source)
        personas = self.study.use_personas(source)
        return persona_panel(self.study) if args.edit else arguments.personas_frame(personas)

    @magic_arguments()
    @argument("-k", type=arguments.number_or_auto, default="auto", help="number of personas, or auto "
              "to choose it by held-out likelihood: some thousand scores")  # fmt: skip
    @argument("--records", type=int, default=MAX_RECORDS, help="most records to cluster")
    @argument("--draws", type=int, default=N_DRAWS, help="answers for each persona to choose from")
    @argument("--shown", type=int, default=N_SHOWN, help="records in one prompt; a large model "
              "can use more")  # fmt: skip
    @argument("--ladder", type=arguments.numbers, default=LADDER, help="numbers that auto tries, with "
              "commas")  # fmt: skip
    @argument("--weighted", action="store_true", help="let each persona weigh as much as its group")
    @argument("--seed", type=arguments.seed, default=0, help="seed of every choice")
    @line_cell_magic
    @output_can_be_silenced
    def mop_synthesize(self, line: str, cell: str | None = None) -> Synthesis:
        """Make personas from the records: cluster them, let the model sum up each group.

        The cell, if there is one, is the prompt template by which auto judges.
        """
        args = parsed(self.mop_synthesize, line)
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
    @argument("--seed", type=arguments.seed, default=0, help="seed of the split")
    @line_magic
    @output_can_be_silenced
    def mop_population(self, line: str) -> Population:
        """Name the real records: some to learn from, the rest held out to compare with."""
        args = parsed(self.mop_population, line)
        return self.study.use_population(
            arguments.frame(self.shell, args.frame),
            context=[name.strip() for name in arguments.unquoted(args.context).split(",")],
            response=arguments.unquoted(args.response),
            weight=args.weight and arguments.unquoted(args.weight),
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
    @argument("--seed", type=arguments.seed, default=0, help="seed of every choice")
    @argument("--client", help="the variable of a dask.distributed.Client, whose workers score")
    @costing
    @line_cell_magic
    @output_can_be_silenced
    def mop_fit(self, line: str, cell: str | None = None) -> MixtureOfPersonas | CostEstimate:
        """Learn the weights of personas and exemplars from what people said.

        The cell, if there is one, is the prompt template with {column} names.
        """
        args = parsed(self.mop_fit, line)
        with progress(self.shell, self.study) as on_step:
            fitted: MixtureOfPersonas | CostEstimate = run(
                self.study,
                "fit",
                {"dry_run": args.dry_run, "budget": args.budget},
                cell,
                n_exemplars=args.exemplars,
                n_records=args.records,
                n_components=args.components,
                n_refits=args.refits,
                stratify=args.stratify and arguments.unquoted(args.stratify),
                random_state=args.seed,
                client=arguments.client(self.shell, args.client),
                on_step=on_step,
            )
        return fitted

    @magic_arguments()
    @argument("folder", help="where to write; it is made, or a mixture in it replaced")
    @line_magic
    @output_can_be_silenced
    def mop_save(self, line: str) -> Path:
        """Write the mixture to a folder: weights, personas, exemplars, and what they stand on.

        Of what people said it holds the exemplars, word for word.
        """
        return self.study.save(arguments.path(parsed(self.mop_save, line).folder))

    @magic_arguments()
    @argument("folder", help="what %%mop_save wrote")
    @line_magic
    @output_can_be_silenced
    def mop_load(self, line: str) -> MixtureOfPersonas:
        """Read a mixture that was saved and use it, with its personas and the model of here.

        It simulates without its population. Name records to compare with before: new ones forget
        the mixture.
        """
        return self.study.load(arguments.path(parsed(self.mop_load, line).folder))

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_status(self, line: str) -> pd.DataFrame:
        """Show what is loaded, fitted, simulated and kept."""
        parsed(self.mop_status, line)
        return self.study.status().to_frame("")
