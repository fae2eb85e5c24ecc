"""The magics that ask: a closed question of everyone, and a conversation with one persona."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_cell_magic, line_magic, magics_class, output_can_be_silenced
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop import config
from jupyter_mop.engine.questionnaire.reading.question_lines import (
    lists_questions,
    read_questions,
)
from jupyter_mop.engine.survey.elicitation_options import COMPARE, ElicitationOptions
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError
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
from jupyter_mop.rendering import listed
from jupyter_mop.study.chat import MAX_TOKENS

if TYPE_CHECKING:
    import argparse

    from jupyter_mop.backends.cost.estimate import CostEstimate
    from jupyter_mop.engine.questionnaire.population_answers import PopulationAnswers
    from jupyter_mop.engine.survey.calibrated.method_comparison import MethodComparison
    from jupyter_mop.engine.survey.population_answer import PopulationAnswer
    from jupyter_mop.notebook.widgets.chat import ChatPanel

NAME = "answer"
QUESTION_ARGUMENTS = ("options", "scale", "multiple", "last", "exclusive", "separator")


@magics_class
class AskMagics(StudyMagics):
    """Ask the population, or one persona."""

    @magic_arguments()
    @argument("name", nargs="?", default=NAME, help="Name of the answer.")
    @argument("--options", help='The options, such as "yes|no". Default: the answers in the '
              "population.")  # fmt: skip
    @argument("--scale", action="store_true", help="The options are an ordered scale.")
    @argument("--multiple", action="store_true", help="Several options can be chosen.")
    @argument("--last", help="Options that stay at the end of every list and are no points of a "
              'scale, such as "Other|Don\'t know".')  # fmt: skip
    @argument("--exclusive", help='The option of a multiple choice that is chosen alone. Default: '
              'an option such as "None of these".')  # fmt: skip
    @argument("--separator", help="What stands between the choices in the population's answers to "
              "a multiple choice. Default: |.")  # fmt: skip
    @option_arguments(ElicitationOptions)
    @replace_argument
    @batch_argument
    @cost_arguments
    @line_cell_magic
    @output_can_be_silenced
    def mop_ask(
        self, line: str, cell: str | None = None
    ) -> PopulationAnswer | PopulationAnswers | MethodComparison | CostEstimate:
        """Ask the population a closed question, or several, and estimate the share of each option.

        The cell is the question, with {column} names of the context. Without a cell, the earlier
        answer of this name is returned. With --method compare, all methods that the model supports
        are tried and compared by held-out people; no result is stored under the name.

        A cell with several questions has one per line: name: text | option | option, or
        name [scale]: ... for an ordered one. Each answer is stored under its question's name, and
        calibrated on the population's column of this name.

        Example: %%mop_ask vote --options "Clinton|Dole|Perot"
        """
        args = parsed(self.mop_ask, line)
        name = arguments.unquoted(args.name)
        if cell is None:
            return self.study.answer(name)
        text = cell.rstrip().removesuffix(";")
        if lists_questions(text, has_options=args.options is not None):
            return self._ask_all(args, name, read_questions(text))
        question = arguments.question(
            text, **{part: vars(args)[part] for part in QUESTION_ARGUMENTS}
        )
        values = arguments.option_values(self.shell, ElicitationOptions, args)
        if args.method == COMPARE:
            return self._compare_methods(args, question, values)
        with (
            self.origins.overwriting([name], self.study.simulations, args),
            progress(self.shell, self.study) as on_step,
        ):
            answer: PopulationAnswer | CostEstimate = run(
                self.study, "ask", args, question, name, on_step=on_step, **values
            )
        return answer

    def _ask_all(
        self, args: argparse.Namespace, name: str, questions: Mapping[str, Question]
    ) -> PopulationAnswers | CostEstimate:
        given = [f"--{part}" for part in QUESTION_ARGUMENTS if vars(args)[part]]
        if given:
            raise DataError(
                f"The cell lists questions, so {listed(given)} cannot be given in its first line.",
                hint="Write name [scale]: text | option | option in the cell; last, exclusive and "
                "separator in YAML.",
            )
        if args.method == COMPARE:
            raise DataError(
                "--method compare takes one question.",
                hint="Ask one question in the cell, without a name before it.",
            )
        if name not in (NAME, *questions):
            raise DataError(
                f"The cell lists questions with names of their own, so {name!r} names none of "
                "them.",
                hint="Leave it out.",
            )
        values = arguments.option_values(self.shell, ElicitationOptions, args)
        with (
            self.origins.overwriting(list(questions), self.study.simulations, args),
            progress(self.shell, self.study) as on_step,
        ):
            answers: PopulationAnswers | CostEstimate = run(
                self.study, "ask_all", args, questions, on_step=on_step, **values
            )
        return answers

    def _compare_methods(
        self, args: argparse.Namespace, question: Question | str, values: dict[str, Any]
    ) -> MethodComparison | CostEstimate:
        chosen = {name: value for name, value in values.items() if name not in ("n", "method")}
        with progress(self.shell, self.study) as on_step:
            compared: MethodComparison | CostEstimate = run(
                self.study, "compare_methods", args, question, on_step=on_step, **chosen
            )
        return compared

    @magic_arguments()
    @argument("persona", help="Name of a persona.")
    @argument("--temperature", type=float, default=config.DEFAULT_TEMPERATURE, help="Sampling "
              "temperature; 0 is greedy.")  # fmt: skip
    @argument("--max-tokens", type=int, default=MAX_TOKENS, help="Maximum length of a response in "
              "tokens.")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="Seed of the exemplar and of the "
              "responses.")  # fmt: skip
    @line_magic
    @output_can_be_silenced
    def mop_chat(self, line: str) -> ChatPanel:
        """Open a panel to ask a persona questions; it shows the exemplar in the prompt.

        Responses are cached: the same questions get the same responses. `panel.conversation` has
        the transcript.

        Example: %mop_chat critic
        """
        from jupyter_mop.notebook.panels import chat_panel

        args = parsed(self.mop_chat, line)
        return chat_panel(
            self.study,
            arguments.unquoted(args.persona),
            temperature=args.temperature,
            max_tokens=args.max_tokens,
            random_state=args.seed,
        )
