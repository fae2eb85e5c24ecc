"""AttrPrompt: the model names attributes of such texts and their values; prompts draw from them.

Yu et al. (NeurIPS 2023) ask a large model for attribute dimensions and values. A small one may
give none that will do; then the values are the keywords and the lengths of the real records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.engine.data.clustering import cluster_records, keywords
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.generation.baselines.method import Scene, Shown

N_ATTRIBUTES, N_VALUES, N_TRIES = 4, 8, 3
LEAST_ATTRIBUTES, LEAST_VALUES, MOST_WORDS = 2, 3, 6
PARAMS = SamplingParams(temperature=0.7, top_p=0.9, max_tokens=96)
MODEL, POPULATION = "model", "population"
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.):])\s*")
_SEEDS = 2**31 - 1
_EXAMPLE = "Write a [rating] restaurant review."
_EXAMPLE_ATTRIBUTES = "cuisine\natmosphere\ntone\nlength"
_EXAMPLE_VALUES = "quiet\ncrowded\nromantic\nfamily-friendly\nrun-down\nmodern\nloud\nold-fashioned"

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Attributes:
    """Asks for a value of each attribute, drawn anew for each prompt.

    Attributes
    ----------
    values : mapping
        From attribute to its values.
    source : str
        "model" or "population".
    """

    values: Values
    source: str
    random_state: int
    n_rounds: int = 1
    log_prob: float = np.nan

    def draw(self, rows: Sequence[int], said: Sequence[str]) -> list[Shown]:  # noqa: ARG002
        """Return a value of each attribute for each of `rows`."""
        return [Shown(wishes=self._wishes(row)) for row in rows]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The attributes, their values, and who named them."""
        values = {name: list(values) for name, values in self.values.items()}
        return {"attributes": values, "attributes_from": self.source}

    def _wishes(self, row: int) -> str:
        rng = np.random.default_rng([self.random_state, 5, row])
        drawn = {
            name: values[int(rng.integers(len(values)))] for name, values in self.values.items()
        }
        return "\n".join(f"- {name}: {value}" for name, value in drawn.items())


def begin(scene: Scene) -> Attributes:
    """Let the model name attributes and values; where it cannot, take those of the records."""
    values = _named(scene)
    if len(values) >= LEAST_ATTRIBUTES:
        return Attributes(values, MODEL, scene.random_state)
    return Attributes(_of_population(scene), POPULATION, scene.random_state)


def task(template: PromptTemplate) -> str:
    """Return the question with its columns in brackets.

    Examples
    --------
    >>> task(PromptTemplate("Write a {mood} poem."))
    'Write a [mood] poem.'
    """
    return template.question({column: f"[{column}]" for column in template.columns})


def listed(answer: str) -> list[str]:
    r"""Return the different short items of a list in a model's answer.

    Examples
    --------
    >>> listed("1. Topic: what it is about\n2. **Tone**\n- topic\n\nI hope that this is of help.")
    ['topic', 'tone']
    """
    items = []
    for line in answer.splitlines():
        item = re.split(r":|\s[-\u2013]\s", _BULLET.sub("", line))[0].strip(" *\"'.,;").lower()
        if item and len(item.split()) <= MOST_WORDS and item not in items:
            items.append(item)
    return items


def _named(scene: Scene) -> dict[str, list[str]]:
    """Return the attributes that the model names and their values, as far as they will do."""
    what = task(scene.template)
    columns = {column.lower() for column in scene.contexts.context}
    listed_names = _asked(scene, _attributes_prompt, [what], LEAST_ATTRIBUTES)[0]
    names = [name for name in listed_names if name not in columns][:N_ATTRIBUTES]
    found = _asked(scene, partial(_values_prompt, what), names, LEAST_VALUES) if names else []
    pairs = zip(names, found, strict=True)
    return {name: values[:N_VALUES] for name, values in pairs if len(values) >= LEAST_VALUES}


def _asked(
    scene: Scene, prompt: Callable[[str], Prompt], subjects: Sequence[str], least: int
) -> list[list[str]]:
    """Return the first answer for each subject that lists `least` items, or an empty list."""
    rng = np.random.default_rng([scene.random_state, 6])
    requests = [
        GenerationRequest(prompt(subject), seed=int(rng.integers(_SEEDS)), draw=draw)
        for subject in subjects
        for draw in range(N_TRIES)
    ]
    tick = scene.on_step("attributes", len(requests)) if scene.on_step else None
    answers = scene.backend.generate(requests, PARAMS, on_result=tick)
    lists = [listed(answer.text) for answer in answers]
    tries = [lists[i : i + N_TRIES] for i in range(0, len(lists), N_TRIES)]
    return [next((items for items in some if len(items) >= least), []) for some in tries]


def _attributes_prompt(what: str) -> Prompt:
    ask = (
        "Task: {}\nIn which attributes do such texts differ from each other? "
        f"Name {N_ATTRIBUTES}, one a line."
    )
    return _chat(ask.format(_EXAMPLE), _EXAMPLE_ATTRIBUTES, ask.format(what))


def _values_prompt(what: str, name: str) -> Prompt:
    ask = "Task: {}\n" + f"Name {N_VALUES} different values of the attribute " + '"{}", one a line.'
    return _chat(ask.format(_EXAMPLE, "atmosphere"), _EXAMPLE_VALUES, ask.format(what, name))


def _chat(*turns: str) -> Prompt:
    return Prompt(tuple(Message(("user", "assistant")[i % 2], t) for i, t in enumerate(turns)))


def _of_population(scene: Scene) -> dict[str, list[str]]:
    """Return groups of keywords as subjects, and quartiles of the lengths."""
    records = scene.records()
    responses = records.responses
    k = min(N_VALUES, len(set(responses)))
    clusters = cluster_records(
        records, k, scene.encoder, random_state=scene.random_state, on_step=scene.on_step
    )
    subjects = [", ".join(words[:3]) for words in keywords(clusters)]
    lengths = np.quantile([len(text.split()) for text in responses], [0.1, 0.3, 0.5, 0.7, 0.9])
    sizes = dict.fromkeys(max(round(length), 1) for length in lengths)
    return {
        "subject": list(dict.fromkeys(filter(None, subjects))) or ["any"],
        "length": [f"about {size} words" for size in sizes],
    }
