"""Every file of `sql/checks`: it returns nothing for sound rows, and the planted rows for each planted error.

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

from stori_pipeline.model.sql_check import parse_check
from stori_pipeline.project import CHECKS_FOLDER
from stori_pipeline_tests.sql import mirrors, planted, planted_stars, sound_rows
from stori_pipeline_tests.sql.breaks import Break

CASES = planted.CASES + planted_stars.CASES

STATEMENTS = {
    f"{file.parent.relative_to(CHECKS_FOLDER)}/{file.stem}": parse_check(file).statement for file in sorted(CHECKS_FOLDER.rglob("*.sql"))
}


@pytest.fixture(scope="module")
def warehouse(warehouse_url: str) -> Iterator[Connection]:
    """The sound rows, committed."""
    with closing(psycopg2.connect(warehouse_url)) as connection:
        with connection, connection.cursor() as cursor:
            sound_rows.fill(cursor)
        yield connection
        with connection, connection.cursor() as cursor:
            mirrors.drop(cursor)


@pytest.fixture
def sound(warehouse: Connection) -> Iterator[Cursor]:
    """The sound rows, as they were whatever a test does to it."""
    with warehouse.cursor() as cursor:
        yield cursor
    warehouse.rollback()


def found(cursor: Cursor, check: str) -> list[tuple[Any, ...]]:
    cursor.execute(STATEMENTS[check])
    return sorted(cursor.fetchall(), key=repr)


def test_no_check_returns_a_row_of_sound_data(sound: Cursor) -> None:
    assert {check: rows for check in STATEMENTS if (rows := found(sound, check))} == {}


@pytest.mark.parametrize(("check", "how", "expected"), [(c, h, e) for c, _, h, e in CASES], ids=[f"{c}: {w}" for c, w, _, _ in CASES])
def test_a_check_returns_exactly_the_planted_rows(sound: Cursor, check: str, how: Break, expected: list[tuple[Any, ...]]) -> None:
    how(sound)
    assert [row[: len(expected[0])] for row in found(sound, check)] == expected


def test_every_check_file_has_a_planted_case() -> None:
    assert set(STATEMENTS) == {check for check, *_ in CASES}
