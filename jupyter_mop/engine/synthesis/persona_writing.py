"""The language model writes the persona of each group; what it writes is judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_mop.backends.protocols import Backend, Encoder, GenerationRequest, OnStep
from jupyter_mop.engine.data.clustering import Clusters
from jupyter_mop.engine.synthesis import persona_prompt
from jupyter_mop.engine.synthesis.persona_prompt import Shown

MODEL, KEYWORDS = "model", "keywords"
N_SHOWN, N_DRAWS, N_ROUNDS = 2, 6, 2
N_NEAREST, N_WORDS = 12, 5
_SEEDS = 2**31 - 1

Run = tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """A persona's text, whose words it is in and how many answers of the model were judged."""

    text: str
    source: str
    n_draws: int


def write_personas(
    clusters: Clusters,
    words: Sequence[Sequence[str]],
    backend: Backend,
    encoder: Encoder,
    *,
    n_shown: int = N_SHOWN,
    n_draws: int = N_DRAWS,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> list[Written]:
    """Return the persona of each group: the model's best answer, or its keywords.

    Parameters
    ----------
    clusters : Clusters
        K groups of records.
    words : sequence of sequence of str
        Keywords of each group.
    backend : Backend
        The language model.
    encoder : Encoder
        Text to unit vectors.
    n_shown : int
        Records in one prompt.
    n_draws : int
        Answers for each group in a round; groups for which none will do get a second round.
    random_state : int
        Seed of the records shown and of the answers.
    on_step : callable, optional
        Called with (what, total); returns what is called at each answer.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> from jupyter_mop.engine.data.clustering import cluster_records
    >>> from jupyter_mop.engine.data.population import Population
    >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> encoder = ToyEncoder(["sun", "rain"])
    >>> clusters = cluster_records(population, 2, encoder)
    >>> nonsense = ToyBackend(["sun", "rain"])
    >>> write_personas(clusters, [["sun"], ["rain"]], nonsense, encoder)[0]
    Written(text='You often write about sun.', source='keywords', n_draws=12)
    """
    known = persona_prompt.runs(clusters.records.responses)
    chosen: dict[int, str] = {}
    asked = dict.fromkeys(range(len(clusters)), 0)
    for round_ in range(N_ROUNDS):
        left = [group for group in asked if group not in chosen]
        requests = [
            _request(clusters, words, group, n_shown, (random_state, round_, draw))
            for group in left
            for draw in range(n_draws)
        ]
        what = "personas" if round_ == 0 else "personas, once more"
        tick = on_step(what, len(requests)) if on_step and requests else None
        answers = backend.generate(requests, persona_prompt.PARAMS, on_result=tick)
        texts = [persona_prompt.cleaned(answer.text) for answer in answers]
        for place, group in enumerate(left):
            asked[group] += n_draws
            drafts = texts[place * n_draws : (place + 1) * n_draws]
            fit = [t for t in dict.fromkeys(drafts) if _will_do(t, known, chosen)]
            if fit:
                chosen[group] = _nearest(fit, clusters, group, encoder)
    return _completed(chosen, asked, words)


def persona_names(words: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each group: its first keyword that no other one has taken.

    Examples
    --------
    >>> persona_names([["tea", "hot"], ["tea", "milk"], ["tea"]])
    ['tea', 'milk', 'group 3']
    """
    names: list[str] = []
    for place, candidates in enumerate(words, 1):
        clean = (re.sub(r"[\W_]+", "", word) for word in candidates)
        free = (name for name in clean if name and name not in names)
        names.append(next(free, f"group {place}"))
    return names


def _request(
    clusters: Clusters,
    words: Sequence[Sequence[str]],
    group: int,
    n_shown: int,
    at: tuple[int, int, int],
) -> GenerationRequest:
    """Ask about a group, shown some of the records nearest its middle, others each time."""
    rng = np.random.default_rng([*at, group])
    near = clusters.nearest(group, max(N_NEAREST, n_shown))
    rows = rng.permutation(near)[:n_shown]
    texts = [clusters.records.responses[i] for i in rows]
    shown = Shown(words[group][:N_WORDS], texts)
    n_examples = len(persona_prompt.EXAMPLES)
    order = [(at[-1] + i) % n_examples for i in range(n_examples)]
    return GenerationRequest(persona_prompt.prompt(shown, order), seed=int(rng.integers(_SEEDS)))


def _will_do(text: str, known: set[Run], chosen: dict[int, str]) -> bool:
    return (
        persona_prompt.is_persona(text)
        and not persona_prompt.copies(text, known)
        and text not in chosen.values()
        and not persona_prompt.echoes_example(text)
    )


def _nearest(texts: Sequence[str], clusters: Clusters, group: int, encoder: Encoder) -> str:
    """Return the text nearest the group; those nearer to another group come last."""
    cosines = encoder.encode(texts).astype(np.float64) @ clusters.centres.T
    own = cosines.argmax(1) == group
    return texts[int(np.lexsort((cosines[:, group], own))[-1])]


def _completed(
    chosen: dict[int, str], asked: dict[int, int], words: Sequence[Sequence[str]]
) -> list[Written]:
    """Let keywords stand in where the model has no answer that will do; no two texts alike."""
    taken = set(chosen.values())
    written = []
    for group, n_draws in asked.items():
        text = chosen.get(group) or persona_prompt.of_keywords(words[group][:N_WORDS])
        if group not in chosen and text in taken:
            text = f"{text[:-1]}, in the manner of group {group + 1}."
        taken.add(text)
        written.append(Written(text, MODEL if group in chosen else KEYWORDS, n_draws))
    return written
