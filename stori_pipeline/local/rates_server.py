"""The server of the local API of exchange rates.

Belongs here: its rates, its requests, and the failures that tests can request. Does not belong here: starting it (`rates`). The rates are a
random walk with one step per working day since `FIRST`. They depend on the day alone, so every server has the same rates.
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
"""The mean of each currency's walk: the price of one euro."""

_STEP = 0.0045
_BACK = 0.01  # the share of the distance to the mean that each day reverts
_ONE = timedelta(days=1)


class _Walk:
    """The price of one euro in each currency, by working day."""

    def __init__(self) -> None:
        self._logs: list[dict[str, float]] = [dict.fromkeys(_EUROS, 0.0)]
        self._growing = threading.Lock()

    def euros(self, day: date) -> dict[str, float]:
        """The prices on a working day, `FIRST` or later."""
        weeks, rest = divmod((day - FIRST).days, 7)
        number = weeks * 5 + rest
        with self._growing:
            while len(self._logs) <= number:
                # Each step has its own generator, so that it does not depend on the order of requests.
                rng = random.Random(f"rates {len(self._logs)}")  # noqa: S311  (not used for a secret)
                self._logs.append(
                    {name: at * (1 - _BACK) + (rng.gauss(0, _STEP) if name != "EUR" else 0) for name, at in self._logs[-1].items()}
                )
            logs = self._logs[number]
        return {name: near * math.exp(logs[name]) for name, near in _EUROS.items()}


def working_day(day: date) -> date:
    """The day itself; on a weekend, the Friday before."""
    return day - timedelta(days=max(0, day.weekday() - 4))


@dataclass
class Overrides:
    """How the server deviates from normal, as set by POST /control. The fields are the members of its JSON object."""

    today: str = ""
    """The day that the server takes for today; empty for the clock's day."""

    fail: list[dict[str, Any]] = field(default_factory=list)
    """Failures, each of one response: `{"status": 429, "retry_after": "1"}` is an error, `{"seconds": 2}` a slow response,
    `{"body": "..."}` another body, `{}` a response that is cut off. `{"path": "2024-11-14", ...}` applies to requests of that path."""

    rates: dict[str, dict[str, str]] = field(default_factory=dict)
    """Rates that replace those of the walk, by day and currency. Each is written into the JSON unchanged, even if it is no number."""

    unknown: list[str] = field(default_factory=list)
    """Days without rates."""

    etags: bool = True
    """Whether responses have an ETag."""


class RatesServer(ThreadingHTTPServer):
    """The server. `requests` holds the path of each request, for tests.

    `GET /latest?base=GBP` returns the newest rates. `GET /2024-11-15?base=GBP` returns the rates of a day; if the day has none, the
    rates of the last day that has some, with the date of that day. Both have an ETag, and answer 304 to a request with the current ETag.
    `POST /control` sets `Overrides`.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.overrides = Overrides()
        self.requests: list[str] = []
        self.guard = threading.Lock()
        self._walk = _Walk()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def today(self) -> date:
        return date.fromisoformat(self.overrides.today) if self.overrides.today else utc_now().date()

    def take_failure(self, path: str) -> dict[str, Any] | None:
        """Record the request, and remove and return the next failure for its path; None if there is none."""
        with self.guard:
            self.requests.append(path)
            for failure in self.overrides.fail:
                if failure.get("path", path) == path:
                    self.overrides.fail.remove(failure)
                    return failure
        return None

    def body(self, path: str, base: str) -> str | None:
        """The rates of a day or of `latest`, as JSON; None if the server has none."""
        try:
            day = self.today() if path == "latest" else date.fromisoformat(path)
        except ValueError:
            return None
        if not FIRST <= day <= self.today() or base not in _EUROS or (path in self.overrides.unknown):
            return None
        day = working_day(day)
        while day.isoformat() in self.overrides.unknown:
            day = working_day(day - _ONE)
        euros = self._walk.euros(day)
        rates = {name: f"{Decimal(euro / euros[base]):.5f}" for name, euro in euros.items() if name != base}
        rates |= self.overrides.rates.get(day.isoformat(), {})
        members = ", ".join(f'"{name}": {rate}' for name, rate in sorted(rates.items()))
        return f'{{"base": "{base}", "date": "{day}", "rates": {{{members}}}}}'


class _Handler(BaseHTTPRequestHandler):
    server: RatesServer
    protocol_version = "HTTP/1.1"
    timeout = 60
    # A response is sent in one packet: the second of two would wait for the acknowledgement of the first.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Requests are not logged."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = url.path.strip("/")
        failure = self.server.take_failure(path)
        if failure is not None and not self._fail(failure):
            return
        body = self.server.body(path, parse_qs(url.query).get("base", ["EUR"])[0])
        if body is None:
            self._answer(404, '{"message": "not found"}')
            return
        etag = f'"{hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()}"'
        if not self.server.overrides.etags:
            self._answer(200, body)
        elif self.headers.get("If-None-Match") == etag:
            self._answer(304, "", {"ETag": etag})
        else:
            self._answer(200, body, {"ETag": etag})

    def _fail(self, failure: dict[str, Any]) -> bool:
        """Carry out a failure; returns whether the request must still be answered."""
        if "seconds" in failure:
            time.sleep(float(failure["seconds"]))
            return True
        if "status" in failure or "body" in failure:
            headers = {"Retry-After": str(failure["retry_after"])} if "retry_after" in failure else {}
            self._answer(int(failure.get("status", 200)), str(failure.get("body", "")), headers | dict(failure.get("headers", {})))
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
        values: dict[str, Any] = json.loads(body)
        with self.server.guard:
            if unknown := [name for name in values if name not in vars(self.server.overrides)]:
                self._answer(400, f"{unknown[0]!r} is not an override; choose from {', '.join(vars(self.server.overrides))}")
                return
            for name, value in values.items():
                setattr(self.server.overrides, name, value)
        self._answer(200, "")

    def _answer(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 304:
            self.wfile.write(content)
