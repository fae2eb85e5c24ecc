"""One simulation against the real responses, ready for any persona weights: the panel's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import Encoder, OnStep
from jupyter_mop.engine.data.encoding import encode_groups, sample_rows
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics import alignment_table
from jupyter_mop.engine.metrics.threads import one_thread
from jupyter_mop.engine.metrics.vectors import Vectors
from jupyter_mop.engine.simulation.importance_weights import Codes
from jupyter_mop.engine.simulation.simulation import CONTEXT, PERSONA, Simulation
from jupyter_mop.engine.weighting.persona_statistics import MIN_TARGET, PersonaStatistics
from jupyter_mop.errors import DataError

MAX_POINTS = 50_000
N_FLOORS = 5
N_BOOT = 60
N_SPLITS = 5


@dataclass(frozen=True)
class Comparison:
    """A simulation and the real responses, measured persona by persona; see `compare`.

    Attributes
    ----------
    statistics : PersonaStatistics
        From which the figures of any persona weights follow.
    floors : dict of str to float
        The human floor of each figure: the same between halves of the real responses.
    points : pandas.DataFrame
        One row a shown response, the real ones first: x, y, source ("real" or "simulated"),
        persona, cluster, response, context, exemplar, prompt, and row (in its own set).
    thinned : tuple of int or None
        How many responses are shown and how many there are, where not all are.
    simulation : Simulation
    target_vectors, vectors : ndarray, shapes (N, d) and (m, d)
        Of twice as many real responses as the statistics use, and of the simulated ones.
    """

    statistics: PersonaStatistics
    floors: dict[str, float]
    points: pd.DataFrame
    thinned: tuple[int, int] | None
    simulation: Simulation
    target_vectors: Vectors
    vectors: Vectors

    def reweighted(self, weights: Sequence[float] | Vectors) -> Simulation:
        """Return the simulation with these persona weights, shape (K,)."""
        shares = self.statistics.checked(weights)
        return self.simulation.reweight(dict(zip(self.statistics.names, shares, strict=True)))

    def exact(self, weights: Sequence[float] | Vectors, *, random_state: int = 0) -> pd.DataFrame:
        """Return the figures in all dimensions with intervals and floors, which takes seconds.

        The frame is that of `alignment_table.align`, from fewer random halves.
        """
        simulation = self.reweighted(weights)
        return alignment_table.align(
            self.target_vectors,
            {simulation.name: self.vectors},
            weights={simulation.name: simulation.weights},
            n_boot=N_BOOT,
            n_splits=N_SPLITS,
            random_state=random_state,
        )


def compare(
    target: Population,
    simulation: Simulation,
    *,
    encoder: Encoder,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> Comparison:
    """Measure a simulation of the mixture against real responses, once for all persona weights.

    Parameters
    ----------
    target : Population
        Real responses that had no part in the fit; the floor needs twice as many as are compared.
    simulation : Simulation
        Of the mixture, so that each response has a persona.
    encoder : Encoder
        Text to unit vectors.
    random_state : int
        Seed of halves, clusters and pairs.
    on_step : callable, optional
        Called with (what, total) before each long step; returns what is called at each tick.

    Raises
    ------
    DataError
        For a simulation of no persona or of one only, or too few real responses.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> said = [f"sun {'rain ' * (i % 7)}{'wind ' * (i % 5)}" for i in range(80)]
    >>> df = pd.DataFrame({"topic": "weather", "said": said})
    >>> real = Population.from_frame(df, context="topic", response="said")
    >>> rows = {"context": "weather", "persona": ["a", "b"] * 20, "response": said[:40]}
    >>> made = Simulation(pd.DataFrame({**rows, "exemplar": None, "weight": 1.0}))
    >>> comparison = compare(real, made, encoder=ToyEncoder(["sun", "rain", "wind"]))
    >>> comparison.statistics.names
    ('a', 'b')
    """
    codes = simulation.codes()
    _check(target, simulation)
    order = np.random.default_rng(random_state).permutation(len(target))
    chosen = target.take(order[: 2 * len(simulation)])
    target_vectors, vectors = encode_groups(
        [chosen.responses, simulation.responses], encoder, on_step
    )
    with one_thread():
        return _measured(
            chosen,
            simulation,
            target_vectors,
            vectors,
            codes=codes,
            closed=_closed(target, simulation),
            random_state=random_state,
            on_step=on_step,
        )


def _check(target: Population, simulation: Simulation) -> None:
    if len(simulation.names) < 2:  # noqa: PLR2004
        raise DataError(
            f"The simulation {simulation.name!r} has one persona only: no weight can move.",
            hint="Describe at least two personas and simulate them.",
        )
    if len(target) < 2 * MIN_TARGET:
        raise DataError(
            f"At least {2 * MIN_TARGET} real responses are needed to compare with, half of them "
            f"for the human floor, and {len(target)} came.",
            hint="Hold out more records: %mop_population ... --held-out 0.5",
        )


def _measured(
    chosen: Population,
    simulation: Simulation,
    target_vectors: Vectors,
    vectors: Vectors,
    *,
    codes: Codes,
    closed: dict[str, Any],
    random_state: int,
    on_step: OnStep | None,
) -> Comparison:
    half = len(chosen) // 2
    statistics = PersonaStatistics.measure(
        target_vectors[:half],
        vectors,
        codes,
        simulation.names,
        target_texts=chosen.responses[:half],
        texts=simulation.responses,
        weights=simulation.weights,
        random_state=random_state,
        **closed,
    )
    statistics = _with_shares(statistics, simulation)
    tick = on_step("human floor", N_FLOORS) if on_step else None
    floors = _floors(target_vectors, chosen, closed, random_state, tick)
    points, thinned = _points(chosen.take(range(half)), simulation, statistics, random_state)
    places = alignment_table.project(target_vectors[:half], vectors)
    points = points.assign(x=places[points["place"], 0], y=places[points["place"], 1])
    return Comparison(
        statistics,
        floors,
        points.drop(columns="place"),
        thinned,
        simulation,
        target_vectors,
        vectors,
    )


def _closed(target: Population, simulation: Simulation) -> dict[str, Any]:
    """Return the options where both the real and the simulated responses are answers to them."""
    options, ordered = target.options, target.is_ordered
    facts = simulation.provenance
    if "shares" in facts:
        options, ordered = tuple(facts["shares"]), facts["ordered"]
    said = {*target.responses, *simulation.responses}
    known = said <= set(options) and ("shares" in facts or target.is_closed)
    return {"options": options if known else None, "ordered": ordered}


def _with_shares(statistics: PersonaStatistics, simulation: Simulation) -> PersonaStatistics:
    """Put the probabilities that answers were drawn with in the place of what was drawn."""
    shares = simulation.provenance.get("shares")
    if shares is None or statistics.answers is None:
        return statistics
    exact = shares.loc[list(statistics.names)].to_numpy()
    return replace(statistics, answers=replace(statistics.answers, personas=exact, exact=True))


def _floors(
    vectors: Vectors,
    real: Population,
    closed: dict[str, Any],
    random_state: int,
    tick: object,
) -> dict[str, float]:
    """Return each figure between random halves of the real responses, on average."""
    texts = real.responses
    rng, half = np.random.default_rng(random_state), len(texts) // 2
    found = []
    for split in range(N_FLOORS):
        order = rng.permutation(2 * half)
        first, second = order[:half], order[half:]
        between = PersonaStatistics.measure(
            vectors[first],
            vectors[second],
            np.zeros(half, dtype=np.intp),
            ["real"],
            target_texts=[texts[i] for i in first],
            texts=[texts[i] for i in second],
            random_state=random_state + split,
            **closed,
        )
        found.append(between.figures([1.0]))
        if callable(tick):
            tick(split, None)
    return {name: float(np.mean([figures[name] for figures in found])) for name in found[0]}


def _points(
    real: Population, simulation: Simulation, statistics: PersonaStatistics, random_state: int
) -> tuple[pd.DataFrame, tuple[int, int] | None]:
    """Return what is shown of each response, and how many of how many, if not all."""
    n = len(real)
    everyone = pd.DataFrame(
        {
            "source": ["real"] * n + ["simulated"] * len(simulation),
            "persona": [None] * n + list(simulation.frame[PERSONA]),
            "cluster": np.r_[statistics.target_labels, statistics.labels],
            "response": [*real.responses, *simulation.responses],
            "context": [*real.contexts, *simulation.frame[CONTEXT]],
            "row": np.r_[np.arange(n), np.arange(len(simulation))],
            "place": np.arange(n + len(simulation)),
        }
    )
    kept = np.sort(sample_rows(len(everyone), MAX_POINTS, random_state=random_state))
    shown = everyone.iloc[kept].reset_index(drop=True)
    drawn = shown["source"] == "simulated"
    sources = [_source(simulation, row) for row in shown.loc[drawn, "row"]]
    nothing = [(None, None)] * int((~drawn).sum())
    exemplars, prompts = zip(*nothing, *sources, strict=True)
    thinned = (len(kept), len(everyone)) if len(kept) < len(everyone) else None
    return shown.assign(exemplar=exemplars, prompt=prompts), thinned


def _source(simulation: Simulation, row: int) -> tuple[str | None, str | None]:
    """Return the exemplar of a draw and the prompt that it answers, as text."""
    shown = simulation.shown(row)
    prompt = "\n\n".join(f"{role}: {text}" for role, text in simulation.turns(row))
    return shown[-1][1] if shown else None, prompt
