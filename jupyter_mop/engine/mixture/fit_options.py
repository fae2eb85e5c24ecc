"""The options of a mixture and its fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jupyter_mop import config
from jupyter_mop.engine.data.population import MIN_RECORDS
from jupyter_mop.options import Options, at_least, one_of, option

SOURCES = LIKELIHOOD, SAMPLES, BOTH = "likelihood", "samples", "both"


@dataclass(frozen=True, kw_only=True)
class FitOptions(Options):
    """Options for fitting a mixture of personas.

    Examples
    --------
    >>> FitOptions(n_components=8).rank
    8
    """

    noun: ClassVar[str] = "a mixture"

    template: str | None = option(
        None,
        kind="str",
        help="The question, with {column} placeholders. Default: the context itself.",
    )
    n_exemplars: int = option(
        config.DEFAULT_EXEMPLARS,
        kind="int",
        flags=("--exemplars",),
        parse=int,
        limit=at_least(1),
        help="Maximum size of the exemplar pool, J. Of 80 distinct responses or more, a quarter "
        "stay outside.",
    )
    n_records: int = option(
        config.DEFAULT_RECORDS,
        kind="int",
        flags=("--records",),
        parse=int,
        limit=at_least(MIN_RECORDS),
        help="Maximum number of records to fit to; each is held out in turn.",
    )
    n_components: int = option(
        config.DEFAULT_COMPONENTS,
        kind="int",
        flags=("--components",),
        parse=int,
        limit=at_least(1),
        help="Number of components scored per record, M: every persona with the same few "
        "exemplars; all if K * J is at most M.",
    )
    by: str | None = option(
        None,
        kind="str",
        flags=("--by",),
        choices=SOURCES,
        limit=one_of(SOURCES),
        help="What weights are learned from: the likelihood of real responses, samples (which "
        "component gave them is learned from 200 simulated responses), or both. Default: "
        "likelihood, or samples with a model that cannot score.",
    )
    rank: int = option(8, kind="int", parse=int, limit=at_least(1), help="Rank r of the gate.")
    l2: float | None = option(
        None,
        kind="float",
        parse=float,
        limit=at_least(0),
        help="Penalty on the squares of the gate's matrices, per record. Default: chosen by "
        "cross-validation.",
    )
    stratify: str | None = option(
        None,
        kind="str",
        flags=("--stratify",),
        help="Spread the exemplars evenly over this context column, or over cluster (as many "
        "clusters of similar responses as personas). Default: over the contexts.",
    )
    random_state: int = option(
        0,
        kind="int",
        flags=("--seed",),
        parse=int,
        limit=at_least(0),
        help="Seed of every random choice.",
    )
