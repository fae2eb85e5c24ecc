"""What draws prompts: the scene that it sees, and what one prompt shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.simulation.simulation import EXEMPLAR, LOG_PROB, PERSONA
from jupyter_mop.errors import DataError

N_SHOWN = 3


@dataclass(frozen=True)
class Shown:
    """What one prompt shows besides its question.

    Attributes
    ----------
    persona : int or None
        Index of the persona.
    exemplars : tuple of int
        Indices into the pool, the last one nearest the question; from J on they are the
        responses of this very simulation.
    is_component : bool
        Whether persona and exemplar were drawn as a component of the mixture.
    wishes : str
        What the response is to be like, below the question.
    """

    persona: int | None = None
    exemplars: tuple[int, ...] = ()
    is_component: bool = False
    wishes: str = ""


@dataclass(frozen=True)
class Scene:
    """All that a baseline may look at.

    Attributes
    ----------
    contexts : Population
        The n contexts to answer; what was said in them is not to be looked at.
    drawn : pandas.DataFrame
        A persona and an exemplar for each of them, drawn with uniform weights.
    population : Population
        Real records to learn from.
    n_shown : int
        Exemplars in one prompt, where a baseline shows several.
    """

    contexts: Population
    drawn: pd.DataFrame
    population: Population
    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    template: PromptTemplate
    backend: Backend
    encoder: Encoder
    n_shown: int = N_SHOWN
    random_state: int = 0
    on_step: OnStep | None = None

    def records(self) -> Population:
        """Return the real records, which a mixture that was loaded from a folder has not."""
        if self.population.response not in self.population.frame:
            raise DataError(
                "This baseline looks at real records, and a loaded mixture has none.",
                hint="Fit or initialise a mixture with the records.",
            )
        return self.population


class Method(Protocol):
    """Draws what the prompts show, in one round or in several."""

    @property
    def n_rounds(self) -> int:
        """In how many rounds it draws."""
        ...

    def draw(self, rows: Sequence[int], said: Sequence[str]) -> list[Shown]:
        """Return what the prompts of `rows` show, after `said` was said in those before."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the provenance is to say."""
        ...

    @property
    def log_prob(self) -> NDArray[np.float64] | float:
        """With what log-probability persona and exemplar were drawn, in nats; or NaN."""
        ...


@dataclass(frozen=True)
class Drawn:
    """Shows the persona or the exemplar that was drawn for each context, or both, or neither."""

    drawn: pd.DataFrame
    persona: bool = True
    exemplar: bool = True
    n_rounds: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rows: Sequence[int], said: Sequence[str]) -> list[Shown]:  # noqa: ARG002
        """Return what was drawn for each of `rows`."""
        drawn = self.drawn.iloc[list(rows)][[PERSONA, EXEMPLAR]]
        pairs = list(drawn.itertuples(index=False, name=None))
        shown = {pair: self._shown(*pair) for pair in set(pairs)}
        return [shown[pair] for pair in pairs]

    def _shown(self, persona: int, exemplar: int) -> Shown:
        return Shown(
            int(persona) if self.persona else None,
            (int(exemplar),) if self.exemplar else (),
            is_component=True,
        )

    @property
    def log_prob(self) -> NDArray[np.float64]:
        """With what log-probability persona and exemplar were drawn, shape (n,)."""
        return self.drawn[LOG_PROB].to_numpy(dtype=np.float64)
