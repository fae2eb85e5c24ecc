"""A calibrated answer beside others from the same people, judged by held-out people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.engine.survey.calibrated.records import Records
from jupyter_mop.engine.survey.calibrated.references import log_scores

Array = NDArray[np.float64]
CALIBRATED, WITHOUT_MODEL = "calibrated mixture", "the same without the model"
PLAIN, UNCALIBRATED = "plain prompting", "personas, uncalibrated"
WITHOUT_EXEMPLARS = "the same without exemplars"
USE_THE_MODEL = (CALIBRATED, PLAIN, UNCALIBRATED, WITHOUT_EXEMPLARS)
N_BOOTSTRAP = 300
LEVEL = (0.025, 0.975)
MIN_PEOPLE = 5.0  # effective people of a subgroup
MAX_SUBGROUPS = 40
MIN_GAIN = 0.001  # nats a respondent; a smaller difference is none, however narrow its interval
_TINY = 1e-12
FIGURES = ("log_score", "TV", "TV_by_subgroup")


@dataclass(frozen=True)
class Judged:
    """People that no answer was learned from, and the answers for their contexts.

    Attributes
    ----------
    people : Records
    shares : mapping of str to ndarray, shape (C, A)
        The shares of the options in each context, by the name of the answer.
    n : float
        People that the answers were learned from.
    """

    people: Records
    shares: Mapping[str, Array]
    n: float


def compare(
    judged: Sequence[Judged],
    groups: Sequence[NDArray[np.bool_]],
    *,
    reference: str | None = CALIBRATED,
    is_multiple: bool = False,
    random_state: int = 0,
) -> pd.DataFrame:
    """Return how near each answer is to held-out people, and by how much one of them wins.

    Parameters
    ----------
    judged : sequence of Judged
        One for each set of held-out people: one, or one a fold.
    groups : sequence of ndarray of bool, shape (C,)
        The contexts of each subgroup. Those of fewer than five effective people are left out.
    reference : str, optional
        The answer to compare with the others; None is the one with the best log score.
    is_multiple : bool
        Whether several options can be chosen; each then counts as a yes-no question.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row for each answer: answer, log_score (mean log-probability of a held-out answer,
        nats), TV (total variation from the shares of held-out people), TV_by_subgroup (mean over
        the subgroups by size), and for each of these a gain of the reference over the answer,
        positive where it is better, with low and high: a 95 % interval from a bootstrap of
        held-out units. It does not contain the chance of who was learned from.
    """
    rng = np.random.default_rng([random_state, 17])
    names = list(judged[0].shares)
    parts = [_figures(part, groups, rng, is_multiple=is_multiple) for part in judged]
    weights = np.array([part.people.weight.sum() for part in judged])
    figures = np.average(parts, axis=0, weights=weights)  # (1 + B, figures, answers)
    at = int(figures[0, 0].argmax()) if reference is None else names.index(reference)
    better = np.array([1.0, -1.0, -1.0])[:, None] * (figures[:, :, [at]] - figures)
    value = better[0]
    band = np.quantile(better[1:] - better[1:].mean(axis=0), LEVEL, axis=0) + value
    columns: dict[str, object] = {"answer": names}
    columns |= {figure: figures[0, f] for f, figure in enumerate(FIGURES)}
    for f, figure in enumerate(FIGURES):
        columns |= {
            f"{figure}_gain": value[f],
            f"{figure}_low": band[0, f],
            f"{figure}_high": band[1, f],
        }
    return pd.DataFrame(columns)


def best_without_model(comparison: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the best answer that uses no language model, by its log score."""
    rows = comparison.index[~comparison["answer"].isin(USE_THE_MODEL)]
    best = rows[int(comparison.loc[rows, "log_score"].argmax())]
    return {str(name): value for name, value in comparison.loc[best].items()}


def added(comparison: pd.DataFrame, n: int) -> str:
    """Return in one sentence what the model adds to `n` training answers, with 95 % intervals."""
    row = best_without_model(comparison)
    parts = [gain_text(row, figure) for figure in FIGURES]
    return (
        f"What the model adds to {n:,} real answers, beside {row['answer']}: {verdict(row)}. Log "
        f"score {parts[0]} nats a respondent; nearer to held-out people (TV) by {parts[1]} overall "
        f"and {parts[2]} by subgroup."
    ) + _exemplars(comparison)


