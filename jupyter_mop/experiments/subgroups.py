"""Subgroups that the model does not see: learned persona weights beside their true shares.

There is one persona for each subgroup, written in a sentence, and the column that names the
subgroup is in no prompt. Persona weights are learned from each source of evidence, see
`MixtureOfPersonas.composition`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.half_sampling import IDENTITY, centred_interval
from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.mixture.composition import Composition
from jupyter_mop.engine.mixture.fit_options import SOURCES
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError
from jupyter_mop.experiments.populations import RESPONSE, Groups
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

MAX_RECORDS = 600
N_BOOT, N_FOLDS, LEVEL = 1000, 5, 0.95
LEARNED, NEAREST, UNIFORM, LARGEST = (
    "learned",
    "nearest description, no model",
    "uniform weights",
    "largest group",
)
FLOOR = "classifier that knows the groups"
VARIATION, RIGHT = "total variation", "share right"

Labels = NDArray[np.object_]


def run(bench: Workbench) -> Result:
    """Compare learned weights with the true shares of hidden subgroups, for several seeds.

    Raises
    ------
    DataError
        If the population has no subgroups.
    """
    groups = bench.source.groups
    if groups is None:
        raise DataError(
            f"The population {bench.source.name} has no subgroups.",
            hint="Use --data drug_reviews, functions or films.",
        )
    seeds = range(bench.settings.seed, bench.settings.seed + bench.settings.recipe.n_seeds)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for seed in seeds:
        for by in SOURCES:
            mixture = fitted(bench, groups, seed, by=by)
            found = mixture.composition(groups.column, random_state=seed)
            rows += _figures_of(found, f"{LEARNED} by {by}, seed {seed}")
            notes.append(f"Seed {seed}, by {by}: {mixture.verdict_} {found.summary}")
        rows += _baselines(bench, groups, mixture, found, seed)
    frame = pd.DataFrame(rows).drop_duplicates(["method", "figure"])
    frame = _with_floor(frame)
    chart = alignment_chart(
        frame,
        title="Persona weights and the true shares of hidden subgroups",
        subtitle=f"Bars: 95 % intervals. Dashed line: {FLOOR}; grey: its interval.",
        floor=FLOOR,
    )
    name = bench.source.name
    lines = [*_conditions(bench, groups, found), *notes, means(frame)]
    return Result("subgroups", name, frame, FLOOR, lines, chart=chart, provenance=bench.provenance)


def hidden(bench: Workbench, groups: Groups) -> Population:
    """Return the records with a context that does not name the subgroup."""
    context = [name for name in bench.source.context if name != groups.column]
    frame = bench.records[:MAX_RECORDS]
    return Population.from_frame(frame, context=context, response=RESPONSE)


def fitted(bench: Workbench, groups: Groups, seed: int, *, by: str) -> MixtureOfPersonas:
    """Return the mixture of one persona per subgroup, fitted with the recipe's settings."""
    recipe = bench.settings.recipe
    mixture = MixtureOfPersonas(
        groups.personas,
        bench.study.backend,
        bench.study.encoder,
        template=recipe.template or groups.template,
        n_exemplars=recipe.n_exemplars,
        n_records=recipe.n_records,
        n_components=recipe.n_components,
        stratify=recipe.stratify or None,
        by=by,
        random_state=seed,
    )
    return mixture.fit(hidden(bench, groups), on_step=bench.on_step)


def nearest_description(bench: Workbench, groups: Groups, texts: list[str]) -> Labels:
    """Return the subgroup whose persona's sentence vector is nearest to each text's."""
    names = np.array(list(groups.personas), dtype=object)
    encode = bench.study.encoder.encode
    cosines = encode(texts) @ encode(list(groups.personas.values())).T
    return np.asarray(names[cosines.argmax(axis=1)])


