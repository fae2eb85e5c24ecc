from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.backends.openvino.prefix_cache import BLOCK, Pair, plan


class CacheModel:
    """A model of the engine's cache: it restores whole blocks and whole finished sequences."""

    def __init__(self) -> None:
        self.cached: set[tuple[int, ...]] = set()
        self.computed: list[tuple[int, ...]] = []

    def run(self, sequences):
        restored = [self._restored(tokens) for tokens in sequences]
        for tokens, start in zip(sequences, restored, strict=True):
            ends = range(BLOCK, len(tokens) + 1, BLOCK)
            self.computed += [tokens[:end] for end in ends if end > start]
            self.cached.update(tokens[:end] for end in (*ends, len(tokens)))
        return restored

    def _restored(self, tokens):
        return max((n for n in range(len(tokens)) if tokens[:n] in self.cached), default=0)


def pairs_of(n_personas=3, n_exemplars=4, n_responses=5, tail=0, seed=0):
    rng = np.random.default_rng(seed)

    def draw(n):
        return tuple(rng.integers(50, size=n).tolist())

    pairs = []
    for _ in range(n_personas):
        persona = draw(40)
        for _ in range(n_exemplars):
            prompt = (*persona, *draw(24 + tail))
            pairs += [Pair((*prompt, *draw(rng.integers(1, 70))), len(prompt)) for _ in range(5)]
    rng.shuffle(pairs)
    return pairs[: n_personas * n_exemplars * n_responses]


def run_plan(pairs, **limits):
    cache, found = CacheModel(), {}
    for window in plan(pairs, **limits):
        for wave in window.waves:
            cache.run(wave)
        starts = cache.run([pairs[index].tokens for index in window.members])
        found.update(zip(window.members, starts, strict=True))
    return cache, found


@pytest.mark.parametrize("tail", [0, 1, 7, 31, 32])
@pytest.mark.parametrize("max_members", [1, 7, 1000])
def test_every_pair_is_scored_once_and_no_response_token_is_restored(tail, max_members):
    pairs = pairs_of(tail=tail)
    _, found = run_plan(pairs, max_blocks=100, max_members=max_members)
    assert sorted(found) == list(range(len(pairs)))
    assert all(start < pairs[index].n_prompt for index, start in found.items())


def test_shared_blocks_are_computed_once():
    pairs = pairs_of(tail=10)
    cache, _ = run_plan(pairs, max_blocks=100, max_members=1000)
    usable = {prefix for pair in pairs for prefix in pair.prefixes}
    assert len(usable) == 3 + 12
    assert sum(block in usable for block in cache.computed) == len(usable)


def test_a_long_common_beginning_of_two_responses_is_not_restored():
    prompt, beginning = tuple(range(40)), tuple(range(100, 170))
    pairs = [Pair((*prompt, *beginning, end), 40) for end in (1, 2)]
    pairs.append(Pair((*prompt, *beginning), 40))
    _, found = run_plan(pairs, max_blocks=1, max_members=1)
    assert set(found.values()) == {32}


def test_windows_respect_their_limits():
    pairs = pairs_of(n_personas=6)
    windows = list(plan(pairs, max_blocks=8, max_members=30))
    assert len(windows) > 1
    for window in windows:
        blocks = {prefix for index in window.members for prefix in pairs[index].prefixes}
        assert len(blocks) <= 8
        assert len(window.members) <= 30


def test_no_pairs_give_no_windows():
    assert list(plan([], max_blocks=8, max_members=8)) == []


def test_short_prompts_need_no_primers():
    (window,) = plan([Pair((1, 2, 3), 2), Pair((1, 2, 4), 2)], max_blocks=8, max_members=8)
    assert window.waves == ()
