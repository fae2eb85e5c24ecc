"""The magics that set up a study: model, personas, records and learned weights."""

from __future__ import annotations

from getpass import getpass
from typing import TYPE_CHECKING

import pandas as pd
from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop.backends.endpoint.chat.model_options import ModelOptions
from jupyter_mop.charts.style.text_frame import TextFrame
from jupyter_mop.engine.mixture.fit_options import FitOptions
from jupyter_mop.engine.synthesis.synthesis_options import SynthesisOptions
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.base import (
    StudyMagics,
    argument,
    batch_argument,
    cost_arguments,
    option_arguments,
    parsed,
    run,
)
from jupyter_mop.notebook.progress_screens import progress

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
    """Set up model, personas and records, and learn the weights."""

    @magic_arguments()
    @argument("source", nargs="?", default="local", help="local for the embedded model, a "
              "GGUF file, an OpenVINO folder, or the http:// address of an endpoint.")  # fmt: skip
    @argument("--model", help="The model's name at the endpoint. Default: the only one there.")
    @argument("--template", help="Chat template of the endpoint's model, used for scores: chatml, "
              "llama-3, or a variable with a ChatTemplate. Default: chatml.")  # fmt: skip
    @argument("--keep-weights", action="store_true", help="Keep the learned weights and use them "
              "with this model.")  # fmt: skip
    @argument("--price-in", type=float, metavar="USD", help="Price of a million input tokens, for "
              "--dry-run and --budget. Default: from the built-in price table.")  # fmt: skip
    @argument("--price-out", type=float, metavar="USD", help="Price of a million output tokens. "
              "Default: from the built-in price table.")  # fmt: skip
    @argument("--ask-key", action="store_true", help="Ask for the endpoint's API key in a hidden "
              "field.")  # fmt: skip
    @argument("--requests-per-minute", type=float, help="Rate limit of the endpoint, in requests.")
    @argument("--tokens-per-minute", type=float, help="Rate limit of the endpoint, in tokens.")
    @option_arguments(ModelOptions)
    @line_magic
    @output_can_be_silenced
    def mop_backend(self, line: str) -> pd.Series | Capabilities:
        """Choose and load the language model; show what an endpoint supports.

        The embedded model is downloaded on first use. The API key of an endpoint is read from the
        keyring (`keyring set jupyter-mop api.openai.com`), from the environment (OPENAI_API_KEY),
        or with --ask-key; never write it into a cell.

        Example: %mop_backend https://api.openai.com/v1 --model gpt-4o-mini --ask-key
        """
        args = parsed(self.mop_backend, line)
        backend = self.study.use_backend(
            arguments.variable_or_text(self.shell, args.source),
            model=args.model and arguments.unquoted(args.model),
            chat_template=args.template and arguments.variable_or_text(self.shell, args.template),
            keep_weights=args.keep_weights,
            api_key=getpass("Key: ") if args.ask_key else None,
            price_in=args.price_in,
            price_out=args.price_out,
            requests_per_minute=args.requests_per_minute,
            tokens_per_minute=args.tokens_per_minute,
            **arguments.option_values(self.shell, ModelOptions, args),
        )
        return backend.capabilities or self.study.status()

    @magic_arguments()
    @argument("source", nargs="?", help="Variable with a DataFrame (columns name and description), "
              "a text or a mapping; or a .txt, .yaml, .json, .jsonl, .csv or .tsv file. Default: "
              "the cell.")  # fmt: skip
    @argument("--edit", action="store_true", help="Open the persona panel to edit the personas.")
    @line_cell_magic
    @output_can_be_silenced
    def mop_personas(self, line: str, cell: str | None = None) -> pd.DataFrame | PersonaPanel:
        """Describe the personas, the subgroups of the population.

        The cell has a line `name: description` or `name [0.4]: description` for each; a line
        without a name continues the one above. YAML begins with `- name:` or `---`.

        Example: %%mop_personas --edit
        """
        from jupyter_mop.notebook.panels import persona_panel

        args = parsed(self.mop_personas, line)
        if args.edit and cell is None and args.source is None:
            return persona_panel(self.study)
        source = cell if cell is not None else arguments.variable_or_path(self.shell, args.source)
        personas = self.study.use_personas(source)
        return persona_panel(self.study) if args.edit else arguments.personas_frame(personas)

    @magic_arguments()
    @argument("-k", type=arguments.number_or_auto, default="auto", help="Number of personas; auto "
              "chooses it by held-out likelihood, with some thousand scores.")  # fmt: skip
    @option_arguments(SynthesisOptions)
    @argument("--weighted", action="store_true", help="State each persona's weight as the share of "
              "its group of records.")  # fmt: skip
    @line_cell_magic
    @output_can_be_silenced
    def mop_synthesize(self, line: str, cell: str | None = None) -> Synthesis:
        """Write personas from the records: cluster them and let the model describe each cluster.

        The cell, if there is one, is the prompt template for comparing numbers of personas. With
        --as voices, personas quote real records: "You write like this: ...".

        Example: %mop_synthesize -k 8
        """
        args = parsed(self.mop_synthesize, line)
        with progress(self.shell, self.study) as on_step:
            return self.study.synthesize(
                args.k,
                template=cell,
                weighted=args.weighted,
                on_step=on_step,
                **arguments.option_values(self.shell, SynthesisOptions, args),
            )

    @magic_arguments()
    @argument("frame", help="Variable with a DataFrame, one row per response.")
    @argument("--context", required=True, help="Column of the context: what the person responded "
              "to. Several columns are separated by commas: \"'Age, in years',Q1.1\".")  # fmt: skip
    @argument("--response", required=True, help="Column of the responses.")
    @argument("--weight", help="Column of survey weights. Default: all records count equally.")
    @argument("--group", help="Column whose rows belong together, such as the respondent's number; "
              "they are not split.")  # fmt: skip
    @argument("--held-out", type=float, default=0.5, help="Share of the records to hold out for "
              "comparison.")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="Seed of the split.")
    @line_magic
    @output_can_be_silenced
    def mop_population(self, line: str) -> Population:
        """Set the real records and split them into training and held-out records.

        Example: %mop_population reviews --context sentiment --response review
        """
        args = parsed(self.mop_population, line)
        df = arguments.frame(self.shell, args.frame)
        return self.study.use_population(
            df,
            context=arguments.columns(df, args.context),
            response=arguments.unquoted(args.response),
            weight=args.weight and arguments.unquoted(args.weight),
            group=args.group and arguments.unquoted(args.group),
            held_out=args.held_out,
            random_state=args.seed,
        )

    @magic_arguments()
    @option_arguments(FitOptions)
    @argument("--refits", type=int, default=0, help="Number of bootstrap refits, such as 100, for "
              "intervals of the persona weights, instead of 30; they call no model.")  # fmt: skip
    @argument("--client", help="Variable with a dask.distributed.Client, whose workers score the "
              "responses.")  # fmt: skip
    @batch_argument
    @cost_arguments
    @line_cell_magic
    @output_can_be_silenced
    def mop_fit(self, line: str, cell: str | None = None) -> MixtureOfPersonas | CostEstimate:
        """Learn persona and exemplar weights from the training records.

        The cell, if there is one, is the prompt template with {column} names of the context.

        Example: %%mop_fit --exemplars 64 --refits 100
        """
        args = parsed(self.mop_fit, line)
        with progress(self.shell, self.study) as on_step:
            mixture: MixtureOfPersonas | CostEstimate = run(
                self.study,
                "fit",
                args,
                cell,
                n_refits=args.refits,
                client=arguments.client(self.shell, args.client),
                on_step=on_step,
                **arguments.option_values(self.shell, FitOptions, args),
            )
        return mixture

    @magic_arguments()
    @argument("folder", help="Folder to write; a mixture in it is replaced.")
    @line_magic
    @output_can_be_silenced
    def mop_save(self, line: str) -> Path:
        """Save the mixture to a folder: weights, personas, exemplars and settings.

        The exemplars are real responses.

        Example: %mop_save my-mixture
        """
        return self.study.save(arguments.path(parsed(self.mop_save, line).folder))

    @magic_arguments()
    @argument("folder", help="Folder that %mop_save wrote.")
    @line_magic
    @output_can_be_silenced
    def mop_load(self, line: str) -> MixtureOfPersonas:
        """Load a saved mixture and use it with its personas and the current model.

        A loaded mixture simulates without a population. To compare with records, run
        %mop_population first, since it discards the mixture.

        Example: %mop_load my-mixture
        """
        return self.study.load(arguments.path(parsed(self.mop_load, line).folder))

    @magic_arguments()
    @line_magic
    @output_can_be_silenced
    def mop_status(self, line: str) -> pd.DataFrame:
        """Show what is loaded, fitted, simulated and cached.

        Example: %mop_status
        """
        parsed(self.mop_status, line)
        return TextFrame(self.study.status().to_frame(""))
