"""Criteria for a persona that the language model writes: form, repetition and copied words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_mop.engine.data.task_prompts import PERSONA_EXAMPLES

MAX_RUN = 6  # words in a row that count as copied from a record
MIN_RUN = 4  # words of a shorter record that count as copied
MAX_EXAMPLE_RUN = 5  # words in a row that count as copied from an example of the prompt
MIN_WORDS, MAX_WORDS = 6, 45
_MIN_DISTINCT_SHARE = 0.6
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)

Run = tuple[str, ...]


def clean_persona(answer: str) -> str:
    """Return the first two whole sentences of an answer on one line, without enclosing quotes.

    Examples
    --------
    >>> clean_persona('"You write about  tea. You are calm. You are')
    'You write about tea. You are calm.'
    """
    line = " ".join(answer.split()).strip("\"'“”*- ")
    return " ".join(sentence.strip() for sentence in _SENTENCE.findall(line)[:2])


def is_persona(text: str) -> bool:
    """Return whether `text` is a valid persona: second person, short and without repetition.

    Examples
    --------
    >>> is_persona("You write about tea, and you are calm.")
    True
    >>> is_persona("I write about tea, and I am calm.")
    False
    >>> is_persona("You are sad, you are sad, you are sad, you are sad.")
    False
    """
    words = _words(text)
    is_second_person = words[:1] in (["you"], ["your"])
    return is_second_person and MIN_WORDS <= len(words) <= MAX_WORDS and not _is_repetitive(words)


def copies_example(text: str) -> bool:
    """Return whether `text` shares a run of 5 words with an example persona of the prompt.

    Examples
    --------
    >>> copies_example("You write about tea. You are careful and calm.")
    True
    """
    return longest_run(text, [persona for _, persona in PERSONA_EXAMPLES]) >= MAX_EXAMPLE_RUN


def word_runs(texts: Sequence[str], n_words: int = MAX_RUN) -> set[Run]:
    """Return every run of `n_words` consecutive words in `texts`; a shorter text is one run.

    Examples
    --------
    >>> sorted(word_runs(["A b, c", "d"], 2))
    [('a', 'b'), ('b', 'c'), ('d',)]
    """
    runs = set()
    for words in map(_words, texts):
        last = max(len(words) - n_words, 0)
        runs |= {tuple(words[i : i + n_words]) for i in range(last + 1) if words}
    return runs


def copies_record(text: str, runs: set[Run]) -> bool:
    """Return whether `text` contains one of the runs of at least 4 words from `word_runs`.

    Examples
    --------
    >>> runs = word_runs(["A hot cup of fine tea, please."])
    >>> copies_record("You say: a hot cup of fine tea.", runs)
    True
    >>> copies_record("You like tea.", word_runs(["tea"]))
    False
    """
    words = _words(text)
    return any(_has_run(words, runs, n) for n in range(MIN_RUN, MAX_RUN + 1))


def longest_run(text: str, others: Sequence[str]) -> int:
    """Return the length in words of the longest run that `text` shares with one of `others`.

    Examples
    --------
    >>> longest_run("You drink hot tea.", ["Hot tea is fine.", "Coffee."])
    2
    """
    words, longest = _words(text), 0
    while _has_run(words, word_runs(others, longest + 1), longest + 1):
        longest += 1
    return longest


def n_words(text: str) -> int:
    """Return the number of words of a text.

    Examples
    --------
    >>> n_words("Hot tea, please!")
    3
    """
    return len(_words(text))


def keyword_persona(keywords: Sequence[str]) -> str:
    """Return the persona made of keywords alone.

    Examples
    --------
    >>> keyword_persona(["tea", "milk", "sugar"])
    'You often write about tea, milk and sugar.'
    >>> keyword_persona([])
    'You write in a way of your own.'
    """
    if not keywords:
        return "You write in a way of your own."
    *first, last = keywords
    return f"You often write about {', '.join(first)}{' and ' if first else ''}{last}."


def _has_run(words: Sequence[str], runs: set[Run], n_words: int) -> bool:
    return any(tuple(words[i : i + n_words]) in runs for i in range(len(words) - n_words + 1))


def _is_repetitive(words: Sequence[str]) -> bool:
    """Return whether a run of three words occurs twice, or few of the words are distinct."""
    threes = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    n_distinct = len(set(words))
    return len(set(threes)) < len(threes) or n_distinct < _MIN_DISTINCT_SHARE * len(words)


def _words(text: str) -> list[str]:
    return _WORD.findall(
        text.lower().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    )
