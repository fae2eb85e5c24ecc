"""The populations of the experiments: reviews of films and medicines, docs of functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from jupyter_mop.datasets import load_drug_reviews, load_movie_reviews, load_scipy_functions
from jupyter_mop.engine.metrics.alignment_table import MIN_PER_SIDE
from jupyter_mop.errors import DataError

CONTEXT, RESPONSE = "sentiment", "review"
RECORDS_PER_RESPONSE = 8
OPENING_WORDS = 30
CONDITIONS = ("birth control", "depression", "pain", "acne")
CRITICS_PER_VIEWER = 3
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Groups:
    """The subgroups of a population.

    Attributes
    ----------
    column : str
        The context column that names the subgroup.
    template : str
        The prompt template that does not mention it.
    personas : mapping of str to str
        A sentence for each subgroup.
    """

    column: str
    template: str
    personas: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """A source of records.

    Attributes
    ----------
    name : str
        Name of the population.
    template : str
        The prompt template.
    unit : str
        Description of one record.
    load : callable
        Returns the frame: the context columns and the column `review`.
    context : tuple of str
        The context columns.
    max_words : int or None
        Only the first whole sentences with at most this many words are compared, for real and
        simulated texts alike. A whole IMDB review has about 230 tokens; at 250 tokens per second
        1,000 responses per method would take a quarter of an hour.
    compared_by : tuple of str
        The context columns by which simulations are compared.
    groups : Groups or None
        The subgroups, of a population where these matter.
    """

    name: str
    template: str
    unit: str
    load: Callable[[], pd.DataFrame]
    context: tuple[str, ...] = (CONTEXT,)
    max_words: int | None = None
    compared_by: tuple[str, ...] = ()
    groups: Groups | None = None

    def cut(self, text: str) -> str:
        """Return the part of a text that is compared."""
        return text if self.max_words is None else opening(text, self.max_words)

    def frame(self) -> pd.DataFrame:
        """Return all records, with the part of each text that is compared, none of them twice."""
        frame = self.load()
        frame = frame.assign(**{RESPONSE: frame[RESPONSE].map(self.cut)})
        frame = frame[frame[RESPONSE] != ""].drop_duplicates(RESPONSE)
        return frame[[*self.context, RESPONSE]].reset_index(drop=True)


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
    frame = source.frame()
    if not MIN_PER_SIDE <= n <= len(frame) // 4:
        raise DataError(
            f"`--n` must be from {MIN_PER_SIDE} to {len(frame) // 4}, got {n}: the metrics need "
            f"twice as many held-out records, and {source.name} has {len(frame) // 2}.",
            hint=f"Use --n {min(max(n, MIN_PER_SIDE), len(frame) // 4)}.",
        )
    size = min(RECORDS_PER_RESPONSE * n, len(frame))
    return frame.sample(size, random_state=random_state).reset_index(drop=True)


def n_responses(source: Source, n: int | None, default: int) -> int:
    """Return `n`, or by default `default` or as many as the records of `source` allow."""
    return min(default, len(source.frame()) // 4) if n is None else n


def drug_reviews() -> pd.DataFrame:
    """Return reviews of medicines against four conditions."""
    frame = load_drug_reviews()
    return frame[frame["condition"].isin(CONDITIONS)]


def films() -> pd.DataFrame:
    """Return critics' sentences and openings of viewers' reviews, three to one."""
    critics, viewers = load_movie_reviews("rotten_tomatoes"), load_movie_reviews("imdb")
    viewers = viewers.sample(len(critics) // CRITICS_PER_VIEWER, random_state=0)
    return pd.concat([critics.assign(writer="critic"), viewers.assign(writer="viewer")])


def functions() -> pd.DataFrame:
    """Return what functions and classes of SciPy do, by their subject."""
    return load_scipy_functions().rename(columns={"text": RESPONSE})


_OPENING = f"first whole sentences, at most {OPENING_WORDS} words, real and simulated"
_ALL = (
    Source(
        "rotten_tomatoes",
        "Write one sentence from a {sentiment} movie review.",
        "a critic's sentence",
        lambda: load_movie_reviews("rotten_tomatoes"),
    ),
    Source(
        "imdb",
        "Write the first sentences of a {sentiment} movie review.",
        f"a review's {_OPENING}",
        lambda: load_movie_reviews("imdb"),
        max_words=OPENING_WORDS,
    ),
    Source(
        "drug_reviews",
        "Write the first sentences of a {rating} review of a medicine for {condition}.",
        f"a review's {_OPENING}",
        drug_reviews,
        ("condition", "rating"),
        OPENING_WORDS,
        ("condition",),
        Groups(
            "condition",
            "Write the first sentences of a {rating} review of a medicine.",
            {
                "birth control": "You use birth control: the pill, an implant or an IUD.",
                "depression": "You take an antidepressant because you have a depression.",
                "pain": "You take painkillers because of pain in your back or your joints.",
                "acne": "You treat the acne on your skin.",
            },
        ),
    ),
    Source(
        "functions",
        "Write the sentence that says what a {kind} for {subject} does.",
        f"a documentation's {_OPENING}",
        functions,
        ("subject", "kind"),
        OPENING_WORDS,
        ("subject",),
        Groups(
            "subject",
            "Write the sentence that says what a {kind} does.",
            {
                "statistics": "You work on statistical tests and probability distributions.",
                "signal processing": "You process signals and design filters.",
                "linear algebra": "You solve linear equations and decompose matrices.",
                "image processing": "You process images and measure the objects in them.",
            },
        ),
    ),
    Source(
        "films",
        "Write the first sentences of a {sentiment} movie review by a {writer}.",
        f"a review's {_OPENING}",
        films,
        ("writer", CONTEXT),
        OPENING_WORDS,
        ("writer", CONTEXT),
        Groups(
            "writer",
            "Write the first sentences of a {sentiment} movie review.",
            {
                "critic": "You are a film critic and write for a newspaper.",
                "viewer": "You watch films at home and tell other viewers about them.",
            },
        ),
    ),
)
SOURCES = {source.name: source for source in _ALL}
WITHOUT_GROUPS = tuple(name for name, source in SOURCES.items() if source.groups is None)
WITH_GROUPS = tuple(name for name, source in SOURCES.items() if source.groups is not None)
