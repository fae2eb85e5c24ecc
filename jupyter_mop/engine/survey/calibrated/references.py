"""What the same answers give without a language model: shares, shares by cell, regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.survey.calibrated.mixture import Design
from jupyter_mop.engine.survey.calibrated.records import Records

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
SHARES, CELLS = "training shares", "training shares by cell"
REGRESSION = "regression on the context"
PSEUDO_COUNTS = (1.0, 3.0, 10.0, 30.0, 100.0)
INVERSE_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
MAX_ITERATIONS = 300
Fit = Callable[[Design, Records, float], Array]


@dataclass(frozen=True)
class Reference:
    """Shares of the options by context that were learned from the same people without a model.

    Attributes
    ----------
    name : str
    shares : ndarray, shape (C, A)
        Learned from all records.
    without_fold : tuple of ndarray, shape (C, A)
        Learned without each fold, whose people also had no say in the strength.
    """

    name: str
    shares: Array
    without_fold: tuple[Array, ...]


def references(design: Design, records: Records, fold: Indices) -> list[Reference]:
    """Return the three references; their strengths are chosen on held-out people.

    Parameters
    ----------
    design : Design
        The contexts, of these records and others; the language model's part is not used.
    records : Records
    fold : ndarray of int, shape (n,)
    """
    kinds: list[tuple[str, Fit, tuple[float, ...]]] = [
        (SHARES, _shares, (0.0,)),
        (CELLS, _by_cell, PSEUDO_COUNTS),
        (REGRESSION, _regression, INVERSE_PENALTIES),
    ]
    return [_Kind(*kind).reference(design, records, fold) for kind in kinds]


def log_scores(shares: Array, records: Records, *, is_multiple: bool, n: float) -> Array:
    """Return the log-probability of each record's answer under shares by context, shape (n,).

    Parameters
    ----------
    shares : ndarray, shape (C, A)
    records : Records
    is_multiple : bool
        Each option then counts as a yes-no question.
    n : float
        People that the shares were learned from: one more, spread evenly, keeps every option
        possible.
    """
    even = 0.5 if is_multiple else 1 / shares.shape[1]
    safe = ((n * shares + even) / (n + 1))[records.context]
    y = records.selected
    logs = y * np.log(safe)
    if is_multiple:
        logs = logs + (1 - y) * np.log(1 - safe)
    return np.asarray(logs.sum(axis=1))


@dataclass(frozen=True)
class _Kind:
    """A way to learn shares by context, and the strengths to choose from."""

    name: str
    fit: Fit
    strengths: tuple[float, ...]

    def reference(self, design: Design, records: Records, fold: Indices) -> Reference:
        n_folds = int(fold.max()) + 1
        held_out = np.zeros((len(self.strengths), n_folds))
        found = []
        for s, strength in enumerate(self.strengths):
            without = [self.fit(design, records.take(fold != f), strength) for f in range(n_folds)]
            found.append(without)
            for f, shares in enumerate(without):
                judged, n = records.take(fold == f), float(records.weight[fold != f].sum())
                logs = log_scores(shares, judged, is_multiple=design.is_multiple, n=n)
                held_out[s, f] = logs @ judged.weight
        by_others = held_out.sum(axis=1, keepdims=True) - held_out
        best = self.strengths[int(held_out.sum(axis=1).argmax())]
        without_fold = (found[s][f] for f, s in enumerate(by_others.argmax(axis=0)))
        return Reference(self.name, self.fit(design, records, best), tuple(without_fold))


def _shares(design: Design, records: Records, strength: float) -> Array:
    del strength  # there is nothing to shrink
    return np.tile(records.shares(), (design.shape[0], 1))


def _by_cell(design: Design, records: Records, strength: float) -> Array:
    """Return the shares in each context, with `strength` more people who answer as everyone."""
    cells = design.cells if design.cells.shape[1] else design.columns
    sizes, chosen = records.totals(design.shape[0])
    sizes, chosen = cells @ (cells.T @ sizes), cells @ (cells.T @ chosen)
    return np.asarray((chosen + strength * records.shares()) / (sizes + strength)[:, None])


def _regression(design: Design, records: Records, strength: float) -> Array:
    """Return multinomial logistic regression on the columns, or one logistic one per option."""
    if not design.is_multiple:
        return _logistic(design.columns, records, records.selected, strength)
    columns = []
    for a in range(design.shape[2]):
        chosen = records.selected[:, [a]]
        found = _logistic(design.columns, records, np.hstack([1 - chosen, chosen]), strength)
        columns.append(found[:, 1])
    return np.column_stack(columns)


def _logistic(features: Array, records: Records, chosen: Array, strength: float) -> Array:
    from sklearn.linear_model import LogisticRegression

    label = chosen.argmax(axis=1)
    key, inverse = np.unique(np.column_stack([records.context, label]), axis=0, return_inverse=True)
    weight = np.bincount(inverse.ravel(), records.weight, len(key))
    probabilities = np.zeros((len(features), chosen.shape[1]))
    counted = weight > 0
    key, weight = key[counted], weight[counted]
    if len(np.unique(key[:, 1])) == 1:
        probabilities[:, key[0, 1]] = 1.0
        return probabilities
    model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)
    model.fit(features[key[:, 0]], key[:, 1], sample_weight=weight)
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities
