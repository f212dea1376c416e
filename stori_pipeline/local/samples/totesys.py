"""Fills the database of totesys with its history. The other `totesys_` modules are used through this one.

Belongs here: creating the schema, and inserting all rows in one transaction. Does not belong here: the rows (`totesys_past`), and later
writes (`totesys_writes`, `totesys_days`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from psycopg2 import extensions, sql

from stori_pipeline.local.samples.database import connected
from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.totesys_days import DayTruth, late_order, simulate_day, traffic
from stori_pipeline.local.samples.totesys_past import Past
from stori_pipeline.local.samples.totesys_writes import Change, Commit, Totesys
from stori_pipeline.project import source_tables

__all__ = ["UNTIL", "Change", "Commit", "DayTruth", "Totesys", "create_schema", "late_order", "simulate_day", "traffic", "write_past"]

SCHEMA = Path(__file__).parents[3] / "sql" / "sources" / "totesys.sql"
UNTIL = date(2024, 11, 15)
"""The last day of the measured original data."""

_PORTION = 5_000


def create_schema(url: str) -> None:
    """Create the tables and types of totesys if they do not exist."""
    with connected(url, "totesys") as connection, connection, connection.cursor() as cursor:
        # IF NOT EXISTS fails when two sessions create the same table at the same time.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('totesys'))")
        cursor.execute(SCHEMA.read_text(encoding="utf-8"))


def write_past(
    url: str, *, until: date = UNTIL, seed: int = 1, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> dict[str, int]:
    """Create the schema if it does not exist, and insert all rows up to the end of the day `until`, in one transaction.

    Inserts nothing if any table has a row. Returns the number of rows inserted by table. `progress(done, total)` counts rows.

    Raises:
        SampleError: `until` is before the first day of totesys, or the database failed. Nothing was inserted.
    """
    create_schema(url)
    with connected(url, "totesys") as connection, connection, connection.cursor() as cursor:
        # Without the lock, two calls at once would both find the tables empty.
        cursor.execute("LOCK TABLE address IN SHARE ROW EXCLUSIVE MODE")
        names = [table.name for table in source_tables() if table.source.name == "totesys"]
        if any(_holds_rows(cursor, name) for name in names):
            return dict.fromkeys(names, 0)
        try:
            rows = Past(until, seed=seed).rows()
        except ValueError as error:
            raise SampleError(str(error)) from None
        total, done = sum(map(len, rows.values())), 0
        for table, all_rows in rows.items():
            for start in range(0, len(all_rows), _PORTION):
                portion = all_rows[start : start + _PORTION]
                _copy(cursor, table, portion)
                done += len(portion)
                progress(done, total)
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", (f'"{table}"', f"{table}_id", len(all_rows)))
        # Otherwise the first queries would be planned as if the tables were empty.
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(map(sql.Identifier, rows))))
    return {table: len(all_rows) for table, all_rows in rows.items()}


def _holds_rows(cursor: extensions.cursor, table: str) -> bool:
    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
    return cursor.fetchone() == (True,)


def _copy(cursor: extensions.cursor, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    buffer = io.StringIO(newline="")
    # COPY reads an empty field as NULL, and no value here is an empty text.
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    buffer.seek(0)
    cursor.copy_expert(sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(sql.Identifier(table)).as_string(cursor), buffer)
