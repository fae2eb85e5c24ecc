"""The gate: weights of personas and exemplars given a context, learned by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.likelihood import Components

Array = NDArray[np.float64]
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Evidence:
    """What the gate learns from: log-likelihoods of some components of each record.

    Attributes
    ----------
    contexts : numpy.ndarray, shape (n, d)
        Unit vectors h(x_i).
    components : Components
        P triples, sorted by record, at least one for each.
    log_lik : numpy.ndarray, shape (P,)
        log p_LM(y_i | g_k, e_j, x_i) in nats, plus the log of how many components each stands
        for where only a sample of them was asked.
    excluded : numpy.ndarray of bool, shape (n, J)
        Exemplars that a record must not be shown, such as itself.
    weight : numpy.ndarray, shape (n,)
        Survey weights.
    """

    contexts: Array
    components: Components
    log_lik: Array
    excluded: NDArray[np.bool_]
    weight: Array

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where each record's components begin, shape (n,)."""
        return np.searchsorted(self.components.record, np.arange(len(self.contexts)))

    def take(self, records: NDArray[np.intp]) -> Evidence:
        """Return the evidence of these records, given in ascending order."""
        kept = np.isin(self.components.record, records)
        record, persona, exemplar = (array[kept] for array in self.components.arrays)
        return Evidence(
            self.contexts[records],
            Components(np.searchsorted(records, record), persona, exemplar),
            self.log_lik[kept],
            self.excluded[records],
            self.weight[records],
        )


