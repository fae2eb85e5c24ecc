"""The joint metrics: whether responses fit the contexts that they were given to.

FID, MAUVE and KL cosine of the responses alone cannot see that an answer was given to the wrong
context. Two metrics can:

- joint FID: FID of vectors that join a response with its context. Responses are projected on up to
  32 principal axes, which keeps the sampling noise of other axes out. The context
  is its indicator (one-hot), or the sentence vector of a free text, on up to 32 axes of its own. It
  is scaled to the same total variance as the responses, so that both count alike.
- fidelity: the share of responses that a classifier, trained on real people, recognises as answers
  to their own context; see `metrics.fidelity`. It is the more sensitive one where contexts change
  responses little, and joint FID the one that also sees a wrong mix of contexts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.fidelity import FIDELITY, with_codes
from jupyter_mop.engine.metrics.split_half import METRICS, Metric
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    checked_weights,
    principal_components,
)
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.weighting.context_codes import ContextCodes, labels_by, without_contexts

MAX_AXES = 32
MIN_PEOPLE = 20
MIN_RECURRING = 0.5  # of the people: below, contexts are free text
RANK_TOLERANCE = 1e-10
TINY = 1e-12
NONE = "There is no joint FID and no fidelity"
JOINT_FID = replace(METRICS[0], name="joint FID")


@dataclass(frozen=True, eq=False)
class Sides:
    """Vectors of the real responses, and of the responses of each method.

    Attributes
    ----------
    target : WeightedVectors
    simulated : dict of str to WeightedVectors
    """

    target: WeightedVectors
    simulated: dict[str, WeightedVectors]

    def with_vectors(self, vectors: Sequence[Vectors]) -> Sides:
        """Return other vectors with the same weights, those of the target first."""
        sides = (self.target, *self.simulated.values())
        changed = [replace(side, vectors=new) for side, new in zip(sides, vectors, strict=True)]
        return Sides(changed[0], dict(zip(self.simulated, changed[1:], strict=True)))

    @property
    def all(self) -> list[WeightedVectors]:
        """The target, then each method."""
        return [self.target, *self.simulated.values()]


@dataclass(frozen=True, eq=False)
class Contexts:
    """The contexts of the responses, and which joint metrics they allow.

    Attributes
    ----------
    codes : ContextCodes or None
        None where the responses have no contexts, or one only.
    texts : list of list of str
        Free texts of the contexts, those of the target first; empty where they recur.
    note : str
        What is left out or pooled, in one sentence; "" for nothing.
    """

    codes: ContextCodes | None = None
    texts: Sequence[Sequence[str]] = ()
    note: str = ""

    @classmethod
    def of(
        cls,
        target: object,
        rows: Indices,
        simulations: Mapping[str, object],
        *,
        by: Sequence[str] | None = None,
        weights: Mapping[str | None, Vectors | None] | None = None,
    ) -> Contexts:
        """Read the contexts of the real responses at `rows` and of each simulation.

        Parameters
        ----------
        target : Population or sequence of str
            The real responses.
        rows : ndarray of int
            Which of them count.
        simulations : mapping of str to Population, Simulation or sequence of str
            The responses of each method.
        by : sequence of str, optional
            The context columns; default: all.
        weights : mapping, optional
            As for `ContextCodes.of`.
        """
        bare = without_contexts(target, simulations)
        if bare or not isinstance(target, Population):
            return cls(note=f"{NONE}: {_listed(bare)} have no contexts.")
        columns = target.context
        known = {name: source for name, source in simulations.items()
                 if isinstance(source, Population | Simulation)}  # fmt: skip
        labels = _at(labels_by(target, columns, by or columns), rows)
        others = {name: labels_by(source, columns, by or columns) for name, source in known.items()}
        if len(set(labels)) == 1:
            return cls(note=f"{NONE}: all held-out records have the same context.")
        codes = ContextCodes.of(labels, others, weights=weights, min_real=MIN_PEOPLE)
        own = codes.target < codes.n_own
        if np.mean(own & (codes.target >= 0)) < MIN_RECURRING:
            texts = [_at(target.contexts, rows), *map(_context_texts, known.values())]
            return cls(codes, texts if by is None else [labels, *others.values()], _free(labels))
        if len(codes.names) == 1:
            return cls(
                note=f"{NONE}: only {codes.names[0][:60]!r} has {MIN_PEOPLE} held-out records."
            )
        return cls(codes, (), _pooled(codes))

    def in_groups(self, max_groups: int) -> Contexts:
        """Return the same contexts as at most `max_groups` groups, or none if they are free text.

        The largest groups stay, and the others are pooled.
        """
        if self.codes is None:
            return self
        if self.texts:
            n = len({text for side in self.texts for text in side})
            return Contexts(note=f"{NONE} here: there are {n:,} different contexts.")
        if missing := self._missing():
            few = f"fewer than {MIN_PEOPLE} responses of {_listed(missing)}"
            return Contexts(note=f"{NONE} here: {few} are in contexts of the held-out records.")
        if len(self.codes.names) <= max_groups:
            return self
        pooled = f"pool all but the {max_groups - 1} most frequent contexts"
        return Contexts(
            self.codes.largest(max_groups - 1),
            note=f"Joint FID and fidelity {pooled}.",
        )

    def between(self, target: Indices, other: Indices) -> Contexts:
        """Return the contexts of other responses, of these groups, as a target and one method."""
        assert self.codes is not None  # noqa: S101  there are groups
        return Contexts(replace(self.codes, target=target, simulated={"": other}))

    @property
    def n_groups(self) -> int:
        """The number of groups of contexts."""
        return 0 if self.codes is None else len(self.codes.names)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The joint metrics that these contexts allow."""
        if self.codes is None:
            return ()
        return (JOINT_FID,) if self.texts or self._missing() else (JOINT_FID, FIDELITY)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or pooled, one sentence each."""
        missing = "" if self.codes is None or self.texts else _listed(self._missing())
        unseen = (
            f"There is no fidelity: fewer than {MIN_PEOPLE} responses of {missing} are in contexts "
            "of the held-out records."
        )
        return tuple(note for note in (self.note, unseen if missing else "") if note)

    def _missing(self) -> list[str]:
        """Return the methods with too few responses in contexts that people have."""
        sides = {} if self.codes is None else self.codes.simulated
        return [name for name, side in sides.items() if np.sum(side >= 0) < MIN_PEOPLE]

    def joined(
        self, responses: Sides, contexts: Sequence[Vectors] = ()
    ) -> tuple[tuple[Metric, Sides], ...]:
        """Return each joint metric with the vectors that it compares; see `joint` and `coded`."""
        made = {
            JOINT_FID.name: lambda: self.joint(responses, contexts),
            FIDELITY.name: lambda: self.coded(responses),
        }
        return tuple((metric, made[metric.name]()) for metric in self.metrics)

    def joint(self, responses: Sides, contexts: Sequence[Vectors] = ()) -> Sides:
        """Return the vectors of responses joined with their contexts, for joint FID.

        Parameters
        ----------
        responses : Sides
            Vectors of the responses.
        contexts : sequence of ndarray
            Vectors of `texts`, one per response, those of the target first; unused without texts.
        """
        assert self.codes is not None  # noqa: S101  there are joint metrics
        if not self.texts:
            codes = [self.codes.target, *self.codes.simulated.values()]
            contexts = [_indicators(side, len(self.codes.names)) for side in codes]
        first, variance = _on_axes(responses)
        second, of_contexts = _on_axes(responses.with_vectors(contexts))
        scale = np.sqrt(variance / of_contexts) if of_contexts > TINY else 0.0
        pairs = zip(first, second, strict=True)
        return responses.with_vectors([np.hstack([a, scale * b]) for a, b in pairs])

    def coded(self, responses: Sides) -> Sides:
        """Return the responses on their axes with the code of the context, for fidelity."""
        assert self.codes is not None  # noqa: S101  there are joint metrics
        codes = [self.codes.target, *self.codes.simulated.values()]
        pairs = zip(_on_axes(responses)[0], codes, strict=True)
        return responses.with_vectors([with_codes(vectors, side) for vectors, side in pairs])


def _on_axes(sides: Sides) -> tuple[list[Vectors], float]:
    """Return all vectors on common principal axes, and the target's variance on them.

    Real and simulated responses define the axes alike. Axes of the real ones alone would fit these
    better than any others, so that a perfect simulation would look worse than its floor.
    """
    target = sides.target
    shares = [checked_weights(side.weights, len(side)) for side in sides.all]
    sizes = [side.effective_size * own for side, own in zip(sides.all, shares, strict=True)]
    joined = np.concatenate([side.vectors for side in sides.all])
    ratios, axes = principal_components(joined, weights=np.concatenate(sizes))
    size = max(1, min(MAX_AXES, int((ratios > RANK_TOLERANCE).sum())))
    origin = shares[0] @ target.vectors
    projected = [(side.vectors - origin) @ axes[:, :size] for side in sides.all]
    return projected, float(shares[0] @ np.sum(projected[0] ** 2, axis=1))


def _indicators(codes: Indices, size: int) -> Vectors:
    return np.asarray(codes[:, None] == np.arange(size), dtype=np.float64)


def _context_texts(source: Population | Simulation) -> list[str]:
    return source.contexts if isinstance(source, Population) else source.context_texts


def _at(values: Sequence[str], rows: Indices) -> list[str]:
    return [values[i] for i in rows]


def _free(labels: Sequence[str]) -> str:
    return (
        f"There is no fidelity: {len(labels):,} held-out records have {len(set(labels)):,} "
        f"contexts, too many to learn from. Joint FID uses sentence vectors of the contexts."
    )


def _pooled(codes: ContextCodes) -> str:
    if not codes.pooled:
        return ""
    n, names = len(codes.pooled), _listed([repr(name[:40]) for name in codes.pooled[:3]])
    few = f"fewer than {MIN_PEOPLE} held-out records"
    done = "left out of the joint metrics" if codes.left_out else "pooled for the joint metrics"
    verb, kind = ("is", "context") if n == 1 else ("are", "contexts")
    such = names if n <= 3 else f"such as {names}"  # noqa: PLR2004
    return f"{n} {kind} with {few} {verb} {done}: {such}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
