"""The options of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jupyter_mop import config
from jupyter_mop.backends.protocols import SamplingParams
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.engine.generation.baselines.baselines import BASELINES, VERBALIZED, find_baseline
from jupyter_mop.engine.generation.baselines.method import N_SHOWN
from jupyter_mop.engine.generation.verbalized import N_LISTED
from jupyter_mop.errors import DataError
from jupyter_mop.options import Limit, Options, at_least, option

MAX_MIX = 8
_MIXES = range(1, MAX_MIX + 1)


@dataclass(frozen=True, kw_only=True)
class SimulationOptions(Options):
    """Options for simulating responses.

    Examples
    --------
    >>> SimulationOptions(n=50).temperature
    0.9
    """

    noun: ClassVar[str] = "a simulation"

    n: int = option(
        300, kind="int", flags=("-n",), parse=int, limit=at_least(1), help="Number of responses."
    )
    weights: str | Mapping[str, float] | None = option(
        None,
        kind="str or mapping",
        flags=("--weights",),
        choices=WEIGHT_WORDS,
        help="Persona weights: uniform, learned, stated, panel, or NAME=0.4,NAME=0.6 (personas not "
        "named share the rest). Default: learned after a fit, stated before.",
    )
    baseline: str | None = option(
        None,
        kind="str",
        flags=("--baseline",),
        choices=tuple(BASELINES),
        help="Use another way of prompting, with uniform weights. "
        + " ".join(map(str, BASELINES.values())),
    )
    n_shown: int = option(
        N_SHOWN,
        kind="int",
        flags=("--shown",),
        parse=int,
        limit=at_least(1),
        help="Exemplars per prompt, for baselines that show several.",
    )
    mix: int = option(
        1,
        kind="int",
        flags=("--mix",),
        parse=int,
        limit=Limit(f"a whole number from 1 to {MAX_MIX}", lambda value: value in _MIXES),
        help="Personas in each prompt, each with its exemplar, drawn independently by the weights. "
        "Responses of a mix of several have no single persona: no reweighting, matching or panel.",
    )
    n_candidates: int | None = option(
        None,
        kind="int",
        flags=("--candidates",),
        parse=int,
        limit=at_least(1),
        help="Candidate responses per draw; one is selected by its odds of being real. Multiplies "
        f"the number of calls. Default: {config.DEFAULT_CANDIDATES}; 1 for a baseline, an "
        "endpoint, or fewer than 20 responses, exemplars or real responses that are no exemplars.",
    )
    verbalized: bool = option(
        False,
        kind="bool",
        flags=("--verbalized",),
        parse=None,
        help="One call for all candidates of a draw: the model lists them with their probabilities "
        "(verbalized sampling). Needs a model that can write JSON.",
    )
    template: str | None = option(
        None,
        kind="str",
        help="The question, with {column} placeholders. Default: the template of the fit.",
    )
    temperature: float = option(
        config.DEFAULT_TEMPERATURE,
        kind="float",
        flags=("--temperature",),
        parse=float,
        limit=at_least(0),
        help="Sampling temperature; 0 is greedy.",
    )
    top_p: float = option(
        config.DEFAULT_TOP_P,
        kind="float",
        flags=("--top-p",),
        parse=float,
        limit=Limit("above 0 and at most 1", lambda value: 0 < value <= 1),
        help="Nucleus sampling: total probability of the tokens to sample from.",
    )
    max_tokens: int | None = option(
        None,
        kind="int",
        flags=("--max-tokens",),
        parse=int,
        limit=at_least(1),
        help="Maximum length of a response in tokens. Default: enough for nine in ten real "
        f"responses, from {config.DEFAULT_MAX_TOKENS} to {config.MAX_DEFAULT_TOKENS}.",
    )
    random_state: int = option(
        0,
        kind="int",
        flags=("--seed",),
        parse=int,
        limit=at_least(0),
        help="Seed of contexts, components and responses.",
    )

    def __post_init__(self) -> None:
        """Check the limits and the name of the baseline."""
        super().__post_init__()
        if self.baseline is not None:
            find_baseline(self.baseline)
            if self.mix > 1:
                raise DataError(
                    f"`mix` (--mix {self.mix}) is for the mixture, not for the baseline "
                    f"{self.baseline!r}.",
                    hint="Leave out --mix or --baseline; --shown sets a baseline's exemplars.",
                )

    @property
    def n_listed(self) -> int:
        """Responses that one call lists with their probabilities; 0 if it gives one alone."""
        is_list = self.verbalized or self.baseline == VERBALIZED
        several = self.n_candidates if (self.n_candidates or 1) > 1 else None
        return (several or N_LISTED) if is_list else 0

    def params(self, max_tokens: int) -> SamplingParams:
        """Return the sampling parameters; `max_tokens` is the limit if none is set."""
        return SamplingParams(self.temperature, self.top_p, self.max_tokens or max_tokens)
