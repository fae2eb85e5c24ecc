"""The options of a closed question, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jupyter_mop.backends.protocols import Backend, can_score, can_score_first_tokens
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.errors import ModelError
from jupyter_mop.options import Options, at_least, one_of, option

SCORED, FIRST_TOKEN, SAMPLED = "scored", "first-token", "sampled"
METHODS = ("auto", SCORED, FIRST_TOKEN, SAMPLED)
BASELINES = ("plain", "personas")


@dataclass(frozen=True, kw_only=True)
class ElicitationOptions(Options):
    """How a closed question is put and answered; see the help of each option.

    Examples
    --------
    >>> ElicitationOptions(n_orders=3).method
    'auto'
    """

    noun: ClassVar[str] = "a question"

    n: int = option(
        300,
        kind="int",
        flags=("-n",),
        parse=int,
        limit=at_least(1),
        help="Answers to draw for the panel, with no model call.",
    )
    weights: str | Mapping[str, float] | None = option(
        None,
        kind="str or mapping",
        flags=("--weights",),
        choices=WEIGHT_WORDS,
        help="Persona weights: learned (those that make the population's own answers likeliest, "
        "or else those of the fit), uniform, stated, panel, or NAME=0.4,NAME=0.6. Default: "
        "learned where there are such, or stated.",
    )
    baseline: str | None = option(
        None,
        kind="str",
        flags=("--baseline",),
        choices=BASELINES,
        limit=one_of(BASELINES),
        help="plain: without personas; personas: with uniform weights.",
    )
    method: str = option(
        "auto",
        kind="str",
        flags=("--method",),
        choices=METHODS,
        limit=one_of(METHODS),
        help="How option probabilities are obtained. scored: the likelihood of each option; "
        "first-token: the probabilities of the first token of a reply; sampled: drawn answers; "
        "auto: the first of these that the model can.",
    )
    n_orders: int = option(
        2,
        kind="int",
        flags=("--orders",),
        parse=int,
        limit=at_least(1),
        help="In how many orders the options are listed; the probabilities are averaged, since a "
        "small model favours what comes first.",
    )
    listed: bool = option(
        True,
        kind="bool",
        flags=("--open",),
        parse=None,
        help="Whether the prompt lists the options (--open: it does not). A small model may heed "
        "its persona more in an open question.",
    )
    by_prior: bool = option(
        False,
        kind="bool",
        flags=("--by-prior",),
        parse=None,
        help="Divide by each option's probability where neither persona nor context is known, "
        "its columns being N/A (Holtzman et al. 2021; Zhao et al. 2021).",
    )
    by_length: bool = option(
        False,
        kind="bool",
        flags=("--by-length",),
        parse=None,
        help="Score options per token, so that long ones are not at a disadvantage.",
    )
    n_draws: int = option(
        20,
        kind="int",
        flags=("--draws",),
        parse=int,
        limit=at_least(1),
        help="Answers drawn for each prompt where answers are drawn.",
    )
    random_state: int = option(
        0,
        kind="int",
        flags=("--seed",),
        parse=int,
        limit=at_least(0),
        help="Seed of the orders of the options and of all draws.",
    )

    def method_for(self, backend: Backend) -> str:
        """Return "scored", "first-token" or "sampled", as this model can.

        Raises
        ------
        ModelError
            If the model cannot do what `method` asks for.
        """
        if self.method == SCORED and not can_score(backend):
            raise ModelError(
                "This model gives no log-probabilities of a given text.",
                hint="Leave the method out: answers are drawn then.",
            )
        has_first_tokens = can_score_first_tokens(backend)
        if self.method == FIRST_TOKEN and not has_first_tokens:
            raise ModelError(
                "This model does not report how likely the first tokens of a reply are.",
                hint="Leave the method out: options are scored then, or answers drawn.",
            )
        if self.method != "auto":
            return self.method
        if can_score(backend):
            return SCORED
        return FIRST_TOKEN if has_first_tokens else SAMPLED
