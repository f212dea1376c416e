"""Every file of `sql/checks`, put to the test: in a warehouse where all is well it returns nothing, and what is made wrong it returns.

Each case breaks one thing in a transaction of its own, which is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from stori_pipeline.defs.sql_checks import parse_check
from stori_pipeline.project import CHECKS_FOLDER
from stori_pipeline_tests.quality import planted, planted_stars, small_world
from stori_pipeline_tests.quality.breaks import Break

CASES = planted.CASES + planted_stars.CASES

STATEMENTS = {
    f"{file.parent.relative_to(CHECKS_FOLDER)}/{file.stem}": parse_check(file).statement for file in sorted(CHECKS_FOLDER.rglob("*.sql"))
}


@pytest.fixture(scope="module")
def warehouse(warehouse_url: str) -> Iterator[Connection]:
    """The small world, committed."""
    with closing(psycopg2.connect(warehouse_url)) as connection:
        with connection, connection.cursor() as cursor:
            small_world.make(cursor)
            small_world.fill(cursor)
        yield connection
        with connection, connection.cursor() as cursor:
            small_world.drop(cursor)


@pytest.fixture
def world(warehouse: Connection) -> Iterator[Cursor]:
    """The small world, as it was whatever a test does to it."""
    with warehouse.cursor() as cursor:
        yield cursor
    warehouse.rollback()


def found(cursor: Cursor, check: str) -> list[tuple[Any, ...]]:
    cursor.execute(STATEMENTS[check])
    return sorted(cursor.fetchall(), key=repr)


def test_where_all_is_well_no_check_finds_anything(world: Cursor) -> None:
    assert {check: rows for check in STATEMENTS if (rows := found(world, check))} == {}


@pytest.mark.parametrize(("check", "how", "expected"), [(c, h, e) for c, _, h, e in CASES], ids=[f"{c}: {w}" for c, w, _, _ in CASES])
def test_a_check_returns_what_is_wrong_and_nothing_else(world: Cursor, check: str, how: Break, expected: list[tuple[Any, ...]]) -> None:
    how(world)
    assert [row[: len(expected[0])] for row in found(world, check)] == expected


def test_every_check_is_put_to_the_test() -> None:
    assert set(STATEMENTS) == {check for check, *_ in CASES}
