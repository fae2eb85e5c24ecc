from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.evaluation.missing_clusters import missing_clusters
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics

KINDS = np.eye(6)


def responses(counts: list[int], seed: int) -> tuple[np.ndarray, list[str]]:
    kinds = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(seed).normal(0, 0.01, (len(kinds), 6))
    return KINDS[kinds] + noise, [f"kind {k}" for k in kinds]


def measured(real: list[int], simulated: list[int], n_personas: int = 1) -> tuple:
    (target, texts), (vectors, simulated) = responses(real, 0), responses(simulated, 1)
    statistics = PersonaStatistics.measure(
        target, vectors, np.arange(len(vectors)) % n_personas, list("ab")[:n_personas],
        target_texts=texts, texts=simulated,
    )  # fmt: skip
    return statistics, texts, target


def test_a_kind_that_is_never_simulated_is_missing_with_examples() -> None:
    frame = missing_clusters(*measured([40, 40, 40], [80, 40, 0]))
    lacking = frame[frame["examples"].map(lambda found: found == ("kind 2",))]
    assert (lacking["verdict"] == "missing").any()
    assert lacking["real"].sum() == pytest.approx(1 / 3)
    assert lacking["simulated"].sum() == 0
    too_many = frame[frame["verdict"] == "too many"]
    assert {text for found in too_many["examples"] for text in found} == {"kind 0"}


def test_shares_sum_to_1_and_the_most_missing_cluster_is_first() -> None:
    frame = missing_clusters(*measured([50, 30, 20], [30, 30, 40]))
    assert frame[["real", "simulated"]].sum().tolist() == pytest.approx([1, 1])
    assert frame["missing"].is_monotonic_decreasing
    assert frame["missing"].sum() == pytest.approx(0)
    assert (frame["error"] > 0).all()


def test_equal_shares_are_no_clear_difference() -> None:
    rng = np.random.default_rng(0)
    verdicts = [
        set(missing_clusters(*measured(*(rng.multinomial(120, [0.5, 0.3, 0.2]).tolist()
                                         for _ in range(2))))["verdict"])
        for _ in range(20)
    ]  # fmt: skip
    assert sum(found != {"no clear difference"} for found in verdicts) <= 3


def test_persona_weights_are_used() -> None:
    kinds = np.arange(120) % 2
    target, vectors = KINDS[np.repeat([0, 1], 60)], KINDS[kinds]
    texts = [f"kind {k}" for k in np.repeat([0, 1], 60)]
    statistics = PersonaStatistics.measure(
        target, vectors, kinds, ["zero", "one"], target_texts=texts, texts=texts
    )
    even = missing_clusters(statistics, texts, target)
    assert even["missing"].abs().max() < 1e-9
    only = missing_clusters(statistics, texts, target, weights=np.array([1.0, 0.0]))
    assert only.iloc[0]["missing"] > 0
    assert only.iloc[0]["examples"] == ("kind 1",)
