"""Known marginals: which shares a population has, and which each persona has of the same."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights
from jupyter_mop.engine.simulation.outcomes import (
    MOST_OPTIONS,
    Outcome,
    label,
    labels,
    named,
    outcomes,
)
from jupyter_mop.engine.simulation.simulation import RESPONSE, Simulation
from jupyter_mop.engine.weighting.persona_counts import tabulated, within_shares
from jupyter_mop.errors import DataError

ROUNDING = 0.002
EXAMPLE = 'Give a share for each option, as in {"yes": 0.4, "no": 0.6}.'

Probabilities = pd.DataFrame | Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Marginal:
    """The shares of one variable: the known ones (A,) and each persona's own (K, A).

    Rows of personas of which nothing is known are zero.
    """

    name: str
    options: tuple[str, ...]
    target: Vectors
    personas: Vectors


def shares(target: object, name: str) -> dict[str, float]:
    """Return a target as option to share, summing to exactly 1, or say what is wrong with it.

    Examples
    --------
    >>> shares(pd.Series({"yes": 0.333, "no": 0.666}), "vote")["yes"].__round__(4)
    0.3333
    """
    if not isinstance(target, Mapping | pd.Series) or not len(target):
        raise DataError(f"The target of {name!r} is no table of shares.", hint=EXAMPLE)
    keys = [label(key) for key in target.keys()]  # noqa: SIM118  a Series iterates its values
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise DataError(f"The target of {name!r} names {twice!r} twice.", hint=EXAMPLE)
    values = pd.Series([target[key] for key in target.keys()], dtype=object)  # noqa: SIM118
    found = pd.to_numeric(values, errors="coerce")
    for key, share in zip(keys, found, strict=True):
        if not (np.isfinite(share) and share >= 0):
            raise DataError(
                f"The share of {key!r} in {name!r} must be a number of zero or more.", hint=EXAMPLE
            )
    total = float(found.sum())
    if abs(total - 1) > ROUNDING:
        per_cent = abs(total - 100) <= 100 * ROUNDING
        raise DataError(
            f"The shares of {name!r} sum to {total:.4g}, not to 1.",
            hint="Divide per cent by 100." if per_cent else "Add what is missing, or rescale them.",
        )
    return dict(zip(keys, (found / total).tolist(), strict=True))


def of_simulation(
    simulation: Simulation, targets: Any, of: Any = None  # noqa: ANN401  checked here
) -> list[Marginal]:  # fmt: skip
    """Return each persona's weighted shares of the responses, with the target of each variable."""
    codes, n = simulation.codes(), len(simulation.names)
    within = within_shares(codes, checked_weights(simulation.weights, len(simulation)), n)
    found = []
    for name, outcome, target in _variables(targets, of):
        said = labels(outcomes(simulation.frame, outcome, RESPONSE))
        options = list(dict.fromkeys([*target, *said]))
        _check_options(name, target, said)
        place = {option: a for a, option in enumerate(options)}
        rows = np.array([place[text] for text in said], dtype=np.intp)
        table = tabulated(codes, rows, within, (n, len(options)))
        found.append(_marginal(name, options, target, table))
    return found


def of_probabilities(
    probabilities: Probabilities, targets: Any  # noqa: ANN401  checked here
) -> tuple[list[str], list[Marginal]]:  # fmt: skip
    """Return the personas and, for each table of probabilities (K, A), its marginal."""
    if isinstance(probabilities, pd.DataFrame):
        probabilities = {"answer": probabilities}
        targets = targets if _is_nested(targets) else {"answer": shares(targets, "answer")}
    wanted = {name: target for name, _, target in _variables(targets, None)}
    unknown = [name for name in wanted if name not in probabilities]
    if unknown or not probabilities:
        raise DataError(
            f"There are no probabilities for {', '.join(map(repr, unknown)) or 'any target'}.",
            hint=f"Those given are {list(probabilities)}.",
        )
    names = [str(name) for name in next(iter(probabilities.values())).index]
    found = []
    for name, target in wanted.items():
        options, table = _table(name, probabilities[name], names)
        _check_options(name, target, options)
        found.append(_marginal(name, options, target, table))
    return names, found


def _is_nested(targets: object) -> bool:
    values = [*targets.values()] if isinstance(targets, Mapping) else []
    return bool(values) and all(isinstance(value, Mapping | pd.Series) for value in values)


def _variables(targets: Any, of: Any) -> list[tuple[str, Outcome, dict[str, float]]]:  # noqa: ANN401
    """Return name, outcome and target of each variable."""
    if not _is_nested(targets):
        if isinstance(of, Mapping):
            raise DataError(
                "Several functions need a target each.", hint="Name them: {name: {option: share}}."
            )
        outcome = RESPONSE if of is None else of
        return [(named(outcome), outcome, shares(targets, named(outcome)))]
    functions = of if isinstance(of, Mapping) else {}
    if of is not None and not functions:
        raise DataError(
            "Several targets name their columns themselves, so `of` has no place.",
            hint="Leave it out, or give {name: function}.",
        )
    return [
        (str(name), functions.get(name, str(name)), shares(target, str(name)))
        for name, target in targets.items()
    ]


def _check_options(name: str, target: Mapping[str, float], options: Sequence[str]) -> None:
    said = list(dict.fromkeys(options))
    if len(said) > max(MOST_OPTIONS, len(target)):
        raise DataError(
            f"{name!r} has {len(said)} different values: too many to have a share each.",
            hint="Group them first, by a column or by a function of a response.",
        )
    for option, share in target.items():
        if share > 0 and option not in said:
            near = difflib.get_close_matches(option, said, 1, cutoff=0)
            raise DataError(
                f"No response has {option!r} as its {name!r}, so no weights give it a share.",
                hint=f"Did you mean {near[0]!r}? If not, leave it out and rescale the others.",
            )
    left_out = [option for option in said if option not in target]
    if left_out:
        raise DataError(
            f"The target of {name!r} leaves out {left_out[0]!r}, which some responses have.",
            hint="Give each option a share, 0 if it must not occur.",
        )


def _table(name: str, table: object, names: Sequence[str]) -> tuple[list[str], Vectors]:
    if not isinstance(table, pd.DataFrame) or not len(table) or not len(table.columns):
        raise DataError(
            f"The probabilities of {name!r} are no table.",
            hint="Give a DataFrame with one row per persona and one column per option.",
        )
    options, rows = [label(option) for option in table.columns], [str(key) for key in table.index]
    if len(set(options)) < len(options) or sorted(rows) != sorted(set(names)):
        raise DataError(
            f"The probabilities of {name!r} need one column an option, one row a persona.",
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
    wanted = np.array([target.get(option, 0.0) for option in options])
    return Marginal(name, tuple(options), wanted, table)
