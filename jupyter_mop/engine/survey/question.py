"""Closed questions: a text and its answer options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import value_text
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.data.task_prompts import LETTERS, options_template, yes_no_text
from jupyter_mop.engine.survey.answer_matching import read_option
from jupyter_mop.engine.survey.option_orders import option_orders
from jupyter_mop.engine.survey.reading.folding import normalised
from jupyter_mop.errors import DataError

KINDS = ("single", "scale", "multiple")
SEPARATOR = "|"
YES_NO = ("Yes", "No")
_MIN_OPTIONS = 2
_SUM_TOLERANCE = 0.005
_NONE_OF_THESE = re.compile(
    r"(?:none|nothing|neither)(?: \(?"
    r"(?:of (?:the|these|those|them|this|that)|at all|apply|applies)\b.*)?",
    re.IGNORECASE,
)

Shares = NDArray[np.float64]
Group = tuple[str, str]
Targets = Mapping[str | Group, Mapping[str, float] | Sequence[float]]


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
        Known shares of the options by subgroup: "everyone", a pair of column and value, or a value
        or context text that only one subgroup has. The shares are a mapping from options or a
        sequence in their order. They sum to 1, unless the kind is "multiple".
    last : sequence of str, optional
        Options that stay at the end of every list, such as "Other" or "Don't know". They are no
        points of a scale.
    exclusive : str, optional
        The option of a multiple choice that is chosen alone; default: an option such as "None of
        these".
    separator : str
        What stands between the chosen options in answers to a multiple choice.

    Raises
    ------
    DataError
        If the text is empty, there are fewer than two options, options are equal, or targets or
        named options do not fit the options.

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
    last: Sequence[str] = field(default=(), kw_only=True)
    exclusive: str | None = field(default=None, kw_only=True)
    separator: str = field(default=SEPARATOR, kw_only=True)

    def __post_init__(self) -> None:
        """Check the arguments and store the options as a tuple."""
        object.__setattr__(self, "text", PromptTemplate(self.text).text)
        object.__setattr__(self, "options", _checked_options(self.options))
        self._check_kind()
        object.__setattr__(self, "last", tuple(map(self._option, self.last)))
        object.__setattr__(self, "exclusive", self._exclusive())
        if self.kind != "multiple" and len(self.options) - len(set(self.last)) < 1:
            raise DataError("All options are `last`.", hint="Name fewer of them.")
        for group in self.targets or {}:
            self.target(group)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Return the question that `facts()` describes."""
        targets = [
            (tuple(group) if isinstance(group, list) else group, shares)
            for group, shares in facts.get("targets") or ()
        ]
        return cls(**{**facts, "targets": dict(targets) or None})

    def facts(self) -> dict[str, Any]:
        """Return the arguments of the question as plain lists, texts and numbers."""
        targets = [
            [list(group) if isinstance(group, tuple) else group, _plain(shares)]
            for group, shares in (self.targets or {}).items()
        ]
        return {
            "text": self.text,
            "options": list(self.options),
            "kind": self.kind,
            "targets": targets,
            "last": list(self.last),
            "exclusive": self.exclusive,
            "separator": self.separator,
        }

    def _check_kind(self) -> None:
        if self.kind not in KINDS:
            raise DataError(
                f"Unknown kind of question {self.kind!r}.",
                hint=f"Choose from {', '.join(KINDS)}.",
            )
        if not self.separator.strip(" "):
            raise DataError("`separator` is empty.", hint="Use a mark such as ; or leave it out.")
        if self.kind == "multiple" and any(self.separator in option for option in self.options):
            raise DataError(
                f"An option of a multiple-choice question must not contain {self.separator!r}, the "
                "separator of chosen options.",
                hint="Write the options without it, or name another: separator=';' (--separator).",
            )

    def _option(self, name: str) -> str:
        """Return the option that `name` is, for `last` and `exclusive`."""
        a = read_option(name, self.options)
        if a is None:
            raise DataError(
                f"{name!r} is not one of the options {list(self.options)}.",
                hint="Name one of these options.",
            )
        return self.options[a]

    def _exclusive(self) -> str | None:
        """Return the exclusive option of a multiple choice: the one that is named, or means it."""
        if self.kind != "multiple":
            if self.exclusive is not None:
                raise DataError(
                    f"Only a multiple choice has an exclusive option, got {self.exclusive!r}.",
                    hint='Leave it out, or set kind="multiple" (--multiple).',
                )
            return None
        if self.exclusive is not None:
            return self._option(self.exclusive)
        found = [option for option in self.options if _NONE_OF_THESE.fullmatch(option.strip(" ."))]
        return found[0] if len(found) == 1 and len(self.options) > _MIN_OPTIONS else None

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
        self,
        order: Sequence[int] | NDArray[np.intp] | None = None,
        *,
        lettered: bool = False,
        is_asked: bool = True,
    ) -> PromptTemplate:
        """Return the question with its options listed in this order (default: as given).

        If `lettered`, the options have letters by their position, and the answer is a letter.
        Unless `is_asked`, the text does not ask for one of the options.

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
        names = [self.options[a] for a in listed]
        return options_template(self.text, names, lettered=lettered, is_asked=is_asked)

    @property
    def scale_points(self) -> NDArray[np.intp]:
        """The indices of the options without those that stay last."""
        return np.array([a for a, option in enumerate(self.options) if option not in self.last])

    @property
    def exclusive_index(self) -> int | None:
        """The index of the exclusive option of a multiple choice, or None."""
        return None if self.exclusive is None else list(self.options).index(self.exclusive)

    def option_orders(
        self, n: int | None = None, *, random_state: int = 0
    ) -> list[NDArray[np.intp]]:
        """Return `n` orders of the options, each of shape (A,); see `option_orders`."""
        return option_orders(
            len(self.options),
            n,
            is_scale=self.is_ordered,
            last=[list(self.options).index(option) for option in self.last],
            random_state=random_state,
        )

    def selected_options(self, response: str) -> NDArray[np.bool_]:
        """Return which options a record's response selects, shape (A,).

        An empty answer to a multiple choice selects none.

        Raises
        ------
        DataError
            If the response is not made of the options, or is an exclusive option and another one.

        Examples
        --------
        >>> question = Question("Which?", ["tea", "milk", "juice"], "multiple")
        >>> question.selected_options("tea|juice").tolist()
        [True, False, True]
        """
        selected = np.zeros(len(self.options), dtype=bool)
        for name in self.named_options(response):
            a = read_option(name, self.options)
            if a is None:
                raise DataError(
                    f"The answer {name.strip()[:60]!r} is not one of the options "
                    f"{list(self.options)}.",
                    hint="Add it to the options, or set such answers aside: "
                    f"missing={name.strip()[:60]!r} (--missing).",
                )
            selected[a] = True
        if self.exclusive is not None and selected[self.exclusive_index] and selected.sum() > 1:
            raise DataError(
                f"The answer {response[:60]!r} selects {self.exclusive!r} and other options.",
                hint="Correct it, or name another exclusive option.",
            )
        return selected

    def named_options(self, response: str) -> list[str]:
        """Return the parts of a response between separators; one part unless kind is multiple."""
        if self.kind != "multiple":
            return [response]
        if read_option(response, self.options) is not None:
            return [response]
        return [part for part in response.split(self.separator) if part.strip()]

    def answer_text(self, selected: NDArray[np.bool_]) -> str:
        """Return the response that selects these options, shape (A,)."""
        return self.separator.join(
            option
            for option, is_selected in zip(self.options, selected, strict=True)
            if is_selected
        )

    def target(self, group: str | Group) -> Shares | None:
        """Return the known shares under a key of `targets`, shape (A,), or None."""
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

    def _check_shares(self, group: str | Group, shares: Shares) -> None:
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
    texts = tuple(value_text(option).strip() for option in options)
    if len(texts) < _MIN_OPTIONS:
        raise DataError(
            f"A closed question needs at least two options, got {len(texts)}.",
            hint='Write ["yes", "no"]; in a magic: --options "yes|no".',
        )
    if not all(texts):
        raise DataError("An option is empty.", hint="Remove it, or enter a text.")
    folded = [normalised(text).casefold() for text in texts]
    repeated = next((texts[a] for a, fold in enumerate(folded) if folded.count(fold) > 1), None)
    if repeated is not None:
        raise DataError(f"The option {repeated!r} occurs twice.", hint="Remove one of them.")
    return texts


def _plain(shares: Mapping[str, float] | Sequence[float]) -> dict[str, float] | list[float]:
    if isinstance(shares, Mapping):
        return {str(option): float(share) for option, share in shares.items()}
    return [float(share) for share in shares]
