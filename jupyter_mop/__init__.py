"""Mixture-of-personas population simulation inside the notebook."""

from __future__ import annotations

from importlib import import_module

from jupyter_mop import rendering

TYPE_CHECKING = False  # see rendering
if TYPE_CHECKING:
    from typing import Any

    from IPython.core.interactiveshell import InteractiveShell

__version__ = "0.1.0"

_PUBLIC = {
    "Alignment": "engine.evaluation.alignment",
    "Backend": "backends.protocols",
    "Calibration": "engine.weighting.calibration",
    "ChatTemplate": "backends.chat_templates",
    "Comparison": "engine.weighting.comparison",
    "Completion": "backends.protocols",
    "Composition": "engine.mixture.composition",
    "Diagnosis": "engine.evaluation.diagnosis",
    "Encoder": "backends.protocols",
    "Estimates": "engine.evaluation.estimates",
    "Explanation": "engine.mixture.explanation",
    "Gate": "engine.gate.gate",
    "GenerationRequest": "backends.protocols",
    "GroupShares": "engine.questionnaire.group_shares",
    "LocalBackend": "backends.openvino.backend",
    "Message": "backends.protocols",
    "MethodComparison": "engine.survey.calibrated.method_comparison",
    "MiniLMEncoder": "backends.openvino.encoder",
    "MixtureOfPersonas": "engine.mixture.mixture",
    "OpenAIBackend": "backends.endpoint.backend",
    "OpenAIEncoder": "backends.endpoint.encoder",
    "Persona": "engine.data.personas",
    "Population": "engine.data.population",
    "PopulationAnswer": "engine.survey.population_answer",
    "PopulationAnswers": "engine.questionnaire.population_answers",
    "Prediction": "engine.questionnaire.prediction",
    "Prompt": "backends.protocols",
    "PromptTemplate": "engine.data.prompt_template",
    "Question": "engine.survey.question",
    "SampleDesign": "engine.questionnaire.evaluation.sample_design",
    "SamplingParams": "backends.protocols",
    "ScoreRequest": "backends.protocols",
    "Simulation": "engine.simulation.simulation",
    "Store": "backends.store.sqlite_store",
    "Study": "study.study",
    "Survey": "engine.questionnaire.survey",
    "SurveyFidelity": "engine.questionnaire.evaluation.survey_fidelity",
    "SurveyFit": "engine.questionnaire.survey_fit",
    "Synthesis": "engine.synthesis.synthesis",
    "TokenScores": "backends.protocols",
    "ToyBackend": "backends.toy",
    "ToyEncoder": "backends.toy",
    "align": "engine.evaluation.alignment",
    "anchor_statements": "engine.survey.reading.anchor_ratings",
    "calibrate": "engine.weighting.calibration",
    "ask": "engine.survey.asking",
    "compare": "engine.weighting.comparison",
    "datasets": "",
    "diagnose": "engine.evaluation.diagnosis",
    "estimate": "engine.evaluation.estimates",
    "fit_survey": "engine.questionnaire.survey_fit",
    "imputation_report": "engine.questionnaire.imputation_report",
    "item_correlations": "engine.questionnaire.associations",
    "read_personas": "engine.data.personas",
    "sample_design": "engine.questionnaire.evaluation.sample_design",
    "survey_fidelity": "engine.questionnaire.evaluation.survey_fidelity",
    "synthesize_personas": "engine.synthesis.synthesis",
    "two_way": "engine.questionnaire.associations",
}
__all__ = ["__version__", "load_ipython_extension", *_PUBLIC]  # noqa: PLE0604  they are names


def _plot(value: object) -> rendering.Chart:
    from jupyter_mop.charts import plot

    return plot(value)


def _html(value: object) -> str:
    from jupyter_mop.charts import html

    return html(value)


def _map(alignment: Any) -> rendering.Chart:  # noqa: ANN401  an Alignment
    from jupyter_mop.charts import response_map

    return response_map(alignment.points, alignment.personas)


def _panel(study_and_comparison: Any) -> Any:  # noqa: ANN401  a widget
    from jupyter_mop.notebook.panels import alignment_panel

    return alignment_panel(*study_and_comparison)


def _survey_panel(fit: Any) -> Any:  # noqa: ANN401  a SurveyFit, a widget
    from jupyter_mop.notebook.widgets.survey import SurveyPanel

    return SurveyPanel(fit)


rendering.register("plot", _plot)
rendering.register("html", _html)
rendering.register("map", _map)
rendering.register("panel", _panel)
rendering.register("survey panel", _survey_panel)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the `%mop_*` magics to an IPython shell; `%load_ext jupyter_mop` calls this."""
    from jupyter_mop.notebook.magics.register import register

    register(shell)


def __getattr__(name: str) -> Any:  # noqa: ANN401  any public name
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _PUBLIC[name]:
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
