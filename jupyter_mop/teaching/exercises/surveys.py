"""Exercise 4: a population's answer by hand, its distance, and what small groups cannot show."""

from __future__ import annotations

import numpy as np

from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.teaching.parsing import close, listed, names, number, numbers
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right

_SAME = 0.005


@question("4.1", "the share of each option, in the order of the table's columns")
def mixed(answer: object, *, weights: object, table: object) -> Verdict:
    """Judge the weighted mean of the personas' option probabilities."""
    v, p = np.asarray(weights, dtype=np.float64).ravel(), np.asarray(table, dtype=np.float64)
    given, wanted = numbers(answer, p.shape[1]), v @ p
    if np.allclose(given, wanted, atol=_SAME):
        return right("Each persona's answer, times its weight, summed. No sampling, no noise.")
    if np.allclose(given, p.mean(axis=0), atol=_SAME):
        return not_yet("That is the plain mean over personas: the answer of equal weights.")
    if np.allclose(given, p[v.argmax()], atol=_SAME):
        return not_yet("That is the answer of the largest group alone. The others answer too.")
    if p.shape[0] == p.shape[1] and np.allclose(given, p @ v, atol=_SAME):
        return not_yet("The table was taken by its columns: weight the rows, one a persona.")
    if not close(float(given.sum()), 1.0, 0.01):
        return not_yet(f"Shares of all options sum to 1, and these to {given.sum():.2f}.")
    return not_yet("For each option: first weight times first row, plus second times second, ...")


@question("4.2", "the total variation, one number between 0 and 1")
def distance(answer: object, *, predicted: object, real: object) -> Verdict:
    """Judge a total variation by hand."""
    given = number(answer)
    p, q = np.asarray(predicted, dtype=np.float64), np.asarray(real, dtype=np.float64)
    wanted, gaps = total_variation(p, q), np.abs(p - q)
    if close(given, wanted, 0.02):
        return right(
            f"Of 100 answers, {100 * wanted:.0f} would have to be moved to another option."
        )
    if close(given, 2 * wanted, 0.02):
        return not_yet("Twice too much: who moves is missed in one option and counted in another.")
    if close(given, float((p - q).sum()), 0.02) or abs(given) < wanted / 1000:
        return not_yet(
            "With their signs, differences of shares cancel to zero. Take them absolute."
        )
    if close(given, float((gaps**2).sum()), 0.02) or close(
        given, float((gaps**2).sum() ** 0.5), 0.02
    ):
        return not_yet("Those are squares. Total variation takes the absolute differences.")
    if close(given, float(gaps.max()), 0.02):
        return not_yet("That is the largest difference of one option. Sum over all, then halve.")
    return not_yet("Half the sum of the absolute differences of the shares.")


@question("4.3", "the names of the groups, as a list")
def believable(answer: object, *, answered: PopulationAnswer, by: str) -> Verdict:
    """Judge which groups are answered as well as another sample of people would."""
    rows = answered.distances(by).query("figure == 'TV'").set_index("group")
    wanted = set(rows.index[rows["value"] <= rows["floor"]])
    given = names(answer)
    strange = given - set(rows.index)
    if strange:
        return not_yet(f"{listed(strange)} is none of the groups: {listed(list(rows.index))}.")
    for name in sorted(given - wanted):
        row = rows.loc[name]
        return not_yet(
            f"{name!r} is {row['value']:.3f} away and its floor is {row['floor']:.3f}: another "
            "sample of people would be nearer."
        )
    if wanted - given:
        return not_yet(
            f"One more is at or below its floor: look at the group {min(wanted - given)!r}."
        )
    few = rows.sort_values("n").iloc[0]
    told = f"{few['value']:.2f} away, its floor {few['floor']:.2f}, from {few['n']} real answers"
    if few.name in wanted:
        return right(
            f"Mind {few.name!s} all the same: {told}. With so few, almost anything passes."
        )
    return right(
        f"Mind {few.name!s}: {told}. The figure of everyone cannot show it, for they are few. A "
        "good average is where small groups disappear."
    )
