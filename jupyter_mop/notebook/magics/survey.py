"""The magics for a survey of several questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    line_cell_magic,
    line_magic,
    magics_class,
    output_can_be_silenced,
)
from IPython.core.magic_arguments import magic_arguments

from jupyter_mop.engine.data.dataframes import is_frame, text_columns
from jupyter_mop.engine.questionnaire.reading.question_lines import read_questions
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import NOT_FOR_SURVEYS, SurveyFit
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.magics import arguments
from jupyter_mop.notebook.magics.base import (
    StudyMagics,
    argument,
    cost_arguments,
    option_arguments,
    parsed,
    run,
)
from jupyter_mop.notebook.progress_screens import progress

if TYPE_CHECKING:
    import argparse

    import pandas as pd

    from jupyter_mop.backends.cost.estimate import CostEstimate
    from jupyter_mop.engine.questionnaire.evaluation.sample_design import SampleDesign
    from jupyter_mop.engine.questionnaire.evaluation.survey_fidelity import SurveyFidelity
    from jupyter_mop.engine.questionnaire.group_shares import GroupShares
    from jupyter_mop.engine.questionnaire.poststratification import Target
    from jupyter_mop.engine.questionnaire.prediction import Prediction
    from jupyter_mop.notebook.widgets.survey import SurveyPanel

TO = (
    "Variable with another population: a DataFrame with the context columns, or a dict of known "
    "shares by column."
)


@magics_class
class SurveyMagics(StudyMagics):
    """Fit a survey of several questions, and use the fit."""

    @magic_arguments()
    @argument("source", nargs="?", help="Variable with a DataFrame or a Survey, or a file: .sav, "
              ".dta, .csv or .qsf. Default: return the fitted survey.")  # fmt: skip
    @argument("--questions", help="Columns of the questions, separated by commas. Default: those "
              "of the cell, or of the .qsf.")  # fmt: skip
    @argument("--context", help="Columns that describe a respondent.")
    @argument("--weight", help="Column of survey weights.")
    @argument("--id", help="Column that identifies a respondent.")
    @argument("--missing", help='Answers that count as missing, such as "Refused|Don\'t know", '
              "or a variable with a dict by column.")  # fmt: skip
    @argument("--codebook", help="For a file: variable or .csv with the label of each code.")
    @argument("--answers", help="For a .qsf: variable or .csv with the answers.")
    @argument("--drop", action="store_true", dest="drop_classes", help="Leave out personas as long "
              "as held-out answers become no less likely.")  # fmt: skip
    @argument("--panel", action="store_true", help="Open the panel of the fitted survey: persona "
              "weights move the shares of all questions at once.")  # fmt: skip
    @option_arguments(ElicitationOptions, exclude=NOT_FOR_SURVEYS)
    @cost_arguments
    @line_cell_magic
    @output_can_be_silenced
    def mop_survey(
        self, line: str, cell: str | None = None
    ) -> SurveyFit | CostEstimate | SurveyPanel:
        """Fit one model to all questions of a survey: each respondent has one of the personas.

        The cell has one question per line: name: text | option | option, or name [scale]: ... for
        an ordered one. Without a cell the questions' texts are the names of their columns, or the
        labels in the file. Assign the result to a variable, as in fit = %mop_survey ...
        %mop_survey --panel opens the panel of the survey that is fitted, with no model call.

        Example: %mop_survey voters --questions vote,party --context education,age
        """
        args = parsed(self.mop_survey, line)
        if args.source is None and cell is None:
            found: SurveyFit | CostEstimate = self.study.session.require_survey()
        else:
            found = self._fit(args, self._survey(args, cell))
        if args.panel and isinstance(found, SurveyFit):
            panel: SurveyPanel = found.panel()
            return panel
        return found

    def _fit(self, args: argparse.Namespace, survey: Survey) -> SurveyFit | CostEstimate:
        with progress(self.shell, self.study) as on_step:
            fit: SurveyFit | CostEstimate = run(
                self.study,
                "survey",
                args,
                survey,
                drop_classes=args.drop_classes,
                on_step=on_step,
                **arguments.option_values(self.shell, ElicitationOptions, args),
            )
        return fit

    def _survey(self, args: argparse.Namespace, cell: str | None) -> Survey:
        """Return the survey that the line and the cell describe."""
        if args.source is None:
            raise DataError(
                "The magic has no respondents.",
                hint="Name a variable with a DataFrame, or a file, in the line of the cell.",
            )
        source = arguments.variable_or_none(self.shell, arguments.unquoted(args.source))
        if isinstance(source, Survey):
            return source
        questions = None if cell is None else read_questions(cell.rstrip().removesuffix(";"))
        if is_frame(source):
            df = text_columns(arguments.frame(self.shell, args.source))
            return Survey.from_frame(
                df, self._columns(df, args, questions), **self._roles(df, args)
            )
        path = arguments.path(args.source)
        return Survey.from_file(
            path,
            questions or (args.questions and _names(args.questions)),
            codebook=args.codebook and self._variable_or_path(args.codebook),
            answers=args.answers and self._variable_or_path(args.answers),
            **self._roles(None, args),
        )

    def _columns(
        self, df: pd.DataFrame, args: argparse.Namespace, questions: dict[str, Question] | None
    ) -> Any:  # noqa: ANN401  columns or questions
        if questions is not None:
            return questions
        if args.questions is None:
            raise DataError(
                "The survey has no questions.",
                hint="Name their columns: --questions vote,party, or write them below.",
            )
        return arguments.columns(df, args.questions)

    def _roles(self, df: pd.DataFrame | None, args: argparse.Namespace) -> dict[str, Any]:
        """Return the columns of context, weight and id, and the missing answers."""
        missing = args.missing and arguments.variable_or_text(self.shell, args.missing)
        context = args.context or ()
        if args.context:
            context = _names(args.context) if df is None else arguments.columns(df, args.context)
        return {
            "context": context,
            "weight": args.weight and arguments.unquoted(args.weight),
            "id": args.id and arguments.unquoted(args.id),
            "missing": missing,
        }

    def _variable_or_path(self, text: str) -> object:
        value = arguments.variable_or_none(self.shell, arguments.unquoted(text))
        return arguments.path(text) if value is None else value

    @magic_arguments()
    @argument("question", help="A question of the survey.")
    @argument("--by", help="A context column, or 'context' for whole contexts.")
    @argument("--to", help=TO)
    @line_magic
    @output_can_be_silenced
    def mop_shares(self, line: str) -> GroupShares:
        """Show the option shares of a surveyed question by group, with intervals.

        Example: %mop_shares vote --by age --to census
        """
        args = parsed(self.mop_shares, line)
        question = arguments.unquoted(args.question)
        by = args.by and arguments.unquoted(args.by)
        return self.study.shares(question, by, to=self._to(args))

    @magic_arguments()
    @argument("question", help="A question of the survey.")
    @line_magic
    @output_can_be_silenced
    def mop_impute(self, line: str) -> pd.DataFrame:
        """Return the probability of each option for each respondent, from their other answers.

        Example: %mop_impute vote
        """
        args = parsed(self.mop_impute, line)
        return self.study.impute(arguments.unquoted(args.question))

    @magic_arguments()
    @argument("-n", type=int, default=1000, help="Number of respondents.")
    @argument("--to", help=TO)
    @argument("--seed", type=arguments.seed, default=0, help="Seed of the draws.")
    @line_magic
    @output_can_be_silenced
    def mop_respondents(self, line: str) -> pd.DataFrame:
        """Draw whole respondents of the fitted survey, each with one persona for all answers.

        Example: %mop_respondents -n 5000 --to census
        """
        args = parsed(self.mop_respondents, line)
        return self.study.respondents(args.n, to=self._to(args), random_state=args.seed)

    @magic_arguments()
    @argument("respondents", nargs="?", help="Variable with simulated respondents. Default: one "
              "for each respondent of the survey, from fits to the others.")  # fmt: skip
    @argument("--weight", help="Column with weights of the simulated respondents.")
    @argument("--without", help="Variable with respondents simulated without personas, for the "
              "gain of personas.")  # fmt: skip
    @argument("--seed", type=arguments.seed, default=0, help="Seed of the draws and the floor.")
    @line_magic
    @output_can_be_silenced
    def mop_fidelity(self, line: str) -> SurveyFidelity:
        """Show what is wrong with simulated respondents of the survey, worst first.

        Each measure has a human floor: what a simulation without error would show by chance.

        Example: %mop_fidelity drawn --without plain
        """
        args = parsed(self.mop_fidelity, line)
        frames = [
            name if name is None else arguments.frame(self.shell, name)
            for name in (args.respondents, args.without)
        ]
        weight = args.weight and arguments.unquoted(args.weight)
        return self.study.fidelity(
            frames[0], weight=weight, without=frames[1], random_state=args.seed
        )

    @magic_arguments()
    @argument("--budget", type=int, required=True, help="Number of people to ask.")
    @argument("--level", type=float, default=0.9, help="Coverage probability of the intervals.")
    @argument("--seed", type=arguments.seed, default=0, help="Seed of the simulated studies.")
    @line_magic
    @output_can_be_silenced
    def mop_design(self, line: str) -> SampleDesign:
        """Show how many people to ask for the fit and for the estimate, and the interval to expect.

        The fitted survey is the pilot. The estimate is that of %mop_estimate.

        Example: %mop_design --budget 300
        """
        args = parsed(self.mop_design, line)
        return self.study.design(args.budget, level=args.level, random_state=args.seed)

    @magic_arguments()
    @argument("name", nargs="?", default="prediction", help="Name of the question.")
    @argument("--options", help='The options, such as "yes|no".')
    @argument("--scale", action="store_true", help="The options are an ordered scale.")
    @line_cell_magic
    @output_can_be_silenced
    def mop_predict(self, line: str, cell: str | None = None) -> Prediction:
        """Predict how the survey's respondents would answer a question that nobody was asked.

        The cell is the question. The result says how good such predictions were for the questions
        that were asked, each left out in turn. Without a cell, the earlier prediction is returned.

        Example: %%mop_predict tax --options "yes|no"
        """
        args = parsed(self.mop_predict, line)
        name = arguments.unquoted(args.name)
        if cell is None:
            return self.study.prediction(name)
        text = cell.rstrip().removesuffix(";")
        question = arguments.question(text, options=args.options, scale=args.scale)
        if not isinstance(question, Question):
            raise DataError("The question has no options.", hint='List them: --options "yes|no".')
        with progress(self.shell, self.study) as on_step:
            return self.study.predict(question, name, on_step=on_step)

    def _to(self, args: argparse.Namespace) -> Target | None:
        if args.to is None:
            return None
        value = arguments.variable(self.shell, args.to, "census = df[['age', 'weight']]")
        if isinstance(value, Mapping):
            return value
        return arguments.frame(self.shell, args.to)


def _names(text: str) -> list[str]:
    """Return names separated by commas."""
    return [name.strip() for name in arguments.unquoted(text).split(",") if name.strip()]
