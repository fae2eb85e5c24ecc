"""Ask a population a closed question.

The number of prompts is contexts x personas x orders; it does not depend on the number of records.
If real people answered the same question, the option probabilities contain the likelihood of each
answer under each persona, and `learned_weights` needs no further model call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.persona_weights import answer_weights
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.elicitation.eliciting import elicit
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.population_answer import NO_PERSONA, PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import read_answers, too_few_read, without_missing

Array = NDArray[np.float64]
ExemplarsOf = Callable[[Sequence[Mapping[str, str]]], Sequence[Sequence[Exemplar]]]


def ask(
    question: Question,
    population: Population,
    personas: object,
    backend: Backend,
    *,
    weights: str | Mapping[str, float] | Array | None = None,
    options: ElicitationOptions | None = None,
    encoder: Encoder | None = None,
    exemplars: ExemplarsOf | None = None,
    on_step: OnStep | None = None,
) -> PopulationAnswer:
    """Ask a population a closed question: the weighted answers of the personas by context.

    Parameters
    ----------
    question : Question
    population : Population
        Its contexts are asked. If its responses are the options, they are kept for comparison.
        Records whose answers `options.missing` sets aside are left out.
    personas : list of Persona, str, DataFrame, mapping or None
        Any input of `read_personas`; None asks without personas.
    backend : Backend
    weights : str, mapping or ndarray, optional
        "uniform", "stated" (the default: the personas' own weights), a share for each persona by
        name, or an array of shape (K,) or (C, K). See `learn_weights` for learned weights.
    options : ElicitationOptions, optional
        How to obtain the option probabilities.
    encoder : Encoder, optional
        Encodes replies and statements, for the method "anchors".
    exemplars : callable, optional
        Returns the respondents to show in each context; see `similar_respondents`.
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.

    Returns
    -------
    PopulationAnswer
    """
    options = options or ElicitationOptions()
    known = [] if personas is None else read_personas(personas)
    shares, weights_label = answer_weights(known, weights)
    population, set_aside = asked_population(population, question, options)
    contexts = distinct_contexts(population)
    records = [population.records[i] for i in contexts]
    table = elicit(
        question,
        records,
        known or [None],
        backend,
        options=options,
        encoder=encoder,
        exemplars=exemplars(records) if exemplars else (),
        on_step=on_step,
    )
    answer = PopulationAnswer(
        question,
        "answer",
        tuple(persona.name for persona in known) or (NO_PERSONA,),
        pd.DataFrame(records),
        _context_shares(population, contexts),
        np.ones(table.probabilities.shape[:2]),
        table,
        real=read_answers(population, question),
        set_aside=set_aside,
        not_real=too_few_read(population, question),
    )
    return answer.reweighted(shares, weights_label=weights_label)


def asked_population(
    population: Population, question: Question, options: ElicitationOptions
) -> tuple[Population, dict[str, int]]:
    """Return the records without answers that are set aside, and the number of each of these."""
    separator = question.separator if question.kind == "multiple" else None
    return without_missing(population, options.missing, separator=separator)


def distinct_contexts(population: Population) -> NDArray[np.intp]:
    """Return the first record of each distinct context, in order of appearance."""
    first: dict[tuple[str, ...], int] = {}
    for i, context in enumerate(population.context_keys):
        first.setdefault(context, i)
    return np.array(list(first.values()), dtype=np.intp)


def _context_shares(population: Population, contexts: NDArray[np.intp]) -> Array:
    """Return the weight share of the records in each context, shape (C,)."""
    index = {population.context_keys[i]: c for c, i in enumerate(contexts)}
    codes = np.array([index[key] for key in population.context_keys])
    totals = np.bincount(codes, population.weights, len(contexts))
    return np.asarray(totals / totals.sum())
