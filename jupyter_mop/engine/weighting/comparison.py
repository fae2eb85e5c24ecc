"""Compare one simulation with the real responses at any persona weights, for the panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import Encoder, OnStep
from jupyter_mop.engine.data.encoding import encode_groups, sample_rows, shown_rows
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics import alignment_table
from jupyter_mop.engine.metrics.numerical_threads import one_thread
from jupyter_mop.engine.metrics.split_half import METRICS
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    effective_sample_size,
    project,
)
from jupyter_mop.engine.simulation.context_groups import PersonaCells
from jupyter_mop.engine.simulation.simulation import (
    CONTEXT,
    CONTEXT_SHARES,
    OPTION_TABLES,
    PERSONA,
    PERSONA_WEIGHTS,
    Simulation,
)
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import read_answers, without_missing
from jupyter_mop.engine.weighting.context_statistics import MAX_CONTEXTS
from jupyter_mop.engine.weighting.human_floor import N_FLOORS, HumanFloor, human_floor
from jupyter_mop.engine.weighting.joint_alignment import Contexts, Sides
from jupyter_mop.engine.weighting.persona_counts import ClosedQuestion
from jupyter_mop.engine.weighting.persona_statistics import MIN_TARGET, PersonaStatistics
from jupyter_mop.errors import DataError

MAX_POINTS = 50_000
N_BOOT = 30
N_SPLITS = 5


@dataclass(frozen=True, eq=False)
class Measured:
    """Real and simulated responses, of which any rows can be measured persona by persona.

    Attributes
    ----------
    target : WeightedVectors
        Vectors and survey weights of the real responses.
    target_texts : list of str
        The real responses.
    simulation : Simulation
        The simulated responses.
    vectors : ndarray, shape (m, d)
        Their vectors.
    codes : ndarray of int, shape (m,)
        The persona of each.
    question : ClosedQuestion or None
        The closed question that they answer.
    contexts : Contexts
        The contexts of all responses in groups, where they recur.
    """

    target: WeightedVectors
    target_texts: list[str]
    simulation: Simulation
    vectors: Vectors
    codes: Indices
    question: ClosedQuestion | None = None
    contexts: Contexts = field(default_factory=Contexts)

    def statistics(
        self, real: Indices, drawn: Indices, *, random_state: int = 0
    ) -> PersonaStatistics:
        """Return the statistics of these rows of the real and of the simulated responses."""
        facts = {"personas": dict.fromkeys(self.simulation.names, ""), **self.simulation.provenance}
        frame = self.simulation.frame.iloc[drawn]
        simulation = replace(self.simulation, frame=frame, provenance=facts)
        vectors = WeightedVectors(self.vectors[drawn], simulation.weights)
        sides, codes = Sides(self.target.take(real), {"": vectors}), self.codes[drawn]
        draws = simulation.grouped_draws()
        statistics = PersonaStatistics.measure(
            sides.target,
            vectors,
            codes,
            self.simulation.names,
            target_texts=[self.target_texts[i] for i in real],
            texts=simulation.responses,
            question=self.question,
            draws=draws,
            random_state=random_state,
        )
        statistics = _with_exact_shares(statistics, simulation)
        if self.contexts.codes is None:
            return statistics
        (labels,) = self.contexts.codes.simulated.values()
        between = self.contexts.between(self.contexts.codes.target[real], labels[drawn])
        return statistics.with_contexts(sides, between, codes, draws=draws)


@dataclass(frozen=True)
class Comparison:
    """A simulation and the real responses, measured persona by persona; see `compare`.

    Attributes
    ----------
    statistics : PersonaStatistics
        Statistics that give the metrics at any persona weights.
    floor : HumanFloor
        The human floor of each metric at any effective number of simulated responses.
    points : pandas.DataFrame
        One row per response on the map, the real ones first: x, y, source ("real" or "simulated"),
        persona, cluster, response, context, exemplar, prompt, and row (in its own set). Of real
        responses with survey weights, a sample drawn by them.
    thinned : tuple of int or None
        The number of responses on the map and of all responses, where the map has not all.
    measured : Measured
        The responses that were measured, twice as many real ones as the statistics use.
    """

    statistics: PersonaStatistics
    floor: HumanFloor
    points: pd.DataFrame
    thinned: tuple[int, int] | None
    measured: Measured

    @property
    def simulation(self) -> Simulation:
        """The simulation that is compared."""
        return self.measured.simulation

    @property
    def target(self) -> WeightedVectors:
        """Vectors and survey weights of the real responses."""
        return self.measured.target

    @property
    def contexts(self) -> Contexts:
        """The contexts of the responses in groups, where they recur."""
        return self.measured.contexts

    @property
    def floors(self) -> dict[str, float]:
        """The human floor of each metric at the simulation's own weights; see `floors_at`."""
        return self.floor.at(effective_sample_size(self.simulation.weights))

    def floors_at(self, weights: Sequence[float] | Vectors) -> dict[str, float]:
        """Return the human floor of each metric at these persona weights, shape (K,).

        It is what people would score against people, with as many responses on each side as
        these weights leave.
        """
        return self.floor.at(self.statistics.effective_sample_size(weights))

    def reweighted(self, weights: Sequence[float] | Vectors) -> Simulation:
        """Return the simulation with these persona weights, shape (K,)."""
        shares = self.statistics.checked(weights)
        return self.simulation.reweight(dict(zip(self.statistics.names, shares, strict=True)))

    def exact(self, weights: Sequence[float] | Vectors, *, random_state: int = 0) -> pd.DataFrame:
        """Return the alignment table at these persona weights, which takes seconds.

        Metrics are computed in all dimensions, with intervals and floors as in
        `alignment_table.align`, but from fewer random halves.
        """
        simulation = self.reweighted(weights)
        vectors = WeightedVectors(self.measured.vectors, simulation.weights)
        sides = Sides(self.target, {"": vectors})
        measured = [
            (METRICS, sides),
            *(((metric,), joint) for metric, joint in self.contexts.joined(sides)),
        ]
        frames = [
            alignment_table.align(
                of.target,
                {simulation.name: of.simulated[""]},
                metrics=metrics,
                n_boot=N_BOOT,
                n_splits=N_SPLITS,
                random_state=random_state,
            )
            for metrics, of in measured
        ]
        return pd.concat(frames, ignore_index=True)