@dataclass(frozen=True)
class Gate:
    """Persona weights pi(x) and exemplar weights Omega_k(x), both softmaxes of low rank.

    pi(x) = softmax_k((W_x h(x))' (W_g h(g_k)) + b_k) and
    Omega_k(x) = softmax_j((W_e h(e_j))' (W_x h(x) + W_g h(g_k))),
    after Bui et al., Findings of ACL 2025; the offsets b are this project's.

    Attributes
    ----------
    personas : numpy.ndarray, shape (K, d)
        Unit vectors h(g_k).
    exemplars : numpy.ndarray, shape (J, d)
        Unit vectors h(e_j).
    w_x, w_g, w_e : numpy.ndarray, shape (r, d)
    b : numpy.ndarray, shape (K,)
        Offsets; minus infinity switches a persona off.

    Examples
    --------
    >>> gate = Gate.start(np.eye(3)[:2], np.eye(3), rank=2)
    >>> np.exp(gate.persona_log_weights(np.eye(3))).tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    personas: Array
    exemplars: Array
    w_x: Array
    w_g: Array
    w_e: Array
    b: Array

    @classmethod
    def start(
        cls, personas: Array, exemplars: Array, *, rank: int = 8, random_state: int = 0
    ) -> Gate:
        """Return the uniform gate, from which a fit can move in every direction."""
        d = personas.shape[1]
        rng = np.random.default_rng(random_state)
        w_x = rng.normal(scale=rank**-0.5, size=(rank, d))
        zeros = np.zeros((rank, d))
        return cls(personas, exemplars, w_x, zeros, zeros, np.zeros(len(personas)))

    @property
    def theta(self) -> Array:
        """All learned parameters as one vector."""
        return np.concatenate([self.w_x.ravel(), self.w_g.ravel(), self.w_e.ravel(), self.b])

    def with_theta(self, theta: Array) -> Gate:
        """Return the gate with these parameters."""
        size = self.w_x.size
        w_x, w_g, w_e = (part.reshape(self.w_x.shape) for part in np.split(theta[: 3 * size], 3))
        return replace(self, w_x=w_x, w_g=w_g, w_e=w_e, b=theta[3 * size :])

    def persona_log_weights(self, contexts: Array) -> Array:
        """Return log pi(x), shape (n, K), for context vectors of shape (n, d)."""
        logits = (contexts @ self.w_x.T) @ (self.personas @ self.w_g.T).T + self.b
        return logits - _log_sum_exp(logits)

    def exemplar_log_weights(self, contexts: Array, personas: NDArray[np.intp]) -> Array:
        """Return log Omega_k(x), shape (n, J), for one persona index k per context."""
        query = contexts @ self.w_x.T + (self.personas @ self.w_g.T)[personas]
        logits = query @ (self.exemplars @ self.w_e.T).T
        return logits - _log_sum_exp(logits)

    def persona_weights(self, contexts: Array, weight: Array | None = None) -> Array:
        """Return the marginal persona weights, the (weighted) mean of pi over contexts, (K,)."""
        return np.asarray(np.average(np.exp(self.persona_log_weights(contexts)), 0, weight))

    def with_marginal(self, target: Array, contexts: Array, weight: Array | None = None) -> Gate:
        """Return the gate whose marginal persona weights over `contexts` are `target`, (K,).

        Only the offsets b change, by iterative proportional fitting, so that what the gate
        knows about contexts stays; asking for the gate's own marginal changes nothing.
        """
        off = target <= 0
        gate = replace(self, b=np.where(off, -np.inf, np.where(np.isfinite(self.b), self.b, 0.0)))
        for _ in range(10_000):
            now = gate.persona_weights(contexts, weight)
            if np.abs(now - target).max() < _TOLERANCE:
                break
            step = np.log(np.where(off, 1.0, target)) - np.log(np.where(off, 1.0, now))
            gate = replace(gate, b=gate.b + step)
        return gate

    def log_prob(self, evidence: Evidence) -> Array:
        """Return log p(y_i | x_i) of each record, shape (n,), in nats."""
        joint, starts = self._joint(evidence)[0], evidence.starts
        return _segment_log_sum_exp(joint, starts)

    def responsibilities(self, evidence: Evidence) -> Array:
        """Return the posterior p(k | x_i, y_i) of each persona, shape (n, K)."""
        joint, record = self._joint(evidence)[0], evidence.components.record
        posterior = np.exp(joint - _segment_log_sum_exp(joint, evidence.starts)[record])
        shape = (len(evidence.contexts), len(self.personas))
        return _scatter(posterior, record, evidence.components.persona, shape)

    def fit(
        self,
        train: Evidence,
        validation: Evidence | None = None,
        *,
        l2: float = 0.1,
        patience: int = 10,
        max_iter: int = 300,
        on_iteration: Callable[[int, float], None] | None = None,
    ) -> Gate:
        """Return the gate that maximises the mean log-likelihood of `train`.

        Parameters
        ----------
        train : Evidence
            Records to learn from.
        validation : Evidence, optional
            Records to stop on: the iterate best on them is returned, the start included.
        l2 : float
            Penalty on the squares of W_x, W_g and W_e, per record; b is free.
        patience : int
            Iterations without a better validation figure before stopping.
        max_iter : int
            Most iterations of L-BFGS.
        on_iteration : callable, optional
            Called with (iteration, validation or training loss in nats per record).
        """
        from scipy.optimize import minimize

        monitor = _Monitor(self, validation, patience, on_iteration)
        result = minimize(
            lambda theta: self.with_theta(theta).loss_and_gradient(train, l2=l2),
            self.theta,
            jac=True,
            method="L-BFGS-B",
            callback=monitor,
            options={"maxiter": max_iter},
        )
        return self.with_theta(result.x if validation is None else monitor.best)

    def loss_and_gradient(self, evidence: Evidence, *, l2: float = 0.0) -> tuple[float, Array]:
        """Return the penalised mean negative log-likelihood and its gradient by `theta`."""
        joint, level_1, level_2 = self._joint(evidence)
        starts, components = evidence.starts, evidence.components
        log_prob = _segment_log_sum_exp(joint, starts)
        share = evidence.weight / evidence.weight.sum()
        posterior = np.exp(joint - log_prob[components.record]) * share[components.record]
        by_persona = _scatter(posterior, components.record, components.persona, level_1.shape)
        by_exemplar = _scatter(
            posterior, components.record, components.exemplar, evidence.excluded.shape
        )
        by_pair = _scatter(
            posterior,
            components.persona,
            components.exemplar,
            (len(self.personas), len(self.exemplars)),
        )
        scaled = by_persona / level_2.total
        d_logit = by_persona - share[:, None] * np.exp(level_1)
        d_x_e = by_exemplar - level_2.by_context * (scaled @ level_2.by_persona)
        d_g_e = by_pair - level_2.by_persona * (scaled.T @ level_2.by_context)
        gradient = self._chain(evidence.contexts, d_logit, d_x_e, d_g_e)
        weights = np.concatenate([self.w_x.ravel(), self.w_g.ravel(), self.w_e.ravel()])
        gradient[: weights.size] += 2 * l2 * weights
        return float(-(share @ log_prob) + l2 * weights @ weights), gradient

    def _joint(self, evidence: Evidence) -> tuple[Array, Array, _ExemplarTerms]:
        """Return log(pi Omega p) of each component, log pi, and the terms of Omega."""
        c = evidence.components
        u, v = evidence.contexts @ self.w_x.T, self.personas @ self.w_g.T
        q = self.exemplars @ self.w_e.T
        level_1 = self.persona_log_weights(evidence.contexts)
        level_2 = _ExemplarTerms.of(u @ q.T, v @ q.T, evidence.excluded)
        log_omega = (
            level_2.context_logits[c.record, c.exemplar]
            + level_2.persona_logits[c.persona, c.exemplar]
            - np.log(level_2.total[c.record, c.persona])
        )
        return level_1[c.record, c.persona] + log_omega + evidence.log_lik, level_1, level_2

    def _chain(self, contexts: Array, d_logit: Array, d_x_e: Array, d_g_e: Array) -> Array:
        """Carry the derivatives by the logits back to minus `theta`."""
        u, v = contexts @ self.w_x.T, self.personas @ self.w_g.T
        q = self.exemplars @ self.w_e.T
        d_u = d_logit @ v + d_x_e @ q
        d_v = d_logit.T @ u + d_g_e @ q
        d_q = d_x_e.T @ u + d_g_e.T @ v
        parts = [d_u.T @ contexts, d_v.T @ self.personas, d_q.T @ self.exemplars]
        return -np.concatenate([*(part.ravel() for part in parts), d_logit.sum(0)])


@dataclass(frozen=True)
class _ExemplarTerms:
    """Omega in factors: its logits are a (context, exemplar) plus a (persona, exemplar) term."""

    context_logits: Array
    persona_logits: Array
    by_context: Array
    by_persona: Array
    total: Array

    @classmethod
    def of(cls, context: Array, persona: Array, excluded: NDArray[np.bool_]) -> _ExemplarTerms:
        context = context - context.max(1, keepdims=True)
        persona = persona - persona.max(1, keepdims=True)
        by_context, by_persona = np.where(excluded, 0.0, np.exp(context)), np.exp(persona)
        total = np.maximum(by_context @ by_persona.T, np.finfo(float).tiny)
        return cls(context, persona, by_context, by_persona, total)


class _Monitor:
    """Watches the validation loss and stops L-BFGS when it no longer falls."""

    def __init__(
        self,
        gate: Gate,
        validation: Evidence | None,
        patience: int,
        on_iteration: Callable[[int, float], None] | None,
    ) -> None:
        self.gate, self.validation, self.patience = gate, validation, patience
        self.on_iteration = on_iteration
        self.best, self.iteration, self.best_iteration = gate.theta, 0, 0
        self.best_loss = self._loss(gate.theta) if validation else np.inf

    def _loss(self, theta: Array) -> float:
        if self.validation is None:
            return np.nan
        return self.gate.with_theta(theta).loss_and_gradient(self.validation)[0]

    def __call__(self, intermediate_result: object) -> None:
        theta, fun = intermediate_result.x, intermediate_result.fun  # type: ignore[attr-defined]
        self.iteration += 1
        loss = self._loss(theta) if self.validation else fun
        if self.on_iteration:
            self.on_iteration(self.iteration, loss)
        if loss < self.best_loss:
            self.best, self.best_loss, self.best_iteration = theta.copy(), loss, self.iteration
        elif self.validation and self.iteration - self.best_iteration >= self.patience:
            raise StopIteration


def _log_sum_exp(values: Array) -> Array:
    """Return the log of the sum of exponentials along the last axis, kept as an axis."""
    top = values.max(-1, keepdims=True)
    return np.asarray(top + np.log(np.exp(values - top).sum(-1, keepdims=True)))


def _segment_log_sum_exp(values: Array, starts: NDArray[np.intp]) -> Array:
    """Return the log of the sum of exponentials of each run that begins at `starts`."""
    top = np.maximum.reduceat(values, starts)
    lengths = np.diff(np.append(starts, len(values)))
    return np.asarray(
        top + np.log(np.add.reduceat(np.exp(values - np.repeat(top, lengths)), starts))
    )


def _scatter(
    values: Array, rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, ...]
) -> Array:
    """Sum `values` into a matrix of `shape` at (rows, columns)."""
    flat = np.bincount(rows * shape[1] + columns, values, shape[0] * shape[1])
    return np.asarray(flat.reshape(shape), dtype=np.float64)
