"""How many personas: held-out likelihood over a ladder of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep, Tick, can_score
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, ModelError

Array = NDArray[np.float64]
Write = Callable[[Population, int], Sequence[Persona]]

LADDER = (2, 4, 8, 16)
N_JUDGED = 40
N_EXEMPLARS, N_RECORDS, N_COMPONENTS = 2, 60, 8


def choose_k(
    population: Population,
    write: Write,
    backend: Backend,
    encoder: Encoder,
    *,
    ladder: Sequence[int] = LADDER,
    n_judged: int = N_JUDGED,
    template: str | None = None,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> pd.DataFrame:
    """Fit a small mixture for each number of personas and judge it on records it has not seen.

    Neither the personas nor the weights nor the moment to stop have seen the records that judge,
    which are the same for every number. The smallest number is chosen that is within one standard
    error of the best: the standard error of the difference, record by record.

    Parameters
    ----------
    population : Population
        The records; some judge, the others are learned from.
    write : callable
        Returns so many personas made from the records that it is given.
    backend : Backend
        A language model that can score; each pair of prompt and record is asked once.
    encoder : Encoder
        Text to unit vectors.
    ladder : sequence of int
        The numbers to try.
    n_judged : int
        Most records that judge; with 2 exemplars in the pool the model is asked about
        2 * n_judged * sum(ladder) scores for them.
    template : str, optional
        The question put to the model; default: the context itself.
    random_state : int
        Seed of the split and of the fits.
    on_step : callable, optional
        Called with (what, total) before the model is asked; returns what is called at each answer.

    Returns
    -------
    pandas.DataFrame
        One row per number: k, log_lik (held-out, nats per record), standard_error (of its
        difference to the best; 0 for the best itself) and chosen.

    Raises
    ------
    DataError
        For a ladder of fewer than two numbers, or too few records.
    ModelError
        If the model cannot score.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> words = ["sun", "rain"]
    >>> said = ["sun " * i for i in range(1, 21)] + ["rain " * i for i in range(1, 21)]
    >>> df = pd.DataFrame({"topic": "weather", "said": said})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> def write(_records, k):
    ...     return [Persona(f"p{i}", f"You say {words[i % 2]}.") for i in range(k)]
    >>> model, encoder = ToyBackend(words), ToyEncoder(words)
    >>> steps = choose_k(population, write, model, encoder, ladder=[1, 2])
    >>> steps.loc[steps["chosen"], "k"].item()
    2
    """
    judging, learned_from = _split(population, n_judged, random_state)
    steps = _checked_ladder(ladder, len(set(learned_from.responses)))
    if not can_score(backend):
        raise ModelError(
            "This model gives no log-probabilities of a given text, so k cannot be chosen.",
            hint="Give a number of personas, or choose it with the embedded model.",
        )
    found = []
    for k in steps:
        told = _named(on_step, k)
        mixture = MixtureOfPersonas(
            write(learned_from, k),
            backend,
            encoder,
            template=template,
            n_exemplars=N_EXEMPLARS,
            n_records=N_RECORDS,
            n_components=N_COMPONENTS,
            random_state=random_state,
        )
        mixture.fit(learned_from, on_step=told)
        found.append(mixture.log_prob(judging, on_step=told))
    return one_standard_error(steps, np.array(found), judging.weights)


def one_standard_error(ladder: Sequence[int], log_prob: Array, weights: Array) -> pd.DataFrame:
    """Return the ladder with the smallest number within one standard error of the best chosen.

    Parameters
    ----------
    ladder : sequence of int
        L numbers, ascending.
    log_prob : ndarray, shape (L, n)
        Log-likelihood of each held-out record, in nats.
    weights : ndarray, shape (n,)
        Weights of the records.

    Examples
    --------
    >>> log_prob = np.array([[-3.0, -2.0, -3.0], [-2.0, -2.0, -2.9], [-1.9, -2.2, -2.7]])
    >>> one_standard_error([2, 4, 8], log_prob, np.ones(3))["chosen"].tolist()
    [False, True, False]
    """
    means = np.average(log_prob, axis=1, weights=weights)
    best = int(means.argmax())
    gaps = log_prob[best] - log_prob
    errors = np.array([_standard_error(gap, weights) for gap in gaps])
    near = means + errors >= means[best]
    chosen = np.arange(len(ladder)) == int(near.argmax())
    columns = {"k": list(ladder), "log_lik": means, "standard_error": errors, "chosen": chosen}
    return pd.DataFrame(columns)


def _standard_error(values: Array, weights: Array) -> float:
    """Return the standard error of the weighted mean of `values`."""
    shares = weights / weights.sum()
    spread = np.sum(shares**2 * (values - shares @ values) ** 2)
    return float(np.sqrt(spread * len(values) / (len(values) - 1)))


def _split(population: Population, n: int, random_state: int) -> tuple[Population, Population]:
    """Return the records that judge, at most a third of them all, and the others.

    What is said twice is on one side only.
    """
    said = np.array(population.responses, dtype=object)
    rng = np.random.default_rng([random_state, 3])
    heavy = np.flatnonzero(population.weights)
    order = rng.permutation(heavy)
    judging = order[: max(min(n, len(heavy) // 3), 0)]
    if len(judging) < 4:  # noqa: PLR2004
        raise DataError(
            f"Of {len(heavy)} records {len(judging)} would judge the number of personas; "
            "at least 4 must.",
            hint="Give a number of personas, or at least 12 records and n_judged of 4 or more.",
        )
    rest = np.setdiff1d(heavy, judging)
    rest = rest[~np.isin(said[rest].astype(str), said[judging].astype(str))]
    return population.take(judging), population.take(rest)


def _checked_ladder(ladder: Sequence[int], n_distinct: int) -> list[int]:
    steps = sorted({int(k) for k in ladder if 1 <= k <= n_distinct // 2})
    if len(steps) < 2:  # noqa: PLR2004
        raise DataError(
            f"A choice needs two numbers of personas or more between 1 and {n_distinct // 2}, "
            f"half of the {n_distinct} different responses; the ladder is {list(ladder)}.",
            hint="Give another ladder, a number of personas, or more records.",
        )
    return steps


def _named(on_step: OnStep | None, k: int) -> OnStep | None:
    """Return `on_step` with the number of personas before the name of each step."""
    if on_step is None:
        return None
    begin = on_step

    def named(what: str, total: int) -> Tick:
        return begin(f"k = {k}: {what}", total)

    return named
