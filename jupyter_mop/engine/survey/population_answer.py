"""The answer of a population to a closed question, and its distance from real answers."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.vectors import design_warning, effective_sample_size
from jupyter_mop.engine.simulation.simulation import (
    COLUMNS,
    CONTEXT_SHARES,
    OPTION_TABLES,
    PERSONA_WEIGHTS,
    Simulation,
)
from jupyter_mop.engine.survey.answer_distances import distance_intervals, distances
from jupyter_mop.engine.survey.option_probabilities import OptionTable
from jupyter_mop.engine.survey.options import SAMPLED
from jupyter_mop.engine.survey.question import EVERYONE, SEPARATOR, Question
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
NO_PERSONA = "no persona"
_UNITS = {
    "scored": "options scored",
    "first-token": "first tokens read",
    "sampled": "replies sampled",
}


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
        Persona weights pi_k(x) in each context.
    table : OptionTable
        The option probabilities under each persona in each context, and their method.
    weights_label : str
        Label of the weights, such as "learned".
    real : Population or None
        Real answers for comparison.
    report : pandas.DataFrame or None
        Likelihoods of held-out answers, if the weights were learned.
    cost : mapping or None
        Cost of asking: calls, cache hits, tokens and US dollars.

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

    @property
    def options(self) -> tuple[str, ...]:
        """The A options."""
        return tuple(self.question.options)

    @property
    def is_plain(self) -> bool:
        """Whether the question was asked without personas."""
        return self.personas == (NO_PERSONA,)

    @property
    def method(self) -> str:
        """The method of the probabilities: "scored", "first-token" or "sampled"."""
        return self.table.method

    @property
    def n(self) -> int:
        """The number of scored options, first tokens or sampled replies."""
        return self.table.n_asked

    @property
    def by_context(self) -> Array:
        """The share of each option in each context, shape (C, A)."""
        return np.asarray(np.einsum("ck,cka->ca", self.weights, self.table.probabilities))

    @property
    def by_persona(self) -> Array:
        """Each persona's answer, averaged over all contexts of the population, shape (K, A)."""
        return np.asarray(np.einsum("c,cka->ka", self.sizes, self.table.probabilities))

    @property
    def by_draw(self) -> Array:
        """Each persona's answer, averaged over the contexts by its weight in them, shape (K, A).

        `persona_weights @ by_draw` equals `shares()`. Other marginal persona weights leave
        `by_draw` unchanged.
        """
        joint = self.sizes[:, None] * self.weights
        shares = np.einsum("ck,cka->ka", joint, self.table.probabilities)
        total = joint.sum(0)[:, None]
        return np.asarray(np.divide(shares, total, out=self.by_persona, where=total > 0))

    @property
    def persona_weights(self) -> Array:
        """The weight of each persona in the whole population, shape (K,)."""
        return np.asarray(self.sizes @ self.weights)

    def shares(self, group: str = EVERYONE) -> Array:
        """Return the share of each option in the population or a subgroup, shape (A,).

        Parameters
        ----------
        group : str
            "everyone", the text of a context, or a value of one of its columns.

        Raises
        ------
        DataError
            For an unknown subgroup.
        """
        sizes = np.where(self._members(group), self.sizes, 0.0)
        return np.asarray(sizes @ self.by_context / sizes.sum())

    def target(self, group: str = EVERYONE) -> Array | None:
        """Return the known shares of a subgroup, shape (A,), or None if they are unknown.

        These are the question's targets, or else the shares of real answers.
        """
        stated = self.question.target(group)
        if stated is not None or self.real is None:
            return stated
        selected, weights = self._real_answers(group)
        return np.average(selected, axis=0, weights=weights) if weights.sum() else None

    def groups(self, by: str | None = None) -> list[str]:
        """Return "everyone" and the subgroups by a context column or by "context"."""
        if by is None:
            return [EVERYONE]
        if by == "context":
            return [EVERYONE, *self.context_texts]
        if by not in self.contexts:
            raise DataError(
                f"There is no context column {by!r}; the columns are {list(self.contexts)}.",
                hint='Use one of these columns, or "context".',
            )
        return [EVERYONE, *dict.fromkeys(self.contexts[by])]

    @property
    def frame(self) -> pd.DataFrame:
        """group, option, share and target for everyone and each context."""
        return self.by("context")

    def by(self, column: str | None = None) -> pd.DataFrame:
        """Return group, option, share and target (NaN if unknown) for each subgroup."""
        parts = []
        for group in self.groups(column):
            target = self.target(group)
            parts.append(
                pd.DataFrame(
                    {
                        "group": group,
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
            answer (its name), group, n (real answers), ess (their effective sample size under the
            survey weights), figure (the metric: "JS" in nats, "TV", and for a scale "W1" in steps),
            value, low and high (95 % bootstrap interval over real answers), floor (the mean
            distance of a simulation without error, from a sample of as many real answers) and
            floor_high (exceeded by 2.5 % of such distances). Interval and floor are NaN without
            real answers. For a multiple-choice question, the distances are means over the options,
            each as a yes-no question.

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
            for row in self._distances(group, random_state)
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
        is_valid = np.isfinite(values).all() and (values >= 0).all() and values.sum(-1).all()
        if values.shape not in ((len(self.personas),), self.weights.shape) or not is_valid:
            raise DataError(
                f"`weights` must be {len(self.personas)} weights of zero or more, one per persona.",
                hint="Use weights such as [0.4, 0.6].",
            )
        shares = values / values.sum(-1, keepdims=True)
        by_context = np.broadcast_to(shares, self.weights.shape)
        return replace(self, weights=by_context, weights_label=weights_label, report=None)

    def with_report(self, report: pd.DataFrame) -> PopulationAnswer:
        """Return the answer with the report of the fit of its weights."""
        return replace(self, report=report)

    def draw(self, n: int = 300, *, random_state: int = 0) -> Simulation:
        """Draw `n` answers as a simulation, with no model call: context, persona, then option.

        The provenance contains the option probabilities of each persona, for the panel.
        """
        if n < 1:
            raise DataError(f"`n` must be at least 1, got {n}.", hint="Leave it out for 300.")
        rng = np.random.default_rng(random_state)
        context = rng.choice(len(self.sizes), n, p=self.sizes)
        uniform = rng.random((n, 1))
        persona = (
            (self.weights[context].cumsum(1) < uniform).sum(1).clip(max=len(self.personas) - 1)
        )
        options = [
            self._draw_options(row, rng) for row in self.table.probabilities[context, persona]
        ]
        texts, plain = self.context_texts, self.is_plain
        rows = {
            "context": [texts[c] for c in context],
            "persona": [None if plain else self.personas[k] for k in persona],
            "exemplar": None,
            "response": options,
            "log_prob": np.log(self.weights[context, persona]),
            "weight": 1.0,
            "seed": random_state,
            "draw": np.arange(n),
        }
        return Simulation(pd.DataFrame(rows)[list(COLUMNS)], (), self._facts())

    def _facts(self) -> dict[str, Any]:
        """Return the provenance of drawn answers."""
        template = self.question.template()
        records = [{str(k): v for k, v in r.items()} for r in self.contexts.to_dict("records")]
        pairs = zip(self.context_texts, records, strict=True)
        facts: dict[str, Any] = {
            "name": self.name,
            "weights": self.weights_label,
            "personas": {} if self.is_plain else dict.fromkeys(self.personas, ""),
            "questions": {text: template.question(record) for text, record in pairs},
        }
        if not self.is_plain and self.question.kind != "multiple":
            facts["shares"] = pd.DataFrame(self.by_draw, list(self.personas), list(self.options))
            facts["ordered"] = self.question.is_ordered
            facts[OPTION_TABLES] = self._by_context(self.table.probabilities)
            facts[CONTEXT_SHARES] = self._by_context(self.sizes)
        if not self.is_plain and np.ptp(self.weights, axis=0).max() > 0:
            facts[PERSONA_WEIGHTS] = self._by_context(self.weights)
        if self.cost is not None:
            facts["cost"] = self.cost
        return facts

    def _by_context(self, values: Array) -> dict[str, Any]:
        return dict(zip(self.context_texts, values.tolist(), strict=True))

    def __repr__(self) -> str:
        pairs = zip(self.options, self.shares(), strict=True)
        shares = ", ".join(f"{option} {share:.1%}" for option, share in pairs)
        return f"PopulationAnswer({self.name!r}: {shares}; {self.description})"

    @property
    def description(self) -> str:
        """The weights and the method in words."""
        parts = [f"weights: {self.weights_label}", f"{self.n:,} {_UNITS[self.method]}"]
        if self.method == "sampled":
            parts.append(f"{self.table.matched:.1%} of them name an option")
        if self.method == "first-token":
            parts.append(f"{self.table.matched:.1%} of their probability names an option")
        return ", ".join(parts)

    @property
    def context_texts(self) -> list[str]:
        """Each context as one text, length C."""
        rows = self.contexts.itertuples(index=False, name=None)
        return [", ".join(map(str, row)) for row in rows]

    def _members(self, group: str) -> NDArray[np.bool_]:
        """Return which contexts belong to a subgroup, shape (C,)."""
        if group == EVERYONE:
            return np.ones(len(self.contexts), dtype=bool)
        members = np.array([text == group for text in self.context_texts])
        members |= (self.contexts == group).any(axis=1).to_numpy()
        if not members.any():
            names = [*self.context_texts, *map(str, np.unique(self.contexts.to_numpy(dtype=str)))]
            near = difflib.get_close_matches(group, names, 1, cutoff=0)
            raise DataError(
                f"There is no subgroup {group!r} in the population.",
                hint=f"Did you mean {near[0]!r}?",
            )
        return members

    def _real_answers(self, group: str) -> tuple[NDArray[np.bool_], Array]:
        """Return the selected options of real people in a subgroup, (n, A), and their weights."""
        assert self.real is not None  # noqa: S101  checked by the caller
        texts = pd.Series(self.real.contexts)
        inside = set(np.array(self.context_texts, dtype=object)[self._members(group)])
        rows = np.flatnonzero(texts.isin(inside))
        responses = self.real.responses
        found = {text: self.question.selected_options(text) for text in set(responses)}
        selected = np.array([found[responses[i]] for i in rows], dtype=bool)
        return selected.reshape(-1, len(self.options)), self.real.weights[rows]

    def _n_replies(self, group: str) -> float:
        """Return the effective number of sampled replies behind a subgroup's shares."""
        if self.method != SAMPLED:
            return np.inf
        n_cells = self.weights.size * (len(self.options) if self.question.kind == "multiple" else 1)
        sizes = np.where(self._members(group), self.sizes, 0.0)
        shares = (sizes[:, None] * self.weights) / sizes.sum()
        return float(self.n * self.table.matched / n_cells / np.sum(shares**2))

    def _distances(self, group: str, random_state: int) -> list[dict[str, object]]:
        shares, target = self.shares(group), self.target(group)
        assert target is not None  # noqa: S101  checked by the caller
        intervals: dict[str, Mapping[str, float]] = {}
        n, ess = 0, np.nan
        unknown = dict.fromkeys(("low", "high", "floor", "floor_high"), np.nan)
        if self.question.target(group) is None:
            selected, weights = self._real_answers(group)
            n, ess = len(selected), effective_sample_size(weights)
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
                "group": group,
                "n": n,
                "ess": ess,
                "figure": name,
                "value": value,
                **intervals.get(name, unknown),
            }
            for name, value in distances(self.question, target, shares).items()
        ]

    def _draw_options(self, probabilities: Array, rng: np.random.Generator) -> str:
        if self.question.kind == "multiple":
            pairs = zip(self.options, probabilities, strict=True)
            return SEPARATOR.join(option for option, p in pairs if rng.random() < p)
        return str(rng.choice(self.options, p=probabilities))
