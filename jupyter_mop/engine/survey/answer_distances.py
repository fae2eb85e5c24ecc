"""Distances between option shares, with bootstrap intervals and the human floor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.divergences import (
    js_divergence,
    total_variation,
    wasserstein_distance,
)
from jupyter_mop.engine.metrics.half_sampling import IDENTITY, ROOT
from jupyter_mop.engine.survey.question import Question

Array = NDArray[np.float64]
N_BOOTSTRAP = 300
UPPER = 0.975


def distances(question: Question, target: Array, shares: Array) -> dict[str, float]:
    """Return JS (nats), total variation and, for a scale, Wasserstein-1 (steps).

    For a multiple-choice question these are means over the options, each as a yes-no question.
    Wasserstein-1 is among the answers on the scale: options that stay last are no points of it.

    Examples
    --------
    >>> scale = Question("How often?", ["never", "seldom", "always"], "scale")
    >>> distances(scale, np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))["W1"]
    2.0
    """
    if question.kind == "multiple":
        pairs = [
            (np.array([p, 1 - p]), np.array([q, 1 - q]))
            for p, q in zip(target, shares, strict=True)
        ]
        return {
            "JS": float(np.mean([js_divergence(*pair) for pair in pairs])),
            "TV": float(np.mean([total_variation(*pair) for pair in pairs])),
        }
    found = {"JS": js_divergence(target, shares), "TV": total_variation(target, shares)}
    if question.is_ordered:
        points = question.scale_points
        on_scale = [side[points] / side[points].sum() for side in (target, shares)]
        found["W1"] = wasserstein_distance(*on_scale)
    return found


def distance_intervals(
    question: Question,
    selected: NDArray[np.bool_],
    weights: Array,
    shares: Array,
    *,
    n_simulated: float = np.inf,
    random_state: int = 0,
) -> dict[str, Mapping[str, float]]:
    """Return the bootstrap interval and the human floor of each distance.

    Parameters
    ----------
    question : Question
    selected : ndarray of bool, shape (n, A)
        The options that real people selected.
    weights : ndarray, shape (n,)
        Their survey weights.
    shares : ndarray, shape (A,)
        The simulated shares.
    n_simulated : float
        Effective number of replies that the simulated shares were counted from; infinite for
        shares that are known exactly.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    dict of str to mapping
        For each distance: low and high (95 % interval over real answers), floor (the mean distance
        of a simulation without error: between a sample like the real answers and the shares that
        it was drawn from) and floor_high (exceeded by 2.5 % of such distances).

    Notes
    -----
    People are resampled uniformly and carry their weights, so that intervals and floors have the
    design effect of the weights (Rust and Rao 1996, *Variance estimation for complex surveys using
    replication techniques*, Statistical Methods in Medical Research 5). Drawing people by weight
    would treat them as so many people of equal weight.

    A resampled distance is too large on average, because it has the noise of sampling twice. The
    upper end is the 97.5 % quantile of the resampled distances. The lower end mirrors it at the
    distance itself, and is 0 where the distance does not exceed `floor_high`: a simulation without
    error would score as much. Coverage: ``python tests/coverage/design_effect.py``.
    """
    rng = np.random.default_rng(random_state)
    people = np.flatnonzero(weights)
    drawn = rng.choice(people, (N_BOOTSTRAP, len(people)))
    mass = weights[drawn] / weights[drawn].sum(axis=1, keepdims=True)
    samples = np.einsum("bn,bna->ba", mass, selected[drawn])
    truth = np.average(selected, axis=0, weights=weights)
    counted = _counted(question, truth, n_simulated, rng)
    values = pd.DataFrame([distances(question, sample, shares) for sample in samples])
    pairs = zip(samples, counted, strict=True)
    floors = pd.DataFrame([distances(question, *pair) for pair in pairs])
    return {
        name: _interval(name, value, values[name], floors[name])
        for name, value in distances(question, truth, shares).items()
    }


def _interval(
    name: str, value: float, values: pd.Series[float], floors: pd.Series[float]
) -> dict[str, float]:
    scale = ROOT if name == "JS" else IDENTITY
    high, floor_high = float(values.quantile(UPPER)), float(floors.quantile(UPPER))
    middle, upper = (scale.forward(np.array(number)) for number in (value, high))
    low = float(scale.backward(np.maximum(2 * middle - upper, 0.0)))
    return {
        "low": 0.0 if value <= floor_high else min(low, value),
        "high": max(high, value),
        "floor": float(floors.mean()),
        "floor_high": floor_high,
    }


def _counted(question: Question, truth: Array, n: float, rng: np.random.Generator) -> Array:
    """Return shares that `n` replies give if people answer with these shares, (B, A)."""
    if not np.isfinite(n):
        return np.tile(truth, (N_BOOTSTRAP, 1))
    size = max(1, round(n))
    if question.kind == "multiple":
        return rng.binomial(size, truth, (N_BOOTSTRAP, len(truth))) / size
    return np.asarray(rng.multinomial(size, truth / truth.sum(), N_BOOTSTRAP) / size)
