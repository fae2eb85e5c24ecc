"""Persona weights learned from real answers to a closed question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import MIN_RECORDS, Population, draw_records
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.held_out import held_out_report
from jupyter_mop.engine.survey.asking import Array
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question

PENALTIES = (0.1, 0.01, 0.001)
N_EM = 1000
LEAST = 1e-4


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


def _evidence(
    answer: PopulationAnswer, population: Population, encoder: Encoder
) -> ComponentScores:
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
    return ComponentScores(
        vectors, components, np.concatenate(log_lik), excluded, population.weights
    )


def _log_lik(question: Question, table: Array, chosen: NDArray[np.bool_]) -> Array:
    """Return the log-probability of an answer under each persona, (K,), of a table (K, A)."""
    tiny = np.finfo(np.float64).tiny
    if question.kind == "multiple":
        each = np.where(chosen, table, 1 - table)
        return np.asarray(np.log(np.maximum(each, tiny)).sum(axis=1))
    return np.asarray(np.log(np.maximum(table[:, chosen.argmax()], tiny)))


def _best(start: Gate, train: ComponentScores, stop: ComponentScores) -> Gate:
    """Return the gate, alike for all contexts or not, that makes the records to stop on likeliest.

    It begins at the best weights for all contexts together, so that what the contexts add to them
    has to show on records that it was not fitted on.
    """
    base = replace(start, b=np.log(_marginal(train, len(start.b))))
    gates = [base, *(base.fit(train, stop, l2=l2) for l2 in PENALTIES)]
    return min(gates, key=lambda gate: gate.loss_and_gradient(stop)[0])


def _marginal(evidence: ComponentScores, n_personas: int) -> Array:
    """Return the persona weights, (K,), that make all records likeliest: EM, which is convex."""
    log_lik = evidence.log_lik.reshape(-1, n_personas)
    likelihood = np.exp(log_lik - log_lik.max(axis=1, keepdims=True))
    share = evidence.weight / evidence.weight.sum()
    weights = np.full(n_personas, 1 / n_personas)
    for _ in range(N_EM):
        posterior = likelihood * weights
        weights = share @ (posterior / posterior.sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(weights, LEAST))
