"""Ways to prompt the model that a mixture of personas has to beat, each by its name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from jupyter_mop.engine.generation.baselines import attributes, fewshot, picle, progen
from jupyter_mop.engine.generation.baselines.method import N_SHOWN, Drawn, Method, Scene, Shown
from jupyter_mop.errors import DataError

__all__ = ["BASELINES", "N_SHOWN", "Drawn", "Method", "Scene", "Shown", "described", "find"]


@dataclass(frozen=True)
class Baseline:
    """One of the baselines: its name, two lines on it with the source, and what starts it."""

    name: str
    summary: str
    source: str
    begin: Callable[[Scene], Method]

    def __str__(self) -> str:
        return f"{self.name}: {self.summary} ({self.source})"


_ALL = (
    Baseline(
        "plain",
        "The question alone: no persona, no exemplar.",
        "ZeroGen, Ye et al., EMNLP 2022",
        lambda scene: Drawn(scene.drawn, persona=False, exemplar=False),
    ),
    Baseline(
        "personas",
        "A persona at random, no exemplar.",
        "persona prompting, as in Bui et al., Findings of ACL 2025",
        lambda scene: Drawn(scene.drawn, exemplar=False),
    ),
    Baseline(
        "exemplars",
        "One exemplar at random, no persona: the mixture without its personas.",
        "an ablation, as in Bui et al., Findings of ACL 2025",
        lambda scene: Drawn(scene.drawn, persona=False),
    ),
    Baseline(
        "fewshot",
        "Several exemplars at random, others in each prompt, no persona.",
        "few-shot prompting, Brown et al., NeurIPS 2020",
        fewshot.begin,
    ),
    Baseline(
        "attributes",
        "The model names attributes and values, or the records' keywords and lengths stand in; "
        "each prompt asks for one value of each at random.",
        "AttrPrompt, Yu et al., NeurIPS 2023",
        attributes.begin,
    ),
    Baseline(
        "progen",
        "Rounds: the responses so far that most raise the density of real records are the "
        "exemplars of the next round; the first round is plain.",
        "ProGen, Ye et al., Findings of EMNLP 2022; there the influence is on a classifier's loss",
        progen.begin,
    ),
    Baseline(
        "picle",
        "For a persona at random, the exemplars that its description makes likelier than the "
        "question alone does, by the log-likelihood ratio.",
        "PICLe, Choi and Li, ICML 2024; there a fine-tuned model stands for the description",
        picle.begin,
    ),
)
BASELINES = {baseline.name: baseline for baseline in _ALL}


def find(name: str) -> Baseline:
    """Return the baseline `name`.

    Raises
    ------
    DataError
        If there is none; it says the nearest name.

    Examples
    --------
    >>> find("plain").source
    'ZeroGen, Ye et al., EMNLP 2022'
    """
    if name in BASELINES:
        return BASELINES[name]
    near = difflib.get_close_matches(str(name), BASELINES, 1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    raise DataError(f"There is no baseline {name!r}.", hint=f"{guess}Use {', '.join(BASELINES)}.")


def described() -> pd.DataFrame:
    """Return what each baseline does and its source, one row each.

    Examples
    --------
    >>> described()["baseline"].tolist()
    ['plain', 'personas', 'exemplars', 'fewshot', 'attributes', 'progen', 'picle']
    """
    rows = [(baseline.name, baseline.summary, baseline.source) for baseline in _ALL]
    return pd.DataFrame(rows, columns=["baseline", "summary", "source"])
