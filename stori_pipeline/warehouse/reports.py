"""Reports in the warehouse: views or tables, replaced in one transaction and always readable.

Belongs here: the statements that create one, their order, and a report's first rows. Does not belong here: what a report is and what it
reads (`model.report`).
"""

# The hash of a report's definition is in its comment, so it disappears with the report, whoever drops it. A table's new rows are computed
# before the table is locked, so readers do not wait for the query. If another run replaced the report in the meantime, the attempt is
# repeated, so that older rows never replace newer ones.

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from stori_pipeline.model.names import quoted
from stori_pipeline.model.report import SCHEMA, Report, dependents
from stori_pipeline.warehouse.session import Warehouse
from stori_pipeline.warehouse.transaction import Overtaken, bounded_wait, with_retries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the drivers' classes are lower-case)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


class _Existing(NamedTuple):
    """A report as it is in the warehouse."""

    table: bool
    comment: str

    @property
    def kind(self) -> str:
        return "TABLE" if self.table else "VIEW"

    def has_definition(self, report: Report) -> bool:
        """Whether it was created from the report's present definition."""
        return self.table == is_table(report) and self._hashes.get("definition") == report.fingerprint

    def has_statement(self, report: Report) -> bool:
        """Whether it was created from the report's present statement; its inputs may have changed."""
        return self.table == is_table(report) and self._hashes.get("statement") == report.statement_hash

    @property
    def _hashes(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+) ([0-9a-f]+)", self.comment))


# Catalog tables only: a query of them cannot be joined with one of other tables.
SELECT_REPORTS = """\
SELECT c.relname, c.relkind, d.description FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = 0
WHERE n.nspname = %s AND c.relkind IN ('r', 'v')"""

_SELECT_TYPES = (
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
)

_NEW = quoted("new_rows")
"""The temporary table for the new rows; each session creates one report."""


def relation(report: Report) -> str:
    """`"reports"."sales_by_month"`."""
    return f"{quoted(SCHEMA)}.{quoted(report.name)}"


def is_table(report: Report) -> bool:
    return report.materialized == "table"


def create_view(report: Report, *, replace: bool = False) -> str:
    return f"CREATE {'OR REPLACE ' if replace else ''}VIEW {relation(report)} AS\n{report.statement}"


def make_report(report: Report, warehouse: Warehouse, *, run_id: str, reports: Sequence[Report] = ()) -> int | None:
    """Creates or replaces one report, in one transaction. Returns the number of rows of a table, None for a view.

    A view whose definition has not changed stays as it is. A report whose columns have changed is dropped, and with it the views of
    other reports on it.

    Args:
        reports: every report. Views that read this one and were dropped with it are created again in the same transaction, unless their
            own statement has changed, too; those are created by their own call.

    Raises:
        WarehouseUnavailable: the warehouse cannot be reached, the report's readers did not finish, or conflicts persisted.
        WarehouseError: the warehouse refused the statement. The report is unchanged.
    """
    return with_retries(
        warehouse,
        f"report {SCHEMA}.{report.name}",
        lambda connection, cursor: _Attempt(warehouse, connection, cursor, report, dependents(report, reports), run_id).run(),
    )


@dataclass(frozen=True)
class FirstRows:
    """Some rows of a report, the number of all its rows, and the types of its columns by name."""

    rows: list[tuple[Any, ...]]
    count: int
    types: dict[str, str]


def first_rows(report: Report, warehouse: Warehouse, limit: int) -> FirstRows:
    """Reads at most `limit` rows of a report that exists."""
    with warehouse.session(f"preview of {report.full_name}") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT shown.*, COUNT(*) OVER () AS all_rows FROM {relation(report)} AS shown LIMIT {limit}")
        rows = cursor.fetchall()
        cursor.execute(_SELECT_TYPES, (SCHEMA, report.name))
        types = dict(cursor.fetchall())
    return FirstRows([row[:-1] for row in rows], int(rows[0][-1]) if rows else 0, types)