def compare(
    target: Population,
    simulation: Simulation,
    *,
    encoder: Encoder,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> Comparison:
    """Compare a simulation of the mixture with real responses, once for all persona weights.

    Parameters
    ----------
    target : Population
        Held-out real responses; their survey weights count. Half of them are compared; the floor
        needs both halves.
    simulation : Simulation
        A simulation of the mixture, so that each response has a persona.
    encoder : Encoder
        Encodes texts as unit vectors.
    random_state : int
        Seed of halves, clusters and pairs.
    on_step : callable, optional
        Called with (label, total) before each long step; returns a callback for each item.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        For a simulation without personas or with only one, or too few real responses.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> texts = [f"sun {'rain ' * (i % 7)}{'wind ' * (i % 5)}" for i in range(80)]
    >>> df = pd.DataFrame({"topic": "weather", "text": texts})
    >>> real = Population.from_frame(df, context="topic", response="text")
    >>> rows = {"context": "weather", "persona": ["a", "b"] * 20, "response": texts[:40]}
    >>> simulation = Simulation(pd.DataFrame({**rows, "exemplar": None, "weight": 1.0}))
    >>> comparison = compare(real, simulation, encoder=ToyEncoder(["sun", "rain", "wind"]))
    >>> comparison.statistics.names
    ('a', 'b')
    """
    codes, target = simulation.codes(), _read_target(target, simulation).counted()
    _check(target, simulation)
    order = np.random.default_rng(random_state).permutation(len(target))
    half = round(len(simulation) * len(target) / target.effective_size)
    chosen = target.take(order[: 2 * half])
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
            question=_question(target, simulation),
            contexts=_contexts(chosen, simulation),
            random_state=random_state,
            on_step=on_step,
        )


def _read_target(target: Population, simulation: Simulation) -> Population:
    """Return the real answers to the simulation's closed question, written as its options.

    Answers that were set aside when it was asked are left out. Answers to something else stay.
    """
    facts = simulation.provenance.get("question")
    if facts is None:
        return target
    question = Question.of(facts)
    separator = question.separator if question.kind == "multiple" else None
    names = simulation.provenance.get("set_aside", ())
    answered, _ = without_missing(target, list(names), separator=separator)
    return read_answers(answered, question) or target


def _check(target: Population, simulation: Simulation) -> None:
    if len(simulation.names) < 2:  # noqa: PLR2004
        raise DataError(
            f"The simulation {simulation.name!r} has only one persona, so no weight can move.",
            hint="Describe at least two personas and simulate them.",
        )
    if len(target) < 2 * MIN_TARGET:
        raise DataError(
            f"Need at least {2 * MIN_TARGET} real responses to compare with, half of them for the "
            f"human floor, got {len(target)}.",
            hint="Hold out more records: %mop_population ... --held-out 0.5",
        )


def _measured(
    chosen: Population,
    simulation: Simulation,
    target_vectors: Vectors,
    vectors: Vectors,
    *,
    codes: Indices,
    question: ClosedQuestion | None,
    contexts: Contexts,
    random_state: int,
    on_step: OnStep | None,
) -> Comparison:
    half = len(chosen) // 2
    real = chosen.weighted(target_vectors)
    measured = Measured(real, chosen.responses, simulation, vectors, codes, question, contexts)
    statistics = measured.statistics(
        np.arange(half), np.arange(len(simulation)), random_state=random_state
    )
    tick = on_step("human floor", N_FLOORS) if on_step else None
    floor = human_floor(
        real,
        chosen.responses,
        question=question,
        contexts=contexts,
        random_state=random_state,
        on_split=(lambda split: tick(split, None)) if tick else None,
    )
    if statistics.option_shares and statistics.option_shares.exact:
        floor = floor.against_exact(frozenset({"JS", "TV", "W1"}))
    points, thinned = _points(
        chosen.take(range(half)),
        simulation,
        statistics,
        shown_rows(real.take(np.arange(half)), random_state=random_state),
        random_state,
    )
    x, y = project(real.take(np.arange(half)), vectors)[points["place"]].T
    points = points.assign(x=x, y=y)
    return Comparison(
        statistics,
        floor,
        points.drop(columns="place"),
        thinned,
        measured,
    )


