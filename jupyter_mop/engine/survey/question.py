"""Closed questions: a text and the options of which an answer is made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.errors import DataError

KINDS = ("single", "scale", "multiple")
EVERYONE = "everyone"
SEPARATOR = "|"
YES_NO = ("Yes", "No")
NOTHING = "N/A"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ENDING = "Answer with one of the options."
_LETTER_ENDING = "Answer with the letter of one of the options."
_FEWEST = 2
_SLACK = 0.005

Shares = NDArray[np.float64]
Targets = Mapping[str, Mapping[str, float] | Sequence[float]]


@dataclass(frozen=True)
class Question:
    """A question with options, put to each persona for each context.

    Parameters
    ----------
    text : str
        The question, with `{column}` names of the context.
    options : sequence of str
        At least two, no two alike but for case; those of a scale in order.
    kind : {"single", "scale", "multiple"}
        One option is chosen; one of an ordered scale; or any number of them, where each option is
        asked with yes or no.
    targets : mapping, optional
        Known shares of the options, for "everyone" or for a subgroup: the text of a context, or a
        value of one of its columns. Shares by option, or in their order; those of one subgroup
        sum to 1, except where any number of options is chosen.

    Raises
    ------
    DataError
        For no text, fewer than two options, options that are alike, or targets that do not fit.

    Examples
    --------
    >>> question = Question("{age}: tea or coffee?", ["tea", "coffee"],
    ...                     targets={"everyone": {"tea": 0.3, "coffee": 0.7}})
    >>> print(question.template().text)
    {age}: tea or coffee?
    Options:
    - tea
    - coffee
    Answer with one of the options.
    >>> question.target("everyone").tolist()
    [0.3, 0.7]
    """

    text: str
    options: Sequence[str]
    kind: str = "single"
    targets: Targets | None = None

    def __post_init__(self) -> None:
        """Check the parts and keep the options as a tuple."""
        object.__setattr__(self, "text", PromptTemplate(self.text).text)
        object.__setattr__(self, "options", _checked_options(self.options))
        if self.kind not in KINDS:
            raise DataError(
                f"There is no kind of question {self.kind!r}.",
                hint=f"Choose from {', '.join(KINDS)}.",
            )
        if self.kind == "multiple" and any(SEPARATOR in option for option in self.options):
            raise DataError(
                f"The options of a multiple choice may hold no {SEPARATOR!r}, which stands "
                "between those that are chosen.",
                hint="Write them without it.",
            )
        for group in self.targets or {}:
            self.target(group)

    @property
    def is_ordered(self) -> bool:
        """Whether the options are a scale."""
        return self.kind == "scale"

    @property
    def columns(self) -> frozenset[str]:
        """The context columns that the text names."""
        return PromptTemplate(self.text).columns

    @property
    def parts(self) -> tuple[Question, ...]:
        """The questions that are put to the model: itself, or yes or no for each option."""
        if self.kind != "multiple":
            return (self,)
        return tuple(
            Question(f"{self.text}\nIs this an answer: {_literal(option)}?", YES_NO)
            for option in self.options
        )

    @property
    def ending(self) -> str:
        """What is scored after an option: a full stop where one option begins another."""
        begins = any(
            longer != option and longer.startswith(option)
            for option in self.options
            for longer in self.options
        )
        return "." if begins else ""

    def template(
        self, order: Sequence[int] | NDArray[np.intp] | None = None, *, lettered: bool = False
    ) -> PromptTemplate:
        """Return the question with its options listed, by default in their own order.

        With `lettered`, each has a letter, by its place in the list, which is the answer.
        """
        chosen = range(len(self.options)) if order is None else order
        if lettered and len(self.options) > len(LETTERS):
            raise DataError(
                f"There are {len(self.options)} options that begin alike, and no letters for all.",
                hint="Let the options begin with different words, or use --method sampled.",
            )
        marks = [f"{letter}." for letter in LETTERS] if lettered else ["-"] * len(self.options)
        pairs = zip(marks, chosen, strict=False)
        lines = "\n".join(f"{mark} {_literal(self.options[a])}" for mark, a in pairs)
        ending = _LETTER_ENDING if lettered else _ENDING
        return PromptTemplate(f"{self.text}\nOptions:\n{lines}\n{ending}")

    def orders(self, n: int, *, random_state: int = 0) -> list[NDArray[np.intp]]:
        """Return `n` orders in which the options are listed, none twice.

        A scale is listed forwards and backwards only. Other options are shuffled and then
        rotated, so that each comes first equally often where n is a multiple of their number.
        """
        size = len(self.options)
        if n < 1:
            raise DataError(
                f"The options must be listed in at least one order, not {n}.",
                hint="Leave it out for two orders.",
            )
        forwards = np.arange(size)
        if self.is_ordered:
            return [forwards, forwards[::-1]][:n]
        found: dict[tuple[int, ...], NDArray[np.intp]] = {}
        for order in _rotations(size, np.random.default_rng(random_state)):
            found.setdefault(tuple(order), order)
            if len(found) == min(n, math.factorial(size)):
                break
        return list(found.values())

    def chosen(self, response: str) -> NDArray[np.bool_]:
        """Return which options a record's response is, shape (A,); `|` parts several.

        Examples
        --------
        >>> Question("Which?", ["tea", "milk", "juice"], "multiple").chosen("tea|juice").tolist()
        [True, False, True]
        """
        several = self.kind == "multiple"
        named = response.split(SEPARATOR) if several else [response]
        place = {option.casefold(): a for a, option in enumerate(self.options)}
        found = np.zeros(len(self.options), dtype=bool)
        for name in named:
            key = name.strip().casefold()
            if key not in place:
                raise DataError(
                    f"The answer {name.strip()[:60]!r} is none of the options "
                    f"{list(self.options)}.",
                    hint="Give every option, or leave such records out.",
                )
            found[place[key]] = True
        return found

    def target(self, group: str) -> Shares | None:
        """Return the known shares of a subgroup, shape (A,), or None where there are none."""
        stated = (self.targets or {}).get(group)
        if stated is None:
            return None
        if isinstance(stated, Mapping):
            strange = [name for name in stated if name not in self.options]
            if strange or len(stated) < len(self.options):
                raise DataError(
                    f"The targets of {group!r} must name each of the options "
                    f"{list(self.options)}, and {list(stated)} came.",
                    hint="Give a share for every option.",
                )
            stated = [stated[option] for option in self.options]
        shares = np.asarray(stated, dtype=np.float64)
        self._check_shares(group, shares)
        return shares if self.kind == "multiple" else shares / shares.sum()

    def _check_shares(self, group: str, shares: Shares) -> None:
        if shares.shape != (len(self.options),) or not ((shares >= 0) & (shares <= 1)).all():
            raise DataError(
                f"The targets of {group!r} must be a share between 0 and 1 for each of the "
                f"{len(self.options)} options.",
                hint="Write shares such as 0.4.",
            )
        if self.kind != "multiple" and abs(shares.sum() - 1) > _SLACK:
            raise DataError(
                f"The targets of {group!r} sum to {shares.sum():.3g}, not to 1.",
                hint="Give shares of one whole.",
            )


def _checked_options(options: Sequence[str]) -> tuple[str, ...]:
    if isinstance(options, str):
        raise DataError(
            "The options must be a list of texts, not one text.",
            hint='Write ["yes", "no"]; in a magic: --options "yes|no".',
        )
    texts = tuple(str(option).strip() for option in options)
    if len(texts) < _FEWEST:
        raise DataError(
            f"A closed question needs at least two options, not {len(texts)}.",
            hint='Write ["yes", "no"]; in a magic: --options "yes|no".',
        )
    if not all(texts):
        raise DataError("An option is empty.", hint="Leave it out, or write it.")
    folded = [text.casefold() for text in texts]
    twice = next((text for text in texts if folded.count(text.casefold()) > 1), None)
    if twice is not None:
        raise DataError(f"The option {twice!r} is there twice.", hint="Leave one of them out.")
    return texts


def _literal(text: str) -> str:
    """Return `text` as a template writes it."""
    return text.replace("{", "{{").replace("}", "}}")


def _rotations(size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield a shuffle and its rotations, then another one and its, without end."""
    while True:
        shuffled = rng.permutation(size)
        yield from (np.roll(shuffled, step) for step in range(size))
