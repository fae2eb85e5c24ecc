"""Prices of a model's tokens: from a dated table, the user's own table or the user's arguments.

Each row of the table has the page of its provider (`source`), the date on which the price was read
there, and, where somebody else read it, where they say so (`read_in`). A row with a date `until`
does not count after that day. Tokens of thinking cost what output tokens cost; input that the
server has cached has a price of its own where the provider states one (`usd_cached`).
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jupyter_mop import config
from jupyter_mop.errors import DataError

TABLE = Path(__file__).with_name("prices.csv")
MILLION = 1_000_000
HOW_TO_STATE = (
    "Give it in US dollars per million tokens, from its provider's page: %mop_backend ... "
    "--price-in 0.15 --price-out 0.60. Or list it in a CSV file of your own (JUPYTER_MOP_PRICES)."
)
_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")


@dataclass(frozen=True, slots=True)
class Price:
    """A model's price in US dollars per million tokens.

    Attributes
    ----------
    usd_in, usd_out : float
        Price of a million input and of a million output tokens, thinking included.
    source : str
        Where the price is from.
    usd_cached : float, optional
        Price of a million input tokens that the server has cached; default: that of others.

    Raises
    ------
    DataError
        A price is negative or not finite.

    Examples
    --------
    >>> Price(2.0, 8.0, "stated").of(500_000, 100_000)
    1.8
    >>> Price(2.0, 8.0, "stated", usd_cached=0.5).of(500_000, 100_000, cached=400_000)
    1.2
    """

    usd_in: float
    usd_out: float
    source: str
    usd_cached: float | None = None

    def __post_init__(self) -> None:
        """Check all prices."""
        for value in (self.usd_in, self.usd_out, self.usd_cached or 0):
            if not 0 <= value < math.inf:
                raise DataError(
                    f"A price must be at least 0 US dollars per million tokens, got {value}.",
                    hint="Give both: --price-in 0.15 --price-out 0.60.",
                )

    def of(self, tokens_in: float, tokens_out: float, cached: float = 0) -> float:
        """Return the cost of these tokens in US dollars; `cached` of the input was cached."""
        usd_cached = self.usd_in if self.usd_cached is None else self.usd_cached
        usd_in = self.usd_in * (tokens_in - cached) + usd_cached * cached
        return (usd_in + self.usd_out * tokens_out) / MILLION

    @property
    def in_batches(self) -> Price:
        """The price of requests that are sent as a batch: half.

        Examples
        --------
        >>> str(Price(2.0, 8.0, "stated").in_batches)
        '$1 in, $4 out per million tokens (stated, half price in batches)'
        """
        usd_cached = None if self.usd_cached is None else self.usd_cached / 2
        source = f"{self.source}, half price in batches"
        return Price(self.usd_in / 2, self.usd_out / 2, source, usd_cached)

    def __str__(self) -> str:
        if not self.usd_in and not self.usd_out:
            return f"free ({self.source})"
        cached = "" if self.usd_cached is None else f" (${self.usd_cached:g} cached)"
        prices = f"${self.usd_in:g} in{cached}, ${self.usd_out:g} out"
        return f"{prices} per million tokens ({self.source})"


FREE = Price(0.0, 0.0, "runs locally")


def find(host: str, model: str) -> Price | None:
    """Return the price of a model at a host, or None if no table lists it.

    The user's own table, a CSV file with the same columns, comes first; its path is the setting
    `prices` (JUPYTER_MOP_PRICES).

    Examples
    --------
    >>> find("api.openai.com", "gpt-4o-mini-2024-07-18").usd_out
    0.6
    >>> find("localhost:8080", "gpt-4o-mini") is None
    True
    """
    own = config.setting("prices")
    tables = [Path(own).expanduser(), TABLE] if own else [TABLE]
    name = model.removeprefix("models/")  # as Gemini's list has them
    names = {model, name, _DATED.sub("", name)}
    rows = (row for table in tables for row in _rows(table) if _is_current(row))
    return next((_price(r) for r in rows if r["host"] == host and r["model"] in names), None)


def not_listed() -> str:
    """Return in words that the table, which has a date, does not list a model."""
    newest = max(row["date"] for row in _rows(TABLE))
    return f"the price table of {newest} has no current price of this model"


def stated(usd_in: float | None, usd_out: float | None) -> Price | None:
    """Return the price that the user states, or None if neither number is given.

    Raises
    ------
    DataError
        Only one of the two is given.
    """
    if usd_in is None and usd_out is None:
        return None
    if usd_in is None or usd_out is None:
        raise DataError(
            "A price needs two numbers, for input tokens and for output tokens.",
            hint="Give both: --price-in 0.15 --price-out 0.60.",
        )
    return Price(usd_in, usd_out, "as stated")


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"The price table {table} cannot be read: {error}.",
            hint="Set JUPYTER_MOP_PRICES to a CSV file, or unset it.",
        ) from error
    if any({"host", "model", "usd_in", "usd_out"} - set(row) for row in rows):
        raise DataError(
            f"The price table {table} needs the columns host, model, usd_in and usd_out.",
            hint="Add the missing columns; usd_cached, date and source are optional.",
        )
    return rows


def _is_current(row: dict[str, str]) -> bool:
    until = row.get("until")
    return not until or date.today().isoformat() <= until  # noqa: DTZ011  providers give no zone


def _price(row: dict[str, str]) -> Price:
    source = [part for part in map(row.get, ("source", "date", "note")) if part]
    try:
        usd_in, usd_out = float(row["usd_in"]), float(row["usd_out"])
        usd_cached = float(row["usd_cached"]) if row.get("usd_cached") else None
    except (TypeError, ValueError):
        raise DataError(
            f"The price of {row['model']!r} is not a number.",
            hint="Write US dollars per million tokens, such as 0.15 and 0.60.",
        ) from None
    return Price(usd_in, usd_out, ", ".join(source) or "your own table", usd_cached)
