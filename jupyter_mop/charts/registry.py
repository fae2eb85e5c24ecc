"""Which chart and which table show a result of the engine."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from jupyter_mop.charts import survey
from jupyter_mop.charts.alignment import alignment_chart, alignment_table
from jupyter_mop.charts.calibration import calibration_chart, calibration_table
from jupyter_mop.charts.diagnosis import diagnosis_chart, diagnosis_table
from jupyter_mop.charts.estimates import estimates_chart, estimates_table
from jupyter_mop.charts.explanation import explanation_chart, explanation_table
from jupyter_mop.charts.persona_weights import mixture_chart, mixture_table
from jupyter_mop.charts.population import population_chart, population_table
from jupyter_mop.charts.simulation import simulation_chart, simulation_table
from jupyter_mop.charts.synthesis import synthesis_chart, synthesis_table
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
from jupyter_mop.engine.evaluation.estimates import Estimates
from jupyter_mop.engine.mixture.explanation import Explanation
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.synthesis.synthesis import Synthesis
from jupyter_mop.engine.weighting.calibration import Calibration

if TYPE_CHECKING:
    from jupyter_mop.rendering import Chart


@singledispatch
def plot(value: object) -> Chart:
    """Return the chart that shows a population, a mixture or a simulation."""
    raise TypeError(f"There is no chart of a {type(value).__name__}.")


@singledispatch
def html(value: object) -> str:
    """Return the table that shows a population, a mixture or a simulation, as HTML."""
    raise TypeError(f"There is no table of a {type(value).__name__}.")


plot.register(Population)(population_chart)
plot.register(MixtureOfPersonas)(mixture_chart)
plot.register(Simulation)(simulation_chart)
plot.register(Alignment)(lambda alignment: alignment_chart(alignment.frame))
html.register(Alignment)(alignment_table)
html.register(Population)(population_table)
html.register(MixtureOfPersonas)(mixture_table)
html.register(Simulation)(simulation_table)
html.register(Calibration)(calibration_table)
html.register(Diagnosis)(diagnosis_table)
html.register(Estimates)(estimates_table)
plot.register(Calibration)(calibration_chart)
plot.register(Diagnosis)(diagnosis_chart)
plot.register(Estimates)(estimates_chart)
plot.register(Explanation)(explanation_chart)
html.register(Explanation)(explanation_table)
html.register(Synthesis)(synthesis_table)
plot.register(Synthesis)(synthesis_chart)
html.register(PopulationAnswer)(survey.answer_table)
plot.register(PopulationAnswer)(survey.answer_chart)
