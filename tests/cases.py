"""Write tests/data/weights_cases.json, which the tests of Python and of JavaScript share.

Run it from the project's root after a change of a metric: python tests/cases.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.vectors import WeightedVectors
from jupyter_mop.engine.questionnaire.latent_classes import context_cells
from jupyter_mop.engine.questionnaire.reweighted_shares import ReweightedShares
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.simulation.context_groups import ContextGroups, GroupedDraws
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.weighting.context_codes import ContextCodes
from jupyter_mop.engine.weighting.human_floor import HumanFloor
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.engine.weighting.persona_counts import ClosedQuestion
from jupyter_mop.engine.weighting.persona_statistics import HIGHER_IS_BETTER, PersonaStatistics
from jupyter_mop.engine.weighting.weight_matching import match

FILE = Path(__file__).parent / "data" / "weights_cases.json"
OPTIONS = ["never", "sometimes", "always"]
FLOOR = HumanFloor(
    {
        "FID": [0.1, 3.0, 0.0],
        "MAUVE": [0.01, 2.0, 0.0],
        "KL cosine": [-0.1, 0.5, 20.0],
        "joint FID": [0.2, 4.0, 0.0],
        "fidelity": [0.6, 0.0, 0.0],
        "length": [0.04, 1.5, 6.0],
        "TV": [-1.0, 0.0, 0.0],
    }
)
SIZES = [5.0, 40.0, 1000.0]
SIMPLEX = [
    {"call": "move", "arguments": [[0.4, 0.3, 0.2, 0.1], [False] * 4, 0, 0.7],
     "expected": [0.7, 0.15, 0.1, 0.05]},
    {"call": "move", "arguments": [[1, 0, 0], [False] * 3, 0, 0.4], "expected": [0.4, 0.3, 0.3]},
    {"call": "move", "arguments": [[0.4, 0.3, 0.2, 0.1], [True, False, False, True], 1, 0.9],
     "expected": [0.4, 0.5, 0, 0.1]},
    {"call": "move", "arguments": [[0.5, 0.5], [False, True], 0, 0.9], "expected": [0.5, 0.5]},
]  # fmt: skip


def statistics(
    seed: int,
    n_personas: int,
    *,
    closed: bool,
    contextual: bool = False,
    alone: bool = False,
    by_context: bool = False,
) -> PersonaStatistics:
    """Measure random responses, each persona's around its own centre."""
    rng = np.random.default_rng(seed)
    codes = np.r_[np.arange(n_personas), rng.integers(n_personas, size=40)]
    draws = None
    if contextual:
        rows = rng.dirichlet(np.ones(n_personas), 3)
        labels = rng.integers(3, size=len(codes))
        if alone:  # the first persona answers the first group, and no other
            labels = np.where(codes == 0, 0, np.maximum(labels, 1))
        draws = GroupedDraws(labels, ContextGroups(np.array([0.5, 0.3, 0.2]), rows))
    simulated = rng.normal(size=(n_personas, 5))[codes] + rng.normal(size=(len(codes), 5))
    words = rng.choice(OPTIONS, 90) if closed else ["w " * n for n in rng.poisson(5, 90)]
    texts, target = [str(word) for word in words], rng.normal(size=(50, 5))
    found = PersonaStatistics.measure(
        target,
        simulated,
        codes,
        [f"p{k}" for k in range(n_personas)],
        target_texts=texts[:50],
        texts=(texts * 2)[50 : 50 + len(codes)],
        question=ClosedQuestion(tuple(OPTIONS), ordered=True) if closed else None,
        draws=draws,
        random_state=seed,
    )
    if not by_context:
        return found
    sides = Sides(WeightedVectors(target), {"": WeightedVectors(simulated)})
    labels = [rng.integers(-1, 3, size=n) for n in (50, len(codes))]
    named = Contexts(ContextCodes(("a", "b", "c"), labels[0], {"": labels[1]}))
    return found.with_contexts(sides, named, codes, draws=draws)


def plain(value: object) -> object:
    """Return an array as a list of numbers with twelve digits."""
    if isinstance(value, np.ndarray):
        return [float(f"{number:.12g}") for number in value.ravel()]
    return value


def metric_case(name: str, found: PersonaStatistics, weights: list[float]) -> dict[str, object]:
    """Return one case: statistics, persona weights and the expected results."""
    metrics = found.metrics_and_gradients(weights)
    return {
        "name": name,
        "statistics": found.to_dict(),
        "weights": weights,
        "expected": {
            metric: {"value": value.value, "gradient": value.gradient}
            for metric, value in metrics.items()
        },
        "contributions": found.contributions(weights),
        "ess": found.effective_sample_size(weights),
        "shares": found.option_shares
        and found.option_shares.shares(found.cells.shares(np.array(weights))),
    }


def matching_case(
    index: int, found: PersonaStatistics, metric: str, start: list[float], held: list[bool]
) -> dict[str, object]:
    """Return one case of matched persona weights."""
    entropy = 0.002 if metric in HIGHER_IS_BETTER else 0.01 * found.metrics(start)[metric]
    result = match(found, metric, start, held=held, entropy=entropy)
    return {
        "statistics": index,
        "figure": metric,
        "start": start,
        "held": held,
        "entropy": entropy,
        "weights": result.weights,
        "before": result.before,
        "after": result.after,
    }


