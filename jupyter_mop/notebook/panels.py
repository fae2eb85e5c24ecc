"""Widgets joined to the study: what a panel shows is what the verbs use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_mop.engine.weighting.comparison import Comparison
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
    from jupyter_mop.notebook.widgets.personas import PersonaPanel
    from jupyter_mop.notebook.widgets.weights import WeightsPanel
    from jupyter_mop.study.study import Study


def weights_panel(study: Study) -> WeightsPanel:
    """Return a panel of the persona weights, kept in `study.panel_weights` as it is moved."""
    from jupyter_mop.notebook.widgets.weights import WeightsPanel

    current = study.weights()
    fitted = study.mixture is not None and study.mixture.is_fitted
    panel = WeightsPanel(
        list(current), list(current.values()), learned=list(current.values()) if fitted else None
    )

    _follow(study, panel)
    return panel


def alignment_panel(study: Study, comparison: Comparison) -> AlignmentPanel:
    """Return the alignment panel of a simulation, kept in `study.panel_weights` as it is moved."""
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel

    names = comparison.statistics.names
    known = list(names) == [persona.name for persona in study.personas]
    fitted = known and study.mixture is not None and study.mixture.is_fitted
    panel = AlignmentPanel(
        comparison, learned=[study.weights()[name] for name in names] if fitted else None
    )
    if known:
        _follow(study, panel)
    return panel


def _follow(study: Study, panel: WeightsPanel | AlignmentPanel) -> None:
    """Keep what the panel shows in the study, as long as its personas are the study's."""
    personas = study.personas

    def keep(_change: object = None) -> None:
        if study.personas is personas:
            study.panel_weights = panel.as_dict()

    panel.observe(keep, "weights")
    keep()


def persona_panel(study: Study) -> PersonaPanel:
    """Return a panel of the personas, each edit of which is written to the study at once."""
    from jupyter_mop.notebook.widgets.personas import PersonaPanel

    return PersonaPanel(study)
