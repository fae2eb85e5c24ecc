"""The interface of a baseline: its inputs, and the content that it draws for each prompt."""

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
from jupyter_mop.engine.simulation.simulation import EXEMPLAR, LOG_PROB, N_MIXED, PERSONA
from jupyter_mop.errors import DataError

N_SHOWN = 3


@dataclass(frozen=True)
class PromptContent:
    """The content of one prompt besides its question.

    Attributes
    ----------
    personas : tuple of int
        Indices of the personas; more than one for a mix.
    exemplars : tuple of int
        Indices into the pool of J exemplars, the last one nearest the question. Indices from J on
        are earlier responses of the same simulation.
    is_component : bool
        Whether persona and exemplar were drawn as one component of the mixture.
    instructions : str
        Text below the question.
    """

    personas: tuple[int, ...] = ()
    exemplars: tuple[int, ...] = ()
    is_component: bool = False
    instructions: str = ""


@dataclass(frozen=True)
class BaselineInputs:
    """Everything that a baseline may use.

    Attributes
    ----------
    contexts : Population
        The n contexts; their real responses must not be used.
    components : pandas.DataFrame
        A persona and an exemplar for each context, drawn with uniform weights.
    population : Population
        The training records.
    personas, exemplars : sequences
        The K personas and the pool of J exemplars.
    template : PromptTemplate
        The question.
    backend, encoder : Backend, Encoder
        The language model and the sentence encoder.
    n_shown : int
        Exemplars per prompt, for baselines that show several.
    random_state : int
        Seed of every draw.
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.
    """

    contexts: Population
    components: pd.DataFrame
    population: Population
    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    template: PromptTemplate
    backend: Backend
    encoder: Encoder
    n_shown: int = N_SHOWN
    random_state: int = 0
    on_step: OnStep | None = None

    def training_records(self) -> Population:
        """Return the training records.

        Raises
        ------
        DataError
            For a mixture loaded from a folder, which has no records.
        """
        if self.population.response not in self.population.frame:
            raise DataError(
                "This baseline requires training records, and a loaded mixture has none.",
                hint="Fit or initialise a mixture with the records.",
            )
        return self.population


class Method(Protocol):
    """Draw the content of the prompts, in one round or in several."""

    @property
    def n_rounds(self) -> int:
        """The number of rounds."""
        ...

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:
        """Return the content of the prompts `rows`, given the `responses` of earlier rounds."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Entries for the provenance."""
        ...

    @property
    def log_prob(self) -> NDArray[np.float64] | float:
        """The log-probability of each drawn persona and exemplar in nats, or NaN."""
        ...


@dataclass(frozen=True)
class DrawnComponents:
    """Show the drawn persona, the drawn exemplar, both or neither.

    Attributes
    ----------
    components : pandas.DataFrame
        persona, exemplar (indices) and log_prob of each prompt.
    persona, exemplar : bool
        Whether to show it.
    """

    components: pd.DataFrame
    persona: bool = True
    exemplar: bool = True
    n_rounds: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:  # noqa: ARG002
        """Return the drawn components of `rows`."""
        drawn = self.components.iloc[list(rows)][[PERSONA, EXEMPLAR]]
        pairs = list(drawn.itertuples(index=False, name=None))
        contents = {pair: self._content(*pair) for pair in set(pairs)}
        return [contents[pair] for pair in pairs]

    def _content(self, persona: int, exemplar: int) -> PromptContent:
        return PromptContent(
            (int(persona),) if self.persona else (),
            (int(exemplar),) if self.exemplar else (),
            is_component=True,
        )

    @property
    def log_prob(self) -> NDArray[np.float64]:
        """The log-probability of each drawn persona and exemplar in nats, shape (n,)."""
        return self.components[LOG_PROB].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class MixedComponents:
    """Show several components in each prompt: their personas and their exemplars.

    A persona or an exemplar that two components of a prompt share is shown once. The prompt has no
    single persona, and no log-probability of a component.

    Attributes
    ----------
    components : sequence of pandas.DataFrame
        The first, second, ... component of each prompt: persona and exemplar (indices).
    """

    components: Sequence[pd.DataFrame]
    n_rounds: int = 1
    log_prob: float = np.nan

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:  # noqa: ARG002
        """Return the drawn components of `rows`."""
        return [PromptContent(self._shown(PERSONA, i), self._shown(EXEMPLAR, i)) for i in rows]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The number of components in a prompt."""
        return {N_MIXED: len(self.components)}

    def _shown(self, column: str, row: int) -> tuple[int, ...]:
        drawn = [int(component[column].iloc[row]) for component in self.components]
        return tuple(dict.fromkeys(drawn))
