"""What a fit has learned: one sentence, and a table and sentences of the structured terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.gate.bootstrap_refits import RefittedWeights
from jupyter_mop.engine.gate.component_scores import ComponentScores
from jupyter_mop.engine.gate.cross_validation import CrossValidation
from jupyter_mop.engine.gate.gate import Gate

Z = 1.96
COSINE_STEP = 0.1  # a difference between texts; that between levels is 1
COSINES = ("personas like the context", "exemplars like the persona's description")
COLUMNS = ("term", "about", "coefficient", "step", "times", "low", "high", "initial")


def verdict(
    gate: Gate,
    validation: CrossValidation,
    sources: Sequence[str] = (),
    refitted: RefittedWeights | None = None,
) -> str:
    """Return in one sentence what was learned from each source, or that nothing was."""
    gain = _gain(validation)
    if len(sources) > 1:
        parts = [f"{_gain(validation, i)} by {name}" for i, name in enumerate(sources)]
        gain = f"{gain} on average: {'; '.join(parts)}"
    if not validation.is_gain_clear:
        return f"No weights beat the initial ones on held-out records, which are kept; gain {gain}."
    text = f"Learned weights make held-out responses likelier than initial ones do, by {gain}."
    frame = coefficients(gate, refitted)
    by_level = "; ".join(term_sentences(frame[frame["step"] == 1]))
    return f"{text} {by_level[:1].upper()}{by_level[1:]}." if by_level else text


def _gain(validation: CrossValidation, source: int | None = None) -> str:
    mean, error = validation.gain(source)
    return f"{mean:.2f} nats a record [{mean - Z * error:.2f}, {mean + Z * error:.2f}]"


def unsupported(names: Sequence[str], gate: Gate, scores: ComponentScores) -> str:
    """Return in one sentence which personas make no record likelier; "" if all make some.

    Parameters
    ----------
    names : sequence of str
        The K personas.
    gate : Gate
        Learned weights.
    scores : ComponentScores
        The records.
    """
    weights = np.exp(gate.persona_log_weights(scores.contexts))
    helps = np.any(gate.responsibilities(scores) > weights, axis=0).tolist()
    idle = [name for name, does_help in zip(names, helps, strict=True) if not does_help]
    plural = "s" if len(idle) > 1 else ""
    listed = ", ".join(map(repr, idle))
    return f"No record supports the persona{plural} {listed}." if idle else ""


def coefficients(gate: Gate, refitted: RefittedWeights | None = None) -> pd.DataFrame:
    """Return the coefficients of the gate's structured terms.

    Parameters
    ----------
    gate : Gate
        The weights.
    refitted : RefittedWeights, optional
        Repetitions of the fit, for intervals.

    Returns
    -------
    pandas.DataFrame
        One row per term: term; about, the same in words; coefficient, in nats for equal levels or a
        cosine of 1; step, 1 for equal levels and 0.1 for cosines; times, how many times likelier
        one step makes a persona or an exemplar; low and high, its 95 % interval, NaN without
        repetitions; and initial, its value before a fit.
    """
    if gate.terms is None:
        return pd.DataFrame(columns=list(COLUMNS))
    d = gate.personas.shape[1]
    is_level = [width != d for width in gate.terms.widths]
    step = np.where([False, False, *is_level], 1, COSINE_STEP)
    ends = np.full((2, len(step)), np.nan)
    if refitted is not None:
        ends = refitted.coefficient_intervals[["low", "high"]].to_numpy().T
    values = dict(zip(COLUMNS[4:], (gate.a, *ends, gate.terms.prior_mean), strict=True))
    kinds = ["the same" if equal else "a similar" for equal in is_level]
    columns = zip(kinds, gate.terms.columns, strict=True)
    return pd.DataFrame(
        {
            "term": gate.terms.names,
            "about": [*COSINES, *(f"exemplars of {kind} {name}" for kind, name in columns)],
            "coefficient": gate.a,
            "step": step,
            **{name: np.exp(step * value) for name, value in values.items()},
        }
    )


def term_sentences(frame: pd.DataFrame) -> list[str]:
    """Return each row of `coefficients` in words.

    Examples
    --------
    >>> row = {"about": "exemplars of the same rating", "step": 1.0, "times": 6.2, "initial": 20.1}
    >>> term_sentences(pd.DataFrame([{**row, "low": 3.1, "high": 12.0}]))
    ['exemplars of the same rating: 6.2 times likelier [3.1, 12], initially 20']
    """
    return [_sentence(dict(row)) for _, row in frame.iterrows()]


def _sentence(row: dict[Any, Any]) -> str:
    times, low, high, initial = (float(row[name]) for name in ("times", "low", "high", "initial"))
    words = "times likelier" if times >= 1 else "times as likely"
    per = "" if row["step"] == 1 else f" for each {COSINE_STEP} of cosine similarity"
    interval = "" if np.isnan(low) else f" [{low:.2g}, {high:.2g}]"
    before = "as initially" if times == initial else f"initially {initial:.2g}"
    return f"{row['about']}: {times:.2g} {words}{per}{interval}, {before}"
