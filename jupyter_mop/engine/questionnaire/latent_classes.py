"""The latent class model of a questionnaire: likelihood, gradient and fit.

    p(answers | x) = sum_k pi_k(x) prod_q softmax_o(beta_q log p_LM(o | g_k, x) + a_qo + d_qko)
    pi(x)          = softmax_k(b_k + sum of v_kc over the values c of the context columns)

A missing answer has no factor. The log-likelihood, less quadratic penalties (normal priors), is
maximised. Its gradient comes from the posterior of the classes, the E step of EM (Fisher's
identity); the M steps are those of L-BFGS, which needs fewer of them than EM does (Lange 1995,
*A quasi-Newton acceleration of the EM algorithm*, Statistica Sinica 5, 1-18). Without a language
model p_LM is constant: the ordinary latent class model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.questionnaire.item_tables import ItemTable
from jupyter_mop.engine.questionnaire.survey import MISSING

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
OFFSET_PENALTY, SLOPE_PENALTY, CENTRE_PENALTY, INTERCEPT_PENALTY = 0.05, 1.0, 0.1, 0.1
MAX_ITERATIONS, TOLERANCE = 400, 1e-6


@dataclass(frozen=True)
class Strengths:
    """Strengths of the penalties that are chosen on held-out people.

    Attributes
    ----------
    deviation : float
        Of the deviations d of a class from the calibrated language model.
    context : float
        Of the dependence of class weights on the context columns.
    """

    deviation: float = 10.0
    context: float = 10.0


@dataclass(frozen=True)
class Layout:
    """Where the options of all questions stand in flat arrays of J rows.

    There is a row for each question, context of the question, and option. A block is the options
    of one question in one context.

    Attributes
    ----------
    prior : ndarray, shape (J, K)
        Log-probabilities of the language model.
    starts : ndarray of int, shape (B,)
        First row of each block.
    block, item, option : ndarray of int, shape (J,)
        The block, the question, and the option among the O options of all questions.
    first_row, n_options : ndarray of int, shape (Q,)
        First row and number of options of each question.
    """

    prior: Array
    starts: Indices
    block: Indices
    item: Indices
    option: Indices
    first_row: Indices
    n_options: Indices

    @classmethod
    def of(cls, tables: Sequence[ItemTable]) -> Layout:
        """Lay out the tables of Q questions."""
        shapes = [table.log_probs.shape for table in tables]
        sizes = np.array([a for _, _, a in shapes])
        rows = np.array([c * a for c, _, a in shapes])
        prior = [np.swapaxes(t.log_probs, 1, 2).reshape(-1, t.log_probs.shape[1]) for t in tables]
        lengths = np.concatenate([np.full(c, a) for c, _, a in shapes])
        first_option = np.cumsum(sizes) - sizes
        option = [first + np.tile(np.arange(a), c) for first, (c, _, a)
                  in zip(first_option, shapes, strict=True)]  # fmt: skip
        return cls(
            np.concatenate(prior),
            np.cumsum(lengths) - lengths,
            np.repeat(np.arange(len(lengths)), lengths),
            np.repeat(np.arange(len(tables)), rows),
            np.concatenate(option),
            np.cumsum(rows) - rows,
            sizes,
        )

    @property
    def n_classes(self) -> int:
        """The number K of classes."""
        return int(self.prior.shape[1])

    @cached_property
    def to_options(self) -> csr_array:
        """The matrix that adds the J rows of each of the O options, shape (O, J)."""
        from scipy.sparse import csr_array

        n_rows = len(self.option)
        cells = (np.ones(n_rows), (self.option, np.arange(n_rows)))
        return csr_array(cells, shape=(int(self.n_options.sum()), n_rows))

    def answers(self, codes: Indices, contexts: Indices) -> csr_array:
        """Return which row each answer chose, shape (n, J), from codes and contexts (n, Q)."""
        from scipy.sparse import csr_array

        person, item = np.nonzero(codes != MISSING)
        row = self.first_row[item] + contexts[person, item] * self.n_options[item]
        cells = (np.ones(len(person)), (person, row + codes[person, item]))
        return csr_array(cells, shape=(len(codes), len(self.option)))

    def item_table(self, log_tables: Array, q: int) -> Array:
        """Return the probabilities of question q's options, (C, K, A), from all logs, (J, K)."""
        logs = log_tables[self.item == q].reshape(-1, self.n_options[q], self.n_classes)
        return np.asarray(np.exp(np.swapaxes(logs, 1, 2)))

    def log_softmax(self, logits: Array) -> Array:
        """Return the log-softmax within each block, shape (J, K)."""
        shifted = logits - np.maximum.reduceat(logits, self.starts)[self.block]
        totals = np.add.reduceat(np.exp(shifted), self.starts)
        return np.asarray(shifted - np.log(totals)[self.block])


