"""The answer of a population to a closed question, and how far it is from the real one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.divergences import (
    js_divergence,
    total_variation,
    wasserstein_distance,
)
from jupyter_mop.engine.simulation.simulation import COLUMNS, Simulation
from jupyter_mop.engine.survey.option_probabilities import OptionTable
from jupyter_mop.engine.survey.question import EVERYONE, SEPARATOR, Question
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

Array = NDArray[np.float64]
NO_PERSONA = "no persona"
N_BOOT = 300
LEVEL = (0.025, 0.975)
_ASKED = {
    "scored": "options scored",
    "first-token": "first tokens read",
    "sampled": "answers drawn",
}


@dataclass(frozen=True)
class PopulationAnswer(Viewed):
    r"""What a population answers: sum_k pi_k(x) P(option | g_k, x), over its contexts x.

    Make one with `jupyter_mop.engine.survey.asking.ask` or `Study.ask`.

    Attributes
    ----------
    question : Question
    name : str
        Under which it is kept.
    personas : tuple of str
        K names; one, "no persona", for the plain question.
    contexts : pandas.DataFrame
        The C different contexts, one column for each of the population's context columns.
    sizes : numpy.ndarray, shape (C,)
        Share of the population in each context; they sum to 1.
    weights : numpy.ndarray, shape (C, K)
        Persona weights pi of each context.
    table : OptionTable
        The option probabilities of each component, and how they were obtained.
    described : str
        Whose weights these are, in words.
    real : Population or None
        Real answers to compare with.
    report : pandas.DataFrame or None
        How likely held-out answers are, where the weights were learned.
    cost : mapping or None
        What asking has cost: calls, cache hits, tokens and US dollars.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.survey.asking import ask
    >>> frame = pd.DataFrame({"age": ["young", "old"], "said": ["tea", "milk"]})
    >>> population = Population.from_frame(frame, context="age", response="said")
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
    described: str = "uniform"
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
        """How the probabilities were obtained: "scored" or "sampled"."""
        return self.table.method

    @property
    def n(self) -> int:
        """How many options were scored, or answers drawn."""
        return self.table.n_asked

    @property
    def by_context(self) -> Array:
        """The answer of each context, shape (C, A)."""
        return np.asarray(np.einsum("ck,cka->ca", self.weights, self.table.probabilities))

    @property
    def by_persona(self) -> Array:
        """What each persona answers, over the contexts of the whole population, shape (K, A)."""
        return np.asarray(np.einsum("c,cka->ka", self.sizes, self.table.probabilities))

    @property
    def by_draw(self) -> Array:
        """What each persona answers in the contexts that it is drawn for, shape (K, A).

        `persona_weights @ by_draw` is `shares()`; other weights of the personas change the former
        alone.
        """
        drawn = self.sizes[:, None] * self.weights
        said = np.einsum("ck,cka->ka", drawn, self.table.probabilities)
        total = drawn.sum(0)[:, None]
        return np.asarray(np.divide(said, total, out=self.by_persona, where=total > 0))

    @property
    def persona_weights(self) -> Array:
        """The weight of each persona in the whole population, shape (K,)."""
        return np.asarray(self.sizes @ self.weights)

    def shares(self, group: str = EVERYONE) -> Array:
        """Return the share of each option, shape (A,), of everyone or of a subgroup.

        Parameters
        ----------
        group : str
            "everyone", the text of a context, or a value of one of its columns.

        Raises
        ------
        DataError
            For a subgroup that does not occur.
        """
        sizes = np.where(self._members(group), self.sizes, 0.0)
        return np.asarray(sizes @ self.by_context / sizes.sum())

    def target(self, group: str = EVERYONE) -> Array | None:
        """Return the known shares of a subgroup, stated or real, or None where there are none."""
        stated = self.question.target(group)
        if stated is not None or self.real is None:
            return stated
        chosen, weights = self._real(group)
        return np.average(chosen, axis=0, weights=weights) if weights.sum() else None

    def groups(self, by: str | None = None) -> list[str]:
        """Return "everyone" and the subgroups by a column or "context" (default: by none)."""
        if by is None:
            return [EVERYONE]
        if by == "context":
            return [EVERYONE, *self.context_texts]
        if by not in self.contexts:
            raise DataError(
                f"There is no context column {by!r}; there is {list(self.contexts)}.",
                hint='Use one of those, or "context".',
            )
        return [EVERYONE, *dict.fromkeys(self.contexts[by])]

    @property
    def frame(self) -> pd.DataFrame:
        """Group, option, share and target of everyone and of each context."""
        return self.by("context")

    def by(self, column: str | None = None) -> pd.DataFrame:
        """Return group, option, share and target (missing where unknown) of each subgroup."""
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
        """Return how far the answer is from the known one, for everyone and each subgroup.

        Parameters
        ----------
        by : str, optional
            A context column, or "context".
        random_state : int
            Seed of the bootstrap.

        Returns
        -------
        pandas.DataFrame
            answer (its name), group, n (real answers), figure ("JS" in nats, "TV", and for a scale
            "W1" in steps), value, low and high (95 % bootstrap interval over real answers) and
            floor (the same figure between two samples of n real answers, on average). Without
            real answers there is no interval and no floor. Where any number of options is chosen,
            figures are means over the options, each with its yes and no.

        Raises
        ------
        DataError
            Where nothing is known to compare with.
        """
        rows = [
            row
            for group in self.groups(by)
            if self.target(group) is not None
            for row in self._distances(group, random_state)
        ]
        if not rows:
            raise DataError(
                "There is nothing to compare with: neither targets nor real answers.",
                hint="Give the question targets, or a population that answers with its options.",
            )
        return pd.DataFrame(rows)

    def reweighted(
        self, weights: Array | Sequence[float], *, described: str = "given"
    ) -> PopulationAnswer:
        """Return the answer with other persona weights, shape (K,) or (C, K); no model call."""
        values = np.asarray(weights, dtype=np.float64)
        good = np.isfinite(values).all() and (values >= 0).all() and values.sum(-1).all()
        if values.shape not in ((len(self.personas),), self.weights.shape) or not good:
            raise DataError(
                f"A weight of zero or more for each of the {len(self.personas)} personas was "
                "expected.",
                hint="Give one for each, such as [0.4, 0.6].",
            )
        shares = values / values.sum(-1, keepdims=True)
        whole = np.broadcast_to(shares, self.weights.shape)
        return replace(self, weights=whole, described=described, report=None)

    def with_report(self, report: pd.DataFrame) -> PopulationAnswer:
        """Return the answer with the report of the fit that made its weights."""
        return replace(self, report=report)

    def draw(self, n: int = 300, *, random_state: int = 0) -> Simulation:
        """Draw `n` answers as a simulation: context, persona, option; no model call.

        Its provenance keeps the probabilities that the options were drawn with, for the panel.
        """
        if n < 1:
            raise DataError("At least one answer must be drawn.", hint="Leave n out for 300.")
        rng = np.random.default_rng(random_state)
        context = rng.choice(len(self.sizes), n, p=self.sizes)
        uniform = rng.random((n, 1))
        persona = (
            (self.weights[context].cumsum(1) < uniform).sum(1).clip(max=len(self.personas) - 1)
        )
        said = [self._drawn(row, rng) for row in self.table.probabilities[context, persona]]
        texts, plain = self.context_texts, self.is_plain
        rows = {
            "context": [texts[c] for c in context],
            "persona": [None if plain else self.personas[k] for k in persona],
            "exemplar": None,
            "response": said,
            "log_prob": np.log(self.weights[context, persona]),
            "weight": 1.0,
            "seed": random_state,
            "draw": np.arange(n),
        }
        asked = self.question.template()
        records = [{str(k): v for k, v in r.items()} for r in self.contexts.to_dict("records")]
        facts: dict[str, Any] = {
            "name": self.name,
            "weights": self.described,
            "personas": {} if plain else dict.fromkeys(self.personas, ""),
            "questions": {t: asked.question(r) for t, r in zip(texts, records, strict=True)},
        }
        if not plain and self.question.kind != "multiple":
            facts["shares"] = pd.DataFrame(self.by_draw, list(self.personas), list(self.options))
            facts["ordered"] = self.question.is_ordered
        if self.cost is not None:
            facts["cost"] = self.cost
        return Simulation(pd.DataFrame(rows)[list(COLUMNS)], (), facts)

    def __repr__(self) -> str:
        told = ", ".join(f"{o} {s:.1%}" for o, s in zip(self.options, self.shares(), strict=True))
        return f"PopulationAnswer({self.name!r}: {told}; {self.told})"

    @property
    def told(self) -> str:
        """How it was obtained, in words."""
        parts = [f"weights: {self.described}", f"{self.n:,} {_ASKED[self.method]}"]
        if self.method == "sampled":
            parts.append(f"{self.table.matched:.1%} of them named an option")
        if self.method == "first-token":
            parts.append(f"{self.table.matched:.1%} of their probability named an option")
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
                f"No context of the population is {group!r}.", hint=f"Did you mean {near[0]!r}?"
            )
        return members

    def _real(self, group: str) -> tuple[NDArray[np.bool_], Array]:
        """Return what real people of a subgroup chose, (n, A), and their weights, (n,)."""
        assert self.real is not None  # noqa: S101  asked only where there is one
        texts = pd.Series(self.real.contexts)
        inside = set(np.array(self.context_texts, dtype=object)[self._members(group)])
        rows = np.flatnonzero(texts.isin(inside))
        found = {said: self.question.chosen(said) for said in set(self.real.responses)}
        chosen = np.array([found[self.real.responses[i]] for i in rows], dtype=bool)
        return chosen.reshape(-1, len(self.options)), self.real.weights[rows]

    def _distances(self, group: str, random_state: int) -> list[dict[str, object]]:
        shares, target = self.shares(group), self.target(group)
        assert target is not None  # noqa: S101  looked up by the caller
        values = distances(self.question, target, shares)
        spread, n = None, 0
        if self.question.target(group) is None:
            chosen, weights = self._real(group)
            n = len(chosen)
            spread = _spread(self.question, chosen, weights, shares, random_state)
        return [
            {
                "answer": self.name,
                "group": group,
                "n": n,
                "figure": figure,
                "value": value,
                **(spread[figure] if spread else dict.fromkeys(("low", "high", "floor"), np.nan)),
            }
            for figure, value in values.items()
        ]

    def _drawn(self, row: Array, rng: np.random.Generator) -> str:
        if self.question.kind == "multiple":
            named = [o for o, p in zip(self.options, row, strict=True) if rng.random() < p]
            return SEPARATOR.join(named)
        return str(rng.choice(self.options, p=row))


