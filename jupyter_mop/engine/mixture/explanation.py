"""Explain a context: persona weights, strongest exemplars and nearest records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import group_text
from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.mixture.fit_verdict import term_sentences
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

if TYPE_CHECKING:
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation(Viewed):
    """The weights of personas and exemplars in one context.

    Attributes
    ----------
    context : str
        The context.
    is_known : bool
        Whether a record has this context. If none has, the weights follow from its wording.
    personas : pandas.DataFrame
        persona, weight in this context and overall weight, in the order of the personas.
    frame : pandas.DataFrame
        The exemplars with the largest weights, largest first: exemplar (index), context, response,
        weight in this context, start (its uniform weight) and the persona with the largest
        contribution to the weight.
    nearest : pandas.DataFrame
        The records with the nearest contexts, nearest first: context, response and cosine. A
        record that occurs several times is listed once.
    terms : pandas.DataFrame
        What the weights follow in every context; see `fit_verdict.coefficients`.
    """

    context: str
    is_known: bool
    personas: pd.DataFrame
    frame: pd.DataFrame
    nearest: pd.DataFrame
    terms: pd.DataFrame

    @property
    def sentences(self) -> list[str]:
        """What the weights follow in every context, in words."""
        return term_sentences(self.terms)

    @property
    def note(self) -> str:
        """One sentence on the basis of the weights."""
        if self.is_known:
            return "Records have this context."
        return "No record has this context: its weights follow from its wording alone."

    def __repr__(self) -> str:
        share, name = max(zip(self.personas["weight"], self.personas["persona"], strict=True))
        lines = [f"Explanation({self.context!r}, mostly {name}: {share:.0%})", *self.sentences]
        return "\n".join(lines)


def explain(
    mixture: MixtureOfPersonas, context: str | Mapping[str, object], *, n: int = 5
) -> Explanation:
    """Explain a context by its persona weights, strongest exemplars and nearest records.

    Parameters
    ----------
    mixture : MixtureOfPersonas
        An initialised mixture.
    context : str or mapping
        The context as text, or a value for each context column.
    n : int
        Maximum number of exemplars and of records.

    Raises
    ------
    DataError
        If `n` is less than 1 or the context is invalid; see `context_text`.
    """
    if n < 1:
        raise DataError(f"`n` must be at least 1, got {n}.", hint="Use n=5.")
    text = context_text(context, mixture.population_.context)
    contexts, responses = known_records(mixture.population_, mixture.exemplars_)
    vector = mixture.encode_contexts([text])[0]
    weights = np.exp(mixture.gate_.persona_log_weights(vector[None])[0])
    overall = mixture.persona_weights()
    d = mixture.gate_.personas.shape[1]
    return Explanation(
        text,
        _is_known(context, mixture.population_),
        pd.DataFrame({"persona": mixture.names, "weight": weights, "overall": overall}),
        strongest_exemplars(mixture.gate_, vector, mixture.exemplars_, mixture.names, n=n),
        nearest_contexts(
            vector[:d], encode_each(mixture.encoder, contexts), contexts, responses, n=n
        ),
        mixture.coefficients(),
    )


def context_text(context: str | Mapping[str, object], columns: Sequence[str]) -> str:
    """Return a context, given as text or by its columns, as text.

    Raises
    ------
    DataError
        For an empty text, or a mapping with other columns.

    Examples
    --------
    >>> context_text({"place": "sea", "time": "dawn"}, ["time", "place"])
    'dawn, sea'
    """
    if isinstance(context, Mapping):
        if set(context) != set(columns):
            raise DataError(
                f"`context` must have the columns {list(columns)}, got {list(context)}.",
                hint="Pass a value for each column, or the context as one text.",
            )
        context = ", ".join(group_text(context[column]) for column in columns)
    if not isinstance(context, str) or not context.strip():
        raise DataError(
            f"`context` must be a text or a mapping of columns, got {context!r}.",
            hint=f"Pass values of {', '.join(columns)}.",
        )
    return context


def _is_known(context: str | Mapping[str, object], population: Population) -> bool:
    if isinstance(context, Mapping):
        key = tuple(group_text(context[column]) for column in population.context)
        return key in set(population.context_keys)
    return context in {*population.contexts, *population.context_labels}


def strongest_exemplars(
    gate: Gate, vector: Array, exemplars: Sequence[Exemplar], names: Sequence[str], *, n: int
) -> pd.DataFrame:
    """Return the `n` exemplars with the largest weights in the context with this vector, (d,)."""
    contexts = np.repeat(vector[None], len(names), axis=0)
    log_omega = gate.exemplar_log_weights(contexts, np.arange(len(names)))
    joint = np.exp(gate.persona_log_weights(vector[None]).T + log_omega)
    weight = joint.sum(0)
    rows = np.argsort(-weight, kind="stable")[:n]
    start = np.exp(gate.uniform.exemplar_log_weights(contexts[:1], np.zeros(1, dtype=np.intp))[0])
    return pd.DataFrame(
        {
            "exemplar": rows,
            "context": [exemplars[j].context for j in rows],
            "response": [exemplars[j].response for j in rows],
            "weight": weight[rows],
            "start": start[rows],
            "persona": [names[k] for k in joint[:, rows].argmax(0)],
        }
    )


def nearest_contexts(
    vector: Array, vectors: Array, contexts: Sequence[str], responses: Sequence[str], *, n: int
) -> pd.DataFrame:
    """Return the `n` distinct records whose contexts have the largest cosine with `vector`."""
    first: dict[tuple[str, str], int] = {}
    for i, pair in enumerate(zip(contexts, responses, strict=True)):
        first.setdefault(pair, i)
    distinct = np.array(list(first.values()), dtype=np.intp)
    cosines = vectors @ vector
    rows = distinct[np.argsort(-cosines[distinct], kind="stable")[:n]]
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
    """Return contexts and responses of the records, or of the pool for a loaded mixture."""
    if population.response in population.frame:
        return population.contexts, population.responses
    contexts = [exemplar.context for exemplar in exemplars]
    return contexts, [exemplar.response for exemplar in exemplars]
