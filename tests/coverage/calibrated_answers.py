"""Calibrated answers to closed questions, beside what the same people give without a model.

Real surveys: `n` respondents of the training half teach, the other half judges, over several
seeds. Toy worlds: the true shares judge, and the language model knows them, half of them or
nothing. Printed for each answer: total variation overall, and the mean by subgroup, also relative
to the best of training shares, shares by cell and regression.

Run: python tests/coverage/calibrated_answers.py [--seeds 10] [--toy] [--only vote]
The embedded model is asked once for each question (2,800 options in all; a few minutes).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from jupyter_mop import Population, Question
from jupyter_mop.backends.openvino.backend import LocalBackend
from jupyter_mop.backends.openvino.encoder import MiniLMEncoder
from jupyter_mop.backends.toy import ToyEncoder
from jupyter_mop.datasets import load_anes96
from jupyter_mop.datasets.anes96 import PARTIES
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.survey.asking import ask
from jupyter_mop.engine.survey.calibrated.calibration import calibrate
from jupyter_mop.engine.survey.calibrated.comparison import CALIBRATED, PLAIN, WITHOUT_MODEL
from jupyter_mop.engine.survey.calibrated.references import CELLS, REGRESSION, SHARES
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.population_answer import PopulationAnswer

SIZES = (60, 120, 500)
REFERENCES = (SHARES, CELLS, REGRESSION)
SHOWN = (CALIBRATED, WITHOUT_MODEL, *REFERENCES, PLAIN)
VOTERS = """
strong Democrat: You are a strong Democrat. You belong to a union and you like Bill Clinton.
weak Democrat: You are a weak Democrat. You mostly vote for the Democrats, out of habit.
independent: You are an independent. You belong to no party and do not follow politics much.
weak Republican: You are a weak Republican. You mostly vote for the Republicans, out of habit.
strong Republican: You are a strong Republican. You go to church and trust Bob Dole.
"""
WIVES = """
content: You are a woman who is content with her life, her husband and her home.
overworked: You are a woman who works long hours and has little time for herself.
devout: You are a religious woman. Family and church come first.
restless: You are a woman who often wonders whether she married the right man.
newlywed: You are a woman who married a short time ago and is much in love.
"""
PATIENTS = """
athlete: You do sports every day and have never been ill.
worker: You work hard, and you see a doctor only when you must.
parent: You have small children and watch over the family's health.
retired: You are retired and take several medicines.
patient: You have been ill for years and are often in pain.
"""
VOTER = "It is 1996. You are {age} years old with {education}. "
LEFT_TO_RIGHT = (
    *("extremely liberal", "liberal", "slightly liberal", "moderate"),
    *("slightly conservative", "conservative", "extremely conservative"),
)
RATINGS = ("very poor", "poor", "fair", "good", "very good")
HEALTH = ("excellent", "good", "fair", "poor")


@dataclass(frozen=True)
class Survey:
    """A frame of respondents, a closed question to them, and personas."""

    frame: pd.DataFrame
    columns: tuple[str, ...]
    response: str
    question: Question
    personas: str

    def people(self, rows: np.ndarray | slice) -> Population:
        frame = self.frame[[*self.columns, self.response]].iloc[rows].astype(str)
        return Population.from_frame(frame, context=list(self.columns), response=self.response)


def surveys() -> dict[str, Survey]:
    """Return questions of three public surveys that statsmodels carries."""
    voters, raw = load_anes96(), _read("anes96", sep=r"\s+", quotechar="'")
    voters["self"] = raw["selfLR"].map(dict(enumerate(LEFT_TO_RIGHT, 1)))
    by = ("education", "age")
    vote = Question(f"{VOTER}Who do you expect to vote for?", ["Clinton", "Dole"])
    party = Question(f"{VOTER}In politics, what do you call yourself?", PARTIES, "scale")
    place = Question(f"{VOTER}Where do you place yourself in politics?", LEFT_TO_RIGHT, "scale")
    wives, of_wives = _wives()
    insured, of_insured = _insured()
    return {
        "ANES 1996, vote": Survey(voters, by, "vote", vote, VOTERS),
        "ANES 1996, party": Survey(voters, by, "party", party, VOTERS),
        "ANES 1996, self": Survey(voters, by, "self", place, VOTERS),
        "Redbook, marriage": Survey(wives, ("religion", "children"), "rating", of_wives, WIVES),
        "RAND, health": Survey(insured, ("limits", "diseases"), "health", of_insured, PATIENTS),
    }


def _wives() -> tuple[pd.DataFrame, Question]:
    raw = _read("fair")
    faith = ("not religious", "mildly religious", "fairly religious", "strongly religious")
    children = ["no children", "one or two children", "three or more children"]
    frame = pd.DataFrame(
        {
            "rating": raw["rate_marriage"].map(dict(enumerate(RATINGS, 1))),
            "religion": raw["religious"].map(dict(enumerate(faith, 1))),
            "children": pd.cut(raw["children"], [-1, 0.5, 2.5, 9], labels=children),
        }
    )
    text = "You are a married woman, {religion}, with {children}. How do you rate your marriage?"
    return frame, Question(text, RATINGS, "scale")


def _insured() -> tuple[pd.DataFrame, Question]:
    raw = _read("randhie")
    rows = [raw["hlthg"] == 1, raw["hlthf"] == 1, raw["hlthp"] == 1]
    diseases = ["few chronic diseases", "some chronic diseases", "many chronic diseases"]
    frame = pd.DataFrame(
        {
            "health": np.select(rows, HEALTH[1:], HEALTH[0]),
            "limits": np.where(raw["physlm"] > 0, "a physical limitation", "no limitation"),
            "diseases": pd.cut(raw["disea"], [-1, 6, 14, 99], labels=diseases),
        }
    )
    return frame, Question("You have {limits} and {diseases}. How is your health?", HEALTH, "scale")


def _read(name: str, **arguments: str) -> pd.DataFrame:
    spec = find_spec("statsmodels")
    assert spec is not None
    folder = Path((spec.submodule_search_locations or [""])[0]) / "datasets"
    return pd.read_csv(folder / name / f"{name}.csv", **arguments)


def within(answer: PopulationAnswer, people: Population) -> PopulationAnswer:
    """Return an answer in the contexts of some people, with no model call."""
    index = {key: c for c, key in enumerate(answer.subgroups.keys)}
    keys = list(dict.fromkeys(people.context_keys))
    rows = [index[key] for key in keys]
    sizes = np.array([people.context_keys.count(key) for key in keys]) / len(people)
    table = answer.table
    return PopulationAnswer(
        answer.question,
        answer.name,
        answer.personas,
        answer.contexts.iloc[rows].reset_index(drop=True),
        sizes,
        answer.weights[rows],
        OptionTable(table.probabilities[rows], table.method, table.n_asked),
        real=people,
    )


def survey_distances(survey: Survey, seeds: int, backend: LocalBackend) -> dict[int, pd.DataFrame]:
    """Return TV and TV_by_subgroup of each answer, the mean over seeds, for each size."""
    options = ElicitationOptions(n_orders=2)
    everyone = survey.people(slice(None))
    asked = [
        ask(survey.question, everyone, who, backend, options=options, weights=kind)
        for who, kind in ((survey.personas, "uniform"), (None, None))
    ]
    encoder = MiniLMEncoder()
    found = {}
    for size in SIZES:
        tables = []
        for seed in range(seeds):
            rows = np.random.default_rng([seed, size]).permutation(len(survey.frame))
            half = len(rows) // 2
            sides = [survey.people(rows[half:][:size]), survey.people(rows[:half])]
            pairs = [tuple(within(answer, side) for answer in asked) for side in sides]
            personas = read_personas(survey.personas)
            answer = calibrate(*pairs[0], personas, encoder, target=pairs[1])
            assert answer.calibration is not None
            tables.append(answer.calibration.comparison.set_index("answer"))
        found[min(size, len(survey.frame) - half)] = sum(tables) / seeds
    return found


def toy_distances(knows: float, size: int, seeds: int) -> pd.DataFrame:
    """Return TV and TV_by_subgroup from the true shares in worlds of 24 contexts, by answer.

    The model's log-probabilities are twice too sure and have habits of their own; the share
    `knows` of what varies in them by context and persona is true.
    """
    tables = [_toy_world(knows, size, seed) for seed in range(seeds)]
    return sum(tables) / seeds


def _toy_world(knows: float, size: int, seed: int) -> pd.DataFrame:
    rng, names = np.random.default_rng(seed), ["w", "x", "y", "z"]
    contexts = pd.DataFrame([(f"a{i}", f"b{j}") for i in range(4) for j in range(6)],
                            columns=["a", "b"])  # fmt: skip
    persona = rng.normal(0, 1, (1, 3, 4))
    score = rng.normal(0, 0.8, (24, 1, 4)) + persona
    truth = np.einsum(
        "k,cka->ca", rng.dirichlet(np.ones(3)), _softmax(score + rng.normal(0, 0.5, 4))
    )
    other = rng.normal(0, 1, score.shape)
    said = _softmax(2 * (knows * score + (1 - knows) * other) + rng.normal(0, 1.5, 4))
    context = rng.integers(24, size=size)
    frame = contexts.iloc[context].reset_index(drop=True)
    frame["response"] = [names[rng.choice(4, p=truth[c])] for c in context]
    people = Population.from_frame(frame, context=["a", "b"], response="response")
    question, even = Question("Well?", names), np.full(24, 1 / 24)

    def answer(probabilities: np.ndarray, who: tuple[str, ...]) -> PopulationAnswer:
        weights = np.full(probabilities.shape[:2], 1 / len(who))
        table = OptionTable(probabilities, "scored", 0)
        return PopulationAnswer(question, "toy", who, contexts, even, weights, table, real=people)

    three = answer(said, ("p", "q", "r"))
    plain = answer(said.mean(axis=1, keepdims=True), ("no persona",))
    personas = read_personas("p: One.\nq: Two.\nr: Three.")
    calibrated = calibrate(
        *(within(side, people) for side in (three, plain)),
        personas,
        ToyEncoder(["one", "two"]),
        target=(replace(three, real=None), replace(plain, real=None)),
    )
    assert calibrated.calibration is not None
    groups = [contexts[name] == value for name in contexts for value in contexts[name].unique()]
    rows = {}
    for name, shares in calibrated.calibration.shares.items():
        gaps = [np.abs((shares - truth)[group].mean(axis=0)).sum() / 2 for group in groups]
        overall = np.abs((shares - truth).mean(axis=0)).sum() / 2
        rows[name] = {"TV": overall, "TV_by_subgroup": float(np.mean(gaps))}
    return pd.DataFrame(rows).T


def _softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


def show(title: str, table: pd.DataFrame) -> None:
    """Print TV, the mean by subgroup and its ratio to the best of the references."""
    best = table.loc[list(REFERENCES), "TV_by_subgroup"].min()
    print(title)
    for name in SHOWN:
        row = table.loc[name]
        print(f"  {name:28s} TV {row['TV']:.3f}  by subgroup {row['TV_by_subgroup']:.3f} "
              f"({row['TV_by_subgroup'] / best:.2f})", flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--toy", action="store_true", help="the toy worlds only")
    parser.add_argument("--only", default="", help="surveys whose name contains this")
    chosen = parser.parse_args()
    for share in () if chosen.only else (1.0, 0.5, 0.0):
        for count in SIZES:
            title = f"toy, model knows {share:.0%}, n = {count}"
            show(title, toy_distances(share, count, chosen.seeds))
    if not chosen.toy:
        model = LocalBackend()
        for label, survey in surveys().items():
            if chosen.only not in label:
                continue
            for count, table in survey_distances(survey, chosen.seeds, model).items():
                show(f"{label}, n = {count}", table)
