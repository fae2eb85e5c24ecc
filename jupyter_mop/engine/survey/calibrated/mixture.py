r"""The calibrated mixture: a latent class model with the language model as its prior.

    p(o | x) = sum_k pi_k(x) softmax_o(beta log p_LM(o | g_k, x) + a_o + u_o(x) + d_ko)

beta is one slope, `a_o` an offset of each option, u_o(x) the sum of the offsets of the context's
columns and of the whole context, d_ko an offset of each persona. pi_k(x) is a softmax of an
intercept, effects of the columns and of the leading components of the context's vector, and the
cosine of persona and context. All are fitted jointly by maximum likelihood, each with a normal
prior around zero (Dawid and Skene 1979 and Albert and Chib 1993 are the two ends: latent classes,
and offsets without any). A multiple choice has a logistic function for each option instead.

Without slope and offsets by context these are the training shares; without slope, a penalised
multinomial regression with an interaction for each context.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.survey.calibrated.records import Records

Array = NDArray[np.float64]
MAX_ITERATIONS = 100
SCALE_OF_OPTIONS, SCALE_OF_PERSONAS, SCALE_OF_SLOPE = 3.0, 1.0, 1.0
_TOLERANCE, _IMPOSSIBLE, _TINY = 1e-7, -1e9, 1e-12
_PARTS = ("slope", "option", "column", "cell", "persona", "intercept", "gate", "cosine")


@dataclass(frozen=True)
class Design:
    """What is known of C contexts and K personas before anyone answers.

    Attributes
    ----------
    log_odds : ndarray, shape (C, K, A)
        The model's log-probabilities of the options, centred and scaled to a variance of 1; log
        odds for a multiple choice.
    columns, cells : ndarray, shape (C, F) and (C, G)
        Indicators of the values of the columns, and of whole contexts.
    gate : ndarray, shape (C, H)
        Features of the persona weights.
    cosine : ndarray, shape (C, K)
        Similarity of context and persona, centred and scaled.
    answered : ndarray of bool, shape (C, K)
        Where a persona answered.
    is_multiple : bool
        Whether several options can be chosen.
    """

    log_odds: Array
    columns: Array
    cells: Array
    gate: Array
    cosine: Array
    answered: NDArray[np.bool_]
    is_multiple: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of contexts, personas and options."""
        c, k, a = self.log_odds.shape
        return c, k, a

    def without_model(self) -> Design:
        """Return the design for one persona of whom the language model says nothing."""
        c, _, a = self.shape
        return replace(
            self,
            log_odds=np.zeros((c, 1, a)),
            gate=np.zeros((c, 0)),
            cosine=np.zeros((c, 1)),
            answered=np.ones((c, 1), dtype=bool),
        )

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each part of the parameters is in their vector."""
        _, k, a = self.shape
        sizes = (1, a, self.columns.shape[1] * a, self.cells.shape[1] * a, k * a, k,
                 self.gate.shape[1] * k, 1)  # fmt: skip
        ends = np.cumsum([0, *sizes])
        return {part: slice(ends[i], ends[i + 1]) for i, part in enumerate(_PARTS)}


@dataclass(frozen=True)
class Strengths:
    """Standard deviations of the normal priors, on the scale of log odds; 0 leaves a part out.

    Attributes
    ----------
    column, cell : float
        Of the offsets by column value and by whole context.
    model : float
        Of the slope of the language model's log-probabilities, in units of their own deviation.
    persona : float
        Of the offsets of each persona.
    gate : float
        Of the effects of the context on the persona weights.
    """

    column: float = 0.0
    cell: float = 0.0
    model: float = 0.0
    persona: float = 0.0
    gate: float = 0.0

    def by_part(self) -> dict[str, float]:
        """Return the standard deviation of each part of the parameters."""
        return {
            "slope": self.model,
            "option": SCALE_OF_OPTIONS,
            "column": self.column,
            "cell": self.cell,
            "persona": self.persona,
            "intercept": SCALE_OF_PERSONAS,
            "gate": self.gate,
            "cosine": self.gate,
        }


def fit(
    design: Design, records: Records, strengths: Strengths, start: Array | None = None
) -> Array:
    """Return the parameters with the highest posterior density, as one vector.

    Parameters
    ----------
    design : Design
    records : Records
        The people to learn from, at least one.
    strengths : Strengths
    start : ndarray, optional
        Where to begin, such as the parameters for other strengths.
    """
    from scipy.optimize import minimize

    centre = _centre(design, records)
    spread = _spread(design, strengths)
    free = spread > 0
    first = np.concatenate([[SCALE_OF_SLOPE / 2], centre[1:]]) if start is None else start
    begin = np.where(free, first, centre)
    precision = 1 / np.where(free, spread, 1.0) ** 2
    objective = _Objective(design, records.collapsed())

    def loss(values: Array) -> tuple[float, Array]:
        theta = begin.copy()
        theta[free] = values
        value, gradient = objective(theta)
        shift = np.where(free, theta - centre, 0.0)
        penalised = gradient + precision * shift
        return value + 0.5 * float(precision @ shift**2), penalised[free]

    lowest = np.full(len(begin), -np.inf)
    lowest[0] = 0.0  # a slope below zero would turn the language model's word round
    bounds = [(low, None) for low in lowest[free]]
    with one_thread():  # the arrays are small
        found = minimize(
            loss,
            begin[free],
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": MAX_ITERATIONS, "ftol": _TOLERANCE},
        )
    theta = begin.copy()
    theta[free] = found.x
    return theta


def log_tables(design: Design, theta: Array) -> tuple[Array, Array, Array]:
    """Return log pi (C, K), log p of each option (C, K, A) and log (1 - p), 0 unless multiple."""
    _, k, a = design.shape
    part = {name: theta[where] for name, where in design.slices.items()}
    offsets = design.columns @ part["column"].reshape(-1, a)
    offsets = offsets + design.cells @ part["cell"].reshape(-1, a) + part["option"]
    scores = part["slope"][0] * design.log_odds + offsets[:, None] + part["persona"].reshape(k, a)
    if design.is_multiple:
        chosen, not_chosen = -np.logaddexp(0.0, -scores), -np.logaddexp(0.0, scores)
    else:
        chosen, not_chosen = _normalised(scores), np.zeros_like(scores)
    gate = design.gate @ part["gate"].reshape(-1, k) + part["intercept"]
    gate = gate + part["cosine"][0] * design.cosine
    return _normalised(np.where(design.answered, gate, _IMPOSSIBLE)), chosen, not_chosen


def tables(design: Design, theta: Array) -> tuple[Array, Array]:
    """Return the persona weights (C, K) and the option probabilities (C, K, A)."""
    log_weights, chosen, _ = log_tables(design, theta)
    return np.exp(log_weights), np.exp(chosen)


def log_prob(design: Design, theta: Array, records: Records) -> Array:
    """Return the log-probability of each record's answer, shape (n,), in nats."""
    joint = _joint(log_tables(design, theta), records)
    return np.asarray(_log_sum(joint)[:, 0])


