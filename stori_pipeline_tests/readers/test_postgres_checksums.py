"""Checksums that Postgres computes with its own, faster expressions: those that Python computes, for every value that fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date as day
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stori_pipeline.local.stack import Stack
from stori_pipeline.model import row_checksum
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import date, decimal, integer, timestamptz
from stori_pipeline.readers.postgres import Xmin
from stori_pipeline.readers.postgres.reader import PostgresReader
from stori_pipeline_tests.conftest import SourceDatabase, source_database
from stori_pipeline_tests.databases import execute
from stori_pipeline_tests.extent import extent

ITEMS = Table(
    Source("shop", "postgres", "A shop."),
    "items",
    (
        Column("id", integer, nullable=False),
        Column("price", decimal(18, 2)),
        Column("narrow", decimal(18, 2)),
        Column("free", decimal(18, 2)),
        Column("wide", decimal(18, 2)),
        Column("day", date),
        Column("at", timestamptz),
        Column("naive", timestamptz),
    ),
    ("id",),
    Xmin(),
)
CREATE = (
    "CREATE TABLE items (id int PRIMARY KEY, price numeric(18,2), narrow numeric(10,1), free numeric, wide numeric(20,4), day date,"
    ' "at" timestamptz, naive timestamp)'
)


@dataclass(frozen=True)
class Items:
    """A table of items in a database of its own."""

    database: SourceDatabase

    def hold(self, rows: list[tuple[Any, ...]]) -> None:
        with closing(psycopg2.connect(self.database.admin_url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("TRUNCATE items")
            for number, row in enumerate(rows):
                cursor.execute("INSERT INTO items VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", (number, *row))

    def checksums(self) -> dict[tuple[str, ...], int]:
        reader = PostgresReader(self.database.reader_url)
        _, keys = reader.key_range(ITEMS)
        return reader.checksums(ITEMS, keys)

    def digest(self) -> tuple[int, int]:
        """The rows, and the sum of their checksums."""
        reader = PostgresReader(self.database.reader_url)
        _, keys = reader.key_range(ITEMS)
        digests = reader.digests(ITEMS, keys, keys.width(4)).values()
        return sum(each.rows for each in digests), sum(each.checksum for each in digests)


@pytest.fixture(scope="module")
def items(sources: Stack) -> Iterator[Items]:
    with source_database(sources) as database:
        execute(database.admin_url, CREATE)
        yield Items(database)


def _decimals(digits: int, places: int) -> st.SearchStrategy[Decimal | None]:
    most = Decimal(10) ** (digits - places) - Decimal(10) ** -places
    return st.none() | st.decimals(-most, most, places=places)


_EDGES = st.sampled_from([0, 1, 10, 100_000, 500_000, 999_999])
_INSTANTS = st.none() | st.builds(lambda at, micro: at.replace(microsecond=micro), st.datetimes(), _EDGES | st.integers(0, 999_999))
_ROWS = st.lists(
    st.tuples(
        _decimals(18, 2),
        _decimals(10, 1),
        _decimals(18, 2),
        _decimals(18, 2),
        st.none() | st.dates(),
        _INSTANTS.map(lambda at: at and at.replace(tzinfo=timezone.utc)),
        _INSTANTS,
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=extent(40, 400))
@given(_ROWS)
def test_a_row_has_the_checksum_that_python_computes(items: Items, rows: list[tuple[Any, ...]]) -> None:
    items.hold(rows)
    expected = {(str(number),): _checksum(number, row) for number, row in enumerate(rows)}
    assert items.checksums() == expected
    assert items.digest() == (len(rows), sum(expected.values()))


def _checksum(number: int, row: tuple[Any, ...]) -> int:
    values = dict(zip((column.name for column in ITEMS.columns), (number, *row), strict=True))
    for column in ITEMS.columns[1:5]:
        value = values[column.name]
        values[column.name] = None if value is None else value.quantize(Decimal("0.01"))
    values["naive"] = values["naive"] and values["naive"].replace(tzinfo=timezone.utc)
    return row_checksum.checksum(ITEMS, values)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("price", "'NaN'"),
        ("free", "1.005"),
        ("free", "1e17"),
        ("free", "'Infinity'"),
        ("wide", "0.0001"),
        ("wide", "'NaN'"),
        ("day", "'infinity'"),
        ("day", "'0001-01-01 BC'"),
        ("day", "'10000-01-01'"),
        ('"at"', "'-infinity'"),
        ('"at"', "'10000-01-01 00:00Z'"),
        ('"at"', "'0001-12-31 23:59:59Z BC'"),
        ("naive", "'infinity'"),
    ],
)
def test_a_value_that_does_not_fit_has_the_checksum_of_none_that_does(items: Items, column: str, value: str) -> None:
    instant = datetime(1, 1, 1, tzinfo=timezone.utc)
    items.hold([(None,) * 7])
    execute(items.database.admin_url, f"UPDATE items SET {column} = {value}")
    near: dict[str, list[Any]] = {
        "price": [None, Decimal(0)],
        "free": [None, Decimal("1.00"), Decimal("1.01"), Decimal("0.00")],
        "wide": [None, Decimal("0.00")],
        "day": [None, day.min, day.max],
        "at": [None, instant, datetime.max.replace(tzinfo=timezone.utc), instant + timedelta(days=365)],
        "naive": [None, instant, datetime.max.replace(tzinfo=timezone.utc)],
    }
    name = column.strip('"')
    empty: dict[str, Any] = dict.fromkeys(each.name for each in ITEMS.columns) | {"id": 0}
    fitting = {row_checksum.checksum(ITEMS, empty | {name: each}) for each in near[name]}
    (found,) = items.checksums().values()
    assert found not in fitting
