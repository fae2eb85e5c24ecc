from __future__ import annotations

import csv
from pathlib import Path

import pytest

from jupyter_mop import config
from jupyter_mop.backends.cost.prices import FREE, TABLE, Price, find, stated
from jupyter_mop.errors import DataError


def test_every_price_in_the_table_has_a_date_and_a_source() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        price = find(row["host"], row["model"])
        assert price is not None
        assert 0 < price.usd_in < price.usd_out
        assert row["source"].startswith("https://") and row["source"] in str(price)  # noqa: PT018
        assert row["date"] in str(price)


def test_an_unknown_model_or_host_has_no_price() -> None:
    assert find("api.openai.com", "gpt-99") is None
    assert find("127.0.0.1:8080", "gpt-4o-mini") is None


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
