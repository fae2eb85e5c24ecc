"""Persona weights learned from real answers to a closed question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import (
    MIN_RECORDS,
    Population,
    check_enough_records,
    content_order,
)
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.held_out import held_out_report
from jupyter_mop.engine.gate.likeliest_weights import likeliest_weights
from jupyter_mop.engine.survey.multiple_choice import log_likelihood
from jupyter_mop.engine.survey.population_answer import PopulationAnswer

Array = NDArray[np.float64]
PENALTIES = (0.1, 0.01, 0.001)
N_EM = 1000
MIN_WEIGHT = 1e-4


def learn_weights(
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

    Weights common to all contexts are fitted by maximum likelihood. From these, the gate of the
    mixture is fitted, whose weights depend on the context. A quarter of the records is held out
    for early stopping and for choosing the penalty; then both are fitted to all records.

    Parameters
    ----------
    answer : PopulationAnswer
        The answer in the contexts of `population`.
    population : Population
        Real answers, each one of the options.
    personas : sequence of Persona
        The K personas of the answer.
    encoder : Encoder
        Encodes contexts and personas.
    target : PopulationAnswer, optional
        The answer in other contexts that gets the weights; default: `answer` itself.
    rank : int
        Rank of the gate.
    random_state : int
        Seed of the split and of the gate's start.
    """
    held_out, train = _split_scores(answer, population, encoder, random_state)
    start = Gate.start(
        encode_each(encoder, [persona.description for persona in personas]),
        np.zeros((1, encode_each(encoder, population.contexts[:1]).shape[1])),
        rank=rank,
        random_state=random_state,
    )
    report = held_out_report(
        start,
        lambda validation: _choose(start, train, validation).gate,
        held_out,
        n_tokens=np.ones(len(held_out.weight), dtype=np.intp),
        random_state=random_state,
    ).rename(columns={"log_lik_per_token": "log_lik"})
    everyone = _component_scores(answer, population.counted(), encoder)
    gate = _choose(start, train, held_out).refitted(everyone)
    reweighted = target or answer
    vectors = encode_each(encoder, reweighted.subgroups.texts)
    weights = np.exp(gate.persona_log_weights(vectors))
    return reweighted.reweighted(weights, weights_label="learned").with_report(report)


def _split_scores(
    answer: PopulationAnswer, population: Population, encoder: Encoder, random_state: int
) -> tuple[ComponentScores, ComponentScores]:
    """Return the scores of held-out and of training records, one to three.

    Rows of one group stay together.
    """
    known = population.counted()
    check_enough_records(int(np.count_nonzero(known.weights)))
    units = known.units()
    order = content_order(known, random_state=random_state)
    ranked = order[np.argsort(pd.factorize(units[order])[0], kind="stable")]
    wanted = max(len(known) // 4, MIN_RECORDS // 2)
    ends = np.flatnonzero(np.diff(units[ranked])) + 1
    place = min(int(np.searchsorted(ends, wanted)), len(ends) - 1)
    n_held_out = int(ends[place]) if len(ends) else wanted
    return (
        _component_scores(answer, known.take(ranked[:n_held_out]), encoder),
        _component_scores(answer, known.take(ranked[n_held_out:]), encoder),
    )


def _component_scores(
    answer: PopulationAnswer, population: Population, encoder: Encoder
) -> ComponentScores:
    """Return the log-likelihood of each record's answer under each persona."""
    n, n_personas = len(population), len(answer.personas)
    index = {key: c for c, key in enumerate(answer.subgroups.keys)}
    contexts = [index[key] for key in population.context_keys]
    options = {text: answer.question.selected_options(text) for text in set(population.responses)}
    pairs = zip(contexts, population.responses, strict=True)
    log_lik = [_log_lik(answer, c, options[text]) for c, text in pairs]
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


def _log_lik(answer: PopulationAnswer, c: int, selected: NDArray[np.bool_]) -> Array:
    """Return the log-probability of an answer under each persona in the context `c`, (K,).

    An answer is next to impossible for a persona who did not answer there.
    """
    question, table, lowest = answer.question, answer.table, np.log(np.finfo(np.float64).tiny)
    if question.kind == "multiple":
        found = log_likelihood(table.probabilities[c], selected, question.exclusive_index)
    else:
        found = np.log(np.maximum(table.probabilities[c, :, selected.argmax()], np.exp(lowest)))
    return found if table.answered is None else np.where(table.answered[c], found, lowest)


@dataclass(frozen=True)
class _Choice:
    """The gate with the highest likelihood on held-out records, and how to fit it to others.

    Attributes
    ----------
    start, gate : Gate
        The gate at which the fit began, and the fitted one.
    l2 : float
        Penalty of the dependence on the context.
    n_iterations : int
        Iterations after which the fit was best; 0 for weights common to all contexts.
    """

    start: Gate
    gate: Gate
    l2: float = 0.0
    n_iterations: int = 0

    def refitted(self, scores: ComponentScores) -> Gate:
        """Return the gate fitted in the same way to other records."""
        common = _common_gate(self.start, scores)
        if not self.n_iterations:
            return common
        return common.fit(scores, l2=self.l2, max_iter=self.n_iterations)


def _choose(start: Gate, train: ComponentScores, validation: ComponentScores) -> _Choice:
    """Choose between common weights and ones that depend on the context, at several penalties.

    Each fit starts at the best weights common to all contexts. The dependence on the context is
    kept only if it improves the likelihood of records that it was not fitted to.
    """
    common = _common_gate(start, train)
    choices = [_Choice(start, common), *(_fitted(start, common, train, validation, l2)
                                         for l2 in PENALTIES)]  # fmt: skip
    return min(choices, key=lambda choice: choice.gate.loss(validation))


def _fitted(
    start: Gate, common: Gate, train: ComponentScores, validation: ComponentScores, l2: float
) -> _Choice:
    losses = [common.loss(validation)]
    gate = common.fit(train, validation, l2=l2, on_iteration=lambda _, loss: losses.append(loss))
    return _Choice(start, gate, l2, int(np.argmin(losses)))


def _common_gate(start: Gate, scores: ComponentScores) -> Gate:
    return replace(start, b=np.log(_common_weights(scores, len(start.b))))


def _common_weights(scores: ComponentScores, n_personas: int) -> Array:
    """Return the maximum-likelihood weights common to all contexts, (K,), by EM (convex)."""
    log_lik = scores.log_lik.reshape(-1, n_personas)
    likelihood = np.exp(log_lik - log_lik.max(axis=1, keepdims=True))
    shares = scores.weight / scores.weight.sum()
    weights = likeliest_weights(likelihood, shares[None], max_rounds=N_EM, tolerance=0.0)[0]
    return np.asarray(np.maximum(weights, MIN_WEIGHT))
