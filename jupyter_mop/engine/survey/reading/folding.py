"""Forms of a text in which answers are compared, and the numbers in it."""

from __future__ import annotations

import re
import unicodedata

NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
AROUND = " \t\r\n\"'*_()[].,;:!?-•\u201c\u201d\u201e\u00ab\u00bb\u3002"
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc`]")
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_LOOKS = re.compile("[\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]")  # variants of one emoji
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


def words(text: str) -> frozenset[str]:
    """Return the words of a list that is written as one text."""
    return frozenset(text.split())


def normalised(text: str) -> str:
    """Return a text in one form of Unicode (NFC), with single blanks and none around it."""
    return " ".join(unicodedata.normalize("NFC", str(text)).split())


def folded(text: str) -> str:
    """Return the text without case, apostrophes, kinds of dashes and looks of emoji."""
    plain = _LOOKS.sub("", unicodedata.normalize("NFKC", normalised(text))).casefold()
    return _DASHES.sub("-", _APOSTROPHES.sub("", unicodedata.normalize("NFC", plain)))


def lowered(text: str) -> str:
    """Return the text without case and apostrophes, its blanks as they are."""
    return _APOSTROPHES.sub("", text.casefold())


def without_marks(text: str) -> str:
    """Return the folded text without quotes, bullets, emphasis and punctuation around it.

    A minus sign before a digit is no bullet.
    """
    written = folded(text)
    inner = written.strip(AROUND)
    at = written.find(inner)
    return f"-{inner}" if inner[:1].isdigit() and written[:at].endswith("-") else inner


def as_number(text: str) -> float | None:
    """Return the number that the whole text is, or None.

    Examples
    --------
    >>> as_number("1,000"), as_number("2,5"), as_number("2 or 3")
    (1000.0, 2.5, None)
    """
    written = folded(text)
    if not re.fullmatch(r"[-+]?\d+(?:[.,]\d+)*", written):
        return None
    if _THOUSANDS.fullmatch(written):
        return float(written.replace(",", ""))
    try:
        return float(written.replace(",", "."))
    except ValueError:  # several points, as in a date
        return None


def first_word(text: str) -> str:
    """Return the first run of letters, marks and digits, folded."""
    word = ""
    for character in folded(text):
        if character == "_" or character.isalnum() or unicodedata.category(character)[0] == "M":
            word += character
        elif word:
            break
    return word


def is_letter(character: str) -> bool:
    """Return whether a character belongs to a word in a script with spaces."""
    if not character or NO_SPACES.match(character):
        return False
    return character.isalnum() or unicodedata.category(character).startswith("M")
