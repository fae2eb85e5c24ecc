"""How results look in a notebook: tables and charts, with no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.engine.evaluation.alignment import Alignment
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
    from jupyter_mop.engine.survey.population_answer import PopulationAnswer
    from jupyter_mop.engine.synthesis.synthesis import Synthesis
    from jupyter_mop.rendering import Chart, Viewed


def show_alignment(alignment: Alignment) -> None:
    """Show the table, then chart and map."""
    _show(alignment, alignment.chart, alignment.map)


def show_mixture(mixture: MixtureOfPersonas) -> None:
    """Show the weights and the held-out likelihoods, then the learned weights as a chart."""
    _show(mixture, *([mixture.plot()] if mixture.is_fitted else []))


def show_synthesis(synthesis: Synthesis) -> None:
    """Show the personas, and as a chart how their number was chosen where it was."""
    _show(synthesis, *([synthesis.plot()] if synthesis.ladder is not None else []))


def show_answer(answer: PopulationAnswer) -> None:
    """Show the shares as a table, then as a chart."""
    _show(answer, answer.plot())


def register(shell: InteractiveShell) -> None:
    """Show results with their charts wherever a cell ends in one."""
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


def _show(value: Alignment | Viewed, *charts: Chart) -> None:
    from IPython.display import display

    display({"text/plain": repr(value), "text/html": value._repr_html_()}, raw=True)
    for chart in charts:
        display(chart)
