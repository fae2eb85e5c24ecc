"""Diagnosis of a simulation: diversity, controllability, copying and missing clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.encoding import sample_rows
from jupyter_mop.engine.evaluation.controllability import Controllability, controllability
from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS, copies, texts_in_prompts
from jupyter_mop.engine.evaluation.diversity import distinct_n, vendi_score
from jupyter_mop.engine.evaluation.missing_clusters import missing_clusters
from jupyter_mop.engine.evaluation.persona_effects import (
    comparison_strata,
    persona_effects,
    with_controllability,
)
from jupyter_mop.engine.metrics.half_sampling import IDENTITY, centred_interval
from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.metrics.split_half import rows_for
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    as_weighted,
    checked_pair,
    effective_sample_size,
)
from jupyter_mop.engine.simulation.simulation import PERSONA, Simulation
from jupyter_mop.engine.weighting.persona_counts import sum_by_persona
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

N_HALVES = 60
LEVEL = 0.95
MIN_RESPONSES = 20
ROUNDING = 1e-9
REAL, CHANCE = "real responses", "chance"


@dataclass(frozen=True)
class Diagnosis(Viewed):
    """Metrics of one simulation with the details behind them; see `diagnose`.

    Attributes
    ----------
    name : str
        The name of the simulation.
    frame : pandas.DataFrame
        One row per metric: figure (the metric), value, low, high, against ("real responses" or
        "chance"), floor, floor_low, floor_high (the reference and its interval) and n.
    controllability : Controllability or None
        By persona, with the confusion matrix; None without two personas of five responses each.
    copies : pandas.DataFrame
        One row per response; see `jupyter_mop.engine.evaluation.copying.copies`. Records that
        personas quote count as exemplars.
    copied : int
        Minimum number of consecutive words that make a copy.
    missing : pandas.DataFrame
        One row per cluster; see `jupyter_mop.engine.evaluation.missing_clusters.missing_clusters`.
    personas : tuple of str
        All persona names in the study's order, which determines their colours.
    effects : pandas.DataFrame or None
        One row per persona: whether it moves the answers, see
        `jupyter_mop.engine.evaluation.persona_effects`; None for a simulation in which no response
        has a persona of its own, or with one persona.
    """

    name: str
    frame: pd.DataFrame
    controllability: Controllability | None
    copies: pd.DataFrame
    copied: int
    missing: pd.DataFrame
    personas: tuple[str, ...] = ()
    effects: pd.DataFrame | None = None

    @property
    def confusion(self) -> pd.DataFrame | None:
        """For the responses of each persona, the share nearest to each persona, shape (K, K)."""
        return None if self.controllability is None else self.controllability.confusion

    @property
    def notes(self) -> list[str]:
        """Notes on the metrics, one sentence each."""
        notes = [f"A copy shares {self.copied} words in a row with an exemplar; 95 % intervals."]
        if self.effects is not None:
            for verdict, names in self.effects.groupby("verdict", sort=False)["persona"]:
                notes.append(f"{str(verdict).capitalize()}: {', '.join(names)}.")
        n_missing = int((self.missing["verdict"] == "missing").sum())
        notes.append(f"{n_missing} of {len(self.missing)} clusters of responses are missing.")
        if self.controllability is None:
            notes.append("There are no two personas with five responses each to compare.")
        elif self.controllability.left_out:
            left_out = ", ".join(self.controllability.left_out)
            notes.append(f"Too few responses for controllability: {left_out}.")
        return notes

    def __repr__(self) -> str:
        rows = [
            f"{row.figure}: {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]; "
            f"{row.against} {row.floor:.3f} [{row.floor_low:.3f}, {row.floor_high:.3f}]"
            for row in self.frame.itertuples()
        ]
        return "\n".join([f"Diagnosis({self.name!r})", *rows, *self.notes])


def diagnose(
    texts: Sequence[str],
    target: Vectors | WeightedVectors,
    simulation: Simulation,
    vectors: Vectors,
    *,
    copied: int = MIN_COPY_WORDS,
    random_state: int = 0,
) -> Diagnosis:
    """Diagnose a simulation: diversity, effect of each persona, copying and missing clusters.

    Parameters
    ----------
    texts : sequence of str
        Held-out real responses.
    target : ndarray, shape (n, d), or WeightedVectors
        Their vectors; with survey weights if there are any.
    simulation : Simulation
        Its importance weights apply to all metrics.
    vectors : ndarray, shape (m, d)
        Vectors of its responses.
    copied : int
        Minimum number of consecutive words, shared with an exemplar, that make a copy.
    random_state : int
        Seed of halves, folds, shuffles and clusters.

    Returns
    -------
    Diagnosis

    Raises
    ------
    DataError
        For fewer than 20 responses on either side, or numbers of texts and vectors that differ.

    Notes
    -----
    Diversity depends on the number of responses, so it is measured on equal numbers of real and
    simulated ones; with weights, on equal effective numbers. Vendi score and clusters use the
    weights as they are. For distinct-n, as many responses as the effective sample size are drawn by
    weight. Intervals come from random halves (`metrics.half_sampling`), which carry the weights.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> texts = [f"sun {'rain ' * (i % 7)}{'wind ' * (i % 5)}" for i in range(60)]
    >>> rows = {"persona": ["a", "b"] * 30, "response": ["sun", "rain"] * 30, "weight": 1.0}
    >>> simulation = Simulation(pd.DataFrame({**rows, "context": "weather", "exemplar": None}))
    >>> encoder = ToyEncoder(["sun", "rain", "wind"])
    >>> vectors = encoder.encode(texts), encoder.encode(simulation.responses)
    >>> diagnosis = diagnose(texts, vectors[0], simulation, vectors[1])
    >>> diagnosis.frame.set_index("figure")["value"].round(2).to_dict()["controllability"]
    1.0
    """
    target = as_weighted(target)
    checked_pair(target.vectors, vectors, at_least=1)
    _check(len(texts), len(simulation), len(target), len(vectors))
    kept, real = _positive(target)
    texts = [texts[i] for i in kept]
    codes, names = _personas(simulation)
    rng = np.random.default_rng(random_state)
    drawn, simulated = _positive(WeightedVectors(vectors, simulation.weights))
    n = int(min(real.effective_size, simulated.effective_size) + ROUNDING)
    responses = [simulation.responses[i] for i in drawn]
    real_side, simulated_side = _side(texts, real, n, rng), _side(responses, simulated, n, rng)
    control = _controllability(vectors, codes, names, simulation.weights, random_state)
    pool, in_prompt = texts_in_prompts(simulation)
    copied_runs = copies(simulation.responses, pool, in_prompt, copied=copied)
    metrics = _diversity_rows(real_side, simulated_side, n, rng)
    if control:
        metrics.append(_controllability_row(control))
    if pool:
        shown = rng.integers(len(in_prompt), size=len(texts))
        real_runs = copies(texts, pool, [in_prompt[i] for i in shown], copied=copied)
        metrics += _copy_rows(
            copied_runs.assign(weight=simulation.weights),
            real_runs.assign(weight=1.0 if real.weights is None else real.weights),
        )
    return Diagnosis(
        simulation.name,
        pd.DataFrame(metrics),
        control,
        copied_runs,
        copied,
        _missing(texts, real, simulation, vectors, random_state),
        tuple(simulation.personas),
        _effects(simulation, vectors, control, random_state),
    )


def _positive(side: WeightedVectors) -> tuple[Indices, WeightedVectors]:
    """Return the rows with weights above zero, and these responses."""
    weights = np.ones(len(side)) if side.weights is None else side.weights
    return np.flatnonzero(weights), WeightedVectors.of(side)


def _missing(
    texts: Sequence[str],
    target: WeightedVectors,
    simulation: Simulation,
    vectors: Vectors,
    random_state: int,
) -> pd.DataFrame:
    codes, names = _personas(simulation)
    statistics = PersonaStatistics.measure(
        target,
        WeightedVectors(vectors, simulation.weights),
        codes,
        names,
        target_texts=texts,
        texts=simulation.responses,
        random_state=random_state,
    )
    shares = sum_by_persona(codes, simulation.weights, len(names))
    return missing_clusters(statistics, texts, target, weights=shares)


@dataclass(frozen=True)
class _Side:
    """Real or simulated responses, as many as give the effective sample size."""

    texts: Sequence[str]
    vectors: WeightedVectors

    def vendi_score(self, rows: Indices) -> float:
        part = self.vectors.take(rows)
        return vendi_score(part.vectors, weights=part.weights)

    def drawn(self, rows: Indices, n: int) -> list[str]:
        """Return the texts at `rows`; with weights, a sample drawn by them, n of all rows."""
        if self.vectors.weights is None:
            return [self.texts[i] for i in rows]
        size, weights = round(n * len(rows) / len(self.texts)), self.vectors.weights[rows]
        chosen = sample_rows(len(rows), size, random_state=int(rows.sum()), weights=weights)
        return [self.texts[i] for i in rows[chosen]]


def _side(texts: Sequence[str], side: WeightedVectors, n: int, rng: np.random.Generator) -> _Side:
    """Return random responses with an effective sample size of n."""
    rows = np.sort(rng.permutation(len(side))[: rows_for(n, side)])
    return _Side([texts[i] for i in rows], side.take(rows))


def _diversity_rows(
    real: _Side, simulated: _Side, n: int, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Return Vendi score and distinct-n of both sides, for n effective responses."""
    metrics: dict[str, Callable[[_Side, Indices], float]] = {
        "Vendi score": lambda side, rows: side.vendi_score(rows),
        "distinct-1": lambda side, rows: distinct_n(side.drawn(rows, n), 1),
        "distinct-2": lambda side, rows: distinct_n(side.drawn(rows, n), 2),
    }
    halves = {
        size: [rng.permutation(size)[: size // 2] for _ in range(N_HALVES)]
        for size in dict.fromkeys(len(side.texts) for side in (real, simulated))
    }
    rows = []
    for name, metric in metrics.items():
        sides = []
        for side in (simulated, real):
            size = len(side.texts)
            value = metric(side, np.arange(size))
            replicates = [metric(side, half) for half in halves[size]]
            interval = centred_interval(value, [replicates], level=LEVEL, scale=IDENTITY)
            sides.append((value, *interval))
        rows.append(_row(name, sides[0], REAL, sides[1], n))
    return rows


def _copy_rows(simulated: pd.DataFrame, real: pd.DataFrame) -> list[dict[str, object]]:
    """Return the shares of copies of a response's own exemplar and of any exemplar.

    A real response has no prompt, so that of a random simulated response takes its place.
    """
    kinds = {"copies of its own exemplar": "is_copy", "copies of any exemplar": "is_pool_copy"}
    rows = {"is_copy": simulated[simulated["run"].notna()], "is_pool_copy": simulated}
    return [
        _row(name, _share(rows[kind], kind), REAL, _share(real, kind), len(rows[kind]))
        for name, kind in kinds.items()
        if len(rows[kind])
    ]


def _controllability_row(control: Controllability) -> dict[str, object]:
    value = control.share, control.low, control.high
    chance = control.chance, control.chance_low, control.chance_high
    return _row("controllability", value, CHANCE, chance, control.n)


def _row(
    name: str,
    value: tuple[float, float, float],
    against: str,
    floor: tuple[float, float, float],
    n: int,
) -> dict[str, object]:
    ends = dict(zip(("value", "low", "high"), value, strict=True))
    floors = dict(zip(("floor", "floor_low", "floor_high"), floor, strict=True))
    return {"figure": name, **ends, "against": against, **floors, "n": n}


def _share(rows: pd.DataFrame, kind: str) -> tuple[float, float, float]:
    """Return the weighted share of true values with its interval."""
    weights = rows["weight"].to_numpy(dtype=np.float64)
    share = float(np.average(rows[kind], weights=weights))
    return (share, *share_interval(share, effective_sample_size(weights), level=LEVEL))


def _controllability(
    vectors: Vectors, codes: Indices, names: Sequence[str], weights: Vectors, random_state: int
) -> Controllability | None:
    try:
        return controllability(vectors, codes, names, weights=weights, random_state=random_state)
    except DataError:
        return None


def _personas(simulation: Simulation) -> tuple[Indices, list[str]]:
    """Return the persona of each response and the names; one persona for a baseline without."""
    if simulation.frame[PERSONA].isna().any():
        return np.zeros(len(simulation), dtype=np.intp), [simulation.name]
    return simulation.codes(), simulation.names


def _effects(
    simulation: Simulation,
    vectors: Vectors,
    control: Controllability | None,
    random_state: int,
) -> pd.DataFrame | None:
    """Return whether each persona moves the answers; None without several personas."""
    codes, names = _personas(simulation)
    if len(names) < 2:  # noqa: PLR2004
        return None
    strata = comparison_strata(simulation)
    effects = persona_effects(vectors, codes, names, strata, random_state=random_state)
    return with_controllability(effects, control)


def _check(n_texts: int, n_simulated: int, n_target: int, n_vectors: int) -> None:
    if n_texts != n_target or n_simulated != n_vectors:
        raise DataError(
            f"Need one vector per response, got {n_target} for {n_texts} real and {n_vectors} for "
            f"{n_simulated} simulated responses.",
            hint="Encode all responses.",
        )
    if min(n_texts, n_simulated) < MIN_RESPONSES:
        raise DataError(
            f"Need at least {MIN_RESPONSES} real and {MIN_RESPONSES} simulated responses, got "
            f"{n_texts} and {n_simulated}.",
            hint="Hold out more records, or simulate more responses.",
        )
