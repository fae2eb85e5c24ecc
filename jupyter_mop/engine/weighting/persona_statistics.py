"""Statistics of each persona's responses, from which the metrics of any mixture follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from jupyter_mop.engine.metrics.divergences import (
    mixture_js_divergence,
    mixture_total_variation,
    mixture_wasserstein,
)
from jupyter_mop.engine.metrics.fid import PersonaMoments, mixture_fid, persona_moments
from jupyter_mop.engine.metrics.fidelity import FIDELITY
from jupyter_mop.engine.metrics.kl_cosine import (
    MAX_ALL_PAIRS,
    SAMPLED_PAIRS,
    cosine_histogram,
    mixture_kl_cosine,
    persona_pair_shares,
)
from jupyter_mop.engine.metrics.mauve import cluster_labels, default_clusters, mixture_mauve
from jupyter_mop.engine.metrics.mixture_gradients import TINY, ValueAndGradient
from jupyter_mop.engine.metrics.split_half import METRICS
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    as_weighted,
    checked_pair,
    checked_weights,
)
from jupyter_mop.engine.simulation.context_groups import GroupedDraws, PersonaCells
from jupyter_mop.engine.weighting.context_statistics import ContextStatistics
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.engine.weighting.persona_counts import (
    ClosedQuestion,
    OptionShares,
    count_options,
    label_shares,
    label_shares_by_persona,
    n_words,
    shares_within_persona,
    sum_by_persona,
)
from jupyter_mop.errors import DataError

MAX_CLUSTERS = 100
MIN_TARGET = 10
HIGHER_IS_BETTER = frozenset(
    metric.name for metric in (*METRICS, FIDELITY) if metric.better == "higher"
)


@dataclass(frozen=True)
class PersonaStatistics:
    """Sufficient statistics of the responses of K personas against a target; see `measure`.

    Attributes
    ----------
    names : tuple of str
        The personas.
    counts : ndarray of int, shape (K,)
        Number of responses of each persona.
    inverse_sizes : ndarray, shape (N,)
        Sum of the squared shares of each cell's responses (1 / counts with equal weights).
    moments : PersonaMoments
        For FID: moments on the r principal axes of the target.
    target_clusters, clusters : ndarray, shapes (C,) and (K, C)
        For MAUVE: shares in the common clusters.
    target_labels, labels : ndarray of int, shapes (n,) and (m,)
        The cluster of each response.
    target_cosines, pairs : ndarray, shapes (B,) and (K, K, B)
        For KL cosine: counts of the target's pairwise cosines, and shares of the cosines between
        responses of two personas.
    sampled : bool
        Whether pairs were sampled, as above 5,000 responses, instead of all counted.
    target_lengths, lengths : ndarray, shapes (L,) and (K, L)
        Shares of responses of 0, 1, ... words; the last bin includes longer ones.
    option_shares : OptionShares or None
        For a closed question: shares of the options.
    contexts : ContextStatistics or None
        For joint FID and fidelity, where contexts recur; see `with_contexts`.
    target_size : float
        Effective sample size (Kish) of the real responses; n without survey weights.
    cells : PersonaCells
        The N cells (group of contexts, persona) that the tables above have a row for: the K
        personas themselves where their weights depend on no context.
    """

    names: tuple[str, ...]
    counts: Indices
    inverse_sizes: Vectors
    moments: PersonaMoments
    target_clusters: Vectors
    clusters: Vectors
    target_labels: Indices
    labels: Indices
    target_cosines: Vectors
    pairs: Vectors
    sampled: bool
    target_lengths: Vectors
    lengths: Vectors
    option_shares: OptionShares | None = None
    contexts: ContextStatistics | None = None
    target_size: float = field(kw_only=True)
    cells: PersonaCells = field(kw_only=True)

    @classmethod
    def measure(
        cls,
        target: Vectors | WeightedVectors,
        simulated: Vectors | WeightedVectors,
        codes: Indices,
        names: Sequence[str],
        *,
        target_texts: Sequence[str],
        texts: Sequence[str],
        question: ClosedQuestion | None = None,
        draws: GroupedDraws | None = None,
        random_state: int = 0,
    ) -> PersonaStatistics:
        """Measure the responses of each persona once; then every mixture costs the same.

        Parameters
        ----------
        target, simulated : ndarray, shapes (n, d) and (m, d), or WeightedVectors
            Vectors of real and of simulated responses; with weights if these differ.
        codes : ndarray of int, shape (m,)
            The persona of each simulated response, as a position in `names`.
        names : sequence of str
            The K personas.
        target_texts, texts : sequence of str
            The real and the simulated responses, for lengths and options.
        question : ClosedQuestion, optional
            The options, where the responses answer a closed question.
        draws : GroupedDraws, optional
            The groups of the simulated responses' contexts; by default persona weights depend on
            no context.
        random_state : int
            Seed of k-means and of the pairs that are sampled above 5,000 responses.

        Raises
        ------
        DataError
            For fewer than ten real responses, or arrays of different lengths or dimensions.

        Notes
        -----
        FID uses at most 32 principal axes of the target, MAUVE at most 100 clusters, so that
        moving a weight takes milliseconds. `alignment_table.align` computes both in full.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> real, simulated = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
        >>> codes, words = np.arange(40) % 2, ["one two"] * 60
        >>> statistics = PersonaStatistics.measure(
        ...     real, simulated, codes, ["a", "b"], target_texts=words, texts=words[:40])
        >>> list(statistics.metrics([0.5, 0.5]))
        ['FID', 'MAUVE', 'KL cosine', 'length']
        """
        of_target, weights = as_weighted(target).weights, as_weighted(simulated).weights
        target, simulated = checked_pair(
            as_weighted(target).vectors, as_weighted(simulated).vectors
        )
        _check(target, simulated, codes, texts, target_texts)
        real = WeightedVectors(target, of_target)
        real_shares = checked_weights(of_target, len(target))
        cells = draws.cells(codes) if draws else PersonaCells.without_contexts(len(names))
        counts = np.bincount(codes, minlength=len(names))
        if draws:
            codes = cells.codes(draws.labels, codes)
        n = len(cells)
        shares = shares_within_persona(codes, checked_weights(weights, len(simulated)), n)
        smaller = min(round(real.effective_size), len(simulated))
        size = min(default_clusters(smaller), MAX_CLUSTERS)
        clusters = cluster_labels(target, simulated, n_clusters=size, random_state=random_state)
        target_lengths, lengths = n_words(target_texts), n_words(texts)
        n_lengths = 1 + int(max(target_lengths.max(), lengths.max()))
        counted = None
        if question:
            counted = count_options(
                target_texts,
                texts,
                codes,
                shares,
                n_personas=n,
                question=question,
                real_shares=real_shares,
            )
        return cls(
            names=tuple(names),
            counts=counts,
            inverse_sizes=sum_by_persona(codes, shares**2, n),
            moments=persona_moments(real, simulated, codes, shares, n),
            target_clusters=label_shares(clusters[0], size, real_shares),
            clusters=label_shares_by_persona(codes, clusters[1], shares, (n, size)),
            target_labels=clusters[0],
            labels=clusters[1],
            target_cosines=cosine_histogram(target, weights=of_target, random_state=random_state),
            pairs=persona_pair_shares(simulated, codes, shares, n, random_state),
            sampled=len(simulated) > MAX_ALL_PAIRS,
            target_lengths=label_shares(target_lengths, n_lengths, real_shares),
            lengths=label_shares_by_persona(codes, lengths, shares, (n, n_lengths)),
            option_shares=counted,
            target_size=real.effective_size,
            cells=cells,
        )

    def with_contexts(
        self, sides: Sides, contexts: Contexts, codes: Indices, *, draws: GroupedDraws | None = None
    ) -> PersonaStatistics:
        """Return the same statistics with those of joint FID and fidelity.

        Parameters
        ----------
        sides : Sides
            The responses that were measured, with weights if there are any.
        contexts : Contexts
            Their contexts, in groups.
        codes, draws
            As for `measure`.
        """
        (simulated,) = sides.simulated.values()
        n, cells = len(self.cells), self.cells.codes(draws.labels, codes) if draws else codes
        shares = shares_within_persona(cells, checked_weights(simulated.weights, len(codes)), n)
        found = ContextStatistics.measure(sides, contexts, cells, shares, n)
        return replace(self, contexts=found)

    def metrics_and_gradients(
        self, weights: Sequence[float] | Vectors
    ) -> dict[str, ValueAndGradient]:
        """Return each metric with its gradient at these persona weights, shape (K,)."""
        persona_weights = self.checked(weights)
        v, c = self.cells.shares(persona_weights), self.inverse_sizes
        found = {
            "FID": mixture_fid(v, c, self.moments),
            "MAUVE": mixture_mauve(v, self.target_clusters, self.clusters),
            "KL cosine": mixture_kl_cosine(v, c, self.target_cosines, self.pairs),
            **(self.contexts.metrics(v, c) if self.contexts else {}),
            "length": mixture_wasserstein(v, self.target_lengths, self.lengths),
        }
        if self.option_shares:
            target, personas = self.option_shares.target, self.option_shares.personas
            found["JS"] = mixture_js_divergence(v, target, personas)
            found["TV"] = mixture_total_variation(v, target, personas)
            if self.option_shares.ordered:
                found["W1"] = mixture_wasserstein(v, target, personas)
        by_cell = np.array([metric.gradient for metric in found.values()])
        by_persona = self.cells.by_persona(persona_weights, by_cell)
        return {
            name: replace(metric, gradient=gradient)
            for (name, metric), gradient in zip(found.items(), by_persona, strict=True)
        }

    def metrics(self, weights: Sequence[float] | Vectors) -> dict[str, float]:
        """Return each metric at these persona weights, shape (K,)."""
        return {name: found.value for name, found in self.metrics_and_gradients(weights).items()}

    def gradients(self, weights: Sequence[float] | Vectors) -> dict[str, Vectors]:
        """Return the partial derivatives of each metric by the persona weights, shape (K,)."""
        return {name: found.gradient for name, found in self.metrics_and_gradients(weights).items()}

    def contributions(self, weights: Sequence[float] | Vectors) -> dict[str, Vectors]:
        """Return the change of each metric per unit of weight given to each persona, shape (K,).

        The other weights shrink in proportion: (g_k - sum_j v_j g_j) / (1 - v_k).
        """
        v = self.checked(weights)
        rest = 1 - v
        return {
            name: np.divide(g - v @ g, rest, out=np.zeros(len(v)), where=rest > TINY)
            for name, g in self.gradients(v).items()
        }

    def effective_sample_size(self, weights: Sequence[float] | Vectors) -> float:
        """Return the effective sample size (Kish) of the responses at these persona weights.

        It is 1 / sum_i u_i^2 c_i, with the share u_i of each cell and the sum c_i of the squared
        shares within it.
        """
        return float(1 / (self.cells.shares(self.checked(weights)) ** 2 @ self.inverse_sizes))

    def checked(self, weights: Sequence[float] | Vectors) -> Vectors:
        """Return persona weights as shares that sum to 1.

        Raises
        ------
        DataError
            If there is not one weight per persona, or a persona without responses has a weight.
        """
        v = checked_weights(np.asarray(weights, dtype=np.float64), len(self.names))
        undrawn = [
            name for name, n, w in zip(self.names, self.counts, v, strict=True) if w > n == 0
        ]
        if undrawn:
            raise DataError(
                f"The simulation has no draws of {undrawn[0]!r}, which has a weight here.",
                hint=f"Simulate again with some weight on {undrawn[0]!r}.",
            )
        return v

    @cached_property
    def n_axes(self) -> int:
        """The number of principal axes of the target that FID uses, r."""
        return len(self.moments.variances)

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as plain values and flat float64 arrays, for the panel."""
        options = self.option_shares and {
            "options": list(self.option_shares.options),
            "ordered": self.option_shares.ordered,
            "exact": self.option_shares.exact,
            "target": self.option_shares.target,
            "personas": self.option_shares.personas.ravel(),
        }
        return {
            "names": list(self.names),
            "counts": self.counts.tolist(),
            "inverse_sizes": self.inverse_sizes,
            "space": self.moments.to_dict(),
            "clusters": {"target": self.target_clusters, "personas": self.clusters.ravel()},
            "cosines": {
                "target": self.target_cosines,
                "pairs": self.pairs.ravel(),
                "cap": SAMPLED_PAIRS,
            },
            "lengths": {"target": self.target_lengths, "personas": self.lengths.ravel()},
            "contexts": self.contexts and self.contexts.to_dict(),
            "answers": options,
            "groups": self._groups(),
        }

    def _groups(self) -> dict[str, Any] | None:
        """Return the groups of contexts for the panel; None where there is only one."""
        if not self.cells.is_contextual:
            return None
        return {
            "sizes": self.cells.groups.sizes,
            "base": self.cells.groups.base.ravel(),
            "group": self.cells.group.tolist(),
            "persona": self.cells.persona.tolist(),
        }


def _check(
    target: Vectors,
    simulated: Vectors,
    codes: Indices,
    texts: Sequence[str],
    target_texts: Sequence[str],
) -> None:
    if len(target) < MIN_TARGET:
        raise DataError(
            f"Need at least {MIN_TARGET} real responses to compare with, got {len(target)}.",
            hint="Hold out more records.",
        )
    sizes = (len(simulated), len(codes), len(texts)), (len(target), len(target_texts))
    if any(len(set(group)) > 1 for group in sizes):
        raise DataError(
            f"Need one vector, persona and text per simulated response, got {sizes[0]}, and one "
            f"vector and text per real response, got {sizes[1]}.",
            hint="Pass arrays of the same simulation.",
        )