def known_groups(bench: Workbench, texts: list[str], truth: Labels) -> Labels:
    """Return the subgroup of each text by a classifier that learned the others' subgroups."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, cross_val_predict

    folds = KFold(N_FOLDS, shuffle=True, random_state=0)
    vectors = bench.study.encoder.encode(texts)
    model = LogisticRegression(C=10.0, max_iter=1000)
    return np.asarray(cross_val_predict(model, vectors, truth.astype(str), cv=folds), dtype=object)


def assigned(
    labels: Labels, truth: Labels, shares: pd.Series[float], *, random_state: int = 0
) -> list[dict[str, Any]]:
    """Return how far the shares of assigned subgroups are from the true ones, and the share right.

    Examples
    --------
    >>> labels = np.array(["a", "a", "b", "b"], dtype=object)
    >>> truth = np.array(["a", "a", "a", "b"], dtype=object)
    >>> [row["value"] for row in assigned(labels, truth, pd.Series({"a": 0.75, "b": 0.25}))]
    [0.25, 0.75]
    """
    rng = np.random.default_rng([8, random_state])
    indicators = np.asarray(labels[:, None] == np.array(shares.index, dtype=object), np.float64)
    counts = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=N_BOOT)
    return _figures(indicators.mean(0), counts @ indicators / len(labels), labels == truth, shares)


def _figures(
    found: NDArray[Any], draws: NDArray[Any], is_right: NDArray[Any], shares: pd.Series[float]
) -> list[dict[str, Any]]:
    """Return the total variation of shares, given bootstrap draws of them, and the share right."""
    error = found - shares.to_numpy(dtype=np.float64)
    varied = 0.5 * np.abs(draws - draws.mean(axis=0) + error).sum(axis=1)
    value = float(0.5 * np.abs(error).sum())
    low, high = centred_interval(value, [varied.tolist()], level=LEVEL, scale=IDENTITY)
    right = float(np.mean(is_right))
    return [
        _figure(VARIATION, value, max(low, 0.0), min(high, 1.0)),
        _figure(RIGHT, right, *share_interval(right, len(is_right), level=LEVEL)),
    ]


def means(frame: pd.DataFrame) -> str:
    """Return the means over seeds in one sentence."""
    names = frame["method"].str.split(", seed").str[0]
    table = frame.groupby([names, "figure"], sort=False)["value"].mean()
    listed = [
        f"{name}: {VARIATION} {table[name, VARIATION]:.3f}, {RIGHT} {table[name, RIGHT]:.2f}"
        for name in dict.fromkeys(names)
        if name != FLOOR
    ]
    return f"Means over seeds: {'; '.join(listed)}."


def _baselines(
    bench: Workbench, groups: Groups, mixture: MixtureOfPersonas, found: Composition, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of what no mixture is needed for."""
    shares = found.frame.dropna(subset="group").set_index("group")["true"]
    records = mixture.population_.take(mixture.rows_.tolist())
    truth = records.aligned(groups.column).to_numpy(dtype=object)
    of_methods = {
        f"{NEAREST}, seed {seed}": assigned(
            nearest_description(bench, groups, records.responses), truth, shares
        ),
        UNIFORM: _fixed(found.uniform, 1 / len(groups.personas)),
        LARGEST: _fixed(1 - float(shares.max()), found.largest),
        FLOOR: assigned(known_groups(bench, records.responses, truth), truth, shares),
    }
    for method, figures in of_methods.items():
        yield from ({"method": method, **figure, "n": found.n} for figure in figures)


def _figures_of(found: Composition, method: str) -> list[dict[str, Any]]:
    figures = [
        _figure(VARIATION, found.total_variation, found.low, found.high),
        _figure(RIGHT, found.right, found.right_low, found.right_high),
    ]
    return [{"method": method, **figure, "n": found.n} for figure in figures]


def _fixed(variation: float, right: float) -> list[dict[str, Any]]:
    """Return figures that follow from the true shares alone."""
    return [
        _figure(VARIATION, variation, variation, variation),
        _figure(RIGHT, right, right, right),
    ]


def _figure(name: str, value: float, low: float, high: float) -> dict[str, Any]:
    better = "lower" if name == VARIATION else "higher"
    return {"figure": name, "value": value, "low": low, "high": high, "better": better}


def _with_floor(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the methods, beside those of the classifier as their floor."""
    is_floor = frame["method"] == FLOOR
    names = {"value": "floor", "low": "floor_low", "high": "floor_high"}
    floor = frame[is_floor].rename(columns=names)[["figure", *names.values()]]
    return frame[~is_floor].merge(floor, on="figure", how="left")


def _conditions(bench: Workbench, groups: Groups, found: Composition) -> list[str]:
    recipe, frame = bench.settings.recipe, found.frame.dropna(subset="group")
    shares = ", ".join(f"{r.group} {r.true:.2f}" for r in frame.itertuples())
    personas = "; ".join(f"{name}: {text}" for name, text in groups.personas.items())
    return [
        f"{recipe.n_records} records, {recipe.n_components} components each; 95 % intervals.",
        f"Unit: {bench.source.unit}.",
        f"Hidden column: {groups.column}; true shares: {shares}.",
        f"Prompt template: {recipe.template or groups.template}",
        f"Personas: {personas}",
        f"{FLOOR.capitalize()}: cross-validated logistic regression on sentence vectors.",
    ]
