"""Changes of values and rows that no row's transaction shows: each arrives with the next reading, and the reading says why.

Belongs here: partitions, columns, types and expressions that change between two readings. Does not belong here: rows that transactions
write (`test_postgres_xmin`).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.local.stack import Stack
from stori_pipeline.model.reading import NamesWhatJoined
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import date, integer, super_, varchar
from stori_pipeline_tests.conftest import SourceDatabase, source_database
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.extent import extent
from stori_pipeline_tests.readers.drained import drained
from stori_pipeline_tests.readers.mirrors import mirror


@pytest.fixture(scope="module")
def database(sources: Stack) -> Iterator[SourceDatabase]:
    with source_database(sources) as database:
        yield database


ID = Column("id", integer, nullable=False)
EMPTY = "DROP TABLE IF EXISTS items CASCADE; DROP TABLE IF EXISTS y2023, y2024 CASCADE; DROP TYPE IF EXISTS mood, pair CASCADE;"

# ---- columns, types and expressions

_CHANGED: dict[str, tuple[Column, str, str]] = {
    "dropped and added again": (Column("x", integer), "x int DEFAULT 1", "ALTER TABLE items DROP x; ALTER TABLE items ADD x int DEFAULT 7"),
    "renamed crosswise": (
        Column("x", integer),
        "x int DEFAULT 1, y int DEFAULT 2",
        "ALTER TABLE items RENAME x TO z; ALTER TABLE items RENAME y TO x; ALTER TABLE items RENAME z TO y",
    ),
    "label renamed": (Column("x", varchar(9)), "x mood DEFAULT 'glad'", "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'"),
    "labels swapped": (
        Column("x", varchar(9)),
        "x mood DEFAULT 'glad'",
        "; ".join(f"ALTER TYPE mood RENAME VALUE '{old}' TO '{new}'" for old, new in (("glad", "a"), ("sad", "glad"), ("a", "sad"))),
    ),
    "label in an array": (Column("x", super_), "x mood[] DEFAULT '{glad}'", "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'"),
    "label in a domain": (Column("x", varchar(9)), "x feeling DEFAULT 'glad'", "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'"),
    "label in a composite": (Column("x", super_), "x pair DEFAULT '(1,glad)'", "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'"),
    "attribute added": (Column("x", super_), "x pair DEFAULT '(1,glad)'", "ALTER TYPE pair ADD ATTRIBUTE c int"),
    "attribute renamed": (Column("x", super_), "x pair DEFAULT '(1,glad)'", "ALTER TYPE pair RENAME ATTRIBUTE a TO b2"),
    "another type": (Column("x", varchar(40)), "x timestamp DEFAULT '2026-01-01'", "ALTER TABLE items ALTER x TYPE timestamptz"),
    "another expression": (
        Column("x", integer),
        "x int GENERATED ALWAYS AS (id * 2) VIRTUAL",
        "ALTER TABLE items ALTER x SET EXPRESSION AS (id * 3)",
    ),
    "another stored expression": (
        Column("x", integer),
        "x int GENERATED ALWAYS AS (id * 2) STORED",
        "ALTER TABLE items ALTER x SET EXPRESSION AS (id * 3)",
    ),
}


@pytest.mark.parametrize("what", _CHANGED)
def test_values_that_a_statement_changed_without_writing_rows_arrive(database: SourceDatabase, what: str) -> None:
    """Regression: the old values stayed until a proof found them."""
    column, declared, change = _CHANGED[what]
    execute(
        database.admin_url,
        f"{EMPTY} CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TYPE pair AS (a int, b mood); CREATE DOMAIN feeling AS mood;"
        f" CREATE TABLE items (id int PRIMARY KEY, {declared}); INSERT INTO items (id) VALUES (1), (2)",
    )
    items = mirror(database, (ID, column))
    items.read()
    assert items.read().rows == []
    before = items.reader.head(items.table, items.position)
    execute(database.admin_url, change)
    assert items.reader.head(items.table, items.position) != before, "the sensor would see nothing until the schedule"
    reading = items.read()
    assert items.is_complete()
    assert reading.kind == "changes" or "column 'x' was changed in the source without writing its rows" in items.lost
    assert items.read().rows == []


_HARMLESS = {
    "another column added": "ALTER TABLE items ADD z int DEFAULT 5",
    "another column dropped": "ALTER TABLE items DROP y",
    "label added": "ALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad'",
    "not null": "ALTER TABLE items ALTER x SET NOT NULL",
    "default": "ALTER TABLE items ALTER x SET DEFAULT 'sad'",
    "statistics": "ALTER TABLE items ALTER x SET STATISTICS 500; ANALYZE items",
    "index and comment": "CREATE INDEX ON items (y); COMMENT ON COLUMN items.x IS 'how it feels'",
}


@pytest.mark.parametrize("what", _HARMLESS)
def test_a_statement_that_changes_no_value_costs_no_new_generation(database: SourceDatabase, what: str) -> None:
    execute(
        database.admin_url,
        f"{EMPTY} CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TABLE items (id int PRIMARY KEY, x mood DEFAULT 'glad', y varchar(9));"
        " INSERT INTO items (id) VALUES (1), (2)",
    )
    items = mirror(database, (ID, Column("x", varchar(9))))
    items.read()
    execute(database.admin_url, _HARMLESS[what], autocommit=True)
    execute(database.admin_url, "INSERT INTO items (id) VALUES (3)")
    reading = items.read()
    assert (reading.kind, reading.values("id")) == ("changes", [3])
    assert items.is_complete()


def test_a_wider_column_costs_no_new_generation(database: SourceDatabase) -> None:
    execute(database.admin_url, f"{EMPTY} CREATE TABLE items (id int PRIMARY KEY, x varchar(9)); INSERT INTO items VALUES (1, 'a')")
    items = mirror(database, (ID, Column("x", varchar(60))))
    items.read()
    execute(database.admin_url, "ALTER TABLE items ALTER x TYPE varchar(20)")
    reading = items.read()
    assert (reading.kind, reading.rows) == ("changes", [])


def test_a_position_without_a_layout_is_completed(database: SourceDatabase) -> None:
    """Those of earlier versions have none; a quiet table must not stay without it."""
    execute(database.admin_url, f"{EMPTY} CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items VALUES (1)")
    items = mirror(database, (ID,))
    items.read()
    assert items.position is not None
    items.position = {name: value for name, value in items.position.items() if name != "layout"}
    reading = items.read()
    assert (reading.kind, reading.rows, reading.must_land) == ("changes", [], True)
    assert not items.read().must_land


# ---- partitions and children

PARTED = (Column("id", integer, nullable=False), Column("d", date, nullable=False), Column("v", varchar(9)))
PARENTS = {
    "partitions": (
        "CREATE TABLE items (id int, d date, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d)",
        "ALTER TABLE items ATTACH PARTITION {0} FOR VALUES FROM ('{1}-01-01') TO ('{2}-01-01')",
        "ALTER TABLE items DETACH PARTITION {0}",
    ),
    "children": (
        "CREATE TABLE items (id int NOT NULL, d date NOT NULL, v text)",
        "ALTER TABLE {0} INHERIT items",
        "ALTER TABLE {0} NO INHERIT items",
    ),
}
_STEPS = st.lists(
    st.tuples(st.sampled_from(["attach", "detach", "insert", "update", "delete", "read", "detect"]), st.sampled_from(["y2023", "y2024"])),
    max_size=14,
)


@pytest.mark.parametrize("kind", PARENTS)
@settings(max_examples=extent(12, 150))
@given(steps=_STEPS)
def test_rows_of_what_joined_a_table_arrive(database: SourceDatabase, kind: str, steps: list[tuple[str, str]]) -> None:
    """Regression: rows that were written before their table became a partition never arrived."""
    created, attach, detach = PARENTS[kind]
    tables = "".join(f"CREATE TABLE {name} (id int NOT NULL, d date NOT NULL, v text, PRIMARY KEY (id, d));" for name in ("y2023", "y2024"))
    execute(database.admin_url, f"{EMPTY} {created}; {tables} INSERT INTO y2023 VALUES (1, '2023-05-05', 'a')")
    items, attached, ids = mirror(database, PARTED, ("id", "d")), set(), iter(range(2, 99))
    for step, name in [*steps, ("read", ""), ("detect", "")]:
        year = int(name[1:] or 0)
        if step == "attach" and name not in attached:
            attached.add(name)
            execute(database.admin_url, attach.format(name, year, year + 1))
        elif step == "detach" and name in attached:
            attached.remove(name)
            execute(database.admin_url, detach.format(name))
        elif step == "insert":
            execute(database.admin_url, f"INSERT INTO {name} VALUES ({next(ids)}, '{year}-06-06', 'b')")
        elif step == "update":
            execute(database.admin_url, f"UPDATE {name} SET v = v || 'c' WHERE id = (SELECT min(id) FROM {name}) AND length(v) < 9")
        elif step == "delete":
            execute(database.admin_url, f"DELETE FROM {name} WHERE id = (SELECT max(id) FROM {name})")
        elif step == "read":
            items.read()
            now = {items.key_of(row): row for row in drained(items.reader, items.table).rows}
            assert {key: items.rows.get(key) for key in now} == now
        elif step == "detect":
            items.is_complete()


def test_partitions_of_a_partition_that_joined_arrive(database: SourceDatabase) -> None:
    created, attach, _ = PARENTS["partitions"]
    tables = "CREATE TABLE {0} (id int NOT NULL, d date NOT NULL, v text, PRIMARY KEY (id, d)) {1}"
    execute(
        database.admin_url,
        f"{EMPTY} DROP TABLE IF EXISTS low, high; {created}; {tables.format('y2024', 'PARTITION BY RANGE (id)')};"
        f" {tables.format('low', '')}; {tables.format('high', '')}; INSERT INTO low VALUES (1, '2024-05-05', 'a');"
        " INSERT INTO high VALUES (7, '2024-05-05', 'b');"
        " ALTER TABLE y2024 ATTACH PARTITION low FOR VALUES FROM (0) TO (5)",
    )
    items = mirror(database, PARTED, ("id", "d"))
    items.read()
    execute(database.admin_url, attach.format("y2024", 2024, 2025))
    assert items.read().values("id") == [1]
    execute(database.admin_url, "ALTER TABLE y2024 ATTACH PARTITION high FOR VALUES FROM (5) TO (9)")
    assert items.read().values("id") == [7]
    assert items.is_complete()


def test_rows_of_an_exchanged_partition_replace_those_of_the_old_one(database: SourceDatabase) -> None:
    created, attach, detach = PARENTS["partitions"]
    tables = "".join(f"CREATE TABLE {name} (id int NOT NULL, d date NOT NULL, v text, PRIMARY KEY (id, d));" for name in ("y2023", "y2024"))
    execute(
        database.admin_url,
        f"{EMPTY} {created}; {tables} INSERT INTO y2023 VALUES (1, '2023-05-05', 'old'), (2, '2023-05-05', 'gone');"
        f" INSERT INTO y2024 VALUES (1, '2023-05-05', 'new'), (3, '2023-05-05', 'new'); {attach.format('y2023', 2023, 2024)}",
    )
    items = mirror(database, PARTED, ("id", "d"))
    items.read()
    execute(database.admin_url, detach.format("y2023"), attach.format("y2024", 2023, 2024))
    assert items.read().values("id") == [1, 3]
    assert items.is_complete()
    assert sorted((row["id"], row["v"]) for row in items.rows.values()) == [(1, "new"), (3, "new")]


def test_a_reading_names_what_joined_its_table(database: SourceDatabase) -> None:
    created, attach, _ = PARENTS["partitions"]
    execute(
        database.admin_url,
        f"{EMPTY} {created}; CREATE TABLE y2024 (id int NOT NULL, d date NOT NULL, v text)",
        "INSERT INTO y2024 VALUES (2, '2024-05-01', 'b')",
    )
    items = mirror(database, PARTED, ("id", "d"))
    items.read()
    before = items.reader.head(items.table, items.position)
    execute(database.admin_url, attach.format("y2024", 2024, 2025))
    assert items.reader.head(items.table, items.position) != before
    with items.reader.read(items.table, items.position) as reading:
        assert isinstance(reading, NamesWhatJoined)
        assert reading.joined == "y2024"
    assert items.read().values("id") == [2]
    execute(database.admin_url, "CREATE TABLE empty PARTITION OF items FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    last = items.read()
    assert (last.rows, last.must_land) == ([], True), "it would be named by each reading until a row comes"
    with items.reader.read(items.table, items.position) as quiet:
        assert isinstance(quiet, NamesWhatJoined)
        assert (quiet.joined, quiet.must_land) == ("", False)
