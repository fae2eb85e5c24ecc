"""What is wrong with a simulation: variety, personas, copies, and what it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.evaluation.controllability import Controllability, controllability
from jupyter_mop.engine.evaluation.copying import COPIED, copies
from jupyter_mop.engine.evaluation.diversity import distinct_n, vendi_score
from jupyter_mop.engine.evaluation.missing_clusters import missing_clusters
from jupyter_mop.engine.metrics.half_sampling import PLAIN, Indices, centred_interval
from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.metrics.vectors import Vectors, checked_pair
from jupyter_mop.engine.simulation.simulation import EXEMPLAR, PERSONA, Simulation
from jupyter_mop.engine.weighting.persona_counts import sums
from jupyter_mop.engine.weighting.persona_statistics import MIN_TARGET, PersonaStatistics
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

N_HALVES = 60
LEVEL = 0.95
MIN_RESPONSES = 20
REAL, CHANCE = "real responses", "chance"


@dataclass(frozen=True)
class Diagnosis(Viewed):
    """Figures of one simulation and what stands behind them; see `diagnose`.

    Attributes
    ----------
    name : str
        Of the simulation.
    frame : pandas.DataFrame
        One row per figure: figure, value, low, high, against ("real responses" or "chance"),
        floor, floor_low, floor_high (the same of those) and n.
    controllability : Controllability or None
        Per persona, with the confusion matrix; None where there are not two personas to tell apart.
    copies : pandas.DataFrame
        One row per response; see `jupyter_mop.engine.evaluation.copying.copies`.
    copied : int
        From how many words in a row on a response counts as a copy.
    missing : pandas.DataFrame
        One row per cluster; see `jupyter_mop.engine.evaluation.missing_clusters.missing_clusters`.
    personas : tuple of str
        All personas in the study's order, which gives them their colours.
    """

    name: str
    frame: pd.DataFrame
    controllability: Controllability | None
    copies: pd.DataFrame
    copied: int
    missing: pd.DataFrame
    personas: tuple[str, ...] = ()

    @property
    def confusion(self) -> pd.DataFrame | None:
        """Of the responses of each persona the share nearest to each persona, (K, K)."""
        return None if self.controllability is None else self.controllability.confusion

    @property
    def notes(self) -> list[str]:
        """What is to be known about the figures, a sentence each."""
        told = [f"A copy shares {self.copied} words in a row with an exemplar; 95 % intervals."]
        lacking = int((self.missing["verdict"] == "missing").sum())
        told.append(f"{lacking} of {len(self.missing)} clusters of responses are clearly missing.")
        if self.controllability is None:
            told.append("There are no two personas with five responses each to tell apart.")
        elif self.controllability.left_out:
            left_out = ", ".join(self.controllability.left_out)
            told.append(f"Too few responses to tell of: {left_out}.")
        return told

    def __repr__(self) -> str:
        rows = [
            f"{row.figure}: {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]; "
            f"{row.against} {row.floor:.3f} [{row.floor_low:.3f}, {row.floor_high:.3f}]"
            for row in self.frame.itertuples()
        ]
        return "\n".join([f"Diagnosis({self.name!r})", *rows, *self.notes])


def diagnose(
    texts: Sequence[str],
    target: Vectors,
    simulation: Simulation,
    vectors: Vectors,
    *,
    copied: int = COPIED,
    random_state: int = 0,
) -> Diagnosis:
    """Look a simulation over: variety, controllability, copies, what is missing.

    Parameters
    ----------
    texts : sequence of str
        Real responses, held out from the fit.
    target : ndarray, shape (n, d)
        Their vectors.
    simulation : Simulation
        Importance weights count for the Vendi score and the clusters.
    vectors : ndarray, shape (m, d)
        The vectors of its responses.
    copied : int
        From how many words in a row, shared with an exemplar, a response counts as copied.
    random_state : int
        Seed of halves, folds, shuffles and clusters.

    Raises
    ------
    DataError
        For fewer than 20 responses on either side, or vectors that do not fit.

    Notes
    -----
    Variety grows or falls with the number of responses, so it is measured on as many real as
    simulated ones; its intervals come from random halves (`metrics.half_sampling`).

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> said = [f"sun {'rain ' * (i % 7)}{'wind ' * (i % 5)}" for i in range(60)]
    >>> rows = {"persona": ["a", "b"] * 30, "response": ["sun", "rain"] * 30, "weight": 1.0}
    >>> simulation = Simulation(pd.DataFrame({**rows, "context": "weather", "exemplar": None}))
    >>> encoder = ToyEncoder(["sun", "rain", "wind"])
    >>> vectors = encoder.encode(said), encoder.encode(simulation.responses)
    >>> found = diagnose(said, vectors[0], simulation, vectors[1])
    >>> found.frame.set_index("figure")["value"].round(2).to_dict()["controllability"]
    1.0
    """
    target, vectors = checked_pair(target, vectors, at_least=1)
    _check(len(texts), len(simulation), len(target), len(vectors))
    codes, names = _personas(simulation)
    rng = np.random.default_rng(random_state)
    n = min(len(target), len(vectors))
    real, made = (np.sort(rng.permutation(size)[:n]) for size in (len(target), len(vectors)))
    control = _controllability(vectors, codes, names, random_state)
    pool = [exemplar.response for exemplar in simulation.exemplars]
    found = copies(simulation.responses, pool, _shown(simulation), copied=copied)
    rows = _variety(
        ([texts[i] for i in real], target[real], None),
        ([simulation.responses[i] for i in made], vectors[made], simulation.weights[made]),
        rng,
    )
    if control:
        rows.append(_row_of(control))
    if pool:
        drawn = [int(j) for j in rng.integers(len(pool), size=len(texts))]
        rows += _copy_rows(found, copies(texts, pool, drawn, copied=copied))
    statistics = PersonaStatistics.measure(
        *(target, vectors, codes, names),
        target_texts=texts,
        texts=simulation.responses,
        weights=simulation.weights,
        random_state=random_state,
    )
    shares = sums(codes, simulation.weights, len(names))
    missing = missing_clusters(statistics, texts, target, weights=shares)
    return Diagnosis(
        *(simulation.name, pd.DataFrame(rows), control, found, copied, missing),
        personas=tuple(simulation.personas),
    )


Side = tuple[Sequence[str], Vectors, Vectors | None]


def _variety(real: Side, made: Side, rng: np.random.Generator) -> list[dict[str, object]]:
    """Return Vendi score and distinct-n of both sides, which have as many responses."""
    measures: dict[str, Callable[[Side, Indices], float]] = {
        "Vendi score": lambda side, rows: vendi_score(
            side[1][rows], weights=None if side[2] is None else side[2][rows]
        ),
        "distinct-1": lambda side, rows: distinct_n([side[0][i] for i in rows], 1),
        "distinct-2": lambda side, rows: distinct_n([side[0][i] for i in rows], 2),
    }
    n = len(real[0])
    halves = [rng.permutation(n)[: n // 2] for _ in range(N_HALVES)]
    found = []
    for name, measure in measures.items():
        ends = []
        for side in (made, real):
            value = measure(side, np.arange(n))
            replicates = [measure(side, half) for half in halves]
            ends.append((value, *centred_interval(value, [replicates], level=LEVEL, scale=PLAIN)))
        found.append(_row(name, ends[0], REAL, ends[1], n))
    return found


def _copy_rows(made: pd.DataFrame, real: pd.DataFrame) -> list[dict[str, object]]:
    """Return the shares of copies of the exemplar shown (people: one at random) and of any."""
    kinds = {"copies of its own exemplar": "is_copy", "copies of any exemplar": "is_pool_copy"}
    shown = {"is_copy": made[made["run"].notna()], "is_pool_copy": made}
    return [
        _row(name, _shares(shown[kind][kind]), REAL, _shares(real[kind]), len(shown[kind]))
        for name, kind in kinds.items()
        if len(shown[kind])
    ]


def _row_of(control: Controllability) -> dict[str, object]:
    value = control.share, control.low, control.high
    chance = control.chance, control.chance_low, control.chance_high
    return _row("controllability", value, CHANCE, chance, control.n)


def _row(
    figure: str,
    value: tuple[float, float, float],
    against: str,
    floor: tuple[float, float, float],
    n: int,
) -> dict[str, object]:
    ends = dict(zip(("value", "low", "high"), value, strict=True))
    floors = dict(zip(("floor", "floor_low", "floor_high"), floor, strict=True))
    return {"figure": figure, **ends, "against": against, **floors, "n": n}


def _shares(flags: pd.Series) -> tuple[float, float, float]:
    share = float(flags.mean())
    return (share, *share_interval(share, len(flags), level=LEVEL))


def _controllability(
    vectors: Vectors, codes: Indices, names: Sequence[str], random_state: int
) -> Controllability | None:
    try:
        return controllability(vectors, codes, names, random_state=random_state)
    except DataError:
        return None


def _personas(simulation: Simulation) -> tuple[Indices, list[str]]:
    """Return the persona of each response; all the same one for a baseline without."""
    if simulation.frame[PERSONA].isna().any():
        return np.zeros(len(simulation), dtype=np.intp), [simulation.name]
    return simulation.codes(), simulation.names


def _shown(simulation: Simulation) -> list[int | None]:
    return [None if pd.isna(j) else int(j) for j in simulation.frame[EXEMPLAR]]


def _check(n_texts: int, n_made: int, n_target: int, n_vectors: int) -> None:
    if n_texts != n_target or n_made != n_vectors:
        raise DataError(
            f"{n_target} and {n_vectors} vectors came for {n_texts} real and {n_made} responses.",
            hint="Pass one vector per response.",
        )
    least = max(MIN_RESPONSES, MIN_TARGET)
    if min(n_texts, n_made) < least:
        raise DataError(
            f"At least {least} real and {least} simulated responses are needed, not {n_texts} "
            f"and {n_made}.",
            hint="Hold out more records, or simulate more responses.",
        )
