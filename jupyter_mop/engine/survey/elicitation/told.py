"""Stated percentages: the model states one for each option; they are read and normalised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import SamplingParams
from jupyter_mop.engine.data.task_prompts import STATE_SHARES
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable
from jupyter_mop.engine.survey.elicitation.replies import (
    is_readable,
    reply_limit,
    unmatched_replies,
)
from jupyter_mop.engine.survey.elicitation.requests import Elicitation
from jupyter_mop.engine.survey.reading.stated_shares import read_stated_shares

Array = NDArray[np.float64]

TOLD = "told"
MIN_STATED = 0.005


def told(asked: Elicitation) -> OptionTable:
    """Return the mean of the shares that the model states, over the orders of the options.

    A stated percentage is rounded: no option has less than half a percent.
    """
    names = asked.question.options
    templates = [asked.question.template(order, is_asked=False) for order in asked.orders()]
    prompts = asked.prompts(templates, instructions=STATE_SHARES)
    params = SamplingParams(0.0, 1.0, sum(reply_limit([name]) for name in names))
    completions = asked.replies(prompts, params, 1)
    found = [read_stated_shares(c.text, names) if is_readable(c) else None for c in completions]
    is_read = np.array([shares is not None for shares in found])
    stated = np.array([_never_zero(each, len(names)) for each in found])
    sums, n_read = asked.by_order(stated).sum(0), asked.by_order(is_read).sum(0)
    even = np.full_like(sums, 1 / len(names))
    return OptionTable(
        np.divide(sums, n_read, out=even, where=n_read > 0),
        TOLD,
        len(prompts),
        float(is_read.mean()),
        n_read[..., 0] > 0,
        unmatched_replies(completions, is_read),
    )


def _never_zero(shares: Array | None, n_options: int) -> Array:
    """Return stated shares with at least half a percent for each option; zeros for no shares."""
    if shares is None:
        return np.zeros(n_options)
    raised = np.maximum(shares, MIN_STATED)
    return np.asarray(raised / raised.sum())
