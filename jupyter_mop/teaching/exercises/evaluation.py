"""Exercise 5: a human floor by hand, overlapping intervals, and whether a gain is real."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from jupyter_mop.teaching.parsing import (
    Array,
    listed,
    metric_row,
    names,
    number,
    numbers,
    overlap,
)
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right

_RESPONSES = ["yes"] * 60 + ["no"] * 40
_N_CALLS, _N_BOOT = 800, 4000
_TOLERANCE = 0.12
_MIXTURE = "mixture, one candidate"


@question("5.1", "a function floor(said, rng) that returns one number")
def floor(answer: Callable[[list[str], np.random.Generator], float]) -> Verdict:
    """Judge a human floor: the total variation between two random halves of the same people."""
    if not callable(answer):
        return not_yet("This is a number. Pass the function itself, without parentheses: floor.")
    if number(answer(["yes"] * 10, np.random.default_rng(0))) != 0:
        return not_yet(
            "If everybody answers the same, both halves are equal and the floor is 0. Yours is not."
        )
    values = [number(answer(list(_RESPONSES), np.random.default_rng(i))) for i in range(_N_CALLS)]
    if np.ptp(values) == 0:
        return not_yet(
            "The result is the same every time. Halves in the order of the list are not random: "
            "shuffle first, with rng.permutation."
            if values[0]
            else "The result is always 0: the two halves contain the same people."
        )
    truth = np.mean([_reference(_RESPONSES, np.random.default_rng(i)) for i in range(_N_CALLS)])
    return _judged_floor(float(np.mean(values) / truth), float(truth))


def _judged_floor(ratio: float, truth: float) -> Verdict:
    """Judge the ratio of a floor to the true one, on average."""
    if abs(ratio - 1) < _TOLERANCE:
        return right(
            f"About {truth:.2f} for 100 people: this is how far people are from other people. "
            "This metric cannot distinguish a simulation at the same distance from people."
        )
    if abs(ratio - 2) < 2 * _TOLERANCE:
        return not_yet(
            "This is twice the floor. Total variation is half the sum of the differences."
        )
    if abs(ratio - 0.5) < _TOLERANCE / 2:
        return not_yet(
            "This is half the floor. Compare one half with the other half, not with everybody."
        )
    if abs(ratio - 0.5**0.5) < _TOLERANCE / 2:
        return not_yet(
            "This is too small: your samples are larger than halves. Compare 50 people with 50."
        )
    return not_yet(
        f"On average this is {ratio:.1f} times the floor. Check three steps: two random halves, "
        "the share of each answer, the total variation."
    )


def _reference(responses: Sequence[str], rng: np.random.Generator) -> float:
    is_yes = np.array(responses) == "yes"
    order, half = rng.permutation(len(responses)), len(responses) // 2
    return float(abs(is_yes[order[:half]].mean() - is_yes[order[half:]].mean()))


@question("5.2", "the names of the methods, as a list")
def level_with(answer: object, *, frame: pd.DataFrame) -> Verdict:
    """Judge which methods' MAUVE intervals overlap that of the mixture with one candidate."""
    methods = [name for name in dict.fromkeys(frame["method"]) if name != _MIXTURE]
    spans = {name: _interval(frame, name) for name in [*methods, _MIXTURE]}
    expected = {name for name in methods if overlap(spans[name], spans[_MIXTURE])}
    given = names(answer) - {_MIXTURE}
    unknown = given - set(methods)
    if unknown:
        return not_yet(f"{listed(unknown)} is not among the methods: {listed(methods)}.")
    for name in sorted(given ^ expected):
        method, mixture = (
            f"{low:.3f} to {high:.3f}" for low, high in (spans[name], spans[_MIXTURE])
        )
        return not_yet(
            f"The interval of {name!r} is {method}, that of the mixture with one candidate "
            f"{mixture}: they {'overlap' if name in expected else 'do not overlap'}."
        )
    return right(
        f"This table cannot distinguish the mixture with one candidate from {listed(expected)}. "
        "All of them show the model a real record; the persona adds nothing that is visible here. "
        "Selecting one of four candidates does."
    )


def _interval(frame: pd.DataFrame, name: str) -> tuple[float, float]:
    row = metric_row(frame, name, "MAUVE")
    return float(row["low"]), float(row["high"])


@question("5.3", "the interval as (low, high)")
def gain(answer: object, *, gains: object) -> Verdict:
    """Judge a 95 % bootstrap interval of a mean."""
    low, high = numbers(answer, 2)
    values = np.asarray(gains, dtype=np.float64)
    expected = _bootstrap(values)
    width = expected[1] - expected[0]
    if low > high:
        return not_yet("The lower end is above the upper end.")
    if abs(low - expected[0]) < 0.15 * width and abs(high - expected[1]) < 0.15 * width:
        return right(_interpretation(low, high))
    ratio = (high - low) / width
    if ratio > 0.5 * len(values) ** 0.5:
        return not_yet(
            "This is the spread of single cards. The interval of their mean is narrower, by the "
            "square root of the number of cards: take the mean of each bootstrap sample."
        )
    if not low < values.mean() < high:
        return not_yet(f"The mean gain, {values.mean():.3f}, is outside this interval.")
    if ratio < 0.9:  # noqa: PLR2004
        return not_yet("This is too narrow for 95 %: leave out 2.5 % of the means at each end.")
    return not_yet(
        "Draw as many cards as there are, with replacement, and take their mean. Repeat this, "
        "then take the 2.5 % and 97.5 % quantiles of the means."
    )


def _bootstrap(values: Array) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(_N_BOOT)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _interpretation(low: float, high: float) -> str:
    interval = f"{low:.3f} to {high:.3f} nats per card"
    if low > 0:
        return f"{interval}, without zero: on cards like these, learned weights are a real gain."
    return f"{interval}, including zero: these cards do not show that learned weights help."
