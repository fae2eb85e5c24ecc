"""The language model writes a persona for each cluster; the best valid answer is used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.backends.protocols import (
    Backend,
    Encoder,
    GenerationRequest,
    OnStep,
    SamplingParams,
)
from jupyter_mop.engine.data.clustering import Clusters
from jupyter_mop.engine.data.task_prompts import PERSONA_EXAMPLES, RecordGroup, persona_prompt
from jupyter_mop.engine.synthesis import persona_criteria
from jupyter_mop.engine.synthesis.persona_criteria import Run

MODEL, KEYWORDS = "model", "keywords"
N_SHOWN, N_DRAWS, N_ROUNDS = 2, 6, 2
N_NEAREST, N_WORDS = 12, 5
PARAMS = SamplingParams(temperature=0.5, top_p=0.9, max_tokens=48)
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class WrittenPersona:
    """A persona's description, its source and the number of the model's answers considered."""

    text: str
    source: str
    n_draws: int


def write_personas(
    clusters: Clusters,
    keywords: Sequence[Sequence[str]],
    backend: Backend,
    encoder: Encoder,
    *,
    n_shown: int = N_SHOWN,
    n_draws: int = N_DRAWS,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> list[WrittenPersona]:
    """Write the persona of each cluster: the model's best valid answer, or else its keywords.

    Parameters
    ----------
    clusters : Clusters
        K clusters of records.
    keywords : sequence of sequence of str
        Keywords of each cluster.
    backend : Backend
        The language model.
    encoder : Encoder
        Text to unit vectors.
    n_shown : int
        Records per prompt.
    n_draws : int
        Answers per cluster in a round; clusters without a valid answer get a second round.
    random_state : int
        Seed of the records in the prompts and of the answers.
    on_step : callable, optional
        Called with (step, total); returns a callback for each answer.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> from jupyter_mop.engine.data.clustering import cluster_records
    >>> from jupyter_mop.engine.data.population import Population
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> encoder = ToyEncoder(["sun", "rain"])
    >>> clusters = cluster_records(population, 2, encoder)
    >>> write_personas(clusters, [["sun"], ["rain"]], ToyBackend(["sun", "rain"]), encoder)[0]
    WrittenPersona(text='You often write about sun.', source='keywords', n_draws=12)
    """
    record_runs = persona_criteria.word_runs(clusters.records.responses)
    selected: dict[int, str] = {}
    n_answers = dict.fromkeys(range(len(clusters)), 0)
    for round_ in range(N_ROUNDS):
        missing = [cluster for cluster in n_answers if cluster not in selected]
        requests = [
            _request(clusters, keywords, cluster, n_shown, (random_state, round_, draw))
            for cluster in missing
            for draw in range(n_draws)
        ]
        step = "personas" if round_ == 0 else "personas, second round"
        tick = on_step(step, len(requests)) if on_step and requests else None
        answers = backend.generate(requests, PARAMS, on_result=tick)
        texts = [persona_criteria.clean_persona(answer.text) for answer in answers]
        for i, cluster in enumerate(missing):
            n_answers[cluster] += n_draws
            drafts = dict.fromkeys(texts[i * n_draws : (i + 1) * n_draws])
            valid = [text for text in drafts if _is_valid(text, record_runs, selected)]
            if valid:
                selected[cluster] = _nearest(valid, clusters, cluster, encoder)
    return _with_keyword_personas(selected, n_answers, keywords)


def persona_names(keywords: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each cluster: its first keyword that is not the name of another.

    Examples
    --------
    >>> persona_names([["tea", "hot"], ["tea", "milk"], ["tea"]])
    ['tea', 'milk', 'group 3']
    """
    names: list[str] = []
    for number, words in enumerate(keywords, 1):
        cleaned = (re.sub(r"[\W_]+", "", word) for word in words)
        free = (name for name in cleaned if name and name not in names)
        names.append(next(free, f"group {number}"))
    return names


def _request(
    clusters: Clusters,
    keywords: Sequence[Sequence[str]],
    cluster: int,
    n_shown: int,
    seed: tuple[int, int, int],
) -> GenerationRequest:
    """Return a request with a random sample of the records nearest the cluster's centre."""
    rng = np.random.default_rng([*seed, cluster])
    nearest = clusters.nearest(cluster, max(N_NEAREST, n_shown))
    rows = rng.permutation(nearest)[:n_shown]
    texts = [clusters.records.responses[i] for i in rows]
    group = RecordGroup(keywords[cluster][:N_WORDS], texts)
    n_examples = len(PERSONA_EXAMPLES)
    order = [(seed[-1] + i) % n_examples for i in range(n_examples)]
    return GenerationRequest(persona_prompt(group, order), seed=int(rng.integers(_MAX_SEED)))


def _is_valid(text: str, record_runs: set[Run], selected: dict[int, str]) -> bool:
    return (
        persona_criteria.is_persona(text)
        and not persona_criteria.copies_record(text, record_runs)
        and text not in selected.values()
        and not persona_criteria.copies_example(text)
    )


def _nearest(texts: Sequence[str], clusters: Clusters, cluster: int, encoder: Encoder) -> str:
    """Return the text nearest the cluster's centre; texts nearer another cluster come last."""
    cosines = encoder.encode(texts).astype(np.float64) @ clusters.centres.T
    is_own = cosines.argmax(1) == cluster
    return texts[int(np.lexsort((cosines[:, cluster], is_own))[-1])]


def _with_keyword_personas(
    selected: dict[int, str], n_answers: dict[int, int], keywords: Sequence[Sequence[str]]
) -> list[WrittenPersona]:
    """Return all personas; clusters without a valid answer get a distinct one of keywords."""
    taken = set(selected.values())
    written = []
    for cluster, n_draws in n_answers.items():
        text = selected.get(cluster) or persona_criteria.keyword_persona(
            keywords[cluster][:N_WORDS]
        )
        if cluster not in selected and text in taken:
            text = f"{text[:-1]}, in the manner of group {cluster + 1}."
        taken.add(text)
        written.append(WrittenPersona(text, MODEL if cluster in selected else KEYWORDS, n_draws))
    return written