@dataclass
class _Attempt:
    """One attempt to create or replace a report, in a session of its own."""

    warehouse: Warehouse
    connection: Connection
    cursor: Cursor
    report: Report
    dependents: Sequence[Report]
    run_id: str

    def run(self) -> int | None:
        reports = self._existing()
        if not reports:
            self.cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(SCHEMA)}")
        self.connection.commit()  # LOCK must be the first statement of its transaction
        if is_table(self.report):
            return self._table(reports)
        self._view(reports)
        return None

    def _view(self, reports: dict[str, _Existing]) -> None:
        import psycopg2

        existing = reports.get(self.report.name)
        if existing and existing.has_definition(self.report):
            return
        with self._bounded_wait():
            if existing and not existing.table:
                try:
                    self.cursor.execute(create_view(self.report, replace=True))
                except psycopg2.errors.InvalidTableDefinition:
                    # Redshift replaces a view only by one with the same columns.
                    self.connection.rollback()
                else:
                    self._write_comment(self.report)
                    self.connection.commit()
                    return
            self._drop(existing)
            self.cursor.execute(create_view(self.report))
            self._write_comment(self.report)
            self._restore(reports)
            self.connection.commit()

    def _table(self, reports: dict[str, _Existing]) -> int:
        existing = reports.get(self.report.name)
        self.cursor.execute(f"CREATE TEMP TABLE {_NEW} AS\n{self.report.statement}")
        self.cursor.execute(f"SELECT COUNT(*) FROM {_NEW}")
        (rows,) = self.cursor.fetchone() or (0,)
        self.connection.commit()
        with self._bounded_wait():
            if existing and existing.table:
                self.cursor.execute(f"LOCK {relation(self.report)}")
            reports = self._existing()
            if reports.get(self.report.name) != existing:
                raise Overtaken(
                    f"report {SCHEMA}.{self.report.name}: other runs keep replacing it at the same time; try again when they are done"
                )
            if existing and existing.has_definition(self.report):
                self.cursor.execute(f"DELETE FROM {relation(self.report)}")
                self.cursor.execute(f"INSERT INTO {relation(self.report)} SELECT * FROM {_NEW}")
            else:
                self._drop(existing)
                self.cursor.execute(f"CREATE TABLE {relation(self.report)} AS SELECT * FROM {_NEW}")
                self._restore(reports)
            self._write_comment(self.report)
            self.connection.commit()
        return int(rows)

    def _existing(self) -> dict[str, _Existing]:
        self.cursor.execute(SELECT_REPORTS, (SCHEMA,))
        return {name: _Existing(kind == "r", comment or "") for name, kind, comment in self.cursor.fetchall()}

    def _drop(self, existing: _Existing | None) -> None:
        if existing:
            self.cursor.execute(f"DROP {existing.kind} {relation(self.report)} CASCADE")

    def _restore(self, reports: dict[str, _Existing]) -> None:
        """Creates the views again that were dropped with the report, unless their statement has changed."""
        for each in self.dependents:
            existing = reports.get(each.name)
            if existing and not existing.table and existing.has_statement(each):
                self.cursor.execute(create_view(each))
                self._write_comment(each)

    def _write_comment(self, report: Report) -> None:
        """Writes the comment with the hash of the report's definition and the run that created it."""
        kind = "TABLE" if is_table(report) else "VIEW"
        comment = f"definition {report.fingerprint}, statement {report.statement_hash}, made {uuid.uuid4().hex} by run {self.run_id}"
        self.cursor.execute(f"COMMENT ON {kind} {relation(report)} IS %s", (comment,))

    def _bounded_wait(self) -> AbstractContextManager[None]:
        name = f"{SCHEMA}.{self.report.name}"
        return bounded_wait(self.warehouse, self.connection, self.cursor, f"report {name}", name)
