"""Asking a population a closed question: options asked once, weights given or learned.

Where real people answered the same question, the likelihood of each answer under each persona is
in the table of option probabilities already. So weights are learned with no further model call:
the number of prompts is that of contexts x personas x orders, not of records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.base import Backend, Encoder
from jupyter_mop.engine.answers import NO_PERSONA, PopulationAnswer
from jupyter_mop.engine.evidence import Evidence
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.heldout import held_out_report
from jupyter_mop.engine.learning import MIN_RECORDS, OnStep, draw_records
from jupyter_mop.engine.likelihood import Components
from jupyter_mop.engine.options import Asking, option_probabilities
from jupyter_mop.engine.personas import Persona, named_shares, persona_shares, read_personas
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.questions import Question
from jupyter_mop.engine.vectors import encode_each
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
PENALTIES = (0.1, 0.01, 0.001)
N_EM = 1000
LEAST = 1e-4


def ask(
    question: Question,
    population: Population,
    personas: object,
    backend: Backend,
    *,
    weights: str | Mapping[str, float] | Array | None = None,
    asking: Asking | None = None,
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
    asking : Asking, optional
        How the option probabilities are obtained.
    name : str
    on_step : callable, optional
        Called with (what, total) before the model is asked; returns what is called at each answer.

    Returns
    -------
    PopulationAnswer
    """
    known = [] if personas is None else read_personas(personas)
    shares, described = _stated(known, weights)
    contexts = distinct_contexts(population)
    records = [population.records[i] for i in contexts]
    table = option_probabilities(
        question, records, known or [None], backend, asking=asking, on_step=on_step
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


def learn(
    answer: PopulationAnswer,
    population: Population,
    personas: Sequence[Persona],
    encoder: Encoder,
    *,
    target: PopulationAnswer | None = None,
    rank: int = 8,
    random_state: int = 0,
) -> PopulationAnswer:
    """Return the answer with persona weights learned from real answers, with no model call.

    Weights for all contexts together are fitted by maximum likelihood, and from there the
    mixture's gate, which tells contexts apart; a quarter of the records is held out to stop on and
    to choose the penalty.

    Parameters
    ----------
    answer : PopulationAnswer
        To the contexts of `population`.
    population : Population
        Real answers, each one of the options.
    personas : sequence of Persona
    encoder : Encoder
        For the contexts and the personas.
    target : PopulationAnswer, optional
        To other contexts, which gets the weights; default: `answer` itself.
    rank : int
        Rank of the gate.
    random_state : int
        Seed of the split and of the gate's start.
    """
    rows = draw_records(population, len(population), random_state=random_state)
    n_held_out = max(len(rows) // 4, MIN_RECORDS // 2)
    start = Gate.start(
        encode_each(encoder, [persona.description for persona in personas]),
        np.zeros((1, encode_each(encoder, population.contexts[:1]).shape[1])),
        rank=rank,
        random_state=random_state,
    )
    held_out, train = (
        _evidence(answer, population.take(part), encoder)
        for part in (rows[:n_held_out], rows[n_held_out:])
    )
    report = held_out_report(
        start,
        lambda stop: _best(start, train, stop),
        held_out,
        n_tokens=np.ones(n_held_out, dtype=np.intp),
        random_state=random_state,
    ).rename(columns={"log_lik_per_token": "log_lik"})
    gate, asked = _best(start, train, held_out), target or answer
    vectors = encode_each(encoder, asked.context_texts)
    learned = asked.reweighted(np.exp(gate.persona_log_weights(vectors)), described="learned")
    return learned.with_report(report)


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


def _stated(
    personas: Sequence[Persona], weights: str | Mapping[str, float] | Array | None
) -> tuple[Array, str]:
    """Return the weights that are meant, (K,) or (C, K), and what they are in words."""
    if not personas:
        return np.ones(1), "plain"
    if isinstance(weights, np.ndarray):
        return weights, "given"
    if isinstance(weights, Mapping):
        shares = named_shares(personas, weights)
        pairs = zip(personas, shares, strict=True)
        return shares, ", ".join(f"{persona.name}={share:.3f}" for persona, share in pairs)
    if weights == "uniform":
        return np.ones(len(personas)), "uniform"
    if weights in (None, "stated"):
        return persona_shares(personas), "stated"
    raise DataError(
        f"There are no weights {weights!r}.",
        hint="Use uniform, stated, learned, or NAME=0.4,NAME=0.6.",
    )


def _evidence(answer: PopulationAnswer, population: Population, encoder: Encoder) -> Evidence:
    """Return the log-likelihood of each record's answer under each persona, for the gate."""
    n, n_personas = len(population), len(answer.personas)
    place = {text: c for c, text in enumerate(answer.context_texts)}
    tables = [answer.table.probabilities[place[text]] for text in population.contexts]
    found = {said: answer.question.chosen(said) for said in set(population.responses)}
    chosen = [found[said] for said in population.responses]
    log_lik = [_log_lik(answer.question, *pair) for pair in zip(tables, chosen, strict=True)]
    components = Components(
        np.repeat(np.arange(n), n_personas),
        np.tile(np.arange(n_personas), n),
        np.zeros(n * n_personas, dtype=np.intp),
    )
    vectors = encode_each(encoder, population.contexts)
    excluded = np.zeros((n, 1), dtype=bool)
    return Evidence(vectors, components, np.concatenate(log_lik), excluded, population.weights)


def _log_lik(question: Question, table: Array, chosen: NDArray[np.bool_]) -> Array:
    """Return the log-probability of an answer under each persona, (K,), of a table (K, A)."""
    tiny = np.finfo(np.float64).tiny
    if question.kind == "multiple":
        each = np.where(chosen, table, 1 - table)
        return np.asarray(np.log(np.maximum(each, tiny)).sum(axis=1))
    return np.asarray(np.log(np.maximum(table[:, chosen.argmax()], tiny)))


def _best(start: Gate, train: Evidence, stop: Evidence) -> Gate:
    """Return the gate, alike for all contexts or not, that makes the records to stop on likeliest.

    It begins at the best weights for all contexts together, so that what the contexts add to them
    has to show on records that it was not fitted on.
    """
    base = replace(start, b=np.log(_marginal(train, len(start.b))))
    gates = [base, *(base.fit(train, stop, l2=l2) for l2 in PENALTIES)]
    return min(gates, key=lambda gate: gate.loss_and_gradient(stop)[0])


def _marginal(evidence: Evidence, n_personas: int) -> Array:
    """Return the persona weights, (K,), that make all records likeliest: EM, which is convex."""
    log_lik = evidence.log_lik.reshape(-1, n_personas)
    likelihood = np.exp(log_lik - log_lik.max(axis=1, keepdims=True))
    share = evidence.weight / evidence.weight.sum()
    weights = np.full(n_personas, 1 / n_personas)
    for _ in range(N_EM):
        posterior = likelihood * weights
        weights = share @ (posterior / posterior.sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(weights, LEAST))
