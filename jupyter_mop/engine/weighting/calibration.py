"""Persona weights that give a population known shares: the ones nearest to those it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.persona_weights import named_shares
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.marginals import (
    Marginal,
    Probabilities,
    of_probabilities,
    of_simulation,
)
from jupyter_mop.engine.weighting.persona_counts import sums
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

PENALTY = 1e6
REACHED = 1e-3
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Calibration(Viewed, Mapping[str, float]):
    """Persona weights by name, as `reweight` and `simulate` take them, and what they reach.

    Attributes
    ----------
    weights, start : dict of str to float
        The weights found, and those they are nearest to.
    frame : pandas.DataFrame
        One row per target: marginal, option, target, start, reached and gap (reached - target).
    divergence : float
        How far the weights had to move: KL(weights || start), in nats.
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
        return bool(self.frame["gap"].abs().max() <= REACHED)

    @property
    def verdict(self) -> str:
        """What the weights reach, in one sentence."""
        if self.is_reached:
            return f"All {len(self.frame)} targets are reached."
        return f"Not all targets are reached: {farthest(self.frame)}."

    def __getitem__(self, persona: str) -> float:
        return self.weights[persona]

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={weight:.3f}" for name, weight in self.weights.items())
        return f"Calibration({told})\n{self.verdict} {self.divergence:.3f} nats from the start."


def calibrate(
    source: Simulation | Probabilities,
    targets: Any,  # noqa: ANN401  a mapping, a Series or a mapping of them
    *,
    of: Any = None,  # noqa: ANN401  a column, a function or a mapping of them
    start: Mapping[str, float] | None = None,
    penalty: float = PENALTY,
    nearest: bool = False,
) -> Calibration:
    """Find the persona weights nearest to those at the start that give known shares.

    Parameters
    ----------
    source : Simulation, DataFrame or mapping of str to DataFrame
        A simulation of the mixture, whose responses tell each persona's shares; or these shares
        themselves, shape (K, A): one row per persona, one column per option.
    targets : mapping or Series
        The share of each option; for several marginals at once a mapping from a column of the
        simulation (or a name in `of`, or of a table) to such shares.
    of : str, callable or mapping, optional
        What of a simulation is meant: a column or a function of a response; default: the response
        itself. With several targets, functions by name.
    start : mapping, optional
        Weights to stay near; default: the simulation's own shares, else uniform. Personas with
        no weight, or of which there are no draws, get none.
    penalty : float
        What a squared gap costs, in nats; smaller values stay nearer the start.
    nearest : bool
        Whether to return the weights that come nearest where none reach the targets.

    Returns
    -------
    Calibration
        A mapping from persona to weight.

    Raises
    ------
    DataError
        For targets that do not sum to 1, contradict each other or leave an option out, and,
        unless `nearest`, for those that no weights reach.

    Notes
    -----
    The share of an option is linear in the persona weights v, so that minimising
    KL(v || start) + penalty / 2 * (squared gaps) is convex. Its dual is smooth, has one dimension
    per option and is solved by Newton's method in a trust region; whether any weights reach the
    targets is a linear programme.

    Examples
    --------
    >>> votes = pd.DataFrame({"yes": [0.9, 0.2], "no": [0.1, 0.8]}, index=["young", "old"])
    >>> calibrate(votes, {"yes": 0.76, "no": 0.24})
    Calibration(young=0.800, old=0.200)
    All 2 targets are reached. 0.193 nats from the start.
    """
    if isinstance(source, Simulation):
        names, marginals = source.names, of_simulation(source, targets, of)
        before = sums(source.codes(), source.weights, len(names))
    else:
        names, marginals = of_probabilities(source, targets)
        before = np.ones(len(names))
    if start is not None:
        before = named_shares([Persona(name, name) for name in names], start)
    known = np.all([marginal.personas.sum(axis=1) > 0 for marginal in marginals], axis=0)
    before = checked_weights(np.where(known, before, 0.0), len(names))
    gaps = np.hstack([marginal.personas - marginal.target for marginal in marginals])
    if not nearest:
        _check_reach(marginals, before, gaps)
    found = nearest_weights(gaps, before, penalty=penalty)
    return Calibration(
        dict(zip(names, found.tolist(), strict=True)),
        dict(zip(names, before.tolist(), strict=True)),
        _frame(marginals, before, found),
        float(np.sum(found * np.log(np.maximum(found, TINY) / np.maximum(before, TINY)))),
    )


