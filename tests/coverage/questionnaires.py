"""Whole questionnaires with known truths: classes, item tables, correlations, imputed answers.

Four kinds of people answer five questions. The toy model knows them up to its habits: their answers
are the model's to a power, times a factor for each option.

Run: python tests/coverage/questionnaires.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop import Question, ToyBackend
from jupyter_mop.engine.questionnaire.associations import item_correlations
from jupyter_mop.engine.questionnaire.imputation_report import (
    CLASSES_ALONE,
    METHODS,
    MODEL,
    choose_settings,
    imputation_losses,
)
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.questionnaire.survey_fit import fit_survey

ITEMS = {
    "drink": ["tea", "milk", "juice"],
    "place": ["home", "office", "cafe", "park"],
    "when": ["dawn", "noon", "dusk"],
    "with": ["bread", "cake", "fruit", "eggs", "soup"],
    "mood": ["calm", "merry", "tired"],
}
PERSONAS = """
a: tea home dawn bread calm
b: milk office noon cake merry
c: juice cafe dusk fruit tired
d: tea park noon eggs merry
"""
SIZES = np.array([0.4, 0.3, 0.2, 0.1])
AGES = ("young", "old")
TILT = 0.8  # how far the sizes differ by age
POWER, HABIT = 1.25, 0.7


@dataclass(frozen=True)
class Town:
    """People of four kinds.

    Attributes
    ----------
    backend : ToyBackend
    sizes : ndarray, shape (2, 4)
        Shares of the kinds by age.
    tables : dict of str to ndarray, each of shape (4, A)
        Their answers.
    """

    backend: ToyBackend
    sizes: np.ndarray
    tables: dict[str, np.ndarray]

    @property
    def questions(self) -> dict[str, Question]:
        return {name: Question(f"What is your {name}?", ITEMS[name]) for name in ITEMS}

    def people(self, n: int, *, seed: int) -> Survey:
        """Return `n` people, one answer in twenty missing."""
        rng = np.random.default_rng(seed)
        age = rng.integers(2, size=n)
        kind = (self.sizes[age].cumsum(1) < rng.random((n, 1))).sum(1)
        frame = pd.DataFrame({"age": np.array(AGES)[age]})
        for name, table in self.tables.items():
            codes = (table[kind].cumsum(1) < rng.random((n, 1))).sum(1)
            answers = np.array(ITEMS[name], dtype=object)[codes]
            frame[name] = np.where(rng.random(n) < 0.05, None, answers)
        return Survey.from_frame(frame, self.questions, context="age")


def town(*, is_right: bool = True) -> Town:
    """Return a town whose people the model knows, or knows wrongly (answers in another order)."""
    rng = np.random.default_rng(7)
    words = [word for options in ITEMS.values() for word in options]
    backend = ToyBackend(words, length=1, persona_boost=2.0)
    tables = {}
    for name, options in ITEMS.items():
        said = np.array([[word in line.split() for word in options]
                         for line in PERSONAS.strip().splitlines()])  # fmt: skip
        habit = HABIT * rng.standard_normal(len(options))
        if not is_right:
            said = said[rng.permutation(len(said))]
        logits = POWER * backend.persona_boost * said + habit
        tables[name] = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    tilt = np.exp(TILT * np.array([[1, -1, 1, -1], [-1, 1, -1, 1]]) / 2)
    sizes = SIZES * tilt
    return Town(backend, sizes / sizes.sum(1, keepdims=True), tables)


def recovered(world: Town, n: int, *, seed: int) -> dict[str, float]:
    """Fit, and return how far class sizes and item tables are from the truth (TV)."""
    fit = fit_survey(world.people(n, seed=seed), PERSONAS, world.backend)
    truth = world.sizes.mean(0)
    sizes = fit.class_sizes()
    inside = (sizes["low"] <= truth) & (truth <= sizes["high"])
    tables = np.array([np.abs(fit.item_table(name)[0] - table).sum(1) / 2
                       for name, table in world.tables.items()])  # fmt: skip
    covered = []
    for name, table in world.tables.items():
        frame = fit.shares(name, "age").frame
        for group, weights in zip(("everyone", *AGES), (truth, *world.sizes), strict=True):
            rows = frame[frame["group"] == group]
            shares = weights @ table
            covered += ((rows["low"] <= shares) & (shares <= rows["high"])).tolist()
    return {
        "sizes": float(np.abs(sizes["share"] - truth).sum() / 2),
        "tables": float(tables.mean()),
        "worst table": float(tables.max()),
        "coverage of sizes": float(inside.mean()),
        "of shares by group": float(np.mean(covered)),
    }


def imputed(world: Town, n: int, *, seed: int, n_test: int = 1000) -> dict[str, float]:
    """Learn from `n` people, impute other people's answers; return mean log-losses in nats."""
    everyone = world.people(n + n_test, seed=seed)
    rows = np.arange(n + n_test)
    fit = fit_survey(everyone, PERSONAS, world.backend)  # its tables; each method learns from n
    settings = choose_settings(fit, rows[:n])
    losses = imputation_losses(fit, settings, rows[:n], rows[n:])
    return {name: float(np.nanmean(values)) for name, values in losses.items()}


if __name__ == "__main__":
    right, wrong = town(), town(is_right=False)
    print("the model is right up to its habits: TV from the truth, mean of 10 seeds")
    for n in (300, 1000):
        found = pd.DataFrame([recovered(right, n, seed=seed) for seed in range(10)]).mean()
        print(f"  n = {n}: " + ", ".join(f"{name} {x:.3f}" for name, x in found.items()))
    fits = [fit_survey(right.people(1000, seed=seed), PERSONAS, right.backend) for seed in range(5)]
    gaps = pd.concat([item_correlations(fit, random_state=seed) for seed, fit in enumerate(fits)])
    above = (gaps["gap"] > gaps["floor_high"]).mean()
    print(
        f"item correlations of drawn respondents, n = 1000: mean gap {gaps['gap'].mean():.3f}, "
        f"floor {gaps['floor'].mean():.3f}; {above:.1%} are above what 2.5 % should be"
    )
    print("imputed answers, log-loss in nats, mean of 8 seeds (gain over latent classes)")
    for label, world in (("right", right), ("wrong", wrong)):
        for n in (100, 1000):
            rows = pd.DataFrame([imputed(world, n, seed=seed) for seed in range(8)])
            gain = rows[CLASSES_ALONE] - rows[MODEL]
            means = ", ".join(f"{name} {rows[name].mean():.3f}" for name in METHODS)
            error = gain.std() / len(gain) ** 0.5
            print(f"  model {label}, n = {n}: {means}; gain {gain.mean():.3f} +- {error:.3f}")
