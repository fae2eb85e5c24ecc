"""Which chart and which table display a result."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.backends.store.run_history import Runs
from jupyter_mop.charts.alignment import (
    alignment_by_context_chart,
    alignment_by_context_table,
    alignment_chart,
    alignment_table,
)
from jupyter_mop.charts.calibration import calibration_chart, calibration_table
from jupyter_mop.charts.diagnosis import diagnosis_chart, diagnosis_table
from jupyter_mop.charts.estimates import estimates_chart, estimates_table
from jupyter_mop.charts.explanation import explanation_chart, explanation_table
from jupyter_mop.charts.mixture.composition import composition_chart, composition_table
from jupyter_mop.charts.persona_weights import matched_table, mixture_chart, mixture_table
from jupyter_mop.charts.population import population_chart, population_table
from jupyter_mop.charts.questionnaire.group_shares import (
    group_shares_chart,
    group_shares_table,
    prediction_chart,
    prediction_table,
)
from jupyter_mop.charts.questionnaire.sample_design import (
    sample_design_chart,
    sample_design_table,
)
from jupyter_mop.charts.questionnaire.survey_fidelity import (
    survey_fidelity_chart,
    survey_fidelity_table,
)
from jupyter_mop.charts.questionnaire.survey_fit import (
    survey_chart,
    survey_fit_chart,
    survey_fit_table,
    survey_table,
)
from jupyter_mop.charts.runs_and_costs import capabilities_table, cost_table, runs_table
from jupyter_mop.charts.simulation import (
    conversation_table,
    simulation_chart,
    simulation_table,
)
from jupyter_mop.charts.survey import (
    answer_chart,
    answer_table,
    answers_chart,
    answers_table,
    methods_table,
)
from jupyter_mop.charts.synthesis import synthesis_chart, synthesis_table
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.engine.evaluation.alignment_by_context import AlignmentByContext
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
from jupyter_mop.engine.evaluation.estimates import Estimates
from jupyter_mop.engine.generation.conversation import Conversation
from jupyter_mop.engine.mixture.composition import Composition
from jupyter_mop.engine.mixture.explanation import Explanation
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.questionnaire.evaluation.sample_design import SampleDesign
from jupyter_mop.engine.questionnaire.evaluation.survey_fidelity import SurveyFidelity
from jupyter_mop.engine.questionnaire.group_shares import GroupShares
from jupyter_mop.engine.questionnaire.population_answers import PopulationAnswers
from jupyter_mop.engine.questionnaire.prediction import Prediction
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.survey.calibrated.method_comparison import MethodComparison
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.synthesis.synthesis import Synthesis
from jupyter_mop.engine.weighting.calibration import Calibration
from jupyter_mop.engine.weighting.matched_weights import MatchedWeights

if TYPE_CHECKING:
    from jupyter_mop.rendering import Chart


@singledispatch
def plot(value: object) -> Chart:
    """Return the chart of a result."""
    raise TypeError(f"No chart is registered for {type(value).__name__}.")


@singledispatch
def html(value: object) -> str:
    """Return the table of a result, as HTML."""
    raise TypeError(f"No table is registered for {type(value).__name__}.")


plot.register(Alignment)(lambda alignment: alignment_chart(alignment.frame))
plot.register(AlignmentByContext)(alignment_by_context_chart)
plot.register(Calibration)(calibration_chart)
plot.register(Composition)(composition_chart)
plot.register(Diagnosis)(diagnosis_chart)
plot.register(Estimates)(estimates_chart)
plot.register(Explanation)(explanation_chart)
plot.register(GroupShares)(group_shares_chart)
plot.register(MixtureOfPersonas)(mixture_chart)
plot.register(Population)(population_chart)
plot.register(PopulationAnswer)(answer_chart)
plot.register(PopulationAnswers)(answers_chart)
plot.register(Prediction)(prediction_chart)
plot.register(SampleDesign)(sample_design_chart)
plot.register(Simulation)(simulation_chart)
plot.register(Survey)(survey_chart)
plot.register(SurveyFidelity)(survey_fidelity_chart)
plot.register(SurveyFit)(survey_fit_chart)
plot.register(Synthesis)(synthesis_chart)

html.register(Alignment)(alignment_table)
html.register(AlignmentByContext)(alignment_by_context_table)
html.register(Calibration)(calibration_table)
html.register(Capabilities)(capabilities_table)
html.register(Composition)(composition_table)
html.register(Conversation)(conversation_table)
html.register(CostEstimate)(cost_table)
html.register(Diagnosis)(diagnosis_table)
html.register(Estimates)(estimates_table)
html.register(Explanation)(explanation_table)
html.register(GroupShares)(group_shares_table)
html.register(MethodComparison)(methods_table)
html.register(MatchedWeights)(matched_table)
html.register(MixtureOfPersonas)(mixture_table)
html.register(Population)(population_table)
html.register(PopulationAnswer)(answer_table)
html.register(PopulationAnswers)(answers_table)
html.register(Runs)(runs_table)
html.register(Prediction)(prediction_table)
html.register(SampleDesign)(sample_design_table)
html.register(Simulation)(simulation_table)
html.register(Survey)(survey_table)
html.register(SurveyFidelity)(survey_fidelity_table)
html.register(SurveyFit)(survey_fit_table)
html.register(Synthesis)(synthesis_table)
