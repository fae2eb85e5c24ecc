from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.data.exemplars import Exemplar, draw_exemplars
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.component_selection import (
    BLOCK_RECORDS,
    Selection,
    select_all,
    select_components,
)
from jupyter_mop.errors import DataError

N, K, J = 96, 3, 20


def people(n_contexts: int = 3) -> Population:
    frame = pd.DataFrame({"topic": [f"t{i % n_contexts}" for i in range(N)], "text": range(N)})
    return Population.from_frame(frame, context="topic", response="text")


def triples(selection: Selection) -> list[tuple[int, int, int]]:
    return [(int(i), int(k), int(j)) for i, k, j in zip(*selection.components.arrays, strict=True)]


@pytest.fixture
def exemplars() -> list[Exemplar]:
    return draw_exemplars(people(), J)


def test_all_components_are_all_but_the_records_own(exemplars: list[Exemplar]) -> None:
    population = people()
    expected = {
        (i, k, j)
        for i, text in enumerate(population.responses)
        for k in range(K)
        for j, exemplar in enumerate(exemplars)
        if exemplar.response != text
    }
    found = triples(select_all(population, exemplars, K))
    assert len(found) == len(expected)
    assert set(found) == expected
    small = select_components(population, exemplars, K, size=K * J)
    assert set(triples(small)) == expected
    assert small.population.responses == population.responses


@pytest.mark.parametrize("size", [6, 9, 12])
def test_every_record_has_every_persona_with_the_exemplars_of_its_block(
    exemplars: list[Exemplar], size: int
) -> None:
    found = select_components(people(), exemplars, K, size=size)
    assert found.log_multiplicity == 0
    by_record = np.zeros((N, K, J), dtype=int)
    np.add.at(by_record, found.components.arrays, 1)
    assert by_record.max() == 1
    np.testing.assert_array_equal(by_record.any(1), ~found.excluded)
    assert (by_record == by_record[:, :1]).all()  # the same exemplars for every persona
    assert set(by_record.sum((1, 2))) <= {size, size - K}
    own = [e.response for e in exemplars]
    for i, text in enumerate(found.population.responses):
        assert text not in [own[j] for j in np.flatnonzero(~found.excluded[i])]


def test_blocks_are_of_similar_contexts_and_have_exemplars_of_their_own(
    exemplars: list[Exemplar],
) -> None:
    found = select_components(people(), exemplars, K, size=9)
    sets = [frozenset(np.flatnonzero(~row)) for row in found.excluded]
    sizes = Counter(s for s in sets if len(s) == 3)
    assert max(sizes.values()) <= BLOCK_RECORDS
    assert len(set().union(*sets)) == 6 * 3
    contexts = found.population.context_labels
    assert sum(a != b for a, b in itertools.pairwise(contexts)) == 2
    assert Counter(found.population.responses) == Counter(people().responses)


def test_of_many_personas_some_are_asked_and_stand_for_all(exemplars: list[Exemplar]) -> None:
    found = select_components(people(), exemplars, 40, size=16)
    counts = np.zeros((N, 40), dtype=int)
    np.add.at(counts, (found.components.record, found.components.persona), 1)
    assert set((counts > 0).sum(1)) == {8}
    assert found.log_multiplicity == pytest.approx(np.log(40 / 8))
    assert (counts.sum(0) > 0).all()


def test_the_seed_alone_decides(exemplars: list[Exemplar]) -> None:
    first, again, other = (
        triples(select_components(people(), exemplars, K, size=6, random_state=seed))
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_record_with_no_exemplar_but_itself_is_refused(exemplars: list[Exemplar]) -> None:
    for select in (select_all, lambda *args: select_components(*args, size=2)):
        with pytest.raises(DataError, match="only exemplar") as caught:
            select(people(), exemplars[:1], K)
        assert "n_exemplars" in caught.value.hint
