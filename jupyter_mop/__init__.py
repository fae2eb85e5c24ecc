"""Mixture-of-personas population simulation inside the notebook."""

from __future__ import annotations

from importlib import import_module

from jupyter_mop.engine import views

TYPE_CHECKING = False  # see engine.views
if TYPE_CHECKING:
    from typing import Any

    from IPython.core.interactiveshell import InteractiveShell

__version__ = "0.1.0"

_PUBLIC = {
    "Alignment": "alignment",
    "Calibration": "engine.calibration",
    "ChatTemplate": "backends.chat_templates",
    "Comparison": "comparison",
    "Diagnosis": "engine.diagnosis",
    "Estimates": "engine.estimates",
    "Explanation": "engine.explanation",
    "Gate": "engine.gate",
    "LocalBackend": "backends.local",
    "MiniLMEncoder": "backends.encoders",
    "MixtureOfPersonas": "engine.mixture",
    "OpenAIBackend": "backends.openai",
    "OpenAIEncoder": "backends.embeddings",
    "Persona": "engine.personas",
    "Population": "engine.population",
    "PopulationAnswer": "engine.answers",
    "PromptTemplate": "engine.prompts",
    "Question": "engine.questions",
    "SamplingParams": "backends.base",
    "Simulation": "engine.simulation",
    "Store": "backends.store",
    "Study": "study",
    "Synthesis": "engine.synthesis",
    "ToyBackend": "backends.toy",
    "ToyEncoder": "backends.toy",
    "align": "alignment",
    "calibrate": "engine.calibration",
    "ask": "engine.asking",
    "compare": "comparison",
    "datasets": "",
    "diagnose": "engine.diagnosis",
    "estimate": "engine.estimates",
    "read_personas": "engine.personas",
    "synthesize_personas": "engine.synthesis",
}
__all__ = ["__version__", "load_ipython_extension", *_PUBLIC]  # noqa: PLE0604  they are names


def _plot(value: object) -> views.Chart:
    from jupyter_mop.charts import plot

    return plot(value)


def _html(value: object) -> str:
    from jupyter_mop.charts import html

    return html(value)


def _panel(study_and_comparison: Any) -> Any:  # noqa: ANN401  a widget
    from jupyter_mop.notebook.panels import alignment_panel

    return alignment_panel(*study_and_comparison)


views.register("plot", _plot)
views.register("html", _html)
views.register("panel", _panel)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the `%mop_*` magics to an IPython shell; `%load_ext jupyter_mop` calls this."""
    from jupyter_mop.notebook.magics import register

    register(shell)


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever is public
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _PUBLIC[name]:
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
