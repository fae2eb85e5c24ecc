"""Odds of a persona given a response, by how much the response resembles its description."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate.likeliest_weights import likeliest_weights

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
_COSINE_SD, _MAX_SLOPE = 10.0, 50.0  # prior standard deviation and bound of a slope
_MAX_ROUNDS, _TOLERANCE = 100, 1e-4  # of setting the means over choices and over responses in turn
_N_FOLDS = 5


@dataclass(frozen=True)
class DescriptionOdds:
    """The log-ratio q(k|y) / q(k): c cos(h(g_k), h(y)) - z_k less its log-sum over the personas.

    Simulated responses tell whether a persona moves a response towards its description at all. By
    how much people do so, the slope c, is another matter: a small model follows a persona less than
    people follow their subgroup. It is the slope, from the model's own up, under which real
    responses are likeliest as a mixture of densities, each that of the simulated responses times
    exp(c cos(h(g_k), h(y))).

    Attributes
    ----------
    slope : float
        c, in nats for a cosine of 1.
    log_norm : ndarray, shape (K,)
        z_k: over the simulated responses each ratio has the mean 1.
    loss : float
        Held-out log-loss of the persona of a simulated response, in nats.
    """

    slope: float
    log_norm: Array
    loss: float = np.inf

    @classmethod
    def learned(
        cls, cosines: Array, personas: Indices, real: Array, weight: Array
    ) -> DescriptionOdds | None:
        """Learn the odds; None if descriptions do not tell held-out simulated responses apart.

        Parameters
        ----------
        cosines : ndarray, shape (n, K)
            Cosines of n simulated responses and the K descriptions.
        personas : ndarray of int, shape (n,)
            The persona of each simulated response.
        real : ndarray, shape (m, K)
            Cosines of m real responses and the descriptions.
        weight : ndarray, shape (m,)
            Survey weights of the real responses.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> personas = np.arange(200) % 2
        >>> cosines = 0.1 * rng.normal(size=(200, 2)) + 0.1 * np.eye(2)[personas]
        >>> real = 0.1 * rng.normal(size=(200, 2)) + 0.3 * np.eye(2)[personas]
        >>> odds = DescriptionOdds.learned(cosines, personas, real, np.ones(200))
        >>> bool((odds.log_ratios(real).argmax(axis=1) == personas).mean() > 0.9)
        True
        """
        log_share = np.full(cosines.shape[1], -np.log(cosines.shape[1]))
        fold, rows = np.arange(len(personas)) % _N_FOLDS, np.arange(len(personas))
        log_p = np.empty(len(personas))
        for left_out in range(_N_FOLDS):
            here = fold == left_out
            slope, log_norm = fitted_logit(cosines[~here], 0.0, log_share, personas[~here])
            log_odds = cls(slope, log_norm).log_ratios(cosines[here])
            log_p[here] = (log_odds + log_share)[rows[: here.sum()], personas[here]]
        loss = -float(log_p.mean())
        if loss >= -log_share[0]:
            return None
        slope = fitted_logit(cosines, 0.0, log_share, personas)[0]
        slope = _slope_of_people(_relative(cosines), _relative(real), weight, at_least=slope)
        log_norm = normalised(slope * cosines, log_share)[1]
        return cls(slope, log_norm, loss)

    def log_ratios(self, cosines: Array) -> Array:
        """Return the log-ratio of each persona, shape (n, K), from cosines of this shape."""
        logits = self.slope * cosines - self.log_norm
        return np.asarray(logits - _log_mean_exp(logits, axis=1)[:, None])


def _relative(cosines: Array) -> Array:
    """Return cosines less their mean over the personas: a text near to all tells none apart."""
    return np.asarray(cosines - cosines.mean(axis=1, keepdims=True))


def _log_mean_exp(values: Array, axis: int) -> Array:
    from scipy.special import logsumexp

    return np.asarray(logsumexp(values, axis=axis) - np.log(values.shape[axis]))


def _slope_of_people(cosines: Array, real: Array, weight: Array, *, at_least: float) -> float:
    """Return the slope under which real responses are likeliest, for their likeliest shares."""
    from scipy.optimize import minimize_scalar

    share = weight / weight.sum()

    def loss(slope: float) -> float:
        log_lik = slope * real - _log_mean_exp(slope * cosines, axis=0)
        top = log_lik.max(axis=1, keepdims=True)
        density = np.exp(log_lik - top)
        personas = likeliest_weights(density, share[None])[0]
        return -float(share @ (np.log(density @ personas) + top[:, 0]))

    bounds = (min(at_least, _MAX_SLOPE - 1), _MAX_SLOPE)
    return float(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def fitted_logit(
    cosines: Array, offsets: Array | float, log_share: Array, chosen: Indices
) -> tuple[float, Array]:
    """Fit a conditional logit of a choice: the slope of cosines, and z of `normalised`, shape (J,).

    Cosines have shape (n, J), offsets too if they are not one number; `chosen` (n,) has the number
    of each response's choice.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(chosen))

    def loss(slope: float) -> float:
        log_p, _ = normalised(slope * cosines + offsets, log_share)
        return float(slope**2 / (2 * _COSINE_SD**2) - log_p[rows, chosen].sum())

    slope = float(minimize_scalar(loss, bounds=(0.0, _MAX_SLOPE), method="bounded").x)
    return slope, normalised(slope * cosines + offsets, log_share)[1]


def normalised(logits: Array, log_share: Array) -> tuple[Array, Array]:
    """Return log-probabilities whose means over n responses are the shares, and z.

    Parameters
    ----------
    logits : ndarray, shape (n, J)
        Log-odds of J choices.
    log_share : ndarray, shape (J,)
        Log of the share in which each was drawn.

    Returns
    -------
    ndarray, shape (n, J)
        Log-softmax of the logits less z.
    ndarray, shape (J,)
        z.
    """
    from scipy.special import logsumexp

    log_norm, log_n = np.zeros(len(log_share)), np.log(len(logits))
    for _ in range(_MAX_ROUNDS):
        log_p = logits - log_norm
        log_p -= logsumexp(log_p, axis=1, keepdims=True)
        step = logsumexp(log_p, axis=0) - log_n - log_share
        log_norm += step
        if np.abs(step).max() < _TOLERANCE:
            break
    return np.asarray(log_p), log_norm
