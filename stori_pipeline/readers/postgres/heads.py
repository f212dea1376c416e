"""Whether tables of a database may have changed: the heads of all of them, in a query over the catalogue and a look at their rows.

Belongs here: what a head is made of, and asking for many at once. Does not belong here: the heads of foreign tables (`snapshots`), or
positions (`position`).
"""

# A backend reports its counts of written rows after it commits: at once if it has not done so for a second, within a second if it goes on
# working, but after ten seconds if it falls idle. So a small table is looked at itself: the number of its rows, and the sums of their
# transaction ids and of the squares of those. Every insert, update and delete changes them, as soon as it can be seen, and a rollback does
# not. Of a table that has more pages than `_pages`, only the last pages are looked at, where new rows mostly are, and the counters tell
# the rest. The pages that are looked at are bounded for the whole database, whatever its size: more tables, fewer pages of each.

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import extensions

from stori_pipeline.model.table import Table
from stori_pipeline.readers import SourceError, SourceUnavailable, changes_of
from stori_pipeline.readers.postgres import CHANGES, Snapshot, names, snapshots
from stori_pipeline.readers.postgres.reading import no_relation
from stori_pipeline.readers.postgres.session import Address

_ALL_PAGES = 8_192
"""The pages of a database that a look reads at most; 64 MB, which take a server about a tenth of a second."""

_MOST_PAGES = 1_024
_LAST_PAGES = 32
"""Of a table that has more than its share of pages, so many of the last ones are looked at."""

_ROWS = 200
"""Rows on a page, as an estimate: a table that was filled since its pages were counted has more."""

_LOOKS = 200
"""The number of relations in a statement. A statement locks each of them and its indexes, and the server's table of locks is finite."""


@dataclass(frozen=True)
class _Part:
    """A relation with rows: a table, a partition, a child, a materialized view, or what a view reads."""

    oid: int
    name: str
    """In SQL."""
    state: str
    """`readable`; `locked` against reading by a transaction that alters the relation; `hidden` from the role."""
    is_small: bool
    """Whether it is known to have few pages, so that they need not be counted."""
    limit: int
    """The bytes above which only its end is looked at."""


@dataclass
class _Found:
    """What the catalogue says of a table."""

    table: Table
    kind: str
    oid: int
    has_foreign: bool
    facts: list[Any]
    counters: list[Any]
    parts: list[_Part]
    looks: list[list[str]] = field(default_factory=list)
    is_seen: bool = True
    """Whether the looks have seen every row."""

    def text(self, *, is_first: bool) -> str:
        looks = hashlib.sha256(json.dumps(sorted(self.looks)).encode()).hexdigest()[:24]
        return json.dumps([is_first, self.oid, *self.facts, None if self.is_seen else self.counters, looks])


def heads(address: Address, is_first: Mapping[Table, bool], *, exact: bool = False) -> dict[str, str | SourceError]:
    """The head of each table, or why there is none, by full name. Opens one connection, and takes two round trips for some hundred tables.

    Args:
        is_first: by table, whether it has no position yet.
        exact: look at all pages, and let every transaction change the head of what cannot be looked at.
    """
    answers: dict[str, str | SourceError] = {table.full_name: error for table in is_first if (error := _unreadable(table))}
    asked = [table for table in is_first if table.full_name not in answers]
    try:
        connection = address.connect()
    except SourceError as error:
        return answers | {table.full_name: error for table in asked}
    with closing(connection), connection.cursor() as cursor:
        return answers | _Asking(address, cursor, is_first, exact=exact).heads(asked)


def _unreadable(table: Table) -> SourceError | None:
    """Why the table cannot be asked for at all, if it cannot."""
    try:
        changes_of(table, CHANGES)
        names.sql(table.name_in_source)
    except SourceError as error:
        return error
    return None


