"""Exercise 4: a population's answer, its distance, small groups, calibration and imputation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.survey.calibrated.comparison import CALIBRATED, USE_THE_MODEL
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.teaching.parsing import close, listed, names, number, numbers
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right

_TOLERANCE = 0.005


@question("4.1", "the share of each option, in the order of the table's columns")
def mixed(answer: object, *, weights: object, table: object) -> Verdict:
    """Judge the weighted mean of the personas' option probabilities."""
    v, p = np.asarray(weights, dtype=np.float64).ravel(), np.asarray(table, dtype=np.float64)
    given, expected = numbers(answer, p.shape[1]), v @ p
    if np.allclose(given, expected, atol=_TOLERANCE):
        return right("The weighted sum of the personas' answers. No sampling, so no noise.")
    if np.allclose(given, p.mean(axis=0), atol=_TOLERANCE):
        return not_yet("This is the unweighted mean over personas: the answer for equal weights.")
    if np.allclose(given, p[v.argmax()], atol=_TOLERANCE):
        return not_yet("This is the answer of the largest group alone. The others answer too.")
    if p.shape[0] == p.shape[1] and np.allclose(given, p @ v, atol=_TOLERANCE):
        return not_yet("You weighted the columns. Weight the rows: each row is one persona.")
    if not close(float(given.sum()), 1.0, 0.01):
        return not_yet(f"The shares of all options must sum to 1; yours sum to {given.sum():.2f}.")
    return not_yet(
        "For each option: the first weight times the first row, plus the second times the second, "
        "and so on."
    )


@question("4.2", "the total variation, one number between 0 and 1")
def distance(answer: object, *, predicted: object, real: object) -> Verdict:
    """Judge a total variation computed by hand."""
    given = number(answer)
    p, q = np.asarray(predicted, dtype=np.float64), np.asarray(real, dtype=np.float64)
    expected, gaps = total_variation(p, q), np.abs(p - q)
    if close(given, expected, 0.02):
        return right(f"Of 100 answers, {100 * expected:.0f} would have to move to another option.")
    if close(given, 2 * expected, 0.02):
        return not_yet(
            "This is twice the total variation: each answer that moves is counted in two options."
        )
    if close(given, float((p - q).sum()), 0.02) or abs(given) < expected / 1000:
        return not_yet("Positive and negative differences cancel. Take their absolute values.")
    if close(given, float((gaps**2).sum()), 0.02) or close(
        given, float((gaps**2).sum() ** 0.5), 0.02
    ):
        return not_yet("You used squares. Total variation uses absolute differences.")
    if close(given, float(gaps.max()), 0.02):
        return not_yet("This is the largest difference. Sum over all options, then halve.")
    return not_yet("Half the sum of the absolute differences between the shares.")


@question("4.3", "the names of the groups, as a list")
def believable(answer: object, *, answered: PopulationAnswer, by: str) -> Verdict:
    """Judge which groups are answered as well as another sample of people would answer."""
    rows = answered.distances(by).query("figure == 'TV'").set_index("group")
    expected = set(rows.index[rows["value"] <= rows["floor"]])
    given = names(answer)
    unknown = given - set(rows.index)
    if unknown:
        return not_yet(f"{listed(unknown)} is not among the groups: {listed(list(rows.index))}.")
    for name in sorted(given - expected):
        row = rows.loc[name]
        return not_yet(
            f"{name!r} is {row['value']:.3f} away, but its floor is {row['floor']:.3f}: another "
            "sample of people would be closer."
        )
    if expected - given:
        return not_yet(
            f"One more group is at or below its floor: look at {min(expected - given)!r}."
        )
    few = rows.sort_values("n").iloc[0]
    facts = f"it is {few['value']:.2f} away, its floor is {few['floor']:.2f}"
    if few.name in expected:
        return right(
            f"But be careful with {few.name!s}: {facts}, from {few['n']} real answers. With so "
            "few answers, almost anything passes."
        )
    return right(
        f"But look at {few.name!s}: {facts}, from {few['n']} real answers. The overall distance "
        "cannot show it, because the group is small. A good average hides small groups."
    )


@question("4.4", "the names of the answers, as a list")
def beaten(answer: object, *, comparison: pd.DataFrame) -> Verdict:
    """Judge which answers the calibrated mixture clearly beats in log score."""
    rows = comparison.set_index("answer").drop(index=CALIBRATED)
    expected, given = set(rows.index[rows["log_score_low"] > 0]), names(answer) - {CALIBRATED}
    if given - set(rows.index):
        return not_yet(f"The answers are {listed(list(rows.index))}.")
    for name in sorted(given - expected):
        low, high = rows.loc[name, ["log_score_low", "log_score_high"]]
        return not_yet(
            f"The gain over {name!r} may be zero or less: its interval is {low:+.3f} to "
            f"{high:+.3f}."
        )
    if expected - given:
        return not_yet(f"One more interval is above zero: look at {min(expected - given)!r}.")
    level = [name for name in rows.index if name not in USE_THE_MODEL and name not in expected]
    if not level:
        return right("It beats everything that the same people give without a model.")
    return right(
        f"It does not beat {level[-1]!r}, which asks no model at all. With this many answers the "
        "model adds nothing: calibration has mended it, by means of the answers."
    )


@question("4.5", "the probability of each option, in the order of the table's columns")
def imputed(answer: object, *, clues: object, table: object) -> Verdict:
    """Judge an imputed answer: the posterior of the personas times their option table."""
    known, p = np.asarray(clues, dtype=np.float64), np.asarray(table, dtype=np.float64)
    given, joint = numbers(answer, p.shape[1]), known.prod(axis=1)
    posterior = joint / joint.sum()
    if np.allclose(given, posterior @ p, atol=_TOLERANCE):
        return right(
            f"The likeliest persona has {posterior.max():.0%}, and the imputed answer keeps the "
            "doubt. To fill in the likeliest option would make everybody more alike than they are."
        )
    if np.allclose(given, joint @ p, atol=_TOLERANCE):
        return not_yet("Divide the products by their sum first: the personas' shares sum to 1.")
    if np.allclose(given, known[:, 0] @ p, atol=_TOLERANCE):
        return not_yet("This is the answer of everybody. Use the respondent's other answers too.")
    likelihood = known[:, 1:].prod(axis=1)
    if np.allclose(given, likelihood / likelihood.sum() @ p, atol=_TOLERANCE):
        return not_yet("You left out the first column: some personas are rarer than others.")
    if np.allclose(given, p[posterior.argmax()], atol=_TOLERANCE):
        return not_yet("This is the answer of the likeliest persona. The others are possible too.")
    return not_yet(
        "Multiply the columns of clues for each persona, divide by the sum, and weight the rows "
        "of the table with the result."
    )
