"""A classifier trained on simulated records and tested on real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.charts import alignment_chart
from jupyter_mop.errors import DataError
from jupyter_mop.experiments.generation import methods, notes
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

if TYPE_CHECKING:
    from jupyter_mop.engine.data.population import Population

N_BOOT = 1000
FLOOR = "as many real records"

Labels = NDArray[np.object_]
Vectors = NDArray[np.float32] | NDArray[np.float64]


def run(bench: Workbench) -> Result:
    """Train on each method's responses and on real records; test on held-out records."""
    simulations, n = methods(bench), bench.settings.n
    test, truth = bench.metrics.target, _labels(bench.target)[: 2 * n]
    train = bench.encode(bench.population.responses[:n])
    golden = f1_interval(_predicted(train, _labels(bench.population)[:n], test), truth)
    rows = []
    for name, vectors in bench.vectors(simulations).items():
        labels = np.array(simulations[name].frame["context"], dtype=object)
        found = f1_interval(_predicted(vectors, labels, test), truth)
        rows.append(_row(name, found, golden, n))
    frame = pd.DataFrame(rows)
    chart = alignment_chart(
        frame,
        title="Classifier trained on simulated records, tested on real ones",
        subtitle=f"Trained on {n:,} responses; bars: intervals over the test records. Dashed line: "
        f"trained on {FLOOR}.",
        floor="real records",
    )
    lines = [
        *notes(bench),
        f"Logistic regression on sentence vectors; {n:,} training and {len(truth):,} test records.",
        "Macro F1; intervals over the test records.",
    ]
    return Result(
        "classifier",
        bench.source.name,
        frame,
        FLOOR,
        lines,
        chart=chart,
        provenance=bench.provenance,
    )


def f1_interval(
    predicted: Labels, truth: Labels, *, n_boot: int = N_BOOT, random_state: int = 0
) -> tuple[float, float, float]:
    """Return macro F1 and the ends of its 95 % bootstrap interval over the records.

    Examples
    --------
    >>> f1_interval(np.array(["a", "b"] * 50), np.array(["a", "b"] * 50))
    (1.0, 1.0, 1.0)
    """
    rng = np.random.default_rng(random_state)
    draws = rng.integers(len(truth), size=(n_boot, len(truth)))
    values = [f1(predicted[rows], truth[rows]) for rows in draws]
    low, high = np.quantile(values, [0.025, 0.975])
    return f1(predicted, truth), float(low), float(high)


def f1(predicted: Labels, truth: Labels) -> float:
    """Return macro F1: the mean over labels of 2 true positives / (predicted + actual).

    Examples
    --------
    >>> round(f1(np.array(["a", "a", "b", "b"]), np.array(["a", "a", "a", "b"])), 3)
    0.733
    """
    scores = []
    for label in sorted(set(truth) | set(predicted)):
        correct = np.sum((predicted == label) & (truth == label))
        scores.append(2 * correct / (np.sum(predicted == label) + np.sum(truth == label)))
    return float(np.mean(scores))


def _predicted(vectors: Vectors, labels: Labels, test: Vectors) -> Labels:
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) < 2:  # noqa: PLR2004
        raise DataError(
            f"A classifier needs at least two labels, but all records are {labels[0]!r}.",
            hint="Simulate more responses: --n 100.",
        )
    model = LogisticRegression(max_iter=1000).fit(vectors, labels)
    return np.asarray(model.predict(test), dtype=object)


def _labels(population: Population) -> Labels:
    return np.array(population.contexts, dtype=object)


def _row(name: str, found: Sequence[float], golden: Sequence[float], n: int) -> dict[str, Any]:
    names = ("value", "low", "high")
    return {
        "method": name,
        "figure": "F1",
        **dict(zip(names, found, strict=True)),
        **dict(zip(("floor", "floor_low", "floor_high"), golden, strict=True)),
        "n": n,
        "better": "higher",
    }
