"""Anchors: replies in the model's own words, rated by their similarity to statements.

Maier et al. 2025; see `anchor_ratings`.
"""

from __future__ import annotations

import numpy as np

from jupyter_mop.backends.protocols import SamplingParams
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.data.task_prompts import IN_OWN_WORDS
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable
from jupyter_mop.engine.survey.elicitation.replies import counted_table, is_readable
from jupyter_mop.engine.survey.elicitation.requests import Elicitation
from jupyter_mop.engine.survey.reading.anchor_ratings import anchor_statements, rated_shares
from jupyter_mop.errors import DataError

ANCHORS = "anchors"
_FREE_TEXT_TOKENS = 80


def anchors(asked: Elicitation) -> OptionTable:
    """Count each reply in the model's own words for the options that it is similar to."""
    if asked.encoder is None:
        raise DataError(
            "The method 'anchors' needs an encoder.", hint="Pass encoder=MiniLMEncoder()."
        )
    statements = anchor_statements(asked.question.options, asked.options.anchors)
    prompts = asked.prompts([PromptTemplate(asked.question.text)], instructions=IN_OWN_WORDS)
    params = SamplingParams(max_tokens=_FREE_TEXT_TOKENS)
    completions = asked.replies(prompts, params, asked.options.n_draws)
    is_read = np.array([is_readable(completion) for completion in completions])
    texts = [completion.text for completion in completions]
    shares = rated_shares(
        texts, statements, asked.encoder, temperature=asked.options.anchor_temperature
    )
    return counted_table(asked, ANCHORS, shares * is_read[:, None], completions)
