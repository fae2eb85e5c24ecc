"""What is known of each persona's draws, from which the figures of any mixture of them follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.divergences import (
    mixture_js_divergence,
    mixture_total_variation,
    mixture_wasserstein,
)
from jupyter_mop.engine.metrics.fid import mixture_fid
from jupyter_mop.engine.metrics.kl_cosine import (
    MAX_ALL_PAIRS,
    N_BINS,
    SAMPLED_PAIRS,
    cosine_histogram,
    mixture_kl_cosine,
)
from jupyter_mop.engine.metrics.mauve import cluster_labels, default_clusters, mixture_mauve
from jupyter_mop.engine.metrics.mixture_gradients import TINY, Value
from jupyter_mop.engine.metrics.vectors import Vectors, checked_pair, checked_weights
from jupyter_mop.engine.simulation.importance_weights import Codes
from jupyter_mop.engine.weighting.persona_counts import (
    Answers,
    answers,
    n_words,
    pairs,
    proportions,
    space,
    sums,
    tabulated,
    within_shares,
)
from jupyter_mop.errors import DataError

MAX_CLUSTERS = 100
MIN_TARGET = 10
BETTER = {"MAUVE": "higher"}


@dataclass(frozen=True)
class PersonaStatistics:
    """Sufficient statistics of the draws of K personas against a target; see `measure`.

    Attributes
    ----------
    names : tuple of str
        The personas.
    counts, inverse_sizes : ndarray, shape (K,)
        Draws of each, and the sum of the squared shares of its draws (1 / counts where all
        count alike).
    variances, means, moments : ndarray, shapes (r,), (K, r), (K, r, r)
        Variances of the target on its r main axes, E[x] and E[x x'] of each persona's draws.
    explained : float
        Share of the target's variance that these axes hold.
    target_clusters, clusters : ndarray, shapes (C,) and (K, C)
        Shares in the clusters of both together.
    target_labels, labels : ndarray of int, shapes (n,) and (m,)
        The cluster of each response.
    target_cosines, pairs : ndarray, shapes (B,) and (K, K, B)
        Counts of the target's pairwise cosines; shares of those of draws of two personas.
    sampled : bool
        Whether pairs were drawn, as they are above 5,000 responses, rather than all counted.
    target_lengths, lengths : ndarray, shapes (L,) and (K, L)
        Shares of responses of 0, 1, ... words; the last bin holds what is longer.
    answers : Answers or None
        For a closed question.
    """

    names: tuple[str, ...]
    counts: NDArray[np.intp]
    inverse_sizes: Vectors
    variances: Vectors
    means: Vectors
    moments: Vectors
    explained: float
    target_clusters: Vectors
    clusters: Vectors
    target_labels: Codes
    labels: Codes
    target_cosines: Vectors
    pairs: Vectors
    sampled: bool
    target_lengths: Vectors
    lengths: Vectors
    answers: Answers | None = None

    @classmethod
    def measure(
        cls,
        target: Vectors,
        simulated: Vectors,
        codes: Codes,
        names: Sequence[str],
        *,
        target_texts: Sequence[str],
        texts: Sequence[str],
        weights: Vectors | None = None,
        options: Sequence[str] | None = None,
        ordered: bool = False,
        random_state: int = 0,
    ) -> PersonaStatistics:
        """Measure the draws of each persona, once; then any mixture costs the same.

        Parameters
        ----------
        target, simulated : ndarray, shapes (n, d) and (m, d)
            Vectors of real and of simulated responses.
        codes : ndarray of int, shape (m,)
            The persona of each simulated response, as a position in `names`.
        names : sequence of str
            The K personas.
        target_texts, texts : sequence of str
            The responses themselves, for their lengths and answers.
        weights : ndarray, shape (m,), optional
            Weights of the simulated responses; default: all alike.
        options : sequence of str, optional
            The options, where the responses answer a closed question.
        ordered : bool
            Whether the options are a scale.
        random_state : int
            Seed of k-means and of the pairs that are drawn above 5,000 responses.

        Raises
        ------
        DataError
            For fewer than ten real responses, or vectors that do not fit together.

        Notes
        -----
        FID is taken on the at most 32 main axes of the target, MAUVE in at most 100 clusters, so
        that moving a weight takes milliseconds; `alignment_table.align` gives both
        in full.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> real, made = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
        >>> codes, words = np.arange(40) % 2, ["one two"] * 60
        >>> measured = PersonaStatistics.measure(
        ...     real, made, codes, ["a", "b"], target_texts=words, texts=words[:40])
        >>> list(measured.figures([0.5, 0.5]))
        ['FID', 'MAUVE', 'KL cosine', 'length']
        """
        target, simulated = checked_pair(target, simulated)
        _check(target, simulated, codes, texts, target_texts)
        shares = within_shares(codes, checked_weights(weights, len(simulated)), len(names))
        size = min(default_clusters(min(len(target), len(simulated))), MAX_CLUSTERS)
        real, made = cluster_labels(target, simulated, n_clusters=size, random_state=random_state)
        real_lengths, made_lengths = n_words(target_texts), n_words(texts)
        n_lengths = 1 + int(max(real_lengths.max(), made_lengths.max()))
        axes = space(target, simulated, codes, shares, len(names))
        return cls(
            names=tuple(names),
            counts=np.bincount(codes, minlength=len(names)),
            inverse_sizes=sums(codes, shares**2, len(names)),
            **axes,
            target_clusters=proportions(real, size),
            clusters=tabulated(codes, made, shares, (len(names), size)),
            target_labels=real,
            labels=made,
            target_cosines=cosine_histogram(
                target, np.linspace(-1, 1, N_BINS + 1), random_state=random_state
            ),
            pairs=pairs(simulated, codes, shares, len(names), random_state),
            sampled=len(simulated) > MAX_ALL_PAIRS,
            target_lengths=proportions(real_lengths, n_lengths),
            lengths=tabulated(codes, made_lengths, shares, (len(names), n_lengths)),
            answers=answers(
                target_texts,
                texts,
                codes,
                shares,
                n_personas=len(names),
                options=options,
                ordered=ordered,
            )
            if options is not None
            else None,
        )

    def values(self, weights: Sequence[float] | Vectors) -> dict[str, Value]:
        """Return each figure and its partial derivatives at these persona weights, shape (K,)."""
        v = self.checked(weights)
        c = self.inverse_sizes
        found = {
            "FID": mixture_fid(v, c, self.variances, self.means, self.moments),
            "MAUVE": mixture_mauve(v, self.target_clusters, self.clusters),
            "KL cosine": mixture_kl_cosine(v, c, self.target_cosines, self.pairs, SAMPLED_PAIRS),
            "length": mixture_wasserstein(v, self.target_lengths, self.lengths),
        }
        if self.answers:
            target, personas = self.answers.target, self.answers.personas
            found["JS"] = mixture_js_divergence(v, target, personas)
            found["TV"] = mixture_total_variation(v, target, personas)
            if self.answers.ordered:
                found["W1"] = mixture_wasserstein(v, target, personas)
        return found

    def figures(self, weights: Sequence[float] | Vectors) -> dict[str, float]:
        """Return each figure at these persona weights, shape (K,)."""
        return {name: found.value for name, found in self.values(weights).items()}

    def gradients(self, weights: Sequence[float] | Vectors) -> dict[str, Vectors]:
        """Return the partial derivatives of each figure by the persona weights, shape (K,)."""
        return {name: found.gradient for name, found in self.values(weights).items()}

    def contributions(self, weights: Sequence[float] | Vectors) -> dict[str, Vectors]:
        """Return how each figure moves per unit of weight given to a persona, shape (K,).

        The others give way in proportion: (g_k - sum_j v_j g_j) / (1 - v_k).
        """
        v = self.checked(weights)
        rest = 1 - v
        return {
            name: np.divide(g - v @ g, rest, out=np.zeros(len(v)), where=rest > TINY)
            for name, g in self.gradients(v).items()
        }

    def effective_sample_size(self, weights: Sequence[float] | Vectors) -> float:
        """Return as how many draws that count alike the draws with these weights are as good."""
        return float(1 / (self.checked(weights) ** 2 @ self.inverse_sizes))

    def checked(self, weights: Sequence[float] | Vectors) -> Vectors:
        """Return persona weights that sum to 1, or say why these cannot be used."""
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
        """The number of axes of the reduced space of FID, r."""
        return len(self.variances)

    def to_dict(self) -> dict[str, Any]:
        """Return what the figures need as plain names and flat float64 arrays, row by row."""
        closed = self.answers and {
            "options": list(self.answers.options),
            "ordered": self.answers.ordered,
            "exact": self.answers.exact,
            "target": self.answers.target,
            "personas": self.answers.personas.ravel(),
        }
        return {
            "names": list(self.names),
            "counts": self.counts.tolist(),
            "inverse_sizes": self.inverse_sizes,
            "space": {
                "target_variances": self.variances,
                "means": self.means.ravel(),
                "moments": self.moments.ravel(),
                "explained": self.explained,
            },
            "clusters": {"target": self.target_clusters, "personas": self.clusters.ravel()},
            "cosines": {
                "target": self.target_cosines,
                "pairs": self.pairs.ravel(),
                "cap": SAMPLED_PAIRS,
            },
            "lengths": {"target": self.target_lengths, "personas": self.lengths.ravel()},
            "answers": closed,
        }


def _check(
    target: Vectors,
    simulated: Vectors,
    codes: Codes,
    texts: Sequence[str],
    target_texts: Sequence[str],
) -> None:
    if len(target) < MIN_TARGET:
        raise DataError(
            f"At least {MIN_TARGET} real responses are needed to compare with, not {len(target)}.",
            hint="Hold out more records.",
        )
    sizes = (len(simulated), len(codes), len(texts)), (len(target), len(target_texts))
    if any(len(set(group)) > 1 for group in sizes):
        raise DataError(
            f"A text, a vector and a persona for each response were expected; {sizes} came.",
            hint="Pass those of the same simulation.",
        )