def nearest_weights(gaps: Vectors, start: Vectors, *, penalty: float = PENALTY) -> Vectors:
    """Return the v that minimise KL(v, start) + penalty / 2 * sum((v @ gaps)**2), shape (K,).

    Parameters
    ----------
    gaps : ndarray, shape (K, m)
        Each persona's shares minus the targets.
    start : ndarray, shape (K,)
        Weights that sum to 1; those of zero stay zero.
    penalty : float
        Approached in steps of ten, each from the solution of the one before.

    Examples
    --------
    >>> gaps = np.array([[0.3, -0.3], [-0.3, 0.3]])
    >>> nearest_weights(gaps, np.array([0.9, 0.1])).round(3).tolist()
    [0.5, 0.5]
    """
    from scipy.optimize import minimize

    if not penalty > 0 or not np.isfinite(penalty):
        raise DataError(f"The penalty must be above zero, not {penalty}.", hint="Leave it out.")
    kept = start > 0
    rows, log_start = gaps[kept], np.log(start[kept])
    multipliers = np.zeros(gaps.shape[1])
    for step in _ladder(penalty):
        multipliers = minimize(
            lambda m, step=step: _dual(m, rows, log_start, step)[:2],
            multipliers,
            jac=True,
            hess=lambda m, step=step: _dual(m, rows, log_start, step)[2],
            method="trust-exact",
            options={"gtol": 1e-9, "max_trust_radius": 1e9, "maxiter": 500},
        ).x
    weights = np.zeros(len(start))
    weights[kept] = _softmax(log_start + rows @ multipliers)
    return weights


def farthest(frame: pd.DataFrame) -> str:
    """Return which target is farthest off and by how much, as text.

    Examples
    --------
    >>> row = {"marginal": "vote", "option": "yes", "target": 0.6, "reached": 0.5, "gap": -0.1}
    >>> farthest(pd.DataFrame([row]))
    "'yes' of 'vote' comes to 0.500, 0.100 below its target of 0.600"
    """
    row = frame.iloc[int(frame["gap"].abs().round(6).argmax())]
    side = "below" if row["gap"] < 0 else "above"
    return (
        f"{row['option']!r} of {row['marginal']!r} comes to {row['reached']:.3f}, "
        f"{abs(row['gap']):.3f} {side} its target of {row['target']:.3f}"
    )


def _dual(
    multipliers: Vectors, rows: Vectors, log_start: Vectors, penalty: float
) -> tuple[float, Vectors, Vectors]:
    """Return the dual, to be minimised, with its gradient and Hessian by the multipliers."""
    logits = log_start + rows @ multipliers
    weights, mean = _softmax(logits), _softmax(logits) @ rows
    value = float(np.logaddexp.reduce(logits) + multipliers @ multipliers / (2 * penalty))
    curvature = (rows * weights[:, None]).T @ rows - np.outer(mean, mean)
    return value, mean + multipliers / penalty, curvature + np.eye(len(mean)) / penalty


def _ladder(penalty: float) -> NDArray[np.float64]:
    return np.geomspace(min(10.0, penalty), penalty, 1 + max(0, round(np.log10(penalty / 10))))


def _softmax(logits: Vectors) -> Vectors:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _least_gap(gaps: Vectors) -> float:
    """Return the smallest possible largest gap over all weights, a linear programme."""
    from scipy.optimize import linprog

    n, m = gaps.shape
    bounds = np.hstack([np.vstack([gaps.T, -gaps.T]), -np.ones((2 * m, 1))])
    found = linprog(
        np.r_[np.zeros(n), 1.0],
        A_ub=bounds,
        b_ub=np.zeros(2 * m),
        A_eq=np.r_[np.ones(n), 0.0][None],
        b_eq=[1.0],
    )
    return float(found.fun)


def _check_reach(marginals: Sequence[Marginal], start: Vectors, gaps: Vectors) -> None:
    kept = start > 0
    if _least_gap(gaps[kept]) <= REACHED / 2:
        return
    found = nearest_weights(gaps, start)
    told = farthest(_frame(marginals, start, found))
    alone = [_least_gap((m.personas - m.target)[kept]) <= REACHED / 2 for m in marginals]
    if all(alone):
        raise DataError(
            f"The targets contradict each other: each can be reached alone, not together; {told}.",
            hint="Leave one out, or take the nearest weights: nearest=True (--nearest).",
        )
    raise DataError(
        f"No persona weights reach these targets: at the nearest {told}.",
        hint="Take the nearest weights, nearest=True (--nearest), or add a persona that says it.",
    )


def _frame(marginals: Sequence[Marginal], start: Vectors, found: Vectors) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "marginal": marginal.name,
                "option": marginal.options,
                "target": marginal.target,
                "start": start @ marginal.personas,
                "reached": found @ marginal.personas,
            }
        )
        for marginal in marginals
    ]
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(gap=frame["reached"] - frame["target"])
