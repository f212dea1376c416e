"""What the local API of exchange rates answers.

Belongs here: its rates, its questions, and the failures it can be told to have. Does not belong here: its start as a part of the stack
(`rates`).

    GET  /latest?base=GBP       the newest rates        both with an ETag, and 304 for one that is still it
    GET  /2024-11-15?base=GBP   that day's; on a day without any, those of the last day that had some, under that day's date
    POST /control               a JSON object that changes how it answers from now on, see `Orders`

Rates are a random walk, a step for each working day since `FIRST`. It depends on nothing but the day, so every server has the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stori_pipeline.clock import utc_now

FIRST = date(2022, 1, 3)
_EUROS = {"EUR": 1.0, "GBP": 0.855, "USD": 1.085, "CHF": 0.955, "JPY": 158.0, "SEK": 11.4, "PLN": 4.35, "MXN": 20.1, "BRL": 5.6}
"""What the walk of each currency keeps near: how much of it a euro buys."""

_STEP = 0.0045
_BACK = 0.01  # the share of the way back that each day takes
_ONE = timedelta(days=1)


class _Walk:
    """One euro in each currency, working day by working day."""

    def __init__(self) -> None:
        self._logs: list[dict[str, float]] = [dict.fromkeys(_EUROS, 0.0)]
        self._growing = threading.Lock()

    def euros(self, day: date) -> dict[str, float]:
        """On a working day, from `FIRST` on."""
        weeks, rest = divmod((day - FIRST).days, 7)
        number = weeks * 5 + rest
        with self._growing:
            while len(self._logs) <= number:
                # A step has a generator of its own, so that it does not depend on how many were asked for before.
                rng = random.Random(f"rates {len(self._logs)}")  # noqa: S311  (no secret hangs on it)
                self._logs.append(
                    {name: at * (1 - _BACK) + (rng.gauss(0, _STEP) if name != "EUR" else 0) for name, at in self._logs[-1].items()}
                )
            logs = self._logs[number]
        return {name: near * math.exp(logs[name]) for name, near in _EUROS.items()}


def working_day(day: date) -> date:
    """The day itself or, at a weekend, the Friday before."""
    return day - timedelta(days=max(0, day.weekday() - 4))


@dataclass
class Orders:
    """What the server was told by `/control`; each member is that of a JSON object of the same name."""

    today: str = ""
    """The day that it takes for today; empty for the clock's."""

    fail: list[dict[str, Any]] = field(default_factory=list)
    """Failures of the next answers, one each: `{"status": 429, "retry_after": "1"}`, `{"seconds": 2}` for a slow one, `{"body": "..."}`
    for another answer, `{}` for one that is cut off. `{"path": "2024-11-14", ...}` waits for that question."""

    rates: dict[str, dict[str, str]] = field(default_factory=dict)
    """Other rates than the walk's, by day and currency, as they are to stand in the JSON, whether that is a number or not."""

    unknown: list[str] = field(default_factory=list)
    """Days that it does not know."""

    etags: bool = True


class RatesServer(ThreadingHTTPServer):
    """The server. `requests` are the questions it was asked, for those who test what asks them."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.orders = Orders()
        self.requests: list[str] = []
        self.guard = threading.Lock()
        self._walk = _Walk()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def today(self) -> date:
        return date.fromisoformat(self.orders.today) if self.orders.today else utc_now().date()

    def failure(self, path: str) -> dict[str, Any] | None:
        """The failure that is due for a question, which it then was."""
        with self.guard:
            self.requests.append(path)
            for failure in self.orders.fail:
                if failure.get("path", path) == path:
                    self.orders.fail.remove(failure)
                    return failure
        return None

    def body(self, asked: str, base: str) -> str | None:
        """The JSON that answers for a day or for `latest`; None for what is not known."""
        try:
            day = self.today() if asked == "latest" else date.fromisoformat(asked)
        except ValueError:
            return None
        if not FIRST <= day <= self.today() or base not in _EUROS or (asked in self.orders.unknown):
            return None
        day = working_day(day)
        while day.isoformat() in self.orders.unknown:
            day = working_day(day - _ONE)
        euros = self._walk.euros(day)
        rates = {name: f"{Decimal(euro / euros[base]):.5f}" for name, euro in euros.items() if name != base}
        rates |= self.orders.rates.get(day.isoformat(), {})
        members = ", ".join(f'"{name}": {rate}' for name, rate in sorted(rates.items()))
        return f'{{"base": "{base}", "date": "{day}", "rates": {{{members}}}}}'


class _Handler(BaseHTTPRequestHandler):
    server: RatesServer
    protocol_version = "HTTP/1.1"
    timeout = 60
    # An answer goes out in one piece: in two, the second would wait for the receipt of the first.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Not every question is a line."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        path = asked.path.strip("/")
        failure = self.server.failure(path)
        if failure is not None and not self._go_on(failure):
            return
        body = self.server.body(path, parse_qs(asked.query).get("base", ["EUR"])[0])
        if body is None:
            self._answer(404, '{"message": "not found"}')
            return
        etag = f'"{hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()}"'
        if not self.server.orders.etags:
            self._answer(200, body)
        elif self.headers.get("If-None-Match") == etag:
            self._answer(304, "", {"ETag": etag})
        else:
            self._answer(200, body, {"ETag": etag})

    def _go_on(self, failure: dict[str, Any]) -> bool:
        """Have a failure; whether the question is still to be answered."""
        if "seconds" in failure:
            time.sleep(float(failure["seconds"]))
            return True
        if "status" in failure or "body" in failure:
            also = {"Retry-After": str(failure["retry_after"])} if "retry_after" in failure else {}
            self._answer(int(failure.get("status", 200)), str(failure.get("body", "")), also | dict(failure.get("headers", {})))
        else:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"base": "GBP", "ra')
            self.close_connection = True
        return False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if urlsplit(self.path).path != "/control":
            self._answer(404, "")
            return
        told: dict[str, Any] = json.loads(body)
        with self.server.guard:
            if wrong := [name for name in told if name not in vars(self.server.orders)]:
                self._answer(400, f"there is nothing called {wrong[0]!r} to be told")
                return
            for name, value in told.items():
                setattr(self.server.orders, name, value)
        self._answer(200, "")

    def _answer(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        said = body.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if status != 304:
            self.wfile.write(said)
