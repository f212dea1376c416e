"""Requests to an HTTP API: one GET at a time, with timeouts and retries, and the translation of its errors into SourceErrors.

Belongs here: timeouts, retries, rate limits. Errors name the host and the path only, because the address may hold a password or an API
key. Does not belong here: turning responses into rows (`answers`).
"""

from __future__ import annotations

import functools
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from stori_pipeline.clock import utc_now
from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline.readers.http_api import RequestLimits
from stori_pipeline.settings.foreign import hint

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
"""The timeout in seconds for each piece of a response; `RequestLimits.answer_seconds` is the limit for the whole response."""

_BACKOFF = wait_exponential(multiplier=0.2, max=8.0) + wait_random(0.0, 0.2)

# httpx logs the address of each request, with its parameters, at INFO.
logging.getLogger("httpx").setLevel(logging.WARNING)


@functools.lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Verifies certificates against the system's authorities. Cached, because loading those takes longer than a request."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Answer:
    """`status` is 200, 304 or 404."""

    status: int
    body: bytes
    etag: str


class _Transient(SourceUnavailable):
    """A failure that a retry within the run may avoid."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def _seconds(state: RetryCallState) -> float:
    """How long to wait before the next attempt: as long as the API asks for, else with exponential backoff."""
    failure = state.outcome.exception() if state.outcome else None
    retry_after = failure.wait if isinstance(failure, _Transient) else None
    return _BACKOFF(state) if retry_after is None else retry_after


def _retry_after(header: str | None) -> float | None:
    """A Retry-After, which is a number of seconds or a date, in seconds; None if it is neither."""
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
    """An open connection to the API at an address. `table` is the name in errors."""

    def __init__(self, client: httpx.Client, table: str, host: str, limits: RequestLimits) -> None:
        self._client, self._where, self._limits = client, f"{table} at {host}", limits

    def get(self, path: str, *, etag: str = "", parameters: Mapping[str, str] | None = None) -> Answer:
        """The response for a path relative to the address. Its status is 304 if `etag` is still its version.

        Sends the parameters of the address, of the path, and `parameters`. Sends the request again if the API is away, overloaded or asks
        to wait.

        Raises:
            SourceUnavailable: all attempts failed.
            SourceError: the API refuses, or its response has an unexpected status.
        """
        attempts = stop_after_attempt(self._limits.attempts)
        retrying = Retrying(retry=retry_if_exception_type(_Transient), stop=attempts, wait=_seconds, reraise=True)
        answer: Answer = retrying(self._once, path, etag, dict(parameters or {}))
        return answer

    def _once(self, path: str, etag: str, parameters: dict[str, str]) -> Answer:
        bare, _, query = path.partition("?")
        where = f"{self._where}/{bare}"
        # httpx replaces the path's own parameters by those of the address.
        parameters = {**dict(parse_qsl(query, keep_blank_values=True)), **parameters}
        try:
            with self._client.stream("GET", bare, params=parameters, headers={"If-None-Match": etag} if etag else {}) as response:
                status = response.status_code
                if status in (200, 304, 404):
                    return Answer(status, _body(response, where, self._limits), response.headers.get("ETag", ""))
                wait = _retry_after(response.headers.get("Retry-After")) if status in (429, 503) else None
        except httpx.TransportError as error:
            others = hint("http", error, str(self._client.base_url))
            if "certificate" in str(error).lower():
                raise SourceError(f"{where}: its certificate is not trusted: {error}{others}") from error
            why = f"it does not answer ({type(error).__name__}: {error}). Is it up, and the address right?{others}"
            raise _Transient(f"{where}: {why}") from error
        except httpx.HTTPError as error:
            raise SourceError(f"{where}: its answer cannot be read ({type(error).__name__}: {error})") from error
        if status == 429 or status >= 500:
            if wait is not None and wait > self._limits.longest_wait:
                raise SourceUnavailable(f"{where}: it answers {status} and asks to wait {wait:.0f} seconds; a later run goes on from here")
            raise _Transient(f"{where}: it answers {status}, a temporary failure; run again later", wait)
        if status in (401, 403):
            raise SourceError(f"{where}: it answers {status}; check the key or the password in the source's address")
        if 300 <= status < 400:
            raise SourceError(
                f"{where}: it has moved ({status}, to {urlsplit(response.headers.get('Location', '')).netloc or 'another path'}); "
                "correct the source's address"
            )
        raise SourceError(f"{where}: it answers {status}, which the reader does not expect; check the source's address")


def _body(response: httpx.Response, where: str, limits: RequestLimits) -> bytes:
    """The whole response, with limits on its size and time."""
    began, pieces, size = time.monotonic(), list[bytes](), 0
    for piece in response.iter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size > limits.answer_bytes:
            raise SourceError(f"{where}: its answer has more than {limits.answer_bytes} bytes; is this the right address?")
        if time.monotonic() - began > limits.answer_seconds:
            raise _Transient(f"{where}: its answer takes longer than {limits.answer_seconds:.0f} seconds")
    return b"".join(pieces)


@contextmanager
def opened(url: str, table: str, source: str, limits: RequestLimits) -> Iterator[Api]:
    """The API at the source's address, such as `https://api.example/v1?base=GBP`.

    Raises:
        SourceError: it is not such an address.
    """
    wrong = SourceError(f"{table}: the address of the source {source!r} should look like https://api.example/v1?base=GBP")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise wrong from None  # the message of the cause has the address
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise wrong
    host = f"{parsed.host}:{parsed.port}" if parsed.port else parsed.host
    try:
        client = httpx.Client(
            base_url=parsed.copy_with(query=None),
            params=parsed.params,
            timeout=_TIMEOUT,
            verify=_trust(),
            headers={"User-Agent": "stori_pipeline"},
        )
    except (ImportError, ValueError) as error:  # of a proxy in the environment, such as one of SOCKS
        raise SourceError(
            f"{table}: no connection can be made with the proxy of the environment: {error}{hint('http', error, url)}"
        ) from error
    with client:
        yield Api(client, table, host, limits)
