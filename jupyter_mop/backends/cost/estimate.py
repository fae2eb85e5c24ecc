"""The cost of a run: estimated before it starts, and recorded in its provenance afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_mop.backends.cost.prices import HOW_TO_STATE, Price, not_listed
from jupyter_mop.backends.cost.usage import Usage
from jupyter_mop.rendering import Rendered


@dataclass(frozen=True, slots=True)
class Step:
    """The requests of one step of a run.

    Attributes
    ----------
    what : str
        "scores", "responses" or "first tokens".
    calls, max_calls : int
        Expected and highest possible number of calls.
    hits : int
        Requests answered by the store or by an identical request.
    tokens_in, tokens_out, max_out : int
        Expected input tokens, expected output tokens, and the output limit.
    seconds : float or None
        Expected time at the pace so far; None before the model has answered.
    is_known : bool
        Whether the prompts are known; otherwise they depend on the answers of earlier steps.
    tokens_cached : int
        Expected input tokens that the server has cached, by their share so far.
    """

    what: str
    calls: int
    max_calls: int
    hits: int
    tokens_in: int
    tokens_out: int
    max_out: int
    seconds: float | None
    is_known: bool
    tokens_cached: int = 0

    @property
    def duration(self) -> str:
        """The expected time in words."""
        return _time(self.seconds)


@dataclass(frozen=True, slots=True)
class CostEstimate(Rendered):
    """The estimated cost of a verb, made without any call.

    Attributes
    ----------
    verb : str
        The verb that was planned, such as "simulate".
    steps : tuple of Step
        Steps in their order.
    price : Price or None
        The model's price; None if it is not known.
    counted : str
        How the tokens were counted.
    thinking : tuple of int, optional
        Expected and most tokens of thinking in a response, for a model that thinks.
    is_batch : bool
        Whether the requests would be sent as a batch, for which the price is half.

    Examples
    --------
    >>> step = Step("responses", 100, 100, 0, 20_000, 3_000, 4_800, 12.0, is_known=True)
    >>> CostEstimate("simulate", (step,), Price(0.15, 0.6, "stated"), "estimate")
    simulate would make 100 calls (0 cached): 20,000 tokens in, 3,000 tokens out (at most 4,800)
      money   $0.0048, at most $0.0059, at $0.15 in, $0.6 out per million tokens (stated)
      time    12 s
      tokens  counted by estimate
    """

    verb: str
    steps: tuple[Step, ...]
    price: Price | None
    counted: str
    thinking: tuple[int, int] | None = None
    is_batch: bool = False

    @property
    def calls(self) -> int:
        """Expected number of calls."""
        return sum(step.calls for step in self.steps)

    @property
    def max_calls(self) -> int:
        """Highest possible number of calls."""
        return sum(step.max_calls for step in self.steps)

    @property
    def hits(self) -> int:
        """Requests that cost nothing: cached or repeated."""
        return sum(step.hits for step in self.steps)

    @property
    def tokens_in(self) -> int:
        """Expected number of input tokens."""
        return sum(step.tokens_in for step in self.steps)

    @property
    def tokens_cached(self) -> int:
        """Expected number of input tokens that the server has cached."""
        return sum(step.tokens_cached for step in self.steps)

    @property
    def tokens_out(self) -> int:
        """Expected number of output tokens."""
        return sum(step.tokens_out for step in self.steps)

    @property
    def max_out(self) -> int:
        """Highest possible number of output tokens."""
        return sum(step.max_out for step in self.steps)

    @property
    def usd(self) -> float | None:
        """Expected cost in US dollars; None if the price is not known."""
        return self._usd(self.tokens_in, self.tokens_out, self.tokens_cached)

    @property
    def max_usd(self) -> float | None:
        """Cost in US dollars if every possible call reaches its output limit; None if not known."""
        steps = [step for step in self.steps if step.calls]
        tokens_in = sum(step.tokens_in * step.max_calls / step.calls for step in steps)
        max_out = sum(step.max_out * step.max_calls / step.calls for step in steps)
        return self._usd(tokens_in, max_out)

    @property
    def seconds(self) -> float | None:
        """Expected time in seconds at the pace so far; None before the model has answered."""
        known = [step.seconds for step in self.steps if step.seconds is not None]
        return sum(known) if len(known) == len(self.steps) and not self.is_batch else None

    @property
    def duration(self) -> str:
        """The expected time in words."""
        if self.is_batch and self.calls:
            return "up to 24 hours for each batch"
        return _time(self.seconds)

    def _usd(self, tokens_in: float, tokens_out: float, cached: float = 0) -> float | None:
        if not self.calls:
            return 0.0
        return None if self.price is None else self.price.of(tokens_in, tokens_out, cached)

    @property
    def facts(self) -> dict[str, str]:
        """Cost, time, how tokens were counted, and what is uncertain, in words."""
        n_unknown = sum(step.calls for step in self.steps if not step.is_known)
        facts = {
            "money": _money(self.usd, self.max_usd, self.price),
            "time": self.duration,
            "tokens": f"counted by {self.counted}",
        }
        if self.thinking:
            expected, room = self.thinking
            facts["hidden"] = (
                f"{expected:,} tokens of thinking a response, at most {room:,}, at the price of "
                "output tokens"
            )
        if self.tokens_cached:
            facts["cached"] = f"{self.tokens_cached:,} tokens in, by the server's share so far"
        if n_unknown:
            facts["note"] = (
                f"the prompts of {n_unknown:,} calls depend on answers that are not known yet; "
                f"there may be up to {self.max_calls:,} calls in total; --budget sets a hard limit"
            )
        return facts

    def __repr__(self) -> str:
        head = (
            f"{self.verb} would make {self.calls:,} calls ({self.hits:,} cached): "
            f"{self.tokens_in:,} tokens in, {self.tokens_out:,} tokens out "
            f"(at most {self.max_out:,})"
        )
        return "\n  ".join([head, *(f"{name:<6}  {fact}" for name, fact in self.facts.items())])


def actual(usage: Usage, price: Price | None) -> dict[str, Any]:
    """Return the cost of a run as recorded in its provenance: calls, tokens, price and dollars.

    `usd` is None if the price is not known; `unsure` counts calls with no reported token counts.

    Examples
    --------
    >>> actual(Usage(calls=2, tokens_in=500_000), Price(0.15, 0.6, "stated"))["usd"]
    0.075
    >>> actual(Usage(calls=2, tokens_in=500_000), None)["usd"] is None
    True
    """
    known = price.of(usage.tokens_in, usage.tokens_out, usage.tokens_cached) if price else None
    return {
        "calls": usage.calls,
        "cache_hits": usage.hits,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "usd": known if usage.calls else 0.0,
        "price": str(price or "unknown"),
        **({"tokens_cached": usage.tokens_cached} if usage.tokens_cached else {}),
        **({"unsure": usage.unsure} if usage.unsure else {}),
    }


def _money(expected: float | None, highest: float | None, price: Price | None) -> str:
    if expected is None or highest is None:
        return f"unknown: {not_listed()}. {HOW_TO_STATE}"
    if not highest:
        return "$0" if price is None else f"$0, {price}"
    return f"${_dollars(expected)}, at most ${_dollars(highest)}, at {price}"


def _dollars(usd: float) -> str:
    return f"{usd:,.2f}" if usd >= 1 else f"{usd:.2g}" if usd < 0.001 else f"{usd:.4f}"  # noqa: PLR2004


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown until the model has answered"
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min"
