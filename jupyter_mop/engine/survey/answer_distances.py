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
from jupyter_mop.engine.survey.question import Question

Array = NDArray[np.float64]
N_BOOTSTRAP = 300
LEVEL = (0.025, 0.975)


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
    random_state: int = 0,
) -> dict[str, Mapping[str, float]]:
    """Return the bootstrap interval and the human floor of each distance.

    Parameters
    ----------
    question : Question
    selected : ndarray of bool, shape (n, A)
        The options that real people selected.
    weights : ndarray, shape (n,)
        Their weights.
    shares : ndarray, shape (A,)
        The simulated shares.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    dict of str to mapping
        For each distance: low and high (95 % interval over real answers) and floor (the mean
        distance between two samples of n real answers).
    """
    rng = np.random.default_rng(random_state)
    size = 2, N_BOOTSTRAP, len(selected)
    drawn = rng.choice(len(selected), size, p=weights / weights.sum())
    first, second = selected[drawn].mean(axis=2)
    values = pd.DataFrame([distances(question, sample, shares) for sample in first])
    pairs = zip(first, second, strict=True)
    floors = pd.DataFrame([distances(question, *pair) for pair in pairs])
    return {
        str(name): {
            "low": float(values[name].quantile(LEVEL[0])),
            "high": float(values[name].quantile(LEVEL[1])),
            "floor": float(floors[name].mean()),
        }
        for name in values
    }
