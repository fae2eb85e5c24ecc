"""Read an answer as one of the options: of a person, of a model's reply, or of its first token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import FirstTokens
from jupyter_mop.engine.survey.reading.folding import (
    NO_SPACES,
    as_number,
    first_word,
    folded,
    is_letter,
    normalised,
    without_marks,
    words,
)
from jupyter_mop.engine.survey.reading.negation import (
    ENDS,
    NEGATIONS,
    has_empty_box,
    is_asked,
    is_negated,
    is_taken_back,
)

_MIN_SHARE = 1e-12
_YES, _NO = words("yes true y 1"), words("no false n 0")
_YEAS, _NAYS = words("yeah yep yup aye"), words("nope nah nay")
_COMMON_WORDS = words(
    "a i am an and as at be can do he if in is it me may no of on or so the to us who will"
)
_MAX_MARKS = 40  # characters around an answer
_LEADING_SENTENCE = re.compile(rf"^\s*([^{ENDS}]+)([{ENDS}]+)")
_STRUCK = re.compile(r"~~.*?~~", re.DOTALL)
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])[-+]?\d+(?:[.,]\d+)*(?![A-Za-z0-9_])")
_MINUS = re.compile(r"\b(?:minus|negative)\s+(?=\d)")
_SCALE = re.compile(
    r"\bscale (?:of|from) \S+ ?(?:to|-) ?\S+|\bscale (?:of|from) \d+-\d+|"
    r"(?:/\s*|\bout of )\d+\b"
)
_CORRECTION = re.compile(r"\b(?:wait|actually|i mean|i meant|correction|second thoughts?|oops)\b")
_SOFTENER = re.compile(r"^(?:(?:but|or|and|well|oh|um|hmm|rather|sorry|maybe|perhaps) )+")
_MORE_OR_LESS = re.compile(
    r"\b(?:more|greater|higher|lower|fewer|less|better|worse|other) than $|"
    r"\b(?:above|below|over|under|at least|at most|up to|nearly|beyond) $"
)
_OR_MORE = re.compile(r"^ (?:or|and) (?:more|less|higher|lower|above|below|fewer|up|over|under)\b")


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
    text = _STRUCK.sub(" ", text)
    found = _whole(text, options)
    if found is not None:
        return found
    fold = folded if len(set(map(folded, options))) == len(options) else normalised
    names = [fold(option) for option in options]
    lines = [line for line in text.splitlines() if line.strip()]
    first, *others = [_whole(line, options) for line in lines] or [None]
    if first is not None:
        if not set(others) <= {None, first}:
            return None  # it lists the options
        if not _is_overturned(fold(lines[0]), _by_lines("\n".join(lines[1:]), fold), names):
            return first
    if None not in map(as_number, options):
        return _only_number(text, options)
    found = _leading(text, options, fold)
    return _only_mention(text, options, fold) if found is None else found


def _only_number(text: str, options: Sequence[str]) -> int | None:
    """Return the option that is the only number that a text names, or None."""
    numbers, mentioned = [as_number(option) for option in options], _mentioned_numbers(text)
    known = len(mentioned) == 1 and mentioned <= set(numbers)
    return numbers.index(mentioned.pop()) if known else None


def _only_mention(text: str, options: Sequence[str], fold: Callable[[str], str]) -> int | None:
    """Return the only option that a text mentions, or None."""
    named = set(_mentions(text, options, fold))
    found = named.pop() if len(named) == 1 else None
    if found is None or _has_longer(text, options, found) or _is_contradicted(text, options[found]):
        return None
    return found


def share_first_word(options: Sequence[str]) -> bool:
    """Return whether the first word of a reply, or a part of it, could mean several options.

    Examples
    --------
    >>> share_first_word(["yes", "no"]), share_first_word(["very good", "very bad"])
    (False, True)
    >>> share_first_word(["-1", "1"]), share_first_word(["C", "C++"])
    (True, True)
    """
    words = [first_word(option) for option in options]
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
    beginning = first_word(token)
    begun = [a for a, label in enumerate(labels) if first_word(label).startswith(beginning)]
    return begun[0] if beginning and len(begun) == 1 else None


def _whole(text: str, options: Sequence[str]) -> int | None:
    """Return the option that the whole text is, exactly, folded, without marks, or as a number."""
    if has_empty_box(text) or len(text) > 4 * max(map(len, options), default=0) + _MAX_MARKS:
        return None
    for fold in (normalised, folded, without_marks):
        names = [fold(option) for option in options]
        if len(set(names)) == len(names) and fold(text) in names:
            return names.index(fold(text)) if fold(text) else None
    number = as_number(text)
    equal = [a for a, name in enumerate(options) if as_number(name) == number]
    return equal[0] if number is not None and len(equal) == 1 else None


def _leading(text: str, options: Sequence[str], fold: Callable[[str], str]) -> int | None:
    """Return the option that the first sentence is, unless the rest overturns it."""
    sentence = _LEADING_SENTENCE.match(text)
    found = _whole(sentence[1], options) if sentence else None
    if sentence is None or found is None:
        return None
    names, rest = [fold(option) for option in options], _by_lines(text[sentence.end() :], fold)
    return None if _is_overturned(fold(sentence[0]), rest, names) else found


def _is_overturned(sentence: str, rest: str, names: Sequence[str]) -> bool:
    """Return whether the rest of a text asks, takes back or replaces an option before it.

    Parameters
    ----------
    sentence : str
        The sentence that is an option, with its mark, folded.
    rest : str
        What follows, folded.
    names : sequence of str
        All options, folded.
    """
    own = sentence.rstrip(ENDS)
    if rest and is_asked(own, f"{sentence[len(own) :]} {rest}"):
        return True
    is_negative = without_marks(own) in NEGATIONS
    return _is_replaced(rest, names) or (not is_negative and is_taken_back(f". {rest}", names))


def _is_replaced(rest: str, names: Sequence[str]) -> bool:
    """Return whether a text goes on with an option, or corrects itself before it names one."""
    first = re.split(rf"[{ENDS}]", rest.strip())[0]
    clauses = (_SOFTENER.sub("", without_marks(clause)) for clause in re.split("[,;:]", first))
    if any(clause in names for clause in clauses):
        return True
    corrects = _CORRECTION.search(rest)
    later = rest[corrects.end() :] if corrects else ""
    return any(name and _occurs_in(later, name) for name in names)


def _occurs_in(text: str, name: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))


def _by_lines(text: str, fold: Callable[[str], str]) -> str:
    """Return the folded text with its lines, which end sentences."""
    return "\n".join(fold(line) for line in text.splitlines() if line.strip())


def _mentions(text: str, options: Sequence[str], fold: Callable[[str], str]) -> Iterator[int]:
    """Yield each option that the text names; those inside longer ones and negated ones not."""
    written, names = _by_lines(text, fold), [fold(option) for option in options]
    taken = [False] * len(written)
    for a in sorted(range(len(names)), key=lambda a: -len(names[a])):
        if not names[a] or (_is_common(options[a]) and not _occurs(options[a], text)):
            continue
        for match in re.finditer(re.escape(names[a]).replace(r"\ ", r"\s"), written):
            start, end = match.span()
            if any(taken[start:end]) or not _is_whole_word(written, start, end):
                continue
            taken[start:end] = [True] * (end - start)
            if not is_negated(written[:start], names[a], written[end:], names):
                yield a


def _has_longer(text: str, options: Sequence[str], named: int) -> bool:
    """Return whether a text has all words of a longer option too, as in "agree strongly"."""
    written, *names = (set(re.findall(r"\w+", folded(each))) for each in (text, *options))
    return any(names[named] < name <= written for name in names if names[named])


def _is_contradicted(text: str, option: str) -> bool:
    """Return whether a text says yes and no at once, one of them in another word: "Yeah, no."."""
    meant = _truth(option)
    opposite = words("") if meant is None else _NAYS if meant else _YEAS
    return bool(opposite & set(re.findall(r"\w+", folded(text))))


def _mentioned_numbers(text: str) -> set[float | None]:
    """Return the numbers that a text names; not those of its scale, negated ones and bounds."""
    written = _SCALE.sub(" ", _MINUS.sub("-", _by_lines(text, folded)))
    found = set()
    for match in _NUMBER.finditer(written):
        start, end = match.span()
        before, after = written[:start], written[end:]
        if _MORE_OR_LESS.search(before) or _OR_MORE.match(after):
            continue
        if not is_negated(before, match[0], after):
            found.add(as_number(match[0]))
    return found


def _is_common(option: str) -> bool:
    """Return whether an option in capitals, such as US or A, is a common word in small letters."""
    return option.isupper() and option.casefold() in _COMMON_WORDS - NEGATIONS


def _occurs(option: str, text: str) -> bool:
    """Return whether a text has an option in its own letters, and not as a word of a sentence."""
    goes_on = r"(?! [a-z])" if len(option) == 1 else ""
    pattern = rf"(?<!\w){re.escape(option)}(?!\w){goes_on}"
    return bool(re.search(pattern, normalised(text), re.ASCII))


def _is_whole_word(text: str, start: int, end: int) -> bool:
    """Return whether no word, number or sign goes on at either end."""
    if NO_SPACES.search(text[start:end]):
        return end - start > 1
    before, after, next_ = text[start - 1 : start], text[end : end + 1], text[end + 1 : end + 2]
    if before and (is_letter(before) or before in "+-<>=#$&!\u2260\u00ac~"):
        return False
    if before in (".", ",") and text[start - 2 : start - 1].isdigit() and text[start].isdigit():
        return False
    if after in (".", ",") and after and text[end - 1].isdigit() and next_.isdigit():
        return False
    goes_on = is_letter(after) or after in tuple("+#%=&") or (after == "-" and is_letter(next_))
    return not goes_on


def _truth(text: str) -> bool | None:
    number = as_number(text)
    word = without_marks(text) if number is None else f"{number:g}"
    return True if word in _YES else False if word in _NO else None
