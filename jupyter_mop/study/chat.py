"""Open a conversation with one of a study's personas."""

from __future__ import annotations

import numpy as np

from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import template_or_context
from jupyter_mop.engine.generation.conversation import Conversation, draw_exemplar
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.study.session import Session

MAX_TOKENS = 128  # of a response, unless it is set


def open_conversation(
    session: Session, persona: str | Persona, options: SimulationOptions
) -> Conversation:
    """Return a new conversation; the exemplar is drawn by the persona's weights if it has any."""
    chosen = session.persona(persona)
    return Conversation(
        chosen,
        session.backend,
        exemplar=_exemplar(session, chosen, options),
        params=options.params(MAX_TOKENS),
        random_state=options.random_state,
    )


def _exemplar(
    session: Session, persona: Persona, options: SimulationOptions
) -> tuple[str, str] | None:
    """Draw an exemplar of the population; None without records."""
    if session.population is None:
        return None
    exemplars, text = session.preview_prompt(None)
    template = template_or_context(text, session.population.context)
    mixture, weights = session.fitted_mixture, None
    if mixture is not None and persona in mixture.personas:
        by_record = mixture.exemplar_weights(mixture.population_, persona.name)
        mean = np.average(by_record, axis=0, weights=mixture.population_.weights)
        weights = (mean / mean.sum()).tolist()
    seed = options.random_state
    return draw_exemplar(exemplars, template, weights=weights, random_state=seed)
