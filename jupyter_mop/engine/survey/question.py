"""Closed questions: a text and its answer options."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.data.task_prompts import LETTERS, options_template, yes_no_text
from jupyter_mop.errors import DataError

KINDS = ("single", "scale", "multiple")
EVERYONE = "everyone"
SEPARATOR = "|"
YES_NO = ("Yes", "No")
_MIN_OPTIONS = 2
_SUM_TOLERANCE = 0.005

Shares = NDArray[np.float64]
Targets = Mapping[str, Mapping[str, float] | Sequence[float]]


@dataclass(frozen=True)
class Question:
    """A closed question with its options, asked for each persona and context.

    Parameters
    ----------
    text : str
        The question, with `{column}` placeholders for the context columns.
    options : sequence of str
        At least two options, distinct without regard to case; a scale in order.
    kind : {"single", "scale", "multiple"}
        "single": one option is chosen. "scale": one option of an ordered scale. "multiple": any
        number of options; each option is then asked as a yes-no question.
    targets : mapping, optional
        Known shares of the options by subgroup: "everyone", the text of a context, or a value of
        one of its columns. The shares are a mapping from options or a sequence in their order.
        They sum to 1, unless the kind is "multiple".

    Raises
    ------
    DataError
        If the text is empty, there are fewer than two options, options are equal, or targets do
        not fit the options.

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
        """Check the arguments and store the options as a tuple."""
        object.__setattr__(self, "text", PromptTemplate(self.text).text)
        object.__setattr__(self, "options", _checked_options(self.options))
        if self.kind not in KINDS:
            raise DataError(
                f"Unknown kind of question {self.kind!r}.",
                hint=f"Choose from {', '.join(KINDS)}.",
            )
        if self.kind == "multiple" and any(SEPARATOR in option for option in self.options):
            raise DataError(
                f"An option of a multiple-choice question must not contain {SEPARATOR!r}, the "
                "separator of chosen options.",
                hint="Write the options without it.",
            )
        for group in self.targets or {}:
            self.target(group)

    @property
    def is_ordered(self) -> bool:
        """Whether the options form a scale."""
        return self.kind == "scale"

    @property
    def columns(self) -> frozenset[str]:
        """The context columns in the text."""
        return PromptTemplate(self.text).columns

    @property
    def subquestions(self) -> tuple[Question, ...]:
        """The questions for the model: this one, or a yes-no question for each option."""
        if self.kind != "multiple":
            return (self,)
        return tuple(Question(yes_no_text(self.text, option), YES_NO) for option in self.options)

    @property
    def option_suffix(self) -> str:
        """Text scored after an option: a full stop if an option is the beginning of another."""
        is_ambiguous = any(
            longer != option and longer.startswith(option)
            for option in self.options
            for longer in self.options
        )
        return "." if is_ambiguous else ""

    def template(
        self, order: Sequence[int] | NDArray[np.intp] | None = None, *, lettered: bool = False
    ) -> PromptTemplate:
        """Return the question with its options listed in this order (default: as given).

        If `lettered`, the options have letters by their position, and the answer is a letter.

        Raises
        ------
        DataError
            If there are more options than letters.
        """
        listed = range(len(self.options)) if order is None else order
        if lettered and len(self.options) > len(LETTERS):
            raise DataError(
                f"{len(self.options)} options with the same beginning need letters, but there are "
                f"only {len(LETTERS)}.",
                hint="Use options that begin with different words, or --method sampled.",
            )
        return options_template(self.text, [self.options[a] for a in listed], lettered=lettered)

    def option_orders(self, n: int, *, random_state: int = 0) -> list[NDArray[np.intp]]:
        """Return up to `n` distinct orders of the options, each of shape (A,).

        A scale has two orders: forwards and backwards. Other options are shuffled and then
        rotated, so that each option comes first equally often if n is a multiple of A.

        Raises
        ------
        DataError
            If `n` is less than 1.
        """
        size = len(self.options)
        if n < 1:
            raise DataError(
                f"`n_orders` must be at least 1, got {n}.",
                hint="Leave it out for the default, two orders.",
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

    def selected_options(self, response: str) -> NDArray[np.bool_]:
        """Return which options a record's response selects, shape (A,); `|` separates several.

        Raises
        ------
        DataError
            If the response is not made of the options.

        Examples
        --------
        >>> question = Question("Which?", ["tea", "milk", "juice"], "multiple")
        >>> question.selected_options("tea|juice").tolist()
        [True, False, True]
        """
        names = response.split(SEPARATOR) if self.kind == "multiple" else [response]
        index = {option.casefold(): a for a, option in enumerate(self.options)}
        selected = np.zeros(len(self.options), dtype=bool)
        for name in names:
            key = name.strip().casefold()
            if key not in index:
                raise DataError(
                    f"The answer {name.strip()[:60]!r} is not one of the options "
                    f"{list(self.options)}.",
                    hint="Add it to the options, or drop such records.",
                )
            selected[index[key]] = True
        return selected

    def target(self, group: str) -> Shares | None:
        """Return the known shares of a subgroup, shape (A,), or None if they are unknown."""
        stated = (self.targets or {}).get(group)
        if stated is None:
            return None
        if isinstance(stated, Mapping):
            unknown = [name for name in stated if name not in self.options]
            if unknown or len(stated) < len(self.options):
                raise DataError(
                    f"The targets of {group!r} must have a share for each of the options "
                    f"{list(self.options)}, got {list(stated)}.",
                    hint="Add a share for every option.",
                )
            stated = [stated[option] for option in self.options]
        shares = np.asarray(stated, dtype=np.float64)
        self._check_shares(group, shares)
        return shares if self.kind == "multiple" else shares / shares.sum()

    def _check_shares(self, group: str, shares: Shares) -> None:
        if shares.shape != (len(self.options),) or not ((shares >= 0) & (shares <= 1)).all():
            raise DataError(
                f"The targets of {group!r} must be {len(self.options)} shares between 0 and 1, one "
                "per option.",
                hint="Use shares such as 0.4.",
            )
        if self.kind != "multiple" and abs(shares.sum() - 1) > _SUM_TOLERANCE:
            raise DataError(
                f"The targets of {group!r} must sum to 1, got a sum of {shares.sum():.3g}.",
                hint="Divide the shares by their sum.",
            )


def _checked_options(options: Sequence[str]) -> tuple[str, ...]:
    if isinstance(options, str):
        raise DataError(
            "`options` must be a list of strings, got one string.",
            hint='Write ["yes", "no"]; in a magic: --options "yes|no".',
        )
    texts = tuple(str(option).strip() for option in options)
    if len(texts) < _MIN_OPTIONS:
        raise DataError(
            f"A closed question needs at least two options, got {len(texts)}.",
            hint='Write ["yes", "no"]; in a magic: --options "yes|no".',
        )
    if not all(texts):
        raise DataError("An option is empty.", hint="Remove it, or enter a text.")
    folded = [text.casefold() for text in texts]
    repeated = next((text for text in texts if folded.count(text.casefold()) > 1), None)
    if repeated is not None:
        raise DataError(f"The option {repeated!r} occurs twice.", hint="Remove one of them.")
    return texts


def _rotations(size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield a random order and its rotations, then another one and its rotations, forever."""
    while True:
        shuffled = rng.permutation(size)
        yield from (np.roll(shuffled, step) for step in range(size))
