"""Widgets joined to the study: what a panel shows is what the verbs use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_mop.notebook.widgets.personas import PersonaPanel
    from jupyter_mop.notebook.widgets.weights import WeightsPanel
    from jupyter_mop.study import Study


def weights_panel(study: Study) -> WeightsPanel:
    """Return a panel of the persona weights, kept in `study.panel_weights` as it is moved."""
    from jupyter_mop.notebook.widgets.weights import WeightsPanel

    current = study.weights()
    fitted = study.mixture is not None and study.mixture.is_fitted
    panel = WeightsPanel(
        list(current), list(current.values()), learned=list(current.values()) if fitted else None
    )

    personas = study.personas

    def keep(_change: object = None) -> None:
        if study.personas is personas:
            study.panel_weights = panel.as_dict()

    panel.observe(keep, "weights")
    keep()
    return panel


def persona_panel(study: Study) -> PersonaPanel:
    """Return a panel of the personas, each edit of which is written to the study at once."""
    from jupyter_mop.notebook.widgets.personas import PersonaPanel

    return PersonaPanel(study)
