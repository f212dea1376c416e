"""One session with a Postgres server: how it is opened, bounded and ended, and what its errors mean.

Belongs here: everything between an address and a connection fit for reading. Does not belong here: what is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions

from stori_pipeline.readers import SourceError, SourceUnavailable

LONGEST_READ = "6h"
"""The longest that one table may take: a bound, not a target."""

# The texts that values become depend on these; a role or a database may have set them otherwise. With row_security off, a policy that
# would hide rows from this role is an error instead of a smaller table.
_SETTINGS = {
    "statement_timeout": LONGEST_READ,
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "15min",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmloption": "content",
    "row_security": "off",
}

_CONNECTION = {
    "connect_timeout": 10,
    "application_name": "stori",
    "client_encoding": "UTF8",
    # A server that vanished silently is found out within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_NOT_WORTH_RETRYING = ("password", "authentication", "pg_hba.conf", "does not exist", "permission denied", "no encryption", "certificate")
"""What a server that refuses a connection for good says; a refused connection carries no SQLSTATE."""

_PASSING = ("08", "40", "53", "57P", "55P03", "25P03")
"""SQLSTATEs, or their beginnings, of what may be gone at the next try: lost connections, conflicts, full servers, shutdowns, locks."""


class Address:
    """A server's address. What it says of itself, in a repr or an error, has no password in it."""

    def __init__(self, url: str) -> None:
        try:
            self._parts: dict[str, Any] = extensions.parse_dsn(url)
        except psycopg2.Error:
            # The driver's own message may quote the address, password included.
            raise SourceError("the address of a Postgres source is malformed; it should look like postgresql://reader:…@host/db") from None

    def __repr__(self) -> str:
        return f"Postgres {self._parts.get('host', 'localhost')}:{self._parts.get('port', '5432')}/{self._parts.get('dbname', '')}"

    @property
    def role(self) -> str:
        return str(self._parts.get("user", "its role"))

    def connect(self) -> extensions.connection:
        """A new connection in autocommit mode, read-only, with every setting that values depend on.

        Raises:
            SourceUnavailable: the server cannot be reached, or takes no connection now.
            SourceError: it refuses this one for good.
        """
        try:
            connection: extensions.connection = psycopg2.connect(**{**_CONNECTION, **self._parts})
        except psycopg2.Error as error:
            message = self._scrubbed(str(error))
            if any(sign in message for sign in _NOT_WORTH_RETRYING):
                raise SourceError(f"{self!r} refuses the connection: {message}; check the source's address and its role") from None
            raise SourceUnavailable(f"{self!r} cannot be reached: {message}") from None
        try:
            connection.set_session(readonly=True, autocommit=True)
            with connection.cursor() as cursor:
                cursor.execute("; ".join(f"SET {name} = '{value}'" for name, value in _SETTINGS.items()))
        except psycopg2.Error as error:
            connection.close()
            raise SourceUnavailable(f"{self!r} broke off: {self._scrubbed(str(error))}") from error
        return connection

    @contextmanager
    def errors(self, connection: extensions.connection, what: str, relation: str) -> Iterator[None]:
        """The driver's errors become the reader's. `what` and `relation` are what is being read."""
        try:
            yield
        except psycopg2.Error as error:
            raise self._translated(error, connection, what, relation) from error

    def _translated(self, error: psycopg2.Error, connection: extensions.connection, what: str, relation: str) -> SourceError:
        message = self._scrubbed(error.pgerror or str(error))
        code = error.pgcode or ""
        lost = connection.closed != 0 or (not code and isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)))
        if lost or code.startswith(_PASSING):
            return SourceUnavailable(f"{what}: {self!r} broke off: {message}")
        if code == "42501" and "row-level security" in message:
            return SourceError(f'{what}: {message}; a policy hides rows from the role: ALTER ROLE "{self.role}" BYPASSRLS, or exempt it')
        if code == "42501":
            grants = f'GRANT USAGE ON SCHEMA … TO "{self.role}"; GRANT SELECT ON {relation} TO "{self.role}"'
            return SourceError(f"{what}: {self!r} refuses: {message}; as the table's owner, run {grants}")
        return SourceError(f"{what}: {self!r} answered with an error: {message}")

    def _scrubbed(self, text: str) -> str:
        password = self._parts.get("password")
        text = " ".join(text.split())
        return text.replace(str(password), "…") if password else text


def begin_snapshot(connection: extensions.connection, lock: str = "") -> None:
    """Begin a REPEATABLE READ, READ ONLY transaction. Its snapshot is taken by the first query within.

    `lock` names a relation to hold against being truncated or rewritten, which a snapshot from before would see as empty.
    """
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if lock:
            cursor.execute(f"LOCK TABLE {lock} IN ACCESS SHARE MODE")
