"""How far a simulation can be trusted: sentences in plain words from its measured results."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.engine.evaluation.alignment_by_context import is_off_floor
from jupyter_mop.engine.evaluation.answer_baselines import (
    EQUAL,
    SAMPLE,
    THIS,
    TRAINING,
    answer_baselines,
)
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
from jupyter_mop.engine.simulation.simulation import PERSONA, Simulation
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.subgroups import EVERYONE
from jupyter_mop.rendering import listed

CLEAR_COPIES = 0.01  # share of responses
UNUSABLE, ALIKE = 0.1, 0.05  # total variation from people; largest difference between personas
LIMIT = (
    "A language model wrote these responses. They can suggest what people may say; they are no "
    "evidence of what people think. Check every conclusion that matters with answers of people: "
    "%mop_estimate combines a few of them with the simulation."
)


def alignment_verdict(alignment: Alignment, name: str) -> list[str]:
    """Return how close the responses are to people, overall and in the worst subgroup.

    Examples
    --------
    >>> row = {"method": "m", "figure": "FID", "value": 0.5, "low": 0.4, "high": 0.6, "n": 200}
    >>> row |= {"floor": 0.1, "floor_low": 0.0, "floor_high": 0.2, "better": "lower"}
    >>> alignment_verdict(Alignment(pd.DataFrame([row]), pd.DataFrame()), "m")
    ['Farther from people than two halves of the real responses are from each other on FID.']
    """
    frame = alignment.frame[alignment.frame["method"] == name]
    off = is_off_floor(frame)
    far, ties = list(frame.loc[off, "figure"]), list(frame.loc[~off, "figure"])
    said = []
    if far:
        said.append(
            "Farther from people than two halves of the real responses are from each other on "
            f"{listed(far)}."
        )
    if ties:
        said.append(
            f"On {listed(ties)} the responses cannot be told from other real responses, with "
            f"{alignment.n_per_side}."
        )
    return [*said, *_groups_verdict(alignment, name)]


def _groups_verdict(alignment: Alignment, name: str) -> list[str]:
    by = alignment.by_context
    return [] if by is None else [by.verdict(name)]


def diagnosis_verdict(diagnosis: Diagnosis) -> list[str]:
    """Return what a diagnosis found: personas without effect, missing clusters, copies."""
    said = []
    if diagnosis.effects is not None:
        names = diagnosis.effects.groupby("verdict", sort=False)["persona"].apply(list)
        moving = names.get("moves answers", [])
        idle = names.get("no clear difference", [])
        if moving:
            said.append(f"Personas that change the responses: {listed(moving)}.")
        if idle:
            said.append(f"Personas without a clear effect: {listed(idle)}.")
    n_missing = int((diagnosis.missing["verdict"] == "missing").sum())
    n = len(diagnosis.missing)
    said.append(
        f"{n_missing} of {n} kinds of real responses are clearly rarer in the simulation."
        if n_missing
        else f"None of {n} kinds of real responses is clearly rarer in the simulation."
    )
    copies = float(np.mean(diagnosis.copies["is_pool_copy"])) if len(diagnosis.copies) else 0.0
    if copies >= CLEAR_COPIES:
        said.append(
            f"{copies:.1%} of the responses share {diagnosis.copied} or more words in a row with a "
            "real text of the prompts."
        )
    return said


def answer_verdict(name: str, baselines: pd.DataFrame) -> list[str]:
    """Return how far a closed answer is off, overall and in its worst subgroup.

    Examples
    --------
    >>> rows = [(THIS, 0.62, 0.6, 0.64), (SAMPLE, 0.11, None, 0.2), (EQUAL, 0.4, None, None)]
    >>> frame = pd.DataFrame(rows, columns=["source", "value", "low", "high"])
    >>> answer_verdict("vote", frame.assign(group="everyone", n=80))[0]
    'vote: off by 62 points [60, 64]; another sample of people by 11 [at most 20].'
    """
    if baselines.empty:
        return [f"{name}: no real answers are known, so nothing says how far it is off."]
    overall = baselines[baselines["group"] == EVERYONE[1]].set_index("source")
    said = [_off(name, overall), *_simple(name, overall)]
    worst = _worst_subgroup(baselines)
    if worst is not None:
        said.append(
            f"{name}: worst subgroup {worst['group']}, off by {100 * worst['value']:.0f} points "
            f"({worst['n']:,.0f} real answers)."
        )
    return said


def answer_in_short(answer: PopulationAnswer) -> str:
    """Return in one sentence whether a closed answer can be used.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.data.population import Population
    >>> from jupyter_mop.engine.survey.asking import ask
    >>> from jupyter_mop.engine.survey.question import Question
    >>> frame = pd.DataFrame({"age": ["old", "young"] * 50, "drink": ["tea"] * 98 + ["milk"] * 2})
    >>> people = Population.from_frame(frame, context="age", response="drink")
    >>> question, toy = Question("Drink?", ["tea", "milk"]), ToyBackend(["tea", "milk"])
    >>> answer_in_short(ask(question, people, "a: Hello.", toy))[:69]
    'Do not use: off by 48 points, another sample of people by 1 point; wo'
    """
    baselines = answer_baselines(answer)
    if baselines.empty:
        return "No real answers are known, so nothing says how far this is from people."
    overall = baselines[baselines["group"] == EVERYONE[1]].set_index("source")
    value = float(overall["value"][THIS])
    points = _points(value)
    if SAMPLE not in overall.index:
        return f"Off by {points} overall; too few people for more."
    others = _points(float(overall["value"][SAMPLE]))
    if not overall["low"][THIS] > overall["high"][SAMPLE]:
        said = f"Off by {points} overall; another sample of people by {others}, not clearly less"
    elif value > UNUSABLE:
        said = f"Do not use: {_alike(answer)}off by {points}, another sample of people by {others}"
    else:
        said = f"Off by {points} overall, more than another sample of people ({others})"
    worst = _worst_subgroup(baselines)
    if worst is None:
        return f"{said}."
    return f"{said}; worst subgroup: {worst['group']}, {_points(worst['value'])}."


def _worst_subgroup(baselines: pd.DataFrame) -> pd.Series[Any] | None:
    """Return the row of the subgroup in which this answer is farthest off, if there are any."""
    groups = baselines[(baselines["source"] == THIS) & (baselines["group"] != EVERYONE[1])]
    return None if groups.empty else groups.sort_values("value", kind="stable").iloc[-1]


def _points(share: float) -> str:
    """Return a difference of shares in words.

    Examples
    --------
    >>> _points(0.012), _points(0.62)
    ('1 point', '62 points')
    """
    points = round(100 * share)
    return f"{points} point" if points == 1 else f"{points} points"


def _alike(answer: PopulationAnswer) -> str:
    """Return in words that personas answer alike, if they do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a persona that never answered
        spread = float(np.nanmax(np.nanmax(answer.by_persona, 0) - np.nanmin(answer.by_persona, 0)))
    if answer.is_plain or len(answer.personas) == 1 or spread > ALIKE:
        return ""
    return f"personas answer alike (spread {100 * spread:.0f} points); "


