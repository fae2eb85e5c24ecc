"""The fit of a mixture in four steps: select components, ask the model, learn, evaluate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.bootstrap_refits import BootstrapRefits
from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.cross_validation import (
    PENALTIES,
    CrossValidation,
    Penalties,
    cross_validate,
    fit_stages,
    folds,
)
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.held_out import LEARNED, SINGLE, START, UNIFORM, likelihood_table
from jupyter_mop.engine.generation.sample_ratios import SampleRatios
from jupyter_mop.engine.mixture.component_likelihood import (
    ComponentLogLikelihoods,
    ComponentScorer,
)
from jupyter_mop.engine.mixture.component_selection import Selection, select_components
from jupyter_mop.engine.mixture.fit_options import LIKELIHOOD, SAMPLES

SAMPLE_EXEMPLARS = 12  # per record, whose ratios are computed; they cost no call
Indices = NDArray[np.intp]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """The result of a fit.

    Attributes
    ----------
    gate : Gate
        The learned weights, or those of the start if none are better on held-out records.
    report : pandas.DataFrame
        Held-out likelihoods, see `evaluate`.
    cross_validation : CrossValidation
        Held-out likelihoods of each record at each penalty.
    penalties : Penalties
        The chosen penalties.
    refits : BootstrapRefits
        Repeats the fit on resampled records.
    rows : numpy.ndarray, shape (n,)
        Position in the population of each record, in the order of the scores.
    sources : tuple of str
        The sources of evidence: likelihood, samples or both.
    """

    gate: Gate
    report: pd.DataFrame
    cross_validation: CrossValidation
    penalties: Penalties
    refits: BootstrapRefits
    rows: Indices
    sources: tuple[str, ...]


def fit_gate(
    scorer: ComponentScorer,
    population: Population,
    start: Gate,
    *,
    ratios: SampleRatios | None = None,
    is_scored: bool = True,
    n_components: int,
    l2: float | None = None,
    random_state: int = 0,
) -> Fit:
    """Fit the gate to records and evaluate it by cross-validation.

    Parameters
    ----------
    scorer : ComponentScorer
        The language model.
    population : Population
        The records.
    start : Gate
        The gate at which the fit starts.
    ratios : SampleRatios, optional
        Likelihood ratios that were learned from samples.
    is_scored : bool
        Whether the language model scores the records.
    n_components : int
        Number of components scored per record, M.
    l2 : float, optional
        Penalty on the gate's matrices; by default chosen by cross-validation.
    random_state : int
        Seed of the components and of the folds.
    """
    selection = select_components(
        population,
        scorer.exemplars,
        len(scorer.personas),
        size=n_components,
        random_state=random_state,
    )
    parts: dict[str, ComponentScores] = {}
    n_tokens = np.ones(len(population), dtype=np.intp)
    if is_scored:
        parts[LIKELIHOOD], n_tokens = ask_model(scorer, selection)
    if ratios:
        parts[SAMPLES] = sample_scores(scorer, ratios, selection.population, random_state)
    scores = ComponentScores.joined(list(parts.values()))
    penalties = PENALTIES if l2 is None else (l2,)
    fold = folds(selection.population.units(with_texts=False), random_state=random_state)
    validation = cross_validate(start, scores, penalties, fold)
    chosen = validation.chosen()
    gate = fit_stages(start, scores, chosen)
    report = evaluate(
        start, next(iter(parts.values())), validation, n_tokens, random_state=random_state
    )
    if not is_scored:
        report = _relative(report)
    kept = gate if validation.is_gain_clear else start
    refits = BootstrapRefits(gate, scores, chosen)
    return Fit(kept, report, validation, chosen, refits, selection.rows, tuple(parts))


def ask_model(
    scorer: ComponentScorer, selection: Selection, step: str = "component scores"
) -> tuple[ComponentScores, Indices]:
    """Return the scores of the selected components and the tokens of each response, (n,)."""
    likelihoods = scorer.ask(step, selection.population, selection.components)
    scores = scorer.scores(
        selection.population, likelihoods, selection.excluded, selection.log_multiplicity
    )
    return scores, likelihoods.n_tokens[scores.starts]


def sample_scores(
    scorer: ComponentScorer,
    ratios: SampleRatios,
    population: Population,
    random_state: int = 0,
) -> ComponentScores:
    """Return the scores of components by ratios from samples, which cost no call of the model.

    `population` is in the order of its blocks, which a second selection keeps.
    """
    n_personas = len(scorer.personas)
    selection = select_components(
        population,
        scorer.exemplars,
        n_personas,
        size=SAMPLE_EXEMPLARS * n_personas,
        random_state=random_state,
    )
    log_lik = ratios.log_lik(population.responses, selection.components)
    likelihoods = ComponentLogLikelihoods(
        selection.components, log_lik, np.ones(len(log_lik), dtype=np.intp)
    )
    return scorer.scores(population, likelihoods, selection.excluded, selection.log_multiplicity)


def evaluate(
    start: Gate,
    scores: ComponentScores,
    validation: CrossValidation,
    n_tokens: Indices,
    *,
    random_state: int = 0,
) -> pd.DataFrame:
    """Compare the held-out likelihoods of the learned weights and of simpler models.

    They are those by the first source of evidence, which `scores` are of. Weights and penalty
    that score a record were chosen without it.

    Returns
    -------
    pandas.DataFrame
        One row per model: model, log_lik_per_token (nats), low and high; and gain, gain_low and
        gain_high over the uniform mixture (paired). Intervals are 95 % bootstrap intervals.
    """
    uniform = start.uniform
    log_probs = {
        UNIFORM: uniform.log_prob(scores),
        START: validation.log_prob[0, 0],
        LEARNED: validation.learned[0],
    }
    by_persona = uniform.persona_log_prob(scores)
    if np.isfinite(by_persona).all():
        best = validation.best_of_other_folds(by_persona.T)
        log_probs = {SINGLE: by_persona[np.arange(len(best)), best], **log_probs}
    if np.allclose(log_probs[START], log_probs[UNIFORM]):
        del log_probs[START]
    return likelihood_table(
        log_probs, scores.weight, scores.weight * n_tokens, random_state=random_state
    )


def _relative(report: pd.DataFrame) -> pd.DataFrame:
    """Return a report by samples: their likelihoods are relative, so uniform weights have 0."""
    values = report[["gain", "gain_low", "gain_high"]].to_numpy()
    others = report.drop(columns=["log_lik_per_token", "low", "high"])
    for i, name in enumerate(("log_ratio", "low", "high"), start=1):
        others.insert(i, name, values[:, i - 1])
    return others
