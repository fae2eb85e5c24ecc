"""Marginals for calibration: known population shares, and the shares of each persona."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights
from jupyter_mop.engine.simulation.outcomes import (
    MAX_OPTIONS,
    Outcome,
    label,
    labels,
    outcome_name,
    outcomes,
)
from jupyter_mop.engine.simulation.simulation import RESPONSE, Simulation
from jupyter_mop.engine.weighting.persona_counts import (
    label_shares_by_persona,
    shares_within_persona,
)
from jupyter_mop.errors import DataError

ROUNDING = 0.002
EXAMPLE = 'Give a share for each option, as in {"yes": 0.4, "no": 0.6}.'

Probabilities = pd.DataFrame | Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Marginal:
    """Shares of the options of one variable, of the population and of each persona.

    Attributes
    ----------
    name : str
        The variable.
    options : tuple of str
        Its `A` options.
    target, cells : ndarray, shapes (A,) and (N, A)
        Known population shares, and the shares of each (group of contexts, persona) cell: of each
        persona where there is one group. Zeros for a cell without responses.
    """

    name: str
    options: tuple[str, ...]
    target: Vectors
    cells: Vectors


def checked_target(target: object, name: str) -> dict[str, float]:
    """Return a target as a mapping from option to share that sums to exactly 1.

    Raises
    ------
    DataError
        If it is not a mapping or Series, names an option twice, or its shares are negative or
        do not sum to 1.

    Examples
    --------
    >>> checked_target(pd.Series({"yes": 0.333, "no": 0.666}), "vote")["yes"].__round__(4)
    0.3333
    """
    if not isinstance(target, Mapping | pd.Series) or not len(target):
        raise DataError(
            f"The target of {name!r} must be a non-empty mapping or Series of shares, "
            f"got {type(target).__name__}.",
            hint=EXAMPLE,
        )
    keys = [label(key) for key in target.keys()]  # noqa: SIM118  a Series iterates its values
    repeated = next((key for key in keys if keys.count(key) > 1), None)
    if repeated is not None:
        raise DataError(f"The target of {name!r} names {repeated!r} twice.", hint=EXAMPLE)
    values = pd.Series([target[key] for key in target.keys()], dtype=object)  # noqa: SIM118
    found = pd.to_numeric(values, errors="coerce")
    for key, share in zip(keys, found, strict=True):
        if not (np.isfinite(share) and share >= 0):
            raise DataError(
                f"The share of {key!r} in {name!r} must be a number of zero or more.",
                hint=EXAMPLE,
            )
    total = float(found.sum())
    if abs(total - 1) > ROUNDING:
        in_percent = abs(total - 100) <= 100 * ROUNDING
        raise DataError(
            f"The shares of {name!r} sum to {total:.4g}, not to 1.",
            hint="Divide percentages by 100."
            if in_percent
            else "Add a missing option, or rescale.",
        )
    return dict(zip(keys, (found / total).tolist(), strict=True))


def simulation_marginals(
    simulation: Simulation, targets: Any, of: Any = None  # noqa: ANN401  checked here
) -> list[Marginal]:  # fmt: skip
    """Return the marginal of each target variable, with the personas' shares in a simulation.

    Raises
    ------
    DataError
        For targets that `checked_target` refuses, or options that do not match the responses.
    """
    draws = simulation.grouped_draws()
    cells = draws.cells(simulation.codes())
    codes, n = cells.codes(draws.labels, simulation.codes()), len(cells)
    weights = checked_weights(simulation.weights, len(simulation))
    within = shares_within_persona(codes, weights, n)
    found = []
    for name, outcome, target in _variables(targets, of):
        answers = labels(outcomes(simulation.frame, outcome, RESPONSE))
        options = list(dict.fromkeys([*target, *answers]))
        _check_options(name, target, answers)
        index = {option: a for a, option in enumerate(options)}
        rows = np.array([index[answer] for answer in answers], dtype=np.intp)
        table = label_shares_by_persona(codes, rows, within, (n, len(options)))
        found.append(_marginal(name, options, target, table))
    return found


def probability_marginals(
    probabilities: Probabilities, targets: Any  # noqa: ANN401  checked here
) -> tuple[list[str], list[Marginal]]:  # fmt: skip
    """Return the persona names, and the marginal of each table of probabilities (K, A).

    Raises
    ------
    DataError
        For targets that `checked_target` refuses, or tables that do not match them.
    """
    if isinstance(probabilities, pd.DataFrame):
        probabilities = {"answer": probabilities}
        targets = targets if _is_nested(targets) else {"answer": checked_target(targets, "answer")}
    by_name = {name: target for name, _, target in _variables(targets, None)}
    unknown = [name for name in by_name if name not in probabilities]
    if unknown or not probabilities:
        raise DataError(
            f"There are no probabilities for {', '.join(map(repr, unknown)) or 'any target'}.",
            hint=f"There are probabilities for {list(probabilities)}.",
        )
    names = [str(name) for name in next(iter(probabilities.values())).index]
    found = []
    for name, target in by_name.items():
        options, table = _table(name, probabilities[name], names)
        _check_options(name, target, options)
        found.append(_marginal(name, options, target, table))
    return names, found


def _is_nested(targets: object) -> bool:
    values = [*targets.values()] if isinstance(targets, Mapping) else []
    return bool(values) and all(isinstance(value, Mapping | pd.Series) for value in values)


def _variables(targets: Any, of: Any) -> list[tuple[str, Outcome, dict[str, float]]]:  # noqa: ANN401
    """Return the name, outcome and target of each variable."""
    if not _is_nested(targets):
        if isinstance(of, Mapping):
            raise DataError(
                "`of` has several functions, but there is only one target.",
                hint="Give each function a target: {name: {option: share}}.",
            )
        outcome = RESPONSE if of is None else of
        name = outcome_name(outcome)
        return [(name, outcome, checked_target(targets, name))]
    functions = of if isinstance(of, Mapping) else {}
    if of is not None and not functions:
        raise DataError(
            "Several targets name their columns themselves, so `of` must be a mapping or left out.",
            hint="Leave `of` out, or pass {name: function}.",
        )
    return [
        (str(name), functions.get(name, str(name)), checked_target(target, str(name)))
        for name, target in targets.items()
    ]


def _check_options(name: str, target: Mapping[str, float], options: Sequence[str]) -> None:
    known = list(dict.fromkeys(options))
    if len(known) > max(MAX_OPTIONS, len(target)):
        raise DataError(
            f"{name!r} has {len(known)} different values, too many for a share each.",
            hint="Group them first, by a column or by a function of a response.",
        )
    for option, share in target.items():
        if share > 0 and option not in known:
            near = difflib.get_close_matches(option, known, 1, cutoff=0)
            raise DataError(
                f"No response has {option!r} as its {name!r}, so no weights give it a share.",
                hint=f"Did you mean {near[0]!r}? If not, leave it out and rescale the others.",
            )
    left_out = [option for option in known if option not in target]
    if left_out:
        raise DataError(
            f"The target of {name!r} leaves out {left_out[0]!r}, which some responses have.",
            hint="Give each option a share, 0 if it should not occur.",
        )


def _table(name: str, table: object, names: Sequence[str]) -> tuple[list[str], Vectors]:
    if not isinstance(table, pd.DataFrame) or not len(table) or not len(table.columns):
        raise DataError(
            f"The probabilities of {name!r} must be a DataFrame with rows and columns, got "
            f"{type(table).__name__}.",
            hint="Pass one row per persona and one column per option.",
        )
    options, rows = [label(option) for option in table.columns], [str(key) for key in table.index]
    if len(set(options)) < len(options) or sorted(rows) != sorted(set(names)):
        raise DataError(
            f"The probabilities of {name!r} must have one column per option and one row per "
            "persona.",
            hint=f"The personas of the first table are {list(names)}.",
        )
    values = table.set_axis(rows).loc[list(names)].to_numpy(dtype=np.float64)
    if not (values >= 0).all() or np.abs(values.sum(axis=1) - 1).max() > ROUNDING:
        raise DataError(
            f"The probabilities of {name!r} must be zero or more and sum to 1 for each persona.",
            hint="Divide each row by its sum.",
        )
    return options, values / values.sum(axis=1, keepdims=True)


def _marginal(
    name: str, options: Sequence[str], target: Mapping[str, float], table: Vectors
) -> Marginal:
    shares = np.array([target.get(option, 0.0) for option in options])
    return Marginal(name, tuple(options), shares, table)
