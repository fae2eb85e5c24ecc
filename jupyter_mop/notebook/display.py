"""Results in notebooks: their tables and charts, displayed without a network."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jupyter_mop.charts.style.html_table import note

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.engine.evaluation.alignment import Alignment
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
    from jupyter_mop.engine.questionnaire.group_shares import GroupShares
    from jupyter_mop.engine.questionnaire.prediction import Prediction
    from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit
    from jupyter_mop.engine.survey.population_answer import PopulationAnswer
    from jupyter_mop.engine.synthesis.synthesis import Synthesis
    from jupyter_mop.rendering import Chart, Rendered


def show_alignment(alignment: Alignment) -> None:
    """Display the tables of metrics, their chart, the subgroups and the response map."""
    groups = [] if alignment.by_context is None else [alignment.by_context.plot()]
    _show(alignment, alignment.chart, *groups, alignment.map)


def show_mixture(mixture: MixtureOfPersonas) -> None:
    """Display the weights and held-out log-likelihoods, and a chart of the learned weights."""
    _show(mixture, *([mixture.plot()] if mixture.is_fitted else []))


def show_synthesis(synthesis: Synthesis) -> None:
    """Display the personas, and a chart of how their number was chosen if it was."""
    _show(synthesis, *([synthesis.plot()] if synthesis.ladder is not None else []))


def show_answer(answer: PopulationAnswer) -> None:
    """Display the option shares as a table and as a chart."""
    _show(answer, answer.plot())


def show_with_chart(result: SurveyFit | GroupShares | Prediction) -> None:
    """Display a result of a survey as a table and as a chart."""
    _show(result, result.plot())


def register(shell: InteractiveShell) -> None:
    """Display results with their charts when a cell ends in one."""
    assert shell.display_formatter is not None  # noqa: S101  every shell has one
    formatter = shell.display_formatter.ipython_display_formatter
    formatter.for_type_by_name(
        "jupyter_mop.engine.evaluation.alignment", "Alignment", show_alignment
    )
    formatter.for_type_by_name(
        "jupyter_mop.engine.mixture.mixture", "MixtureOfPersonas", show_mixture
    )
    formatter.for_type_by_name(
        "jupyter_mop.engine.synthesis.synthesis", "Synthesis", show_synthesis
    )
    formatter.for_type_by_name(
        "jupyter_mop.engine.survey.population_answer", "PopulationAnswer", show_answer
    )
    for module, name in (
        ("survey_fit", "SurveyFit"),
        ("group_shares", "GroupShares"),
        ("prediction", "Prediction"),
    ):
        path = f"jupyter_mop.engine.questionnaire.{module}"
        formatter.for_type_by_name(path, name, show_with_chart)


def warnings_as_notes(magic: Callable[..., Any]) -> Callable[..., Any]:
    """Let a magic show each UserWarning in a notebook as a note, not as red text with a path."""

    @functools.wraps(magic)
    def noting(*args: Any, **options: Any) -> Any:  # noqa: ANN401  what the magic returns
        if not hasattr(args[0].shell, "kernel"):
            return magic(*args, **options)
        with warnings.catch_warnings():
            others = warnings.showwarning

            def show(message: Warning | str, category: type[Warning], *where: Any) -> None:  # noqa: ANN401
                if category is UserWarning:
                    show_note(str(message))
                else:
                    others(message, category, *where)

            warnings.showwarning = show  # type: ignore[assignment]
            return magic(*args, **options)

    return noting


def show_note(text: str) -> None:
    """Display a sentence that limits a result."""
    from IPython.display import display

    display({"text/plain": f"Note: {text}", "text/html": note("Note:", text)}, raw=True)


def _show(value: Rendered, *charts: Chart) -> None:
    from IPython.display import display

    display({"text/plain": repr(value), "text/html": value._repr_html_()}, raw=True)
    for chart in charts:
        display(chart)
