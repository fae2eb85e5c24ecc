"""The baselines by name, each with a summary, its source and the function that prepares it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jupyter_mop.engine.generation.baselines import attributes, fewshot, picle, progen
from jupyter_mop.engine.generation.baselines.method import BaselineInputs, DrawnComponents, Method
from jupyter_mop.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Baseline:
    """A baseline: its name, a summary, its source and the function that prepares it."""

    name: str
    summary: str
    source: str
    prepare: Callable[[BaselineInputs], Method]

    def __str__(self) -> str:
        return f"{self.name}: {self.summary} ({self.source})"


VERBALIZED = "verbalized"
_ALL = (
    Baseline(
        "plain",
        "The question alone: no persona, no exemplar.",
        "ZeroGen, Ye et al., EMNLP 2022",
        lambda inputs: DrawnComponents(inputs.components, persona=False, exemplar=False),
    ),
    Baseline(
        "personas",
        "A random persona, no exemplar.",
        "persona prompting, as in Bui et al., Findings of ACL 2025",
        lambda inputs: DrawnComponents(inputs.components, exemplar=False),
    ),
    Baseline(
        "exemplars",
        "One random exemplar, no persona: the mixture without its personas.",
        "an ablation, as in Bui et al., Findings of ACL 2025",
        lambda inputs: DrawnComponents(inputs.components, persona=False),
    ),
    Baseline(
        "fewshot",
        "Several random exemplars, drawn anew for each prompt, no persona.",
        "few-shot prompting, Brown et al., NeurIPS 2020",
        fewshot.prepare,
    ),
    Baseline(
        "fewshot-context",
        "Few-shot with random exemplars of the question's own context; other exemplars fill up.",
        "few-shot prompting, Brown et al., NeurIPS 2020, with demonstrations chosen by context",
        fewshot.prepare_by_context,
    ),
    Baseline(
        "attributes",
        "Each prompt asks for a random value of each of several attributes. The model names "
        "attributes and values; if it cannot, keywords and lengths of the records are used.",
        "AttrPrompt, Yu et al., NeurIPS 2023",
        attributes.prepare,
    ),
    Baseline(
        "progen",
        "Rounds: the earlier responses that most raise the density of real records are the "
        "exemplars of the next round; the first round has none.",
        "ProGen, Ye et al., Findings of EMNLP 2022, with influence on a classifier's loss",
        progen.prepare,
    ),
    Baseline(
        VERBALIZED,
        "The question alone; each call lists several responses with their probabilities, by which "
        "they are drawn.",
        "verbalized sampling, Zhang et al., arXiv 2510.01171, 2025",
        lambda inputs: DrawnComponents(inputs.components, persona=False, exemplar=False),
    ),
    Baseline(
        "picle",
        "For a random persona, the exemplars with the largest log-likelihood ratio of the prompt "
        "with its description to the prompt without.",
        "PICLe, Choi and Li, ICML 2024, with a fine-tuned model in place of the description",
        picle.prepare,
    ),
)
BASELINES = {baseline.name: baseline for baseline in _ALL}


def find_baseline(name: str) -> Baseline:
    """Return the baseline with this name.

    Raises
    ------
    DataError
        If there is none; the hint suggests a similar name.

    Examples
    --------
    >>> find_baseline("plain").source
    'ZeroGen, Ye et al., EMNLP 2022'
    """
    if name in BASELINES:
        return BASELINES[name]
    hint = f"{did_you_mean(name, BASELINES)} Use {', '.join(BASELINES)}.".lstrip()
    raise DataError(f"There is no baseline {name!r}.", hint=hint)
