"""What a run would cost, as a table; and what one has cost, as facts for its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.usage import Usage
from jupyter_mop.rendering import Rendered


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a run would ask.

    Attributes
    ----------
    what : str
        "scores", "responses" or "first tokens".
    calls, most_calls : int
        Calls that the model would be asked, as is likely and at most.
    hits : int
        Requests that the store answers, or another one of the same run.
    tokens_in, tokens_out, most_out : int
        Tokens to read, to write as is likely, and to write at most.
    seconds : float or None
        At the pace so far; None where there is none.
    is_known : bool
        Whether its prompts are known; else they depend on answers of the steps before.
    """

    what: str
    calls: int
    most_calls: int
    hits: int
    tokens_in: int
    tokens_out: int
    most_out: int
    seconds: float | None
    is_known: bool

    @property
    def duration(self) -> str:
        """The time in words."""
        return _time(self.seconds)


@dataclass(frozen=True, slots=True)
class CostEstimate(Rendered):
    """What a verb would cost, before any call is made.

    Attributes
    ----------
    verb : str
    steps : tuple of Step
        In the order asked.
    price : Price or None
        None where nobody says what the model costs.
    counted : str
        Who counted the tokens.

    Examples
    --------
    >>> step = Step("responses", 100, 100, 0, 20_000, 3_000, 4_800, 12.0, is_known=True)
    >>> CostEstimate("simulate", (step,), Price(0.15, 0.6, "stated"), "a guess")
    simulate would make 100 calls (0 answers are kept): 20,000 tokens in, 3,000 out (at most 4,800)
      money   $0.0048, at most $0.0059, at $0.15 in, $0.6 out a million tokens (stated)
      time    12 s
      tokens  counted by a guess
    """

    verb: str
    steps: tuple[Step, ...]
    price: Price | None
    counted: str

    @property
    def calls(self) -> int:
        """Calls that the model would be asked."""
        return sum(step.calls for step in self.steps)

    @property
    def most_calls(self) -> int:
        """Calls that the model would be asked at most."""
        return sum(step.most_calls for step in self.steps)

    @property
    def hits(self) -> int:
        """Requests that cost nothing."""
        return sum(step.hits for step in self.steps)

    @property
    def tokens_in(self) -> int:
        """Tokens to read."""
        return sum(step.tokens_in for step in self.steps)

    @property
    def tokens_out(self) -> int:
        """Tokens to write, as is likely."""
        return sum(step.tokens_out for step in self.steps)

    @property
    def most_out(self) -> int:
        """Tokens to write at most."""
        return sum(step.most_out for step in self.steps)

    @property
    def usd(self) -> float | None:
        """The likely cost in US dollars; None where the price is not known."""
        return self._usd(self.tokens_in, self.tokens_out)

    @property
    def most_usd(self) -> float | None:
        """The cost in US dollars if all calls are made and each writes all it may; or None."""
        steps = [step for step in self.steps if step.calls]
        tokens_in = sum(step.tokens_in * step.most_calls / step.calls for step in steps)
        most_out = sum(step.most_out * step.most_calls / step.calls for step in steps)
        return self._usd(tokens_in, most_out)

    @property
    def seconds(self) -> float | None:
        """The time at the pace so far; None where the model has not been heard yet."""
        known = [step.seconds for step in self.steps if step.seconds is not None]
        return sum(known) if len(known) == len(self.steps) else None

    @property
    def duration(self) -> str:
        """The time in words."""
        return _time(self.seconds)

    def _usd(self, tokens_in: float, tokens_out: float) -> float | None:
        if not self.calls:
            return 0.0
        return None if self.price is None else self.price.of(tokens_in, tokens_out)

    @property
    def facts(self) -> dict[str, str]:
        """Money, time, who counted, and what depends on answers, in words."""
        later = sum(step.calls for step in self.steps if not step.is_known)
        told = {
            "money": _money(self.usd, self.most_usd, self.price),
            "time": self.duration,
            "tokens": f"counted by {self.counted}",
        }
        if later:
            told["note"] = (
                f"what {later:,} of the calls ask depends on answers that are not known yet: "
                f"they may be fewer or up to {self.most_calls:,} in all, with other prompts; "
                "--budget is a bound that holds"
            )
        return told

    def __repr__(self) -> str:
        head = (
            f"{self.verb} would make {self.calls:,} calls ({self.hits:,} answers are kept): "
            f"{self.tokens_in:,} tokens in, {self.tokens_out:,} out (at most {self.most_out:,})"
        )
        return "\n  ".join([head, *(f"{name:<6}  {fact}" for name, fact in self.facts.items())])


def actual(usage: Usage, price: Price | None) -> dict[str, Any]:
    """Return what a run has cost: calls, cache hits, tokens, US dollars and at what price.

    `usd` is None where the price is not known; `unsure` are calls of which nobody told the tokens.

    Examples
    --------
    >>> actual(Usage(calls=2, tokens_in=500_000), Price(0.15, 0.6, "stated"))["usd"]
    0.075
    >>> actual(Usage(calls=2, tokens_in=500_000), None)["usd"] is None
    True
    """
    known = price.of(usage.tokens_in, usage.tokens_out) if price else None
    return {
        "calls": usage.calls,
        "cache_hits": usage.hits,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "usd": known if usage.calls else 0.0,
        "price": str(price or "unknown"),
        **({"unsure": usage.unsure} if usage.unsure else {}),
    }


def _money(likely: float | None, most: float | None, price: Price | None) -> str:
    if likely is None or most is None:
        return "unknown: state a price with %mop_backend --price-in 0.15 --price-out 0.60"
    if not most:
        return "$0" if price is None else f"$0, at {price}"
    return f"${_dollars(likely)}, at most ${_dollars(most)}, at {price}"


def _dollars(usd: float) -> str:
    return f"{usd:,.2f}" if usd >= 1 else f"{usd:.2g}" if usd < 0.001 else f"{usd:.4f}"  # noqa: PLR2004


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown before the model has answered"
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min"