def _off(name: str, overall: pd.DataFrame) -> str:
    this = overall.loc[THIS]
    low, high = 100 * this["low"], 100 * this["high"]
    text = f"{name}: off by {100 * this['value']:.0f} points"
    if not np.isnan(low):
        text = f"{text} [{low:.0f}, {high:.0f}]"
    if SAMPLE in overall.index:
        sample = 100 * overall.loc[SAMPLE, ["value", "high"]].astype(float)
        text += (
            f"; another sample of people by {sample['value']:.0f} [at most {sample['high']:.0f}]"
        )
    return f"{text}."


def _simple(name: str, overall: pd.DataFrame) -> list[str]:
    """Return whether something without a model is closer to people."""
    values = dict(zip(overall.index, overall["value"], strict=True))
    texts = [
        f"{source} ({100 * values[source]:.0f} points)"
        for source in (TRAINING, EQUAL)
        if values.get(source, np.inf) < values[THIS]
    ]
    return [f"{name}: closer to people without any model: {listed(texts)}."] if texts else []


def simulation_verdict(simulation: Simulation) -> list[str]:
    """Return whether weighted responses can be relied on; nothing for responses as drawn."""
    weights = simulation.weights
    if not len(weights) or not np.ptp(weights) or simulation.frame[PERSONA].isna().any():
        return []
    return [f"Reweighted responses: {simulation.reliability()}."]