def surveyed(seed: int, *, context: list[str], absent: bool = False) -> ReweightedShares:
    """Return random shares of three questions; the last depends on the first context column.

    Weights differ by respondent; two people are of the age "unknown". With `absent`, the last
    of the personas has no respondent.
    """
    rng = np.random.default_rng(seed)
    people = pd.DataFrame(
        {
            "age": ["unknown"] * 2 + [str(age) for age in rng.choice(["old", "young"], 58)],
            "place": rng.choice(["town", "village", "farm"], 60),
            "weight": rng.uniform(0.5, 2, 60),
            **{name: rng.choice(OPTIONS, 60) for name in ("tea", "milk", "juice")},
        }
    )
    questions = {
        name: Question(f"How often {name}?", OPTIONS, kind="scale")
        for name in ("tea", "milk", "juice")
    }
    survey = Survey.from_frame(people, questions, context=context, weight="weight")
    cells, cell = context_cells(survey.contexts)
    sizes = np.bincount(cell, survey.weights)
    base = rng.dirichlet(np.ones(3), len(sizes))
    if absent:
        base = np.column_stack([base[:, :2] / base[:, :2].sum(1, keepdims=True), 0 * base[:, 2]])
    first = np.zeros(len(sizes), dtype=np.intp)
    by_age = pd.factorize(cells.frame["age"])[0] if context else first
    contexts = {"tea": first, "milk": first, "juice": by_age.astype(np.intp)}
    tables = {
        name: rng.dirichlet(np.ones(3), (int(places.max()) + 1, 3))
        for name, places in contexts.items()
    }
    names = ("a", "b", "c")
    return ReweightedShares(names, cells.frame, sizes / sizes.sum(), base, tables, contexts, survey)


def people_pair(found: ReweightedShares, first: str, second: str) -> np.ndarray:
    """Return people's shares of the pairs of options of two questions, in any order."""
    if (first, second) in found.people_pairs:
        return found.people_pairs[first, second].share
    return found.people_pairs[second, first].share.T


def survey_case(name: str, found: ReweightedShares, weights: list[float]) -> dict[str, object]:
    """Return one case of a survey: data, weights, shares and distances of each group."""
    by_group = [
        {
            "shares": [found.shares(question, weights, group) for question in found.people.names],
            "distances": list(found.distances(weights, group)["TV"]),
        }
        for group in found.groups
    ]
    within, names = found.persona_weights(weights), found.people.names
    return {
        "name": name,
        "data": found.to_dict(),
        "weights": weights,
        "overall": found.sizes @ within,
        "groups": by_group,
        "pairs": [
            {
                "questions": [first, second],
                "shares": found.two_way(names[first], names[second], weights),
                "people": people_pair(found, names[first], names[second]),
            }
            for first, second in ((0, 1), (1, 2), (2, 0))
        ],
    }


def cases() -> dict[str, object]:
    """Return all cases."""
    opened, closed, single = (
        statistics(0, 4, closed=False),
        statistics(1, 3, closed=True),
        statistics(2, 1, closed=False),
    )
    grouped, asked = (
        statistics(5, 3, closed=False, contextual=True),
        statistics(6, 3, closed=True, contextual=True),
    )
    alone = statistics(7, 3, closed=False, contextual=True, alone=True)
    joint, joint_grouped = (
        statistics(8, 3, closed=False, by_context=True),
        statistics(9, 3, closed=True, contextual=True, by_context=True),
    )
    assert closed.option_shares is not None
    probabilities = np.random.default_rng(3).dirichlet([1, 1, 1], 3)
    known = replace(closed.option_shares, personas=probabilities, exact=True)
    exact = replace(closed, option_shares=known)
    metrics = [
        metric_case("free text", opened, [0.4, 0.3, 0.2, 0.1]),
        metric_case("a closed question", closed, [0.2, 0.5, 0.3]),
        metric_case("exact probabilities of the options", exact, [0.2, 0.5, 0.3]),
        metric_case("one persona", single, [1.0]),
        metric_case("weights that depend on the context", grouped, [0.4, 0.35, 0.25]),
        metric_case("a closed question in groups of contexts", asked, [0.2, 0.5, 0.3]),
        metric_case("a persona that answers some contexts alone", alone, [0.2, 0.5, 0.3]),
        metric_case("a persona with no weight", opened, [0.5, 0.0, 0.25, 0.25]),
        metric_case("responses with their contexts", joint, [0.2, 0.5, 0.3]),
        metric_case("contexts in groups with other weights", joint_grouped, [0.2, 0.5, 0.3]),
    ]
    free = [False] * 4
    return {
        "simplex": SIMPLEX,
        "floors": {
            "floors": FLOOR.to_dict(),
            "expected": [{"size": size, "floors": FLOOR.at(size)} for size in SIZES],
        },
        "figures": metrics,
        "surveys": [
            survey_case("without contexts", surveyed(0, context=[]), [0.2, 0.5, 0.3]),
            survey_case("two columns", surveyed(1, context=["age", "place"]), [0.2, 0.5, 0.3]),
            survey_case("a persona off", surveyed(2, context=["age", "place"]), [0.6, 0.4, 0.0]),
            survey_case(
                "an absent persona", surveyed(3, context=["age"], absent=True), [0.9, 0.1, 0.0]
            ),
        ],
        "matching": [
            matching_case(0, opened, "FID", [0.25] * 4, free),
            matching_case(0, opened, "MAUVE", [0.25] * 4, free),
            matching_case(0, opened, "KL cosine", [0.7, 0.1, 0.1, 0.1], free),
            matching_case(0, opened, "FID", [0.4, 0.3, 0.2, 0.1], [True, False, False, False]),
            matching_case(0, opened, "length", [1.0, 0.0, 0.0, 0.0], free),
            matching_case(1, closed, "JS", [0.2, 0.5, 0.3], [False] * 3),
            matching_case(8, joint, "joint FID", [0.2, 0.5, 0.3], [False] * 3),
            matching_case(8, joint, "fidelity", [0.2, 0.5, 0.3], [False] * 3),
        ],
    }


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(cases(), default=plain, separators=(",", ":")) + "\n")
