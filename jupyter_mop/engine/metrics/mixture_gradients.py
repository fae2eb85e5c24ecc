"""A metric of a mixture, from what is known of each persona's draws, with its derivatives.

Each `mixture_*` function takes the persona weights v, shape (K,), summing to 1, and statistics of
each persona's draws. It never looks at a response, so its cost does not depend on their number.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_mop.engine.metrics.vectors import Vectors

TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Value:
    """A metric and its partial derivatives by the persona weights, shape (K,)."""

    value: float
    gradient: Vectors
