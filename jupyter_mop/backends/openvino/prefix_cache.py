"""Order requests so that what their prompts share is computed once.

The engine keeps keys and values of finished sequences in blocks of 32 tokens and restores, when a
sequence is added, the longest kept prefix. Tokens that are restored get no log-probability, so
of a pair that is scored only the prompt may be restored, up to the token before its last. A plan
puts the shared blocks of prompts in first (primers), then adds what uses them all at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCK = 32

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt's tokens and those of a response to score, if any: `n_prompt` are the prompt's."""

    tokens: Tokens
    n_prompt: int

    @property
    def prompt(self) -> Tokens:
        """The prompt's tokens."""
        return self.tokens[: self.n_prompt]

    @property
    def prefixes(self) -> list[Tokens]:
        """Whole blocks of the prompt that may be restored, the shortest prefix first."""
        last = (self.n_prompt - 1) // BLOCK
        return [self.tokens[: BLOCK * n_blocks] for n_blocks in range(1, last + 1)]


@dataclass(frozen=True, slots=True)
class Window:
    """Sequences to add at once, after `waves` of primers: each wave may use the one before."""

    waves: tuple[tuple[Tokens, ...], ...]
    members: tuple[int, ...]


def plan(sequences: Sequence[Pair], *, max_blocks: int, max_members: int) -> Iterator[Window]:
    """Yield windows that cover all sequences, those with long common prefixes side by side.

    Sequences of one prompt stay in one window, because one that is finished leaves the beginning
    of its response behind, which another would find.

    Parameters
    ----------
    sequences : sequence
        What is to be scored, in any order.
    max_blocks : int
        How many shared blocks a window may need, as far as one prompt does not need more.
    max_members : int
        How many sequences a window may hold, as far as one prompt does not have more.

    Examples
    --------
    >>> shared = tuple(range(40))
    >>> pair = [Pair((*shared, 50), 40), Pair((*shared, 60), 40)]
    >>> window, = plan(pair, max_blocks=8, max_members=8)
    >>> [len(primer) for primer in window.waves[0]], window.members
    ([32], (0, 1))
    """
    counts = Counter(prefix for pair in sequences for prefix in pair.prefixes)
    members: list[int] = []
    blocks: set[Tokens] = set()
    for unit in _units(sequences):
        shared = {prefix for prefix in sequences[unit[0]].prefixes if counts[prefix] > 1}
        full = len(blocks | shared) > max_blocks or len(members) + len(unit) > max_members
        if members and full:
            yield _window(sequences, members)
            members, blocks = [], set()
        members, blocks = members + unit, blocks | shared
    if members:
        yield _window(sequences, members)


def _units(sequences: Sequence[Pair]) -> list[list[int]]:
    """Return the indices of the sequences of each prompt, prompts in the order of their tokens."""
    units: dict[Tokens, list[int]] = defaultdict(list)
    for index, sequence in enumerate(sequences):
        units[sequence.prompt].append(index)
    return [units[prompt] for prompt in sorted(units)]


def _window(sequences: Sequence[Pair], members: Sequence[int]) -> Window:
    counts = Counter(prefix for index in members for prefix in sequences[index].prefixes)
    shared = [prefix for prefix, count in counts.items() if count > 1]
    children = Counter(prefix[:-BLOCK] for prefix in shared)
    waves: dict[int, list[Tokens]] = defaultdict(list)
    for prefix in shared:
        if children[prefix] != 1:
            waves[len(prefix)].append(prefix)
    return Window(tuple(tuple(waves[length]) for length in sorted(waves)), tuple(members))