def _joint(logs: tuple[Array, Array, Array], records: Records) -> Array:
    """Return the log-probability of each persona with each record's answer, shape (n, K)."""
    log_weights, chosen, not_chosen = logs
    y, at = records.selected[:, None, :], records.context
    return np.asarray(log_weights[at] + (y * chosen[at] + (1 - y) * not_chosen[at]).sum(axis=-1))


class _Objective:
    """The negative log-likelihood of some records and its gradient."""

    def __init__(self, design: Design, records: Records) -> None:
        from scipy.sparse import csr_array

        self.design, self.records = design, records
        n = len(records)
        self.of_context = csr_array(
            (np.ones(n), (records.context, np.arange(n))), shape=(design.shape[0], n)
        )
        self.sizes = self.of_context @ records.weight

    def __call__(self, theta: Array) -> tuple[float, Array]:
        design, records = self.design, self.records
        c, k, a = design.shape
        logs = log_tables(design, theta)
        joint = _joint(logs, records)
        total = _log_sum(joint)
        posterior = np.exp(joint - total) * records.weight[:, None]
        chosen = posterior[:, :, None] * records.selected[:, None, :]
        by_context = self.of_context @ posterior
        of_options = by_context[..., None] * np.exp(logs[1])
        of_options -= (self.of_context @ chosen.reshape(-1, k * a)).reshape(c, k, a)
        of_gate = self.sizes[:, None] * np.exp(logs[0]) - by_context
        of_contexts = of_options.sum(axis=1)
        gradient = np.concatenate(
            [
                [(of_options * design.log_odds).sum()],
                of_contexts.sum(axis=0),
                (design.columns.T @ of_contexts).ravel(),
                (design.cells.T @ of_contexts).ravel(),
                of_options.sum(axis=0).ravel(),
                of_gate.sum(axis=0),
                (design.gate.T @ of_gate).ravel(),
                [(of_gate * design.cosine).sum()],
            ]
        )
        return -float(records.weight @ total[:, 0]), gradient


def _centre(design: Design, records: Records) -> Array:
    """Return the parameters at which the priors have their modes: about the training shares."""
    a, n = design.shape[2], records.weight.sum()
    centre = np.zeros(design.slices["cosine"].stop)
    if design.is_multiple:
        shares = (n * records.shares() + 0.5) / (n + 1)
        centre[design.slices["option"]] = np.log(shares / (1 - shares))
    else:
        logs = np.log((n * records.shares() + 0.5) / (n + a / 2))
        centre[design.slices["option"]] = logs - logs.mean()
    return centre


def _spread(design: Design, strengths: Strengths) -> Array:
    """Return the standard deviation of the prior of each parameter."""
    spread = np.empty(design.slices["cosine"].stop)
    for part, deviation in strengths.by_part().items():
        spread[design.slices[part]] = deviation
    return spread


def _normalised(scores: Array) -> Array:
    return np.asarray(scores - _log_sum(scores))


def _log_sum(scores: Array) -> Array:
    """Return the log of the sum of exponentials over the last axis, which stays with length 1."""
    top = scores.max(axis=-1, keepdims=True)
    return np.asarray(top + np.log(np.exp(scores - top).sum(axis=-1, keepdims=True)))


def standardised(probabilities: Array, *, is_multiple: bool) -> Array:
    """Return log-probabilities, or log odds, centred by option and scaled to a variance of 1.

    What is constant over contexts and personas is left to the offsets.

    Examples
    --------
    >>> table = np.array([[[0.9, 0.1], [0.6, 0.4]]])
    >>> standardised(table, is_multiple=False).round(2).tolist()
    [[[1.0, -1.0], [-1.0, 1.0]]]
    """
    safe = np.clip(probabilities, _TINY, 1 - _TINY)
    odds = np.log(safe / (1 - safe)) if is_multiple else np.log(safe)
    if not is_multiple:
        odds = odds - odds.mean(axis=-1, keepdims=True)
    odds = odds - odds.mean(axis=(0, 1))
    deviation = odds.std()
    return np.asarray(odds / deviation if deviation > _TINY else np.zeros_like(odds))
