"""Another population: cells of context values with their shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import column_texts, group_text, pandas_frame, text_columns
from jupyter_mop.engine.metrics.vectors import weight_fault
from jupyter_mop.engine.questionnaire.latent_classes import Cells, context_cells
from jupyter_mop.engine.weighting.marginals import checked_target
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
WEIGHT = "weight"
MAX_ROUNDS, CLOSE = 1000, 1e-9
Target = pd.DataFrame | Mapping[str, Any]


def target_cells(cells: Cells, sizes: Array, to: Target | None) -> tuple[Cells, Array]:
    """Return the cells of a population and their shares, shape (M,).

    Parameters
    ----------
    cells : Cells
        Those of the respondents.
    sizes : ndarray, shape (M,)
        Their shares.
    to : DataFrame, mapping or None
        A frame with the context columns, one row per person, or per cell with its number of people
        in a column "weight". Or a mapping from columns to known shares of their values: the
        respondents' cells are then raked to these margins. None: the respondents' own.

    Raises
    ------
    DataError
        If a context column is absent, a value is one that the fit has not seen, or the margins
        cannot be reached.

    Notes
    -----
    Raking is iterative proportional fitting (Deming and Stephan 1940, Annals of Mathematical
    Statistics 11, 427-444).

    Examples
    --------
    >>> cells, _ = context_cells(pd.DataFrame({"age": ["old", "young"]}))
    >>> found, shares = target_cells(cells, np.array([0.5, 0.5]), {"age": {"old": 1, "young": 0}})
    >>> shares.tolist()
    [1.0, 0.0]
    """
    if to is None:
        return cells, sizes
    if isinstance(to, Mapping):
        return cells, _raked(cells, sizes, to)
    frame = pandas_frame(to)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"`to` must be a DataFrame or a mapping of margins, got {type(to).__name__}.",
            hint='Use a frame with the context columns, or {"age": {"old": 0.4, "young": 0.6}}.',
        )
    return _from_frame(cells, text_columns(frame))


def _from_frame(cells: Cells, frame: pd.DataFrame) -> tuple[Cells, Array]:
    columns = list(cells.frame.columns)
    absent = next((name for name in columns if name not in frame), None)
    if absent is not None or not len(frame) or not columns:
        what = "has no rows" if absent is None else f"has no column {absent!r}"
        what = what if columns else "cannot be used: the survey has no context columns"
        raise DataError(
            f"The target population {what}.",
            hint=f"It needs the context columns: {', '.join(columns) or 'none were named'}.",
        )
    contexts = pd.DataFrame({c: np.array(column_texts(frame[c]), dtype=object) for c in columns})
    for column in columns:
        known = [value for name, value in cells.indicators if name == column]
        new = [value for value in dict.fromkeys(contexts[column]) if value not in known]
        if new:
            raise DataError(
                f"The fit has not seen {column} {new[0]!r}, which {_count(contexts, column, new)} "
                "of the target population have.",
                hint=f"Recode it as one of {', '.join(known)}, or leave these people out.",
            )
    is_weighted = WEIGHT in frame and WEIGHT not in columns
    weights = _weights(frame) if is_weighted else np.ones(len(frame))
    found, cell = context_cells(contexts, cells.indicators)
    totals = np.bincount(cell, weights, len(found.frame))
    return found, np.asarray(totals / totals.sum())


def _count(contexts: pd.DataFrame, column: str, values: list[str]) -> str:
    return f"{contexts[column].isin(values).mean():.1%}"


def _weights(frame: pd.DataFrame) -> Array:
    values = pd.to_numeric(frame[WEIGHT], errors="coerce").to_numpy(dtype=np.float64)
    fault = weight_fault(values)
    if fault:
        raise DataError(
            f"The target's column {WEIGHT!r} must contain numbers of zero or more: {fault}.",
            hint="It is the number of people in each row.",
        )
    return np.asarray(values)


def _raked(cells: Cells, sizes: Array, margins: Mapping[str, Any]) -> Array:
    targets = [_margin(cells, str(column), shares) for column, shares in margins.items()]
    shares = sizes / sizes.sum()
    for _ in range(MAX_ROUNDS):
        before = shares
        for members, wanted in targets:
            there = members.T @ shares
            factors = np.divide(wanted, there, out=np.zeros_like(wanted), where=there > 0)
            shares = shares * (members @ factors)
        if np.abs(shares - before).max() < CLOSE:
            break
    gaps = [np.abs(members.T @ shares - wanted).max() for members, wanted in targets]
    if max(gaps, default=0.0) > 1e-4:  # noqa: PLR2004
        raise DataError(
            "The margins cannot be reached together from the respondents' contexts: the nearest "
            f"are {max(gaps):.1%} off.",
            hint="Use fewer margins, or merge values that few respondents have.",
        )
    return np.asarray(shares)


def _margin(cells: Cells, column: str, shares: Any) -> tuple[Array, Array]:  # noqa: ANN401
    """Return which cells have each value of a column, (M, V), and the known shares, (V,)."""
    if column not in cells.frame:
        raise DataError(
            f"There is no context column {column!r} in the survey.",
            hint=f"Its context columns are: {', '.join(map(str, cells.frame)) or 'none'}.",
        )
    known = [value for name, value in cells.indicators if name == column]
    target = {group_text(value): share for value, share in checked_target(shares, column).items()}
    new = next((value for value in target if value not in known and target[value]), None)
    if new is not None:
        raise DataError(
            f"The fit has not seen {column} {new!r}, which the target has.",
            hint=f"Recode it as one of {', '.join(known)}.",
        )
    absent = next((value for value in known if value not in target), None)
    if absent is not None:
        raise DataError(
            f"The target has no share for {column} {absent!r}.",
            hint=f"Give a share for each of {', '.join(known)}; 0 if there is nobody.",
        )
    members = np.stack([(cells.frame[column] == value).to_numpy() for value in known], axis=1)
    return members.astype(np.float64), np.array([target[value] for value in known])
