"""What a fit has learned, in one sentence and as a table of the structured terms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jupyter_mop.engine.gate.cross_validation import CrossValidation
from jupyter_mop.engine.gate.gate import Gate

Z = 1.96


def verdict(gate: Gate, validation: CrossValidation, sources: Sequence[str]) -> str:
    """Return in one sentence what was learned from each source, or that nothing was."""
    gain = _gain(validation)
    if len(sources) > 1:
        parts = [f"{_gain(validation, i)} by {name}" for i, name in enumerate(sources)]
        gain = f"{gain} on average: {'; '.join(parts)}"
    if not validation.is_gain_clear:
        return f"No weights beat the initial ones on held-out records, which are kept; gain {gain}."
    text = f"Learned weights make held-out responses likelier than initial ones do, by {gain}."
    return f"{text} {_about(gate)}".strip()


def _gain(validation: CrossValidation, source: int | None = None) -> str:
    mean, error = validation.gain(source)
    return f"{mean:.2f} nats a record [{mean - Z * error:.2f}, {mean + Z * error:.2f}]"


def _about(gate: Gate) -> str:
    frame = coefficients(gate)
    by_column = frame[frame["times"].notna()]
    parts = [
        f"exemplars of the same {row.term}: {row.times:.1f} times likelier"
        for row in by_column.itertuples()
    ]
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if parts else ""


def coefficients(gate: Gate) -> pd.DataFrame:
    """Return the coefficients of the gate's structured terms.

    Returns
    -------
    pandas.DataFrame
        term; coefficient, in nats for a cosine of 1 or equal levels; and times, how many times
        likelier that makes an exemplar of the same level, NaN for terms by cosine.
    """
    if gate.terms is None:
        return pd.DataFrame({"term": [], "coefficient": [], "times": []})
    d = gate.personas.shape[1]
    is_level = [False, False, *(width != d for width in gate.terms.widths)]
    times = np.where(is_level, np.exp(gate.a), np.nan)
    return pd.DataFrame({"term": gate.terms.names, "coefficient": gate.a, "times": times})