class _Asking:
    """Asks over one connection. What fails for one table is asked again for the others, so that it fails for them no more."""

    def __init__(self, address: Address, cursor: extensions.cursor, is_first: Mapping[Table, bool], *, exact: bool = False) -> None:
        self._address = address
        self._cursor = cursor
        self._is_first = is_first
        self._exact = exact
        self._answers: dict[str, str | SourceError] = {}

    def heads(self, tables: Sequence[Table]) -> dict[str, str | SourceError]:
        found: list[_Found] = []
        self._each(tables, lambda some: found.extend(self._in_catalogue(some)), lambda table: [table])
        for each in (each for each in found if each.has_foreign and isinstance(each.table.changes, Snapshot)):
            self._each([each], self._of_foreign_rows, lambda one: [one.table])
        found = [each for each in found if each.table.full_name not in self._answers]
        looks: dict[int, tuple[_Part, list[_Found]]] = {}
        for each in found:
            for part in each.parts:
                looks.setdefault(part.oid, (part, []))[1].append(each)
        parts = list(looks.values())
        for start in range(0, len(parts), _LOOKS):
            self._each(parts[start : start + _LOOKS], self._look, lambda each: [one.table for one in each[1]])
        texts = {each.table.full_name: each.text(is_first=self._is_first[each.table]) for each in found}
        return {**texts, **self._answers}

    def _each(self, of: Sequence[Any], ask: Callable[[Sequence[Any]], None], tables: Callable[[Any], Iterable[Table]]) -> None:
        """Ask for all at once or, if that fails, for each half."""
        if not of:
            return
        try:
            ask(of)
        except psycopg2.Error as error:
            if len(of) > 1 and not self._cursor.connection.closed:
                self._each(of[: len(of) // 2], ask, tables)
                self._each(of[len(of) // 2 :], ask, tables)
                return
            for table in (table for each in of for table in tables(each)):
                relation = names.sql(table.name_in_source)
                self._answers[table.full_name] = self._address.translated(error, self._cursor.connection, table.full_name, relation)

    def _in_catalogue(self, tables: Sequence[Table]) -> Iterable[_Found]:
        self._cursor.execute(_CATALOGUE, {"names": [names.sql(table.name_in_source) for table in tables], "exact": self._exact})
        for place, oid, kind, has_foreign, facts, counters, parts in self._cursor.fetchall():
            table = tables[place - 1]
            if oid is None:
                self._answers[table.full_name] = no_relation(self._address, table)
            elif any(state == "locked" for _, _, state, *_ in parts):
                self._answers[table.full_name] = SourceUnavailable(
                    f"{table.full_name}: {self._address!r} lets nobody read it now: a transaction that alters the table has not ended"
                )
            else:
                readable = [_Part(*part) for part in parts if part[2] == "readable"]
                is_seen = kind != "v" and len(readable) == len(parts)
                yield _Found(table, kind, oid, has_foreign, facts, counters, readable, is_seen=is_seen)

    def _of_foreign_rows(self, found: Sequence[_Found]) -> None:
        (one,) = found
        try:
            of_rows = snapshots.foreign_head(self._cursor, one.table)
        except SourceError as error:
            self._answers[one.table.full_name] = error
        else:
            self._answers[one.table.full_name] = json.dumps([self._is_first[one.table], one.oid, of_rows])

    def _look(self, parts: Sequence[tuple[_Part, list[_Found]]]) -> None:
        tables = {part.oid: of for part, of in parts}
        queries = [
            (_LOOK if part.is_small else _LOOK_AT_END).format(oid=part.oid, name=part.name, limit=part.limit, last=_LAST_PAGES)
            for part, _ in parts
        ]
        self._cursor.execute(f"SET lock_timeout = '500ms'; {' UNION ALL '.join(queries)}")
        for oid, is_whole, *look in self._cursor.fetchall():
            for each in tables[oid]:
                each.looks.append([str(oid), *look])
                each.is_seen = each.is_seen and is_whole


_LOOK = """
SELECT {oid}::bigint, true, count(*)::text, sum(x)::text, sum(hashint8(x))::text
FROM (SELECT xmin::text::bigint AS x FROM ONLY {name}) AS rows_of_{oid}"""

# Only a value that is computed before the scan makes the server read some pages and no others.
_LOOK_AT_END = """
SELECT {oid}::bigint, (SELECT pg_relation_size({oid}) <= {limit}), count(*)::text, sum(x)::text, sum(hashint8(x))::text
FROM (SELECT xmin::text::bigint AS x FROM ONLY {name} WHERE ctid >= (
  SELECT CASE WHEN size <= {limit} THEN '(0,0)' ELSE '(' || size / current_setting('block_size')::bigint - {last} || ',0)' END::tid
  FROM pg_relation_size({oid}) AS size)) AS rows_of_{oid}"""

# A view depends on what it selects from, and perhaps on more through functions, so the counters of the whole database are its own. The
# counters of partitions and children are added to the parent's. A crash resets counters, so there are the times of the resets, too. What
# else decides values (`layout`): the columns' numbers and types, and of types that users made the parts, labels and domains; one changed
# row of the catalogue has another transaction id. An exact head also moves with what a definition is held against: widths, nulls, indexes.
_CATALOGUE = f"""
WITH RECURSIVE share AS (
  SELECT pages, pages * current_setting('block_size')::bigint AS bytes FROM (
    SELECT CASE WHEN %(exact)s THEN 1::bigint << 40
                ELSE least({_MOST_PAGES}, greatest({_ALL_PAGES} / greatest(count(*), 1), {_LAST_PAGES})) END AS pages
    FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384) counted),
asked AS (
  SELECT a.place, c.oid, c.relkind FROM unnest(%(names)s) WITH ORDINALITY a(name, place)
  LEFT JOIN pg_class c ON c.oid = to_regclass(a.name) AND c.relkind IN ('r', 'p', 'm', 'v', 'f')),
roots AS (SELECT DISTINCT oid, relkind FROM asked WHERE oid IS NOT NULL),
tree(root, oid, relkind) AS (
  SELECT oid, oid, relkind FROM roots
  UNION
  SELECT tree.root, c.oid, c.relkind FROM tree CROSS JOIN LATERAL (
    SELECT inhrelid FROM pg_inherits WHERE inhparent = tree.oid
    UNION ALL SELECT d.refobjid FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
      WHERE r.ev_class = tree.oid AND tree.relkind = 'v' AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> tree.oid) below(oid)
  JOIN pg_class c ON c.oid = below.oid),
locked AS (SELECT DISTINCT relation FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),
parts AS (
  SELECT tree.root, bool_or(c.relkind = 'f') AS has_foreign,
         string_agg(c.oid || '/' || COALESCE(pg_relation_filenode(c.oid), 0), ' ' ORDER BY c.oid) AS files,
         sum(pg_stat_get_tuples_inserted(c.oid))::text AS inserted, sum(pg_stat_get_tuples_updated(c.oid))::text AS updated,
         sum(pg_stat_get_tuples_deleted(c.oid))::text AS deleted,
         json_agg(json_build_array(c.oid::bigint, format('%%I.%%I', n.nspname, c.relname), CASE
           WHEN locked.relation IS NOT NULL THEN 'locked'
           WHEN has_schema_privilege(n.oid, 'USAGE') AND NOT row_security_active(c.oid)
             AND (has_table_privilege(c.oid, 'SELECT')
               OR has_column_privilege(c.oid, 'xmin', 'SELECT') AND has_column_privilege(c.oid, 'ctid', 'SELECT')) THEN 'readable'
           ELSE 'hidden' END,
           c.relpages > 0 AND c.relpages <= share.pages AND pg_stat_get_live_tuples(c.oid) <= share.pages * {_ROWS}, share.bytes
         )) FILTER (WHERE c.relkind IN ('r', 'm', 'p') AND (c.relkind <> 'p' OR locked.relation IS NOT NULL)) AS parts
  FROM share CROSS JOIN tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN locked ON locked.relation = c.oid
  GROUP BY tree.root),
own AS (SELECT a.*, CASE WHEN %(exact)s THEN a.xmin::text END AS written FROM pg_attribute a JOIN roots ON roots.oid = a.attrelid
  WHERE a.attnum > 0 AND NOT a.attisdropped),
used(root, type) AS (
  SELECT attrelid, atttypid FROM own WHERE atttypid >= 16384
  UNION
  SELECT used.root, part.type FROM used JOIN pg_type t ON t.oid = used.type CROSS JOIN LATERAL (
    SELECT t.typelem AS type WHERE t.typelem <> 0
    UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL SELECT rngsubtype FROM pg_range WHERE t.oid IN (rngtypid, rngmultitypid)
    UNION ALL SELECT atttypid FROM pg_attribute WHERE t.typtype = 'c' AND attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped) part
  WHERE part.type >= 16384),
facts(root, fact) AS (
  SELECT attrelid, format('%%s %%s %%s %%s', attname, attnum, atttypid, written) FROM own
  UNION ALL SELECT indrelid, format('%%s %%s', indexrelid, i.xmin) FROM pg_index i JOIN roots ON roots.oid = indrelid WHERE %(exact)s
  UNION ALL SELECT attrelid, adrelid || ' ' || adnum || ' ' || d.xmin FROM own JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
    WHERE attgenerated = 'v'
  UNION ALL SELECT root, format('%%s %%s', t.oid, t.xmin) FROM used JOIN pg_type t ON t.oid = used.type
  UNION ALL SELECT root, format('%%s %%s %%s', e.oid, e.enumlabel, e.xmin) FROM used JOIN pg_enum e ON e.enumtypid = used.type
  UNION ALL SELECT root, format('%%s %%s %%s %%s %%s', used.type, a.attnum, a.attname, a.atttypid, a.xmin)
    FROM used JOIN pg_type t ON t.oid = used.type AND t.typtype = 'c'
    JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
layouts AS (SELECT root, md5(string_agg(fact, ' ' ORDER BY fact)) AS layout FROM facts GROUP BY root),
server AS (
  SELECT (SELECT stats_reset::text FROM pg_stat_bgwriter) AS reset, d.stats_reset::text AS database_reset,
         pg_postmaster_start_time()::text AS started, d.tup_inserted::text, d.tup_updated::text, d.tup_deleted::text,
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text
              WHEN current_setting('track_counts') = 'off' OR %(exact)s THEN pg_snapshot_xmax(pg_current_snapshot())::text END AS moment
  FROM pg_stat_database d WHERE d.datname = current_database())
SELECT asked.place, asked.oid::bigint, asked.relkind::text, parts.has_foreign AND asked.relkind <> 'v',
       json_build_array(parts.files, layouts.layout, server.reset, server.database_reset, server.started),
       CASE WHEN asked.relkind = 'v' THEN json_build_array(server.tup_inserted, server.tup_updated, server.tup_deleted, server.moment)
            ELSE json_build_array(parts.inserted, parts.updated, parts.deleted, server.moment) END,
       COALESCE(parts.parts, '[]'::json)
FROM asked CROSS JOIN server LEFT JOIN parts ON parts.root = asked.oid LEFT JOIN layouts ON layouts.root = asked.oid
ORDER BY asked.place
"""
