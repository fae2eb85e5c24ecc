"""Read an answer as one of the options: of a person, of a model's reply, or of its first token."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import FirstTokens


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MIN_SHARE = 1e-12
_YES, _NO = _words("yes true y 1"), _words("no false n 0")
_NEGATIONS = _words(
    "no not never neither nor none nothing without hardly barely scarcely less cannot cant dont "
    "doesnt didnt isnt arent wasnt werent wont wouldnt shouldnt couldnt havent hasnt hadnt aint "
    "nobody není nejsem nejsme nejsou "
    "nicht kein keine keinen keiner nie niemals ne non pas jamais nunca não niet geen nooit inte "
    "ikke ingen ei nem не ни нет δεν μη μην لا ليس لست غير לא नहीं không tidak bukan"
)
_NEGATIONS_AFTER = _words(
    "nicht niet inte ikke pas değil değilim değildir नहीं না 안 못 않 않음 않습니다"
)
_REFUSALS = _words("refuse refused refuses fail failed fails lack lacks unable false untrue")
_NEAR = _words("almost nearly virtually practically")  # "almost never" is another answer than never
_NEGATION_PHRASES = ("far from", "anything but")
# Scripts with no spaces: a negation is joined to the word, in front of it or behind it.
_JOINED_BEFORE = tuple(
    _words("不 没 沒 無 未 不太 不是 不会 不會 不怎么 不怎麼 不完全 没有 沒有 ไม่ មិន ບໍ່")
)
_STOPS = ".,;:!?()\n\u3001\u3002\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
_ENDS = ".!?\n\u3002\uff01\uff1f"
_JOINED_AFTER = re.compile(rf"^[^{_STOPS}\s]{{0,6}}?(?:ない|ません|なかった|無い)")
_CONTINUE_AN_ANSWER = _words(
    "i we you he she it they this that there im its ive id thanks thank sir madam definitely "
    "absolutely because but and as for in never not of"
)
_COMMON_WORDS = _words(
    "a i am an and as at be can do he if in is it me may no of on or so the to us who will"
)
_MAX_MARKS = 40  # characters around an answer
_REACH = 5  # words before an option that can negate it
_CLAUSE = re.compile(f"[{_STOPS}]")
_LEADING_SENTENCE = re.compile(rf"^\s*([^{_ENDS}]+)[{_ENDS}]")
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc`]")
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_LOOKS = re.compile("[\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]")  # variants of one emoji
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_AROUND = " \t\r\n\"'*_()[].,;:!?-•\u201c\u201d\u201e\u00ab\u00bb\u3002"
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])[-+]?\d+(?:[.,]\d+)*(?![A-Za-z0-9_])")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_MINUS = re.compile(r"\b(?:minus|negative)\s+(?=\d)")
_SCALE = re.compile(r"\bscale (?:of|from) \S+ (?:to|-) \S+|(?:/\s*|\bout of )\d+\b")


def read_option(text: str, options: Sequence[str]) -> int | None:
    """Return the index of the option that a person's answer is; None for another answer.

    Case, blanks around and inside, punctuation around, kinds of apostrophes and dashes, and the
    form of Unicode make no difference, unless they are the difference between two options. Numbers
    are compared as numbers. True and False, 1 and 0, y and n are yes and no where two options mean
    yes and no.

    Parameters
    ----------
    text : str
        The answer.
    options : sequence of str
        All options.

    Examples
    --------
    >>> [read_option(text, ["yes", "no"]) for text in ["YES ", "0", "True", "yes, or no"]]
    [0, 1, 0, None]
    >>> read_option("1.0", ["1", "2"])
    0
    """
    found = _whole(text, options)
    truths = [_truth(option) for option in options]
    if found is None and sorted(map(str, truths)) == ["False", "True"]:
        truth = _truth(text)
        found = None if truth is None else truths.index(truth)
    return found


def match_option(text: str, options: Sequence[str]) -> int | None:
    """Return the index of the option that a model's reply names; None for none or several.

    A reply that is an option as a whole, or begins with one as a line or sentence of its own, names
    it; a reply that lists the options names none.
    Otherwise it names the only option that it mentions. Longer options come before shorter ones,
    exact characters before folded ones, and numbers are compared as numbers. An option that is
    negated ("not satisfied") is not named.

    Parameters
    ----------
    text : str
        The reply.
    options : sequence of str
        All options.

    Examples
    --------
    >>> [match_option(text, ["tea", "iced tea"]) for text in ["Tea!", "Iced tea, please", "milk"]]
    [0, 1, None]
    >>> match_option("I do not agree.", ["Agree", "Disagree"]) is None
    True
    >>> match_option("I would say 2.", ["-2", "-1", "0", "1", "2"])
    4
    """
    found = _whole(text, options)
    if found is not None:
        return found
    first, *others = [_whole(line, options) for line in text.splitlines() if line.strip()] or [None]
    if first is not None:
        return first if set(others) <= {None, first} else None  # it lists the options
    numbers = [_as_number(option) for option in options]
    if None not in numbers:
        mentioned = _mentioned_numbers(text)
        known = len(mentioned) == 1 and mentioned <= set(numbers)
        return numbers.index(mentioned.pop()) if known else None
    sentence = _LEADING_SENTENCE.match(text)
    found = _whole(sentence[1], options) if sentence else None
    if found is not None:
        return found
    fold = _folded if len(set(map(_folded, options))) == len(options) else normalised
    named = set(_mentions(text, options, fold))
    found = named.pop() if len(named) == 1 else None
    return None if found is None or _has_longer(text, options, found) else found


def share_first_word(options: Sequence[str]) -> bool:
    """Return whether the first word of a reply, or a part of it, could mean several options.

    Examples
    --------
    >>> share_first_word(["yes", "no"]), share_first_word(["very good", "very bad"])
    (False, True)
    >>> share_first_word(["-1", "1"]), share_first_word(["C", "C++"])
    (True, True)
    """
    words = [_first_word(option) for option in options]
    return any(
        not word or (a != b and other.startswith(word))
        for a, word in enumerate(words)
        for b, other in enumerate(words)
    )


def first_token_shares(
    tokens: FirstTokens, labels: Sequence[str]
) -> tuple[NDArray[np.float64], float]:
    """Return the share of each option, shape (A,), and the total probability of all options.

    A token counts for an option if it begins the label of this option and of no other. An option
    without such a token gets the smallest reported probability, an upper bound.

    Examples
    --------
    >>> tokens = FirstTokens(("Yes", " no", "Well"), (-0.7, -1.2, -2.3))
    >>> shares, total = first_token_shares(tokens, ["yes", "no"])
    >>> shares.round(3).tolist(), round(total, 3)
    ([0.622, 0.378], 0.798)
    """
    probabilities = np.zeros(len(labels))
    for token, log_prob in zip(tokens.tokens, tokens.log_probs, strict=True):
        option = match_first_token(token, labels)
        if option is not None:
            probabilities[option] += np.exp(log_prob)
    total = float(probabilities.sum())
    probabilities[probabilities == 0] = max(np.exp(min(tokens.log_probs)), _MIN_SHARE)
    return probabilities / probabilities.sum(), min(total, 1.0)


def match_first_token(token: str, labels: Sequence[str]) -> int | None:
    """Return the index of the only label that a reply's first token begins, or None.

    Examples
    --------
    >>> [match_first_token(token, ["Yes", "No"]) for token in [" yes", "N", "Not"]]
    [0, 1, None]
    """
    beginning = _first_word(token)
    begun = [a for a, label in enumerate(labels) if _first_word(label).startswith(beginning)]
    return begun[0] if beginning and len(begun) == 1 else None


def _whole(text: str, options: Sequence[str]) -> int | None:
    """Return the option that the whole text is, exactly, folded, without marks, or as a number."""
    if len(text) > 4 * max(map(len, options), default=0) + _MAX_MARKS:
        return None
    for fold in (normalised, _folded, _without_marks):
        names = [fold(option) for option in options]
        if len(set(names)) == len(names) and fold(text) in names:
            return names.index(fold(text)) if fold(text) else None
    number = _as_number(text)
    equal = [a for a, name in enumerate(options) if _as_number(name) == number]
    return equal[0] if number is not None and len(equal) == 1 else None


def _mentions(text: str, options: Sequence[str], fold: Callable[[str], str]) -> Iterator[int]:
    """Yield each option that the text names; those inside longer ones and negated ones not."""
    written, names = fold(text), [fold(option) for option in options]
    taken = [False] * len(written)
    for a in sorted(range(len(names)), key=lambda a: -len(names[a])):
        if not names[a] or (_is_common(options[a]) and not _occurs(options[a], text)):
            continue
        for match in re.finditer(re.escape(names[a]), written):
            start, end = match.span()
            if any(taken[start:end]) or not _is_whole_word(written, start, end):
                continue
            taken[start:end] = [True] * (end - start)
            if not _is_negated(written, start, end):
                yield a


def _has_longer(text: str, options: Sequence[str], named: int) -> bool:
    """Return whether a text has all words of a longer option too, as in "agree strongly"."""
    written, *names = (set(re.findall(r"\w+", _folded(each))) for each in (text, *options))
    return any(names[named] < name <= written for name in names if names[named])


def _mentioned_numbers(text: str) -> set[float | None]:
    """Return the numbers in a text, without negated ones and those that describe the scale."""
    written = _SCALE.sub(" ", _MINUS.sub("-", _folded(text)))
    return {
        _as_number(match[0])
        for match in _NUMBER.finditer(written)
        if not _is_negated(written, *match.span())
    }


def _is_common(option: str) -> bool:
    """Return whether an option in capitals, such as US or A, is a common word in small letters."""
    return option.isupper() and option.casefold() in _COMMON_WORDS - _NEGATIONS


def _occurs(option: str, text: str) -> bool:
    """Return whether a text has an option in its own letters, and not as a word of a sentence."""
    goes_on = r"(?! [a-z])" if len(option) == 1 else ""
    pattern = rf"(?<!\w){re.escape(option)}(?!\w){goes_on}"
    return bool(re.search(pattern, normalised(text), re.ASCII))


def _is_whole_word(text: str, start: int, end: int) -> bool:
    """Return whether no word, number or sign goes on at either end."""
    if _NO_SPACES.search(text[start:end]):
        return end - start > 1
    before, after, next_ = text[start - 1 : start], text[end : end + 1], text[end + 1 : end + 2]
    if before and (_is_letter(before) or before in "+-<>=#$&"):
        return False
    if before in (".", ",") and text[start - 2 : start - 1].isdigit() and text[start].isdigit():
        return False
    if after in (".", ",") and after and text[end - 1].isdigit() and next_.isdigit():
        return False
    goes_on = _is_letter(after) or after in tuple("+#%=&") or (after == "-" and _is_letter(next_))
    return not goes_on


def _is_letter(character: str) -> bool:
    """Return whether a character belongs to a word in a script with spaces."""
    if not character or _NO_SPACES.match(character):
        return False
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _is_negated(text: str, start: int, end: int) -> bool:
    """Return whether words beside an option turn it round, or its own "no" belongs to a noun."""
    before, after = _CLAUSE.split(text[:start])[-1], text[end:]
    words = [word.strip(_AROUND) for word in before.split()][-_REACH:]
    goes_on = re.match(r" (\S+)", after)
    next_word = goes_on[1].strip(_AROUND) if goes_on else ""
    name = text[start:end]
    has_negation = " " in name and bool(_NEGATIONS & set(name.split()))
    if (not has_negation and _NEGATIONS & set(words)) or _REFUSALS & set(words[-3:]):
        return True
    if _NEAR & set(words[-1:]):
        return True
    if before.rstrip().endswith(_NEGATION_PHRASES):
        return True
    if next_word in _NEGATIONS_AFTER and next_word not in name.split():
        return True
    if _NO_SPACES.search(name):
        return before.endswith(_JOINED_BEFORE) or bool(_JOINED_AFTER.match(after))
    return name in _NEGATIONS and bool(next_word) and next_word not in _CONTINUE_AN_ANSWER


def _truth(text: str) -> bool | None:
    number = _as_number(text)
    word = _without_marks(text) if number is None else f"{number:g}"
    return True if word in _YES else False if word in _NO else None


def _as_number(text: str) -> float | None:
    written = _folded(text)
    if not re.fullmatch(r"[-+]?\d+(?:[.,]\d+)*", written):
        return None
    if _THOUSANDS.fullmatch(written):
        return float(written.replace(",", ""))
    try:
        return float(written.replace(",", "."))
    except ValueError:  # several points, as in a date
        return None


def _first_word(text: str) -> str:
    """Return the first run of letters, marks and digits, folded."""
    word = ""
    for character in _folded(text):
        if character == "_" or character.isalnum() or unicodedata.category(character)[0] == "M":
            word += character
        elif word:
            break
    return word


def normalised(text: str) -> str:
    """Return a text in one form of Unicode (NFC), with single blanks and none around it."""
    return " ".join(unicodedata.normalize("NFC", str(text)).split())


def _folded(text: str) -> str:
    """Return the text without case, apostrophes, kinds of dashes and looks of emoji."""
    plain = _LOOKS.sub("", unicodedata.normalize("NFKC", normalised(text))).casefold()
    return _DASHES.sub("-", _APOSTROPHES.sub("", unicodedata.normalize("NFC", plain)))


def _without_marks(text: str) -> str:
    """Return the folded text without quotes, bullets, emphasis and punctuation around it.

    A minus sign before a digit is no bullet.
    """
    written = _folded(text)
    inner = written.strip(_AROUND)
    at = written.find(inner)
    return f"-{inner}" if inner[:1].isdigit() and written[:at].endswith("-") else inner
