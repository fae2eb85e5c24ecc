"""The answer of a population to a closed question, and its distance from real answers."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.vectors import (
    MAX_WEIGHT,
    design_warning,
    effective_sample_size,
)
from jupyter_mop.engine.simulation.simulation import (
    COLUMN,
    COLUMNS,
    CONTEXT_SHARES,
    CONTEXT_TEXTS,
    OPTION_TABLES,
    PERSONA_WEIGHTS,
    Simulation,
)
from jupyter_mop.engine.survey.answer_distances import distance_intervals, distances
from jupyter_mop.engine.survey.elicitation.methods import METHODS
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable
from jupyter_mop.engine.survey.multiple_choice import draw_sets
from jupyter_mop.engine.survey.question import Group, Question
from jupyter_mop.engine.survey.subgroups import EVERYONE, Subgroups
from jupyter_mop.errors import DataError, ModelError
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
NO_PERSONA = "no persona"
MIN_ANSWERS = 5.0  # effective real answers for an interval
MIN_UNMATCHED = 0.005  # share of replies from which examples are shown


@dataclass(frozen=True)
class Calibration:
    """How an answer was calibrated on real answers, and what it is worth.

    Attributes
    ----------
    comparison : pandas.DataFrame
        The calibrated answer, the same without the language model, training shares overall and by
        cell, regression, plain prompting and the personas as they were, judged by held-out people;
        see `jupyter_mop.engine.survey.calibrated.comparison.compare`.
    added : str
        What the language model adds to the real answers, in one sentence.
    shares : mapping of str to ndarray, shape (C, A)
        The shares of the options in each context, by the name of each of these answers.
    slope : float
        The mean slope beta of the model's log-probabilities, in units of their standard deviation.
    model_share : float
        The share of the averaged mixtures that use the language model; .2 before any answer.
    is_cross_fitted : bool
        Whether the people to learn from judge, each by what was learned from the other folds.
    n : int
        Real answers that it was learned from, those of exemplars included.
    """

    comparison: pd.DataFrame
    added: str
    shares: Mapping[str, Array]
    slope: float
    model_share: float
    is_cross_fitted: bool
    n: int


@dataclass(frozen=True)
class PopulationAnswer(Viewed):
    r"""The answer of a population: sum_k pi_k(x) P(option | g_k, x), averaged over contexts x.

    Create one with `jupyter_mop.engine.survey.asking.ask` or `Study.ask`.

    Attributes
    ----------
    question : Question
    name : str
        Name of the answer in a study.
    personas : tuple of str
        K names; ("no persona",) for a question without personas.
    contexts : pandas.DataFrame
        The C distinct contexts, one column per context column of the population.
    sizes : numpy.ndarray, shape (C,)
        Share of the population in each context; the shares sum to 1.
    weights : numpy.ndarray, shape (C, K)
        Persona weights pi_k(x) in each context. A persona without an answer has weight 0, and the
        others share its weight; they are all 0 where no persona answered.
    table : OptionTable
        The option probabilities under each persona in each context, and their method.
    weights_label : str
        Label of the weights, such as "learned".
    real : Population or None
        Real answers for comparison.
    report : pandas.DataFrame or None
        Likelihoods of held-out answers, if the weights were learned; the comparison of the
        calibration, if there is one. None after other weights were set.
    cost : mapping or None
        Cost of asking: calls, cache hits, tokens and US dollars.
    set_aside : mapping of str to int
        Number of real answers that were set aside, by name.
    not_real : str
        Why there are no real answers to compare with, if the population has no column of the
        question or only a few of its responses are options; else empty.
    calibration : Calibration or None
        How the option probabilities were calibrated on real answers; None: they are the model's.
    column : str or None
        The population's column of real answers, or the one that it would be, for a question of
        several; None: the population's responses.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.survey.asking import ask
    >>> frame = pd.DataFrame({"age": ["young", "old"], "drink": ["tea", "milk"]})
    >>> population = Population.from_frame(frame, context="age", response="drink")
    >>> answer = ask(Question("What will you drink?", ["tea", "milk"]), population,
    ...              "a [0.8]: Tea!\nb [0.2]: Milk!", ToyBackend(["tea", "milk"]))
    >>> answer.shares().round(3).tolist()
    [0.728, 0.272]
    """

    question: Question
    name: str
    personas: tuple[str, ...]
    contexts: pd.DataFrame
    sizes: Array
    weights: Array
    table: OptionTable
    weights_label: str = "uniform"
    real: Population | None = None
    report: pd.DataFrame | None = None
    cost: Mapping[str, Any] | None = None
    set_aside: Mapping[str, int] = field(default_factory=dict)
    not_real: str = ""
    calibration: Calibration | None = None
    column: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The `A` options."""
        return tuple(self.question.options)

    @property
    def is_plain(self) -> bool:
        """Whether the question was asked without personas."""
        return self.personas == (NO_PERSONA,)

    @property
    def method(self) -> str:
        """The method of the probabilities, such as "scored"; see `OptionTable`."""
        return self.table.method

    @property
    def n(self) -> int:
        """The number of scored options, first tokens or replies."""
        return self.table.n_asked

    @property
    def by_context(self) -> Array:
        """The share of each option in each context, shape (C, A)."""
        return np.asarray(np.einsum("ck,cka->ca", self.weights, self.table.probabilities))

    @property
    def by_persona(self) -> Array:
        """Each persona's answer, averaged over the contexts of the population, shape (K, A).

        The mean is over the contexts in which the persona answered; NaN if there is none.
        """
        masses = self.sizes[:, None] * self._answered
        shares = np.einsum("ck,cka->ka", masses, self.table.probabilities)
        total = masses.sum(0)[:, None]
        return np.asarray(
            np.divide(shares, total, out=np.full_like(shares, np.nan), where=total > 0)
        )

    @property
    def by_draw(self) -> Array:
        """Each persona's answer, averaged over the contexts by its weight in them, shape (K, A).

        `persona_weights @ by_draw` equals `shares()`. Other marginal persona weights leave
        `by_draw` unchanged.
        """
        joint = self._context_shares[:, None] * self.weights
        shares = np.einsum("ck,cka->ka", joint, self.table.probabilities)
        total = joint.sum(0)[:, None]
        return np.asarray(np.divide(shares, total, out=self.by_persona, where=total > 0))

    @property
    def persona_weights(self) -> Array:
        """The weight of each persona in the whole population, shape (K,)."""
        return np.asarray(self._context_shares @ self.weights)

    @property
    def _answered(self) -> NDArray[np.bool_]:
        """Whether each persona answered in each context, shape (C, K)."""
        if self.table.answered is None:
            return np.ones(self.weights.shape, dtype=bool)
        return self.table.answered

    @property
    def _has_answered(self) -> NDArray[np.bool_]:
        """Whether each persona answered in any context, shape (K,)."""
        return np.asarray(self._answered.any(axis=0))

    @property
    def _context_shares(self) -> Array:
        """The share of the population in each context in which a persona answered, shape (C,)."""
        sizes = np.where(self.weights.sum(1) > 0, self.sizes, 0.0)
        return np.asarray(sizes / sizes.sum())

    @cached_property
    def subgroups(self) -> Subgroups:
        """The subgroups of the population."""
        return Subgroups(self.contexts)

    def shares(self, group: Group | str = EVERYONE) -> Array:
        """Return the share of each option in the population or a subgroup, shape (A,).

        Parameters
        ----------
        group : tuple of str, or str
            A context column and a value of it. A text such as "everyone", a value or the text of a
            whole context will do if only one subgroup has it.

        Raises
        ------
        DataError
            For an unknown subgroup, a text that several subgroups have, or a subgroup in which
            everyone has a survey weight of zero.
        ModelError
            If no persona answered in any context of the subgroup.
        """
        found = self.subgroups.find(group)
        if not self._size(found):
            raise DataError(
                f"Everyone in {group!r} has a survey weight of zero.",
                hint="Correct the weights, or choose another subgroup.",
            )
        members = self.subgroups.members(found)
        sizes = np.where(members, self._context_shares, 0.0)
        if not sizes.sum():
            raise ModelError(
                f"No persona answered in the contexts of {group!r}.",
                hint="Ask with other options, or another model.",
            )
        return np.asarray(sizes @ self.by_context / sizes.sum())

    def target(self, group: Group | str = EVERYONE) -> Array | None:
        """Return the known shares of a subgroup, shape (A,), or None if they are unknown.

        These are the question's targets, or else the shares of real answers.
        """
        found = self.subgroups.find(group)
        if found in self._targets:
            return self._targets[found]
        if self.real is None:
            return None
        selected, weights = self._real_answers(found)
        return np.average(selected, axis=0, weights=weights) if weights.sum() else None

    def groups(self, by: str | None = None) -> list[Group]:
        """Return everyone and the subgroups by a context column, or by "context" whole contexts.

        Each is a pair of column and value; everyone is ("", "everyone"). Subgroups in which
        everyone has a survey weight of zero are left out.
        """
        return [group for group in self.subgroups.by(by) if self._size(group) > 0]

    def _size(self, group: Group) -> float:
        return float(self.sizes[self.subgroups.members(group)].sum())

    @property
    def frame(self) -> pd.DataFrame:
        """column, group, option, share and target for everyone and each context."""
        return self.by(self.subgroups.whole)

    def by(self, column: str | None = None) -> pd.DataFrame:
        """Return the shares of everyone and of each subgroup by a column.

        Returns
        -------
        pandas.DataFrame
            column and group (the value of the column; everyone has no column), option, share and
            target (NaN if unknown).
        """
        parts = []
        for group in self.groups(column):
            target = self.target(group)
            parts.append(
                pd.DataFrame(
                    {
                        "column": group[0],
                        "group": group[1],
                        "option": self.options,
                        "share": self.shares(group),
                        "target": np.nan if target is None else target,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def distances(self, by: str | None = None, *, random_state: int = 0) -> pd.DataFrame:
        """Return the distances from the known answer, for everyone and each subgroup.

        Parameters
        ----------
        by : str, optional
            A context column, or "context".
        random_state : int
            Seed of the bootstrap.

        Returns
        -------
        pandas.DataFrame
            answer (its name), column and group, n (real answers), ess (their effective sample
            size under the survey weights), figure (the metric: "JS" in nats, "TV", and for a scale
            "W1" in steps), value, low and high (95 % bootstrap interval over real answers), floor
            (the mean distance of a simulation without error, from a sample of as many real
            answers) and floor_high (exceeded by 2.5 % of such distances). Interval and floor are
            NaN below five effective real answers: resampled, a few people look certain. For a
            multiple-choice question, the distances are means over the options, each as a yes-no
            question.

        Raises
        ------
        DataError
            If no answer is known.

        Warns
        -----
        UserWarning
            Where survey weights leave an effective sample size below half the real answers.
        """
        rows = [
            row
            for group in self.groups(by)
            if self.target(group) is not None
            for row in self._measured(group, random_state)
        ]
        if not rows:
            raise DataError(
                "There is no known answer to compare with: no targets and no real answers.",
                hint="Set targets of the question, or use a population whose responses are its "
                "options.",
            )
        self._warn_of_weights()
        return pd.DataFrame(rows)

    def _warn_of_weights(self) -> None:
        fault = self.real and design_warning(self.real.weights, "the real answers")
        if fault:
            warnings.warn(fault, UserWarning, stacklevel=3)

    def reweighted(
        self, weights: Array | Sequence[float], *, weights_label: str = "given"
    ) -> PopulationAnswer:
        """Return the answer under other persona weights, with no model call.

        Parameters
        ----------
        weights : array-like, shape (K,) or (C, K)
            Weights of zero or more; they are normalised.
        weights_label : str
            Label of the weights.

        Raises
        ------
        DataError
            For another shape, or negative or missing weights.
        """
        values = np.asarray(weights, dtype=np.float64)
        is_valid = ((values >= 0) & (values <= MAX_WEIGHT)).all() and values.sum(-1).all()
        if values.shape not in ((len(self.personas),), self.weights.shape) or not is_valid:
            raise DataError(
                f"`weights` must be {len(self.personas)} weights of zero or more, one per persona.",
                hint="Use weights such as [0.4, 0.6].",
            )
        shares = values / values.sum(-1, keepdims=True)
        given = np.broadcast_to(shares, self.weights.shape) * self._answered
        total = given.sum(1, keepdims=True)
        if not total.any():
            raise ModelError(
                "No persona with weight gave an answer that names an option.",
                hint="Use other weights, other options or another model.",
            )
        by_context = np.divide(given, total, out=np.zeros_like(given), where=total > 0)
        return replace(self, weights=by_context, weights_label=weights_label, report=None)

    def with_report(self, report: pd.DataFrame) -> PopulationAnswer:
        """Return the answer with the report of the fit of its weights."""
        return replace(self, report=report)

    def draw(self, n: int = 300, *, random_state: int = 0) -> Simulation:
        """Draw `n` answers as a simulation, with no model call: context, persona, then option.

        The same seed draws the same respondents for every question, and separate random numbers
        for their answers. The provenance contains the option probabilities of each persona, for
        the panel.
        """
        if n < 1:
            raise DataError(f"`n` must be at least 1, got {n}.", hint="Leave it out for 300.")
        rng = np.random.default_rng(random_state)
        context = rng.choice(len(self.sizes), n, p=self._context_shares)
        uniform = rng.random((n, 1))
        persona = (
            (self.weights[context].cumsum(1) < uniform).sum(1).clip(max=len(self.personas) - 1)
        )
        labels, plain = self.context_texts, self.is_plain
        rows = {
            "context": [labels[c] for c in context],
            "persona": [None if plain else self.personas[k] for k in persona],
            "exemplar": None,
            "response": self._draw_answers(
                self.table.probabilities[context, persona], random_state
            ),
            "log_prob": np.log(self.weights[context, persona]),
            "weight": 1.0,
            "seed": random_state,
            "draw": np.arange(n),
        }
        return Simulation(pd.DataFrame(rows)[list(COLUMNS)], (), self._facts())

    def _draw_answers(self, probabilities: Array, random_state: int) -> list[str]:
        """Draw an answer of each respondent, given (n, A), from a stream of this question's own."""
        asked = json.dumps([self.question.text, list(self.options), self.question.kind])
        stream = int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8])
        rng = np.random.default_rng([random_state, stream])
        if self.question.kind == "multiple":
            sets = draw_sets(probabilities, self.question.exclusive_index, rng)
            return [self.question.answer_text(chosen) for chosen in sets]
        cumulative = probabilities.cumsum(1)
        points = rng.random((len(probabilities), 1)) * cumulative[:, -1:]
        return [self.options[a] for a in (cumulative <= points).sum(1)]

    def _facts(self) -> dict[str, Any]:
        """Return the provenance of drawn answers."""
        template = self.question.template()
        records = [{str(k): v for k, v in r.items()} for r in self.contexts.to_dict("records")]
        texts = dict(zip(self.context_texts, self.subgroups.texts, strict=True))
        pairs = zip(self.context_texts, records, strict=True)
        answered = self._has_answered
        names = [name for name, did in zip(self.personas, answered, strict=True) if did]
        facts: dict[str, Any] = {
            "name": self.name,
            "weights": self.weights_label,
            "personas": {} if self.is_plain else dict.fromkeys(names, ""),
            "questions": {text: template.question(record) for text, record in pairs},
            "question": self.question.facts(),
        }
        if any(label != text for label, text in texts.items()):
            facts[CONTEXT_TEXTS] = texts
        if self.column is not None:
            facts[COLUMN] = self.column
        if self.set_aside:
            facts["set_aside"] = dict(self.set_aside)
        if not self.is_plain and self.question.kind != "multiple":
            facts["shares"] = pd.DataFrame(self.by_draw[answered], names, list(self.options))
            facts["ordered"] = self.question.is_ordered and not self.question.last
            facts[OPTION_TABLES] = self._by_context(self.table.probabilities[:, answered])
            facts[CONTEXT_SHARES] = self._by_context(self._context_shares)
        if not self.is_plain:
            facts[PERSONA_WEIGHTS] = self._by_context(self.weights[:, answered])
        if self.cost is not None:
            facts["cost"] = self.cost
        return facts

    def _by_context(self, values: Array) -> dict[str, Any]:
        return dict(zip(self.context_texts, values.tolist(), strict=True))

    def __repr__(self) -> str:
        pairs = zip(self.options, self.shares(), strict=True)
        shares = ", ".join(f"{option} {share:.1%}" for option, share in pairs)
        first = f"PopulationAnswer({self.name!r}: {shares}; {self.description})"
        return "\n".join([first, *self.remarks])

    @property
    def description(self) -> str:
        """The calibration, the weights and the method in words."""
        parts = ["calibrated" if self.calibration else "uncalibrated"]
        method = METHODS[self.method]
        parts += [f"weights: {self.weights_label}", f"{self.n:,} {method.unit}"]
        if method.read:
            parts.append(method.read.format(self.table.matched))
        return ", ".join(parts)

    @property
    def remarks(self) -> list[str]:
        """What the model adds to the real answers, if that was learned, and the notes."""
        if self.calibration is None or self.report is None:
            return self.notes
        return [self.calibration.added, *self.notes]

    @property
    def notes(self) -> list[str]:
        """What was left out, with numbers: unmatched replies, personas, real answers, targets."""
        found = [self._unmatched_note(), *self._left_out_notes(), self.not_real]
        if self.set_aside:
            counts = ", ".join(f"{name} {count}" for name, count in self.set_aside.items())
            found.append(f"{sum(self.set_aside.values())} real answers are set aside: {counts}.")
        unused = [str(group) for group, known in self._target_groups.items() if known is None]
        if unused:
            found.append(f"Targets of unknown subgroups are not used: {', '.join(unused)}.")
        return [note for note in found if note]

    def _unmatched_note(self) -> str:
        if not self.table.unmatched or 1 - self.table.matched < MIN_UNMATCHED:
            return ""
        said = ", ".join(map(repr, self.table.unmatched))
        unread = METHODS[self.method].unread
        return f"{1 - self.table.matched:.1%} {unread} and do not count, such as {said}."

    def _left_out_notes(self) -> list[str]:
        """Return who never answered, and how many other answers of personas are missing."""
        never = [name for name, did in zip(self.personas, self._has_answered, strict=True)
                 if not did]  # fmt: skip
        n_missing = int((~self._answered).sum()) - len(never) * len(self.sizes)
        found = []
        if never:
            found.append(
                f"{', '.join(never)} never named an option and is left out; the others share its "
                "weight."
            )
        if n_missing:
            found.append(
                f"In {n_missing} of {self._answered.size} pairs of context and persona no option "
                "was named; the other personas of the context share the weight."
            )
        empty = self.sizes[self.weights.sum(1) == 0].sum()
        if empty:
            found.append(f"{empty:.1%} of the population is left out: no persona answered there.")
        return found

    @property
    def context_texts(self) -> list[str]:
        """A text for each context that no other context has, length C."""
        return self.subgroups.labels

    @cached_property
    def _target_groups(self) -> dict[str | Group, Group | None]:
        """The subgroup of each key of the question's targets, or None for an unknown one."""
        found: dict[str | Group, Group | None] = {}
        for key in self.question.targets or {}:
            is_known = isinstance(key, tuple) or bool(self.subgroups.meant(key))
            try:
                found[key] = self.subgroups.find(key) if is_known else None
            except DataError:
                if not isinstance(key, tuple):
                    raise  # several subgroups
                found[key] = None
        return found

    @cached_property
    def _targets(self) -> dict[Group, Array]:
        """The known shares that the question states, by subgroup."""
        pairs = ((group, self.question.target(key)) for key, group in self._target_groups.items())
        return {group: shares for group, shares in pairs if group and shares is not None}

    def _real_answers(self, group: Group) -> tuple[NDArray[np.bool_], Array]:
        """Return the selected options of real people in a subgroup, (n, A), and their weights."""
        assert self.real is not None  # noqa: S101  checked by the caller
        members = self.subgroups.members(group)
        inside = {key for key, is_in in zip(self.subgroups.keys, members, strict=True) if is_in}
        rows = [i for i, key in enumerate(self.real.context_keys) if key in inside]
        responses = self.real.responses
        found = {text: self.question.selected_options(text) for text in set(responses)}
        selected = np.array([found[responses[i]] for i in rows], dtype=bool)
        return selected.reshape(-1, len(self.options)), self.real.weights[rows]

    def _n_replies(self, group: Group) -> float:
        """Return the effective number of sampled replies behind a subgroup's shares."""
        if not METHODS[self.method].is_counted:
            return np.inf
        n_cells = self.weights.size * (len(self.options) if self.question.kind == "multiple" else 1)
        sizes = np.where(self.subgroups.members(group), self.sizes, 0.0)
        shares = (sizes[:, None] * self.weights) / sizes.sum()
        return float(self.n * self.table.matched / n_cells / np.sum(shares**2))

    @cached_property
    def _known_distances(self) -> dict[tuple[Group, int], list[dict[str, object]]]:
        """The distances of the groups that were measured, by group and seed."""
        return {}

    def _measured(self, group: Group, random_state: int) -> list[dict[str, object]]:
        """Return the rows of a group; tables, reports and charts bootstrap it once."""
        known, key = self._known_distances, (group, random_state)
        if key not in known:
            known[key] = self._distances(group, random_state)
        return known[key]

    def _distances(self, group: Group, random_state: int) -> list[dict[str, object]]:
        shares, target = self.shares(group), self.target(group)
        assert target is not None  # noqa: S101  checked by the caller
        intervals: dict[str, Mapping[str, float]] = {}
        n, ess = 0, np.nan
        unknown = dict.fromkeys(("low", "high", "floor", "floor_high"), np.nan)
        if group not in self._targets:
            selected, weights = self._real_answers(group)
            n, ess = len(selected), effective_sample_size(weights)
        if ess >= MIN_ANSWERS:
            intervals = distance_intervals(
                self.question,
                selected,
                weights,
                shares,
                n_simulated=self._n_replies(group),
                random_state=random_state,
            )
        return [
            {
                "answer": self.name,
                "column": group[0],
                "group": group[1],
                "n": n,
                "ess": ess,
                "figure": name,
                "value": value,
                **intervals.get(name, unknown),
            }
            for name, value in distances(self.question, target, shares).items()
        ]
