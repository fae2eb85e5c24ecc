"""A closed answer that is calibrated on real answers to the same question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.encoding import encode_each
from jupyter_mop.engine.data.persona_weights import LEARNED
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population, check_enough_records
from jupyter_mop.engine.survey.calibrated.comparison import (
    CALIBRATED,
    PLAIN,
    UNCALIBRATED,
    WITHOUT_EXEMPLARS,
    WITHOUT_MODEL,
    Judged,
    added,
    compare,
)
from jupyter_mop.engine.survey.calibrated.mixture import Design, standardised
from jupyter_mop.engine.survey.calibrated.records import Records, folds
from jupyter_mop.engine.survey.calibrated.references import Reference, references
from jupyter_mop.engine.survey.calibrated.strengths import Learned, learn
from jupyter_mop.engine.survey.multiple_choice import coherent_shares
from jupyter_mop.engine.survey.population_answer import Calibration, PopulationAnswer
from jupyter_mop.engine.survey.question import Question

Array = NDArray[np.float64]
Vectors = NDArray[np.floating]
Key = tuple[str, ...]
MAX_LEVELS, MAX_CELLS, MAX_COMPONENTS = 40, 200, 8
_TINY = 1e-6


def calibrate(
    train: PopulationAnswer,
    plain: PopulationAnswer,
    personas: Sequence[Persona],
    encoder: Encoder,
    *,
    target: tuple[PopulationAnswer, PopulationAnswer] | None = None,
    without_exemplars: PopulationAnswer | None = None,
    random_state: int = 0,
) -> PopulationAnswer:
    """Return the answer with options and persona weights learned from real answers.

    No further model call is needed. See `jupyter_mop.engine.survey.calibrated.mixture` for the
    model and `jupyter_mop.engine.survey.calibrated.strengths` for its strengths.

    Parameters
    ----------
    train, plain : PopulationAnswer
        The answer in the contexts of the people to learn from, who are its `real` answers, with
        the K personas and without.
    personas : sequence of Persona
        The K personas.
    encoder : Encoder
        Encodes contexts and personas.
    target : pair of PopulationAnswer, optional
        The answers, with personas and without, in the contexts that are calibrated; default:
        those of `train`. If they have real answers, these judge; otherwise each fold of the people
        to learn from judges what was learned from the others.
    without_exemplars : PopulationAnswer, optional
        If the prompts showed exemplars, and `target` is given: the calibrated answer in its
        contexts without them, for which the exemplars were people to learn from. It and its
        references stand beside.
    random_state : int
        Seed of the folds and of the bootstrap.

    Returns
    -------
    PopulationAnswer
        With the `calibration`, whose `comparison` has the references.

    Raises
    ------
    DataError
        With fewer than 8 real answers.
    """
    assert train.real is not None  # noqa: S101  checked by the caller
    people = train.real.counted()
    check_enough_records(int(np.count_nonzero(people.weights)))
    asked, asked_plain = target or (train, plain)
    contexts = _Contexts.of(train, asked, people)
    design = contexts.design(personas, encoder)
    records = Records.of(people, train.question, contexts.keys)
    fold = folds(people, random_state=random_state)
    learned = learn(design, records, fold)
    answers = _Answers(learned, references(design, records, fold), train.question.exclusive_index)
    prompted = {
        PLAIN: np.concatenate([plain.by_context, asked_plain.by_context]),
        UNCALIBRATED: np.concatenate([train.by_context, asked.by_context]),
        **_beside(without_exemplars, contexts.keys),
    }
    real = None if target is None else asked.real
    judged = answers.judged(prompted, _records(real, train.question, contexts.keys))
    comparison = compare(
        judged,
        contexts.levels,
        is_multiple=design.is_multiple,
        random_state=random_state,
    )
    weights, options = answers.tables
    n_train, earlier = len(train.sizes), without_exemplars and without_exemplars.calibration
    n = earlier.n if earlier else len(people)
    found = replace(asked, table=replace(asked.table, probabilities=options[n_train:]))
    found = found.reweighted(weights[n_train:], weights_label=LEARNED)
    return replace(
        found,
        report=comparison,
        calibration=Calibration(
            comparison,
            added(comparison, n),
            {name: shares[n_train:] for name, shares in answers.shares(prompted).items()},
            slope=learned.slope,
            model_share=learned.model_share,
            is_cross_fitted=real is None,
            n=n,
        ),
    )


def _beside(answer: PopulationAnswer | None, keys: Sequence[Key]) -> dict[str, Array]:
    """Return the shares of a calibrated answer and of its references for these contexts, (C, A).

    Contexts that it does not have, in which nobody judges, get even shares.
    """
    if answer is None or answer.calibration is None:
        return {}
    place = {key: c for c, key in enumerate(answer.subgroups.keys)}
    rows = [place.get(key, len(place)) for key in keys]
    even = np.full((1, len(answer.options)), 1 / len(answer.options))
    names = {name: name for name in answer.calibration.shares if name not in (PLAIN, UNCALIBRATED)}
    names[CALIBRATED] = WITHOUT_EXEMPLARS
    return {
        names[name]: np.vstack([shares, even])[rows]
        for name, shares in answer.calibration.shares.items()
        if name in names
    }


def _records(real: Population | None, question: Question, keys: list[Key]) -> Records | None:
    return None if real is None else Records.of(real.counted(), question, keys)


@dataclass(frozen=True)
class _Answers:
    """What was learned with the language model and without."""

    learned: Learned
    references: Sequence[Reference]
    exclusive: int | None

    @cached_property
    def tables(self) -> tuple[Array, Array]:
        """The persona weights (C, K) and the coherent option probabilities (C, K, A)."""
        weights, options = self.learned.tables()
        return weights, coherent_shares(options, self.exclusive)

    @cached_property
    def without_model(self) -> Learned:
        return self.learned.without_model()

    def shares(self, prompted: Mapping[str, Array]) -> dict[str, Array]:
        """Return the shares of each answer in each context, (C, A), learned from all records."""
        return {
            CALIBRATED: np.einsum("ck,cka->ca", *self.tables),
            WITHOUT_MODEL: self._coherent(np.einsum("ck,cka->ca", *self.without_model.tables())),
            **{reference.name: reference.shares for reference in self.references},
            **prompted,
        }

    def judged(self, prompted: Mapping[str, Array], people: Records | None) -> list[Judged]:
        """Return the answers with the people who judge them: `people`, or else each fold."""
        records, fold = self.learned.records, self.learned.fold
        if people is not None:
            return [Judged(people, self.shares(prompted), float(records.weight.sum()))]
        calibrated = self.learned.held_out_shares()
        without = self.without_model.held_out_shares()
        return [
            Judged(
                records.take(fold == f),
                {
                    CALIBRATED: self._coherent(calibrated[f]),
                    WITHOUT_MODEL: self._coherent(without[f]),
                    **{reference.name: reference.without_fold[f] for reference in self.references},
                    **prompted,
                },
                float(records.weight[fold != f].sum()),
            )
            for f in range(int(fold.max()) + 1)
        ]

    def _coherent(self, shares: Array) -> Array:
        return coherent_shares(shares, self.exclusive)


@dataclass(frozen=True)
class _Contexts:
    """The contexts to learn from, then those to answer in."""

    train: PopulationAnswer
    target: PopulationAnswer
    sizes: Array  # (C,) the weight of people to learn from

    @classmethod
    def of(cls, train: PopulationAnswer, target: PopulationAnswer, people: Population) -> Self:
        totals: Counter[Key] = Counter()
        for key, weight in zip(people.context_keys, people.weights, strict=True):
            totals[key] += weight
        keys = [*train.subgroups.keys, *target.subgroups.keys]
        return cls(train, target, np.array([totals[key] for key in keys]))

    @cached_property
    def keys(self) -> list[Key]:
        return [*self.train.subgroups.keys, *self.target.subgroups.keys]

    @cached_property
    def levels(self) -> list[NDArray[np.bool_]]:
        """The contexts of each value of each column, the values with the most people first."""
        found = []
        for j in range(len(self.train.subgroups.columns)):
            found += self._indicators([key[j] for key in self.keys])[:MAX_LEVELS]
        return found

    def design(self, personas: Sequence[Persona], encoder: Encoder) -> Design:
        """Return the design of both sides' contexts."""
        train, target = self.train, self.target
        is_multiple = train.question.kind == "multiple"
        both = np.concatenate([train.table.probabilities, target.table.probabilities])
        columns = np.column_stack(self.levels).astype(np.float64)
        is_one = len(train.subgroups.columns) == 1
        cells = [] if is_one else self._indicators(self.keys)[:MAX_CELLS]
        vectors = encode_each(encoder, [*train.subgroups.texts, *target.subgroups.texts])
        described = encode_each(encoder, [persona.description for persona in personas])
        return Design(
            standardised(both, is_multiple=is_multiple),
            columns,
            np.column_stack(cells).astype(np.float64) if cells else np.zeros((len(both), 0)),
            np.hstack([columns / np.sqrt(len(train.subgroups.columns)), _components(vectors)]),
            _cosines(vectors, described),
            np.concatenate([_answered(train), _answered(target)]),
            is_multiple,
        )

    def _indicators(self, values: Sequence[object]) -> list[NDArray[np.bool_]]:
        """Return the contexts of each distinct value, those with the most people first."""
        codes, distinct = pd.factorize(np.fromiter(values, dtype=object, count=len(values)))
        totals = np.bincount(codes, self.sizes, len(distinct))
        order = np.argsort(-totals, kind="stable")
        return [codes == code for code in order if totals[code] > 0]


def _answered(answer: PopulationAnswer) -> NDArray[np.bool_]:
    shape = answer.weights.shape
    return np.ones(shape, dtype=bool) if answer.table.answered is None else answer.table.answered


def _components(vectors: Vectors) -> Array:
    """Return the leading components of the contexts' vectors, scaled to a mean length of 1."""
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    found = (left * lengths)[:, : min(MAX_COMPONENTS, len(lengths))]
    length = np.sqrt((found**2).sum(axis=1).mean())
    return np.asarray(found / length if length > _TINY else np.zeros((len(found), 0)))


def _cosines(vectors: Vectors, described: Vectors) -> Array:
    """Return the cosines of contexts and personas, centred both ways, with a variance of 1."""
    cosines = np.asarray(vectors @ described.T, dtype=np.float64)
    cosines = cosines - cosines.mean(axis=0) - cosines.mean(axis=1, keepdims=True) + cosines.mean()
    deviation = cosines.std()
    return np.asarray(cosines / deviation if deviation > _TINY else np.zeros_like(cosines))
