"""Why a context is answered as it is: who answers it, and what they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

if TYPE_CHECKING:
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation(Viewed):
    """The weights in one context.

    Attributes
    ----------
    context : str
    is_known : bool
        Whether a record has this context; where none has, the weights follow from its words.
    personas : pandas.DataFrame
        persona, weight in this context and overall weight, in the order of the personas.
    frame : pandas.DataFrame
        The strongest exemplars, strongest first: exemplar (index), context, response, weight in
        this context, start (its uniform weight), and the persona that it owes most of it to.
    nearest : pandas.DataFrame
        The records with the nearest contexts: context, response, cosine, nearest first.
    """

    context: str
    is_known: bool
    personas: pd.DataFrame
    frame: pd.DataFrame
    nearest: pd.DataFrame

    @property
    def note(self) -> str:
        """One sentence on what the weights rest on."""
        if self.is_known:
            return "Records have this context."
        return "No record has this context: its weights follow from its words alone."

    def __repr__(self) -> str:
        share, name = max(zip(self.personas["weight"], self.personas["persona"], strict=True))
        return f"Explanation({self.context!r}, mostly {name}: {share:.0%})"


def explain(
    mixture: MixtureOfPersonas, context: str | Mapping[str, object], *, n: int = 5
) -> Explanation:
    """Return who answers a context and what they are shown, with the nearest records.

    Parameters
    ----------
    mixture : MixtureOfPersonas
        Initialised.
    context : str or mapping
        As text, or its value of each context column.
    n : int
        Most exemplars and most records.
    """
    if n < 1:
        raise DataError(f"`n` must be at least 1, got {n}.", hint="Use n=5.")
    text = context_text(context, mixture.population_.context)
    contexts, responses = known_records(mixture.population_, mixture.exemplars_)
    vector = encode_each(mixture.encoder, [text])[0]
    weights = np.exp(mixture.gate_.persona_log_weights(vector[None])[0])
    overall = mixture.persona_weights()
    return Explanation(
        text,
        text in set(mixture.population_.contexts),
        pd.DataFrame({"persona": mixture.names, "weight": weights, "overall": overall}),
        strongest_exemplars(mixture.gate_, vector, mixture.exemplars_, mixture.names, n=n),
        nearest_contexts(vector, encode_each(mixture.encoder, contexts), contexts, responses, n=n),
    )


def context_text(context: str | Mapping[str, object], columns: Sequence[str]) -> str:
    """Return a context, given as its text or by its columns, as text.

    Raises
    ------
    DataError
        For an empty text, or a mapping without one of the columns or with another.

    Examples
    --------
    >>> context_text({"place": "sea", "time": "dawn"}, ["time", "place"])
    'dawn, sea'
    """
    if isinstance(context, Mapping):
        if set(context) != set(columns):
            raise DataError(
                f"A context has the columns {list(columns)}, not {list(context)}.",
                hint="Give a value for each of them, or the context as one text.",
            )
        context = ", ".join(str(context[column]) for column in columns)
    if not isinstance(context, str) or not context.strip():
        raise DataError(
            f"A context is a text or a mapping of columns, not {context!r}.",
            hint=f"Give values of {', '.join(columns)}.",
        )
    return context


def strongest_exemplars(
    gate: Gate, vector: Array, exemplars: Sequence[Exemplar], names: Sequence[str], *, n: int
) -> pd.DataFrame:
    """Return the `n` exemplars of the largest weight in a context of this vector (d,)."""
    here = np.repeat(vector[None], len(names), axis=0)
    log_omega = gate.exemplar_log_weights(here, np.arange(len(names)))
    joint = np.exp(gate.persona_log_weights(vector[None]).T + log_omega)
    weight = joint.sum(0)
    rows = np.argsort(-weight, kind="stable")[:n]
    return pd.DataFrame(
        {
            "exemplar": rows,
            "context": [exemplars[j].context for j in rows],
            "response": [exemplars[j].response for j in rows],
            "weight": weight[rows],
            "start": 1 / len(exemplars),
            "persona": [names[k] for k in joint[:, rows].argmax(0)],
        }
    )


def nearest_contexts(
    vector: Array, vectors: Array, contexts: Sequence[str], responses: Sequence[str], *, n: int
) -> pd.DataFrame:
    """Return the `n` records whose contexts have the largest cosine with `vector`."""
    cosines = vectors @ vector
    rows = np.argsort(-cosines, kind="stable")[:n]
    return pd.DataFrame(
        {
            "context": [contexts[i] for i in rows],
            "response": [responses[i] for i in rows],
            "cosine": cosines[rows],
        }
    )


def known_records(
    population: Population, exemplars: Sequence[Exemplar]
) -> tuple[list[str], list[str]]:
    """Return contexts and responses of the records; of a loaded mixture, those of the pool."""
    if population.response in population.frame:
        return population.contexts, population.responses
    contexts = [exemplar.context for exemplar in exemplars]
    return contexts, [exemplar.response for exemplar in exemplars]
