"""The fit of a mixture in four steps: select components, ask the model, learn, evaluate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import MIN_RECORDS, Population, draw_records
from jupyter_mop.engine.gate.bootstrap_refits import BootstrapRefits
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.held_out import held_out_report
from jupyter_mop.engine.gate.lbfgs import LbfgsPath
from jupyter_mop.engine.mixture import component_selection
from jupyter_mop.engine.mixture.component_likelihood import ComponentLogLikelihoods, ComponentScorer
from jupyter_mop.engine.mixture.component_selection import (
    RandomSelection,
    Selection,
    select_random,
    select_shared,
)

Indices = NDArray[np.intp]
_ROUGH_ITERATIONS = 30
_MIN_HELD_OUT_EXEMPLARS = 4


@dataclass(frozen=True)
class Fit:
    """The result of a fit.

    Attributes
    ----------
    gate : Gate
        The learned weights.
    report : pandas.DataFrame
        Held-out likelihoods, see `held_out_report`.
    refits : BootstrapRefits
        Repeats the fit on resampled records.
    """

    gate: Gate
    report: pd.DataFrame
    refits: BootstrapRefits


@dataclass(frozen=True)
class FitScores:
    """The scores of training and held-out records, and the tokens of held-out responses, (n,)."""

    train: ComponentScores
    held_out: ComponentScores
    n_tokens: Indices


def fit_gate(
    scorer: ComponentScorer,
    train: Population,
    held_out: Population,
    start: Gate,
    *,
    n_components: int,
    l2: float,
    random_state: int = 0,
) -> Fit:
    """Fit the gate to training records and evaluate it on held-out records.

    Parameters
    ----------
    scorer : ComponentScorer
        The language model.
    train, held_out : Population
        See `split_records`.
    start : Gate
        The uniform gate.
    n_components : int
        Maximum number of components scored per training record, M.
    l2 : float
        Penalty on the gate's matrices.
    random_state : int
        Seed of the components.
    """
    selections = select_components(
        scorer, train, held_out, size=n_components, random_state=random_state
    )
    scores = ask_model(scorer, *selections, start, l2=l2)
    gate, path = learn_gate(start, scores, l2=l2)
    report = evaluate_gate(path, scores, random_state=random_state)
    return Fit(gate, report, BootstrapRefits(start, scores.train, scores.held_out, l2))


def split_records(
    population: Population, n_records: int, *, random_state: int = 0
) -> tuple[Population, Population]:
    """Return training and held-out records, three to one, at most `n_records` in total."""
    rows = draw_records(population, n_records, random_state=random_state + 1)
    n_held_out = max(len(rows) // 4, MIN_RECORDS // 2)
    return population.take(rows[n_held_out:]), population.take(rows[:n_held_out])


def select_components(
    scorer: ComponentScorer,
    train: Population,
    held_out: Population,
    *,
    size: int,
    random_state: int = 0,
) -> tuple[Selection | RandomSelection, Selection]:
    """Select the components to score of training and of held-out records.

    If the mixture has at most `size` components, all are selected. Otherwise `size` components of
    each training record are, and every persona with the same few exemplars for held-out records.
    """
    n_personas, exemplars = len(scorer.personas), scorer.exemplars
    if n_personas * len(exemplars) <= size:
        n_exemplars = len(exemplars)
        training: Selection | RandomSelection = select_shared(
            train, exemplars, n_personas, n_exemplars=n_exemplars
        )
    else:
        n_exemplars = max(_MIN_HELD_OUT_EXEMPLARS, size // n_personas)
        training = select_random(train, exemplars, n_personas, size=size, random_state=random_state)
    shared = select_shared(
        held_out, exemplars, n_personas, n_exemplars=n_exemplars, random_state=random_state
    )
    return training, shared


def ask_model(
    scorer: ComponentScorer,
    train: Selection | RandomSelection,
    held_out: Selection,
    start: Gate,
    *,
    l2: float,
) -> FitScores:
    """Ask the model for the scores of the selected components."""
    held_out_scores, n_tokens = ask_selection(scorer, "held-out records", held_out)
    if isinstance(train, RandomSelection):
        train_scores = ask_random_and_likely(scorer, train, start, l2=l2)
    else:
        train_scores = ask_selection(scorer, "all components", train)[0]
    return FitScores(train_scores, held_out_scores, n_tokens)


def learn_gate(start: Gate, scores: FitScores, *, l2: float) -> tuple[Gate, LbfgsPath[Gate]]:
    """Return the gate learned with early stopping on held-out records, and the L-BFGS iterates."""
    path = start.lbfgs_path(scores.train, l2=l2)
    return path.best(scores.held_out), path


def evaluate_gate(
    path: LbfgsPath[Gate], scores: FitScores, *, random_state: int = 0
) -> pd.DataFrame:
    """Return the held-out likelihoods of the learned gate and of simpler models."""
    return held_out_report(
        path.start, path.best, scores.held_out, n_tokens=scores.n_tokens, random_state=random_state
    )


def ask_selection(
    scorer: ComponentScorer, step: str, selection: Selection
) -> tuple[ComponentScores, Indices]:
    """Return the scores of all selected components and the tokens of each response, (n,).

    The scores are exact for the mixture whose pool consists of the selected exemplars.
    """
    likelihoods = scorer.ask(step, selection.population, selection.components)
    scores = scorer.scores(selection.population, likelihoods, selection.excluded)
    return scores, likelihoods.n_tokens[scores.starts]


def ask_random_and_likely(
    scorer: ComponentScorer, selection: RandomSelection, start: Gate, *, l2: float
) -> ComponentScores:
    """Return the scores of random components and of those with the largest weights.

    The random components keep the sum over all components unbiased; the likely ones make it
    precise. Likely components are selected in rounds, with the weights of a rough gate fitted to
    the scores so far.
    """
    population = selection.population
    likelihoods = scorer.ask("random components", population, selection.components)
    likely = Components.empty()
    for n_new in selection.rounds:
        known = _unbiased_scores(scorer, selection, likelihoods, likely)
        rough_train = known.take(selection.rough_records)
        rough = start.fit(rough_train, l2=l2, max_iter=_ROUGH_ITERATIONS)
        top = component_selection.top_components(
            selection.excluded, rough, size=selection.size, contexts=known.contexts
        )
        top = component_selection.until_new(top, likelihoods.components, n=n_new)
        likely = component_selection.union(likely, top)
        new = component_selection.without(top, likelihoods.components)
        if len(new):
            likelihoods = likelihoods.merged(scorer.ask("likely components", population, new))
    return _unbiased_scores(scorer, selection, likelihoods, likely)


def _unbiased_scores(
    scorer: ComponentScorer,
    selection: RandomSelection,
    likelihoods: ComponentLogLikelihoods,
    likely: Components,
) -> ComponentScores:
    """Return scores in which each random component represents those that were not drawn."""
    log_multiplicity = component_selection.log_multiplicity(
        likelihoods.components,
        likely,
        n_allowed=selection.n_allowed,
        n_sampled=selection.n_sampled,
    )
    return scorer.scores(selection.population, likelihoods, selection.excluded, log_multiplicity)
