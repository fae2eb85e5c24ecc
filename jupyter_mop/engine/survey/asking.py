"""Asking a population a closed question: options asked once, weights given or learned.

Where real people answered the same question, the likelihood of each answer under each persona is
in the table of option probabilities already. So weights are learned with no further model call:
the number of prompts is that of contexts x personas x orders, not of records.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, OnStep
from jupyter_mop.engine.data.persona_weights import answer_weights
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.option_probabilities import option_probabilities
from jupyter_mop.engine.survey.options import ElicitationOptions
from jupyter_mop.engine.survey.population_answer import NO_PERSONA, PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]


def ask(
    question: Question,
    population: Population,
    personas: object,
    backend: Backend,
    *,
    weights: str | Mapping[str, float] | Array | None = None,
    options: ElicitationOptions | None = None,
    name: str = "answer",
    on_step: OnStep | None = None,
) -> PopulationAnswer:
    """Let a population answer a closed question: each context's personas, weighted.

    Parameters
    ----------
    question : Question
    population : Population
        Whose contexts are asked; where its responses are the options, they are compared with.
    personas : list of Persona, str, DataFrame, mapping or None
        Whatever `read_personas` reads; None asks the plain question.
    backend : Backend
    weights : str, mapping or ndarray, optional
        "uniform", "stated" (the default: what the personas say), a share for each persona by
        name, or an array of shape (K,) or (C, K). `learn` learns them.
    options : ElicitationOptions, optional
        How the option probabilities are obtained.
    name : str
    on_step : callable, optional
        Called with (what, total) before the model is asked; returns what is called at each answer.

    Returns
    -------
    PopulationAnswer
    """
    known = [] if personas is None else read_personas(personas)
    shares, described = answer_weights(known, weights)
    contexts = distinct_contexts(population)
    records = [population.records[i] for i in contexts]
    table = option_probabilities(
        question, records, known or [None], backend, options=options, on_step=on_step
    )
    answer = PopulationAnswer(
        question,
        name,
        tuple(persona.name for persona in known) or (NO_PERSONA,),
        pd.DataFrame(records),
        _sizes(population, contexts),
        np.ones(table.probabilities.shape[:2]),
        table,
        real=population if answers_with(population, question) else None,
    )
    return answer.reweighted(shares, described=described)


def distinct_contexts(population: Population) -> NDArray[np.intp]:
    """Return the first record of each different context, in their order."""
    first: dict[str, int] = {}
    for i, context in enumerate(population.contexts):
        first.setdefault(context, i)
    return np.array(list(first.values()), dtype=np.intp)


def answers_with(population: Population, question: Question) -> bool:
    """Return whether every response of the population is made of the question's options."""
    try:
        for response in set(population.responses):
            question.chosen(response)
    except DataError:
        return False
    return True


def _sizes(population: Population, contexts: NDArray[np.intp]) -> Array:
    place = {population.contexts[i]: c for c, i in enumerate(contexts)}
    codes = np.array([place[text] for text in population.contexts])
    sizes = np.bincount(codes, population.weights, len(contexts))
    return np.asarray(sizes / sizes.sum())
