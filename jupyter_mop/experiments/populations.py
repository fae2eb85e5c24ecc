"""The populations of the experiments: records to learn from, and others to compare with."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from jupyter_mop.datasets import load_movie_reviews
from jupyter_mop.engine.metrics.alignment_table import MIN_PER_SIDE
from jupyter_mop.errors import DataError

CONTEXT, RESPONSE = "sentiment", "review"
RECORDS_PER_RESPONSE = 8
OPENING_WORDS = 30
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Source:
    """Where records come from, what of a text counts, and the question that fits it.

    Attributes
    ----------
    most_words : int or None
        Of a text only the first whole sentences of so many words count, of real and simulated
        ones alike: a whole review of IMDB has about 230 tokens, which at 250 tokens a second
        would take a quarter of an hour for 1,000 responses of each method.
    """

    name: str
    template: str
    unit: str
    most_words: int | None = None

    def cut(self, text: str) -> str:
        """Return what counts of a text."""
        return text if self.most_words is None else opening(text, self.most_words)


SOURCES = {
    "rotten_tomatoes": Source(
        "rotten_tomatoes",
        "Write one sentence from a {sentiment} movie review.",
        "a critic's sentence",
    ),
    "imdb": Source(
        "imdb",
        "Write the first sentences of a {sentiment} movie review.",
        f"a review's first whole sentences, at most {OPENING_WORDS} words, real and simulated",
        OPENING_WORDS,
    ),
}


def opening(text: str, most_words: int) -> str:
    """Return the first whole sentences of `text` of at most `most_words` words.

    Where the first sentence alone is longer, its first words.

    Examples
    --------
    >>> opening("It is dull. It is long, too. I left early.", 8)
    'It is dull. It is long, too.'
    >>> opening("A film of many words.", 3)
    'A film of'
    """
    kept: list[str] = []
    words = text.replace("<br />", " ").split()
    for sentence in _SENTENCE_END.split(" ".join(words)):
        if len(" ".join([*kept, sentence]).split()) > most_words:
            break
        kept.append(sentence)
    return " ".join(kept) or " ".join(words[:most_words])


def records(source: Source, n: int, *, random_state: int) -> pd.DataFrame:
    """Return records of `source` for `n` responses a method: half are held out later.

    Raises
    ------
    DataError
        If there are too few for figures of n responses, or n is too small for any figure.
    """
    frame = load_movie_reviews(source.name)
    frame = frame.assign(**{RESPONSE: frame[RESPONSE].map(source.cut)}).drop_duplicates(RESPONSE)
    if not MIN_PER_SIDE <= n <= len(frame) // 4:
        raise DataError(
            f"Figures of {n} responses need {2 * n} real records held out, at least "
            f"{2 * MIN_PER_SIDE}; {source.name} has {len(frame) // 2}.",
            hint=f"Use --n from {MIN_PER_SIDE} to {len(frame) // 4}.",
        )
    size = min(RECORDS_PER_RESPONSE * n, len(frame))
    return frame.sample(size, random_state=random_state).reset_index(drop=True)
