from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest

from jupyter_mop import config
from jupyter_mop.backends.cost.prices import FREE, TABLE, Price, find, not_listed, stated
from jupyter_mop.errors import DataError


def test_every_price_in_the_table_has_a_date_and_a_source() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["host"], row["model"]) for row in rows}) == len(rows) > 40
    for row in rows:
        assert all(row[name].startswith("https://") for name in ("source", "read_in") if row[name])
        price = find(row["host"], row["model"])
        if price is None:
            assert row["until"] < date.today().isoformat()  # noqa: DTZ011
            continue
        assert 0 < price.usd_in < price.usd_out
        assert price.usd_cached is None or 0 < price.usd_cached < price.usd_in
        assert all(part in str(price) for part in (row["source"], row["date"], row["note"]))
    newest = max(row["date"] for row in rows)
    assert date.fromisoformat(newest) <= date.today()  # noqa: DTZ011
    assert newest in not_listed()


def test_an_unknown_model_or_host_has_no_price() -> None:
    assert find("api.openai.com", "gpt-99") is None
    assert find("127.0.0.1:8080", "gpt-4o-mini") is None


@pytest.mark.parametrize(
    ("host", "name", "usd"),
    [
        ("api.openai.com", "gpt-4o-mini-2024-07-18", (0.15, 0.075, 0.6)),
        ("api.anthropic.com", "claude-haiku-4-5-20251001", (1, 0.1, 5)),
        ("generativelanguage.googleapis.com", "models/gemini-4-neon", (3, 0.15, 15)),
    ],
)
def test_a_model_is_found_by_any_of_its_names(host: str, name: str, usd: tuple[float, ...]) -> None:
    price = find(host, name)
    assert price is not None
    assert (price.usd_in, price.usd_cached, price.usd_out) == usd


def test_cached_input_has_its_own_price_where_it_is_stated() -> None:
    price = Price(2.0, 8.0, "stated", usd_cached=0.5)
    assert price.of(10**6, 0, cached=10**6) == 0.5
    assert price.in_batches.of(10**6, 0, cached=10**6) == 0.25
    assert Price(2.0, 8.0, "stated").of(10**6, 0, cached=10**6) == 2
    assert str(price) == "$2 in ($0.5 cached), $8 out per million tokens (stated)"
    with pytest.raises(DataError):
        Price(2.0, 8.0, "stated", usd_cached=-1)


def test_a_price_that_has_ended_is_not_used(tmp_path: Path) -> None:
    own = tmp_path / "prices.csv"
    own.write_text("host,model,usd_in,usd_out,until\na.b,x,1,2,2026-01-31\na.b,y,1,2,2999-01-31\n")
    with config.settings(prices=own):
        assert find("a.b", "x") is None
        assert find("a.b", "y") == Price(1, 2, "your own table")


def test_the_users_own_table_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "prices.csv"
    own.write_text("host,model,usd_in,usd_out\nuni.edu,llama,1,2\napi.openai.com,gpt-4o,7,8\n")
    with config.settings(prices=own):
        assert find("uni.edu", "llama") == Price(1, 2, "your own table")
        assert find("api.openai.com", "gpt-4o").usd_in == 7
        assert find("api.openai.com", "gpt-4o-mini").usd_in == 0.15
    assert find("uni.edu", "llama") is None


@pytest.mark.parametrize("text", ["host,model\na,b\n", "host,model,usd_in,usd_out\na,b,x,1\n"])
def test_an_invalid_table_is_refused(tmp_path: Path, text: str) -> None:
    own = tmp_path / "prices.csv"
    own.write_text(text)
    with config.settings(prices=own), pytest.raises(DataError):
        find("a", "b")
    with config.settings(prices=tmp_path / "none.csv"), pytest.raises(DataError, match="read"):
        find("a", "b")


def test_a_stated_price_needs_two_numbers() -> None:
    assert stated(None, None) is None
    assert stated(0.0, 0.0) == Price(0, 0, "as stated")
    assert FREE.of(10**6, 10**6) == 0
    for pair in ((1.0, None), (None, 1.0), (-1.0, 1.0), (float("nan"), 1.0)):
        with pytest.raises(DataError):
            stated(*pair)
