"""Preview one persona: a few responses to contexts and exemplars drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.protocols import Backend
from jupyter_mop.engine.data.exemplars import Exemplar, draw_exemplars, pool_size
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import template_or_context
from jupyter_mop.engine.generation.baselines.method import DrawnComponents
from jupyter_mop.engine.generation.responses import PromptBuilder, simulate
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.simulation import simulation as columns
from jupyter_mop.engine.simulation.simulation import Simulation


def preview(
    persona: Persona,
    population: Population,
    exemplars: Sequence[Exemplar],
    backend: Backend,
    *,
    template: str | None = None,
    options: SimulationOptions | None = None,
) -> Simulation:
    """Preview one persona: a few responses, each with an exemplar in the prompt if there are any.

    Parameters
    ----------
    persona : Persona
        The persona; it need not be part of a mixture.
    population : Population
        Its contexts are asked.
    exemplars : sequence of Exemplar
        The pool to draw from uniformly; if empty, no exemplar is shown.
    backend : Backend
        The language model.
    template : str, optional
        The question with {column} placeholders; default: the context itself.
    options : SimulationOptions, optional
        Number of responses, sampling parameters and seed; default: two responses.

    Returns
    -------
    Simulation

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> sunny = Persona("sunny", "You say sun.")
    >>> preview(sunny, population, [], ToyBackend(["sun", "rain"], persona_boost=99)).responses
    ['sun sun sun sun', 'sun sun sun sun']
    """
    options = options or SimulationOptions(n=2)
    n, random_state = options.n, options.random_state
    contexts = population.take(population.draw(n, random_state=random_state))
    question = template_or_context(template, population.context)
    question.check(contexts.context)
    components = _uniform_components(n, len(exemplars), random_state)
    return simulate(
        contexts,
        DrawnComponents(components, exemplar=bool(exemplars)),
        PromptBuilder([persona], exemplars, question),
        backend,
        options=options,
        provenance={"name": persona.name, "weights": "one persona"},
    )


def default_pool(population: Population) -> list[Exemplar]:
    """Return the exemplar pool of a new mixture with the default size.

    Examples
    --------
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> sorted(exemplar.response for exemplar in default_pool(population))
    ['rain', 'sun']
    """
    return draw_exemplars(population, pool_size(population, config.DEFAULT_EXEMPLARS))


def _uniform_components(n: int, n_exemplars: int, random_state: int) -> pd.DataFrame:
    rng = np.random.default_rng([random_state, 2])
    exemplars = rng.integers(max(n_exemplars, 1), size=n)
    log_prob = -np.log(max(n_exemplars, 1))
    return pd.DataFrame(
        {columns.PERSONA: 0, columns.EXEMPLAR: exemplars, columns.LOG_PROB: log_prob}
    )
