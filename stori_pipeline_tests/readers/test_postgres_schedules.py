"""Random schedules of statements and readings: whatever an application and its owner do to a table, each reading brings all of it.

Belongs here: statements in any order. Does not belong here: one statement and what the reading says of it (`test_postgres_unwritten`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import errors, extensions

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.changes import Changes, Cursor
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import date, integer, super_, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline_tests.conftest import SourceDatabase, source_database
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.mirrors import Mirror, mirror

COLUMNS = (
    Column("id", integer, nullable=False),
    Column("d", date, nullable=False),
    Column("v", varchar(80)),
    Column("m", varchar(20)),
    Column("p", super_),
    Column("at", timestamptz, nullable=False),
    Column("g", integer),
)
LEAVES = {"y2023": 2023, "z2023": 2023, "y2024a": 2024, "y2024b": 2024, "y2025": 2025}
TABLES = ("items", "y2024", *LEAVES)

# For each way of dividing a table: what its parents are declared with, and how a table joins and leaves its parent.
WAYS = {
    "partitions": (
        {"items": "PARTITION BY RANGE (d)", "y2024": "PARTITION BY RANGE (id)"},
        "ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM {bounds}",
        "ALTER TABLE {parent} DETACH PARTITION {name}",
    ),
    "children": ({}, "ALTER TABLE {name} INHERIT {parent}", "ALTER TABLE {name} NO INHERIT {parent}"),
}
_BOUNDS = {
    "y2024a": "(MINVALUE) TO (1000)",
    "y2024b": "(1000) TO (MAXVALUE)",
    **{name: f"('{year}-01-01') TO ('{year + 1}-01-01')" for name, year in (("y2024", 2024), *LEAVES.items()) if name[-1] not in "ab"},
}
_REFUSED = (
    errors.LockNotAvailable,  # by the transaction that is held open
    errors.DeadlockDetected,
    errors.WrongObjectType,  # it has joined already
    errors.UndefinedTable,  # it has not joined, so it cannot leave
    errors.InvalidObjectDefinition,  # another has its place
    errors.DuplicateTable,
    errors.DatatypeMismatch,
    errors.ObjectInUse,
)


def _parent(name: str) -> str:
    return "y2024" if name in ("y2024a", "y2024b") else "items"


def _created(way: str) -> str:
    declared = (
        "id int NOT NULL, d date NOT NULL, v varchar(20) DEFAULT 'v', w varchar(20) DEFAULT 'w', m mood DEFAULT 'glad',"
        " p pair DEFAULT '(1,2)', at timestamptz NOT NULL DEFAULT now(), g int GENERATED ALWAYS AS (id + 1) VIRTUAL, PRIMARY KEY (id, d)"
    )
    parents, _, _ = WAYS[way]
    return "; ".join(
        [
            f"DROP TABLE IF EXISTS {', '.join(TABLES)} CASCADE",
            "DROP TYPE IF EXISTS mood, pair CASCADE",
            "CREATE TYPE mood AS ENUM ('glad', 'sad')",
            "CREATE TYPE pair AS (a int, b int)",
            *(f"CREATE TABLE {name} ({declared}) {parents.get(name, '')}" for name in TABLES),
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        ]
    )


@dataclass
class Application:
    """A session that writes and changes tables, and another with a transaction that stays open. A statement that Postgres refuses has no
    effect."""

    way: str
    session: extensions.connection
    held: extensions.connection
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, *statements: str, held: bool = False) -> None:
        connection = self.held if held else self.session
        with connection.cursor() as cursor:
            try:
                cursor.execute("; ".join(statements))
            except _REFUSED:
                connection.rollback()
                return
        if not held:
            connection.commit()
            self.show_counters(connection)

    def show_counters(self, connection: extensions.connection) -> None:
        """Else a session reports what it wrote within a second."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
        connection.commit()

    def do(self, what: str, name: str) -> None:
        if what in ("commit", "rollback"):
            (self.held.commit if what == "commit" else self.held.rollback)()
            self.show_counters(self.held)
        else:
            self.run(*self.statements(name)[what], held=what == "hold")

    def statements(self, name: str) -> dict[str, list[str]]:
        _, attach, detach = WAYS[self.way]
        parts = {"name": name, "parent": _parent(name), "bounds": _BOUNDS[name]}
        other = {"y2023": "z2023", "z2023": "y2023"}.get(name, name)
        joins = attach.format(**parts)
        leaf = name if name in LEAVES else "y2024a"
        row = f"({next(self.ids) + (1000 if leaf == 'y2024b' else 0)}, '{LEAVES[leaf]}-06-06')"
        # What is not in the table yet may be of long ago, where a cursor does not look.
        old = f"UPDATE {leaf} SET at = '2020-01-01' WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = '{leaf}'::regclass)"
        roots, number = self.roots(), next(self.ids)
        some = f"FROM {leaf} ORDER BY id DESC LIMIT 1"
        return {
            "join": [joins],
            "leave": [detach.format(**parts)],
            "exchange": [detach.format(**parts | {"name": other}), joins],
            "insert": [f"INSERT INTO {leaf} (id, d) VALUES {row}", old],
            "hold": ["SAVEPOINT inner_one", f"INSERT INTO {leaf} (id, d) VALUES {row}", "RELEASE inner_one"],
            "update": [f"UPDATE {leaf} SET v = left(v, 5) || id, m = 'sad', at = clock_timestamp() WHERE id = (SELECT id {some})"],
            "delete": [f"DELETE FROM {leaf} WHERE id = (SELECT id {some})"],
            "truncate": [f"TRUNCATE {leaf}"],
            "rewrite": [f"CLUSTER {leaf} USING {leaf}_pkey"],
            "add again": [
                f"ALTER TABLE {each} {change}" for change in ("DROP v", f"ADD v varchar(20) DEFAULT 'v{number}'") for each in roots
            ],
            "cross": [f"ALTER TABLE {each} RENAME {old} TO {new}" for old, new in ("vx", "wv", "xw") for each in roots],
            "labels": [f"ALTER TYPE mood RENAME VALUE '{old}' TO '{new}'" for old, new in (("glad", "x"), ("sad", "glad"), ("x", "sad"))],
            "attribute": [f"ALTER TYPE pair ADD ATTRIBUTE c{number} int CASCADE"],
            "expression": [f"ALTER TABLE {each} ALTER g SET EXPRESSION AS (id + {number})" for each in roots],
            "wider": [f"ALTER TABLE {each} ALTER v TYPE varchar({20 + number % 60})" for each in roots],
        }

    def roots(self) -> list[str]:
        """The tables that have no parent now: a statement on them reaches all."""
        with self.session.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class c WHERE relname = ANY(%s) AND relnamespace = 'public'::regnamespace"
                " AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) ORDER BY 1",
                [list(TABLES)],
            )
            return [name for (name,) in cursor.fetchall()]


