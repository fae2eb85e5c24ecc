"""First tokens: the probabilities of the first token of a reply.

A token counts for the one option that begins with it; options with the same beginning get letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from jupyter_mop.backends.protocols import FirstTokens, ScoresFirstTokens
from jupyter_mop.engine.survey.answer_matching import (
    first_token_shares,
    match_first_token,
    share_first_word,
)
from jupyter_mop.engine.survey.elicitation.option_table import N_EXAMPLES, OptionTable
from jupyter_mop.engine.survey.elicitation.requests import Elicitation

FIRST_TOKEN = "first-token"  # noqa: S105  no password


def first_token(asked: Elicitation) -> OptionTable:
    """Return the shares of the options in the probability of the first tokens."""
    assert isinstance(asked.backend, ScoresFirstTokens)  # noqa: S101  checked by `method_for`
    lettered = share_first_word(asked.question.options)
    templates, labels = asked.templates(lettered=lettered), asked.labels(lettered=lettered)
    prompts = asked.prompts(templates, labels)
    replies = asked.backend.first_tokens(prompts, on_result=asked.tick("first tokens", prompts))
    per_order = len(asked.records) * len(asked.personas)
    found = [
        first_token_shares(tokens, labels[i // per_order if lettered else 0])
        for i, tokens in enumerate(replies)
    ]
    shares = asked.by_order(np.array([share for share, _ in found]))
    masses = np.array([mass for _, mass in found]).reshape(shares.shape[:-1])
    weights = np.where((masses > 0).any(0), masses > 0, 1.0)[..., None]
    probabilities = (weights * shares).sum(0) / weights.sum(0)
    return OptionTable(
        probabilities,
        FIRST_TOKEN,
        len(prompts),
        float(masses.mean()),
        np.asarray((masses > 0).any(0)),
        _unmatched_tokens(replies, labels[0]),
    )


def _unmatched_tokens(replies: Sequence[FirstTokens], labels: Sequence[str]) -> tuple[str, ...]:
    """Return up to three likely first tokens that begin no label, the likeliest first."""
    masses: Counter[str] = Counter()
    for tokens in replies:
        for token, log_prob in zip(tokens.tokens, tokens.log_probs, strict=True):
            if match_first_token(token, labels) is None:
                masses[token] += float(np.exp(log_prob))  # type: ignore[assignment]
    return tuple(token for token, _ in masses.most_common(N_EXAMPLES))
