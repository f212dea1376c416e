"""What the API reads: the warehouse, through a small pool of read-only sessions, and the charts in the processed bucket.

Belongs here: sessions, a cache of a few seconds, and the error when a server is unavailable. Does not belong here: any statement.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache

from stori_pipeline.settings import SettingError
from stori_pipeline.warehouse import WarehouseError, connect

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)

SESSIONS = 4
CACHE_SECONDS = 5.0
_STATEMENT_SECONDS = 20
CHARTS_PREFIX = "charts/"
_CHART = re.compile(r"[a-z][a-z0-9_]*")


class StoreUnavailable(RuntimeError):
    """The warehouse or the bucket does not answer. The message contains no address."""


class Store:
    """Read-only access to the warehouse. Safe to use from several threads; at most `SESSIONS` statements run at once."""

    def __init__(self, url: Callable[[], str]) -> None:
        """`url` returns the warehouse's present address; it is asked for each new session, since a password may be rotated."""
        self._url = url
        self._free: list[Connection] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(SESSIONS)
        self._cache: TTLCache[tuple[str, tuple[Any, ...]], list[dict[str, Any]]] = TTLCache(256, CACHE_SECONDS)

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a SELECT, each by column name; at most `CACHE_SECONDS` old.

        Raises:
            StoreUnavailable: the warehouse does not answer, is too slow, or does not have the table yet.
        """
        query = (statement, tuple((parameters or {}).items()))
        with self._lock:
            if query in self._cache:
                return self._cache[query]
        with self._session() as session, session.cursor() as cursor:
            cursor.execute(statement, parameters)
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            session.rollback()
        with self._lock:
            self._cache[query] = rows
        return rows

    def close(self) -> None:
        """Close the free sessions."""
        with self._lock:
            while self._free:
                self._free.pop().close()

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        import psycopg2

        if not self._slots.acquire(timeout=_STATEMENT_SECONDS):
            raise StoreUnavailable("the warehouse is busy; try again in a moment")
        session: Connection | None = None
        try:
            session = self._free_session() or self._new_session()
            yield session
            with self._lock:
                self._free.append(session)
        except psycopg2.Error as error:
            # A failed session is not used again: its connection may be broken, or the warehouse may have been replaced.
            if session is not None:
                session.close()
            raise StoreUnavailable(_reason(error)) from error
        except BaseException:
            if session is not None:
                session.close()
            raise
        finally:
            self._slots.release()

    def _free_session(self) -> Connection | None:
        """A free session that still answers; a restart of the warehouse ends its sessions."""
        import psycopg2

        while True:
            with self._lock:
                if not self._free:
                    return None
                session = self._free.pop()
            try:
                with session.cursor() as cursor:
                    cursor.execute("SELECT 1")
                session.rollback()
            except psycopg2.Error:
                session.close()
                continue
            return session

    def _new_session(self) -> Connection:
        try:
            session = connect(self._url())
        except (WarehouseError, SettingError) as error:
            raise StoreUnavailable("the warehouse does not answer") from error
        session.set_session(readonly=True)
        with session.cursor() as cursor:
            cursor.execute(f"SET statement_timeout TO {_STATEMENT_SECONDS * 1000}")
        session.commit()
        return session


def _reason(error: Any) -> str:
    if error.pgcode in ("42P01", "3F000"):
        return "the warehouse does not have this table yet; run `stori sync` first"
    if error.pgcode == "57014":
        return "the warehouse took too long to answer"
    return "the warehouse does not answer"


class Charts:
    """The charts in the processed bucket."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._client: S3Client | None = None
        self._cache: TTLCache[str, Any] = TTLCache(64, CACHE_SECONDS)
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The names of all charts, in order.

        Raises:
            StoreUnavailable: the bucket does not answer.
        """
        return [name for name in self._cached("", self._list) if _CHART.fullmatch(name)]

    def svg(self, name: str) -> bytes | None:
        """The chart's SVG; None if the bucket has no chart of that name. Errors as for `names`."""
        if not _CHART.fullmatch(name):
            return None
        svg: bytes | None = self._cached(name, lambda s3: self._get(s3, name))
        return svg

    def _cached(self, key: str, request: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        with self._lock:
            if key in self._cache:
                return self._cache[key]
            try:
                if self._client is None:
                    from stori_pipeline.lake import connect as connect_s3

                    self._client = connect_s3().client
                response = self._cache[key] = request(self._client)
            except (BotoCoreError, ClientError) as error:
                raise StoreUnavailable("the bucket of charts does not answer") from error
            return response

    def _list(self, s3: S3Client) -> list[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=CHARTS_PREFIX)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return sorted(key.removeprefix(CHARTS_PREFIX).removesuffix(".svg") for key in keys if key.endswith(".svg"))

    def _get(self, s3: S3Client, name: str) -> bytes | None:
        try:
            return s3.get_object(Bucket=self._bucket, Key=f"{CHARTS_PREFIX}{name}.svg")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
