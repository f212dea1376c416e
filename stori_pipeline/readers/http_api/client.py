"""Asking an HTTP API: one GET at a time, with bounded waits, and what its answers mean to a reader.

Belongs here: timeouts, retries, rate limits, and turning failures into this project's errors. Does not belong here: what an answer
says (the package's other modules).

The address is a secret as a whole: it may hold a password or, as many APIs want it, a key among its parameters. Errors name the
host and the path.
"""

from __future__ import annotations

import functools
import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from stori_pipeline.clock import utc_now
from stori_pipeline.readers import SourceError, SourceUnavailable

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_ANSWER_SECONDS = 30.0
"""How long one answer may take in all; the timeouts above are for each piece of it."""

_ANSWER_BYTES = 5_000_000
_ATTEMPTS = 4
_LONGEST_WAIT = 60.0
"""How many seconds of a Retry-After are waited for. An API that asks for more is asked again by a later run."""

_BACKOFF = wait_exponential(multiplier=0.2, max=8.0) + wait_random(0.0, 0.2)

# httpx says each address that it asks, parameters included, at a level that a program may well show.
logging.getLogger("httpx").setLevel(logging.WARNING)


@functools.lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Certificates are verified, against the system's authorities. Reading those takes longer than an answer, hence once."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Answer:
    """`status` is 200, 304 or 404."""

    status: int
    body: bytes
    etag: str


class _Passing(SourceUnavailable):
    """A failure that may pass within a run."""

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait


def _seconds(state: RetryCallState) -> float:
    """How long to wait before the next attempt: as long as the API asks for, else longer each time."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.wait if isinstance(failure, _Passing) else None
    return _BACKOFF(state) if asked is None else asked


def _retry_after(header: str | None) -> float | None:
    """A Retry-After in seconds, which it may say as a number or as a date; None where it says nothing."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - utc_now()).total_seconds())


class Api:
    """An open connection to the API at an address. `table` and `source` are how errors call what is read."""

    def __init__(self, client: httpx.Client, table: str, host: str) -> None:
        self._client, self._where = client, f"{table} at {host}"

    def get(self, path: str, *, etag: str = "") -> Answer:
        """The answer for a path below the address, asked with its parameters; 304 where `etag` still is its version.

        Tried up to four times where the API is away, overloaded or asks to wait.

        Raises:
            SourceUnavailable: it is so still.
            SourceError: it refuses, or answers with what is no answer.
        """
        patiently = Retrying(retry=retry_if_exception_type(_Passing), stop=stop_after_attempt(_ATTEMPTS), wait=_seconds, reraise=True)
        answer: Answer = patiently(self._once, path, etag)
        return answer

    def _once(self, path: str, etag: str) -> Answer:
        where = f"{self._where}/{path}"
        try:
            with self._client.stream("GET", path, headers={"If-None-Match": etag} if etag else {}) as response:
                status = response.status_code
                if status in (200, 304, 404):
                    return Answer(status, _body(response, where), response.headers.get("ETag", ""))
                wait = _retry_after(response.headers.get("Retry-After")) if status in (429, 503) else None
        except httpx.TransportError as error:
            raise _Passing(f"{where}: it does not answer ({type(error).__name__}: {error}). Is it up, and the address right?") from error
        except httpx.HTTPError as error:
            raise SourceError(f"{where}: its answer cannot be read ({type(error).__name__}: {error})") from error
        if status == 429 or status >= 500:
            if wait is not None and wait > _LONGEST_WAIT:
                raise SourceUnavailable(f"{where}: it answers {status} and asks to wait {wait:.0f} seconds; a later run goes on from here")
            raise _Passing(f"{where}: it answers {status}, which passes; run again later", wait)
        if status in (401, 403):
            raise SourceError(f"{where}: it answers {status}; check the key or the password in the source's address")
        if 300 <= status < 400:
            raise SourceError(
                f"{where}: it has moved ({status}, to {urlsplit(response.headers.get('Location', '')).netloc or 'another path'}); "
                "correct the source's address"
            )
        raise SourceError(f"{where}: it answers {status}, which is no answer to this question; check the source's address")


def _body(response: httpx.Response, where: str) -> bytes:
    """The whole answer, which neither its size nor its slowness makes unbounded."""
    began, pieces, size = time.monotonic(), list[bytes](), 0
    for piece in response.iter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size > _ANSWER_BYTES:
            raise SourceError(f"{where}: its answer has more than {_ANSWER_BYTES} bytes; is this the right address?")
        if time.monotonic() - began > _ANSWER_SECONDS:
            raise _Passing(f"{where}: its answer takes longer than {_ANSWER_SECONDS:.0f} seconds")
    return b"".join(pieces)


@contextmanager
def opened(url: str, table: str, source: str) -> Iterator[Api]:
    """The API that the source's address names, such as `https://api.example/v1?base=GBP`.

    Raises:
        SourceError: it is not such an address.
    """
    wrong = SourceError(f"{table}: the address of the source {source!r} should look like https://api.example/v1?base=GBP")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise wrong from None  # its message would quote the address
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise wrong
    host = f"{parsed.host}:{parsed.port}" if parsed.port else parsed.host
    with httpx.Client(
        base_url=parsed.copy_with(query=None),
        params=parsed.params,
        timeout=_TIMEOUT,
        verify=_trust(),
        headers={"User-Agent": "stori_pipeline"},
    ) as client:
        yield Api(client, table, host)
