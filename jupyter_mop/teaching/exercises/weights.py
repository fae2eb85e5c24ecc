"""Exercise 2: importance weights by hand, what they cost, and weights found by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jupyter_mop.engine.data.persona_weights import named_shares
from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.teaching.parsing import Array, close, number, numbers
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right
from jupyter_mop.teaching.weights_game import HiddenWeights

_POINTS = 80


@question("2.1", "the weight of each response: an array as long as the simulation")
def importance(answer: object, *, simulation: Simulation, shares: Mapping[str, float]) -> Verdict:
    """Judge importance weights: the new share of a response's persona over its old one."""
    given = numbers(answer, len(simulation))
    wanted, codes = simulation.reweight(shares).weights, simulation.codes()
    new = np.array([shares[name] for name in simulation.names])[codes]
    drawn = (np.bincount(codes) / len(codes))[codes]
    if (given < 0).any() or not given.sum():
        return not_yet("Weights are zero or more, and not all of them zero.")
    if _alike(given, wanted):
        if not close(float(given.mean()), 1.0, 0.01):
            return right("The proportions are right. Divide by the mean, and each is worth one.")
        return right(
            "New share over old share: the rare ones count more now, the common ones less."
        )
    if _alike(given, new):
        return not_yet(
            "Each response got the new share of its persona. That is the numerator; a persona "
            "that was drawn often has many responses, so divide by the share that was drawn."
        )
    if _alike(given, drawn / new):
        return not_yet("The fraction is upside down: new share over old share.")
    if _alike(given, np.ones(len(given))):
        return not_yet("All weights are alike: these are still the shares that were drawn.")
    named = simulation.names[int(np.argmax(np.abs(_scaled(given) - wanted)[_first(codes)]))]
    return not_yet(f"Not these. Work out one response of {named!r} by hand: new share, old share.")


def _scaled(values: Array) -> Array:
    return np.asarray(values / values.mean())


def _alike(first: Array, second: Array) -> bool:
    return bool(np.allclose(_scaled(first), _scaled(second), rtol=0.02))


def _first(codes: np.ndarray) -> np.ndarray:
    return np.unique(codes, return_index=True)[1]


@question("2.2", "the effective sample size, one number")
def effective(answer: object, *, weights: object) -> Verdict:
    """Judge Kish's effective sample size."""
    given, w = number(answer), np.asarray(weights, dtype=np.float64)
    wanted = effective_sample_size(w)
    if close(given, wanted, 0.01):
        return right(
            f"{len(w)} responses are worth {wanted:.0f} that count alike: "
            f"{1 - wanted / len(w):.0%} of the work is lost to the weights."
        )
    if close(given, len(w), 0.01):
        return not_yet(f"{given:.0f} is how many responses there are, whatever they weigh.")
    if close(given, float((w**2).sum()), 0.01):
        return not_yet("That is the sum of the squares: it belongs below the fraction line.")
    if close(given, float(1 / (w**2).sum()), 0.01):
        return not_yet("1 over the sum of squares is for weights that sum to 1. Yours have mean 1.")
    if close(given, float(w.sum() / (w**2).sum()), 0.01):
        return not_yet("Above the fraction line the sum is squared as well.")
    if not 1 <= given <= len(w):
        return not_yet(f"It lies between 1 (one response counts) and {len(w)} (all count alike).")
    return not_yet("The square of the sum of the weights, over the sum of their squares.")


@question("2.3", "a share for each kind of guest, by name")
def by_hand(answer: Mapping[str, float], *, game: HiddenWeights) -> Verdict:
    """Judge weights found by hand against the hidden ones."""
    named_shares(game.study.personas, answer)
    total = float(sum(answer.values()))
    if set(answer) == set(game.names) and not close(total, 1.0, 0.02):
        return not_yet(f"The shares sum to {total:.2f}; those of a whole population sum to 1.")
    score = game.score(answer)
    told = f"{score.points} of 100 points, total variation {score.total_variation:.2f}"
    if score.points >= _POINTS:
        return right(f"{told}. Now see whether the fit does better: game.fit().")
    if not score.points:
        return not_yet(f"{told}: no nearer than equal weights. Count the words on the cards.")
    return not_yet(f"{told}; {_POINTS} will do. {game.hint()}")