@pytest.fixture(scope="module")
def database(sources: Stack) -> Iterator[SourceDatabase]:
    with source_database(sources) as database:
        yield database


@contextmanager
def _application(database: SourceDatabase, way: str) -> Iterator[Application]:
    with closing(psycopg2.connect(database.admin_url)) as session, closing(psycopg2.connect(database.admin_url)) as held:
        with session.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20ms'; SET client_min_messages = error; " + _created(way))
        session.commit()
        yield Application(way, session, held)


def _now(items: Mirror) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {items.key_of(row): row for row in drained(items.reader, items.table).rows}


_WRITES = ("insert", "update", "delete", "truncate", "rewrite", "hold", "commit", "rollback")
_CHANGES = ("join", "leave", "exchange", "add again", "cross", "labels", "attribute", "expression", "wider")
_STEPS = st.lists(
    st.tuples(st.sampled_from((*_WRITES, *_CHANGES)), st.sampled_from(("y2024", *LEAVES)), st.sampled_from(("read", "read", "detect", ""))),
    min_size=4,
    max_size=16,
)
_FIRST = [*(("insert", name) for name in LEAVES), *(("join", name) for name in ("y2023", "y2024", "y2024a")), ("insert", "y2024a")]
"""What is done, to which table, and what follows."""


@pytest.mark.parametrize("changes", [Xmin(), Cursor("at")], ids=["xmin", "cursor"])
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=extent(8, 80), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=_STEPS)
def test_a_reading_brings_every_row_as_it_is_after_any_statements(
    database: SourceDatabase, way: str, changes: Changes, steps: list[tuple[str, str, str]]
) -> None:
    items = mirror(database, COLUMNS, ("id", "d"), changes)
    with _application(database, way) as application:
        for step, name in _FIRST:
            application.do(step, name)
        before: dict[tuple[Any, ...], dict[str, Any]] = {}
        head = ""
        for step, name, then in [*steps, ("commit", "items", "read")]:
            application.do(step, name)
            if then == "detect":
                items.is_complete()
            elif then == "read":
                now, new_head = _now(items), items.reader.head(items.table, items.position)
                assert now == before or new_head != head, "the sensor sees nothing"
                before, head = now, new_head
                items.read()
                assert {key: items.rows.get(key) for key in now} == now
