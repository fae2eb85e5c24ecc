"""Order requests so that shared beginnings of prompts are computed once.

The engine caches keys and values of finished sequences in blocks of 32 tokens. When a sequence is
added, it restores the longest cached prefix. Restored tokens get no log-probability, so of a
scored pair only the prompt may be restored, up to the token before its last. A plan first runs the
shared blocks of prompts (primers), then adds all sequences that use them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCK = 32

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Tokens of a prompt (the first `n_prompt`) and of a response to score, if any."""

    tokens: Tokens
    n_prompt: int

    @property
    def prompt(self) -> Tokens:
        """Tokens of the prompt."""
        return self.tokens[: self.n_prompt]

    @property
    def prefixes(self) -> list[Tokens]:
        """Prefixes of whole blocks that may be restored, the shortest first."""
        last = (self.n_prompt - 1) // BLOCK
        return [self.tokens[: BLOCK * n_blocks] for n_blocks in range(1, last + 1)]


@dataclass(frozen=True, slots=True)
class Window:
    """Sequences to add together, after `waves` of primers; each wave may use the one before."""

    waves: tuple[tuple[Tokens, ...], ...]
    members: tuple[int, ...]


def plan(sequences: Sequence[Pair], *, max_blocks: int, max_members: int) -> Iterator[Window]:
    """Yield windows that cover all sequences, grouping those with long common prefixes.

    Sequences of one prompt stay in one window, because a finished one leaves the beginning of its
    response in the cache, where another could restore it.

    Parameters
    ----------
    sequences : sequence
        Sequences to run, in any order.
    max_blocks : int
        Highest number of shared blocks in a window, unless one prompt needs more.
    max_members : int
        Highest number of sequences in a window, unless one prompt has more.

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
    for group in _by_prompt(sequences):
        shared = {prefix for prefix in sequences[group[0]].prefixes if counts[prefix] > 1}
        is_full = len(blocks | shared) > max_blocks or len(members) + len(group) > max_members
        if members and is_full:
            yield _window(sequences, members)
            members, blocks = [], set()
        members, blocks = members + group, blocks | shared
    if members:
        yield _window(sequences, members)


def _by_prompt(sequences: Sequence[Pair]) -> list[list[int]]:
    """Return the indices of each prompt's sequences, with prompts in the order of their tokens."""
    groups: dict[Tokens, list[int]] = defaultdict(list)
    for index, sequence in enumerate(sequences):
        groups[sequence.prompt].append(index)
    return [groups[prompt] for prompt in sorted(groups)]


def _window(sequences: Sequence[Pair], members: Sequence[int]) -> Window:
    counts = Counter(prefix for index in members for prefix in sequences[index].prefixes)
    shared = [prefix for prefix, count in counts.items() if count > 1]
    children = Counter(prefix[:-BLOCK] for prefix in shared)
    waves: dict[int, list[Tokens]] = defaultdict(list)
    for prefix in shared:
        if children[prefix] != 1:
            waves[len(prefix)].append(prefix)
    return Window(tuple(tuple(waves[length]) for length in sorted(waves)), tuple(members))
