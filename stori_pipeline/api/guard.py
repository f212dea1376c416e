"""Authentication and rate limiting.

Belongs here: the check of the key and of the rate. Does not belong here: which addresses it guards. Without a key in the settings the API
is open, as on a laptop. With a key, each request must carry it in `X-API-Key`, and each client address has a rate limit; requests with a
wrong key count, so that nobody can try many keys.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable

from fastapi import Request, Security
from fastapi.security import APIKeyHeader
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

DEFAULT_RATE = "60/minute"

_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The key, if one is configured.")


class Unauthorized(Exception):
    """The request has no key, or a wrong one."""


class TooManyRequests(Exception):
    """One client address sent too many requests; the next one is accepted after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests; try again in {seconds} s")
        self.seconds = seconds


class Guard:
    """A dependency of every address that shows data.

    Args:
        key: returns the key that requests must carry at present.
        rate: requests per client address, such as `60/minute`.
    """

    def __init__(self, key: Callable[[], str], rate: str = "") -> None:
        self._key = key
        self._rate = parse(rate or DEFAULT_RATE)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def __call__(self, request: Request, key: str | None = Security(_HEADER)) -> None:
        """Accept the request.

        Raises:
            TooManyRequests: the client's address is over the rate.
            Unauthorized: the key is missing or wrong.
        """
        client = request.client.host if request.client else ""
        if not self._limiter.hit(self._rate, client):
            reset_time = self._limiter.get_window_stats(self._rate, client).reset_time
            raise TooManyRequests(max(1, math.ceil(reset_time - time.time())))
        # Compared in constant time, and as bytes, because a header may hold any character.
        due = self._key()
        # A key that was taken away must not be the empty one.
        if not key or not due or not secrets.compare_digest(key.encode(), due.encode()):
            raise Unauthorized("the key is missing or wrong; send it in the header X-API-Key")
