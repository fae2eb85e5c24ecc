"""The ways to ask by name: the function of each, and what options and results say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jupyter_mop.backends.protocols import Backend, can_score, can_score_first_tokens
from jupyter_mop.engine.survey.elicitation.anchors import ANCHORS, anchors
from jupyter_mop.engine.survey.elicitation.first_token import FIRST_TOKEN, first_token
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable
from jupyter_mop.engine.survey.elicitation.requests import Elicitation
from jupyter_mop.engine.survey.elicitation.sampled import SAMPLED, sampled
from jupyter_mop.engine.survey.elicitation.scored import SCORED, scored
from jupyter_mop.engine.survey.elicitation.told import TOLD, told

_OTHER_METHOD = "Use another model, or another method: --method sampled."
_OTHER_OPTIONS = "Ask for an option in the question, use shorter options or another model"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to ask for the probabilities of options.

    Attributes
    ----------
    ask : callable
        Returns the table of option probabilities of a question with one answer.
    help : str
        What it does, for the help of the option.
    unit : str
        What an answer counts.
    read : str
        What share of these can be read, with a place for the share; "" if all can.
    unread : str
        What those do that cannot be read.
    unreadable : str
        The same with its subject, for the error where over a third cannot be read.
    advice : str
        What to do about that error.
    is_ratio : bool
        Whether the readable ones are compared with one another only, so that a warning is enough.
    is_auto : bool
        Whether "auto" may choose it: it takes the first that the model supports.
    has_replies : bool
        Whether the model writes replies.
    is_counted : bool
        Whether the probabilities are shares of sampled replies.
    needs_encoder : bool
        Whether it needs an encoder.
    is_supported : callable
        Whether a model supports it.
    unsupported : str
        What a model does not do that does not support it.
    instead : str
        What happens if the method is left out then.
    """

    ask: Callable[[Elicitation], OptionTable]
    help: str
    unit: str
    read: str = ""
    unread: str = "name no option"
    unreadable: str = ""
    advice: str = _OTHER_METHOD
    is_ratio: bool = False
    is_auto: bool = False
    has_replies: bool = True
    is_counted: bool = False
    needs_encoder: bool = False
    is_supported: Callable[[Backend], bool] = lambda _backend: True
    unsupported: str = ""
    instead: str = ""


METHODS = {
    SCORED: Method(
        ask=scored,
        help="the likelihood of each option",
        unit="options scored",
        is_auto=True,
        has_replies=False,
        is_supported=can_score,
        unsupported="report log-probabilities of a given text",
        instead="replies are then sampled",
    ),
    FIRST_TOKEN: Method(
        ask=first_token,
        help="the probabilities of the first token of a reply",
        unit="first tokens read",
        read="{:.1%} of their probability names an option",
        unreadable="first tokens, by probability, begin none",
        advice=f"{_OTHER_OPTIONS}, or sample replies: --method sampled.",
        is_ratio=True,
        is_auto=True,
        has_replies=False,
        is_supported=can_score_first_tokens,
        unsupported="report probabilities of the first tokens of a reply",
        instead="options are then scored or replies sampled",
    ),
    SAMPLED: Method(
        ask=sampled,
        help="sampled replies",
        unit="replies sampled",
        read="{:.1%} of them name an option",
        unreadable="replies name none",
        advice=f"{_OTHER_OPTIONS}.",
        is_auto=True,
        is_counted=True,
    ),
    TOLD: Method(
        ask=told,
        help="the model states a percentage for each option",
        unit="replies that state percentages",
        read="{:.1%} of them can be read",
        unread="cannot be read",
        unreadable="replies state no percentages",
    ),
    ANCHORS: Method(
        ask=anchors,
        help="sampled replies in its own words, rated by their similarity to statements of each "
        "option (Maier et al. 2025)",
        unit="replies rated by anchors",
        unreadable="replies have no text in answer to a question with any",
        is_counted=True,
        needs_encoder=True,
    ),
}
