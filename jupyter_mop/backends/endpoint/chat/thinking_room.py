"""How many output tokens are left for thinking, beside those of the answer."""

from __future__ import annotations

from jupyter_mop.backends.endpoint import defaults


class ThinkingRoom:
    """The room for thinking: as stated, or measured and enlarged when an answer stays empty.

    Parameters
    ----------
    stated : int, optional
        Tokens that the user states; they never grow.
    measured : tuple of int, optional
        Least and most tokens of thinking when the endpoint was probed; None without thinking.

    Attributes
    ----------
    tokens : int
        The current room in tokens.

    Examples
    --------
    >>> room = ThinkingRoom(None, (60, 300))
    >>> room.tokens, room.larger(1200), room.tokens
    (1200, 2400, 2400)
    >>> ThinkingRoom(500, (60, 300)).larger(500) is None
    True
    """

    def __init__(self, stated: int | None, measured: tuple[int, int] | None) -> None:
        self._stated = stated
        self.tokens = stated or 0
        if stated is None and measured:
            wanted = max(defaults.MIN_THINKING_ROOM, defaults.THINKING_FACTOR * measured[1])
            self.tokens = min(wanted, defaults.MAX_THINKING_ROOM)
        self._n_seen, self._sum, self._most = 0, 0, 0
        self._measured = measured or (0, 0)

    def larger(self, tried: int) -> int | None:
        """Return the room for another attempt after `tried` was too little; None if there is none.

        Calls that start later have the larger room too.
        """
        if self._stated is not None or tried >= defaults.MAX_THINKING_ROOM:
            return None
        wanted = max(2 * tried, defaults.MIN_THINKING_ROOM)
        self.tokens = max(self.tokens, min(wanted, defaults.MAX_THINKING_ROOM))
        return self.tokens

    def see(self, n_tokens: int) -> None:
        """Record the thinking before one answer."""
        self._n_seen, self._sum = self._n_seen + 1, self._sum + n_tokens
        self._most = max(self._most, n_tokens)

    @property
    def expected(self) -> float:
        """Expected tokens of thinking before an answer: the mean seen, or that of the probe."""
        return self._sum / self._n_seen if self._n_seen else sum(self._measured) / 2

    @property
    def most(self) -> int:
        """Most tokens of thinking seen before an answer."""
        return max(self._most, self._measured[1])
