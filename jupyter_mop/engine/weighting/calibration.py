"""Calibrate persona weights to known population shares, staying near the starting weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.persona_weights import NamedWeights, named_shares
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.metrics.divergences import relative_entropy
from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights
from jupyter_mop.engine.simulation.context_groups import ContextGroups, PersonaCells
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.marginals import (
    Marginal,
    Probabilities,
    probability_marginals,
    simulation_marginals,
)
from jupyter_mop.engine.weighting.persona_counts import sum_by_persona
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

PENALTY = 1e6
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Calibration(Viewed, NamedWeights):
    """Calibrated persona weights, a mapping that `reweight` and `simulate` accept.

    Attributes
    ----------
    weights, start : dict of str to float
        The calibrated weights, and the starting weights that they stay near.
    frame : pandas.DataFrame
        One row per target: marginal, option, target, start, reached and gap (reached - target).
    divergence : float
        KL(weights || start) in nats: how far the weights moved.
    is_reached : bool
        Whether every target is reached to within 0.001.
    """

    weights: dict[str, float]
    start: dict[str, float]
    frame: pd.DataFrame
    divergence: float

    @property
    def is_reached(self) -> bool:
        """Whether every target is reached to within 0.001."""
        return bool(self.frame["gap"].abs().max() <= TOLERANCE)

    @property
    def verdict(self) -> str:
        """Whether the targets are reached, and what it takes, in words."""
        if not self.is_reached:
            return f"Not all targets are reached: {largest_gap(self.frame)}. {self._largest_move}"
        return f"All {len(self.frame)} targets are reached. {self._largest_move}"

    @property
    def _largest_move(self) -> str:
        """The persona whose weight moves most, in one sentence."""
        name = max(self.weights, key=lambda name: abs(self.weights[name] - self.start[name]))
        before, after = self.start[name], self.weights[name]
        if abs(after - before) < TOLERANCE:
            return "The initial weights are kept."
        return f"Largest move: {name} from {before:.1%} to {after:.1%}."

    def __repr__(self) -> str:
        return (
            f"{self.verdict}\nCalibration({self.listed}), {self.divergence:.3f} nats from the start"
        )


def calibrate(
    source: Simulation | Probabilities,
    targets: Any,  # noqa: ANN401  a mapping, a Series or a mapping of them
    *,
    of: Any = None,  # noqa: ANN401  a column, a function or a mapping of them
    start: Mapping[str, float] | None = None,
    penalty: float = PENALTY,
    nearest: bool = False,
) -> Calibration:
    """Find the persona weights nearest to the starting weights that reach known shares.

    Parameters
    ----------
    source : Simulation, DataFrame or mapping of str to DataFrame
        A simulation of the mixture, whose responses give each persona's shares (of several
        candidates the first, see `Simulation.first_candidates`); or these shares themselves, shape
        (K, A), with one row per persona and one column per option.
    targets : mapping or Series
        The share of each option. For several marginals at once, a mapping from a column of the
        simulation (or a name in `of`, or of a table) to such shares.
    of : str, callable or mapping, optional
        The variable that the targets are about: a column of the simulation or a function of a
        response; the response itself by default. With several targets, functions by name.
    start : mapping, optional
        Starting weights; by default the simulation's own shares, else uniform. Personas with
        weight 0, or without responses, keep weight 0.
    penalty : float
        Cost of a squared gap, in nats; smaller values stay nearer the start.
    nearest : bool
        Whether to return the closest weights where none reach the targets.

    Returns
    -------
    Calibration
        A mapping from persona to weight.

    Raises
    ------
    DataError
        For targets that do not sum to 1, contradict each other or leave an option out, and,
        unless `nearest`, for targets that no weights reach.

    Notes
    -----
    The share of an option is linear in the persona weights v, so that minimising
    KL(v || start) + penalty / 2 * (squared gaps) is convex. Its dual is smooth, has one dimension
    per option and is solved by Newton's method in a trust region. Whether any weights reach the
    targets is a linear programme. Deville and Sarndal (1992), *Calibration estimators in survey
    sampling*, Journal of the American Statistical Association 87, describe the exact form.

    Examples
    --------
    >>> votes = pd.DataFrame({"yes": [0.9, 0.2], "no": [0.1, 0.8]}, index=["young", "old"])
    >>> calibrate(votes, {"yes": 0.76, "no": 0.24})
    All 2 targets are reached. Largest move: young from 50.0% to 80.0%.
    Calibration(young=0.800, old=0.200), 0.193 nats from the start
    """
    if isinstance(source, Simulation):
        source = source.first_candidates()
        names, cells = source.names, source.grouped_draws().cells(source.codes())
        marginals = simulation_marginals(source, targets, of)
        before = sum_by_persona(source.codes(), source.weights, len(names))
    else:
        names, marginals = probability_marginals(source, targets)
        before, cells = np.ones(len(names)), PersonaCells.without_contexts(len(names))
    if start is not None:
        before = named_shares([Persona(name, name) for name in names], start)
    known = np.all([marginal.cells.sum(axis=1) > 0 for marginal in marginals], axis=0)
    drawn = sum_by_persona(cells.persona, known.astype(float), len(names)) > 0
    before = checked_weights(np.where(drawn, before, 0.0), len(names))
    found = _calibrated(marginals, cells, before, penalty=penalty, nearest=nearest)
    return Calibration(
        dict(zip(names, found.tolist(), strict=True)),
        dict(zip(names, before.tolist(), strict=True)),
        _frame(marginals, cells.shares(before), cells.shares(found)),
        float(relative_entropy(found, before)),
    )


def _calibrated(
    marginals: Sequence[Marginal],
    cells: PersonaCells,
    start: Vectors,
    *,
    penalty: float,
    nearest: bool,
) -> Vectors:
    """Return the calibrated persona weights, shape (K,), or refuse targets out of reach."""
    gaps = np.hstack([marginal.cells - marginal.target for marginal in marginals])
    if not cells.is_contextual:
        if not nearest:
            _check_reach(marginals, start, gaps)
        return nearest_weights(gaps, start, penalty=penalty)
    found = nearest_weights_by_context(gaps, cells, start, penalty=penalty)
    frame = _frame(marginals, cells.shares(start), cells.shares(found))
    if not nearest and frame["gap"].abs().max() > TOLERANCE:
        raise _out_of_reach(frame)
    return found


def nearest_weights_by_context(
    gaps: Vectors, cells: PersonaCells, start: Vectors, *, penalty: float = PENALTY
) -> Vectors:
    """Return persona weights as `nearest_weights` does, where they depend on the context.

    The odds between two personas change by one factor in every group of contexts, as they do in a
    simulation with the weights that are returned.

    Parameters
    ----------
    gaps : ndarray, shape (N, m)
        Shares of each (group, persona) cell minus the targets.
    cells : PersonaCells
        The N cells.
    start : ndarray, shape (K,)
        Overall weights that sum to 1; zeros stay zero.
    penalty : float
        Reached in steps of a factor of ten, each started from the previous solution.
    """
    from scipy.optimize import minimize

    groups = cells.groups.with_marginal(start)
    table = np.zeros((*groups.base.shape, gaps.shape[1]))
    table[cells.group, cells.persona] = gaps

    def moved(logs: Vectors) -> ContextGroups:
        return ContextGroups(groups.sizes, groups.weights, np.exp(logs - logs.max()))

    def objective(logs: Vectors, strength: float) -> tuple[float, Vectors]:
        now = moved(logs)
        held = now.weights > 0
        ratio = np.divide(now.weights, groups.weights, out=np.ones_like(now.weights), where=held)
        gap = np.einsum("gk,gkm->m", now.shares, table)
        slope = np.log(ratio) + strength * (table @ gap)
        value = float((now.shares * np.log(ratio)).sum() + strength / 2 * gap @ gap)
        centred = slope - (now.weights * slope).sum(1, keepdims=True)
        return value, (now.shares * centred).sum(0)

    logs = np.zeros(len(start))
    for strength in _penalties(penalty):
        logs = minimize(objective, logs, args=(strength,), jac=True, method="BFGS").x
    return moved(logs).marginal


def nearest_weights(gaps: Vectors, start: Vectors, *, penalty: float = PENALTY) -> Vectors:
    """Return the v that minimise KL(v || start) + penalty / 2 * sum((v @ gaps)**2), shape (K,).

    Parameters
    ----------
    gaps : ndarray, shape (K, m)
        Each persona's shares minus the targets.
    start : ndarray, shape (K,)
        Weights that sum to 1; zeros stay zero.
    penalty : float
        Reached in steps of a factor of ten, each started from the previous solution.

    Raises
    ------
    DataError
        If the penalty is not a positive number.

    Examples
    --------
    >>> gaps = np.array([[0.3, -0.3], [-0.3, 0.3]])
    >>> nearest_weights(gaps, np.array([0.9, 0.1])).round(3).tolist()
    [0.5, 0.5]
    """
    from scipy.optimize import minimize

    if not penalty > 0 or not np.isfinite(penalty):
        raise DataError(f"`penalty` must be above 0, got {penalty}.", hint="Leave it out.")
    free = start > 0
    rows, log_start = gaps[free], np.log(start[free])
    multipliers = np.zeros(gaps.shape[1])
    for value in _penalties(penalty):
        multipliers = minimize(
            lambda m, value=value: _dual(m, rows, log_start, value)[:2],
            multipliers,
            jac=True,
            hess=lambda m, value=value: _dual(m, rows, log_start, value)[2],
            method="trust-exact",
            options={"gtol": 1e-9, "max_trust_radius": 1e9, "maxiter": 500},
        ).x
    weights = np.zeros(len(start))
    weights[free] = _softmax(log_start + rows @ multipliers)
    return weights


def largest_gap(frame: pd.DataFrame) -> str:
    """Describe the target with the largest gap.

    Examples
    --------
    >>> row = {"marginal": "vote", "option": "yes", "target": 0.6, "reached": 0.5, "gap": -0.1}
    >>> largest_gap(pd.DataFrame([row]))
    "'yes' of 'vote' reaches 0.500, 0.100 below its target of 0.600"
    """
    row = frame.iloc[int(frame["gap"].abs().round(6).argmax())]
    side = "below" if row["gap"] < 0 else "above"
    return (
        f"{row['option']!r} of {row['marginal']!r} reaches {row['reached']:.3f}, "
        f"{abs(row['gap']):.3f} {side} its target of {row['target']:.3f}"
    )


def _dual(
    multipliers: Vectors, rows: Vectors, log_start: Vectors, penalty: float
) -> tuple[float, Vectors, Vectors]:
    """Return the dual objective with its gradient and Hessian by the multipliers."""
    logits = log_start + rows @ multipliers
    weights, mean = _softmax(logits), _softmax(logits) @ rows
    value = float(np.logaddexp.reduce(logits) + multipliers @ multipliers / (2 * penalty))
    curvature = (rows * weights[:, None]).T @ rows - np.outer(mean, mean)
    return value, mean + multipliers / penalty, curvature + np.eye(len(mean)) / penalty


def _penalties(penalty: float) -> NDArray[np.float64]:
    return np.geomspace(min(10.0, penalty), penalty, 1 + max(0, round(np.log10(penalty / 10))))


def _softmax(logits: Vectors) -> Vectors:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _min_gap(gaps: Vectors) -> float:
    """Return the smallest largest gap that any weights reach, by a linear programme."""
    from scipy.optimize import linprog

    n, m = gaps.shape
    bounds = np.hstack([np.vstack([gaps.T, -gaps.T]), -np.ones((2 * m, 1))])
    solution = linprog(
        np.r_[np.zeros(n), 1.0],
        A_ub=bounds,
        b_ub=np.zeros(2 * m),
        A_eq=np.r_[np.ones(n), 0.0][None],
        b_eq=[1.0],
    )
    return float(solution.fun)


def _check_reach(marginals: Sequence[Marginal], start: Vectors, gaps: Vectors) -> None:
    free = start > 0
    if _min_gap(gaps[free]) <= TOLERANCE / 2:
        return
    frame = _frame(marginals, start, nearest_weights(gaps, start))
    if all(_min_gap((m.cells - m.target)[free]) <= TOLERANCE / 2 for m in marginals):
        raise DataError(
            f"The targets contradict each other: each can be reached alone, but not together. "
            f"At the nearest weights, {largest_gap(frame)}.",
            hint="Leave one out, or take the nearest weights: nearest=True (--nearest).",
        )
    raise _out_of_reach(frame)


def _out_of_reach(frame: pd.DataFrame) -> DataError:
    return DataError(
        f"No persona weights reach these targets. At the nearest weights, {largest_gap(frame)}.",
        hint="Take the nearest weights, nearest=True (--nearest), or add a persona who would give "
        "this answer.",
    )


def _frame(marginals: Sequence[Marginal], start: Vectors, found: Vectors) -> pd.DataFrame:
    tables = [
        pd.DataFrame(
            {
                "marginal": marginal.name,
                "option": marginal.options,
                "target": marginal.target,
                "start": start @ marginal.cells,
                "reached": found @ marginal.cells,
            }
        )
        for marginal in marginals
    ]
    frame = pd.concat(tables, ignore_index=True)
    return frame.assign(gap=frame["reached"] - frame["target"])