@dataclass(frozen=True)
class Parameters:
    """The parameters of the model.

    Attributes
    ----------
    centre : float
        Mean of the slopes, for questions that nobody has answered yet.
    slopes : ndarray, shape (Q,)
        beta: the power of the language model's probabilities, by question.
    offsets : ndarray, shape (O,)
        a: by option, for all classes.
    deviations : ndarray, shape (O, K)
        d: by option and class.
    intercepts : ndarray, shape (K,)
        b: log-weights of the classes.
    effects : ndarray, shape (F, K)
        v: by value of a context column and class.
    """

    centre: float
    slopes: Array
    offsets: Array
    deviations: Array
    intercepts: Array
    effects: Array

    def flat(self) -> Array:
        """Return all parameters as one vector."""
        parts = (self.slopes, self.offsets, self.deviations, self.intercepts, self.effects)
        return np.concatenate([[self.centre], *(part.ravel() for part in parts)])

    def like(self, flat: Array) -> Parameters:
        """Return the parameters that `flat()` of the same shapes gave."""
        parts = (self.slopes, self.offsets, self.deviations, self.intercepts, self.effects)
        ends = np.cumsum([1, *(part.size for part in parts)])
        pieces = np.split(flat, ends[:-1])[1:]
        shaped = (piece.reshape(part.shape) for piece, part in zip(pieces, parts, strict=True))
        return Parameters(float(flat[0]), *shaped)

    def log_tables(self, layout: Layout) -> Array:
        """Return the log-probability of each option in each class, shape (J, K)."""
        shared = self.slopes[layout.item, None] * layout.prior + self.offsets[layout.option, None]
        return layout.log_softmax(shared + self.deviations[layout.option])

    def log_weights(self, features: Array) -> Array:
        """Return the log-weight of each class in cells with these features, shape (M, K)."""
        logits = self.intercepts + features @ self.effects
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def keep(self, classes: Indices) -> Parameters:
        """Return the parameters of some of the classes."""
        return replace(
            self,
            deviations=self.deviations[:, classes],
            intercepts=self.intercepts[classes],
            effects=self.effects[:, classes],
        )


@dataclass(frozen=True)
class Data:
    """The respondents of a fit.

    Attributes
    ----------
    layout : Layout
    answers : csr_array, shape (n, J)
        The rows that each respondent chose.
    cell : ndarray of int, shape (n,)
        Each respondent's cell: combination of context values.
    features : ndarray, shape (M, F)
        The context values of each cell as indicators.
    weights : ndarray, shape (n,)
        Survey weights that sum to the effective sample size.
    """

    layout: Layout
    answers: csr_array
    cell: Indices
    features: Array
    weights: Array

    def take(self, rows: Indices) -> Data:
        """Return the respondents at `rows`."""
        return replace(
            self, answers=self.answers[rows], cell=self.cell[rows], weights=self.weights[rows]
        )

    def without(self, q: int) -> Data:
        """Return the data with the answers to a question missing."""
        from scipy.sparse import csr_array

        keep = (self.layout.item != q).astype(np.float64)
        return replace(self, answers=csr_array(self.answers.multiply(keep)))

    def keep(self, classes: Indices) -> Data:
        """Return the data for some of the classes."""
        layout = replace(self.layout, prior=self.layout.prior[:, classes])
        return replace(self, layout=layout)

    def joint(self, parameters: Parameters) -> Array:
        """Return the log-probability of each class and the answers, shape (n, K)."""
        log_likelihood = self.answers @ parameters.log_tables(self.layout)
        return np.asarray(log_likelihood + parameters.log_weights(self.features)[self.cell])

    def log_likelihood(self, parameters: Parameters) -> Array:
        """Return the log-likelihood of each respondent's answers, shape (n,), in nats."""
        return np.asarray(np.logaddexp.reduce(self.joint(parameters), axis=1))

    def responsibilities(self, parameters: Parameters) -> Array:
        """Return the posterior of the classes given the answers, shape (n, K)."""
        joint = self.joint(parameters)
        return np.asarray(np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)))


