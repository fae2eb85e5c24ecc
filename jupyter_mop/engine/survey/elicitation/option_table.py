"""The table of option probabilities: by context, persona and option."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.survey.multiple_choice import coherent_shares
from jupyter_mop.engine.survey.question import Question

Array = NDArray[np.float64]

N_EXAMPLES, MAX_EXAMPLE_LENGTH = 3, 60


@dataclass(frozen=True)
class OptionTable:
    """Probabilities of each option under each persona in each context.

    Attributes
    ----------
    probabilities : numpy.ndarray, shape (C, K, A)
        They sum to 1 over the options, unless several options can be chosen.
    method : str
        "scored", "first-token", "sampled", "told" or "anchors".
    n_asked : int
        Number of scored options, first tokens or replies.
    matched : float
        Share of the replies, or mean probability of the first tokens, that name an option or can
        be read otherwise; 1 for scored options.
    answered : numpy.ndarray of bool, shape (C, K), or None
        Where a persona gave an answer that names an option; None: everywhere. Elsewhere the
        probabilities mean nothing.
    unmatched : tuple of str
        Up to three of the most frequent replies that name no option.
    """

    probabilities: Array
    method: str
    n_asked: int
    matched: float = 1.0
    answered: NDArray[np.bool_] | None = None
    unmatched: tuple[str, ...] = ()


def joined_table(question: Question, parts: Sequence[OptionTable]) -> OptionTable:
    """Return one table from those of the yes-no questions of a multiple choice."""
    probabilities = np.stack([part.probabilities[..., 0] for part in parts], axis=-1)
    answered = [part.answered for part in parts if part.answered is not None]
    return OptionTable(
        coherent_shares(probabilities, question.exclusive_index),
        parts[0].method,
        sum(part.n_asked for part in parts),
        float(np.mean([part.matched for part in parts])),
        np.all(answered, axis=0) if answered else None,
        frequent_examples(text for part in parts for text in part.unmatched),
    )


def frequent_examples(texts: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of the most frequent texts, each on one line and cut."""
    counts = Counter(" ".join(text.split()) for text in texts)
    return tuple(
        text if len(text) <= MAX_EXAMPLE_LENGTH else f"{text[: MAX_EXAMPLE_LENGTH - 1]}…"
        for text, _ in counts.most_common(N_EXAMPLES)
    )
