"""The populations of the experiments: movie reviews from two sources."""

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
    """A source of records.

    Attributes
    ----------
    name : str
        The source in `load_movie_reviews`.
    template : str
        The prompt template.
    unit : str
        Description of one record.
    max_words : int or None
        Only the first whole sentences with at most this many words are compared, for real and
        simulated texts alike. A whole IMDB review has about 230 tokens; at 250 tokens per second
        1,000 responses per method would take a quarter of an hour.
    """

    name: str
    template: str
    unit: str
    max_words: int | None = None

    def cut(self, text: str) -> str:
        """Return the part of a text that is compared."""
        return text if self.max_words is None else opening(text, self.max_words)


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


def opening(text: str, max_words: int) -> str:
    """Return the first whole sentences of `text` with at most `max_words` words.

    If the first sentence is longer, its first words are returned.

    Examples
    --------
    >>> opening("It is dull. It is long, too. I left early.", 8)
    'It is dull. It is long, too.'
    >>> opening("A film of many words.", 3)
    'A film of'
    """
    sentences: list[str] = []
    words = text.replace("<br />", " ").split()
    for sentence in _SENTENCE_END.split(" ".join(words)):
        if len(" ".join([*sentences, sentence]).split()) > max_words:
            break
        sentences.append(sentence)
    return " ".join(sentences) or " ".join(words[:max_words])


def records(source: Source, n: int, *, random_state: int) -> pd.DataFrame:
    """Return records of `source`, enough for `n` responses per method when half are held out.

    Raises
    ------
    DataError
        If there are too few records for `n` responses, or `n` is too small for the metrics.
    """
    frame = load_movie_reviews(source.name)
    frame = frame.assign(**{RESPONSE: frame[RESPONSE].map(source.cut)}).drop_duplicates(RESPONSE)
    if not MIN_PER_SIDE <= n <= len(frame) // 4:
        raise DataError(
            f"`--n` must be from {MIN_PER_SIDE} to {len(frame) // 4}, got {n}: the metrics need "
            f"twice as many held-out records, and {source.name} has {len(frame) // 2}.",
            hint=f"Use --n {min(max(n, MIN_PER_SIDE), len(frame) // 4)}.",
        )
    size = min(RECORDS_PER_RESPONSE * n, len(frame))
    return frame.sample(size, random_state=random_state).reset_index(drop=True)
