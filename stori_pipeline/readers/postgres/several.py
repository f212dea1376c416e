"""Several connections that read one table together, in one snapshot: each a range of its pages.

Belongs here: which tables are read so, how many connections the server has left, and sharing a snapshot. Does not belong here: how pages
are divided (`ranges`), or how rows flow (`stream`).
"""

# The first connection exports its snapshot, and the others import it. Whatever prevents that (limits, a pooler, a server that exports none)
# costs a connection and nothing else: the pages are divided only after it is known who reads.
#
# Each connection locks the table while the first still does, so it cannot be truncated or rewritten under any of them. It must also prove
# that it sees what the first sees: behind an address with several servers another one may have a snapshot with the same name.
#
# PgBouncer, which gives another process id than the server has, may let a second connection wait until the first has ended.

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import extensions

from stori_pipeline.readers import SourceError
from stori_pipeline.readers.postgres.ranges import page_ranges
from stori_pipeline.readers.postgres.session import Address, begin_snapshot
from stori_pipeline.readers.postgres.shape import Relation
from stori_pipeline.settings import Settings

_log = logging.getLogger(__name__)

LEAST_PAGES = 16_384
"""The pages that a connection must have to send, 128 MB, for its opening to pay."""

_LOOKED_THROUGH = 4
"""How many times as many it must have to look through for changes: a server reads pages so much faster than it sends their rows."""

_READS_RANGES = 140000
"""The version of Postgres that reads a range of pages without the others."""

_PAGES = """
WITH RECURSIVE tree(oid) AS (SELECT %s::oid UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid)
SELECT COALESCE(array_agg(pg_relation_size(c.oid) / current_setting('block_size')::int) FILTER (WHERE c.relkind = 'r'), '{}'),
       bool_and(c.relkind = 'p' OR c.relkind = 'r' AND a.amname = 'heap')
FROM tree JOIN pg_class c USING (oid) LEFT JOIN pg_am a ON a.oid = c.relam
"""

_LIMITS = """
SELECT has_function_privilege('pg_export_snapshot()', 'EXECUTE'), pg_backend_pid(), LEAST(
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  - COALESCE(current_setting('reserved_connections', true)::int, 0) - (SELECT sum(numbackends) FROM pg_stat_database)::int,
  (SELECT NULLIF(datconnlimit, -1) - numbackends FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid
   WHERE d.datname = current_database()),
  (SELECT NULLIF(rolconnlimit, -1) FROM pg_roles WHERE rolname = session_user)
  - (SELECT count(*) FROM pg_stat_activity WHERE usename = session_user)::int)
"""

_SIGHT = "pg_current_snapshot()::text, pg_postmaster_start_time()::text"


class Share(NamedTuple):
    """A connection in a transaction, and the condition of the rows that it reads; "" if it reads all."""

    connection: extensions.connection
    condition: str = ""


def shares(address: Address, connection: extensions.connection, relation: Relation, opened: ExitStack, *, whole: bool) -> list[Share]:
    """Who reads which rows of the relation: the connection alone or, of a large table, some more.

    Args:
        connection: in a transaction that `begin_snapshot` began, in which no query ran.
        opened: closes the other connections.
        whole: whether all rows are read, and not only what changed.
    """
    wanted = Settings.load().read_connections
    if wanted == 1 or relation.kind not in "rp" or not relation.lock or relation.has_foreign or relation.version < _READS_RANGES:
        return [Share(connection)]
    with connection.cursor() as cursor:
        cursor.execute(_PAGES, [relation.oid])
        ((sizes, are_heaps),) = cursor.fetchall()
        wanted = min(wanted, sum(sizes) // (LEAST_PAGES if whole else LEAST_PAGES * _LOOKED_THROUGH))
        if wanted < 2 or not are_heaps:
            return [Share(connection)]
        cursor.execute(_LIMITS)
        ((may_export, process, free),) = cursor.fetchall()
    if not may_export or process != connection.info.backend_pid:
        _log.info("%s is read over one connection: %s", relation.sql, "a pooler is in between" if may_export else "no snapshot is exported")
        return [Share(connection)]
    connections = [connection, *_others(address, connection, relation, min(wanted - 1, free // 2), opened)]
    if len(connections) < wanted:
        _log.info("%s is read over %d connections, not %d, as the server has %d left", relation.sql, len(connections), wanted, free)
    ranges = page_ranges(sizes, len(connections))
    return [Share(each, pages.condition) for each, pages in zip(connections, ranges, strict=False)]


def _others(
    address: Address, connection: extensions.connection, relation: Relation, count: int, opened: ExitStack
) -> list[extensions.connection]:
    """At most so many connections in the same snapshot."""
    found: list[extensions.connection] = []
    if count > 0 and (exported := _exported(connection, relation)):
        try:
            while len(found) < count:
                found.append(_joined(address, relation, *exported))
                opened.callback(found[-1].close)
        except (psycopg2.Error, SourceError) as error:
            _log.info("%s is read over %d connections: %s", relation.sql, len(found) + 1, " ".join(str(error).split()))
    return found


def _exported(connection: extensions.connection, relation: Relation) -> tuple[str, tuple[Any, ...]] | None:
    """The name of the connection's snapshot, and what it sees. None if the server exports none; then the transaction began anew."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT pg_export_snapshot(), {_SIGHT}")
            ((name, *sight),) = cursor.fetchall()
        except psycopg2.Error as error:
            if connection.closed:
                raise
            _log.info("%s is read over one connection: %s", relation.sql, " ".join(str(error).split()))
            cursor.execute("ROLLBACK")
            begin_snapshot(connection, relation.lock)
            return None
    return name, tuple(sight)


def _joined(address: Address, relation: Relation, snapshot: str, sight: tuple[Any, ...]) -> extensions.connection:
    """A new connection in an exported snapshot.

    Raises:
        SourceError: it cannot be opened, or it leads to another server.
        psycopg2.Error: the server does not know the snapshot, or does not let the connection lock the table.
    """
    connection = address.connect()
    try:
        begin_snapshot(connection, relation.lock, snapshot)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {_SIGHT}")
            seen = cursor.fetchall()
    except BaseException:
        connection.close()
        raise
    if seen != [sight]:
        connection.close()
        raise SourceError(f"{address!r} leads to several servers")
    return connection
