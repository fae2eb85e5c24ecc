"""What a model's tokens cost: a small dated table, one of the user's own, or a price stated."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

from jupyter_mop import config
from jupyter_mop.errors import DataError

TABLE = Path(__file__).with_name("prices.csv")
MILLION = 1_000_000
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens read and a million written, and who says so.

    Raises
    ------
    DataError
        For a price that is no number of zero or more.

    Examples
    --------
    >>> Price(2.0, 8.0, "stated").of(500_000, 100_000)
    1.8
    """

    usd_in: float
    usd_out: float
    source: str

    def __post_init__(self) -> None:
        """Check both numbers."""
        for value in (self.usd_in, self.usd_out):
            if not 0 <= value < math.inf:
                raise DataError(
                    f"A price must be zero or more US dollars a million tokens, not {value}.",
                    hint="Write both: --price-in 0.15 --price-out 0.60.",
                )

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """Return the US dollars for so many tokens."""
        return (self.usd_in * tokens_in + self.usd_out * tokens_out) / MILLION

    def __str__(self) -> str:
        if not self.usd_in and not self.usd_out:
            return f"nothing ({self.source})"
        return f"${self.usd_in:g} in, ${self.usd_out:g} out a million tokens ({self.source})"


FREE = Price(0.0, 0.0, "it runs here")


def find(host: str, model: str) -> Price | None:
    """Return what a model costs at a host, or None where no table says so.

    The user's own table, of the same columns, comes first: the setting `prices` is its path
    (JUPYTER_MOP_PRICES).

    Examples
    --------
    >>> find("api.openai.com", "gpt-4o-mini-2024-07-18").usd_out
    0.6
    >>> find("localhost:8080", "gpt-4o-mini") is None
    True
    """
    own = config.setting("prices")
    tables = [Path(own).expanduser(), TABLE] if own else [TABLE]
    names = {model, _DATED.sub("", model)}
    rows = (row for table in tables for row in _rows(table))
    return next((_price(r) for r in rows if r["host"] == host and r["model"] in names), None)


def stated(usd_in: float | None, usd_out: float | None) -> Price | None:
    """Return the price that the user states, or None where both are left out.

    Raises
    ------
    DataError
        Where one of the two is left out.
    """
    if usd_in is None and usd_out is None:
        return None
    if usd_in is None or usd_out is None:
        raise DataError(
            "A price has two numbers, for tokens in and tokens out.",
            hint="Write both: --price-in 0.15 --price-out 0.60.",
        )
    return Price(usd_in, usd_out, "as stated")


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"The table of prices {table} cannot be read: {error}.",
            hint="Set JUPYTER_MOP_PRICES to a CSV file, or unset it.",
        ) from error
    if any({"host", "model", "usd_in", "usd_out"} - set(row) for row in rows):
        raise DataError(
            f"The table of prices {table} needs the columns host, model, usd_in and usd_out.",
            hint="Add date and source, so that a reader knows where a price is from.",
        )
    return rows


def _price(row: dict[str, str]) -> Price:
    told = [part for part in (row.get("source"), row.get("date")) if part]
    try:
        usd_in, usd_out = float(row["usd_in"]), float(row["usd_out"])
    except (TypeError, ValueError):
        raise DataError(
            f"The price of {row['model']!r} is no pair of numbers.",
            hint="Write US dollars a million tokens, as in 0.15 and 0.60.",
        ) from None
    return Price(usd_in, usd_out, ", ".join(told) or "your own table")
