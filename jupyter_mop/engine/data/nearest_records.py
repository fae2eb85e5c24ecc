"""The real records nearest a persona's description, by sentence vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.population import Population

MAX_RECORDS = 300


def nearest_records(
    descriptions: Sequence[str],
    population: Population,
    encoder: Encoder,
    *,
    n: int = 3,
    max_records: int = MAX_RECORDS,
) -> pd.DataFrame:
    """Return the records whose responses are nearest each description.

    Parameters
    ----------
    descriptions : sequence of str
        K persona descriptions.
    population : Population
        The real records; only the first record of each distinct response is used.
    encoder : Encoder
        Text to unit vectors.
    n : int
        Records per description.
    max_records : int
        Maximum number of records to compare; a fixed random sample is taken from more.

    Returns
    -------
    pandas.DataFrame
        persona (index of the description), context, response and cosine, nearest first;
        min(n, records) rows per description.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> df = pd.DataFrame({"topic": "weather", "text": ["rain rain", "sun", "sun rain"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> found = nearest_records(["You say sun."], population, ToyEncoder(["sun", "rain"]), n=2)
    >>> found[["response", "cosine"]].round(2).values.tolist()
    [['sun', 1.0], ['sun rain', 0.71]]
    """
    records = distinct_records(population, max_records)
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


def distinct_records(population: Population, max_records: int = MAX_RECORDS) -> Population:
    """Return one record per distinct response, at most `max_records` in a fixed random sample.

    Examples
    --------
    >>> df = pd.DataFrame({"topic": "weather", "text": ["sun", "sun", "rain"]})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> distinct_records(population).responses
    ['sun', 'rain']
    """
    first: dict[str, int] = {}
    for i, response in enumerate(population.responses):
        first.setdefault(response, i)
    rows = np.array(list(first.values()))
    if len(rows) > max_records:
        rows = np.sort(np.random.default_rng(0).choice(rows, max_records, replace=False))
    return population.take(rows)
