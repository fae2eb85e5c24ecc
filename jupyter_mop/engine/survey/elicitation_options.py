"""The options for asking a closed question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from jupyter_mop.backends.protocols import Backend
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.engine.survey.elicitation.methods import METHODS
from jupyter_mop.engine.survey.real_answers import split_names
from jupyter_mop.errors import ModelError
from jupyter_mop.options import Options, at_least, one_of, option

METHOD_NAMES = ("auto", *METHODS)
COMPARE = "compare"  # of the magic: `Study.compare_methods`
BASELINES = ("plain", "personas")


@dataclass(frozen=True, kw_only=True)
class ElicitationOptions(Options):
    """Options for asking a closed question.

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
        help="Number of answers drawn for the panel, with no model call.",
    )
    weights: str | Mapping[str, float] | None = option(
        None,
        kind="str or mapping",
        flags=("--weights",),
        choices=WEIGHT_WORDS,
        help="Persona weights: learned (from the population's answers if these are the options, "
        "otherwise by the fit), uniform, stated, panel, or NAME=0.4,NAME=0.6. Default: learned "
        "if possible, otherwise stated.",
    )
    baseline: str | None = option(
        None,
        kind="str",
        flags=("--baseline",),
        choices=BASELINES,
        limit=one_of(BASELINES),
        help="plain: no personas; personas: uniform weights.",
    )
    calibrated: bool = option(
        True,
        kind="bool",
        flags=("--uncalibrated",),
        parse=None,
        help="Whether to calibrate the answer on the real answers, together with learned weights: "
        "by a slope of the model's log-probabilities and offsets of options, contexts and personas "
        "(--uncalibrated: the model's own probabilities).",
    )
    method: str = option(
        "auto",
        kind="str",
        flags=("--method",),
        choices=METHOD_NAMES,
        limit=one_of(METHOD_NAMES),
        help="How to obtain option probabilities. "
        + "; ".join(f"{name}: {method.help}" for name, method in METHODS.items())
        + "; auto: the first of the first three that the model supports. %%mop_ask --method "
        "compare tries them all.",
    )
    n_exemplars: int = option(
        0,
        kind="int",
        flags=("--exemplars",),
        parse=int,
        limit=at_least(0),
        help="Other respondents whose answers each prompt shows, with contexts like its own. They "
        "are a fifth of the training records; nothing else is learned from these.",
    )
    n_orders: int | None = option(
        None,
        kind="int",
        flags=("--orders",),
        parse=int,
        limit=at_least(1),
        help="Number of orders in which the options are listed. The probabilities are averaged, "
        "since models prefer the first options. Default: as many as options, up to six.",
    )
    missing: str | Sequence[str] | None = option(
        None,
        kind="str or list of str",
        flags=("--missing",),
        parse=split_names,
        help='Answers of the population that are set aside, such as "Refused|Don\'t know". Their '
        "number is reported.",
    )
    listed: bool = option(
        True,
        kind="bool",
        flags=("--open",),
        parse=None,
        help="Whether the prompt lists the options (--open: no list). A small model may follow its "
        "persona better in an open question.",
    )
    by_prior: bool = option(
        False,
        kind="bool",
        flags=("--by-prior",),
        parse=None,
        help="Divide by the probability of each option without a persona and with N/A as the "
        "context (Holtzman et al. 2021; Zhao et al. 2021).",
    )
    by_length: bool = option(
        False,
        kind="bool",
        flags=("--by-length",),
        parse=None,
        help="Score options per token, which removes the disadvantage of long options.",
    )
    n_draws: int = option(
        20,
        kind="int",
        flags=("--draws",),
        parse=int,
        limit=at_least(1),
        help="Replies sampled per prompt, with --method sampled or anchors.",
    )
    anchors: Mapping[str, str | Sequence[str]] | Sequence[str] | None = option(
        None,
        kind="mapping or list of str",
        flags=("--anchors",),
        help="With --method anchors: a variable with one statement or several for each option, or "
        "templates with {option}. Default: four templates; `anchor_statements` returns them.",
    )
    anchor_temperature: float = option(
        1.0,
        kind="float",
        flags=("--anchor-temperature",),
        parse=float,
        limit=at_least(0),
        help="With --method anchors: below 1, a reply counts more for the options that it is most "
        "similar to; at 0 for the nearest alone.",
    )
    random_state: int = option(
        0,
        kind="int",
        flags=("--seed",),
        parse=int,
        limit=at_least(0),
        help="Seed of the orders of the options and of all draws.",
    )

    @property
    def needs_encoder(self) -> bool:
        """Whether the method needs an encoder."""
        return self.method in METHODS and METHODS[self.method].needs_encoder

    def method_for(self, backend: Backend) -> str:
        """Return the method to use with this model.

        For "auto" it is the first of "scored", "first-token" and "sampled" that it supports.

        Raises
        ------
        ModelError
            If the model does not support the chosen method.
        """
        if self.method == "auto":
            supported = supported_methods(backend)
            return next(name for name in supported if METHODS[name].is_auto)
        method = METHODS[self.method]
        if not method.is_supported(backend):
            raise ModelError(
                f"This model does not {method.unsupported}.",
                hint=f"Leave out the method; {method.instead}.",
            )
        return self.method


def supported_methods(backend: Backend) -> list[str]:
    """Return the methods that a model supports.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> supported_methods(ToyBackend(["yes", "no"]))
    ['scored', 'sampled', 'told', 'anchors']
    """
    return [name for name, method in METHODS.items() if method.is_supported(backend)]
