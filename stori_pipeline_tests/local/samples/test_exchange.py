"""The generator of trades.json: the same bytes everywhere, and the facts of the original format."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from stori_pipeline.local.samples import exchange


@pytest.fixture(scope="module")
def trades(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("exchange") / "trades.json"
    exchange.write_trades(path, trades=5_000)
    whole = json.loads(path.read_text(encoding="utf-8"))
    assert list(whole) == ["data"]
    found: list[dict[str, Any]] = whole["data"]
    return found


def test_a_seed_gives_the_same_bytes_on_every_machine_and_python(tmp_path: Path) -> None:
    exchange.write_trades(tmp_path / "trades.json", trades=500)
    assert hashlib.sha256((tmp_path / "trades.json").read_bytes()).hexdigest() == GOLDEN


GOLDEN = "3f42deb935db1ec73c8d706a30dd10acafdb425bc75e076e3a7415be9b0d3c2a"


def test_no_trades_are_still_valid_json(tmp_path: Path) -> None:
    exchange.write_trades(tmp_path / "trades.json", trades=0)
    assert json.loads((tmp_path / "trades.json").read_text()) == {"data": []}


def test_ids_are_a_counter_of_24_hex_digits(trades: list[dict[str, Any]]) -> None:
    ids = [trade["id"] for trade in trades]
    assert all(re.fullmatch("[0-9a-f]{24}", one) for one in ids)
    assert [int(one, 16) - int(ids[0], 16) for one in ids] == list(range(5_000))


def test_ticket_and_ticker_are_absent_from_some(trades: list[dict[str, Any]]) -> None:
    assert "ticket" not in trades[0]
    for name in ("ticket", "ticker"):
        present = sum(name in trade for trade in trades)
        assert len(trades) / 2 < present < len(trades)
    assert len({trade["ticket"] for trade in trades if "ticket" in trade}) == 400


def test_quotes_surround_the_price_in_order(trades: list[dict[str, Any]]) -> None:
    for trade in trades:
        asks, bids = trade["details"]["asks"], trade["details"]["bids"]
        assert (len(asks), len(bids)) == (3, 4)
        assert asks == sorted(asks)
        assert bids == sorted(bids, reverse=True)
        assert bids[0] < trade["price"] < asks[0]


def test_prices_are_whole_in_some_and_have_decimals_in_others(trades: list[dict[str, Any]]) -> None:
    assert {type(trade["price"]) for trade in trades} == {int, float}


def test_instants_are_utc_with_milliseconds(trades: list[dict[str, Any]]) -> None:
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", trade["time"]["date"]) for trade in trades)
