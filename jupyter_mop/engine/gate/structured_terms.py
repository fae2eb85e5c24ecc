"""Terms of the weights with one coefficient each: what a persona or an exemplar is chosen for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
OWN_CONTEXT = 3.0  # prior mean of a1: an exemplar of the own context is 20 times as likely
OWN_SUBGROUP = 1.0  # prior mean of a2 times the standard deviation of the affinities
COSINE_SD, SUBGROUP_SD, EQUAL_SD, OFFSET_SD = 10.0, 0.2, 2.0, 0.5  # prior standard deviations
ANSWERING_SD = 0.25  # that of a1 for what is shown; see `StructuredTerms.answering`
_MIN_AFFINITY = 0.01  # below, personas do not differ in what they are near to


@dataclass(frozen=True)
class StructuredTerms:
    """The terms that are added to the logits of personas and exemplars.

    Persona k gets a0 cos(h(g_k), h(x)). Exemplar j gets a2 cos(h(g_k), h(y_j)), so that a persona
    is shown responses of its own subgroup, and, for each context column, a1 times the agreement of
    its own context with the question's: 1 if the levels are equal and 0 if not, or the cosine of
    free texts. Exemplars stand for the records of their stratum, in the shares `log_share`.

    The coefficients have normal priors. Those of a1 have a mean above zero: a question is there to
    be answered, and without evidence it is shown exemplars of its own context. That of a2 is held
    near its mean: a persona that is shown anything could stand for anyone.

    Attributes
    ----------
    columns : tuple of str
        The C context columns.
    widths : tuple of int
        Size of each column's block in a context vector, after the d entries of h(x).
    blocks : ndarray, shape (J, D)
        The blocks of the exemplars' contexts.
    affinity : ndarray, shape (K, J)
        Cosines of personas and exemplars' responses, less their mean over the personas.
    log_share : ndarray, shape (J,)
        Log of the share of records that each exemplar stands for.
    prior_shift : float or ndarray, shape (2 + C,)
        Added to the prior means, in units of the prior standard deviations.
    equal_sd : float
        Prior standard deviation of a1.
    """

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    blocks: Array
    affinity: Array
    log_share: Array
    prior_shift: Array | float = 0.0
    equal_sd: float = EQUAL_SD

    @property
    def answering(self) -> StructuredTerms:
        """The terms with a1 held near its prior mean, for what a simulation shows.

        Likelihoods ask which exemplars resemble a response, not which ones help to answer the
        question: a small model that is shown exemplars of other contexts answers in theirs.
        """
        return replace(self, equal_sd=ANSWERING_SD)

    @property
    def names(self) -> list[str]:
        """The names of the coefficients: those of personas, of responses and of each column."""
        return ["persona and context", "persona and response", *self.columns]

    @property
    def prior_mean(self) -> Array:
        """The prior means of a0, a2 and a1, shape (2 + C,)."""
        own = OWN_SUBGROUP / self._spread if self._spread >= _MIN_AFFINITY else 0.0
        means = np.array([0.0, own, *[OWN_CONTEXT] * len(self.columns)])
        return np.asarray(means + self.prior_shift * self.prior_sd)

    @property
    def prior_sd(self) -> Array:
        """The prior standard deviations of a0, a2 and a1, shape (2 + C,)."""
        own = SUBGROUP_SD / max(self._spread, _MIN_AFFINITY)
        return np.array([COSINE_SD, own, *[self.equal_sd] * len(self.columns)])

    @cached_property
    def _spread(self) -> float:
        """The standard deviation of the affinities, which encoders scale differently."""
        return float(self.affinity.std())

    @cached_property
    def column(self) -> NDArray[np.intp]:
        """The context column of each entry of a block, shape (D,)."""
        return np.repeat(np.arange(len(self.widths)), self.widths)

    def by_column(self, products: Array) -> Array:
        """Return the sum over the entries of each column, (C,), from sums per entry, (D,)."""
        return np.bincount(self.column, products, len(self.widths)).astype(np.float64)

    def scaled(self, blocks: Array, a1: Array) -> Array:
        """Return blocks of contexts, (n, D), times the coefficient of their column, (C,)."""
        return blocks * a1[self.column]
