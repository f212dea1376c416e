"""The generator of `trades.json`: trades with their quotes, in the format of the original file.

Belongs here: a trade in the file. Does not belong here: a trade in MongoDB (`trades_json`), and any database. The bytes depend only on the
seed and the number of trades; `bank` says how.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from stori_pipeline.local.samples.bank import pick

TRADES = 60_000
FIRST_ID = 0x5A17C3B04E2D9F71B8139F9A
"""The id of the first trade. Ids are ObjectIds of one process, and count up from it."""

_FIRST_MINUTE = datetime(2012, 3, 2, 22, 0, tzinfo=timezone.utc)
_TICKETS = 400
_TICKERS = ("abcd", "abce", "bcde", "mnop", "wxyz")


def trade_id(number: int) -> str:
    """The id of trade `number`, from 0."""
    return f"{FIRST_ID + number:024x}"


def _number(cents: int) -> int | float:
    """JSON's spelling of a price: `110`, `110.3`, `110.07`."""
    return cents // 100 if cents % 100 == 0 else cents / 100


def trade(number: int, rng: random.Random) -> dict[str, Any]:
    """Trade `number`, from 0, as an object of the file. Id, minute and ticket follow from the number; ticket and ticker may be missing."""
    cents = 9_000 + int(rng.random() * 4_000)
    if rng.random() < 0.6:
        cents = cents // 100 * 100
    fields: dict[str, Any] = {"id": trade_id(number), "price": _number(cents), "shares": 10 * (1 + int(rng.random() * 100))}
    if rng.random() < 0.85:
        fields["ticker"] = pick(rng, _TICKERS)
    if number and rng.random() < 0.7:
        fields["ticket"] = f"z{100 + number % _TICKETS}"
    asks, bids = [cents], [cents]
    for _ in range(3):
        asks.append(asks[-1] + 1 + int(rng.random() * 20))
    for _ in range(4):
        bids.append(bids[-1] - 1 - int(rng.random() * 20))
    fields["details"] = {
        "system": "abc",
        "lag": 0 if rng.random() < 0.9 else int(rng.random() * 500),
        "asks": [_number(c) for c in asks[1:]],
        "bids": [_number(c) for c in bids[1:]],
    }
    at = _FIRST_MINUTE + timedelta(minutes=number)
    millisecond = 0 if rng.random() < 0.8 else int(rng.random() * 1_000)
    fields["time"] = {"date": f"{at:%Y-%m-%dT%H:%M:%S}.{millisecond:03d}Z"}
    return fields


def write_trades(
    path: Path, *, trades: int = TRADES, seed: int = 2, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> None:
    """Write `{"data": [...]}` with `trades` trades to `path`. The file appears only when it is complete; memory does not grow with it.

    `progress(done, total)` counts trades.
    """
    rng = random.Random(seed)
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("w", encoding="utf-8", newline="") as file:
        file.write('{"data":[\n')
        for number in range(trades):
            file.write(json.dumps(trade(number, rng), separators=(",", ":")))
            file.write(",\n" if number < trades - 1 else "\n")
            if number % 5_000 == 4_999:
                progress(number + 1, trades)
        file.write("]}\n")
        progress(trades, trades)
    part.replace(path)
