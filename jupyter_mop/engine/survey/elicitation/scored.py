"""Scored options: the likelihood of each option as the reply, exact up to the orders asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Prompt, ScoreRequest, Scores
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable
from jupyter_mop.engine.survey.elicitation.requests import Elicitation
from jupyter_mop.errors import ModelError

Array = NDArray[np.float64]

SCORED = "scored"
UNKNOWN_CONTEXT = "N/A"


def scored(asked: Elicitation) -> OptionTable:
    """Return the probability of each option given the prompt, divided by the sum over all."""
    prompts, priors = asked.prompts(asked.templates()), _prior_prompts(asked)
    scores = _option_scores(asked, [*prompts, *priors])
    table = asked.by_order(scores[: len(prompts)])
    if priors:
        table = table - scores[len(prompts) :][:, None, None, :]
    probabilities = np.exp(table - np.logaddexp.reduce(table, axis=-1, keepdims=True))
    return OptionTable(probabilities.mean(0), SCORED, scores.size)


def _prior_prompts(asked: Elicitation) -> list[Prompt]:
    """Return a prompt for each order without persona and context, if these are needed."""
    if not asked.options.by_prior:
        return []
    unknown = dict.fromkeys(asked.question.columns, UNKNOWN_CONTEXT)
    prior = replace(asked, records=[unknown], personas=[None], exemplars=[()])
    return prior.prompts(prior.templates())


def _option_scores(asked: Elicitation, prompts: Sequence[Prompt]) -> Array:
    """Return the log-probability of each option after each prompt, shape (n, A), in nats."""
    requests = [
        ScoreRequest(prompt, option + asked.question.option_suffix)
        for prompt in prompts
        for option in asked.question.options
    ]
    assert isinstance(asked.backend, Scores)  # noqa: S101  checked by `method_for`
    scores = asked.backend.score(requests, on_result=asked.tick("option scores", requests))
    totals = np.array([score.total for score in scores], dtype=np.float64)
    if not np.isfinite(totals).all():
        raise ModelError(
            f"The model returned {np.sum(~np.isfinite(totals))} log-probabilities that are "
            "not finite.",
            hint="Use another model, or an intact copy of this one.",
        )
    if asked.options.by_length:
        totals = totals / [score.n_tokens for score in scores]
    return totals.reshape(len(prompts), len(asked.question.options))