def _contexts(chosen: Population, simulation: Simulation) -> Contexts:
    """Return the contexts in at most 12 groups; none where there is only one, or free text."""
    if CONTEXT not in simulation.frame or len(set(chosen.context_labels)) == 1:
        return Contexts()
    rows, sides = np.arange(len(chosen), dtype=np.intp), {simulation.name: simulation}
    weights: dict[str | None, Vectors | None] = {None: chosen.weights if chosen.weight else None}
    return Contexts.of(chosen, rows, sides, weights=weights).in_groups(MAX_CONTEXTS)


def _question(target: Population, simulation: Simulation) -> ClosedQuestion | None:
    """Return the closed question that both real and simulated responses answer, if any."""
    options, ordered = target.options, target.is_ordered
    facts = simulation.provenance
    if "shares" in facts:
        options, ordered = tuple(facts["shares"]), facts["ordered"]
    responses = {*target.responses, *simulation.responses}
    closed = responses <= set(options) and ("shares" in facts or target.is_closed)
    return ClosedQuestion(tuple(options), ordered) if closed else None


def _with_exact_shares(statistics: PersonaStatistics, simulation: Simulation) -> PersonaStatistics:
    """Replace counted shares by the probabilities that the answers were drawn with, if known."""
    table, counted = simulation.provenance.get("shares"), statistics.option_shares
    if table is None or counted is None:
        return statistics
    exact = table.loc[list(statistics.names)].to_numpy()
    if statistics.cells.is_contextual:
        exact = _shares_by_cell(statistics.cells, simulation)
    return replace(statistics, option_shares=replace(counted, personas=exact, exact=True))


def _shares_by_cell(cells: PersonaCells, simulation: Simulation) -> Vectors:
    """Return the option probabilities of each (group, persona) cell, shape (N, A)."""
    facts, labels = simulation.provenance, simulation.grouped_draws().labels
    group = dict(zip(simulation.frame[CONTEXT], labels, strict=True))
    contexts = [context for context in facts[OPTION_TABLES] if context in group]
    tables, shares = (
        np.array([facts[key][context] for context in contexts])
        for key in (OPTION_TABLES, CONTEXT_SHARES)
    )
    joint = shares[:, None] * np.array([facts[PERSONA_WEIGHTS][context] for context in contexts])
    member = np.array([group[context] for context in contexts])[:, None] == cells.group
    weight = member * joint[:, cells.persona]
    return np.asarray(
        np.einsum("cn,cna->na", weight, tables[:, cells.persona]) / weight.sum(0)[:, None]
    )


def _points(
    real: Population,
    simulation: Simulation,
    statistics: PersonaStatistics,
    shown: Indices,
    random_state: int,
) -> tuple[pd.DataFrame, tuple[int, int] | None]:
    """Return the responses on the map, and how many of how many if not all."""
    n = len(real)
    everyone = pd.DataFrame(
        {
            "source": ["real"] * n + ["simulated"] * len(simulation),
            "persona": [None] * n + list(simulation.frame[PERSONA]),
            "cluster": np.r_[statistics.target_labels, statistics.labels],
            "response": [*real.responses, *simulation.responses],
            "context": [*real.context_labels, *simulation.frame[CONTEXT]],
            "row": np.r_[np.arange(n), np.arange(len(simulation))],
            "place": np.arange(n + len(simulation)),
        }
    )
    dots = everyone.take(np.r_[shown, np.arange(n, len(everyone))])
    rows = np.sort(sample_rows(len(dots), MAX_POINTS, random_state=random_state))
    points = dots.iloc[rows].reset_index(drop=True)
    simulated = points["source"] == "simulated"
    sources = [_source(simulation, row) for row in points.loc[simulated, "row"]]
    unknown = [(None, None)] * int((~simulated).sum())
    exemplars, prompts = zip(*unknown, *sources, strict=True)
    thinned = (len(rows), len(everyone)) if len(rows) < len(everyone) else None
    return points.assign(exemplar=exemplars, prompt=prompts), thinned


def _source(simulation: Simulation, row: int) -> tuple[str | None, str | None]:
    """Return the exemplar and the prompt of a response, as text."""
    exemplars = simulation.exemplars_in_prompt(row)
    prompt = "\n\n".join(f"{role}: {text}" for role, text in simulation.turns(row))
    return exemplars[-1][1] if exemplars else None, prompt
