"""AttrPrompt: ask for values of attributes that the model names, drawn anew for each prompt.

Yu et al. (NeurIPS 2023) ask a large model for attributes and their values. If the model does not
name enough of them, as a small one may not, keywords and lengths of the real records are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from jupyter_mop.backends.protocols import GenerationRequest, Prompt, SamplingParams
from jupyter_mop.engine.data.clustering import cluster_records, keywords
from jupyter_mop.engine.data.task_prompts import (
    attribute_instructions,
    attributes_prompt,
    task_text,
    values_prompt,
)
from jupyter_mop.engine.generation.baselines.method import BaselineInputs, PromptContent

N_ATTRIBUTES, N_VALUES, N_TRIES = 4, 8, 3
MIN_ATTRIBUTES, MIN_VALUES, MAX_WORDS = 2, 3, 6
PARAMS = SamplingParams(temperature=0.7, top_p=0.9, max_tokens=96)
MODEL, POPULATION = "model", "population"
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.):])\s*")
_MAX_SEED = 2**31 - 1

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Attributes:
    """Ask for a random value of each attribute in each prompt.

    Attributes
    ----------
    values : mapping
        The values of each attribute.
    source : str
        "model" or "population".
    random_state : int
        Seed of the values.
    """

    values: Values
    source: str
    random_state: int
    n_rounds: int = 1
    log_prob: float = np.nan

    def draw(self, rows: Sequence[int], responses: Sequence[str]) -> list[PromptContent]:  # noqa: ARG002
        """Return instructions with a value of each attribute for each of `rows`."""
        return [PromptContent(instructions=self._instructions(row)) for row in rows]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The attributes, their values and their source."""
        values = {name: list(values) for name, values in self.values.items()}
        return {"attributes": values, "attributes_from": self.source}

    def _instructions(self, row: int) -> str:
        rng = np.random.default_rng([self.random_state, 5, row])
        return attribute_instructions(
            {name: values[int(rng.integers(len(values)))] for name, values in self.values.items()}
        )


def prepare(inputs: BaselineInputs) -> Attributes:
    """Ask the model for attributes and values; if it names too few, derive them from records."""
    values = _model_values(inputs)
    if len(values) >= MIN_ATTRIBUTES:
        return Attributes(values, MODEL, inputs.random_state)
    return Attributes(_population_values(inputs), POPULATION, inputs.random_state)


def parse_list(answer: str) -> list[str]:
    r"""Return the distinct short items of the list in a model's answer.

    Examples
    --------
    >>> parse_list("1. Topic: what it is about\n2. **Tone**\n- topic")
    ['topic', 'tone']
    >>> parse_list("I hope that this list is of help.")
    []
    """
    items = []
    for line in answer.splitlines():
        item = re.split(r":|\s[-\u2013]\s", _BULLET.sub("", line))[0].strip(" *\"'.,;").lower()
        if item and len(item.split()) <= MAX_WORDS and item not in items:
            items.append(item)
    return items


def _model_values(inputs: BaselineInputs) -> dict[str, list[str]]:
    """Return attributes named by the model, each with the values it named if these are enough."""
    task = task_text(inputs.template)
    columns = {column.lower() for column in inputs.contexts.context}
    ask_attributes = partial(attributes_prompt, n=N_ATTRIBUTES)
    listed = _ask_lists(inputs, ask_attributes, [task], MIN_ATTRIBUTES)[0]
    names = [name for name in listed if name not in columns][:N_ATTRIBUTES]
    ask_values = partial(values_prompt, task, n=N_VALUES)
    found = _ask_lists(inputs, ask_values, names, MIN_VALUES) if names else []
    pairs = zip(names, found, strict=True)
    return {name: values[:N_VALUES] for name, values in pairs if len(values) >= MIN_VALUES}


def _ask_lists(
    inputs: BaselineInputs, prompt: Callable[[str], Prompt], subjects: Sequence[str], min_items: int
) -> list[list[str]]:
    """Return, for each subject, the first answer with `min_items` items, or an empty list."""
    rng = np.random.default_rng([inputs.random_state, 6])
    requests = [
        GenerationRequest(prompt(subject), seed=int(rng.integers(_MAX_SEED)), draw=draw)
        for subject in subjects
        for draw in range(N_TRIES)
    ]
    tick = inputs.on_step("attributes", len(requests)) if inputs.on_step else None
    answers = inputs.backend.generate(requests, PARAMS, on_result=tick)
    lists = [parse_list(answer.text) for answer in answers]
    tries = [lists[i : i + N_TRIES] for i in range(0, len(lists), N_TRIES)]
    return [next((items for items in some if len(items) >= min_items), []) for some in tries]


def _population_values(inputs: BaselineInputs) -> dict[str, list[str]]:
    """Return keywords of clusters as subjects, and quantiles of the lengths of responses."""
    records = inputs.training_records()
    responses = records.responses
    k = min(N_VALUES, len(set(responses)))
    clusters = cluster_records(
        records, k, inputs.encoder, random_state=inputs.random_state, on_step=inputs.on_step
    )
    subjects = [", ".join(words[:3]) for words in keywords(clusters)]
    lengths = np.quantile([len(text.split()) for text in responses], [0.1, 0.3, 0.5, 0.7, 0.9])
    sizes = dict.fromkeys(max(round(length), 1) for length in lengths)
    return {
        "subject": list(dict.fromkeys(filter(None, subjects))) or ["any"],
        "length": [f"about {size} words" for size in sizes],
    }
