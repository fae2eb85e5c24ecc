"""The options for making personas from records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from jupyter_mop.engine.data.clustering import MAX_RECORDS
from jupyter_mop.engine.synthesis.persona_writing import N_DRAWS, N_SHOWN
from jupyter_mop.options import Options, at_least, one_of, option

DESCRIPTIONS, VOICES, BOTH = FORMS = ("descriptions", "voices", "both")
LADDER = (2, 4, 8, 16)
N_JUDGED = 40


def _numbers(text: str) -> tuple[int, ...]:
    """Parse whole numbers separated by commas."""
    return tuple(int(part) for part in text.split(",") if part.strip())


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions(Options):
    """Options for making personas from records.

    Examples
    --------
    >>> SynthesisOptions(n_draws=3).ladder
    (2, 4, 8, 16)
    """

    noun: ClassVar[str] = "a synthesis"

    form: str = option(
        DESCRIPTIONS,
        kind="str",
        flags=("--as",),
        choices=FORMS,
        limit=one_of(FORMS),
        help="descriptions: the model describes each cluster. voices: each persona quotes one to "
        "three real records, with no model call. both: description and quotation. Quoted records "
        "are in every prompt, in saved mixtures and in data cards.",
    )
    n_records: int = option(
        MAX_RECORDS,
        kind="int",
        flags=("--records",),
        parse=int,
        limit=at_least(1),
        help="Maximum number of distinct responses to cluster.",
    )
    n_shown: int = option(
        N_SHOWN,
        kind="int",
        flags=("--shown",),
        parse=int,
        limit=at_least(1),
        help="Records per prompt; a large model can use more.",
    )
    n_draws: int = option(
        N_DRAWS,
        kind="int",
        flags=("--draws",),
        parse=int,
        limit=at_least(1),
        help="Answers per persona to choose from; a persona without a valid answer gets a second "
        "round.",
    )
    ladder: Sequence[int] = option(
        LADDER,
        kind="sequence of int",
        flags=("--ladder",),
        parse=_numbers,
        help='Numbers of personas that k="auto" compares.',
    )
    n_judged: int = option(
        N_JUDGED,
        kind="int",
        limit=at_least(1),
        help='Maximum number of held-out records with which k="auto" compares.',
    )
    template: str | None = option(
        None,
        kind="str",
        help='The question with which k="auto" compares, with {column} placeholders. Default: '
        "the context itself.",
    )
    random_state: int = option(
        0,
        kind="int",
        flags=("--seed",),
        parse=int,
        limit=at_least(0),
        help="Seed of every random choice.",
    )
