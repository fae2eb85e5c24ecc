"""Sampled replies: each counts for the option that it names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jupyter_mop.backends.protocols import Completion, SamplingParams
from jupyter_mop.engine.survey.answer_matching import match_option
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable
from jupyter_mop.engine.survey.elicitation.replies import counted_table, is_readable, reply_limit
from jupyter_mop.engine.survey.elicitation.requests import Elicitation

SAMPLED = "sampled"


def sampled(asked: Elicitation) -> OptionTable:
    """Return the shares of the replies that name each option."""
    names = asked.question.options
    params = SamplingParams(1.0, 1.0, reply_limit(names))
    completions = asked.replies(asked.prompts(asked.templates()), params, asked.options.n_draws)
    found = [_named(completion, names) for completion in completions]
    counts = np.array([[a == option for a in range(len(names))] for option in found], dtype=float)
    return counted_table(asked, SAMPLED, counts, completions)


def _named(completion: Completion, options: Sequence[str]) -> int | None:
    """Return the option that a reply names; a refusal names none."""
    if not is_readable(completion):
        return None
    return match_option(completion.text, options)
