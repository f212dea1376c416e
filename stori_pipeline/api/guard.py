"""Who may ask, and how often.

Without a key in the settings the API is open, as on a laptop, and none of this is asked. With one, every request must carry it in
`X-API-Key`, and those from one address are limited; wrong keys count too, so that nobody can try many.
"""

from __future__ import annotations

import math
import secrets
import time

from fastapi import Request, Security
from fastapi.security import APIKeyHeader
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

RATE = "60/minute"

_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The key, where one is configured.")


class Unknown(Exception):
    """The request has no key, or not the right one."""


class TooMany(Exception):
    """There were too many requests from one address; the next is welcome after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests; ask again in {seconds} s")
        self.seconds = seconds


class Guard:
    """A dependency of every address that shows data. `rate` is a text such as `60/minute`."""

    def __init__(self, key: str, rate: str = "") -> None:
        self._key = key.encode()
        self._rate = parse(rate or RATE)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def __call__(self, request: Request, key: str | None = Security(_HEADER)) -> None:
        asker = request.client.host if request.client else ""
        if not self._limiter.hit(self._rate, asker):
            free = self._limiter.get_window_stats(self._rate, asker).reset_time
            raise TooMany(max(1, math.ceil(free - time.time())))
        # Compared in constant time, as bytes: a header may hold any character.
        if key is None or not secrets.compare_digest(key.encode(), self._key):
            raise Unknown("this API wants its key in the header X-API-Key")
