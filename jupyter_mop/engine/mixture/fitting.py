"""The fit of a mixture in four steps: select components, ask the model, learn, judge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.exemplars import own_exemplars
from jupyter_mop.engine.data.population import MIN_RECORDS, Population, draw_records
from jupyter_mop.engine.gate.bootstrap_refits import BootstrapRefits
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.held_out import held_out_report
from jupyter_mop.engine.mixture import component_selection
from jupyter_mop.engine.mixture.component_likelihood import ComponentScorer
from jupyter_mop.errors import DataError

_ROUNDS = 2  # in which the likely components are selected
_ROUGH_RECORDS = 1000
_ROUGH_ITERATIONS = 30
_MIN_SETTINGS = {"n_exemplars": 1, "n_records": MIN_RECORDS, "n_components": 1, "rank": 1, "l2": 0}
_MIN_JUDGED_EXEMPLARS = 4


@dataclass(frozen=True)
class Fit:
    """What a fit found.

    Attributes
    ----------
    gate : Gate
        The learned weights.
    report : pandas.DataFrame
        See `held_out_report`.
    refits : BootstrapRefits
        Repeats the fit on resampled records.
    """

    gate: Gate
    report: pd.DataFrame
    refits: BootstrapRefits


def check_settings(settings: object) -> None:
    """Raise a DataError where an attribute of `settings` is below what a fit can use."""
    for name, least in _MIN_SETTINGS.items():
        value = getattr(settings, name)
        if not least <= value < math.inf:
            raise DataError(
                f"`{name}` must be at least {least}, got {value}.",
                hint="Leave it out for the default.",
            )


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
    """Learn the gate from some records and judge it on others.

    Parameters
    ----------
    scorer : ComponentScorer
        The language model.
    train, held_out : Population
        See `split_records`.
    start : Gate
        The uniform gate.
    n_components : int
        Most components asked for each training record, M.
    l2 : float
        Penalty on the gate's matrices.
    random_state : int
        Seed of the components.
    """
    train_scores, held_out_scores, n_tokens = select_and_ask(
        scorer, train, held_out, start, size=n_components, l2=l2, random_state=random_state
    )
    path = start.path(train_scores, l2=l2)
    return Fit(
        gate=path.best(held_out_scores),
        report=held_out_report(
            start, path.best, held_out_scores, n_tokens=n_tokens, random_state=random_state
        ),
        refits=BootstrapRefits(start, train_scores, held_out_scores, l2),
    )


def split_records(
    population: Population, n_records: int, *, random_state: int = 0
) -> tuple[Population, Population]:
    """Return training and held-out records, three to one, at most `n_records` together."""
    rows = draw_records(population, n_records, random_state=random_state + 1)
    n_held_out = max(len(rows) // 4, MIN_RECORDS // 2)
    return population.take(rows[n_held_out:]), population.take(rows[:n_held_out])


def select_and_ask(
    scorer: ComponentScorer,
    train: Population,
    held_out: Population,
    start: Gate,
    *,
    size: int,
    l2: float,
    random_state: int = 0,
) -> tuple[ComponentScores, ComponentScores, NDArray[np.intp]]:
    """Return training scores, held-out scores, and the tokens of held-out responses, (n,).

    Where the whole mixture has at most `size` components, all are asked.
    """
    n_personas, n_pool = len(scorer.personas), len(scorer.exemplars)
    is_small = n_personas * n_pool <= size
    n_judged = n_pool if is_small else max(_MIN_JUDGED_EXEMPLARS, size // n_personas)
    judged, n_tokens = ask_all(
        scorer, "held-out records", held_out, n_exemplars=n_judged, random_state=random_state
    )
    if is_small:
        learned = ask_all(scorer, "all components", train, n_exemplars=n_pool)[0]
    else:
        learned = ask_likely(scorer, train, start, size=size, l2=l2, random_state=random_state)
    return learned, judged, n_tokens


def ask_all(
    scorer: ComponentScorer,
    what: str,
    population: Population,
    *,
    n_exemplars: int,
    random_state: int = 0,
) -> tuple[ComponentScores, NDArray[np.intp]]:
    """Ask every persona with the same `n_exemplars`; also return each record's tokens, (n,).

    The scores are exact for the mixture whose pool is those exemplars.
    """
    rng = np.random.default_rng(random_state)
    shown = rng.permutation(len(scorer.exemplars))[:n_exemplars]
    excluded = own_exemplars(population, scorer.exemplars)
    excluded[:, np.setdiff1d(np.arange(len(scorer.exemplars)), shown)] = True
    _check_something_left(excluded)
    components = component_selection.all_components(excluded, len(scorer.personas))
    likelihoods = scorer.ask(what, population, components)
    scores = scorer.scores(population, likelihoods, excluded)
    return scores, likelihoods.n_tokens[scores.starts]


def ask_likely(
    scorer: ComponentScorer,
    population: Population,
    start: Gate,
    *,
    size: int,
    l2: float,
    random_state: int = 0,
) -> ComponentScores:
    """Ask `size` components of each record: half at random, then those the gate weighs most.

    The random half keeps the sum over components unbiased; the likely half makes it precise. The
    likely components are selected in rounds, by a rough gate fitted to what was asked before.
    """
    excluded = own_exemplars(population, scorer.exemplars)
    _check_something_left(excluded)
    rng = np.random.default_rng(random_state)
    sampled = component_selection.random_components(
        excluded,
        len(scorer.personas),
        size=size - size // 2,
        contexts=population.contexts,
        rng=rng,
    )
    n_allowed = len(scorer.personas) * (~excluded).sum(1)
    n_sampled = np.bincount(sampled.record, minlength=len(population))
    likelihoods, likely = scorer.ask("random components", population, sampled), _none()

    def scores() -> ComponentScores:
        log_multiplicity = component_selection.log_multiplicity(
            likelihoods.components, likely, n_allowed=n_allowed, n_sampled=n_sampled
        )
        return scorer.scores(population, likelihoods, excluded, log_multiplicity)

    some = np.sort(rng.permutation(len(population))[:_ROUGH_RECORDS])
    for places in np.array_split(np.arange(size // 2), _ROUNDS):
        if not len(places):
            break
        known = scores()
        rough = start.fit(known.take(some), l2=l2, max_iter=_ROUGH_ITERATIONS)
        top = component_selection.top_components(
            excluded, rough, size=size, contexts=known.contexts
        )
        top = component_selection.until_new(top, likelihoods.components, n=len(places))
        likely = component_selection.union(likely, top)
        new = component_selection.without(top, likelihoods.components)
        if len(new):
            likelihoods = likelihoods.merged(scorer.ask("likely components", population, new))
    return scores()


def _none() -> Components:
    empty = np.empty(0, np.intp)
    return Components(empty, empty, empty)


def _check_something_left(excluded: NDArray[np.bool_]) -> None:
    if excluded.all(1).any():
        raise DataError(
            "A record's own response is the only exemplar left to show it.",
            hint="Use more exemplars (`n_exemplars`), or more distinct responses.",
        )
