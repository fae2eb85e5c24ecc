"""Exercise 5: a human floor by hand, intervals that overlap, and a gain to believe or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from jupyter_mop.teaching.parsing import Array, figure, listed, names, number, numbers, overlap
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right

_SAID = ["yes"] * 60 + ["no"] * 40
_N_CALLS, _N_BOOT = 800, 4000
_SLACK = 0.12
_OURS = "mixture, one candidate"


@question("5.1", "a function floor(said, rng) that returns one number")
def floor(answer: Callable[[list[str], np.random.Generator], float]) -> Verdict:
    """Judge a human floor: the total variation between two random halves of the same people."""
    if not callable(answer):
        return not_yet("A number came. Pass the function itself, without brackets: floor.")
    if number(answer(["yes"] * 10, np.random.default_rng(0))) != 0:
        return not_yet("Where all say the same, two halves are alike, and the floor is 0.")
    values = [number(answer(list(_SAID), np.random.default_rng(i))) for i in range(_N_CALLS)]
    if np.ptp(values) == 0:
        return not_yet(
            "It comes out the same each time. Halves in the order of the list are no random "
            "halves: shuffle with rng.permutation first."
            if values[0]
            else "It is always 0: the two halves hold the same people."
        )
    truth = np.mean([_reference(_SAID, np.random.default_rng(i)) for i in range(_N_CALLS)])
    ratio = float(np.mean(values) / truth)
    if abs(ratio - 1) < _SLACK:
        return right(
            f"About {truth:.2f} here, for 100 people: so far apart are people from people. "
            "A simulation no further off cannot be told from them by this figure."
        )
    if abs(ratio - 2) < 2 * _SLACK:
        return not_yet("Twice too large: total variation is half the sum of the differences.")
    if abs(ratio - 0.5) < _SLACK / 2:
        return not_yet("Half too small: one half against the other half, not against everybody.")
    if abs(ratio - 0.5**0.5) < _SLACK / 2:
        return not_yet("Too small: the samples are larger than halves. Compare 50 with 50 here.")
    return not_yet(f"On average it is {ratio:.1f} times what it should be. Halves, shares, TV.")


def _reference(said: Sequence[str], rng: np.random.Generator) -> float:
    is_yes = np.array(said) == "yes"
    order, half = rng.permutation(len(said)), len(said) // 2
    return float(abs(is_yes[order[:half]].mean() - is_yes[order[half:]].mean()))


@question("5.2", "the names of the methods, as a list")
def level_with(answer: object, *, frame: pd.DataFrame) -> Verdict:
    """Judge which methods' MAUVE intervals overlap that of the mixture of one candidate."""
    methods = [name for name in dict.fromkeys(frame["method"]) if name != _OURS]
    spans = {name: _interval(frame, name) for name in [*methods, _OURS]}
    wanted = {name for name in methods if overlap(spans[name], spans[_OURS])}
    given = names(answer) - {_OURS}
    strange = given - set(methods)
    if strange:
        return not_yet(f"{listed(strange)} is none of the methods: {listed(methods)}.")
    for name in sorted(given ^ wanted):
        told = [f"{low:.3f} to {high:.3f}" for low, high in (spans[name], spans[_OURS])]
        return not_yet(
            f"{name!r} has {told[0]}, the mixture of one candidate {told[1]}: "
            f"they {'overlap' if name in wanted else 'do not touch'}."
        )
    return right(
        f"From {listed(wanted)} the mixture of one candidate is not told apart. All of them show "
        "the model a real record, and who speaks adds nothing that this table can see. Keeping "
        "one of four candidates does."
    )


def _interval(frame: pd.DataFrame, name: str) -> tuple[float, float]:
    row = figure(frame, name, "MAUVE")
    return float(row["low"]), float(row["high"])


@question("5.3", "the interval as (low, high)")
def gain(answer: object, *, gains: object) -> Verdict:
    """Judge a 95 % bootstrap interval of a mean."""
    low, high = numbers(answer, 2)
    values = np.asarray(gains, dtype=np.float64)
    wanted = _bootstrap(values)
    width = wanted[1] - wanted[0]
    if low > high:
        return not_yet("The low end is above the high end.")
    if abs(low - wanted[0]) < 0.15 * width and abs(high - wanted[1]) < 0.15 * width:
        return right(_meant(low, high))
    ratio = (high - low) / width
    if ratio > 0.5 * len(values) ** 0.5:
        return not_yet(
            "That is how far single cards lie apart. The interval of their mean is narrower, by "
            "the square root of their number: take the mean of each bootstrap sample."
        )
    if not low < values.mean() < high:
        return not_yet(f"The mean gain, {values.mean():.3f}, is outside of it.")
    if ratio < 0.9:  # noqa: PLR2004
        return not_yet("Too narrow for 95 %: leave 2.5 % of the means out at each end.")
    return not_yet("Draw as many cards as there are, with replacement; mean; 2.5 % and 97.5 %.")


def _bootstrap(values: Array) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(_N_BOOT)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _meant(low: float, high: float) -> str:
    told = f"{low:.3f} to {high:.3f} nats a card"
    if low > 0:
        return f"{told}, without zero: learned weights are a gain to believe, on cards like these."
    return f"{told}, with zero inside: these cards do not show that learned weights help."