def _exemplars(comparison: pd.DataFrame) -> str:
    """Return in one sentence what exemplars in the prompts add, "" if there are none."""
    rows = comparison[comparison["answer"] == WITHOUT_EXEMPLARS].to_dict("records")
    if not rows:
        return ""
    parts = [gain_text(rows[0], figure) for figure in FIGURES]
    return (
        f" What exemplars add, beside {WITHOUT_EXEMPLARS}: {verdict(rows[0])}. Log score "
        f"{parts[0]} nats a respondent; nearer (TV) by {parts[1]} overall and {parts[2]} by "
        "subgroup."
    )


def gain_text(row: Mapping[Any, Any], figure: str) -> str:
    """Return a gain with its interval, such as "+0.012 [-0.003, +0.030]"."""
    value, low, high = (round(row[f"{figure}_{end}"], 3) + 0.0 for end in ("gain", "low", "high"))
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def verdict(row: Mapping[Any, Any]) -> str:
    """Return whether the gain in log score is nothing, unclear, or a clear gain or loss."""
    if abs(row["log_score_gain"]) < MIN_GAIN:
        return "nothing"
    if row["log_score_low"] > 0:
        return "a clear gain"
    return "a clear loss" if row["log_score_high"] < 0 else "no clear gain"


def _figures(
    judged: Judged,
    groups: Sequence[NDArray[np.bool_]],
    rng: np.random.Generator,
    *,
    is_multiple: bool,
) -> Array:
    """Return the figures of each answer for the people and for resampled ones, (1 + B, 3, M)."""
    people, names = judged.people, list(judged.shares)
    _, unit = np.unique(people.unit, return_inverse=True)
    n_units = int(unit.max()) + 1
    counts = rng.multinomial(n_units, np.full(n_units, 1 / n_units), N_BOOTSTRAP)
    weight = np.vstack([np.ones(n_units), counts])[:, unit.ravel()] * people.weight
    kept = _large(people, groups)
    found = np.empty((len(weight), len(FIGURES), len(names)))
    for m, name in enumerate(names):
        shares = judged.shares[name]
        logs = log_scores(shares, people, is_multiple=is_multiple, n=judged.n)
        found[:, 0, m] = weight @ logs / weight.sum(axis=1)
        given = shares[people.context]
        everyone = np.ones(len(people), dtype=bool)
        found[:, 1, m] = _distance(weight, everyone, given, people.selected, is_multiple)[0]
        pairs = [_distance(weight, rows, given, people.selected, is_multiple) for rows in kept]
        distances, sizes = (np.array(values) for values in zip(*pairs, strict=True))
        total = np.maximum(sizes.sum(axis=0), _TINY)  # a resample may lack every subgroup
        found[:, 2, m] = (distances * sizes).sum(axis=0) / total
    return found


def _large(people: Records, groups: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Return the people of each subgroup that is large enough; everyone if none is."""
    found = [group[people.context] for group in groups]
    sizes = [effective_sample_size(people.weight[rows]) if rows.any() else 0.0 for rows in found]
    order = np.argsort(sizes, kind="stable")[::-1][:MAX_SUBGROUPS]
    kept = [found[g] for g in order if sizes[g] >= MIN_PEOPLE]
    return kept or [np.ones(len(people), dtype=bool)]


def _distance(
    weight: Array,
    rows: NDArray[np.bool_],
    given: Array,
    selected: Array,
    is_multiple: bool,
) -> tuple[Array, Array]:
    """Return the distance of given and selected shares for each weighting, and its total weight."""
    total = weight[:, rows].sum(axis=1)
    difference = np.abs(weight[:, rows] @ (given - selected)[rows])
    difference = difference.mean(axis=1) if is_multiple else difference.sum(axis=1) / 2
    return np.divide(difference, total, out=np.zeros_like(total), where=total > 0), total
