"""The real records that a persona's description comes nearest to, by sentence vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.population import Population

MOST_RECORDS = 300


def nearest_records(
    descriptions: Sequence[str],
    population: Population,
    encoder: Encoder,
    *,
    n: int = 3,
    most: int = MOST_RECORDS,
) -> pd.DataFrame:
    """Return the records whose responses are nearest each description.

    Parameters
    ----------
    descriptions : sequence of str
        K texts of personas.
    population : Population
        The real records; of those with the same response only the first counts.
    encoder : Encoder
        Text to unit vectors.
    n : int
        Records for each description.
    most : int
        Most records that are looked at; of more, these are drawn with a fixed seed.

    Returns
    -------
    pandas.DataFrame
        persona (index of the description), context, response and cosine, nearest first,
        min(n, records) rows for each description.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "said": ["rain rain", "sun", "sun rain"]})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> found = nearest_records(["You say sun."], population, ToyEncoder(["sun", "rain"]), n=2)
    >>> found[["response", "cosine"]].round(2).values.tolist()
    [['sun', 1.0], ['sun rain', 0.71]]
    """
    records = distinct_records(population, most)
    cosines = encoder.encode(list(descriptions)) @ encoder.encode(records.responses).T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :n]
    rows = order.ravel()
    return pd.DataFrame(
        {
            "persona": np.repeat(np.arange(len(descriptions)), order.shape[1]),
            "context": [records.contexts[i] for i in rows],
            "response": [records.responses[i] for i in rows],
            "cosine": np.take_along_axis(cosines, order, axis=1).ravel().astype(float),
        }
    )


def distinct_records(population: Population, most: int = MOST_RECORDS) -> Population:
    """Return the first record of each response, or `most` of them drawn with a fixed seed.

    Examples
    --------
    >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "sun", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> distinct_records(population).responses
    ['sun', 'rain']
    """
    first: dict[str, int] = {}
    for i, response in enumerate(population.responses):
        first.setdefault(response, i)
    rows = np.array(list(first.values()))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    return population.take(rows)
