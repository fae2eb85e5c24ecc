"""A persona that quotes the real records nearest a cluster's centre; no model is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jupyter_mop.engine.data.clustering import Clusters
from jupyter_mop.engine.data.persona_sources.voices import quotation, voice
from jupyter_mop.engine.synthesis.persona_writing import WrittenPersona

RECORDS = "records"
MIN_WORDS, MAX_RECORDS = 20, 3


def write_voices(clusters: Clusters) -> list[WrittenPersona]:
    r"""Return the voice of each cluster: its records nearest the centre, quoted.

    One record is quoted, or if it is short, two or three with 20 words together.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> from jupyter_mop.engine.data.clustering import cluster_records
    >>> from jupyter_mop.engine.data.population import Population
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "sun sun", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> clusters = cluster_records(population, 2, ToyEncoder(["sun", "rain"]))
    >>> [persona.text for persona in write_voices(clusters)]
    ['You write like this: sun\nsun sun', 'You write like this: rain']
    """
    taken: set[str] = set()
    written = []
    for cluster in range(len(clusters)):
        texts = _records(clusters, cluster, taken)
        taken.update(texts)
        written.append(WrittenPersona(voice(texts), RECORDS, 0))
    return written


def joined(
    described: Sequence[WrittenPersona], voices: Sequence[WrittenPersona]
) -> list[WrittenPersona]:
    """Return personas with the description and the voice of each cluster in one text."""
    return [
        replace(persona, text=f"{persona.text}\n{quoted.text}", source=_and(persona, quoted))
        for persona, quoted in zip(described, voices, strict=True)
    ]


def _records(clusters: Clusters, cluster: int, taken: set[str]) -> list[str]:
    """Return the texts to quote; none that is `taken` by another cluster, if there are others."""
    members = clusters.nearest(cluster, len(clusters.labels))
    texts = dict.fromkeys(quotation(clusters.records.responses[i]) for i in members)
    free = [text for text in texts if text not in taken] or list(texts)
    n_words, chosen = 0, []
    for text in free[:MAX_RECORDS]:
        chosen.append(text)
        n_words += len(text.split())
        if n_words >= MIN_WORDS:
            break
    return chosen


def _and(first: WrittenPersona, second: WrittenPersona) -> str:
    return f"{first.source} and {second.source}"
