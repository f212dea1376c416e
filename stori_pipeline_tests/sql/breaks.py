"""Changes that break sound rows: functions of a cursor, with statements and rows.

Belongs here: the parts of cases. Does not belong here: any case (`planted`, `planted_stars`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date as day
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class is lower-case)

from stori_pipeline_tests.sql import mirrors, sound_rows

Break = Callable[[Cursor], None]
Case = tuple[str, str, Break, list[tuple[Any, ...]]]
"""The check, what is broken, how, and the rows that it must return: their first columns."""


def sql(*statements: str) -> Break:
    def run(cursor: Cursor) -> None:
        for statement in statements:
            cursor.execute(statement)

    return run


def row(full_name: str, **values: Any) -> Break:
    return lambda cursor: mirrors.insert(cursor, full_name, values)


def both(*breaks: Break) -> Break:
    def run(cursor: Cursor) -> None:
        for each in breaks:
            each(cursor)

    return run


def days(first: day, last: day) -> Break:
    return lambda cursor: mirrors.insert(cursor, "star.dim_date", *sound_rows.calendar(first, last))


def view(name: str, select: str) -> Break:
    """A view or report as this makes it instead; those that read it are gone."""
    return sql(f"DROP VIEW {name} CASCADE", f"CREATE VIEW {name} AS {select}")
