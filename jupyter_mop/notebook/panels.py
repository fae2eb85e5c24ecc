"""Open the widgets of a study and connect them to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

if TYPE_CHECKING:
    from jupyter_mop.engine.weighting.comparison import Comparison
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
    from jupyter_mop.notebook.widgets.base import PersonaWeightsPanel
    from jupyter_mop.notebook.widgets.chat import ChatPanel
    from jupyter_mop.notebook.widgets.personas import PersonaPanel
    from jupyter_mop.notebook.widgets.weights import WeightsPanel
    from jupyter_mop.study.study import Study

_OWNERS: WeakKeyDictionary[Study, ReferenceType[PersonaWeightsPanel]] = WeakKeyDictionary()


def weights_panel(study: Study) -> WeightsPanel:
    """Return a panel of the persona weights; `study.panel_weights` follows it."""
    from jupyter_mop.notebook.widgets.weights import WeightsPanel

    names, weights = zip(*study.weights().items(), strict=True)
    panel = WeightsPanel(names, weights, learned=weights if study.session.fitted_mixture else None)
    _follow(study, panel)
    return panel


def alignment_panel(study: Study, comparison: Comparison) -> AlignmentPanel:
    """Return the alignment panel of a comparison.

    `study.panel_weights` follows it if the simulation has the study's personas.
    """
    from jupyter_mop.notebook.widgets.alignment import AlignmentPanel

    names = list(comparison.statistics.names)
    if names != [persona.name for persona in study.personas]:
        return AlignmentPanel(comparison)
    learned = list(study.weights().values()) if study.session.fitted_mixture else None
    panel = AlignmentPanel(comparison, learned=learned)
    _follow(study, panel)
    return panel


def persona_panel(study: Study) -> PersonaPanel:
    """Return a panel of the personas that writes each edit to the study at once."""
    from jupyter_mop.notebook.widgets.personas import PersonaPanel

    return PersonaPanel(study)


def chat_panel(study: Study, persona: str, **options: Any) -> ChatPanel:  # noqa: ANN401
    """Return a panel to ask one persona questions; the arguments are those of `Study.chat`."""
    from jupyter_mop.notebook.widgets.chat import ChatPanel

    return ChatPanel(study, persona, **options)


def _follow(study: Study, panel: PersonaWeightsPanel) -> None:
    """Write the panel's weights to the study while the study has the same personas.

    The panel that was opened or moved last owns `weights="panel"`, and all panels say so.
    """
    personas = study.personas

    def update(_change: object = None) -> None:
        if study.personas is not personas:
            panel.is_owner = False
            return
        study.panel_weights = panel.as_dict()
        previous = _OWNERS[study]() if study in _OWNERS else None
        if previous is not None and previous is not panel:
            previous.is_owner = False
        _OWNERS[study], panel.is_owner = ref(panel), True

    panel.observe(update, "weights")
    update()
