"""Exercise 2: importance weights and their price, weights by hand, and hidden subgroups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jupyter_mop.engine.data.persona_weights import named_shares
from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.engine.mixture.composition import Composition
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.teaching.parsing import Array, close, listed, names, number, numbers
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right
from jupyter_mop.teaching.weights_game import HiddenWeights

_MIN_POINTS = 80


@question("2.1", "the weight of each response: an array as long as the simulation")
def importance(answer: object, *, simulation: Simulation, shares: Mapping[str, float]) -> Verdict:
    """Judge importance weights: the new share of a response's persona over its old one."""
    given = numbers(answer, len(simulation))
    codes = simulation.codes()
    new = np.array([shares[name] for name in simulation.names])[codes]
    drawn = (np.bincount(codes) / len(codes))[codes]
    expected = _scaled(new / drawn)
    if (given < 0).any() or not given.sum():
        return not_yet("Weights must be zero or more, and at least one must be above zero.")
    if _proportional(given, expected):
        if not close(float(given.mean()), 1.0, 0.01):
            return right("The proportions are right. Divide by the mean, so that the mean is 1.")
        return right("New share over old share: rare personas count more, frequent ones less.")
    if _proportional(given, new):
        return not_yet(
            "Each response has the new share of its persona. That is the numerator. A persona "
            "that was drawn often has many responses, so divide by the share that was drawn."
        )
    if _proportional(given, drawn / new):
        return not_yet("The fraction is upside down: it is new share over old share.")
    if _proportional(given, np.ones(len(given))):
        return not_yet("All weights are equal: these are still the shares that were drawn.")
    gaps = np.abs(_scaled(given) - expected)[_first_rows(codes)]
    persona = simulation.names[int(np.argmax(gaps))]
    return not_yet(
        f"Not quite. Compute the weight of one response of {persona!r} by hand: its new share over "
        "its old share."
    )


def _scaled(values: Array) -> Array:
    return np.asarray(values / values.mean())


def _proportional(first: Array, second: Array) -> bool:
    return bool(np.allclose(_scaled(first), _scaled(second), rtol=0.02))


def _first_rows(codes: np.ndarray) -> np.ndarray:
    return np.unique(codes, return_index=True)[1]


@question("2.2", "the effective sample size, one number")
def effective(answer: object, *, weights: object) -> Verdict:
    """Judge Kish's effective sample size."""
    given, w = number(answer), np.asarray(weights, dtype=np.float64)
    expected = effective_sample_size(w)
    if close(given, expected, 0.01):
        return right(
            f"{len(w)} weighted responses are worth {expected:.0f} unweighted ones: the weights "
            f"cost {1 - expected / len(w):.0%} of the sample."
        )
    if close(given, len(w), 0.01):
        return not_yet(f"{given:.0f} is the number of responses, whatever their weights.")
    if close(given, float((w**2).sum()), 0.01):
        return not_yet("This is the sum of the squares, which is the denominator.")
    if close(given, float(1 / (w**2).sum()), 0.01):
        return not_yet("1 over the sum of squares is for weights that sum to 1. Yours have mean 1.")
    if close(given, float(w.sum() / (w**2).sum()), 0.01):
        return not_yet("Square the sum in the numerator, too.")
    if not 1 <= given <= len(w):
        return not_yet(
            f"It must be between 1 (only one response counts) and {len(w)} (all count equally)."
        )
    return not_yet("The square of the sum of the weights, divided by the sum of their squares.")


@question("2.3", "a share for each kind of guest, by name")
def by_hand(answer: Mapping[str, float], *, game: HiddenWeights) -> Verdict:
    """Judge weights found by hand against the hidden ones."""
    named_shares(game.study.personas, answer)
    total = float(sum(answer.values()))
    if set(answer) == set(game.names) and not close(total, 1.0, 0.02):
        return not_yet(f"The shares of a population must sum to 1; yours sum to {total:.2f}.")
    score = game.score(answer)
    result = f"{score.points} of 100 points, total variation {score.total_variation:.2f}"
    if score.points >= _MIN_POINTS:
        return right(f"{result}. Now see whether the fit does better: game.fit().")
    if not score.points:
        return not_yet(f"{result}: no closer than equal weights. Count the words on the cards.")
    return not_yet(f"{result}; {_MIN_POINTS} are enough. {game.hint()}")


@question("2.4", "the names of the groups, as a list")
def off(answer: object, *, composition: Composition) -> Verdict:
    """Judge which hidden groups have a true share outside the interval of their learned weight."""
    rows = composition.frame.dropna(subset="group").set_index("group")
    expected = set(rows.index[(rows["true"] < rows["low"]) | (rows["true"] > rows["high"])])
    given = names(answer)
    if given - set(rows.index):
        return not_yet(f"The groups are {listed(list(rows.index))}.")
    for name in sorted(given - expected):
        row = rows.loc[name]
        return not_yet(
            f"The true share of {name!r} is {row['true']:.3f}, inside its interval from "
            f"{row['low']:.3f} to {row['high']:.3f}: the learned weight may be right."
        )
    if expected - given:
        return not_yet(f"One more is outside its interval: look at {min(expected - given)!r}.")
    return right(_taken_by(composition, list(rows.index[rows["persona"].isna()])))


def _taken_by(composition: Composition, without_persona: list[str]) -> str:
    """Return in a sentence which personas took the records of a group without a persona."""
    if not without_persona:
        return "One interval in twenty misses the truth by chance."
    group = without_persona[0]
    taken = composition.confusion.loc[group]
    return (
        f"No persona stands for {group!r}, so its records go to the others, {taken.max():.0%} of "
        f"them to {taken.idxmax()!r}, and their weights grow. Only the hidden column shows it."
    )
