"""How the mixture and its baselines are made in every experiment, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from jupyter_mop import config
from jupyter_mop.backends.base import SamplingParams
from jupyter_mop.engine.baselines import N_SHOWN
from jupyter_mop.errors import DataError


@dataclass(frozen=True)
class Recipe:
    """Settings of the mixture, of the prompts and of the draws.

    Attributes
    ----------
    n_personas : int
        Personas made from the records, K.
    n_exemplars, n_records, n_components : int
        J, records learned from, and M; see `MixtureOfPersonas`.
    n_shown : int
        Exemplars in a prompt of the baselines that show several.
    n_candidates : int
        Responses that the mixture draws for each that it keeps.
    temperature, top_p, max_tokens
        How each response is drawn.
    stratify : str or None
        What the pool is spread over; "" for the contexts.
    template : str
        The question; "" for that of the data.

    Examples
    --------
    >>> Recipe().changed(["temperature=1.0"]).temperature
    1.0
    """

    n_personas: int = 16
    n_exemplars: int = config.DEFAULT_EXEMPLARS
    n_records: int = config.DEFAULT_RECORDS
    n_components: int = config.DEFAULT_COMPONENTS
    n_shown: int = N_SHOWN
    n_candidates: int = config.DEFAULT_CANDIDATES
    temperature: float = config.DEFAULT_TEMPERATURE
    top_p: float = config.DEFAULT_TOP_P
    max_tokens: int = config.DEFAULT_MAX_TOKENS
    stratify: str = ""
    template: str = ""

    @property
    def params(self) -> SamplingParams:
        """How each response is drawn."""
        return SamplingParams(self.temperature, self.top_p, self.max_tokens)

    def changed(self, changes: Sequence[str]) -> Recipe:
        """Return the recipe with NAME=VALUE changes."""
        return replace(self, **dict(map(_read, changes)))


QUICK = Recipe(n_personas=4, n_exemplars=12, n_records=24, n_components=4, max_tokens=24)


def _read(change: str) -> tuple[str, Any]:
    kinds = {field.name: type(getattr(Recipe(), field.name)) for field in fields(Recipe)}
    name, _, text = change.partition("=")
    if name not in kinds:
        raise DataError(f"The recipe has no setting {name!r}.", hint=f"Set one of {list(kinds)}.")
    try:
        return name, kinds[name](text)
    except ValueError:
        raise DataError(
            f"The setting {name} must be of type {kinds[name].__name__}, not {text!r}.",
            hint=f"For example {name}={getattr(Recipe(), name)}.",
        ) from None
