"""The human floor of the panel's metrics: their value between people and people.

The panel compares n real responses with all m simulated ones, of which the persona weights leave
an effective number. There are seldom m more real responses to compare with. The floor is therefore
measured between halves of the real responses at two sizes of the second half, and carried over to
the effective number of simulated responses. Between two samples of one distribution, an expected
metric falls with the inverse sizes of the samples:

    c (1/n + 1/m) + d (1/n^2 + 1/m^2)   for KL cosine, JS, and the squares of TV, W1 and length
    a + b/m                             for FID, joint FID and 1 - MAUVE

FID has principal axes and MAUVE has clusters that depend on one side more than on the other, hence
their own form. Fidelity is a share: its expected value does not depend on m.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from jupyter_mop.engine.metrics.fidelity import FIDELITY
from jupyter_mop.engine.metrics.vectors import (
    Indices,
    Vectors,
    WeightedVectors,
    checked_weights,
)
from jupyter_mop.engine.weighting.joint_alignment import JOINT_FID, Contexts, Sides
from jupyter_mop.engine.weighting.persona_counts import ClosedQuestion
from jupyter_mop.engine.weighting.persona_statistics import PersonaStatistics

N_FLOORS = 5
ROOT, COMPLEMENT = "root", "complement"
SCALES: dict[str, str] = {"TV": ROOT, "W1": ROOT, "length": ROOT, "MAUVE": COMPLEMENT}
ASYMMETRIC = frozenset({"FID", "MAUVE", JOINT_FID.name})
CONSTANT = frozenset({FIDELITY.name})


@dataclass(frozen=True)
class HumanFloor:
    """The human floor of each metric at any effective number of simulated responses.

    Attributes
    ----------
    coefficients : dict of str to list of float
        For each metric c0, c1, c2: c0 + c1 / size + c2 / size^2 is the floor of FID, joint FID, KL
        cosine, JS and fidelity, the square of the floor of TV, W1 and length, and 1 - the floor of
        MAUVE.

    Examples
    --------
    >>> HumanFloor({"FID": [1.0, 10.0, 0.0], "TV": [0.04, 0.5, 0.0]}).at(10)
    {'FID': 2.0, 'TV': 0.3}
    """

    coefficients: Mapping[str, list[float]]

    def at(self, size: float) -> dict[str, float]:
        """Return the floor of each metric for this effective number of simulated responses."""
        powers = np.array([1.0, 1 / size, 1 / size**2])
        return {
            name: _backward(name, float(np.dot(values, powers)))
            for name, values in self.coefficients.items()
        }

    def against_exact(self, names: frozenset[str]) -> HumanFloor:
        """Return the floor for simulated answers that are known exactly, not counted."""
        return HumanFloor(
            {
                name: [values[0], 0.0, 0.0] if name in names else values
                for name, values in self.coefficients.items()
            }
        )

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Return coefficients and scale of each metric, for the panel."""
        return {
            name: dict(zip(("c0", "c1", "c2"), values, strict=True)) | {"scale": SCALES.get(name)}
            for name, values in self.coefficients.items()
        }


def human_floor(
    real: WeightedVectors,
    texts: list[str],
    *,
    question: ClosedQuestion | None = None,
    contexts: Contexts | None = None,
    random_state: int = 0,
    on_split: Callable[[int], object] | None = None,
) -> HumanFloor:
    """Measure the metrics between random halves of the real responses.

    Parameters
    ----------
    real : WeightedVectors
        N real responses, with survey weights if there are any; at least twenty.
    texts : list of str
        The responses.
    question : ClosedQuestion, optional
        The options, where the responses answer a closed question.
    contexts : Contexts, optional
        The contexts of the real responses, in groups, for joint FID and fidelity.
    random_state : int
        Seed of the halves.
    on_split : callable, optional
        Called with the number of each of the five splits.
    """
    rng, half = np.random.default_rng(random_state), len(texts) // 2
    found = []
    for split in range(N_FLOORS):
        order = rng.permutation(2 * half)
        statistics = _measured(
            real,
            texts,
            (order[:half], order[half:]),
            question=question,
            contexts=contexts,
            random_state=random_state + split,
        )
        found.append(_values(statistics, real.take(order[half:])))
        if on_split:
            on_split(split)
    sizes = np.mean([inverse for inverse, _ in found], axis=0)
    values = {name: np.mean([v[name] for _, v in found], axis=0) for name in found[0][1]}
    return HumanFloor({name: _coefficients(name, sizes, values[name]) for name in values})


def _measured(
    real: WeightedVectors,
    texts: list[str],
    halves: tuple[Indices, Indices],
    *,
    question: ClosedQuestion | None,
    contexts: Contexts | None,
    random_state: int,
) -> PersonaStatistics:
    """Measure the second half as a mixture of two "personas", its own halves."""
    first, second = halves
    sides = Sides(real.take(first), {"": real.take(second)})
    codes = _parity(len(second))
    statistics = PersonaStatistics.measure(
        sides.target,
        sides.simulated[""],
        codes,
        ["even", "odd"],
        target_texts=[texts[i] for i in first],
        texts=[texts[i] for i in second],
        question=question,
        random_state=random_state,
    )
    if contexts is None or contexts.codes is None:
        return statistics
    labels = contexts.codes.target
    return statistics.with_contexts(sides, contexts.between(labels[first], labels[second]), codes)


def _parity(n: int) -> Indices:
    return np.arange(n, dtype=np.intp) % 2


def _values(
    statistics: PersonaStatistics, second: WeightedVectors
) -> tuple[Vectors, dict[str, Vectors]]:
    """Return inverse sizes and metrics of the first half against all and half of the second."""
    codes = _parity(len(second))
    shares = np.bincount(codes, checked_weights(second.weights, len(codes)))
    mixtures = [shares, np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    inverse = [1 / statistics.effective_sample_size(mixture) for mixture in mixtures]
    metrics = [statistics.metrics(mixture) for mixture in mixtures]
    values = {name: [_forward(name, found[name]) for found in metrics] for name in metrics[0]}
    return (
        np.array([1 / statistics.target_size, inverse[0], np.mean(inverse[1:])]),
        {name: np.array([v[0], np.mean(v[1:])]) for name, v in values.items()},
    )


def _coefficients(name: str, inverse: Vectors, values: Vectors) -> list[float]:
    """Fit the metric's form to its values at two sizes of the second sample."""
    n, whole, part = inverse
    if name in CONSTANT or not np.isfinite(values).all():  # weights that leave one response
        return [float(values[0]), 0.0, 0.0]
    slope = (values[1] - values[0]) / (part - whole)
    if name in ASYMMETRIC:
        return [float(values[0] - slope * whole), float(slope), 0.0]
    forms = np.array([[n + m, n**2 + m**2] for m in (whole, part)])
    c, d = np.linalg.solve(forms, values)
    return [float(c * n + d * n**2), float(c), float(d)]


def _forward(name: str, value: float) -> float:
    scale = SCALES.get(name)
    return value**2 if scale == ROOT else 1 - value if scale == COMPLEMENT else value


def _backward(name: str, value: float) -> float:
    value, scale = max(0.0, value), SCALES.get(name)
    return float(np.sqrt(value)) if scale == ROOT else 1 - value if scale == COMPLEMENT else value
