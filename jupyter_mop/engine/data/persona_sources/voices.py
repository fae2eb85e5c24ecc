"""Voices: personas that quote real records, "You write like this: ..."."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

PHRASE = "You write like this:"
MAX_WORDS, MAX_LENGTH = 40, 320
_SENTENCE = re.compile(r".+?[.!?…](?=\s|$)", re.DOTALL)


def voice(texts: Sequence[str]) -> str:
    r"""Return the persona that quotes these texts, one on each line.

    Examples
    --------
    >>> voice(["Loud, and proud of it.", "A slow film."])
    'You write like this: Loud, and proud of it.\nA slow film.'
    """
    return f"{PHRASE} " + "\n".join(map(quotation, texts))


def quotation(text: str, max_words: int = MAX_WORDS) -> str:
    """Return a text as a voice quotes it: on one line and at most `max_words` long.

    A longer text ends with its last whole sentence that fits, or else with the last word. The limit
    of 320 characters is for languages that put no spaces between words.

    Examples
    --------
    >>> quotation("It is slow. It is  far too long.", 6), quotation("A very long one", 2)
    ('It is slow.', 'A very')
    """
    words = text.split()
    line = " ".join(words[:max_words])
    if len(words) <= max_words and len(line) <= MAX_LENGTH:
        return line
    cut = line[: MAX_LENGTH + 1].rpartition(" ")[0] if len(line) > MAX_LENGTH else line
    cut = cut or line[:MAX_LENGTH]
    return " ".join(sentence.strip() for sentence in _SENTENCE.findall(cut)) or cut


def quoted_texts(description: str) -> list[str]:
    r"""Return the texts that a persona quotes, or none if it is not a voice.

    Examples
    --------
    >>> quoted_texts("You are calm.\nYou write like this: A slow film.")
    ['A slow film.']
    >>> quoted_texts("You are calm.")
    []
    """
    _, phrase, texts = description.partition(PHRASE)
    return [line.strip() for line in texts.splitlines() if line.strip()] if phrase else []


def is_quoted(responses: Sequence[str], descriptions: Iterable[str]) -> list[bool]:
    """Return whether each response is a record that one of the personas quotes.

    The prompt of that persona contains the response, so it must not be scored or count as real. A
    response that several people gave is not left out.

    Examples
    --------
    >>> is_quoted(["A slow  film.", "Loud."], ["You write like this: A slow film."])
    [True, False]
    """
    quoted = {text for description in descriptions for text in quoted_texts(description)}
    counts = Counter(responses)
    return [
        bool(quoted) and counts[response] == 1 and quotation(response) in quoted
        for response in responses
    ]