def fit_classes(
    data: Data,
    start: Parameters,
    strengths: Strengths,
    *,
    log_shares: Array | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> Parameters:
    """Return the parameters with the highest penalised likelihood near `start`.

    Parameters
    ----------
    data : Data
    start : Parameters
        Where the search begins.
    strengths : Strengths
    log_shares : ndarray, shape (K,), optional
        Logarithms of stated class weights, to which the intercepts shrink; default: equal.
    max_iterations : int
        Largest number of steps.
    """
    from scipy.optimize import minimize

    objective = _Objective(data, start, strengths, log_shares)
    found = minimize(
        objective,
        start.flat(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "ftol": TOLERANCE, "maxcor": 20},
    )
    return start.like(found.x)


def penalised_loss(
    data: Data, parameters: Parameters, strengths: Strengths, log_shares: Array | None = None
) -> float:
    """Return minus the penalised log-likelihood per respondent, in nats."""
    return _Objective(data, parameters, strengths, log_shares)(parameters.flat())[0]


@dataclass(frozen=True)
class _Objective:
    data: Data
    like: Parameters
    strengths: Strengths
    log_shares: Array | None

    def __call__(self, flat: Array) -> tuple[float, Array]:
        """Return minus the penalised log-likelihood per respondent, and its gradient."""
        data, layout, p = self.data, self.data.layout, self.like.like(flat)
        log_tables, log_weights = p.log_tables(layout), p.log_weights(data.features)
        joint = data.answers @ log_tables + log_weights[data.cell]
        totals = np.logaddexp.reduce(joint, axis=1)
        posterior = data.weights[:, None] * np.exp(joint - totals[:, None])
        penalty, gradient = self._penalty(p)
        gradient = self._with_items(gradient, posterior, np.exp(log_tables))
        gradient = self._with_weights(gradient, posterior, np.exp(log_weights))
        size = data.weights.sum()
        return float(penalty - data.weights @ totals) / size, gradient.flat() / size

    def _with_items(self, gradient: Parameters, posterior: Array, tables: Array) -> Parameters:
        """Add the gradient of the answers with respect to slopes, offsets and deviations."""
        layout = self.data.layout
        counts = self._by_row @ posterior
        expected = np.add.reduceat(counts, layout.starts)[layout.block] * tables
        residual = expected - counts
        by_option = layout.to_options @ residual
        by_row = (residual * layout.prior).sum(axis=1)
        return replace(
            gradient,
            slopes=gradient.slopes + np.bincount(layout.item, by_row, len(gradient.slopes)),
            offsets=gradient.offsets + by_option.sum(axis=1),
            deviations=gradient.deviations + by_option,
        )

    def _with_weights(self, gradient: Parameters, posterior: Array, weights: Array) -> Parameters:
        """Add the gradient of the answers with respect to the weights of the classes."""
        counts = self._by_cell @ posterior
        residual = counts.sum(axis=1, keepdims=True) * weights - counts
        return replace(
            gradient,
            intercepts=gradient.intercepts + residual.sum(axis=0),
            effects=gradient.effects + self.data.features.T @ residual,
        )

    @cached_property
    def _by_row(self) -> csr_array:
        from scipy.sparse import csr_array

        return csr_array(self.data.answers.T)

    @cached_property
    def _by_cell(self) -> csr_array:
        from scipy.sparse import csr_array

        n = len(self.data.cell)
        cells = (np.ones(n), (self.data.cell, np.arange(n)))
        return csr_array(cells, shape=(len(self.data.features), n))

    def _penalty(self, p: Parameters) -> tuple[float, Parameters]:
        """Return the penalty and its gradient."""
        target = 0.0 if self.log_shares is None else self.log_shares - self.log_shares.mean()
        gap, shift = p.slopes - p.centre, p.intercepts - target
        gradient = Parameters(
            CENTRE_PENALTY * (p.centre - 1) - SLOPE_PENALTY * float(gap.sum()),
            SLOPE_PENALTY * gap,
            OFFSET_PENALTY * p.offsets,
            self.strengths.deviation * p.deviations,
            INTERCEPT_PENALTY * shift,
            self.strengths.context * p.effects,
        )
        value = CENTRE_PENALTY * (p.centre - 1) ** 2 + SLOPE_PENALTY * (gap @ gap)
        value += OFFSET_PENALTY * (p.offsets @ p.offsets) + INTERCEPT_PENALTY * (shift @ shift)
        value += self.strengths.deviation * np.sum(p.deviations**2)
        return float(value + self.strengths.context * np.sum(p.effects**2)) / 2, gradient


def first_parameters(
    layout: Layout,
    n_features: int,
    *,
    log_shares: Array | None = None,
    spread: float = 0.05,
    random_state: int = 0,
) -> Parameters:
    """Return the language model's own tables with equal or stated weights, slightly disturbed.

    Without the disturbance, classes with equal tables would stay equal.

    Parameters
    ----------
    layout : Layout
    n_features : int
        Number F of context indicators.
    log_shares : ndarray, shape (K,), optional
        Logarithms of stated class weights.
    spread : float
        Standard deviation of the deviations.
    random_state : int
        Seed of the deviations.
    """
    rng = np.random.default_rng(random_state)
    n_classes, n_options = layout.n_classes, int(layout.n_options.sum())
    centred = np.zeros(n_classes) if log_shares is None else log_shares - log_shares.mean()
    return Parameters(
        1.0,
        np.ones(len(layout.n_options)),
        np.zeros(n_options),
        spread * rng.standard_normal((n_options, n_classes)),
        centred,
        np.zeros((n_features, n_classes)),
    )


@dataclass(frozen=True)
class Cells:
    """The distinct combinations of context values.

    Attributes
    ----------
    frame : pandas.DataFrame
        M rows, one column per context column.
    features : ndarray, shape (M, F)
        An indicator for each value of each column.
    indicators : tuple of tuple of str
        Column and value of each of the F indicators.
    """

    frame: pd.DataFrame
    features: Array
    indicators: tuple[tuple[str, str], ...]


def context_cells(
    contexts: pd.DataFrame, values: Sequence[tuple[str, str]] | None = None
) -> tuple[Cells, Indices]:
    """Return the distinct contexts, and the cell of each row, shape (n,).

    Parameters
    ----------
    contexts : pandas.DataFrame
        n rows of texts, one column per context column; there may be no columns.
    values : sequence of (column, value), optional
        The indicators; default: all values there are.

    Examples
    --------
    >>> cells, cell = context_cells(pd.DataFrame({"age": ["old", "young", "old"]}))
    >>> cells.features.tolist(), cell.tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [0, 1, 0])
    """
    columns = [str(column) for column in contexts.columns]
    if not columns:
        return (
            Cells(pd.DataFrame(index=[0]), np.zeros((1, 0)), ()),
            np.zeros(len(contexts), dtype=np.intp),
        )
    keys = list(zip(*(contexts[column].astype(str) for column in columns), strict=True))
    cell, distinct = pd.factorize(pd.Series(keys, dtype=object))
    frame = pd.DataFrame(list(distinct), columns=columns)
    if values is None:
        values = [(c, value) for c in columns for value in dict.fromkeys(frame[c])]
    indicators = [(frame[column] == value).to_numpy(dtype=np.float64) for column, value in values]
    return Cells(frame, np.stack(indicators, axis=1), tuple(values)), cell.astype(np.intp)


def assemble(
    tables: Mapping[str, ItemTable],
    contexts: pd.DataFrame,
    codes: Indices,
    weights: Array,
    values: Sequence[tuple[str, str]] | None = None,
) -> tuple[Data, Cells]:
    """Return the data of a fit, and the cells of the respondents.

    Parameters
    ----------
    tables : mapping of str to ItemTable
        One for each of the Q questions.
    contexts : pandas.DataFrame
        Context columns of the n respondents.
    codes : ndarray of int, shape (n, Q)
        Their answers.
    weights : ndarray, shape (n,)
        Their survey weights.
    values : sequence of (column, value), optional
        The context indicators; default: all values there are.
    """
    layout = Layout.of(list(tables.values()))
    cells, cell = context_cells(contexts, values)
    in_cell = np.stack([table.contexts(cells.frame) for table in tables.values()], axis=1)
    total = weights.sum()
    scaled = weights * (total / np.square(weights).sum())
    answers = layout.answers(codes, in_cell[cell])
    return Data(layout, answers, cell, cells.features, scaled), cells
