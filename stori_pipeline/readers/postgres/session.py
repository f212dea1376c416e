"""A session with a Postgres server: its settings, its limits, and what its errors mean.

Belongs here: addresses, connections and their errors. Does not belong here: what is read (`reading`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions

from stori_pipeline.readers import SourceError, SourceUnavailable
from stori_pipeline.settings import foreign, secrets
from stori_pipeline.settings.addresses import ESCAPES, is_unescaped

LONGEST_READ = "6h"
"""The limit for reading one table."""

# The texts of values depend on these settings, which a role or a database may have changed. With row_security off, a policy that would
# hide rows from this role raises an error.
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
    # Detect within a minute that the server is gone.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_NOT_WORTH_RETRYING = ("password", "authentication", "pg_hba.conf", "does not exist", "permission denied", "no encryption", "certificate")
"""Parts of the messages of permanent refusals; a refused connection has no SQLSTATE."""

_TRANSIENT = ("08", "40", "53", "57P", "55P03", "25P03")
"""Prefixes of the SQLSTATEs of errors that a retry may avoid: lost connections, conflicts, full servers, shutdowns, locks."""


class Address:
    """A server's address. Its repr and its errors never contain the password."""

    def __init__(self, url: str) -> None:
        malformed = f"the address of a Postgres source is malformed; it should look like postgresql://reader:…@host/db; {ESCAPES}"
        if is_unescaped(url):
            raise SourceError(malformed)  # what the driver takes for the host may be a part of the password
        try:
            self._parts: dict[str, Any] = extensions.parse_dsn(url)
        except psycopg2.Error:
            # The driver's own message may quote the address, password included.
            raise SourceError(malformed) from None

    def __repr__(self) -> str:
        return f"Postgres {self._parts.get('host', 'localhost')}:{self._parts.get('port', '5432')}/{self._parts.get('dbname', '')}"

    @property
    def role(self) -> str:
        return str(self._parts.get("user", "its role"))

    def connect(self) -> extensions.connection:
        """A new read-only connection in autocommit mode, with the settings on which the texts of values depend.

        Raises:
            SourceUnavailable: the server cannot be reached, or accepts no connection now.
            SourceError: the server refuses the connection permanently.
        """
        try:
            connection: extensions.connection = psycopg2.connect(**{**_CONNECTION, **self._parts})
        except psycopg2.Error as error:
            secrets.forget()  # its password may have been rotated
            message = self._scrubbed(str(error)).strip() + foreign.hint("postgres", error)
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
    def errors(self, connection: extensions.connection, what: str, relation: str, *others: extensions.connection) -> Iterator[None]:
        """Translates the driver's errors into SourceErrors. `what` and `relation` name what is being read, `others` are more connections
        that read it."""
        try:
            yield
        except psycopg2.Error as error:
            raise self.translated(error, connection, what, relation, *others) from error

    def translated(
        self, error: psycopg2.Error, connection: extensions.connection, what: str, relation: str, *others: extensions.connection
    ) -> SourceError:
        """What an error of the driver means. The arguments are those of `errors`."""
        message = self._scrubbed(error.pgerror or str(error))
        code = error.pgcode or ""
        lost = any(each.closed for each in (connection, *others)) or (
            not code and isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        )
        if lost or code.startswith(_TRANSIENT):
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


def begin_snapshot(connection: extensions.connection, lock: str = "", snapshot: str = "") -> None:
    """Begins a REPEATABLE READ, READ ONLY transaction. The first query in it takes the snapshot, unless it is one that was exported.

    `lock` names a relation to lock against TRUNCATE and rewrites, after which an older snapshot would see it empty.
    """
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if snapshot:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])
        if lock:
            cursor.execute(f"LOCK TABLE {lock} IN ACCESS SHARE MODE")
