"""The options of a simulation, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jupyter_mop import config
from jupyter_mop.backends.protocols import SamplingParams
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.engine.generation.baselines import BASELINES, N_SHOWN, find
from jupyter_mop.options import Limit, Options, at_least, option


@dataclass(frozen=True, kw_only=True)
class SimulationOptions(Options):
    """How responses are simulated; see the help of each option.

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
        help="Persona weights: uniform, learned, stated, panel, or NAME=0.4,NAME=0.6, those not "
        "named sharing the rest. Default: learned after a fit, stated before.",
    )
    baseline: str | None = option(
        None,
        kind="str",
        flags=("--baseline",),
        choices=tuple(BASELINES),
        help="Prompt in another way, with uniform weights. "
        + " ".join(map(str, BASELINES.values())),
    )
    n_shown: int = option(
        N_SHOWN,
        kind="int",
        flags=("--shown",),
        parse=int,
        limit=at_least(1),
        help="Exemplars in a prompt of a baseline that shows several.",
    )
    n_candidates: int | None = option(
        None,
        kind="int",
        flags=("--candidates",),
        parse=int,
        limit=at_least(1),
        help="Responses drawn for each one that is selected, by its odds of being real: so many "
        f"times the calls. Default: {config.DEFAULT_CANDIDATES}; 1 for a baseline, an endpoint, or "
        "fewer than 20 responses or exemplars.",
    )
    template: str | None = option(
        None, kind="str", help="The question, with {column} names. Default: that of the fit."
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
        help="Nucleus mass.",
    )
    max_tokens: int | None = option(
        None,
        kind="int",
        flags=("--max-tokens",),
        parse=int,
        limit=at_least(1),
        help="Longest response in tokens. Default: long enough for nine in ten of the real ones, "
        f"{config.DEFAULT_MAX_TOKENS} to {config.MAX_DEFAULT_TOKENS}.",
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
        """Refuse a value outside its limit and an unknown baseline."""
        super().__post_init__()
        if self.baseline is not None:
            find(self.baseline)

    def params(self, longest: int) -> SamplingParams:
        """Return the sampling parameters; `longest` tokens where no limit is set."""
        return SamplingParams(self.temperature, self.top_p, self.max_tokens or longest)
