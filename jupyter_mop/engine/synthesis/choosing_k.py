"""Choose the number of personas by held-out likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep, Tick, can_score
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.synthesis.synthesis_options import SynthesisOptions
from jupyter_mop.errors import DataError, ModelError

Array = NDArray[np.float64]
Write = Callable[[Population, int], Sequence[Persona]]

N_EXEMPLARS, N_RECORDS, N_COMPONENTS = 2, 60, 8
MIN_EVALUATION_RECORDS = 4
_MIN_STEPS = 2


def choose_k(
    population: Population,
    write: Write,
    backend: Backend,
    encoder: Encoder,
    *,
    options: SynthesisOptions | None = None,
    on_step: OnStep | None = None,
) -> pd.DataFrame:
    """Compare numbers of personas by the held-out likelihood of a small mixture of each size.

    The held-out records are the same for all sizes. They are not used to write personas, to learn
    weights or for early stopping. The result is the smallest number within one standard error of
    the best: the standard error of the paired difference over records.

    Parameters
    ----------
    population : Population
        The records: at most a third are held out, the others are training records.
    write : callable
        Called with (records, k); returns k personas made from the records.
    backend : Backend
        A language model that can score. It computes about 2 * n_judged * sum(ladder) scores for
        the held-out records.
    encoder : Encoder
        Text to unit vectors.
    options : SynthesisOptions, optional
        The numbers to compare (ladder), n_judged, template and random_state.
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.

    Returns
    -------
    pandas.DataFrame
        One row per number: k, log_lik (held-out, nats per record), standard_error (of its
        difference to the best; 0 for the best itself) and chosen.

    Raises
    ------
    DataError
        If the ladder has fewer than two valid numbers, or there are too few records.
    ModelError
        If the model cannot score.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> words = ["sun", "rain"]
    >>> texts = ["sun " * i for i in range(1, 21)] + ["rain " * i for i in range(1, 21)]
    >>> df = pd.DataFrame({"topic": "weather", "text": texts})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> def write(_records, k):
    ...     return [Persona(f"p{i}", f"You say {words[i % 2]}.") for i in range(k)]
    >>> model, encoder = ToyBackend(words), ToyEncoder(words)
    >>> options = SynthesisOptions(ladder=[1, 2])
    >>> table = choose_k(population, write, model, encoder, options=options)
    >>> table.loc[table["chosen"], "k"].item()
    2
    """
    options = options or SynthesisOptions()
    held_out, train = _split(population, options.n_judged, options.random_state)
    ladder = _checked_ladder(options.ladder, len(set(train.responses)))
    if not can_score(backend):
        raise ModelError(
            "Choosing k requires a model that reports log-probabilities of a given text.",
            hint="Set a number of personas, or choose it with the embedded model.",
        )
    log_prob = []
    for k in ladder:
        report = _prefixed(on_step, f"k = {k}: ")
        mixture = MixtureOfPersonas(
            write(train, k),
            backend,
            encoder,
            template=options.template,
            n_exemplars=N_EXEMPLARS,
            n_records=N_RECORDS,
            n_components=N_COMPONENTS,
            random_state=options.random_state,
        )
        mixture.fit(train, on_step=report)
        log_prob.append(mixture.log_prob(held_out, on_step=report))
    return one_standard_error(ladder, np.array(log_prob), held_out.weights)


def one_standard_error(ladder: Sequence[int], log_prob: Array, weights: Array) -> pd.DataFrame:
    """Choose the smallest number within one standard error of the best.

    Parameters
    ----------
    ladder : sequence of int
        L numbers of personas, ascending.
    log_prob : ndarray, shape (L, n)
        Log-likelihood of each held-out record, in nats.
    weights : ndarray, shape (n,)
        Weights of the records.

    Returns
    -------
    pandas.DataFrame
        k, log_lik, standard_error and chosen, L rows; see `choose_k`.

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
    is_close = means + errors >= means[best]
    chosen = np.arange(len(ladder)) == int(is_close.argmax())
    columns = {"k": list(ladder), "log_lik": means, "standard_error": errors, "chosen": chosen}
    return pd.DataFrame(columns)


def _standard_error(values: Array, weights: Array) -> float:
    """Return the standard error of the weighted mean of `values`."""
    shares = weights / weights.sum()
    variance = np.sum(shares**2 * (values - shares @ values) ** 2)
    return float(np.sqrt(variance * len(values) / (len(values) - 1)))


def _split(population: Population, n: int, random_state: int) -> tuple[Population, Population]:
    """Return `n` held-out records, at most a third of all, and the training records.

    A response that is held out is in no training record.
    """
    responses = np.array(population.responses, dtype=object).astype(str)
    rng = np.random.default_rng([random_state, 3])
    rows = np.flatnonzero(population.weights)
    held_out = rng.permutation(rows)[: max(min(n, len(rows) // 3), 0)]
    if len(held_out) < MIN_EVALUATION_RECORDS:
        raise DataError(
            f"Choosing k needs at least {MIN_EVALUATION_RECORDS} held-out records, got "
            f"{len(held_out)} of {len(rows)} records.",
            hint="Set a number of personas, or use at least 12 records and n_judged of at least 4.",
        )
    train = np.setdiff1d(rows, held_out)
    train = train[~np.isin(responses[train], responses[held_out])]
    return population.take(held_out), population.take(train)


def _checked_ladder(ladder: Sequence[int], n_distinct: int) -> list[int]:
    steps = sorted({int(k) for k in ladder if 1 <= k <= n_distinct // 2})
    if len(steps) < _MIN_STEPS:
        raise DataError(
            f"`ladder` must have at least two numbers between 1 and {n_distinct // 2} (half of the "
            f"{n_distinct} distinct responses), got {list(ladder)}.",
            hint="Use another ladder, set a number of personas, or add records.",
        )
    return steps


def _prefixed(on_step: OnStep | None, prefix: str) -> OnStep | None:
    """Return `on_step` with a prefix before the name of each step."""
    if on_step is None:
        return None
    begin = on_step

    def begin_prefixed(step: str, total: int) -> Tick:
        return begin(f"{prefix}{step}", total)

    return begin_prefixed
