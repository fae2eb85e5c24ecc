"""The order of the options of a verbal rating scale, such as "very satisfied" to "dissatisfied"."""

from __future__ import annotations

import re
from collections.abc import Sequence

DEGREES = {
    3: ("very", "strongly", "extremely", "completely", "totally", "definitely"),
    1: ("somewhat", "slightly", "rather", "fairly", "mostly", "probably", "a little"),
}
PLAIN_DEGREE = 2
NEGATIVE = re.compile(r"^(?:dis|un|not )(?=\w{3})")
NEUTRAL = re.compile(r"^(?:neither|neutral|undecided)\b")
OPPOSITES = {"bad": "good", "poor": "good", "worse": "better"}
MIN_POINTS = 3


def scale_order(options: Sequence[str]) -> list[str] | None:
    """Return the options of a verbal rating scale from its positive to its negative end.

    The options must be degrees of one word and of its opposite, with at most one neutral option.

    Returns
    -------
    list of str or None
        None if the options are not such a scale.

    Examples
    --------
    >>> scale_order(["agree", "disagree", "neither", "strongly agree", "strongly disagree"])
    ['strongly agree', 'agree', 'neither', 'disagree', 'strongly disagree']
    >>> scale_order(["bus", "car", "train"]) is None
    True
    """
    points = [_point(option) for option in options]
    positions = [position for position, _ in points]
    words = {word for position, word in points if position}
    is_scale = (
        len(points) >= MIN_POINTS
        and len(words) == 1
        and len(set(positions)) == len(positions)
        and min(positions) < 0 < max(positions)
    )
    if not is_scale:
        return None
    return [option for _, option in sorted(zip(positions, options, strict=True), reverse=True)]


def _point(option: str) -> tuple[int, str]:
    """Return an option's position, 0 if it is neutral, and the word that it is a degree of."""
    text = " ".join(option.casefold().split())
    if NEUTRAL.match(text):
        return 0, ""
    degree = PLAIN_DEGREE
    for value, words in DEGREES.items():
        for word in words:
            if text.startswith(f"{word} "):
                degree, text = value, text.removeprefix(f"{word} ")
    stem = NEGATIVE.sub("", text)
    word = OPPOSITES.get(stem, stem)
    return (-degree if word != text else degree), word
