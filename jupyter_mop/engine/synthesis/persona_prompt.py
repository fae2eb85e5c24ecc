"""A group of records in one persona's words: the prompt, and which answers will do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_mop.backends.protocols import Message, Prompt, SamplingParams

MOST_COPIED = 6
SHORTEST_QUOTE = 4
LONGEST_ECHO = 5
FEWEST_WORDS, MOST_WORDS = 6, 45
LONGEST_SHOWN = 160
PARAMS = SamplingParams(temperature=0.5, top_p=0.9, max_tokens=48)

_TASK = (
    "You read some texts and describe the person who writes them, in two short sentences. "
    'The first begins with "You write about". You do not repeat the texts.'
)
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """What the model is shown of a group: some of its words and some of its texts."""

    words: Sequence[str]
    texts: Sequence[str]

    @property
    def question(self) -> str:
        """The user's turn: words first, which a small model follows best."""
        lines = "\n".join(f"- {' '.join(text.split())[:LONGEST_SHOWN]}" for text in self.texts)
        words = f"Frequent words: {', '.join(self.words)}.\n" if self.words else ""
        return f"{words}Texts:\n{lines}"


EXAMPLES = (
    (
        Shown(
            ("waiter", "pasta", "overpriced"),
            (
                "the pasta was cold and the waiter never came back .",
                "forty minutes for a table , and then they forgot the wine .",
            ),
        ),
        (
            "You write about restaurants, waiters and prices. You are hard to please, and you say "
            "so in short, dry sentences."
        ),
    ),
    (
        Shown(
            ("kids", "families", "summer"),
            (
                "my kids loved the slides and we stayed all day !",
                "great for families , bring sunscreen !",
            ),
        ),
        (
            "You write about holidays with your children. You are cheerful and grateful, and you "
            "like to recommend things to other families."
        ),
    ),
    (
        Shown(
            ("battery", "panel", "compared"),
            (
                "the battery holds 4,100 mAh , which is below the class average .",
                "compared with last year's model , the panel is 8 % brighter .",
            ),
        ),
        (
            "You write about batteries, screens and other devices. You are careful and calm, and "
            "you compare everything with numbers."
        ),
    ),
    (
        Shown(
            ("song", "tender", "record"),
            (
                "she sings of home , and the harbour , and her mother's hands .",
                "a slow , tender record that i cannot stop playing .",
            ),
        ),
        (
            "You write about songs and the feelings in them. You are tender and a little sad, and "
            "you tell what moved you."
        ),
    ),
)


def prompt(shown: Shown, order: Sequence[int] = range(len(EXAMPLES))) -> Prompt:
    r"""Return the chat that asks for a persona: the task, the examples in `order`, the group.

    A small model leans on the last example, so the order is to change from draw to draw.

    Examples
    --------
    >>> prompt(Shown(["tea"], ["Hot  tea!"])).messages[-1].content
    'Frequent words: tea.\nTexts:\n- Hot tea!'
    """
    turns = [Message("system", _TASK)]
    for example, answer in (EXAMPLES[i] for i in order):
        turns += [Message("user", example.question), Message("assistant", answer)]
    return Prompt((*turns, Message("user", shown.question)))


def cleaned(answer: str) -> str:
    """Return the first two whole sentences of an answer on one line, without quotes around it.

    Examples
    --------
    >>> cleaned('"You write about  tea. You are calm. You are')
    'You write about tea. You are calm.'
    """
    line = " ".join(answer.split()).strip("\"'“”*- ")
    return " ".join(part.strip() for part in _SENTENCE.findall(line)[:2])


def is_persona(text: str) -> bool:
    """Return whether `text` is a persona: second person, short, whole, not going in circles.

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
    starts = words[:1] in (["you"], ["your"])
    return starts and FEWEST_WORDS <= len(words) <= MOST_WORDS and not _circles(words)


def echoes_example(text: str) -> bool:
    """Return whether `text` has a run of 5 words in common with the answer of an example.

    Examples
    --------
    >>> echoes_example("You write about tea. You are careful and calm.")
    True
    """
    return longest_run(text, [answer for _, answer in EXAMPLES]) >= LONGEST_ECHO


def runs(texts: Sequence[str], n_words: int = MOST_COPIED) -> set[tuple[str, ...]]:
    """Return every run of `n_words` words in `texts`; of a shorter text, the whole of it.

    Examples
    --------
    >>> sorted(runs(["A b, c", "d"], 2))
    [('a', 'b'), ('b', 'c'), ('d',)]
    """
    found = set()
    for words in map(_words, texts):
        last = max(len(words) - n_words, 0)
        found |= {tuple(words[i : i + n_words]) for i in range(last + 1) if words}
    return found


def copies(text: str, known: set[tuple[str, ...]]) -> bool:
    """Return whether `text` holds one of the `known` runs of words that are long enough to count.

    Examples
    --------
    >>> copies("You say: a hot cup of fine tea.", runs(["A hot cup of fine tea, please."]))
    True
    >>> copies("You like tea.", runs(["tea"]))
    False
    """
    words = _words(text)
    return any(_has_run(words, known, n) for n in range(SHORTEST_QUOTE, MOST_COPIED + 1))


def longest_run(text: str, others: Sequence[str]) -> int:
    """Return the number of words of the longest run that `text` shares with one of `others`.

    Examples
    --------
    >>> longest_run("You drink hot tea.", ["Hot tea is fine.", "Coffee."])
    2
    """
    words, longest = _words(text), 0
    while _has_run(words, runs(others, longest + 1), longest + 1):
        longest += 1
    return longest


def of_keywords(words: Sequence[str]) -> str:
    """Return the persona that keywords alone make.

    Examples
    --------
    >>> of_keywords(["tea", "milk", "sugar"])
    'You often write about tea, milk and sugar.'
    >>> of_keywords([])
    'You write in a way of your own.'
    """
    if not words:
        return "You write in a way of your own."
    *first, last = words
    return f"You often write about {', '.join(first)}{' and ' if first else ''}{last}."


def _has_run(words: Sequence[str], known: set[tuple[str, ...]], n_words: int) -> bool:
    return any(tuple(words[i : i + n_words]) in known for i in range(len(words) - n_words + 1))


def _circles(words: Sequence[str]) -> bool:
    """Return whether three words come twice, or a few words make up most of the text."""
    threes = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    return len(set(threes)) < len(threes) or len(set(words)) < 0.6 * len(words)


def _words(text: str) -> list[str]:
    return _WORD.findall(
        text.lower().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    )