def distances(question: Question, target: Array, shares: Array) -> dict[str, float]:
    """Return JS (nats), total variation and, for a scale, Wasserstein-1 (steps).

    Examples
    --------
    >>> scale = Question("How often?", ["never", "seldom", "always"], "scale")
    >>> distances(scale, np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))["W1"]
    2.0
    """
    if question.kind == "multiple":
        pairs = [np.array([p, 1 - p]) for p in target], [np.array([q, 1 - q]) for q in shares]
        each = list(zip(*pairs, strict=True))
        return {
            "JS": float(np.mean([js_divergence(p, q) for p, q in each])),
            "TV": float(np.mean([total_variation(p, q) for p, q in each])),
        }
    found = {"JS": js_divergence(target, shares), "TV": total_variation(target, shares)}
    return found | ({"W1": wasserstein_distance(target, shares)} if question.is_ordered else {})


def _spread(
    question: Question,
    chosen: NDArray[np.bool_],
    weights: Array,
    shares: Array,
    random_state: int,
) -> dict[str, Mapping[str, float]]:
    """Return interval and floor of each figure by drawing the real answers again."""
    rng = np.random.default_rng(random_state)
    drawn = rng.choice(len(chosen), (2, N_BOOT, len(chosen)), p=weights / weights.sum())
    first, second = chosen[drawn].mean(axis=2)
    values = pd.DataFrame([distances(question, p, shares) for p in first])
    floors = pd.DataFrame([distances(question, *pair) for pair in zip(first, second, strict=True)])
    return {
        str(figure): {
            "low": float(values[figure].quantile(LEVEL[0])),
            "high": float(values[figure].quantile(LEVEL[1])),
            "floor": float(floors[figure].mean()),
        }
        for figure in values
    }
