"""The gate: weights of personas and exemplars given a context, fitted by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.gate.component_scores import MAX_DENSE_CELLS, ComponentScores, RecordBlock
from jupyter_mop.engine.gate.exemplar_softmax import ExemplarSoftmax, GradientSums
from jupyter_mop.engine.gate.lbfgs import LbfgsPath
from jupyter_mop.engine.gate.structured_terms import OFFSET_SD, StructuredTerms
from jupyter_mop.engine.metrics.numerical_threads import in_threads

Array = NDArray[np.float64]
PARAMETERS = ("w_x", "w_g", "w_e", "b", "a")
_TOLERANCE = 1e-12
_MAX_SCALINGS = 10_000


@dataclass(frozen=True)
class Gate:
    """Persona weights pi(x) and exemplar weights Omega_k(x), both softmaxes.

    pi(x) = softmax_k((W_x h(x))' (W_g h(g_k)) + b_k) and
    Omega_k(x) = softmax_j((W_e h(e_j))' (W_x h(x) + W_g h(g_k))),
    after Bui et al., Findings of ACL 2025. The offsets b and the structured terms are additions.
    A context vector is h(x), followed by the blocks of its columns if there are structured terms.

    Attributes
    ----------
    personas : numpy.ndarray, shape (K, d)
        Unit vectors h(g_k).
    exemplars : numpy.ndarray, shape (J, d)
        Unit vectors h(e_j).
    w_x, w_g, w_e : numpy.ndarray, shapes (r, d + D), (r, d) and (r, d)
        Projections of contexts, personas and exemplars.
    b : numpy.ndarray, shape (K,)
        Offsets; minus infinity excludes a persona.
    a : numpy.ndarray, shape (2 + C,)
        Coefficients a0, a2 and a1 of the structured terms; none without them.
    terms : StructuredTerms, optional
        The structured terms.
    free : tuple of str
        Names of the parameters that a fit may change; a1 for the last C entries of a.

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
    a: Array = field(default_factory=lambda: np.zeros(0))
    terms: StructuredTerms | None = None
    free: tuple[str, ...] = PARAMETERS

    @classmethod
    def start(
        cls,
        personas: Array,
        exemplars: Array,
        *,
        rank: int = 8,
        random_state: int = 0,
        terms: StructuredTerms | None = None,
    ) -> Gate:
        """Return the gate of the given rank at which a fit starts.

        Its weights are uniform, but for exemplars of the question's own context, which structured
        terms prefer.
        """
        d = personas.shape[1]
        rng = np.random.default_rng(random_state)
        n_entries = d + sum(terms.widths) if terms else d
        w_x = rng.normal(scale=rank**-0.5, size=(rank, n_entries))
        zeros = np.zeros((rank, d))
        a = terms.prior_mean if terms else np.zeros(0)
        return cls(personas, exemplars, w_x, zeros, zeros, np.zeros(len(personas)), a, terms)

    @property
    def theta(self) -> Array:
        """All parameters as one vector."""
        return np.concatenate([array.ravel() for array in self._parameters.values()])

    def with_theta(self, theta: Array) -> Gate:
        """Return the gate with these parameters."""
        ends = np.cumsum([array.size for array in self._parameters.values()])[:-1]
        parts = zip(np.split(theta, ends), self._parameters.items(), strict=True)
        values = {name: part.reshape(array.shape) for part, (name, array) in parts}
        return replace(self, **cast("dict[str, Any]", values))

    @property
    def uniform(self) -> Gate:
        """The gate with equal weights of personas, and of the records that exemplars stand for."""
        return self.with_theta(np.zeros_like(self.theta))

    @property
    def prior(self) -> Gate:
        """The gate with equal weights of personas, and of exemplars as before a fit."""
        uniform = self.uniform
        return replace(uniform, a=self.terms.prior_mean) if self.terms else uniform

    @property
    def _parameters(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in PARAMETERS}

    @property
    def _is_free(self) -> NDArray[np.bool_]:
        """Whether a fit may change each entry of `theta`."""
        sizes = [array.size for array in self._parameters.values()]
        is_free = np.repeat([name in self.free for name in PARAMETERS], sizes)
        if self.terms and "a1" in self.free:
            is_free[-len(self.terms.columns) :] = True
        return is_free

    def persona_log_weights(self, contexts: Array) -> Array:
        """Return log pi(x), shape (n, K), for context vectors of shape (n, d + D)."""
        logits = (contexts @ self.w_x.T) @ (self.personas @ self.w_g.T).T + self.b
        if self.terms:
            logits += self.a[0] * self._cosines(contexts)
        return logits - _log_sum_exp(logits)

    def exemplar_log_weights(self, contexts: Array, personas: NDArray[np.intp]) -> Array:
        """Return log Omega_k(x), shape (n, J), for one persona index k per context."""
        u, v, q, offsets = self._vectors(contexts, self.exemplars)
        logits = u @ q.T + (v @ q[:, : v.shape[1]].T + offsets)[personas]
        return logits - _log_sum_exp(logits)

    def _cosines(self, contexts: Array) -> Array:
        """Return the cosines of contexts and personas, shape (n, K)."""
        return contexts[:, : self.personas.shape[1]] @ self.personas.T

    def _vectors(
        self, contexts: Array, exemplars: Array, pool: NDArray[np.intp] | slice = slice(None)
    ) -> tuple[Array, Array, Array, Array]:
        """Return u (n, r + D), v (K, r), q (J, r + D) and offsets (K, J) of the exemplars' logits.

        The logit of exemplar j is u q_j + v q_j + offset, where v has the first r entries only.
        """
        u, v, q = contexts @ self.w_x.T, self.personas @ self.w_g.T, exemplars @ self.w_e.T
        if not self.terms:
            return u, v, q, np.zeros((1, 1))
        blocks = contexts[:, self.personas.shape[1] :]
        offsets = self.a[1] * self.terms.affinity[:, pool] + self.terms.log_share[pool]
        return (
            np.hstack([u, self.terms.scaled(blocks, self.a[2:])]),
            v,
            np.hstack([q, self.terms.blocks[pool]]),
            offsets,
        )

    def persona_weights(self, contexts: Array, weight: Array | None = None) -> Array:
        """Return the marginal persona weights: the weighted mean of pi over contexts, (K,)."""
        return np.asarray(np.average(np.exp(self.persona_log_weights(contexts)), 0, weight))

    def with_marginal(self, target: Array, contexts: Array, weight: Array | None = None) -> Gate:
        """Return the gate whose marginal persona weights over `contexts` are `target`, shape (K,).

        Only the offsets b change, by iterative proportional fitting, so the dependence on the
        context is preserved. The gate's own marginal weights change nothing.
        """
        off = target <= 0
        gate = replace(self, b=np.where(off, -np.inf, np.where(np.isfinite(self.b), self.b, 0.0)))
        for _ in range(_MAX_SCALINGS):
            current = gate.persona_weights(contexts, weight)
            if np.abs(current - target).max() < _TOLERANCE:
                break
            step = np.log(np.where(off, 1.0, target)) - np.log(np.where(off, 1.0, current))
            gate = replace(gate, b=gate.b + step)
        return gate

    def log_prob(self, scores: ComponentScores) -> Array:
        """Return log p(y_i | x_i) of each record, shape (n,), in nats."""
        return _segment_log_sum_exp(self._joint(scores), scores.starts)

    def persona_log_prob(self, scores: ComponentScores) -> Array:
        """Return log sum_j Omega_kj(x_i) p(y_i | g_k, e_j, x_i), shape (n, K).

        The value is minus infinity if a record has no component with the persona.
        """
        c, shape = scores.components, (len(scores.contexts), len(self.personas))
        flat = c.record * shape[1] + c.persona
        order = np.argsort(flat, kind="stable")
        found, starts = np.unique(flat[order], return_index=True)
        log_prob = np.full(shape, -np.inf)
        values = (self._log_omega(scores) + scores.log_lik)[order]
        log_prob.flat[found] = _segment_log_sum_exp(values, starts)
        return log_prob

    def responsibilities(self, scores: ComponentScores) -> Array:
        """Return the posterior p(k | x_i, y_i) of each persona, shape (n, K)."""
        joint, record = self._joint(scores), scores.components.record
        posterior = np.exp(joint - _segment_log_sum_exp(joint, scores.starts)[record])
        shape = (len(scores.contexts), len(self.personas))
        return _scatter(posterior, record, scores.components.persona, shape)

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
        """Return the gate that maximises the penalised mean log-likelihood of `train`.

        Parameters
        ----------
        train : ComponentScores
            The training records.
        validation : ComponentScores, optional
            Records for early stopping: the iterate with their highest likelihood is returned,
            the start included.
        l2 : float
            Penalty on the squares of W_x, W_g and W_e, per record; b is free.
        patience : int
            Iterations without a lower validation loss before stopping.
        max_iter : int
            Maximum number of L-BFGS iterations.
        on_iteration : callable, optional
            Called with (iteration, validation or training loss in nats per record).
        """
        path = self.lbfgs_path(train, l2=l2, max_iter=max_iter)
        if validation is None:
            return path.last(on_iteration)
        return path.best(validation, patience=patience, on_iteration=on_iteration)

    def lbfgs_path(
        self, train: ComponentScores, *, l2: float = 0.1, max_iter: int = 300
    ) -> LbfgsPath[Gate]:
        """Return the L-BFGS iterates from this gate for `train`, computed when needed."""
        return LbfgsPath(self, train, l2=l2, max_iter=max_iter)

    def loss(self, scores: ComponentScores) -> float:
        """Return the mean negative log-likelihood in nats per record."""
        return float(-(scores.weight @ self.log_prob(scores)) / scores.weight.sum())

    def loss_and_gradient(self, scores: ComponentScores, *, l2: float = 0.0) -> tuple[float, Array]:
        """Return the penalised mean negative log-likelihood and its gradient by `theta`."""
        share = scores.weight / scores.weight.sum()
        log_pi, softmax = self.persona_log_weights(scores.contexts), self._softmax(scores)
        d_logit, log_prob = -share[:, None] * np.exp(log_pi), np.empty(len(share))

        def gradient_sums(blocks: Sequence[RecordBlock]) -> GradientSums:
            sums = GradientSums.zeros(softmax)
            for block in blocks:
                omega = softmax.in_block(block)
                joint = log_pi[omega.record, omega.persona] + omega.log_omega
                joint += scores.log_lik[block.components]
                starts = scores.starts[block.records] - block.components.start
                log_prob[block.records] = _segment_log_sum_exp(joint, starts)
                posterior = np.exp(joint - log_prob[omega.record]) * share[omega.record]
                np.add.at(d_logit, (omega.record, omega.persona), posterior)
                sums.add(omega, posterior)
            return sums

        sums = GradientSums.total(in_threads(gradient_sums, scores.blocks))
        loss = -(share @ log_prob)
        gradient = self._chain_rule(scores, d_logit, sums)
        n = int(np.count_nonzero(share)) // scores.n_sources
        penalty, d_penalty = self._penalty(l2, n)
        return float(loss + penalty), np.where(self._is_free, gradient + d_penalty, 0.0)

    def _penalty(self, l2: float, n: int) -> tuple[float, Array]:
        """Return the penalty per record of n records and its gradient by `theta`.

        It is the squares of the matrices and, with structured terms, the priors of `a` and `b`.
        """
        precision, mean = np.zeros(len(self.theta)), np.zeros(len(self.theta))
        n_matrices = self.w_x.size + self.w_g.size + self.w_e.size
        precision[:n_matrices] = 2 * l2
        if self.terms:
            precision[n_matrices:] = 1 / (n * OFFSET_SD**2)
            precision[-len(self.a) :] = 1 / (n * self.terms.prior_sd**2)
            mean[-len(self.a) :] = self.terms.prior_mean
        off = np.where(precision > 0, self.theta - mean, 0.0)
        return float(off @ (precision * off)) / 2, precision * off

    def _joint(self, scores: ComponentScores) -> Array:
        """Return log(pi Omega p) of each component, shape (P,)."""
        c = scores.components
        log_pi = self.persona_log_weights(scores.contexts)[c.record, c.persona]
        return log_pi + self._log_omega(scores) + scores.log_lik

    def _log_omega(self, scores: ComponentScores) -> Array:
        softmax = self._softmax(scores)

        def log_omega(blocks: Sequence[RecordBlock]) -> Array:
            return np.concatenate([softmax.in_block(block).log_omega for block in blocks])

        return np.concatenate(in_threads(log_omega, scores.blocks))

    def exemplar_softmax(
        self, contexts: Array, pool: NDArray[np.intp] | None = None
    ) -> ExemplarSoftmax:
        """Return the softmax over the exemplars of `pool` (default: all) in n contexts.

        For many pairs of context and exemplar it is in single precision.
        """
        exemplars = self.exemplars if pool is None else _rows(self.exemplars, pool)
        is_small = len(contexts) * len(exemplars) <= MAX_DENSE_CELLS
        vectors = self._vectors(contexts, exemplars, slice(None) if pool is None else pool)
        return ExemplarSoftmax.from_vectors(*vectors, np.float64 if is_small else np.float32)

    def _softmax(self, scores: ComponentScores) -> ExemplarSoftmax:
        return self.exemplar_softmax(scores.contexts, scores.pool)

    def _chain_rule(self, scores: ComponentScores, d_logit: Array, sums: GradientSums) -> Array:
        """Return the gradient by `theta` of the loss, from derivatives of the log-likelihood."""
        u, v = scores.contexts @ self.w_x.T, self.personas @ self.w_g.T
        d_u, d_v, d_q = sums.derivatives()
        rank = len(self.w_x)
        parts = [
            ((d_logit @ v + d_u[:, :rank]).T @ scores.contexts).ravel(),
            ((d_logit.T @ u + d_v).T @ self.personas).ravel(),
            (d_q.T @ _rows(self.exemplars, scores.pool)).ravel(),
            d_logit.sum(0),
        ]
        if self.terms:
            d = self.personas.shape[1]
            by_entry = (d_u[:, rank:] * scores.contexts[:, d:]).sum(0)
            by_persona = (d_logit * self._cosines(scores.contexts)).sum()
            by_response = (sums.mass * self.terms.affinity[:, scores.pool]).sum()
            parts += [np.array([by_persona, by_response]), self.terms.by_column(by_entry)]
        return -np.concatenate(parts)


def _log_sum_exp(values: Array) -> Array:
    """Return the log of the sum of exponentials along the last axis, which has length 1 then."""
    top = values.max(-1, keepdims=True)
    return np.asarray(top + np.log(np.exp(values - top).sum(-1, keepdims=True)))


def _segment_log_sum_exp(values: Array, starts: NDArray[np.intp]) -> Array:
    """Return the log of the sum of exponentials of each segment; segments begin at `starts`."""
    top = np.maximum.reduceat(values, starts)
    lengths = np.diff(np.append(starts, len(values)))
    return np.asarray(
        top + np.log(np.add.reduceat(np.exp(values - np.repeat(top, lengths)), starts))
    )


def _scatter(
    values: Array, rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, ...]
) -> Array:
    """Sum `values` into a matrix of this shape at (rows, columns)."""
    flat = np.bincount(rows * shape[1] + columns, values, shape[0] * shape[1])
    return np.asarray(flat.reshape(shape), dtype=np.float64)


def _rows(values: Array, rows: NDArray[np.intp]) -> Array:
    """Return the given rows, without a copy if these are all rows."""
    return values if len(rows) == len(values) else values[rows]
