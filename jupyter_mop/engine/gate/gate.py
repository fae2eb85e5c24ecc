"""The gate: weights of personas and exemplars given a context, learned by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import SMALL, Block, ComponentScores
from jupyter_mop.engine.gate.exemplar_softmax import Flow, Level2
from jupyter_mop.engine.gate.lbfgs import Path
from jupyter_mop.engine.metrics.numerical_threads import in_threads

Array = NDArray[np.float64]
_TOLERANCE = 1e-12


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

    def log_prob(self, evidence: ComponentScores) -> Array:
        """Return log p(y_i | x_i) of each record, shape (n,), in nats."""
        return _segment_log_sum_exp(self._joint(evidence), evidence.starts)

    def persona_log_prob(self, evidence: ComponentScores) -> Array:
        """Return log sum_j Omega_kj(x_i) p(y_i | g_k, e_j, x_i), shape (n, K).

        It is minus infinity for a persona of which a record has no component.
        """
        c, shape = evidence.components, (len(evidence.contexts), len(self.personas))
        flat = c.record * shape[1] + c.persona
        order = np.argsort(flat, kind="stable")
        found, starts = np.unique(flat[order], return_index=True)
        log_prob = np.full(shape, -np.inf)
        values = (self._log_omega(evidence) + evidence.log_lik)[order]
        log_prob.flat[found] = _segment_log_sum_exp(values, starts)
        return log_prob

    def responsibilities(self, evidence: ComponentScores) -> Array:
        """Return the posterior p(k | x_i, y_i) of each persona, shape (n, K)."""
        joint, record = self._joint(evidence), evidence.components.record
        posterior = np.exp(joint - _segment_log_sum_exp(joint, evidence.starts)[record])
        shape = (len(evidence.contexts), len(self.personas))
        return _scatter(posterior, record, evidence.components.persona, shape)

    def fit(
        self,
        train: ComponentScores,
        validation: ComponentScores | None = None,
        *,
        l2: float = 0.1,
        patience: int = 10,
        max_iter: int = 300,
        on_iteration: Callable[[int, float], None] | None = None,
    ) -> Gate:
        """Return the gate that maximises the mean log-likelihood of `train`.

        Parameters
        ----------
        train : ComponentScores
            Records to learn from.
        validation : ComponentScores, optional
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
        path = self.path(train, l2=l2, max_iter=max_iter)
        if validation is None:
            return path.last(on_iteration)
        return path.best(validation, patience=patience, on_iteration=on_iteration)

    def path(self, train: ComponentScores, *, l2: float = 0.1, max_iter: int = 300) -> Path[Gate]:
        """Return the way from this gate to the best one for `train`, walked when asked."""
        return Path(self, train, l2=l2, max_iter=max_iter)

    def loss(self, evidence: ComponentScores) -> float:
        """Return the mean negative log-likelihood."""
        return float(-(evidence.weight @ self.log_prob(evidence)) / evidence.weight.sum())

    def loss_and_gradient(
        self, evidence: ComponentScores, *, l2: float = 0.0
    ) -> tuple[float, Array]:
        """Return the penalised mean negative log-likelihood and its gradient by `theta`."""
        share = evidence.weight / evidence.weight.sum()
        level_1, level_2 = self.persona_log_weights(evidence.contexts), self._level_2(evidence)
        d_logit, log_prob = -share[:, None] * np.exp(level_1), np.empty(len(share))

        def flow_of(blocks: Sequence[Block]) -> Flow:
            flow = Flow.zeros(level_2)
            for block in blocks:
                part = level_2.of(block)
                joint = level_1[part.record, part.persona] + part.log_omega
                joint += evidence.log_lik[block.components]
                starts = evidence.starts[block.records] - block.components.start
                log_prob[block.records] = _segment_log_sum_exp(joint, starts)
                posterior = np.exp(joint - log_prob[part.record]) * share[part.record]
                np.add.at(d_logit, (part.record, part.persona), posterior)
                flow.add(part, posterior)
            return flow

        flow = Flow.sum(in_threads(flow_of, evidence.blocks))
        loss = -(share @ log_prob)
        gradient = self._chain(evidence, d_logit, *flow.derivatives())
        weights = np.concatenate([self.w_x.ravel(), self.w_g.ravel(), self.w_e.ravel()])
        gradient[: weights.size] += 2 * l2 * weights
        return float(loss + l2 * weights @ weights), gradient

    def _joint(self, evidence: ComponentScores) -> Array:
        """Return log(pi Omega p) of each component."""
        c = evidence.components
        level_1 = self.persona_log_weights(evidence.contexts)[c.record, c.persona]
        return level_1 + self._log_omega(evidence) + evidence.log_lik

    def _log_omega(self, evidence: ComponentScores) -> Array:
        level_2 = self._level_2(evidence)

        def log_omega_of(blocks: Sequence[Block]) -> Array:
            return np.concatenate([level_2.of(block).log_omega for block in blocks])

        return np.concatenate(in_threads(log_omega_of, evidence.blocks))

    def level_2(self, contexts: Array, pool: NDArray[np.intp] | None = None) -> Level2:
        """Return what the exemplar weights in these contexts are made of; default: all exemplars.

        Where there are many, in single precision.
        """
        exemplars = self.exemplars if pool is None else _rows(self.exemplars, pool)
        kind = np.float64 if len(contexts) * len(exemplars) <= SMALL else np.float32
        vectors = contexts @ self.w_x.T, self.personas @ self.w_g.T, exemplars @ self.w_e.T
        return Level2.of_vectors(*vectors, kind)

    def _level_2(self, evidence: ComponentScores) -> Level2:
        return self.level_2(evidence.contexts, evidence.pool)

    def _chain(self, evidence: ComponentScores, d_logit: Array, *by_level_2: Array) -> Array:
        """Carry the derivatives by the logits back to minus `theta`."""
        u, v = evidence.contexts @ self.w_x.T, self.personas @ self.w_g.T
        d_u, d_v, d_q = by_level_2
        parts = [
            (d_logit @ v + d_u).T @ evidence.contexts,
            (d_logit.T @ u + d_v).T @ self.personas,
            d_q.T @ _rows(self.exemplars, evidence.pool),
        ]
        return -np.concatenate([*(part.ravel() for part in parts), d_logit.sum(0)])


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


def _rows(values: Array, chosen: NDArray[np.intp]) -> Array:
    """Return the chosen rows; without a copy where they are all."""
    return values if len(chosen) == len(values) else values[chosen]
